//! Waits until a peer's socket appears, so that nobody has to look again and again. The kernel says it (inotify on the folder of
//! the socket, or on the nearest one that exists). It must not say that the peer answers: only that trying is worth while.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that is awaited. What appears after [`Arrival::watch`] is not missed.
pub struct Arrival {
    path: PathBuf,
    inotify: AsyncFd<OwnedFd>,
    /// The folder that is watched; none: there was none to watch.
    watched: Option<PathBuf>,
}

impl Arrival {
    /// Begins to watch for the socket at `path`.
    ///
    /// # Errors
    /// The system gives no more watches.
    pub fn watch(path: &Path) -> io::Result<Arrival> {
        let inotify = registered(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?;
        let mut arrival = Arrival { path: path.to_owned(), inotify, watched: None };
        arrival.come_nearer();
        Ok(arrival)
    }

    /// Waits until the socket is made anew. Dropping it half way loses nothing.
    ///
    /// # Errors
    /// The system tells nothing any more.
    pub async fn appears(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let seen = ready.try_io(|inotify| what_happened(inotify.get_ref(), &self.path));
            drop(ready);
            match seen {
                Ok(Ok(Happened::SocketMade)) if self.at_the_folder() => return Ok(()),
                // Another file of the folder.
                Ok(Ok(Happened::Other)) if self.at_the_folder() => {}
                Ok(Ok(_)) => {
                    self.come_nearer();
                    // A folder on the way came or went; the socket may have come with it.
                    if self.path.exists() {
                        return Ok(());
                    }
                }
                Ok(Err(error)) => return Err(error),
                // Nothing to read after all.
                Err(_) => {}
            }
        }
    }

    fn at_the_folder(&self) -> bool {
        self.watched.as_deref() == self.path.parent()
    }

    /// Watches the nearest folder that exists. Between two looks the next one may have been made, so it looks until it finds the
    /// same again; a path has only so many folders.
    fn come_nearer(&mut self) {
        for _ in self.path.clone().ancestors() {
            let nearest = self.path.ancestors().skip(1).find(|folder| self.add(folder)).map(Path::to_owned);
            if nearest == self.watched {
                return;
            }
            self.watched = nearest;
        }
    }

    fn add(&self, folder: &Path) -> bool {
        let flags =
            WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        inotify::add_watch(&self.inotify, folder, flags).is_ok()
    }
}

#[allow(unsafe_code, reason = "tokio has no safe way to wait for a descriptor of inotify")]
fn registered(inotify: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the AsyncFd from here on; nobody closes or replaces it while it is in there.
    Ok(unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) }?)
}

/// The later, the more it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happened {
    /// Something of another name was made.
    Other,
    /// Something of the socket's name was made.
    SocketMade,
    /// The folder itself came to its end, or more happened than could be kept.
    FolderGone,
}

/// Reads everything that has happened.
fn what_happened(inotify: &OwnedFd, path: &Path) -> io::Result<Happened> {
    // Room for some events with the longest name.
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut seen = None;
    loop {
        match reader.next() {
            Ok(event) => {
                let ours = path.file_name().map(std::ffi::OsStr::as_encoded_bytes);
                let happened = match event.file_name().map(std::ffi::CStr::to_bytes) {
                    None => Happened::FolderGone,
                    name if name == ours => Happened::SocketMade,
                    Some(_) => Happened::Other,
                };
                seen = seen.max(Some(happened));
            }
            Err(error) => return seen.ok_or_else(|| error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    /// Whether the socket has been heard of by now: inotify speaks before the call that made the file returns, but tokio hears of it
    /// only when it looks.
    async fn heard(arrival: &mut Arrival) -> bool {
        let appears = arrival.appears();
        tokio::pin!(appears);
        for _ in 0..20 {
            if let Poll::Ready(outcome) = poll!(&mut appears) {
                outcome.unwrap();
                return true;
            }
            tokio::task::yield_now().await;
            // One turn of the reactor.
            tokio::time::sleep(std::time::Duration::ZERO).await;
        }
        false
    }

    #[tokio::test]
    async fn a_socket_is_heard_of_when_it_gets_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.sock");
        let mut arrival = Arrival::watch(&path).unwrap();
        fs::write(folder.path().join("settings.new"), "").unwrap();
        assert!(!heard(&mut arrival).await, "another name");
        fs::rename(folder.path().join("settings.new"), &path).unwrap();
        arrival.appears().await.unwrap();
        assert!(!heard(&mut arrival).await, "once each time");
        fs::write(folder.path().join("settings.new"), "").unwrap();
        fs::rename(folder.path().join("settings.new"), &path).unwrap();
        arrival.appears().await.unwrap();
    }

    #[tokio::test]
    async fn folders_on_the_way_may_come_later_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deskphone/provisioning-agent/settings.sock");
        let mut arrival = Arrival::watch(&path).unwrap();
        for _ in 0..2 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            assert!(!heard(&mut arrival).await, "only the folder");
            fs::write(&path, "").unwrap();
            arrival.appears().await.unwrap();
            fs::remove_dir_all(folder.path().join("deskphone")).unwrap();
            assert!(!heard(&mut arrival).await, "it has gone");
        }
    }

    #[tokio::test]
    async fn a_socket_that_came_with_its_folder_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/provisioning-agent/settings.sock");
        let mut arrival = Arrival::watch(&path).unwrap();
        fs::create_dir_all(folder.path().join("made/provisioning-agent")).unwrap();
        fs::write(folder.path().join("made/provisioning-agent/settings.sock"), "").unwrap();
        fs::rename(folder.path().join("made"), folder.path().join("run")).unwrap();
        arrival.appears().await.unwrap();
    }
}
