//! Descriptors that outlive the process: put into the supervisor's store (`FDSTORE=1`), handed back at the next start
//! (`LISTEN_FDS`). systemd keeps them over a restart, not over stop and start; phonelab does the same.

use std::os::fd::{BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::notify;

/// sd_listen_fds(3): the first one after stdin, stdout and stderr.
const FIRST: RawFd = 3;
/// More than any service stores; a larger count is a broken environment.
const MOST: RawFd = 512;

/// The descriptors that the supervisor hands over, with their names, all close-on-exec. The first call has them, every other
/// call gets none, so that no descriptor has two owners.
pub fn take() -> Vec<(String, OwnedFd)> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    announced(&variable("LISTEN_PID"), &variable("LISTEN_FDS"), &variable("LISTEN_FDNAMES"), std::process::id())
        .into_iter()
        .filter_map(|(name, number)| owned(number).map(|fd| (name, fd)))
        .collect()
}

/// Which descriptors the environment announces for process `own`. An absent `LISTEN_PID` is taken as ours.
fn announced(pid: &str, count: &str, names: &str, own: u32) -> Vec<(String, RawFd)> {
    if !pid.is_empty() && pid.parse() != Ok(own) {
        return Vec::new();
    }
    let count = count.parse::<RawFd>().unwrap_or(0).clamp(0, MOST);
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::from("unknown")));
    names.zip(FIRST..FIRST + count).collect()
}

fn owned(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: the supervisor has opened this descriptor for this process before it was executed, nothing in this process has
    // taken it before (`take` runs once, at the start), and one that turns out not to be open is let go below unclosed.
    #[allow(unsafe_code)]
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    match fcntl_setfd(&fd, FdFlags::CLOEXEC) {
        Ok(()) => Some(fd),
        Err(error) => {
            let number = fd.into_raw_fd();
            tracing::warn!(%error, number, "the supervisor announced a descriptor that is not open");
            None
        }
    }
}

/// Asks the supervisor to keep a duplicate under this name until it is removed. `poll`: let go when the other end hangs up;
/// false (`FDPOLL=0`) for TCP sockets and memfds. Several descriptors may share a name. `Ok(false)`: no supervisor.
///
/// # Errors
/// The name is not one of systemd's (at most 255 printable ASCII characters, no colon), or the socket does not take it.
pub fn put(name: &str, fd: BorrowedFd<'_>, poll: bool) -> std::io::Result<bool> {
    let name = checked(name)?;
    let policy = if poll { "" } else { "\nFDPOLL=0" };
    notify::send(&format!("FDSTORE=1\nFDNAME={name}{policy}"), &[fd])
}

/// Drops all descriptors of this name from the store.
///
/// # Errors
/// As [`put`].
pub fn remove(name: &str) -> std::io::Result<bool> {
    notify::send(&format!("FDSTOREREMOVE=1\nFDNAME={}", checked(name)?), &[])
}

/// Takes the first descriptor of this name out of the list that [`take`] has given.
pub fn pick(fds: &mut Vec<(String, OwnedFd)>, name: &str) -> Option<OwnedFd> {
    let at = fds.iter().position(|(kept, _)| kept == name)?;
    Some(fds.remove(at).1)
}

fn checked(name: &str) -> std::io::Result<&str> {
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if fits { Ok(name) } else { Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a name for a descriptor")) }
}

#[cfg(test)]
mod tests {
    use super::{announced, checked};

    #[test]
    fn descriptors_are_numbered_from_three_and_named_in_order() {
        let named = announced("7", "3", "snapshot:udp", 7);
        assert_eq!(named, [("snapshot".into(), 3), ("udp".into(), 4), ("unknown".into(), 5)]);
    }

    #[test]
    fn descriptors_of_another_process_are_left_alone() {
        assert!(announced("8", "3", "a:b:c", 7).is_empty());
    }

    #[test]
    fn a_broken_environment_announces_nothing() {
        for count in ["", "-1", "many"] {
            assert!(announced("", count, "a", 7).is_empty(), "{count}");
        }
    }

    #[test]
    fn names_that_the_supervisor_would_refuse_are_refused() {
        for wrong in ["", "a:b", "a b", "a\nFDSTORE=1"] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
        assert!(checked("udp-127.0.0.1-5060").is_ok());
    }
}
