//! What phones subscribe to, package by package: how it is asked for, what a NOTIFY says in the types of its readers, refused, and
//! ended (RFC 4235, RFC 4662, and the packages of shared calls and of features that servers keep).

use agreements::LineNumber;
use sip_stack::{Appearances, Command, Event, Start, SubscribeBody, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::body::{DialogInfo, DialogState, FeatureEvent, FeatureRequest, ForwardingKind, ResourceList, parts};
use sip_wire::{AppearanceState, MediaType, Request};
use testbed::virtual_net::peer::requests;

use super::{Lab, asking, given};

/// One subscription of a package.
struct Package {
    lab: Lab,
    key: SubscriptionKey,
    wish: SubscriptionWish,
}

impl Package {
    fn new(event: &str, resource: &str, wish: SubscriptionWish) -> Package {
        let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: event.into(), resource: resource.into() };
        let mut package = Package { lab: Lab::with(given()), key, wish };
        package.subscribe(None);
        package
    }

    fn subscribe(&mut self, body: Option<SubscribeBody>) {
        self.lab.command(Command::Subscribe { key: self.key.clone(), wish: self.wish.clone(), body });
    }

    /// It stands for so long; the SUBSCRIBE that made it.
    fn stands(&mut self, seconds: u32) -> Request {
        let first = self.lab.subscribe();
        self.lab.grant(&first, seconds);
        self.notify(&first, "active", ("", ""), "");
        assert_eq!(self.state(), SubscriptionState::Active);
        first
    }

    /// A NOTIFY with this header line and body.
    fn notify(&mut self, first: &Request, state: &str, (extra, kind): (&str, &str), body: &str) {
        let event = format!("Event: {}\r\n{extra}", self.key.event);
        let text = self.lab.notify_text(first, state, body).replace("Event: message-summary\r\n", &event);
        self.lab.send(text.replace("application/simple-message-summary", kind));
        assert_eq!(self.lab.codes(), [200]);
    }

    fn states(&self) -> Vec<SubscriptionState> {
        self.lab.net.nodes[0].events(|event| match event {
            Event::Subscription { key, state } if *key == self.key => Some(state.clone()),
            _ => None,
        })
    }

    fn state(&self) -> SubscriptionState {
        self.states().last().unwrap().clone()
    }

    /// The newest body and its type.
    fn body(&self) -> (MediaType, Vec<u8>) {
        let told = self.lab.net.nodes[0].events(|event| match event {
            Event::Notified { key, content_type, body } if *key == self.key => Some((content_type.parse().unwrap(), body.clone())),
            _ => None,
        });
        told.last().unwrap().clone()
    }

    fn appearances(&self) -> Vec<Appearances> {
        self.lab.net.nodes[0].events(|event| match event {
            Event::Appearances { key, appearances } if *key == self.key => Some(appearances.clone()),
            _ => None,
        })
    }

    fn unsubscribe(&mut self, first: &Request) {
        self.lab.command(Command::Unsubscribe(self.key.clone()));
        let last = self.lab.subscribe();
        assert_eq!(last.headers.expires().unwrap(), Some(0));
        self.lab.grant(&last, 0);
        self.notify(first, "terminated;reason=timeout", ("", ""), "");
        assert_eq!(self.state(), SubscriptionState::Ended);
    }
}

fn accepting(kinds: &[&str]) -> SubscriptionWish {
    SubscriptionWish { accept: kinds.iter().map(ToString::to_string).collect(), ..SubscriptionWish::default() }
}

// Shared calls.

fn call_info(states: &str) -> String {
    states
        .split(' ')
        .map(|state| {
            let (index, state) = state.split_once('=').unwrap();
            format!("Call-Info: <sip:10.0.0.9>;appearance-index={index};appearance-state={state}\r\n")
        })
        .collect()
}

