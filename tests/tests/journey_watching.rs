//! Journey: colleagues, who are baresips and call each other, are watched at Kamailio's presence server (RFC 6665, RFC 4235): both of
//! them by the whole phone, as a list of its resource list server (RFC 4662), and one alone by the phone's stack on a real socket,
//! because nothing on the phone watches anybody alone yet.

use std::collections::VecDeque;
use std::net::SocketAddr;

use agreements::{Correlation, LineNumber, Tick};
use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::namespace::{FAR, Namespace, PHONE, REGISTRAR, SECOND_FAR};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{DOMAIN, FAR_ACCOUNT, PHONE_ACCOUNT, Registrar, SECOND_FAR_ACCOUNT};
use house_tests::{LIMIT, may_make_namespaces};
use serde_json::{Value, json};
use service_kit::clock;
use sip_agent::settings::{BoardFacts, Rows};
use sip_stack::{Command, Event, FlowId, Input, Output, Stack, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::MediaType;
use sip_wire::body::{DialogDirection, DialogEntry, DialogInfo, DialogState};
use tokio::net::UdpSocket;

const DIALOGS: &str = "application/dialog-info+xml";

/// A bound socket, once for the runtime and once past it: it does not know yet that a new socket is writable.
struct Line {
    flow: FlowId,
    sender: std::net::UdpSocket,
    receiver: UdpSocket,
}

/// The stack of a phone with one line, and its socket.
struct Watcher<'n> {
    stack: Stack,
    namespace: &'n Namespace,
    line: Option<Line>,
    events: VecDeque<Event>,
    /// Until the stack has something to do.
    wait: Option<Tick>,
}

impl Watcher<'_> {
    fn start(namespace: &Namespace) -> Watcher<'_> {
        let (user, password) = PHONE_ACCOUNT;
        let own = [
            ("PHONE_NUMBER_1", user),
            ("SIP_AUTHID_1", user),
            ("SIP_PASS_1", password),
            ("SIP_PRXY_ADDR_1", REGISTRAR),
            ("SIP_SVCDOMAIN_1", DOMAIN),
            ("SIP_TIMER_T1_1", "250"),
        ];
        let others = (2..=6).map(|line| (format!("LINE_ENABLE_{line}"), "Disabled".to_owned()));
        let values = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(others).collect();
        let board = BoardFacts { address: PHONE.parse().ok(), ..BoardFacts::default() };
        let (stack, _) = Stack::new(clock::now(), [7; 32], None);
        let mut watcher = Watcher { stack, namespace, line: None, events: VecDeque::new(), wait: None };
        watcher.input(Input::Settings(Box::new(Rows::new(&values).stack(&board))));
        watcher
    }

    fn input(&mut self, input: Input) {
        self.stack.handle(clock::now(), input);
        loop {
            match self.stack.poll() {
                Output::OpenFlow { flow, local, .. } => self.open(flow, local),
                Output::Transmit { remote, bytes, .. } => self.transmit(remote, &bytes),
                Output::Event(event) => self.events.push_back(event),
                Output::Wait(until) => {
                    self.wait = until;
                    return;
                }
                Output::SnapshotDirty => {}
                other => panic!("a watcher has no use for {other:?}"),
            }
        }
    }

    fn open(&mut self, flow: FlowId, local: SocketAddr) {
        let socket = self.namespace.inside(|| std::net::UdpSocket::bind(local).expect("the line's socket"));
        socket.set_nonblocking(true).expect("a socket that does not wait");
        let sender = socket.try_clone().expect("the line's socket");
        self.line = Some(Line { flow, sender, receiver: UdpSocket::from_std(socket).expect("the line's socket") });
        self.stack.handle(clock::now(), Input::FlowUp { flow, local });
    }

    fn transmit(&self, remote: SocketAddr, bytes: &[u8]) {
        let line = self.line.as_ref().expect("a socket");
        line.sender.send_to(bytes, remote).expect("a message leaves");
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command, Correlation::default()));
    }

    fn watch(&mut self, resource: &str, accept: &[&str]) -> SubscriptionKey {
        let line = LineNumber::new(1).expect("a line");
        let key = SubscriptionKey { line, event: "dialog".into(), resource: resource.into() };
        let accept = accept.iter().map(|kind| (*kind).to_owned()).collect();
        self.command(Command::Subscribe {
            key: key.clone(),
            wish: SubscriptionWish { accept, expires: None, appearance: None, once: false },
            body: None,
        });
        key
    }

    /// What happens next.
    async fn event(&mut self) -> Event {
        let coming = async {
            loop {
                if let Some(event) = self.events.pop_front() {
                    return event;
                }
                self.step().await;
            }
        };
        tokio::time::timeout(LIMIT, coming).await.expect("an event of the stack")
    }

    /// A datagram, or the stack's own time.
    async fn step(&mut self) {
        let line = self.line.as_ref().expect("a socket");
        let time = match self.wait {
            Some(until) => until.since(clock::now()),
            None => LIMIT,
        };
        let mut bytes = vec![0; 65_535];
        let input = match tokio::time::timeout(time, line.receiver.recv_from(&mut bytes)).await {
            Ok(received) => {
                let (length, remote) = received.expect("a datagram");
                bytes.truncate(length);
                Input::Datagram { flow: line.flow, remote, bytes }
            }
            Err(_) => Input::Timeout,
        };
        self.input(input);
    }

    async fn is(&mut self, wanted: &SubscriptionState) {
        loop {
            if let Event::Subscription { state, .. } = self.event().await
                && state == *wanted
            {
                return;
            }
        }
    }

    /// The next body of a NOTIFY.
    async fn told(&mut self) -> (MediaType, Vec<u8>) {
        loop {
            if let Event::Notified { content_type, body, .. } = self.event().await {
                return (content_type.parse().expect("a type"), body);
            }
        }
    }

    /// The watched one's dialog, as soon as it is in this state.
    async fn dialog_in(&mut self, state: DialogState) -> DialogEntry {
        loop {
            let (kind, body) = self.told().await;
            assert_eq!((kind.kind.as_str(), kind.subtype.as_str()), ("application", "dialog-info+xml"));
            let info = DialogInfo::parse(&body).expect("dialog-info");
            if let Some(dialog) = info.dialogs.into_iter().find(|dialog| dialog.state == state) {
                return dialog;
            }
        }
    }

    async fn unwatch(&mut self, key: SubscriptionKey) {
        self.command(Command::Unsubscribe(key));
        self.is(&SubscriptionState::Ended).await;
    }
}

