//! A disk that loses power. Of what was not yet flushed any part may be there, in any order, so:
//!
//! - what is written into a file is safe once an fsync of that file began after it and has ended; sync_file_range is no barrier
//! - names (made, renamed, removed) are safe once their folder was flushed so; before that those of one folder come in order,
//!   and of two folders either may be ahead
//! - of the writes that are not safe any may be missing, and one may be torn within

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::recording::{Argument, Call};

/// A file, whatever it is called.
type File = usize;

enum Step {
    Write {
        file: File,
        offset: usize,
        bytes: Vec<u8>,
    },
    Resize {
        file: File,
        length: usize,
    },
    Name {
        path: PathBuf,
        file: File,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Flush {
        file: File,
        begun: usize,
    },
    FlushFolder {
        folder: PathBuf,
        begun: usize,
    },
    /// The child has said that so many commits are safe.
    Acknowledged(u64),
}

/// What lay on the disk before, and every step since.
pub struct Disk {
    root: PathBuf,
    /// Content at the start, by file.
    first: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, File>,
    steps: Vec<Step>,
    /// Call to step: how many steps there were when so many calls had ended.
    steps_after: Vec<usize>,
}

/// What ended just before the cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Less can be missing than before.
    Flush,
    /// More must be there than before.
    Acknowledgement,
    /// One more step may be missing.
    Change,
}

/// Which of the steps that are not safe have come to the disk.
pub struct Survivors {
    steps: BTreeSet<usize>,
    /// A write of which only this many bytes are there.
    torn: Option<(usize, usize)>,
}

impl Disk {
    /// With what is in `root` now, safe. Call it before the recording.
    pub fn of(root: &Path) -> Disk {
        let mut disk =
            Disk { root: root.to_owned(), first: Vec::new(), names: BTreeMap::new(), steps: Vec::new(), steps_after: vec![0] };
        disk.take_in(root);
        disk
    }