#[test]
fn call_info_tells_how_far_each_appearance_of_a_shared_call_is() {
    let mut package = Package::new("call-info", "", SubscriptionWish::default());
    let first = package.stands(600);
    assert_eq!(first.headers.get("Event"), Some("call-info"));
    package.notify(&first, "active", (&call_info("1=active 2=held-private *=idle"), ""), "");
    let known = package.appearances().pop().unwrap();
    let states = [1, 2, 3].map(|index| known.state(index));
    assert_eq!(states, [Some(AppearanceState::Active), Some(AppearanceState::HeldPrivate), Some(AppearanceState::Idle)]);
    // What has changed alone; the same again is no news.
    for _ in 0..2 {
        package.notify(&first, "active", (&call_info("1=held"), ""), "");
    }
    assert_eq!(package.appearances().len(), 2);
    assert_eq!(package.appearances()[1].state(2), Some(AppearanceState::HeldPrivate));
    package.notify(&first, "active", ("Call-Info: broken <\r\n", ""), "");
    assert_eq!(package.appearances().len(), 2);
    assert_eq!(package.lab.net.restart(0), Start::Restored);
    assert_eq!(package.appearances()[0].state(1), Some(AppearanceState::Held), "said again to who has forgotten it");
    package.unsubscribe(&first);
}

fn seize() -> Package {
    let wish = SubscriptionWish { expires: Some(15), appearance: Some(2), once: true, ..SubscriptionWish::default() };
    Package::new("line-seize", "", wish)
}

#[test]
fn a_seized_appearance_is_held_for_as_long_as_it_is_wanted() {
    let mut package = seize();
    let first = package.stands(15);
    assert_eq!(first.headers.get("Call-Info"), Some("<sip:10.0.0.9>;appearance-index=2"));
    assert_eq!(first.headers.expires().unwrap(), Some(15));
    package.lab.seconds(14);
    let again = package.lab.subscribe();
    assert_eq!(again.headers.get("Call-Info"), first.headers.get("Call-Info"));
    package.lab.grant(&again, 15);
    package.unsubscribe(&first);
}

/// Somebody else has it: that is said once, and the next try is the person's.
#[test]
fn a_seize_that_is_refused_is_told_and_not_asked_for_again() {
    let refused = |package: &Package| matches!(package.state(), SubscriptionState::Refused { .. });
    let mut package = seize();
    let first = package.lab.subscribe();
    package.lab.grant(&first, 15);
    package.notify(&first, "terminated;reason=noresource", ("", ""), "");
    assert!(refused(&package), "{:?}", package.states());
    package.lab.seconds(3600);
    assert!(package.lab.quiet() && package.lab.net.nodes[0].stack.load().subscriptions == 0);
    package.subscribe(None);
    let second = package.lab.subscribe();
    assert_ne!(second.headers.call_id().unwrap(), first.headers.call_id().unwrap());
    for (code, extra) in [(403, vec![]), (404, vec![]), (489, vec![]), (503, vec![("Retry-After", "5")])] {
        let mut package = seize();
        let first = package.lab.subscribe();
        package.lab.refuse(&first, code, &extra);
        assert!(refused(&package), "{code}");
        package.lab.seconds(3600);
        assert!(package.lab.quiet(), "{code}");
    }
}

#[test]
fn a_seize_that_runs_out_at_the_server_is_over() {
    let mut package = seize();
    let first = package.stands(15);
    package.notify(&first, "terminated;reason=timeout", ("", ""), "");
    assert!(matches!(package.state(), SubscriptionState::Refused { .. }));
    package.lab.seconds(600);
    assert!(package.lab.quiet());
}

/// The server may give another one, and names it without a state (Kamailio's sca): it is that one which is given back.
#[test]
fn the_appearance_that_the_server_gives_is_the_one_that_is_given_back() {
    let mut package = seize();
    let first = package.stands(15);
    package.notify(&first, "active", ("Call-Info: <sip:10.0.0.9>;appearance-index=5\r\n", ""), "");
    assert_eq!(package.appearances().pop().unwrap().state(5), Some(AppearanceState::Seized));
    package.lab.command(Command::Unsubscribe(package.key.clone()));
    let last = package.lab.subscribe();
    assert_eq!(last.headers.get("Call-Info"), Some("<sip:10.0.0.9>;appearance-index=5"));
}

