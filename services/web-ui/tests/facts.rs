//! Facts from real peers on a private bus: subscribe, fetch, fold, over a restart of the peer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use phone_view::{Fact, Folded, Peer, PhoneView, Trust, VoipStatus};
use testbed::open_bus::OpenBus;
use tokio::sync::{Notify, mpsc};
use web_ui::facts;
use zbus::{Connection, interface};

const LONG: Duration = Duration::from_secs(20);

struct Phone {
    epoch: u64,
    applied: u64,
}

#[interface(name = "org.deskphone.Sip1.Phone")]
impl Phone {
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.epoch
    }
    #[zbus(property)]
    fn applied_revision(&self) -> u64 {
        self.applied
    }
    #[zbus(property)]
    fn set_applied_revision(&mut self, applied: u64) {
        self.applied = applied;
    }
}

struct Line {
    state: String,
}

#[interface(name = "org.deskphone.Sip1.Line")]
impl Line {
    #[zbus(property)]
    fn number(&self) -> u8 {
        1
    }
    #[zbus(property)]
    fn state(&self) -> String {
        self.state.clone()
    }
    #[zbus(property)]
    fn set_state(&mut self, state: String) {
        self.state = state;
    }
}

struct Call;

#[interface(name = "org.deskphone.Sip1.Call")]
impl Call {
    #[zbus(property)]
    fn state(&self) -> String {
        "talking".into()
    }
}

const ROOT: &str = "/org/deskphone/Sip1";
const LINE: &str = "/org/deskphone/Sip1/line/1";
const CALL: &str = "/org/deskphone/Sip1/call/01";

/// sip-agent as far as its objects go.
async fn sip_agent(bus: &OpenBus, epoch: u64) -> Connection {
    let connection = bus.connect().await.unwrap();
    let server = connection.object_server();
    server.at(ROOT, zbus::fdo::ObjectManager).await.unwrap();
    server.at(ROOT, Phone { epoch, applied: 3 }).await.unwrap();
    server.at(LINE, Line { state: "registering".into() }).await.unwrap();
    connection.request_name("org.deskphone.Sip1").await.unwrap();
    connection
}

async fn set_line(sip: &Connection, state: &str) {
    let line = sip.object_server().interface::<_, Line>(LINE).await.unwrap();
    line.get_mut().await.state = state.into();
    line.get().await.state_changed(line.signal_emitter()).await.unwrap();
}

/// Folds what comes until the view is as wanted.
async fn until(view: &mut PhoneView, facts: &mut mpsc::Receiver<Fact>, again: &Notify, wanted: impl Fn(&PhoneView) -> bool) {
    let folding = async {
        while !wanted(view) {
            if view.fold(facts.recv().await.unwrap()) == Folded::Refetch {
                again.notify_one();
            }
        }
    };
    tokio::time::timeout(LONG, folding).await.expect("the facts come");
}

fn line_1(view: &PhoneView) -> VoipStatus {
    view.lines()[0].status
}

/// Architecture 6: peers are noticed by name and epoch; facts are unknown while a peer is down and fetched again when it is back.
#[tokio::test]
async fn facts_follow_a_peer_over_its_restart() {
    let bus = OpenBus::start().unwrap();
    let (sender, mut facts) = mpsc::channel(64);
    let again = Arc::new(Notify::new());
    let task = tokio::spawn(facts::follow(bus.connect().await.unwrap(), Peer::Sip, sender, again.clone()));
    let mut view = PhoneView::new();

    let sip = sip_agent(&bus, 1).await;
    until(&mut view, &mut facts, &again, |view| view.trust(Peer::Sip) == Trust::Current).await;
    assert_eq!((line_1(&view), view.applied_revision(Peer::Sip)), (VoipStatus::Registering, Some(3)));

    set_line(&sip, "registered").await;
    until(&mut view, &mut facts, &again, |view| line_1(view) == VoipStatus::Registered).await;

    sip.object_server().at(CALL, Call).await.unwrap();
    until(&mut view, &mut facts, &again, |view| view.calls().len() == 1).await;
    sip.object_server().remove::<Call, _>(CALL).await.unwrap();
    until(&mut view, &mut facts, &again, |view| view.calls().is_empty()).await;

    sip.close().await.unwrap();
    until(&mut view, &mut facts, &again, |view| view.trust(Peer::Sip) == Trust::Unknown).await;
    assert_eq!(line_1(&view), VoipStatus::Blank);

    let sip = sip_agent(&bus, 2).await;
    until(&mut view, &mut facts, &again, |view| view.trust(Peer::Sip) == Trust::Current).await;
    assert_eq!(line_1(&view), VoipStatus::Registering);

    // A new epoch without a change of owner: everything is fetched again.
    let phone = sip.object_server().interface::<_, Phone>(ROOT).await.unwrap();
    phone.get_mut().await.epoch = 3;
    phone.get_mut().await.applied = 4;
    phone.get().await.epoch_changed(phone.signal_emitter()).await.unwrap();
    until(&mut view, &mut facts, &again, |view| view.trust(Peer::Sip) == Trust::Stale).await;
    until(&mut view, &mut facts, &again, |view| view.applied_revision(Peer::Sip) == Some(4)).await;
    task.abort();
}