    fn take_in(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.take_in(&path);
            } else {
                self.names.insert(path.clone(), self.first.len());
                self.first.push(std::fs::read(path).unwrap());
            }
        }
    }

    /// Takes in what the child has done.
    pub fn follow(&mut self, calls: &[Call]) {
        let mut now = Now { names: self.names.clone(), open: HashMap::new() };
        for call in calls {
            self.step(call, &mut now);
            self.steps_after.push(self.steps.len());
        }
    }

    fn step(&mut self, call: &Call, now: &mut Now) {
        let ours = |path: &Path| path.starts_with(&self.root);
        let begun = self.steps_after[call.begun.min(self.steps_after.len() - 1)];
        match call.name.as_str() {
            "openat" if ours(&call.path(1)) => self.open(call, now),
            "mkdir" => {}
            "rename" if ours(&call.path(0)) => {
                let (from, to) = (call.path(0), call.path(1));
                now.rename(&from, &to);
                self.steps.push(Step::Rename { from, to });
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let path = call.path(usize::from(call.name == "unlinkat"));
                if ours(&path) {
                    now.names.remove(&path);
                    self.steps.push(Step::Remove { path });
                }
            }
            "write" if call.descriptor().0 == 1 => {
                let said = String::from_utf8_lossy(call.bytes(1)).into_owned();
                let commit = said.trim().rsplit_once("committed ").and_then(|(_, number)| number.parse().ok());
                self.steps.extend(commit.map(Step::Acknowledged));
            }
            "fsync" | "fdatasync" if ours(call.descriptor().1) => {
                let (descriptor, path) = call.descriptor();
                self.steps.push(match now.open.get(&descriptor) {
                    Some((file, _)) => Step::Flush { file: *file, begun },
                    None => Step::FlushFolder { folder: path.to_owned(), begun },
                });
            }
            "close" => drop(now.open.remove(&call.descriptor().0)),
            "read" | "lseek" | "write" | "pwrite64" | "ftruncate" => self.change(call, now),
            _ => {}
        }
    }

    fn open(&mut self, call: &Call, now: &mut Now) {
        let (path, flags) = (call.path(1), call.word(2).to_owned());
        if flags.contains("O_DIRECTORY") || !(now.names.contains_key(&path) || flags.contains("O_CREAT")) {
            return;
        }
        let file = now.names.get(&path).copied().unwrap_or_else(|| {
            self.first.push(Vec::new());
            let file = self.first.len() - 1;
            now.names.insert(path.clone(), file);
            self.steps.push(Step::Name { path: path.clone(), file });
            file
        });
        if flags.contains("O_TRUNC") {
            self.steps.push(Step::Resize { file, length: 0 });
        }
        assert!(!flags.contains("O_APPEND"), "where it appends to is not followed");
        now.open.insert(call.result, (file, 0));
    }

    fn change(&mut self, call: &Call, now: &mut Now) {
        let (descriptor, path) = call.descriptor();
        let Some((file, place)) = now.open.get_mut(&descriptor).filter(|_| path.starts_with(&self.root)) else { return };
        let (file, count) = (*file, usize::try_from(call.result).unwrap());
        match call.name.as_str() {
            "read" => *place += count,
            "lseek" => *place = count,
            "ftruncate" => self.steps.push(Step::Resize { file, length: call.word(1).parse().unwrap() }),
            _ => {
                let offset = if call.name == "write" { *place } else { call.word(3).parse().unwrap() };
                *place += if call.name == "write" { count } else { 0 };
                self.steps.push(Step::Write { file, offset, bytes: call.bytes(1)[..count].to_vec() });
            }
        }
    }

    /// How many moments there are to cut the power at.
    pub fn moments(&self) -> usize {
        self.steps.len() + 1
    }

    /// What the step that ends at this moment means for a cut.
    pub fn last(&self, moment: usize) -> Last {
        match moment.checked_sub(1).map(|last| &self.steps[last]) {
            None | Some(Step::Flush { .. } | Step::FlushFolder { .. }) => Last::Flush,
            Some(Step::Acknowledged(_)) => Last::Acknowledgement,
            Some(_) => Last::Change,
        }
    }

    /// What had been acknowledged before this moment; 0 for nothing.
    pub fn acknowledged(&self, moment: usize) -> u64 {
        let said = self.steps[..moment].iter().rev();
        said.filter_map(|step| if let Step::Acknowledged(commit) = step { Some(*commit) } else { None }).next().unwrap_or(0)
    }

    /// The steps before this moment that are not safe.
    pub fn unsafe_at(&self, moment: usize) -> Vec<usize> {
        (0..moment).filter(|step| !self.is_safe(*step, moment)).collect()
    }

    fn is_safe(&self, step: usize, moment: usize) -> bool {
        let flushed =
            |wanted: &dyn Fn(&Step) -> Option<usize>| self.steps[step..moment].iter().filter_map(wanted).any(|begun| begun > step);
        let folder = |path: &Path| {
            let of = path.parent().unwrap().to_owned();
            flushed(&|later| match later {
                Step::FlushFolder { folder, begun } if *folder == of => Some(*begun),
                _ => None,
            })
        };
        match &self.steps[step] {
            Step::Write { file, .. } | Step::Resize { file, .. } => flushed(&|later| match later {
                Step::Flush { file: flushed, begun } if flushed == file => Some(*begun),
                _ => None,
            }),
            Step::Name { path, .. } | Step::Remove { path } => folder(path),
            Step::Rename { to, .. } => folder(to),
            Step::Flush { .. } | Step::FlushFolder { .. } | Step::Acknowledged(_) => true,
        }
    }

    /// Those of the unsafe steps that `wanted` lets through; names of a folder only up to the first that it does not.
    pub fn survivors(&self, moment: usize, mut wanted: impl FnMut(usize) -> bool, torn: Option<(usize, usize)>) -> Survivors {
        let mut ended = BTreeSet::new();
        let mut steps = BTreeSet::new();
        for step in self.unsafe_at(moment) {
            let folder = match &self.steps[step] {
                Step::Name { path, .. } | Step::Remove { path } | Step::Rename { to: path, .. } => path.parent(),
                _ => None,
            };
            let goes_on = folder.is_none_or(|folder| !ended.contains(folder));
            if goes_on && wanted(step) {
                steps.insert(step);
            } else {
                ended.extend(folder);
            }
        }
        Survivors { steps, torn }
    }

    /// The length of a write, for tearing it.
    pub fn length(&self, step: usize) -> Option<usize> {
        if let Step::Write { bytes, .. } = &self.steps[step] { Some(bytes.len()) } else { None }
    }

    /// What the next start finds, put into `folder`.
    pub fn lay_out(&self, moment: usize, survivors: &Survivors, folder: &Path) {
        let mut contents = self.first.clone();
        let mut names = Now { names: self.names.clone(), open: HashMap::new() };
        for (at, step) in self.steps[..moment].iter().enumerate() {
            if !self.is_safe(at, moment) && !survivors.steps.contains(&at) {
                continue;
            }
            match step {
                Step::Write { file, offset, bytes } => {
                    let torn = survivors.torn.filter(|(torn, _)| *torn == at).map_or(bytes.len(), |(_, length)| length);
                    write(&mut contents[*file], *offset, &bytes[..torn]);
                }
                Step::Resize { file, length } => contents[*file].resize(*length, 0),
                Step::Name { path, file } => drop(names.names.insert(path.clone(), *file)),
                Step::Rename { from, to } => names.rename(from, to),
                Step::Remove { path } => drop(names.names.remove(path)),
                Step::Flush { .. } | Step::FlushFolder { .. } | Step::Acknowledged(_) => {}
            }
        }
        for (path, file) in &names.names {
            let target = folder.join(path.strip_prefix(&self.root).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, &contents[*file]).unwrap();
        }
    }
}

/// Names as they are at one moment, and what is open.
struct Now {
    names: BTreeMap<PathBuf, File>,
    /// Descriptor to file and place in it.
    open: HashMap<u64, (File, usize)>,
}

impl Now {
    /// A file, or a folder with all that is in it.
    fn rename(&mut self, from: &Path, to: &Path) {
        let moved: Vec<PathBuf> = self.names.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let file = self.names.remove(&path).unwrap();
            let rest = path.strip_prefix(from).unwrap();
            let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            self.names.insert(target, file);
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Descriptors that stand for nothing of ours have no place in a recording.
pub fn touches(calls: &[Call], root: &Path, name: &str) -> usize {
    let of_root = |call: &&Call| matches!(call.arguments.first(), Some(Argument::Descriptor(_, path)) if path.starts_with(root));
    calls.iter().filter(|call| call.name == name).filter(of_root).count()
}