/// The call has it: the server ends the seizing, or nobody does.
#[test]
fn a_seize_that_lapses_is_neither_renewed_nor_given_back() {
    for ended in [true, false] {
        let mut package = seize();
        let first = package.stands(15);
        package.lab.command(Command::LetLapse(package.key.clone()));
        assert!(package.lab.quiet());
        if ended {
            // Also when the server has prolonged it meanwhile.
            package.notify(&first, "active;expires=15", ("", ""), "");
            package.notify(&first, "terminated;reason=noresource", ("", ""), "");
            assert_eq!(package.state(), SubscriptionState::Ended);
        }
        assert_eq!(package.lab.net.restart(0), Start::Restored);
        package.lab.seconds(60);
        assert!(package.lab.quiet(), "{ended}");
        assert_eq!(package.lab.net.nodes[0].stack.load().subscriptions, 0, "{ended}");
        package.subscribe(None);
        assert_ne!(package.lab.subscribe().headers.call_id().unwrap(), first.headers.call_id().unwrap());
    }
}

/// A renewal that is under way then is answered in vain, whatever the answer.
#[test]
fn the_answer_to_a_renewal_wakes_no_seize_that_lapses() {
    for code in [200, 401, 481, 500] {
        let mut package = seize();
        package.stands(15);
        package.lab.seconds(14);
        let again = package.lab.subscribe();
        package.lab.command(Command::LetLapse(package.key.clone()));
        match code {
            200 => package.lab.grant(&again, 15),
            _ => package.lab.refuse(&again, code, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]),
        }
        package.lab.seconds(60);
        assert!(package.lab.quiet(), "{code}");
        assert_eq!(package.lab.net.nodes[0].stack.load().subscriptions, 0, "{code}");
    }
}

/// Nothing stands yet: there is nothing to wait for.
#[test]
fn what_the_server_does_not_hold_does_not_lapse() {
    let mut package = seize();
    package.lab.subscribe();
    package.lab.command(Command::LetLapse(package.key.clone()));
    assert_eq!(package.state(), SubscriptionState::Ended);
}

/// A handset that is put down and lifted at once: what the server is about to give to the first asking it is told to take back, and
/// nobody hears of the end of what has no key any more.
#[test]
fn what_is_wanted_again_before_it_has_ended_is_ended_all_the_same() {
    for answered_first in [true, false] {
        let mut package = seize();
        let first = package.lab.subscribe();
        package.lab.command(Command::Unsubscribe(package.key.clone()));
        package.subscribe(None);
        let second = package.lab.subscribe();
        assert_ne!(first.headers.call_id().unwrap(), second.headers.call_id().unwrap());
        if answered_first {
            package.lab.grant(&first, 15);
        }
        package.lab.send(package.lab.notify_text(&first, "active", "").replace("message-summary", "line-seize"));
        if !answered_first {
            package.lab.grant(&first, 15);
        }
        let got = package.lab.net.received(package.lab.server);
        let of_first = |request: &&&Request| request.headers.call_id().unwrap() == first.headers.call_id().unwrap();
        let goodbyes = requests(&got, "SUBSCRIBE");
        let goodbye = (*goodbyes.iter().find(of_first).unwrap()).clone();
        assert_eq!(goodbye.headers.expires().unwrap(), Some(0));
        package.lab.grant(&goodbye, 0);
        let gone = package.lab.notify_text(&first, "terminated;reason=timeout", "").replace("message-summary", "line-seize");
        package.lab.send(gone);
        package.lab.tag = "n2".into();
        package.lab.grant(&second, 15);
        package.lab.net.received(package.lab.server);
        package.notify(&second, "active", ("", ""), "");
        assert_eq!(package.states(), [asking(""), asking(""), SubscriptionState::Active], "of each of the two");
        package.unsubscribe(&second);
        package.lab.seconds(60);
        package.lab.net.assert_quiet();
    }
}

/// However fast it is done, and whether or not anybody answers.
#[test]
fn what_has_lost_its_key_is_bounded_and_ends() {
    let mut package = seize();
    for _ in 0..40 {
        package.lab.command(Command::Unsubscribe(package.key.clone()));
        package.subscribe(None);
    }
    assert!(package.lab.net.nodes[0].stack.load().subscriptions <= 10);
    package.lab.command(Command::Unsubscribe(package.key.clone()));
    package.lab.seconds(120);
    package.lab.net.assert_quiet();
}

