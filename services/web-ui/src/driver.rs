//! The one loop: settings, facts, wishes from the bus, the door's wants and deadlines, the watchdog, each put where it belongs.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use phone_view::{Fact, Folded, Peer, PhoneView};
use service_kit::settings_client::{self, SettingsEvent};
use tokio::sync::{Notify, mpsc};
use zbus::Connection;

use crate::backend::{ProvisioningAgent, SERVICE, SaveError};
use crate::bus::{self, Served, Shown, Wish};
use crate::desk::{Desk, Feeds};
use crate::facts;
use crate::http::router::router;
use crate::login::Output;
use crate::port::Port;
use crate::values::Values;

/// Why web-ui ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus is not there, refused the name, or went away.
    #[error("D-Bus: {0}")]
    Bus(#[from] zbus::Error),
    /// Without randomness there are no sessions.
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Serves the web interface until the process is told to stop.
///
/// # Errors
/// See [`RunError`].
pub async fn run() -> Result<(), RunError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(RunError::Randomness)?;
    let connection = service_kit::bus::connect().await?;
    let (desk, feeds) = Desk::new(seed, ProvisioningAgent, service_kit::clock::now);
    let (wish_sender, mut wishes) = mpsc::channel(8);
    let shown = Shown { epoch: service_kit::epoch(), applied_revision: 0, port_open: false, port: 0, session: "" };
    let served = bus::serve(&connection, shown.clone(), wish_sender).await?;
    let (mut facts, again) = follow_peers(&connection);
    let mut settings = settings_client::start(SERVICE);
    let (written_sender, mut written) = mpsc::channel(1);
    let port = Port::new(router(desk.clone()));
    let mut driver = Driver { desk, feeds, served, shown, port, again, switch: Switch::default(), written: written_sender };
    service_kit::notify::ready();
    let mut watchdog = service_kit::notify::Watchdog::from_environment();
    let stop = service_kit::shutdown::signal();
    tokio::pin!(stop);
    loop {
        let desk = driver.desk.clone();
        let wait = driver.until_deadline();
        tokio::select! {
            () = &mut stop => break,
            Some(event) = settings.recv() => driver.on_settings(event),
            Some(fact) = facts.recv() => driver.on_fact(fact),
            Some(wish) = wishes.recv() => driver.on_wish(wish),
            Some(outcome) = written.recv() => driver.on_written(outcome),
            () = desk.moved.notified() => {}
            () = sleep(wait) => driver.on_deadline(),
            () = watchdog.due() => service_kit::notify::alive(),
        }
        driver.settle().await?;
    }
    Ok(())
}

fn follow_peers(connection: &Connection) -> (mpsc::Receiver<Fact>, Vec<(Peer, Arc<Notify>)>) {
    let (sender, receiver) = mpsc::channel(64);
    let follow = |peer: Peer| {
        let again = Arc::new(Notify::new());
        let (connection, sender, wanted) = (connection.clone(), sender.clone(), again.clone());
        tokio::spawn(async move {
            if let Err(error) = facts::follow(connection, peer, sender, wanted).await {
                tracing::error!(peer = peer.service(), %error, "the peer's facts are not followed");
            }
        });
        (peer, again)
    };
    (receiver, facts::FOLLOWED.into_iter().map(follow).collect())
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => pending().await,
    }
}

/// Writing EMBEDDED_WEB_ENABLE: one at a time, the newest wish wins, and a failed one is tried again with the next snapshot.
#[derive(Default)]
struct Switch {
    wanted: Option<bool>,
    under_way: bool,
}

struct Driver {
    desk: Arc<Desk>,
    feeds: Feeds,
    served: Served,
    shown: Shown,
    port: Port,
    again: Vec<(Peer, Arc<Notify>)>,
    switch: Switch,
    written: mpsc::Sender<(bool, Result<u64, SaveError>)>,
}

