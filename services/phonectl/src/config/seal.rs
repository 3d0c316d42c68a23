//! Encrypted files. Works without a phone.

use std::path::{Path, PathBuf};

use phone_proto::errors::ErrorKind;
use settings::container::{self, Derivation, Slot};

use super::arguments::{DerivationName, Key, Target};
use super::{bytes_of, key_of, write_file, write_to, wrong};
use crate::failure::Failure;
use crate::show::Output;

/// `phonectl config encrypt`
pub fn encrypt(path: &Path, slot: u8, key: &Key, derivation: DerivationName, output: Option<PathBuf>) -> Result<(), Failure> {
    let content = bytes_of(path)?;
    let slot = match slot {
        1 => Slot::One,
        2 => Slot::Two,
        _ => Slot::Three,
    };
    let output = output.unwrap_or_else(|| path.with_extension(slot.extension().trim_start_matches('.')));
    if Slot::of(&output.display().to_string()) != Some(slot) {
        return Err(wrong(&output, format!("the phone looks for this key in files that end in {}", slot.extension())));
    }
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|error| Failure::new(ErrorKind::Internal, format!("no randomness: {error}")))?;
    let derivation = match derivation {
        DerivationName::Sha256 => Derivation::Sha256,
        DerivationName::Md5 => Derivation::Md5,
        DerivationName::Pbkdf2 => Derivation::Pbkdf2,
    };
    let made = container::encrypt(&content, &key_of(&key.key_file)?, key.length.into(), derivation, salt);
    write_file(&output, &made)
}

/// `phonectl config decrypt`
pub fn decrypt(output: &mut Output, path: &Path, key: &Key, target: &Target) -> Result<(), Failure> {
    let content = container::decrypt(&bytes_of(path)?, &key_of(&key.key_file)?, key.length.into());
    let content = content.map_err(|fault| Failure::new(ErrorKind::InvalidValue, format!("{}: {fault}", path.display())))?;
    write_to(output, target, &content)
}
