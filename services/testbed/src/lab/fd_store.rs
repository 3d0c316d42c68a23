//! One service's descriptor store, as systemd keeps it: what the service gives with FDSTORE=1 outlives it and is handed back at
//! its next start. It must not look into what it holds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::notify::Notice;

/// How many descriptors one service may leave here, and how many one message may bring.
pub const MOST: usize = 64;

/// The name of a descriptor that was given without one.
const NAMELESS: &str = "stored";

struct Entry {
    name: String,
    descriptor: OwnedFd,
    polled: bool,
}

/// The store of one service.
#[derive(Default)]
pub struct FdStore {
    entries: Vec<Entry>,
}

impl FdStore {
    /// Does what a message says about the store: FDSTORE=1 with descriptors, FDNAME, FDPOLL=0, or FDSTOREREMOVE=1.
    /// Returns how many descriptors were turned away because the store is full.
    pub fn take_from(&mut self, notice: Notice) -> usize {
        let name = notice.value("FDNAME").filter(|name| is_legal(name)).unwrap_or(NAMELESS).to_owned();
        if notice.says("FDSTOREREMOVE", "1") {
            self.entries.retain(|entry| entry.name != name);
            return 0;
        }
        if !notice.says("FDSTORE", "1") {
            return 0;
        }
        let polled = !notice.says("FDPOLL", "0");
        let mut refused = 0;
        for descriptor in notice.descriptors {
            refused += usize::from(!self.keep(&name, descriptor, polled));
        }
        refused
    }

    fn keep(&mut self, name: &str, descriptor: OwnedFd, polled: bool) -> bool {
        if self.entries.iter().any(|entry| entry.name == name && is_same(&entry.descriptor, &descriptor)) {
            return true;
        }
        if self.entries.len() >= MOST {
            return false;
        }
        self.entries.push(Entry { name: name.to_owned(), descriptor, polled });
        true
    }

    /// What the next start gets, in the order in which it came. Descriptors whose far end has gone are dropped first, unless
    /// they were given with FDPOLL=0.
    pub fn hand_back(&mut self) -> Vec<(&str, BorrowedFd<'_>)> {
        self.entries.retain(|entry| !entry.polled || !has_hung_up(&entry.descriptor));
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.descriptor.as_fd())).collect()
    }
}

/// As systemd: up to 255 printable ASCII characters without a colon.
fn is_legal(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b':')
}

/// The same socket or memory file, stored once more by a service that found it here.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let of = |descriptor: &OwnedFd| rustix::fs::fstat(descriptor).ok().map(|stat| (stat.st_dev, stat.st_ino));
    of(one).is_some() && of(one) == of(other)
}

fn has_hung_up(descriptor: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(descriptor, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).is_ok()
        && watched.iter().any(|one| one.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn store(name: &str, descriptor: OwnedFd, extra: &[(&str, &str)]) -> Notice {
        let mut lines = vec![("FDSTORE".to_owned(), "1".to_owned()), ("FDNAME".to_owned(), name.to_owned())];
        lines.extend(extra.iter().map(|(key, value)| (key.to_string(), value.to_string())));
        Notice { pid: 1, lines, descriptors: vec![descriptor] }
    }

    fn names(store: &mut FdStore) -> Vec<String> {
        store.hand_back().into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn what_is_stored_comes_back_by_name_until_it_is_removed() {
        let (one, _far) = UnixStream::pair().unwrap();
        let (two, _far_too) = UnixStream::pair().unwrap();
        let mut kept = FdStore::default();
        kept.take_from(store("one", one.into(), &[]));
        kept.take_from(store("bad:name", two.into(), &[]));
        assert_eq!(names(&mut kept), ["one", "stored"]);
        let lines = vec![("FDSTOREREMOVE".to_owned(), "1".to_owned()), ("FDNAME".to_owned(), "one".to_owned())];
        kept.take_from(Notice { pid: 1, lines, descriptors: Vec::new() });
        assert_eq!(names(&mut kept), ["stored"]);
    }

    #[test]
    fn a_dead_connection_is_dropped_unless_fdpoll_is_0() {
        let (polled, far) = UnixStream::pair().unwrap();
        let (unpolled, far_too) = UnixStream::pair().unwrap();
        let mut kept = FdStore::default();
        kept.take_from(store("polled", polled.into(), &[]));
        kept.take_from(store("unpolled", unpolled.into(), &[("FDPOLL", "0")]));
        drop((far, far_too));
        assert_eq!(names(&mut kept), ["unpolled"]);
    }

    #[test]
    fn the_same_socket_under_the_same_name_is_kept_once_and_the_store_is_bounded() {
        let (socket, _far) = UnixStream::pair().unwrap();
        let mut kept = FdStore::default();
        for _ in 0..3 {
            kept.take_from(store("same", socket.try_clone().unwrap().into(), &[]));
        }
        assert_eq!(names(&mut kept), ["same"]);
        let mut far_ends = Vec::new();
        let mut refused = 0;
        for _ in 0..MOST {
            let (next, far) = UnixStream::pair().unwrap();
            far_ends.push(far);
            refused += kept.take_from(store("more", next.into(), &[]));
        }
        assert_eq!((names(&mut kept).len(), refused), (MOST, 1));
    }
}
