//! The store in a folder:
//!
//! - `database/`: sled; written first, sealed with a checksum of all that is in it
//! - `copy-0`, `copy-1`: everything once more, the newest two commits; written before a commit is acknowledged
//! - `opening`: how often opening the database was begun since it last succeeded
//! - `damaged-N`, `newer-N`: databases and copies that were put aside
//! - `erasing`: an erasure was begun and has not come to its end
//!
//! The database is believed when its seal is whole and it is not behind the copy; otherwise it is put aside and made again from
//! the copy. A panic inside sled is caught here and counts as a database that does not open.

mod aside;
mod copies;
mod database;

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::contents::Contents;
use crate::{Alarm, Batch, Record, Store, StoreError};
use aside::Kind;
use copies::Copies;
use database::{Database, Trouble};

/// After this many attempts that did not come to an end (killed, aborted, hung) the database is not opened any more.
const ATTEMPTS: u32 = 5;
/// The file that says that an erasure is under way.
const ERASING: &str = "erasing";

/// sled with a copy. See the module's description.
pub struct FolderStore {
    folder: PathBuf,
    newest_format: u16,
    contents: Contents,
    /// None after a failed commit: opened again by the next one.
    database: Option<Database>,
    copies: Copies,
    alarms: Vec<Alarm>,
    copy_alarm: Option<Alarm>,
}

impl FolderStore {
    /// Opens or makes the store in `folder`. Records of a format above `newest_format` are kept and not shown.
    ///
    /// # Errors
    /// Only `Folder`: a damaged database is put aside, with an alarm.
    pub fn open(folder: &Path, newest_format: u16) -> Result<FolderStore, StoreError> {
        let unusable = |source| StoreError::Folder { folder: folder.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        let (copies, newest_copy, newer_copies) = Copies::open(folder).map_err(unusable)?;
        let copied = newest_copy.as_ref().map_or(0, |copy| copy.commit);
        let mut alarms = Vec::new();
        let (database, contents) = match open_database(folder) {
            Ok((database, contents)) => match behind(&contents, newest_copy.as_ref()) {
                None => (database, contents),
                Some(reason) => {
                    database.close();
                    rebuild(folder, &Trouble::Damaged(reason), newest_copy, &mut alarms)?
                }
            },
            Err(trouble) => rebuild(folder, &trouble, newest_copy, &mut alarms)?,
        };
        let count = contents.newer(newest_format) + newer_copies;
        if count > 0 {
            alarms.push(Alarm::Newer { count });
        }
        let (database, folder) = (Some(database), folder.to_owned());
        let mut store = FolderStore { folder, newest_format, contents, database, copies, alarms, copy_alarm: None };
        if store.contents.commit > copied {
            // The process died between database and copy. Nobody was answered, but from now on the commit can be seen.
            store.copy();
        }
        if store.folder.join(ERASING).exists() {
            store.sweep_or_say();
        }
        Ok(store)
    }

    /// Writes the copy of what is in the database. Without it the commit is safe as long as the database is: an alarm.
    fn copy(&mut self) {
        self.copy_alarm = self.copies.write(&self.contents).err().map(|error| Alarm::CopyNotWritten { reason: error.to_string() });
    }

    /// Writes `next` to the database. After a failure nobody knows what the database holds: it is opened again, and what is
    /// written is the difference to what should be there.
    fn write(&mut self, planned: &Batch, next: &Contents) -> Result<(), StoreError> {
        let (database, planned) = match self.database.take() {
            Some(database) => (database, planned.clone()),
            None => {
                let (database, found) = self.reopen()?;
                let planned = found.difference(next);
                (database, planned)
            }
        };
        let written = database.write(&planned, next);
        match written {
            Ok(()) => {
                self.database = Some(database);
                Ok(())
            }
            Err(reason) => {
                database.close();
                Err(StoreError::Write(reason))
            }
        }
    }

    fn reopen(&mut self) -> Result<(Database, Contents), StoreError> {
        match open_database(&self.folder) {
            Ok(opened) => Ok(opened),
            Err(trouble) => rebuild(&self.folder, &trouble, Some(self.contents.clone()), &mut self.alarms),
        }
    }
}

impl FolderStore {
    /// Makes a planned batch durable.
    fn make(&mut self, planned: &Batch) -> Result<(), StoreError> {
        let next = self.contents.after(planned);
        self.write(planned, &next)?;
        self.contents = next;
        self.copy();
        Ok(())
    }

