//! What requests and the driver share: the door, the newest settings and facts, and what was saved last.
//!
//! Everything runs on one thread; a lock is held for a few lines and never over an await. The driver owns the sending ends of
//! the watches and acts on what the door wants; a request that has moved the door wakes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agreements::Tick;
use phone_proto::settings::Origin;
use phone_view::PhoneView;
use tokio::sync::{Notify, Semaphore, watch};

use crate::backend::{Save, SaveError, SettingsBackend};
use crate::importing::{ImportError, ImportReport, Upload};
use crate::login::{Account, Door, Knock, Verdict};
use crate::saved::LastSave;
use crate::values::Values;

/// Live streams at once; a page without one works, only not by itself.
const MOST_LIVE: usize = 6;
/// How long an answer to a save waits until its values have come back.
const ECHO: Duration = Duration::from_secs(2);

/// See the module.
pub struct Desk {
    door: Mutex<Door>,
    last_save: Mutex<Option<LastSave>>,
    backend: Box<dyn SettingsBackend>,
    imports: Semaphore,
    clock: Box<dyn Fn() -> Tick + Send + Sync>,
    /// The driver shall look at the door.
    pub moved: Notify,
    /// Newest settings.
    pub values: watch::Receiver<Arc<Values>>,
    /// Newest facts.
    pub view: watch::Receiver<Arc<PhoneView>>,
    /// Revision that is in effect in this process.
    pub applied: watch::Receiver<u64>,
    /// The session that is on.
    pub session: watch::Receiver<Option<u64>>,
    /// Bounds the live streams.
    pub live: Arc<Semaphore>,
}

/// The driver's ends of the desk.
pub struct Feeds {
    /// Newest settings.
    pub values: watch::Sender<Arc<Values>>,
    /// Newest facts.
    pub view: watch::Sender<Arc<PhoneView>>,
    /// Revision that is in effect in this process.
    pub applied: watch::Sender<u64>,
    /// The session that is on.
    pub session: watch::Sender<Option<u64>>,
}

impl Desk {
    /// A desk behind a closed door.
    pub fn new(
        seed: [u8; 32],
        backend: impl SettingsBackend + 'static,
        clock: impl Fn() -> Tick + Send + Sync + 'static,
    ) -> (Arc<Desk>, Feeds) {
        let (values, values_seen) = watch::channel(Arc::default());
        let (view, view_seen) = watch::channel(Arc::default());
        let (applied, applied_seen) = watch::channel(0);
        let (session, session_seen) = watch::channel(None);
        let desk = Desk {
            door: Mutex::new(Door::new(seed)),
            last_save: Mutex::new(None),
            backend: Box::new(backend),
            clock: Box::new(clock),
            moved: Notify::new(),
            values: values_seen,
            view: view_seen,
            applied: applied_seen,
            session: session_seen,
            imports: Semaphore::new(1),
            live: Arc::new(Semaphore::new(MOST_LIVE)),
        };
        (Arc::new(desk), Feeds { values, view, applied, session })
    }

    /// Now.
    pub fn now(&self) -> Tick {
        (self.clock)()
    }

    /// The door. Never keep it over an await.
    pub fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the door and lets the driver act on what follows.
    pub fn knock(&self, knock: &Knock<'_>) -> Verdict {
        let verdict = self.door().knock(self.now(), knock);
        self.moved.notify_one();
        verdict
    }

    /// Web Port Close on the page (B124).
    pub fn close_port(&self) {
        self.door().close(self.now());
        self.moved.notify_one();
    }

    /// The newest settings.
    pub fn values_now(&self) -> Arc<Values> {
        self.values.borrow().clone()
    }

    /// The newest facts.
    pub fn view_now(&self) -> Arc<PhoneView> {
        self.view.borrow().clone()
    }

    /// What this session saved last.
    pub fn last_save(&self, session: u64) -> Option<LastSave> {
        let last = self.last_save.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|last| last.session == session)
    }

    /// Saves for a session; comes back when the new values have come back too, or when that takes too long.
    ///
    /// # Errors
    /// Nothing was saved.
    pub async fn save(
        &self,
        session: u64,
        account: Account,
        expected_revision: u64,
        values: BTreeMap<String, String>,
    ) -> Result<u64, SaveError> {
        let names: Vec<String> = values.keys().cloned().collect();
        let account = format!("web {}", account.as_str());
        let revision = self.backend.save(Save { values, expected_revision, origin: Origin::Web, account }).await?;
        let last = LastSave::new(session, revision, names.iter().map(String::as_str));
        *self.last_save.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        let mut seen = self.values.clone();
        // Late values are no failure: the page then shows the older ones, and the live line says how far the change has come.
        let _late = tokio::time::timeout(ECHO, seen.wait_for(|values| values.revision >= revision)).await;
        Ok(revision)
    }

    /// Imports a file; one at a time.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub async fn import(&self, upload: Upload) -> Result<ImportReport, ImportError> {
        let _turn = self.imports.try_acquire().map_err(|_| ImportError::Busy)?;
        self.backend.import(upload).await
    }

    /// Writes the port's switch, as the phone would.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn write_enabled(&self, enabled: bool) -> Result<u64, SaveError> {
        let value = if enabled { "Y" } else { "N" };
        let values = BTreeMap::from([("EMBEDDED_WEB_ENABLE".to_owned(), value.to_owned())]);
        let account = "web port".to_owned();
        self.backend.save(Save { values, expected_revision: 0, origin: Origin::Phone, account }).await
    }
}
