//! Which unit a message on the notify socket belongs to: the one whose main process sent it, as systemd's NotifyAccess=main.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::notify::Notice;

/// Messages that may wait for a unit. One that sends more without being heard loses them.
const WAITING: usize = 64;

/// Pid to unit.
#[derive(Default)]
pub struct Routes {
    units: Mutex<HashMap<i32, mpsc::Sender<Notice>>>,
}

impl Routes {
    /// Messages of this process come here from now on.
    pub fn open(&self, pid: i32) -> mpsc::Receiver<Notice> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.units().insert(pid, sender);
        receiver
    }

    /// The process is gone.
    pub fn close(&self, pid: i32) {
        self.units().remove(&pid);
    }

    /// Brings a message to its unit. What comes from a process that is no unit's main process is dropped.
    pub fn deliver(&self, notice: Notice) {
        let pid = notice.pid;
        match self.units().get(&pid) {
            None => tracing::warn!(pid, "a notification from a process that is no service was dropped"),
            Some(unit) => {
                if unit.try_send(notice).is_err() {
                    tracing::warn!(pid, "a notification was lost: too many at once");
                }
            }
        }
    }

    fn units(&self) -> MutexGuard<'_, HashMap<i32, mpsc::Sender<Notice>>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
