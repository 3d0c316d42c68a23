//! Encrypted configuration files (C8; B59 to B65): the container of `openssl enc`, so that this program alone can make and read one.
//!
//! ```text
//! openssl enc -aes-128-cbc -md sha256 -pass pass:KEY -in phone.cfg -out phone.e1c     or -md md5, or -pbkdf2
//!
//! "Salted__", 8 bytes of salt, AES-CBC with PKCS#7 padding over the file
//! key and IV: EVP_BytesToKey with one round of SHA-256 or MD5, or PBKDF2-HMAC-SHA-256 with 10,000 rounds
//! ```
//!
//! The container does not say how its key was derived: reading tries each way, and takes the one that gives a text. Nothing
//! protects the content against being changed on its way; whoever needs that uses HTTPS. Pure: the salt is an input.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use agreements::{Diagnosis, Secret};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::finding::{Detail, error};

/// How every container begins.
const HEAD: &[u8; 8] = b"Salted__";
/// What is encrypted at once.
const BLOCK: usize = 16;
/// The default of `openssl enc -pbkdf2`.
const ROUNDS: u32 = 10_000;
/// The longest key and an IV.
const DERIVED: usize = 48;

/// CFG_FILE_KEY_LENGTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyLength {
    /// AES-128.
    Bits128,
    /// AES-192.
    Bits192,
    /// AES-256.
    Bits256,
}

impl KeyLength {
    /// From the value of CFG_FILE_KEY_LENGTH.
    pub fn of(setting: &str) -> Option<KeyLength> {
        match setting {
            "128" => Some(KeyLength::Bits128),
            "192" => Some(KeyLength::Bits192),
            "256" => Some(KeyLength::Bits256),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            KeyLength::Bits128 => 16,
            KeyLength::Bits192 => 24,
            KeyLength::Bits256 => 32,
        }
    }
}

/// How key and IV come from the key string and the salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// `-md sha256`, the default since OpenSSL 1.1.
    Sha256,
    /// `-md md5`, the default before.
    Md5,
    /// `-pbkdf2`.
    Pbkdf2,
}

impl Derivation {
    /// In the order in which reading tries them.
    pub const ALL: [Derivation; 3] = [Derivation::Sha256, Derivation::Md5, Derivation::Pbkdf2];
}

/// Which of the three keys a file is for (B60).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// .e1c
    One,
    /// .e2c
    Two,
    /// .e3c
    Three,
}

impl Slot {
    /// All of them.
    pub const ALL: [Slot; 3] = [Slot::One, Slot::Two, Slot::Three];

    /// By the extension of a file name or URL alone; none for a file that is not encrypted.
    pub fn of(name: &str) -> Option<Slot> {
        let path = if name.contains("://") { name.split(['?', '#']).next().unwrap_or(name) } else { name };
        Slot::ALL.into_iter().find(|slot| path.ends_with(slot.extension()))
    }

    /// With its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Slot::One => ".e1c",
            Slot::Two => ".e2c",
            Slot::Three => ".e3c",
        }
    }

    /// The parameter that holds its key.
    pub fn parameter(self) -> &'static str {
        match self {
            Slot::One => "CFG_FILE_KEY1",
            Slot::Two => "CFG_FILE_KEY2",
            Slot::Three => "CFG_FILE_KEY3",
        }
    }
}

/// Why a container cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It may have been put there unencrypted.
    #[error("the file is not encrypted, although its extension says so")]
    NotEncrypted,
    /// Something is missing at its end.
    #[error("the encrypted file is incomplete")]
    Truncated,
    /// No way of deriving the key gives a text.
    #[error("the key or its length does not fit the encrypted file")]
    WrongKey,
}

/// Makes a container. The salt is to be random: two files with the same salt and key show where they begin to differ.
pub fn encrypt(content: &[u8], key: &Secret, length: KeyLength, derivation: Derivation, salt: [u8; 8]) -> Vec<u8> {
    let derived = derive(key, salt, length, derivation);
    let (key, iv) = parts(&derived, length);
    let mut out = HEAD.to_vec();
    out.extend_from_slice(&salt);
    let body = match length {
        KeyLength::Bits128 => {
            cbc::Encryptor::<aes::Aes128>::new_from_slices(key, iv).map(|mode| mode.encrypt_padded_vec::<Pkcs7>(content))
        }
        KeyLength::Bits192 => {
            cbc::Encryptor::<aes::Aes192>::new_from_slices(key, iv).map(|mode| mode.encrypt_padded_vec::<Pkcs7>(content))
        }
        KeyLength::Bits256 => {
            cbc::Encryptor::<aes::Aes256>::new_from_slices(key, iv).map(|mode| mode.encrypt_padded_vec::<Pkcs7>(content))
        }
    };
    // The lengths are those of the cipher by construction.
    out.extend_from_slice(&body.unwrap_or_default());
    out
}