/// A server whose appearance has been taken meanwhile says 480.
#[test]
fn an_appearance_that_is_in_use_is_said_to_be() {
    let mut package = seize();
    let first = package.lab.subscribe();
    package.lab.refuse(&first, 480, &[]);
    let reason = "the server answered 480 Temporarily Unavailable".to_owned();
    assert_eq!(package.state(), SubscriptionState::InUse { reason });
    package.lab.seconds(120);
    assert!(package.lab.quiet());
}

// Features that the server keeps as well.

const FEATURES: &str = FeatureRequest::CONTENT_TYPE;

#[test]
fn as_feature_event_sets_what_the_person_wants_and_reads_what_the_server_has() {
    let mut package = Package::new("as-feature-event", "", accepting(&[FEATURES]));
    let first = package.stands(600);
    assert_eq!((first.headers.get("Accept"), first.body.len()), (Some(FEATURES), 0));
    let wanted = [
        FeatureRequest::SetDoNotDisturb { device: String::new(), on: true },
        FeatureRequest::SetForwarding {
            device: String::new(),
            kind: ForwardingKind::NoAnswer,
            active: true,
            to: "300".into(),
            ring_count: Some(3),
        },
    ];
    for wish in wanted {
        package.subscribe(Some(SubscribeBody { content_type: FEATURES.into(), bytes: wish.to_bytes() }));
        let said = package.lab.subscribe();
        assert_eq!((said.headers.get("Content-Type"), &said.body), (Some(FEATURES), &wish.to_bytes()));
        package.lab.grant(&said, 600);
        // The server echoes each change.
        let (set, event) = match wish {
            FeatureRequest::SetDoNotDisturb { .. } => ("SetDoNotDisturb", "DoNotDisturbEvent"),
            FeatureRequest::SetForwarding { .. } => ("SetForwarding", "ForwardingEvent"),
        };
        let text = String::from_utf8(said.body).unwrap().replace(set, event).replace("activateForward", "forwardStatus");
        package.notify(&first, "active", ("", FEATURES), &text);
    }
    assert_eq!(
        FeatureEvent::parse(&package.body().1).unwrap(),
        FeatureEvent::Forwarding {
            device: String::new(),
            kind: ForwardingKind::NoAnswer,
            active: true,
            to: "300".into(),
            ring_count: Some(3),
        }
    );
    package.unsubscribe(&first);
}

/// At the beginning some servers say everything in one NOTIFY of several parts.
#[test]
fn several_features_come_in_one_notify() {
    let mut package = Package::new("as-feature-event", "", accepting(&[FEATURES, "multipart/mixed"]));
    let first = package.stands(600);
    let on = "<DoNotDisturbEvent><device/><doNotDisturbOn>true</doNotDisturbOn></DoNotDisturbEvent>";
    let away = "<ForwardingEvent><device/><forwardingType>forwardBusy</forwardingType><forwardStatus>false</forwardStatus></ForwardingEvent>";
    let part = |text: &str| format!("--x\r\nContent-Type: {FEATURES}\r\n\r\n{text}\r\n");
    let body = format!("{}{}--x--\r\n", part(on), part(away));
    package.notify(&first, "active", ("", "multipart/mixed;boundary=x"), &body);
    let (kind, body) = package.body();
    let events: Vec<FeatureEvent> =
        parts(&kind, &body).unwrap().iter().map(|part| FeatureEvent::parse(&part.body).unwrap()).collect();
    assert!(matches!(
        events[..],
        [FeatureEvent::DoNotDisturb { on: true, .. }, FeatureEvent::Forwarding { kind: ForwardingKind::Busy, active: false, .. }]
    ));
}

/// A server without it is not asked every minute.
#[test]
fn a_server_that_keeps_no_features_is_asked_seldom() {
    let mut package = Package::new("as-feature-event", "", accepting(&[FEATURES]));
    let first = package.lab.subscribe();
    package.lab.refuse(&first, 489, &[("Allow-Events", "message-summary")]);
    assert!(matches!(package.state(), SubscriptionState::Asking { .. }));
    package.lab.seconds(890);
    assert!(package.lab.quiet());
    package.lab.seconds(20);
    package.lab.subscribe();
}

