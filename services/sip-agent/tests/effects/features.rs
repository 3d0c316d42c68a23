//! Do-not-disturb and forwarding that the line's server keeps as well.

use agreements::LineNumber;
use sip_stack::{Command, Event, SubscriptionKey, SubscriptionState};
use sip_wire::Request;
use telephone::Input;
use testbed::desk::Desk;
use testbed::virtual_net::peer::answer;

use crate::configured::{Lab, Rowset, desk, telephone_settings};

const KIND: &str = "application/x-as-feature-event+xml";

fn key() -> SubscriptionKey {
    SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "as-feature-event".into(), resource: String::new() }
}

/// A line of which the server has said that it disturbs, and what a person makes of its rows then, on the wire.
struct Kept {
    lab: Lab,
    desk: Desk,
    first: Option<Request>,
}

impl Kept {
    fn new(rows: Rowset) -> Kept {
        let mut kept = Kept { lab: Lab::registering(rows), desk: desk(rows), first: None };
        kept.lab.bind();
        kept.first = kept.said();
        if let Some(first) = kept.first.clone() {
            kept.take(&first);
            kept.notify(&first);
        }
        kept
    }

    /// The SUBSCRIBE that the telephone has just wanted.
    fn said(&mut self) -> Option<Request> {
        let wanted = self.desk.commands();
        (!wanted.is_empty()).then(|| {
            wanted.into_iter().for_each(|command| self.lab.command(command));
            self.lab.first("SUBSCRIBE")
        })
    }

    fn take(&mut self, subscribe: &Request) {
        let mut ok = answer(subscribe, 200, "n");
        ok.headers.push("Expires", 3600);
        self.lab.say(ok);
    }

    fn notify(&mut self, first: &Request) {
        let body = "<DoNotDisturbEvent><device/><doNotDisturbOn>false</doNotDisturbOn></DoNotDisturbEvent>";
        let (far, from) = (self.lab.far, first.headers.get("From").unwrap());
        let notify = format!(
            "NOTIFY sip:200@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {far};branch=z9hG4bKn\r\nMax-Forwards: 70\r\n\
             From: <sip:200@10.0.0.9>;tag=n\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:{far}>\r\n\
             Event: as-feature-event\r\nSubscription-State: active;expires=3600\r\nContent-Type: {KIND}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            first.headers.call_id().unwrap(),
            body.len()
        );
        self.lab.net.send(far, self.lab.net.nodes[0].ip, notify.into_bytes());
        self.lab.net.settle();
        assert_eq!(self.lab.titles(), ["200 NOTIFY"]);
        self.desk.sip(Event::Notified { key: key(), content_type: KIND.into(), body: body.into() });
        self.desk.sip(Event::Subscription { key: key(), state: SubscriptionState::Active });
    }

    fn configure(&mut self, rows: Rowset) -> Option<Request> {
        self.desk.input(Input::Settings(Box::new(telephone_settings(rows))));
        self.said()
    }
}

/// B187, B188: who refuses and forwards is the phone or the server.
#[test]
fn the_server_keeps_do_not_disturb_and_forwarding_where_that_is_wanted() {
    for wanted in ["Y", "N"] {
        let switch = ("FWD_DND_SYNCHRO_ENABLE_1", wanted);
        let mut kept = Kept::new(&[switch]);
        let set = kept.configure(&[switch, ("DO_NOT_DISTURB_1", "Y")]);
        let call = kept.desk.invite(1);
        let decided = kept.desk.commands();
        if wanted == "N" {
            assert!(kept.first.is_none() && set.is_none(), "nothing of it is sent");
            assert_eq!(decided, [Command::Reject(call, 403)]);
            continue;
        }
        let (first, set) = (kept.first.unwrap(), set.unwrap());
        assert_eq!((first.headers.get("Event"), first.uri.user()), (Some("as-feature-event"), Some("200")));
        assert_eq!(
            (first.headers.get("Accept"), first.body.len()),
            (Some("application/x-as-feature-event+xml, multipart/mixed"), 0)
        );
        assert_eq!((set.headers.call_id(), set.headers.get("Content-Type")), (first.headers.call_id(), Some(KIND)));
        assert!(String::from_utf8(set.body).unwrap().contains("<doNotDisturbOn>true</doNotDisturbOn>"));
        assert_eq!(decided, [Command::Ring(call)]);
    }
}

/// Every part of a forwarding is said, in the words of its kind.
#[test]
fn a_forwarding_is_set_at_the_server_with_number_and_rings() {
    let switch = ("FWD_DND_SYNCHRO_ENABLE_1", "Y");
    let sent = |rows: Rowset| String::from_utf8(Kept::new(&[switch]).configure(&[&[switch], rows].concat()).unwrap().body).unwrap();
    for (name, kind) in [("ALL", "forwardImmediate"), ("BUSY", "forwardBusy"), ("NOANSWER", "forwardNoAns")] {
        let (enabled, number) = (format!("FWD_{name}_ENABLE_1"), format!("FWD_{name}_NUMBER_1"));
        let text = sent(&[(&enabled, "Y"), (&number, "300"), ("FWD_NOANSWER_RINGS_1", if name == "NOANSWER" { "5" } else { "3" })]);
        let rings = if name == "NOANSWER" { "<ringCount>5</ringCount>" } else { "" };
        let expected = format!(
            "<activateForward>true</activateForward><forwardingType>{kind}</forwardingType><forwardDN>300</forwardDN>{rings}</SetForwarding>"
        );
        assert!(text.contains(&expected), "{text}");
    }
}
