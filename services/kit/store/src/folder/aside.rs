//! What cannot be used is put aside, not erased: of damaged things the newest few are kept for who wants to look, of those of a
//! newer version all.

use std::io;
use std::path::{Path, PathBuf};

/// Damaged things beyond this many make the flash full without helping anybody.
const DAMAGED_KEPT: usize = 2;

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Damaged,
    Newer,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Damaged => "damaged-",
            Kind::Newer => "newer-",
        }
    }
}

/// Renames `path` to the next free name of its kind in `folder`; says which.
pub(super) fn put(folder: &Path, path: &Path, kind: Kind) -> io::Result<String> {
    let kept = kept(folder, kind)?;
    let number = kept.last().map_or(1, |(number, _)| number.saturating_add(1));
    let name = format!("{}{number}", kind.prefix());
    std::fs::rename(path, folder.join(&name))?;
    if matches!(kind, Kind::Damaged) {
        let surplus = (kept.len() + 1).saturating_sub(DAMAGED_KEPT);
        for (_, old) in kept.into_iter().take(surplus) {
            if old.is_dir() { std::fs::remove_dir_all(&old)? } else { std::fs::remove_file(&old)? }
        }
    }
    std::fs::File::open(folder)?.sync_all()?;
    Ok(name)
}

/// Removes everything that was ever put aside.
pub(super) fn remove_all(folder: &Path) -> io::Result<()> {
    for kind in [Kind::Damaged, Kind::Newer] {
        for (_, path) in kept(folder, kind)? {
            if path.is_dir() { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
        }
    }
    Ok(())
}

fn kept(folder: &Path, kind: Kind) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(kind.prefix())).and_then(|number| number.parse().ok());
        kept.extend(number.map(|number| (number, entry.path())));
    }
    kept.sort();
    Ok(kept)
}
