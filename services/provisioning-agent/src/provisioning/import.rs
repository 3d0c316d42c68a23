//! A configuration file that a person brings, from an SD card or over the bus (B104 to B108, C49, C64): like one that was fetched,
//! but of this moment only. It is read by the sandboxed child, too: its bytes come from outside.

use base64::Engine as _;
use phone_proto::errors::{ErrorKind, HouseError};
use settings::container::Slot;
use settings::file::MOST_BYTES;
use settings::layers::Layers;
use settings::template::FileKind;

use super::exchange::Wanted;
use super::identity::Identity;
use super::memory::Memory;
use super::request::{self, Run};

/// What may be imported (C49).
const EXTENSIONS: [&str; 5] = [".cfg", ".xml", ".e1c", ".e2c", ".e3c"];
/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

/// A file to import.
pub struct Import {
    kind: FileKind,
    name: String,
    content: Vec<u8>,
}

impl Import {
    /// Checks what can be told without reading it.
    ///
    /// # Errors
    /// `InvalidArgument`: the type, the name or the size is none.
    pub fn new(kind: &str, name: &str, content: Vec<u8>) -> Result<Import, HouseError> {
        let invalid = |text: &str| HouseError::new(ErrorKind::InvalidArgument, text);
        let kind = FileKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let kind = kind.ok_or_else(|| invalid("the type of a file is standard, product or master"))?;
        if !is_importable(name) {
            return Err(wrong_name());
        }
        if content.len() > MOST_BYTES {
            return Err(invalid("the file is larger than any configuration file may be"));
        }
        Ok(Import { kind, name: name.to_owned(), content })
    }

    /// As a run of this one file.
    pub fn run(self, layers: &Layers, identity: &Identity, memory: &Memory) -> Run {
        let key = Slot::of(&self.name).map(|slot| request::file_key(layers, slot));
        let content = Some(base64::engine::general_purpose::STANDARD.encode(&self.content));
        let wanted = Wanted { url: self.name.clone(), shown: self.name, known: None, key, content };
        request::of(layers, identity, memory).with_only(self.kind.into(), wanted)
    }
}

/// Whether a file of this name may be imported, as far as the name tells.
pub fn is_importable(name: &str) -> bool {
    let is_plain = name.chars().count() <= LONGEST_NAME && !name.contains(['/', '\\']) && !name.contains(char::is_control);
    let lower = name.to_ascii_lowercase();
    is_plain && EXTENSIONS.iter().any(|extension| lower.ends_with(extension))
}

/// What is said of a name that is not.
pub fn wrong_name() -> HouseError {
    let text = "a file that is imported has a name without a folder, which ends with .cfg, .xml, .e1c, .e2c or .e3c";
    HouseError::new(ErrorKind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configuration_files_of_a_root_folder_are_imported() {
        // B104, B105, B108, C49
        for name in ["phone.cfg", "PHONE.CFG", "phone.xml", "a.e1c", "a.e2c", "a.e3c"] {
            assert!(Import::new("standard", name, Vec::new()).is_ok(), "{name}");
        }
        for name in ["phone.txt", "cfg", "", "../phone.cfg", "a/b.cfg", "a\nb.cfg", "e4c.e4c"] {
            assert!(Import::new("standard", name, Vec::new()).is_err(), "{name}");
        }
        assert!(Import::new("dealer", "phone.cfg", Vec::new()).is_err());
        assert!(Import::new("master", "phone.cfg", vec![0; MOST_BYTES + 1]).is_err());
    }
}
