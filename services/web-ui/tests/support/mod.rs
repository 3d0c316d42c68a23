//! A web interface on a free port with a fake owner of the settings and facts made by hand.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod browser;
pub mod digest_client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use agreements::Tick;
use phone_view::{Fact, Objects, Peer, PhoneView, Properties, Value};
use web_ui::backend::{Save, SaveError, Saving, SettingsBackend};
use web_ui::desk::{Desk, Feeds};
use web_ui::http::listener::Listener;
use web_ui::http::router::router;
use web_ui::importing::{ImportError, ImportReport, Importing, Upload};
use web_ui::login::Output;
use web_ui::values::Values;

/// Takes the place of provisioning-agent.
#[derive(Clone, Default)]
pub struct FakeOwner {
    pub saves: Arc<Mutex<Vec<Save>>>,
    pub fails: Arc<Mutex<Option<SaveError>>>,
    /// Files that came, in order.
    pub uploads: Arc<Mutex<Vec<Upload>>>,
    /// The answer to the next one.
    pub import_answer: Arc<Mutex<Option<Result<ImportReport, ImportError>>>>,
    /// Until this is notified a file that came is not answered.
    pub import_held: Arc<Mutex<Option<Arc<tokio::sync::Notify>>>>,
    house: Arc<OnceLock<Arc<House>>>,
}

impl SettingsBackend for FakeOwner {
    fn import(&self, upload: Upload) -> Importing<'_> {
        Box::pin(async move {
            self.uploads.lock().unwrap().push(upload);
            let held = self.import_held.lock().unwrap().clone();
            if let Some(held) = held {
                held.notified().await;
            }
            self.import_answer.lock().unwrap().clone().unwrap_or_else(|| Ok(ImportReport::default()))
        })
    }

    fn save(&self, save: Save) -> Saving<'_> {
        Box::pin(async move {
            if let Some(error) = self.fails.lock().unwrap().clone() {
                return Err(error);
            }
            self.saves.lock().unwrap().push(save.clone());
            Ok(self.house.get().unwrap().change(&save.values))
        })
    }
}

/// The web interface and what stands around it.
pub struct House {
    pub desk: Arc<Desk>,
    pub feeds: Feeds,
    pub owner: FakeOwner,
    pub now: Arc<Mutex<Tick>>,
    pub outputs: Mutex<Vec<Output>>,
}

impl House {
    /// With these settings over the factory defaults; the port is open.
    pub fn new(settings: &[(&str, &str)]) -> Arc<House> {
        let owner = FakeOwner::default();
        let now = Arc::new(Mutex::new(Tick(1_000_000_000)));
        let clock = now.clone();
        let (desk, feeds) = Desk::new([9; 32], owner.clone(), move || *clock.lock().unwrap());
        let house = Arc::new(House { desk, feeds, owner: owner.clone(), now, outputs: Mutex::default() });
        owner.house.set(house.clone()).ok().unwrap();
        let open = [("EMBEDDED_WEB_ENABLE", "Y")];
        let table: BTreeMap<String, String> =
            open.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        house.change(&table);
        house
    }

    /// A commit: new values reach the page and are in effect in it.
    pub fn change(&self, changes: &BTreeMap<String, String>) -> u64 {
        let mut values = Values::clone(&self.feeds.values.borrow());
        values.revision += 1;
        values.available = true;
        // A secret of another service is seen as a mask.
        let seen = |name: &String, value: &String| match name.starts_with("SIP_PASS") && !value.is_empty() {
            true => agreements::MASK.to_owned(),
            false => value.clone(),
        };
        values.table.extend(changes.iter().map(|(name, value)| (name.clone(), seen(name, value))));
        let revision = values.revision;
        self.desk.door().apply(self.desk.now(), values.rules().unwrap());
        self.feeds.values.send_replace(Arc::new(values));
        self.feeds.applied.send_replace(revision);
        self.settle();
        revision
    }

    pub fn set(&self, name: &str, value: &str) -> u64 {
        self.change(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    pub fn owner_is_away(&self) {
        let mut values = Values::clone(&self.feeds.values.borrow());
        values.available = false;
        self.feeds.values.send_replace(Arc::new(values));
        *self.owner.fails.lock().unwrap() = Some(SaveError::Unavailable("away".into()));
    }

    /// What the driver does with the door.
    pub fn settle(&self) {
        let mut door = self.desk.door();
        while let Some(output) = door.poll_output() {
            self.outputs.lock().unwrap().push(output);
        }
        self.feeds.session.send_replace(door.session().map(|(session, _)| session));
    }

    pub fn later(&self, by: Duration) {
        let now = {
            let mut now = self.now.lock().unwrap();
            *now = *now + by;
            *now
        };
        self.desk.door().timeout(now);
        self.settle();
    }

    pub fn fact(&self, fact: Fact) {
        let mut view = PhoneView::clone(&self.feeds.view.borrow());
        view.fold(fact);
        self.feeds.view.send_replace(Arc::new(view));
    }

    /// Serves it on a free port of the loopback.
    pub async fn serve(self: &Arc<Self>) -> Listener {
        self.serve_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn serve_at(self: &Arc<Self>, address: SocketAddr) -> Listener {
        Listener::open(address, router(self.desk.clone())).await.unwrap()
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The facts of a simulated board.
pub fn board() -> Fact {
    let properties = Properties::from([
        ("Model".into(), text("KX-UT670")),
        ("FirmwareVersion".into(), text("01.070")),
        ("OsVersion".into(), text("Debian 12")),
        ("MacAddress".into(), text("0080F0ABCDEF")),
        ("LinkLan".into(), text("connected")),
        ("LinkPc".into(), text("disconnected")),
        ("ConnectionMode".into(), text("static")),
        ("Address".into(), text("127.0.0.1")),
        ("SubnetMask".into(), text("255.0.0.0")),
        ("Gateway".into(), text("")),
        ("NameServers".into(), Value::List(vec!["127.0.0.53".into()])),
    ]);
    let objects = Objects::from([("/org/deskphone/Hal1".into(), BTreeMap::from([("org.deskphone.Hal1".into(), properties)]))]);
    Fact::Snapshot { peer: Peer::Hal, objects }
}

/// sip-agent with line 1 in this state, line 2 failed, and this revision in effect.
pub fn lines(state: &str, applied: u64) -> Fact {
    let line = |number: u64, state: &str, phone: &str, error: &str| {
        let properties = Properties::from([
            ("Number".into(), Value::Number(number)),
            ("State".into(), text(state)),
            ("PhoneNumber".into(), text(phone)),
            ("LastError".into(), text(error)),
        ]);
        (format!("/org/deskphone/Sip1/line/{number}"), BTreeMap::from([("org.deskphone.Sip1.Line".into(), properties)]))
    };
    let phone = Properties::from([("Epoch".into(), Value::Number(1)), ("AppliedRevision".into(), Value::Number(applied))]);
    let root = ("/org/deskphone/Sip1".to_owned(), BTreeMap::from([("org.deskphone.Sip1.Phone".into(), phone)]));
    let failed = "the registrar refused the password (403 Forbidden)";
    let objects = [root, line(1, state, "200", ""), line(2, "failed", "201", failed), line(3, "unconfigured", "", "")];
    Fact::Snapshot { peer: Peer::Sip, objects: Objects::from(objects) }
}

pub fn applied(revision: u64) -> Fact {
    Fact::Changed {
        peer: Peer::Sip,
        path: "/org/deskphone/Sip1".into(),
        interface: "org.deskphone.Sip1.Phone".into(),
        properties: Properties::from([("AppliedRevision".into(), Value::Number(revision))]),
    }
}