/// The colleagues, 300 and 301.
async fn colleagues(namespace: &Namespace) -> (FarPhone, FarPhone) {
    let setup = |address, account, tone| FarSetup { address, account, codecs: "PCMU/8000/1", tone };
    let one = FarPhone::start(namespace, setup(FAR, FAR_ACCOUNT, 660.0)).await;
    (one, FarPhone::start(namespace, setup(SECOND_FAR, SECOND_FAR_ACCOUNT, 880.0)).await)
}

/// RFC 4235 3.7: he is called, it rings, he talks, it is over; in all of it the dialog is the same one.
#[tokio::test]
async fn a_colleagues_dialog_is_told_from_ringing_to_its_end() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let registrar = Registrar::start_watching(&namespace);
    let (mut called, mut caller) = colleagues(&namespace).await;
    let mut watcher = Watcher::start(&namespace);
    let key = watcher.watch(FAR_ACCOUNT.0, &[DIALOGS]);
    watcher.is(&SubscriptionState::Active).await;
    caller.dial(FAR_ACCOUNT.0).await;
    called.event("CALL_INCOMING").await;
    let ringing = watcher.dialog_in(DialogState::Early).await;
    assert_eq!(ringing.direction, Some(DialogDirection::Recipient), "{}", registrar.log());
    for (end, user) in [(&ringing.local, FAR_ACCOUNT.0), (&ringing.remote, SECOND_FAR_ACCOUNT.0)] {
        assert!(end.identity.starts_with(&format!("sip:{user}@{DOMAIN}")), "{}", end.identity);
    }
    called.accept().await;
    let talking = watcher.dialog_in(DialogState::Confirmed).await;
    caller.hangup().await;
    let over = watcher.dialog_in(DialogState::Terminated).await;
    assert!(ringing.call_id.is_some());
    assert_eq!([&talking, &over].map(|dialog| (&dialog.id, &dialog.call_id)), [(&ringing.id, &ringing.call_id); 2]);
    watcher.unwatch(key).await;
}

/// What the list of the phone's line shows, address and state.
async fn do_colleagues(phone: &Phone, states: [&str; 2], registrar: &Registrar) {
    let wanted: Vec<Value> = [FAR_ACCOUNT.0, SECOND_FAR_ACCOUNT.0]
        .iter()
        .zip(states)
        .map(|(user, state)| json!([format!("sip:{user}@{DOMAIN}"), "", state]))
        .collect();
    let what = format!("{states:?}\n{}", registrar.log());
    phone.until(&what, async |phone| (phone.line(1, "Watched").await == json!(wanted)).then_some(())).await;
}

/// RFC 4662, RFC 4235: the whole phone shows what those do who are on its line's resource list, also when sip-agent is killed. Of
/// whom nothing has been said yet nothing is known.
#[tokio::test]
async fn the_phone_shows_what_the_colleagues_on_its_list_do() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let registrar = Registrar::start_watching(&namespace);
    let (mut called, mut caller) = colleagues(&namespace).await;
    let list = format!("RESOURCELIST_URI_1=\"sip:colleagues@{DOMAIN}\"");
    let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[&list])).await;
    do_colleagues(&phone, ["unknown", "unknown"], &registrar).await;
    phone.until("the list", async |phone| (phone.line(1, "ResourceList").await == "active").then_some(())).await;
    caller.dial(FAR_ACCOUNT.0).await;
    called.event("CALL_INCOMING").await;
    do_colleagues(&phone, ["ringing", "calling"], &registrar).await;
    let shown = phone.json(&["watched"]);
    assert_eq!(shown[0], json!({"line": 1, "uri": format!("sip:{}@{DOMAIN}", FAR_ACCOUNT.0), "name": "", "state": "ringing"}));
    called.accept().await;
    do_colleagues(&phone, ["talking", "talking"], &registrar).await;
    let killed = phone.pid("sip-agent");
    namespace.command("kill").args(["-9", &killed.to_string()]).status().unwrap();
    phone.until("another sip-agent", async |phone| (phone.pid("sip-agent") != killed).then_some(())).await;
    do_colleagues(&phone, ["talking", "talking"], &registrar).await;
    caller.hangup().await;
    do_colleagues(&phone, ["idle", "idle"], &registrar).await;
    phone.run(&["settings", "set", "RESOURCELIST_URI_1="]);
    phone.until("no list", async |phone| (phone.line(1, "Watched").await == json!([])).then_some(())).await;
    phone.stop().await;
}
