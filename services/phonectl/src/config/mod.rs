//! `phonectl config`: configuration files on a PC. What a file means is asked of the settings crate; here are only names of files,
//! and what goes to whom.

mod arguments;
mod convert;
mod lint;
mod phone;
mod seal;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use agreements::Secret;
use phone_proto::errors::ErrorKind;
use settings::FileOutcome;
use settings::container::{self, KeyLength};
use settings::file::{self, Form};

use crate::failure::Failure;
use crate::show::Output;
pub use arguments::ConfigVerb;
use arguments::{FormName, LengthName, OptionalKey, Target};

/// More than any file may have.
const LONGEST: u64 = 4 << 20;

/// One verb.
pub async fn run(verb: ConfigVerb, output: &mut Output) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Lint { files, layered, key } => lint::lint(output, &files, &layered, &key),
        ConfigVerb::Convert { file, to, output: target, key } => convert::convert(output, &file, to, &target, &key),
        ConfigVerb::Template { form, output: target } => convert::template(output, form, &target),
        ConfigVerb::Diff { layered, key } => phone::diff(output, &layered, &key).await,
        ConfigVerb::Export { layer, form, secrets, output: target } => {
            phone::export(output, layer.as_deref(), form, secrets, &target).await
        }
        ConfigVerb::Encrypt { file, slot, key, derivation, output: target } => seal::encrypt(&file, slot, &key, derivation, target),
        ConfigVerb::Decrypt { file, key, output: target } => seal::decrypt(output, &file, &key, &target),
    }
}

fn wrong(path: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::InvalidArgument, format!("{}: {what}", path.display()))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let open = std::fs::File::open(path).map_err(|error| wrong(path, error))?;
    open.take(LONGEST).read_to_end(&mut bytes).map_err(|error| wrong(path, error))?;
    Ok(bytes)
}

/// A key as it stands in its file, with or without a line end.
fn key_of(path: &Path) -> Result<Secret, Failure> {
    let bytes = bytes_of(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong(path, "the key is no text"))?;
    let key = text.trim_end_matches(['\r', '\n']);
    let legal = settings::catalogue::parameter("CFG_FILE_KEY1").is_some_and(|row| settings::value::check(&row, key).is_ok());
    if !legal || key.is_empty() {
        return Err(wrong(path, "a key has exactly 32 characters from space to ~, without the double quote"));
    }
    Ok(Secret::new(key))
}

/// A file as the phone would see it: decrypted if its name says so.
struct Source {
    name: String,
    bytes: Vec<u8>,
    outcome: FileOutcome,
}

fn source(path: &Path, key: &OptionalKey) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let raw = bytes_of(path)?;
    let size = raw.len();
    let secret = key.key_file.as_deref().map_or_else(|| Ok(Secret::new("")), key_of)?;
    Ok(match container::content(raw, &name, &secret, key.length.into()) {
        Ok(bytes) => Source { outcome: file::parse(&bytes, &name), name, bytes },
        Err(diagnosis) => Source { outcome: container::refused(diagnosis, size), name, bytes: Vec::new() },
    })
}

/// Writes a file that may hold secrets: for its owner alone.
fn write_to(output: &mut Output, target: &Target, bytes: &[u8]) -> Result<(), Failure> {
    match &target.output {
        Some(path) => write_file(path, bytes),
        None => output.bytes(bytes),
    }
}

fn write_file(path: &PathBuf, bytes: &[u8]) -> Result<(), Failure> {
    let open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|error| wrong(path, error))
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Form {
        match name {
            FormName::Plain => Form::Plain,
            FormName::Xml => Form::Xml,
        }
    }
}

impl From<LengthName> for KeyLength {
    fn from(name: LengthName) -> KeyLength {
        match name {
            LengthName::Bits128 => KeyLength::Bits128,
            LengthName::Bits192 => KeyLength::Bits192,
            LengthName::Bits256 => KeyLength::Bits256,
        }
    }
}
