//! All units together: start all at once, wait until all are ready, stop in reverse rank order. It must not know what any
//! service is for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::notify::NotifySocket;
use super::routes::Routes;
use super::unit::{self, Ground, UnitHandle, UnitSpec, UnitState};

/// A service that ends this often before it was ever ready will not come up.
const TRIES: u32 = 3;
/// Lines of its output that go into the error message.
const LINES: usize = 12;

/// A service did not come up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service} does not start: {reason}\n{output}")]
pub struct StartFailure {
    /// Which.
    pub service: String,
    /// How it ended.
    pub reason: String,
    /// The last lines of its output, indented.
    pub output: String,
}

/// Name to pid of what runs now; 0 for what does not.
pub type Pids = BTreeMap<String, i32>;

/// The running units.
pub struct Supervisor {
    ranks: Vec<(u8, String, UnitHandle)>,
    pids: watch::Receiver<Pids>,
    notices: JoinHandle<()>,
    ground: Arc<Ground>,
}

impl Supervisor {
    /// Starts all units. `launcher` is the phonelab executable; the notify socket is made at `socket`, in the place of an earlier one.
    pub fn start(launcher: &Path, socket: &Path, units: Vec<(u8, UnitSpec)>) -> std::io::Result<Supervisor> {
        // There is none before the first start.
        let _ = std::fs::remove_file(socket);
        let incoming = NotifySocket::bind(socket)?;
        let ground = Arc::new(Ground {
            launcher: launcher.to_owned(),
            notify_socket: socket.to_owned(),
            incoming,
            routes: Routes::default(),
            restart_wish: Notify::new(),
        });
        let notices = tokio::spawn(deliver(ground.clone()));
        let (pids_now, pids) = watch::channel(Pids::new());
        let mut ranks = Vec::new();
        for (rank, spec) in units {
            let name = spec.name.clone();
            let handle = unit::start(spec, ground.clone())?;
            tokio::spawn(follow(name.clone(), handle.state.clone(), pids_now.clone()));
            ranks.push((rank, name, handle));
        }
        ranks.sort_by_key(|(rank, _, _)| *rank);
        Ok(Supervisor { ranks, pids, notices, ground })
    }

    /// Waits until a unit asks for a restart of all.
    pub async fn restart_wished(&self) {
        self.ground.restart_wish.notified().await;
    }

    /// Waits until every unit was ready once.
    pub async fn all_ready(&self) -> Result<(), StartFailure> {
        let waits = self.ranks.iter().map(|(_, name, handle)| ready(name, handle));
        futures_util::future::try_join_all(waits).await.map(|_| ())
    }

    /// The pids, level-triggered.
    pub fn pids(&self) -> watch::Receiver<Pids> {
        self.pids.clone()
    }

    /// Stops every unit, the highest rank first.
    pub async fn stop(mut self) {
        while let Some((rank, _, _)) = self.ranks.last() {
            let rank = *rank;
            let first = self.ranks.iter().position(|(other, _, _)| *other == rank).unwrap_or_default();
            let mut same = self.ranks.split_off(first);
            futures_util::future::join_all(same.iter_mut().map(|(_, _, handle)| handle.stop())).await;
        }
        self.notices.abort();
    }
}

async fn ready(name: &str, handle: &UnitHandle) -> Result<(), StartFailure> {
    let mut state = handle.state.clone();
    let end = state
        .wait_for(|state| match state {
            UnitState::Running { .. } | UnitState::Stopped => true,
            UnitState::Waiting { failures, .. } => *failures >= TRIES,
            UnitState::Starting { .. } => false,
        })
        .await;
    match end.map(|state| state.clone()) {
        Ok(UnitState::Waiting { reason, .. }) => Err(StartFailure {
            service: name.to_owned(),
            reason,
            output: handle.log.last_lines(LINES).iter().map(|line| format!("  {line}\n")).collect(),
        }),
        Ok(UnitState::Running { .. } | UnitState::Starting { .. } | UnitState::Stopped) | Err(_) => Ok(()),
    }
}

async fn deliver(ground: Arc<Ground>) {
    loop {
        match ground.incoming.receive().await {
            Ok(notice) => ground.routes.deliver(notice),
            Err(error) => {
                tracing::error!(%error, "the notify socket failed");
                return;
            }
        }
    }
}

async fn follow(name: String, mut state: watch::Receiver<UnitState>, pids: watch::Sender<Pids>) {
    loop {
        let pid = state.borrow_and_update().pid().unwrap_or_default();
        pids.send_if_modified(|pids| pids.insert(name.clone(), pid) != Some(pid));
        if state.changed().await.is_err() {
            return;
        }
    }
}