/// Reads a container.
///
/// # Errors
/// See [`Unreadable`].
pub fn decrypt(container: &[u8], key: &Secret, length: KeyLength) -> Result<Vec<u8>, Unreadable> {
    let rest = container.strip_prefix(HEAD).ok_or(Unreadable::NotEncrypted)?;
    let (salt, body) = rest.split_first_chunk::<8>().ok_or(Unreadable::Truncated)?;
    if body.is_empty() || body.len() % BLOCK != 0 {
        return Err(Unreadable::Truncated);
    }
    let ways = Derivation::ALL.into_iter();
    let mut contents = ways.filter_map(|derivation| open(body, &derive(key, *salt, length, derivation), length));
    contents.find(|content| is_text(content)).ok_or(Unreadable::WrongKey)
}

/// What is in a file of this name (B59, B60): itself, or what its container holds. `key` is the value of the parameter that its
/// extension names; an empty one refuses such files (B61).
///
/// # Errors
/// The diagnosis that rejects the file.
pub fn content(bytes: Vec<u8>, file_name: &str, key: &Secret, length: KeyLength) -> Result<Vec<u8>, Diagnosis> {
    let Some(slot) = Slot::of(file_name) else { return Ok(bytes) };
    let (code, reason, suggestion) = if key.is_empty() {
        let reason = format!("the file is encrypted for {}, which is empty", slot.parameter());
        ("file.no-key", reason, format!("set {}, or provide the file unencrypted with the extension .cfg", slot.parameter()))
    } else {
        match decrypt(&bytes, key, length) {
            Ok(content) => return Ok(content),
            Err(fault) => (fault.code(), fault.to_string(), fault.suggestion(slot)),
        }
    };
    Err(error(code, reason).named(slot.parameter()).in_file(&crate::template::without_password(file_name)).suggest(suggestion))
}

impl Unreadable {
    fn code(self) -> &'static str {
        match self {
            Unreadable::NotEncrypted => "file.not-encrypted",
            Unreadable::Truncated => "file.truncated",
            Unreadable::WrongKey => "file.wrong-key",
        }
    }

    fn suggestion(self, slot: Slot) -> String {
        match self {
            Unreadable::NotEncrypted => {
                "encrypt it with `openssl enc` or `phonectl config encrypt`, or give it the extension .cfg".to_owned()
            }
            Unreadable::Truncated => "it may have been cut off on its way: check the file on the server".to_owned(),
            Unreadable::WrongKey => {
                format!(
                    "check {}, CFG_FILE_KEY_LENGTH, and that the extension names the key it was encrypted with",
                    slot.parameter()
                )
            }
        }
    }
}

/// The outcome of a file that [`content`] refuses.
pub fn refused(diagnosis: Diagnosis, bytes: usize) -> crate::FileOutcome {
    crate::FileOutcome { file: diagnosis.file.clone(), rejected: true, bytes, diagnoses: vec![diagnosis], ..Default::default() }
}

fn open(body: &[u8], derived: &[u8; DERIVED], length: KeyLength) -> Option<Vec<u8>> {
    let (key, iv) = parts(derived, length);
    match length {
        KeyLength::Bits128 => cbc::Decryptor::<aes::Aes128>::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(body).ok(),
        KeyLength::Bits192 => cbc::Decryptor::<aes::Aes192>::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(body).ok(),
        KeyLength::Bits256 => cbc::Decryptor::<aes::Aes256>::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(body).ok(),
    }
}

/// One wrong key in 256 leaves a padding that looks right: only what may be a configuration file counts.
fn is_text(content: &[u8]) -> bool {
    let is_control = |character: char| character.is_control() && !character.is_whitespace();
    content.trim_ascii_start().starts_with(crate::file::MAGIC.as_bytes())
        || std::str::from_utf8(content).is_ok_and(|text| !text.contains(is_control))
}

fn parts(derived: &[u8; DERIVED], length: KeyLength) -> (&[u8], &[u8]) {
    let (key, rest) = derived.split_at(length.bytes());
    (key, rest.get(..BLOCK).unwrap_or(rest))
}

fn derive(key: &Secret, salt: [u8; 8], length: KeyLength, derivation: Derivation) -> [u8; DERIVED] {
    match derivation {
        Derivation::Sha256 => bytes_to_key::<Sha256>(key, salt),
        Derivation::Md5 => bytes_to_key::<Md5>(key, salt),
        Derivation::Pbkdf2 => {
            let mut derived = [0; DERIVED];
            let (wanted, _) = derived.split_at_mut(length.bytes().saturating_add(BLOCK));
            pbkdf2::pbkdf2_hmac::<Sha256>(key.reveal().as_bytes(), &salt, ROUNDS, wanted);
            derived
        }
    }
}

/// EVP_BytesToKey with one round: each digest is over the one before, the key string and the salt.
fn bytes_to_key<D: Digest>(key: &Secret, salt: [u8; 8]) -> [u8; DERIVED] {
    let mut derived = [0; DERIVED];
    let mut last = Vec::new();
    let mut rest = derived.as_mut_slice();
    while !rest.is_empty() {
        let digest = D::new().chain_update(&last).chain_update(key.reveal().as_bytes()).chain_update(salt).finalize();
        last = digest.to_vec();
        let taken = last.len().min(rest.len());
        let (now, after) = rest.split_at_mut(taken);
        now.copy_from_slice(last.get(..taken).unwrap_or(&[]));
        rest = after;
    }
    derived
}