// Who is on the phone.

const DIALOGS: &str = "application/dialog-info+xml";

fn dialog_info(entity: &str, state: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"1\" state=\"full\" \
         entity=\"sip:{entity}@10.0.0.9\"><dialog id=\"1\" direction=\"recipient\"><state>{state}</state></dialog></dialog-info>"
    )
}

#[test]
fn dialog_says_whether_another_phone_is_in_use() {
    let mut package = Package::new("dialog", "300", accepting(&[DIALOGS]));
    let first = package.stands(600);
    assert_eq!((first.uri.as_str(), first.headers.get("Accept")), ("sip:300@10.0.0.9:5060", Some(DIALOGS)));
    package.notify(&first, "active", ("", DIALOGS), &dialog_info("300", "early"));
    let info = DialogInfo::parse(&package.body().1).unwrap();
    assert_eq!(info.dialogs[0].state, DialogState::Early);
    package.notify(&first, "terminated;reason=rejected", ("", ""), "");
    let SubscriptionState::Refused { reason } = package.state() else { panic!("{:?}", package.states()) };
    assert!(reason.contains("rejected"), "{reason}");
}

/// Each resource of a line has its own subscription; the end of one is none of another.
#[test]
fn buttons_have_subscriptions_of_their_own() {
    let mut package = Package::new("dialog", "300", accepting(&[DIALOGS]));
    let first = package.stands(600);
    let other = SubscriptionKey { resource: "301".into(), ..package.key.clone() };
    package.lab.command(Command::Subscribe { key: other.clone(), wish: package.wish.clone(), body: None });
    let second = package.lab.subscribe();
    assert_eq!(second.uri.as_str(), "sip:301@10.0.0.9:5060");
    package.lab.refuse(&second, 403, &[]);
    package.notify(&first, "active", ("", DIALOGS), &dialog_info("300", "confirmed"));
    assert_eq!(package.state(), SubscriptionState::Active);
    let refused = |event: &Event| {
        matches!(event, Event::Subscription { key, state: SubscriptionState::Refused { .. } } if *key == other).then_some(())
    };
    assert_eq!(package.lab.net.nodes[0].events(refused).len(), 1);
}

/// RFC 4662 4, 5: one subscription for all buttons.
#[test]
fn a_list_brings_the_state_of_each_of_its_resources() {
    let kinds = ["application/rlmi+xml", "multipart/related", DIALOGS];
    let mut package = Package::new("dialog", "sip:buttons@10.0.0.9", accepting(&kinds));
    let first = package.stands(600);
    assert_eq!(first.headers.get("Supported"), Some("eventlist"));
    let list = "<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"sip:buttons@10.0.0.9\" version=\"0\" fullState=\"true\">\
         <resource uri=\"sip:300@10.0.0.9\"><instance id=\"a\" state=\"active\" cid=\"one@x\"/></resource>\
         <resource uri=\"sip:301@10.0.0.9\"/></list>";
    let body = format!(
        "--b\r\nContent-ID: <top@x>\r\nContent-Type: application/rlmi+xml\r\n\r\n{list}\r\n\
         --b\r\nContent-ID: <one@x>\r\nContent-Type: {DIALOGS}\r\n\r\n{}\r\n--b--\r\n",
        dialog_info("300", "confirmed")
    );
    let kind = "multipart/related;type=\"application/rlmi+xml\";start=\"<top@x>\";boundary=b";
    package.notify(&first, "active", ("Require: eventlist\r\n", kind), &body);
    let (kind, body) = package.body();
    let all = parts(&kind, &body).unwrap();
    let list = ResourceList::parse(&all[0].body).unwrap();
    let cid = list.resources[0].instances[0].cid.clone();
    let state = all.iter().find(|part| part.content_id() == cid.as_deref()).unwrap();
    assert_eq!(DialogInfo::parse(&state.body).unwrap().dialogs[0].state, DialogState::Confirmed);
    assert!(list.full && list.resources[1].instances.is_empty(), "nothing is known of it, which is not idle");
    package.unsubscribe(&first);
}
