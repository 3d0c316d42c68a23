//! The root folder of the SD card (B104): which files can be imported, and one of them. Blocking; a card may be slow. What is on it
//! comes from outside: nothing is followed out of the folder, and nothing is read beyond the largest configuration file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use phone_proto::errors::{ErrorKind, HouseError};
use settings::file::MOST_BYTES;

use super::import;

/// How many names are told.
const MOST_NAMES: usize = 200;
/// How many entries of the folder are looked at.
const MOST_ENTRIES: usize = 10_000;

/// The names of what can be imported, in alphabetical order.
///
/// # Errors
/// `NotReady`: the card cannot be read.
pub fn files(card: &Path) -> Result<Vec<String>, HouseError> {
    let entries = std::fs::read_dir(card).map_err(|error| unreadable(&error))?.take(MOST_ENTRIES).flatten();
    let regular = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut names: Vec<String> = regular.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| import::is_importable(name));
    names.sort();
    names.truncate(MOST_NAMES);
    Ok(names)
}

/// A file of the card, at most one byte more than any may have.
///
/// # Errors
/// `InvalidArgument`: there is no such file; `NotReady`: it cannot be read.
pub fn read(card: &Path, name: &str) -> Result<Vec<u8>, HouseError> {
    if !import::is_importable(name) {
        return Err(import::wrong_name());
    }
    let file = match open(&card.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(HouseError::new(ErrorKind::InvalidArgument, "there is no such file in the root folder of the card"));
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let mut content = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut content).map_err(|error| unreadable(&error))?;
    Ok(content)
}

/// A regular file, and no link to one elsewhere.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

fn unreadable(error: &io::Error) -> HouseError {
    HouseError::new(ErrorKind::NotReady, format!("the card cannot be read: {error}; put it in again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B104, B108, C49.
    #[test]
    fn what_lies_in_the_root_folder_can_be_imported_and_nothing_else() {
        let card = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(card.path().join(name), name).unwrap();
        ["b.cfg", "a.xml", "c.E1C", "notes.txt"].iter().for_each(|name| put(name));
        std::fs::create_dir(card.path().join("folder.cfg")).unwrap();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(secret.path(), card.path().join("link.cfg")).unwrap();
        assert_eq!(files(card.path()).unwrap(), ["a.xml", "b.cfg", "c.E1C"]);
        assert_eq!(read(card.path(), "b.cfg").unwrap(), b"b.cfg");
        let refused = |name: &str| read(card.path(), name).unwrap_err().kind;
        assert_eq!(refused("none.cfg"), ErrorKind::InvalidArgument);
        assert_eq!(refused("../b.cfg"), ErrorKind::InvalidArgument);
        assert_eq!(refused("notes.txt"), ErrorKind::InvalidArgument);
        assert_eq!((refused("link.cfg"), refused("folder.cfg")), (ErrorKind::NotReady, ErrorKind::NotReady));
        assert_eq!(files(&card.path().join("gone")).unwrap_err().kind, ErrorKind::NotReady);
    }

    #[test]
    fn a_file_without_end_is_read_as_far_as_it_counts() {
        let card = tempfile::tempdir().unwrap();
        File::create(card.path().join("big.cfg")).unwrap().set_len(5 << 30).unwrap();
        assert_eq!(read(card.path(), "big.cfg").unwrap().len(), MOST_BYTES + 1);
    }
}