    /// Makes the folder new, with what is in the store now: the second copy, the database, nothing put aside. sled leaves old
    /// records in the free slots of its files, so they have to go as a whole. Whatever is missing in between is in the copies.
    fn sweep(&mut self) -> Result<(), String> {
        let told = |error: std::io::Error| error.to_string();
        self.copies.write(&self.contents).map_err(told)?;
        self.copies.write(&self.contents).map_err(told)?;
        if let Some(database) = self.database.take() {
            database.close();
        }
        let path = self.folder.join("database");
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        let (database, found) = Database::open(&path).map_err(|trouble| trouble.to_string())?;
        database.write(&found.difference(&self.contents), &self.contents)?;
        self.database = Some(database);
        aside::remove_all(&self.folder).map_err(told)?;
        mark(&self.folder, false).map_err(told)
    }

    /// The values are gone in any case; what is left of their bytes goes at the next start if it does not go now.
    fn sweep_or_say(&mut self) {
        self.alarms = match self.sweep() {
            // What was wrong before is nobody's concern any more.
            Ok(()) => Vec::new(),
            Err(reason) => {
                tracing::error!(reason, "an erasure could not be ended");
                vec![Alarm::NotErased { reason }]
            }
        };
        let count = self.contents.newer(self.newest_format);
        if count > 0 {
            self.alarms.push(Alarm::Newer { count });
        }
    }
}

/// Says on the disk whether an erasure is under way.
fn mark(folder: &Path, erasing: bool) -> std::io::Result<()> {
    let path = folder.join(ERASING);
    if erasing {
        std::fs::File::create(&path)?.sync_all()?
    } else {
        std::fs::remove_file(&path)?
    }
    std::fs::File::open(folder)?.sync_all()
}

impl Store for FolderStore {
    fn read_all(&self) -> BTreeMap<String, Record> {
        self.contents.visible(self.newest_format)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let planned = self.contents.plan(batch, self.newest_format)?;
        self.make(&planned)
    }

    fn erase(&mut self, kept: &Batch) -> Result<(), StoreError> {
        let planned = self.contents.plan_to_erase(kept)?;
        mark(&self.folder, true).map_err(|source| StoreError::Folder { folder: self.folder.clone(), source })?;
        self.make(&planned)?;
        self.sweep_or_say();
        Ok(())
    }

    fn commits(&self) -> u64 {
        self.contents.commit
    }

    fn alarms(&self) -> Vec<Alarm> {
        self.alarms.iter().chain(&self.copy_alarm).cloned().collect()
    }
}

impl Drop for FolderStore {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            database.close();
        }
    }
}

/// Why the copy is to be believed instead of a database that opened.
fn behind(database: &Contents, copy: Option<&Contents>) -> Option<String> {
    let copy = copy?;
    if database.commit < copy.commit {
        return Some(format!("it ends at commit {}, the copy at {}", database.commit, copy.commit));
    }
    (database.commit == copy.commit && database != copy).then(|| "it differs from its copy".to_owned())
}

/// Opens `database/`, counting attempts, so that one which takes the process with it is not tried for ever.
fn open_database(folder: &Path) -> Result<(Database, Contents), Trouble> {
    let counter = folder.join("opening");
    let attempts = std::fs::read_to_string(&counter).ok().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    if attempts >= ATTEMPTS {
        let _ = std::fs::remove_file(&counter);
        return Err(Trouble::Damaged(format!("opening it did not come to an end {attempts} times")));
    }
    // Where even this cannot be written the commits will say so.
    let _ = std::fs::write(&counter, (attempts + 1).to_string());
    let opened = Database::open(&folder.join("database"));
    let _ = std::fs::remove_file(&counter);
    opened
}

/// Puts the database aside and makes a new one with what the copy holds.
fn rebuild(
    folder: &Path,
    trouble: &Trouble,
    copy: Option<Contents>,
    alarms: &mut Vec<Alarm>,
) -> Result<(Database, Contents), StoreError> {
    let unusable = |source| StoreError::Folder { folder: folder.to_owned(), source };
    let (kind, reason) = match trouble {
        Trouble::Damaged(reason) => (Kind::Damaged, reason.clone()),
        Trouble::Newer(format) => (Kind::Newer, format!("it has format {format} of a newer version")),
    };
    tracing::error!(reason, "the settings database is put aside");
    let aside = aside::put(folder, &folder.join("database"), kind).map_err(unusable)?;
    let (database, found) = Database::open(&folder.join("database")).map_err(|trouble| StoreError::Write(trouble.to_string()))?;
    let alarm = match &copy {
        Some(copy) => Alarm::Rebuilt { reason, commit: copy.commit, aside },
        None => Alarm::Lost { reason, aside },
    };
    alarms.push(alarm);
    let contents = copy.unwrap_or_default();
    database.write(&found.difference(&contents), &contents).map_err(StoreError::Write)?;
    Ok((database, contents))
}

/// Only the owner may read what holds passwords.
fn only_for_owner(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