impl Driver {
    fn on_settings(&mut self, event: SettingsEvent) {
        let mut values = Values::clone(&self.feeds.values.borrow());
        match event {
            SettingsEvent::Snapshot { revision, values: table } => values = Values { revision, table, available: true },
            SettingsEvent::Changed { revision, values: table } => {
                values.revision = revision;
                values.table.extend(table);
            }
            SettingsEvent::Unavailable => values.available = false,
        }
        if let Some(rules) = values.rules() {
            self.desk.door().apply(self.desk.now(), rules);
            self.port.number(values.port());
        }
        self.feeds.values.send_replace(Arc::new(values));
        self.write_switch();
    }

    fn on_fact(&mut self, fact: Fact) {
        let mut view = PhoneView::clone(&self.feeds.view.borrow());
        let peer = peer_of(&fact);
        match view.fold(fact) {
            Folded::Nothing => return,
            Folded::Changed => {}
            Folded::Refetch => {
                self.again.iter().filter(|(followed, _)| *followed == peer).for_each(|(_, again)| again.notify_one());
            }
        }
        self.port.address(&view.network_status().address);
        self.feeds.view.send_replace(Arc::new(view));
    }

    fn on_wish(&mut self, wish: Wish) {
        let now = self.desk.now();
        match wish {
            Wish::Open => self.desk.door().open(now),
            Wish::Close => self.desk.door().close(now),
        }
    }

    fn on_deadline(&mut self) {
        self.desk.door().timeout(self.desk.now());
    }

    fn on_written(&mut self, (enabled, outcome): (bool, Result<u64, SaveError>)) {
        self.switch.under_way = false;
        match outcome {
            Ok(_) if self.switch.wanted == Some(enabled) => self.switch.wanted = None,
            Ok(_) => self.write_switch(),
            Err(error) => tracing::warn!(%error, enabled, "EMBEDDED_WEB_ENABLE was not written; tried again later"),
        }
    }

    fn until_deadline(&self) -> Option<Duration> {
        let door = self.desk.door().deadline().map(|deadline| deadline.since(self.desk.now()));
        let retry = self.port.retry_at().map(|retry| retry.saturating_duration_since(tokio::time::Instant::now()));
        [door, retry].into_iter().flatten().min()
    }

    fn write_switch(&mut self) {
        let Some(enabled) = self.switch.wanted.filter(|_| !self.switch.under_way) else { return };
        self.switch.under_way = true;
        let (desk, written) = (self.desk.clone(), self.written.clone());
        tokio::spawn(async move {
            let outcome = desk.write_enabled(enabled).await;
            // The driver may have ended meanwhile.
            let _ended = written.send((enabled, outcome)).await;
        });
    }

    /// Does what the door wants, makes the socket follow, and shows the result.
    async fn settle(&mut self) -> zbus::Result<()> {
        self.drain_door();
        self.port.settle().await;
        let session = self.desk.door().session();
        self.feeds.session.send_if_modified(|shown| {
            let new = session.map(|(session, _)| session);
            std::mem::replace(shown, new) != new
        });
        let revision = self.feeds.values.borrow().revision;
        let applied = if self.port.is_settled() { revision } else { self.shown.applied_revision };
        self.feeds.applied.send_if_modified(|shown| std::mem::replace(shown, applied) != applied);
        let new = Shown {
            applied_revision: applied,
            port_open: self.port.is_open(),
            port: if revision == 0 { 0 } else { self.feeds.values.borrow().port() },
            session: session.map_or("", |(_, account)| account.as_str()),
            ..self.shown.clone()
        };
        if new != self.shown {
            self.shown = new.clone();
            self.served.show(new).await?;
        }
        Ok(())
    }

    fn drain_door(&mut self) {
        loop {
            let output = self.desk.door().poll_output();
            match output {
                Some(Output::PortWanted(open)) => self.port.want(open),
                Some(Output::WriteEnabled(enabled)) => {
                    self.switch.wanted = Some(enabled);
                    self.write_switch();
                }
                Some(Output::SessionChanged) => {}
                None => return,
            }
        }
    }
}

fn peer_of(fact: &Fact) -> Peer {
    match fact {
        Fact::Up(peer) | Fact::Down(peer) => *peer,
        Fact::Snapshot { peer, .. } | Fact::Changed { peer, .. } | Fact::Removed { peer, .. } => *peer,
    }
}
