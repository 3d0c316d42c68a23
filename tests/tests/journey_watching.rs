//! Journey: the phone's stack, on a real socket, watches colleagues at Kamailio's presence server (RFC 6665, RFC 4235), one of them
//! alone and both as a list of its resource list server (RFC 4662). They are baresips, and call each other.
//!
//! It is the stack and not the whole phone, because nothing on the phone watches anybody yet.

use std::collections::VecDeque;
use std::net::SocketAddr;

use agreements::{Correlation, LineNumber, Tick};
use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::namespace::{FAR, Namespace, PHONE, REGISTRAR, SECOND_FAR};
use house_tests::registrar::{DOMAIN, FAR_ACCOUNT, PHONE_ACCOUNT, Registrar, SECOND_FAR_ACCOUNT};
use house_tests::{LIMIT, may_make_namespaces};
use service_kit::clock;
use sip_agent::settings::{BoardFacts, Rows};
use sip_stack::{Command, Event, FlowId, Input, Output, Stack, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::MediaType;
use sip_wire::body::{DialogDirection, DialogEntry, DialogInfo, DialogState, InstanceState, Part, ResourceList, parts};
use tokio::net::UdpSocket;

const DIALOGS: &str = "application/dialog-info+xml";
const LISTS: [&str; 3] = ["application/rlmi+xml", "multipart/related", DIALOGS];

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
    /// What lists have said, and of whom.
    heard: Vec<(String, DialogEntry)>,
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
        let mut watcher = Watcher { stack, namespace, line: None, events: VecDeque::new(), heard: Vec::new(), wait: None };
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

    async fn list(&mut self) -> Listed {
        let (kind, body) = self.told().await;
        Listed::read(&kind, &body)
    }

    /// The same of one of the list, in whatever NOTIFY it comes.
    async fn listed_in(&mut self, user: &str, state: DialogState) -> DialogEntry {
        loop {
            if let Some(dialog) = self.heard.iter().find(|(of, dialog)| of == user && dialog.state == state) {
                return dialog.1.clone();
            }
            let news = self.list().await;
            for user in [FAR_ACCOUNT.0, SECOND_FAR_ACCOUNT.0] {
                self.heard.extend(news.dialogs_of(user).into_iter().map(|dialog| (user.to_owned(), dialog)));
            }
        }
    }

    async fn unwatch(&mut self, key: SubscriptionKey) {
        self.command(Command::Unsubscribe(key));
        self.is(&SubscriptionState::Ended).await;
    }
}

/// A whole list NOTIFY: the list, and the parts that it speaks of.
struct Listed {
    list: ResourceList,
    parts: Vec<Part>,
}

impl Listed {
    fn read(kind: &MediaType, body: &[u8]) -> Listed {
        assert_eq!((kind.kind.as_str(), kind.subtype.as_str()), ("multipart", "related"));
        let mut parts = parts(kind, body).expect("parts");
        let list = ResourceList::parse(&parts.remove(0).body).expect("a list");
        Listed { list, parts }
    }

    /// The dialogs of a resource, where there is news of them and the server watches it.
    fn dialogs_of(&self, user: &str) -> Vec<DialogEntry> {
        let uri = format!("sip:{user}@{DOMAIN}");
        let resource = self.list.resources.iter().find(|resource| resource.uri == uri).expect("the resource");
        let Some(instance) = resource.instances.first() else { return Vec::new() };
        assert_eq!(instance.state, Some(InstanceState::Active));
        let part = self.parts.iter().find(|part| part.content_id() == instance.cid.as_deref()).expect("its part");
        DialogInfo::parse(&part.body).expect("dialog-info").dialogs
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

/// RFC 4662 4 and 5: both in one subscription; the first NOTIFY has the whole list, the others hold those of whom there is news. This
/// server owes the last NOTIFY (RFC 6665 4.1.2.3), and timer N ends the subscription without it.
#[tokio::test]
async fn a_list_of_colleagues_is_told_in_one_subscription() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let _registrar = Registrar::start_watching(&namespace);
    let (mut called, mut caller) = colleagues(&namespace).await;
    let mut watcher = Watcher::start(&namespace);
    let key = watcher.watch("colleagues", &LISTS);
    let first = watcher.list().await;
    assert!(first.list.full);
    assert_eq!(first.list.uri, format!("sip:colleagues@{DOMAIN}"));
    let uris: Vec<&str> = first.list.resources.iter().map(|resource| resource.uri.as_str()).collect();
    assert_eq!(uris, [FAR_ACCOUNT.0, SECOND_FAR_ACCOUNT.0].map(|user| format!("sip:{user}@{DOMAIN}")));
    caller.dial(FAR_ACCOUNT.0).await;
    called.event("CALL_INCOMING").await;
    called.accept().await;
    for (user, direction) in [(FAR_ACCOUNT.0, DialogDirection::Recipient), (SECOND_FAR_ACCOUNT.0, DialogDirection::Initiator)] {
        let talking = watcher.listed_in(user, DialogState::Confirmed).await;
        assert_eq!(talking.direction, Some(direction));
    }
    caller.hangup().await;
    watcher.listed_in(FAR_ACCOUNT.0, DialogState::Terminated).await;
    watcher.unwatch(key).await;
}
