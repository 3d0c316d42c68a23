//! A line that other units have too (SHARED_CALL_ENABLE_n, B181): what goes over the wire for it.

use sip_stack::{Command, Event, SubscriptionKey, SubscriptionState};
use sip_wire::Request;
use telephone::Request as Wish;
use testbed::virtual_net::peer::requests;

use crate::configured::{Lab, desk, line};

/// What a phone sends that registers, calls 100 and is given the appearance that it asks for.
fn sent(shared: &str) -> Vec<Request> {
    let rows = [("SHARED_CALL_ENABLE_1", shared)];
    let (mut desk, mut lab) = (desk(&rows), Lab::registering(&rows));
    lab.bind();
    desk.request(Wish::Dial { line: None, target: "100".into() }).unwrap();
    let seizing = SubscriptionKey { line: line(1), event: "line-seize".into(), resource: String::new() };
    desk.sip(Event::Subscription { key: seizing, state: SubscriptionState::Active });
    desk.commands().into_iter().for_each(|command: Command| lab.command(command));
    let got = lab.got();
    ["SUBSCRIBE", "INVITE"].iter().flat_map(|method| requests(&got, method)).cloned().collect()
}

fn said(request: &Request) -> [Option<&str>; 2] {
    ["Event", "Call-Info"].map(|name| request.headers.get(name))
}

#[test]
fn a_shared_line_is_watched_and_seized_and_its_calls_name_their_appearance() {
    let first = Some("<sip:10.0.0.9>;appearance-index=1");
    let yes = sent("Y");
    let all: Vec<_> = yes.iter().map(said).collect();
    assert_eq!(all, [[Some("call-info"), None], [Some("line-seize"), first], [None, first]]);
    assert!(yes[..2].iter().all(|subscribe| subscribe.uri.user() == Some("200")), "of the line's own address");
    let no = sent("N");
    assert_eq!(no.iter().map(said).collect::<Vec<_>>(), [[None, None]], "the INVITE alone");
}
