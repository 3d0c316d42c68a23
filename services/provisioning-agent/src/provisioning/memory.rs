//! What is remembered of fetched files between runs: how their servers name them, so that an unchanged file costs one answer
//! without a body, and the root certificate. A file in the state folder beside the settings. It is no setting: its loss costs one
//! fetch, and nothing here says what is in effect.
//!
//! A name counts only while everything that the file led to is still there: it is kept with a fingerprint of the URL, the version
//! of this program and the values of the file's layer. A reset, an import into the layer or an update makes the next run fetch
//! the whole file again without anybody thinking of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use settings::layers::{Layer, Layers};
use sha2::{Digest as _, Sha256};

use super::exchange::{Known, LONGEST_CERTIFICATE, LONGEST_VALIDATOR};
use super::kept_file;

/// The newest form of the file.
const FORMAT: u16 = 1;
/// Longest file that is read, in bytes.
const LONGEST: u64 = 2 * LONGEST_CERTIFICATE as u64;

/// One file that is in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// See the module.
    fingerprint: String,
    /// For the server.
    pub known: Known,
    /// Values taken when it was read.
    pub applied: u32,
    /// Lines not taken.
    pub skipped: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    format: u16,
    files: BTreeMap<String, Remembered>,
    /// Hash of its URL, which may hold a password, and PEM.
    root_certificate: Option<(String, String)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Memory {
    /// None: nothing outlives the process.
    path: Option<PathBuf>,
    kept: Kept,
}

impl Memory {
    /// From the state folder. What cannot be read is forgotten.
    pub fn open(folder: &Path) -> Memory {
        let path = folder.join("fetched.json");
        let kept = read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "what was known of fetched files is forgotten");
            }
            Kept::default()
        });
        Memory { path: Some(path), kept }
    }

    /// What is known of a layer's file, if all that it led to is still there.
    pub fn file(&self, layers: &Layers, layer: Layer, url: &str) -> Option<&Remembered> {
        let remembered = self.kept.files.get(layer.as_str())?;
        (remembered.fingerprint == fingerprint(layers, layer, url)).then_some(remembered)
    }

    /// The root certificate that came from this URL.
    pub fn root_certificate(&self, url: &str) -> Option<String> {
        self.kept.root_certificate.as_ref().filter(|(from, _)| *from == hashed(&[url])).map(|(_, pem)| pem.clone())
    }

    /// A file of this URL has been applied as a whole to `layer`, which is as in `layers` now; or its server does not name it.
    pub fn learn_file(&mut self, layers: &Layers, layer: Layer, url: &str, known: Option<Known>, counts: (u32, u32)) {
        let known = known.filter(|known| known.etag.len() <= LONGEST_VALIDATOR && known.last_modified.len() <= LONGEST_VALIDATOR);
        let Some(known) = known else {
            self.kept.files.remove(layer.as_str());
            return;
        };
        let (applied, skipped) = counts;
        let remembered = Remembered { fingerprint: fingerprint(layers, layer, url), known, applied, skipped };
        self.kept.files.insert(layer.as_str().to_owned(), remembered);
    }

    /// A root certificate has come from this URL.
    pub fn learn_root_certificate(&mut self, url: &str, pem: String) {
        if pem.len() <= LONGEST_CERTIFICATE {
            self.kept.root_certificate = Some((hashed(&[url]), pem));
        }
    }

    /// Writes it down. A failure costs fetches, not settings.
    pub fn save(&mut self) {
        self.kept.format = FORMAT;
        let Some(path) = &self.path else { return };
        if let Err(error) = kept_file::write(path, &self.kept) {
            tracing::warn!(%error, "what is known of fetched files could not be kept");
        }
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let kept: Kept = kept_file::read(path, LONGEST)?;
    if kept.format == FORMAT { Ok(kept) } else { Err(io::Error::other("another format")) }
}

/// Secret values go in, but nothing comes out of it.
fn fingerprint(layers: &Layers, layer: Layer, url: &str) -> String {
    let records: Vec<_> = layers.records().filter(|record| record.layer == layer).collect();
    let values = records.iter().flat_map(|record| [record.name.as_str(), record.stored.value.as_str()]);
    hashed(&[env!("CARGO_PKG_VERSION"), url].into_iter().chain(values).collect::<Vec<_>>())
}

fn hashed(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update(field.len().to_le_bytes());
        hash.update(field.as_bytes());
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use agreements::WallTime;
    use settings::plain;

    use super::*;

    fn with(layers: &Layers, line: &str) -> Layers {
        let text = format!("# Panasonic SIP Phone Standard Format File #\r\n{line}\r\n\r\n");
        let plan = layers.merge_file(Layer::Master, "http://a/", &plain::parse(text.as_bytes(), "http://a/"), WallTime::Unset).plan;
        plan.outcome().clone()
    }

    fn known() -> Option<Known> {
        Some(Known { etag: "\"1\"".into(), last_modified: String::new(), bytes: 7, is_xml: false })
    }

    #[test]
    fn a_file_is_known_until_its_layer_or_its_url_is_another() {
        let layers = with(&Layers::new(), "DISPLAY_NAME_1=\"Anna\"");
        let mut memory = Memory::default();
        memory.learn_file(&layers, Layer::Master, "http://a/", known(), (1, 0));
        assert_eq!(memory.file(&layers, Layer::Master, "http://a/").map(|file| file.known.bytes), Some(7));
        assert!(memory.file(&layers, Layer::Master, "http://b/").is_none());
        assert!(memory.file(&layers, Layer::Standard, "http://a/").is_none());
        assert!(memory.file(&with(&layers, "DISPLAY_NAME_1=\"Berta\""), Layer::Master, "http://a/").is_none());
        assert!(memory.file(&Layers::new(), Layer::Master, "http://a/").is_none(), "a reset");
    }

    #[test]
    fn it_outlives_the_process_and_a_damaged_file_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(folder.path());
        memory.learn_file(&Layers::new(), Layer::Master, "http://a/", known(), (1, 0));
        memory.learn_root_certificate("http://a/root.pem", "pem".into());
        memory.save();
        let again = Memory::open(folder.path());
        assert!(again.file(&Layers::new(), Layer::Master, "http://a/").is_some());
        assert_eq!(
            (again.root_certificate("http://a/root.pem").as_deref(), again.root_certificate("http://b/")),
            (Some("pem"), None)
        );
        std::fs::write(folder.path().join("fetched.json"), "{").unwrap();
        assert!(Memory::open(folder.path()).file(&Layers::new(), Layer::Master, "http://a/").is_none());
    }
}
