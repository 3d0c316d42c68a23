//! The lab's folders: the state folder with its lock, the run folder with sockets, and windows to files that lie where the
//! services' users cannot go. It must not change the rights of anything that was there before.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::mount::UnmountFlags;

use super::error::LabError;
use super::users::{Identity, Isolation};

/// The longest run folder under which every socket's path fits into a socket address (108 bytes).
const LONGEST_RUN: usize = 60;

/// Folders of a running lab; the run folder goes with the value.
pub struct Folders {
    /// Where the phone's state survives.
    pub state: PathBuf,
    /// The same, as the services see it.
    pub seen_state: PathBuf,
    /// Sockets and generated files.
    pub run: PathBuf,
    windows: Vec<PathBuf>,
    isolated: bool,
    _lock: File,
}

impl Folders {
    /// Makes and locks them.
    pub fn make(state: &Path, isolation: &Isolation) -> Result<Folders, LabError> {
        fs::create_dir_all(state).map_err(LabError::file(state))?;
        let state = state.canonicalize().map_err(LabError::file(state))?;
        let lock = lock(&state)?;
        let isolated = matches!(isolation, Isolation::PerService { .. });
        let run = run_folder(&state, isolated)?;
        let mut folders = Folders { seen_state: state.clone(), state, run, windows: Vec::new(), isolated, _lock: lock };
        folders.seen_state = folders.window(&folders.state.clone(), "state")?;
        Ok(folders)
    }

    /// How the services reach `path`: under its own name, or, where a folder above it is closed to them, through a bind mount
    /// that only the lab's processes see.
    pub fn window(&mut self, path: &Path, name: &str) -> Result<PathBuf, LabError> {
        let path = path.canonicalize().map_err(LabError::file(path))?;
        if !self.isolated || is_open(&path) {
            return Ok(path);
        }
        let window = self.run.join(name);
        if path.is_dir() {
            fs::create_dir(&window).map_err(LabError::file(&window))?;
        } else {
            File::create(&window).map_err(LabError::file(&window))?;
        }
        rustix::mount::mount_bind(&path, &window).map_err(|error| LabError::File { path, error: error.into() })?;
        self.windows.push(window.clone());
        Ok(window)
    }

    /// Makes a service's own folder in the state and in the run folder.
    pub fn make_of_service(&self, service: &str, identity: Option<&Identity>) -> Result<(), LabError> {
        make_own(&self.state.join(service), 0o700, identity)?;
        make_own(&self.run.join(service), 0o755, identity)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for window in &self.windows {
            if rustix::mount::unmount(window, UnmountFlags::DETACH).is_err() {
                // Never delete through a window that is still open.
                return;
            }
        }
        let _ = fs::remove_dir_all(&self.run);
        // The link, where the run folder is elsewhere.
        let _ = fs::remove_file(self.state.join("run"));
    }
}

/// Whether a lab runs on this folder.
pub fn is_locked(state: &Path) -> bool {
    let Ok(file) = File::open(state.join("lock")) else { return false };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

fn lock(state: &Path) -> Result<File, LabError> {
    let path = state.join("lock");
    let file = File::options().create(true).append(true).open(&path).map_err(LabError::file(&path))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| LabError::AlreadyRunning(state.to_owned()))?;
    Ok(file)
}

fn run_folder(state: &Path, isolated: bool) -> Result<PathBuf, LabError> {
    let own = state.join("run");
    remove_left_behind(&own)?;
    if own.as_os_str().len() <= LONGEST_RUN && (!isolated || is_open(state)) {
        return make_open(own);
    }
    let base = if isolated { PathBuf::from("/run") } else { std::env::temp_dir() };
    // A name may have been left by a lab of the same pid that was killed; it is not ours to remove.
    let free = (0..100).map(|n| base.join(format!("phonelab-{}-{n}", std::process::id()))).find(|path| !path.exists());
    let run = make_open(free.unwrap_or(base.join("phonelab")))?;
    std::os::unix::fs::symlink(&run, &own).map_err(LabError::file(&own))?;
    Ok(run)
}

/// The run folder of a lab that was killed: it is in the state folder, or a link there says where it is.
fn remove_left_behind(own: &Path) -> Result<(), LabError> {
    if let Ok(target) = fs::read_link(own) {
        let _ = fs::remove_dir_all(&target);
        return fs::remove_file(own).map_err(LabError::file(own));
    }
    if own.exists() { fs::remove_dir_all(own).map_err(LabError::file(own)) } else { Ok(()) }
}

fn make_open(folder: PathBuf) -> Result<PathBuf, LabError> {
    fs::create_dir(&folder).map_err(LabError::file(&folder))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(LabError::file(&folder))?;
    Ok(folder)
}

/// Whether everybody may pass through every folder down to this path.
fn is_open(path: &Path) -> bool {
    path.ancestors().all(|part| fs::metadata(part).is_ok_and(|data| !data.is_dir() || data.permissions().mode() & 0o001 != 0))
}

fn make_own(folder: &Path, mode: u32, identity: Option<&Identity>) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(LabError::file(folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).map_err(LabError::file(folder))?;
    identity.map_or(Ok(()), |identity| give(folder, identity))
}

/// Gives a file, or a folder with all that is in it, to a service.
pub fn give(path: &Path, identity: &Identity) -> Result<(), LabError> {
    let data = fs::symlink_metadata(path).map_err(LabError::file(path))?;
    if data.is_dir() {
        for entry in fs::read_dir(path).map_err(LabError::file(path))? {
            give(&entry.map_err(LabError::file(path))?.path(), identity)?;
        }
    }
    if data.uid() == identity.uid && data.gid() == identity.gid {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(identity.uid), Some(identity.gid)).map_err(LabError::file(path))
}
