//! What the user agent server's common part refuses and answers (RFC 3261 8.2, 11, 18.2; RFC 3581; B45, B47, C68).

use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, Event, StackSettings, SubscriptionKey, SubscriptionWish};
use sip_wire::Message;
use testbed::virtual_net::peer::{Caller, PCMU, response_of, response_with};
use testbed::virtual_net::{MediaMode, Net};

use crate::given::{direct, settings};
use crate::incoming::Called;

const FAR: &str = "10.0.0.9:5060";

/// Sends a request outside dialogs, changed by `change`, and gives what comes back.
fn asked_with(given: StackSettings, method: &str, extra: &str, change: impl Fn(String) -> String) -> Vec<Message> {
    let mut called = Called::with(given);
    called.titles();
    let text = String::from_utf8(called.caller.request(method, "x", extra, "")).unwrap();
    called.net.send(called.caller.address, called.net.nodes[0].ip, change(text).into_bytes());
    called.net.settle();
    called.got()
}

fn asked(method: &str, extra: &str, change: impl Fn(String) -> String) -> Vec<Message> {
    asked_with(direct("10.0.0.1", "200", FAR), method, extra, change)
}

fn codes(messages: &[Message]) -> Vec<u16> {
    messages.iter().map(|message| response_of(message).status.code()).collect()
}

fn as_is(text: String) -> String {
    text
}

/// RFC 3261 11.2.
#[test]
fn options_tells_what_we_can() {
    let got = asked("OPTIONS", "", as_is);
    let ok = response_with(&got, 200).unwrap();
    assert_eq!(ok.headers.get("Allow"), Some("INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, NOTIFY, INFO, REFER"));
    assert_eq!(ok.headers.get("Accept"), Some("application/sdp, multipart/mixed"));
    assert_eq!([ok.headers.get("Accept-Encoding"), ok.headers.get("Accept-Language")], [Some("identity"), Some("en")]);
    assert!(ok.headers.has("Supported") && ok.headers.to().unwrap().tag().is_some());
}

/// RFC 4320 4.1 and 4.2: who is asked something else than INVITE says nothing but its final answer, and never 408: whoever waits
/// has given up by then. An answer that waits for media as well.
#[test]
fn nothing_but_an_invite_is_answered_1xx_or_408() {
    for method in ["OPTIONS", "BYE", "INFO", "NOTIFY", "REFER", "UPDATE", "PRACK", "CANCEL", "REGISTER", "DANCE"] {
        for extra in ["", "Event: refer\r\nSubscription-State: active\r\nRefer-To: <sip:300@10.0.0.9>\r\n"] {
            let mut called = Called::talking();
            called.net.nodes[0].mode = MediaMode::Silent;
            called.caller.cseq += 1;
            let body = if method == "UPDATE" { called.caller.sdp("m=audio 42000 RTP/AVP 9\r\n") } else { String::new() };
            called.caller.send(&mut called.net, method, "x", extra, &body);
            called.net.run_for(Duration::from_secs(100));
            let got: Vec<Message> = called.got().into_iter().filter(|message| matches!(message, Message::Response(_))).collect();
            let codes = codes(&got);
            assert!(!codes.is_empty() && codes.iter().all(|code| *code >= 200 && *code != 408), "{method}: {codes:?}");
        }
    }
}

#[test]
fn options_inside_a_dialog_carry_its_tag() {
    let mut called = Called::talking();
    let tag = called.caller.to_tag.clone();
    let got = called.send("OPTIONS", "o");
    assert_eq!(response_with(&got, 200).unwrap().headers.to().unwrap().tag(), Some(tag.as_str()));
}

/// RFC 3261 8.2.1.
#[test]
fn known_methods_that_are_not_served_are_405_with_allow_and_unknown_ones_501() {
    for method in ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"] {
        let got = asked(method, "", as_is);
        let refusal = response_with(&got, 405).unwrap_or_else(|| panic!("{method}: {:?}", codes(&got)));
        assert!(refusal.headers.has("Allow"));
    }
    assert_eq!(codes(&asked("DANCE", "", as_is)), [501]);
}

/// RFC 3261 8.2.2.3.
#[test]
fn an_unknown_require_is_420_with_unsupported() {
    let got = asked("OPTIONS", "Require: foo, 100rel\r\n", as_is);
    assert_eq!(response_with(&got, 420).unwrap().headers.get("Unsupported"), Some("foo, 100rel"));
}

/// RFC 4475 3.3.15, RFC 3261 21.4.7: the answer to an INVITE is a description; that to OPTIONS has no body that could be unwelcome.
#[test]
fn an_accept_that_leaves_no_description_is_406() {
    let none = "Accept: text/nobodyKnowsThis\r\n";
    assert_eq!(codes(&asked("INVITE", none, as_is)), [406]);
    assert_eq!(codes(&asked("OPTIONS", none, as_is)), [200]);
    for fine in ["Accept: */*\r\n", "Accept: text/plain\r\nAccept: application/sdp\r\n"] {
        assert_eq!(codes(&asked("INVITE", fine, as_is)), [100], "{fine}");
    }
}

/// In a call as well, where its answer would have a description; the call goes on.
#[test]
fn an_accept_that_leaves_no_description_is_406_in_a_call() {
    let mut called = Called::talking();
    let sdp = called.caller.sdp(PCMU);
    let none = "Accept: text/plain\r\n";
    for (method, body, code) in [("INVITE", sdp.as_str(), 406), ("UPDATE", &sdp, 406), ("UPDATE", "", 200), ("BYE", "", 200)] {
        assert_eq!(called.net.calls(0).len(), 1);
        called.caller.cseq += 1;
        called.caller.send(&mut called.net, method, &format!("{method}{code}{}", body.len()), none, body);
        let got = called.got();
        assert_eq!(codes(&got), [code], "{method}");
        if method == "INVITE" {
            called.caller.ack(&mut called.net, "");
        }
    }
    called.over();
}

/// RFC 3261 8.2.2.1.
#[test]
fn foreign_schemes_are_416_and_foreign_users_404() {
    assert_eq!(codes(&asked("OPTIONS", "", |text| text.replacen("sip:200@10.0.0.1:5060", "tel:200", 1))), [416]);
    assert_eq!(codes(&asked("OPTIONS", "", |text| text.replacen("sip:200@", "sip:201@", 1))), [404]);
    assert_eq!(codes(&asked("INVITE", "", |text| text.replacen("sip:200@", "sip:201@", 1))), [100, 404][1..].to_vec());
    assert_eq!(codes(&asked("OPTIONS", "", |text| text.replacen("sip:200@", "sip:", 1))), [200]);
}

/// We are the end of the way: no hops left is no harm, unless the request is not for us.
#[test]
fn max_forwards_matters_only_for_what_is_not_for_us() {
    let spent = |text: String| text.replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(codes(&asked("OPTIONS", "", spent)), [200]);
    assert_eq!(codes(&asked("OPTIONS", "", |text| spent(text).replacen("sip:200@", "sip:9@", 1))), [483]);
    assert_eq!(codes(&asked("OPTIONS", "", |text| text.replace("Max-Forwards: 70", "Max-Forwards: many"))), [400]);
}

/// RFC 3261 8.2.2.2: the same request over another path.
#[test]
fn a_merged_request_is_482() {
    let mut called = Called::new();
    called.invite(PCMU);
    let sdp = called.caller.sdp(PCMU);
    let again = Caller { to_tag: String::new(), ..called.caller.clone() };
    again.send(&mut called.net, "INVITE", "otherpath", "", &sdp);
    assert_eq!(codes(&called.got()), [482]);
    assert_eq!(called.net.calls(0).len(), 1);
}

/// RFC 3261 12.2.2: a dialog that we do not have, for example after a cold start.
#[test]
fn requests_of_unknown_dialogs_are_481() {
    for method in ["BYE", "INVITE", "INFO", "NOTIFY", "OPTIONS"] {
        let got = asked(method, "", |text| text.replace("To: <sip:200@10.0.0.1:5060>", "To: <sip:200@10.0.0.1:5060>;tag=gone"));
        assert_eq!(codes(&got), [481], "{method}");
    }
    assert_eq!(codes(&asked("BYE", "", as_is)), [481]);
    assert!(asked("ACK", "", as_is).is_empty());
}

/// RFC 3261 8.2, 21.4.1, 21.5.6; a broken ACK gets nothing.
#[test]
fn malformed_requests_are_400() {
    let broken = |method: &str, change: &dyn Fn(String) -> String| {
        let mut called = Called::new();
        let text = String::from_utf8(called.caller.request(method, "x", "", "")).unwrap();
        called.net.send(called.caller.address, called.net.nodes[0].ip, change(text).into_bytes());
        called.net.settle();
        called.net.first_lines(called.caller.address)
    };
    for (from, to, answer) in [
        ("CSeq: 1 OPTIONS", "CSeq: one OPTIONS", "SIP/2.0 400 Bad Request"),
        ("CSeq: 1 OPTIONS", "CSeq: 1 INVITE", "SIP/2.0 400 Bad Request"),
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", "SIP/2.0 505 Version Not Supported"),
    ] {
        let got = broken("OPTIONS", &|text| text.replace(from, to));
        assert!(got.len() == 1 && got[0].starts_with(answer), "{got:?}");
    }
    assert!(broken("ACK", &|text| text.replace("CSeq: 1 ACK", "CSeq: one ACK")).is_empty());
}

/// RFC 3261 18.2.1, 18.2.2, RFC 3581 4: where answers go.
#[test]
fn answers_follow_received_and_rport() {
    let mut net = Net::new();
    let nat = net.peer("192.0.2.5:40123");
    net.stack(direct("10.0.0.1", "200", FAR));
    let behind = net.peer("192.0.2.5:5060");
    let inner = Caller::new("192.168.1.2:5060".parse().unwrap(), net.nodes[0].ip, "200");
    let plain = String::from_utf8(inner.request("OPTIONS", "x", "", "")).unwrap();
    let with_rport = plain.replace(";branch=z9hG4bKx", ";rport;branch=z9hG4bKy");
    let phone = net.nodes[0].ip;
    net.send(nat, phone, with_rport.into_bytes());
    net.settle();
    let got = net.received(nat);
    let via = got[0].headers().top_via().unwrap();
    assert_eq!((via.received(), via.rport()), (Some("192.0.2.5".parse().unwrap()), Some(40123)));
    net.send(nat, phone, plain.replace("CSeq: 1", "CSeq: 2").into_bytes());
    net.settle();
    assert_eq!(net.titles(behind), ["200 OPTIONS"], "without rport: the Via's port at the received address");
}

/// RFC 3261 17.2.2: the same request again gets the same answer, and does nothing twice.
#[test]
fn a_repeated_notify_asks_for_one_resync() {
    let mut called = Called::with(settings("10.0.0.1", "200", Some(FAR)));
    called.titles();
    let extra = "Event: check-sync;reboot=true\r\nSubscription-State: active\r\n";
    for _ in 0..3 {
        called.caller.clone().send(&mut called.net, "NOTIFY", "n", extra, "");
    }
    assert_eq!(called.titles().iter().filter(|title| *title == "200 NOTIFY").count(), 3);
    let asked = called.net.nodes[0].events(|event| match event {
        Event::ResyncRequested { event, .. } => Some(event.clone()),
        _ => None,
    });
    assert_eq!(asked, ["check-sync;reboot=true"]);
}

/// C68: only from the line's servers; anybody else is 403, and other events are 489 (RFC 6665).
#[test]
fn a_resync_counts_only_from_the_lines_servers() {
    let given = || direct("10.0.0.1", "200", "10.0.0.77:5060");
    assert_eq!(codes(&asked_with(given(), "NOTIFY", "Event: check-sync\r\n", as_is)), [403]);
    assert_eq!(codes(&asked("NOTIFY", "Event: check-sync\r\n", as_is)), [200]);
    assert_eq!(codes(&asked("NOTIFY", "Event: dialog\r\n", as_is)), [489]);
    let mut off = direct("10.0.0.1", "200", FAR);
    off.resync_event = String::new();
    assert_eq!(codes(&asked_with(off, "NOTIFY", "Event: check-sync\r\n", as_is)), [489]);
}

/// RFC 6665 8.2.2: a 489 names what would be taken, each once; never nothing.
#[test]
fn what_is_not_taken_is_489_with_what_is() {
    let events = |given: StackSettings| {
        let got = asked_with(given, "NOTIFY", "Event: conference\r\n", as_is);
        response_with(&got, 489).unwrap().headers.get("Allow-Events").unwrap().to_owned()
    };
    assert_eq!(events(direct("10.0.0.1", "200", FAR)), "refer");
    let mut both = direct("10.0.0.1", "200", FAR);
    (both.talk_package, both.hold_package) = (true, true);
    assert_eq!(events(both), "talk, hold, refer");
    let mut called = Called::new();
    for event in ["message-summary", "dialog", "dialog;sla", "refer"] {
        let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: event.into(), resource: String::new() };
        called.net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    }
    called.net.settle();
    called.titles();
    called.caller.clone().send(&mut called.net, "NOTIFY", "n", "Event: conference\r\n", "");
    let got = called.got();
    let named = response_with(&got, 489).unwrap().headers.get("Allow-Events").unwrap().to_owned();
    assert_eq!(named, "refer, dialog, message-summary");
}

/// Many servers tell of a mailbox without a subscription (RFC 3842's package); like a resync it counts only from the line's own.
#[test]
fn what_waits_at_a_mailbox_is_taken_unasked_from_the_lines_servers() {
    let extra = "Event: message-summary\r\nSubscription-State: terminated\r\n";
    assert_eq!(codes(&asked_with(direct("10.0.0.1", "200", "10.0.0.77:5060"), "NOTIFY", extra, as_is)), [403]);
    let mut called = Called::new();
    let summary = "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n";
    let text = String::from_utf8(called.caller.request("NOTIFY", "m", extra, summary)).unwrap();
    let text = text.replace("application/sdp", "application/simple-message-summary");
    called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
    called.net.settle();
    assert_eq!(codes(&called.got()), [200]);
    let told = called.net.nodes[0].events(|event| match event {
        Event::MailboxTold { content_type, body, .. } => Some((content_type.clone(), body.clone())),
        _ => None,
    });
    assert_eq!(told, [("application/simple-message-summary".to_owned(), summary.into())]);
}

/// C68: a line without servers has none, whomever it calls.
#[test]
fn whom_a_person_calls_by_uri_is_no_server_of_the_line() {
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].proxy = None;
    let mut called = Called::with(given);
    called.net.nodes[0].names.insert("far.example.com".into(), vec![called.caller.address]);
    called.net.dial(0, "sip:far@far.example.com");
    called.net.settle();
    assert_eq!(called.titles(), ["INVITE"]);
    called.caller.clone().send(&mut called.net, "NOTIFY", "n", "Event: check-sync\r\n", "");
    assert!(called.titles().contains(&"403 NOTIFY".to_owned()));
}

/// RFC 6086.
#[test]
fn info_is_heard_only_where_it_means_nothing() {
    let mut called = Called::talking();
    assert_eq!(codes(&called.send("INFO", "i1")), [200]);
    called.caller.cseq += 1;
    called.caller.clone().send(&mut called.net, "INFO", "i2", "Info-Package: foo\r\n", "");
    assert_eq!(codes(&called.got()), [469]);
    called.caller.cseq += 1;
    called.caller.clone().send(&mut called.net, "INFO", "i3", "", "Signal=5\r\n");
    assert_eq!(codes(&called.got()), [415]);
}

/// RFC 3261 17.2.3: peers of RFC 2543 have no magic cookie; their requests are matched by the whole of it.
#[test]
fn an_old_peer_without_magic_cookie_is_served() {
    let mut called = Called::new();
    let sdp = called.caller.sdp(PCMU);
    let old = |text: Vec<u8>| String::from_utf8(text).unwrap().replace(";branch=z9hG4bKi1", "").into_bytes();
    let invite = old(called.caller.request("INVITE", "i1", "", &sdp));
    let (from, to) = (called.caller.address, called.net.nodes[0].ip);
    for _ in 0..2 {
        called.net.send(from, to, invite.clone());
        called.net.settle();
    }
    assert_eq!(called.net.calls(0).len(), 1);
    called.command(|call| Command::Reject(call, 486));
    let got = called.got();
    let tag = response_with(&got, 486).unwrap().headers.to().unwrap().tag().unwrap().to_owned();
    let ack = Caller { to_tag: tag, ..called.caller.clone() };
    let ack = old(ack.request("ACK", "i1", "", ""));
    called.net.send(from, to, ack);
    called.net.run_for(Duration::from_secs(10));
    assert!(called.titles().is_empty(), "the ACK stopped the 486");
    called.over();
}

// Limits.

#[test]
fn calls_are_bounded_and_the_next_one_is_503() {
    let mut called = Called::new();
    for number in 0..60 {
        let caller = Caller { call_id: format!("c{number}"), ..called.caller.clone() };
        let sdp = caller.sdp(PCMU);
        caller.send(&mut called.net, "INVITE", &format!("i{number}"), "", &sdp);
    }
    assert_eq!(called.net.calls(0).len(), 48);
    let got = called.got();
    let full = response_with(&got, 503).unwrap();
    assert!(full.headers.has("Retry-After"));
}

/// A flood from one stranger is cut off in silence; another source is served.
#[test]
fn one_source_cannot_flood_the_phone() {
    let mut called = Called::new();
    let flooder = stranger(&mut called, "10.0.0.66:5060");
    for number in 0..1000 {
        let caller = Caller { call_id: format!("c{number}"), ..flooder.clone() };
        let bytes = caller.request("OPTIONS", &format!("o{number}"), "", "");
        called.net.send(caller.address, caller.target, bytes);
    }
    called.net.settle();
    assert_eq!(called.net.titles(flooder.address).len(), 200);
    let other = stranger(&mut called, "10.0.0.10:5060");
    other.send(&mut called.net, "OPTIONS", "o", "", "");
    assert_eq!(called.net.titles(other.address), ["200 OPTIONS"]);
    called.over();
}

fn stranger(called: &mut Called, address: &str) -> Caller {
    let address = called.net.peer(address);
    Caller::new(address, called.net.nodes[0].ip, "200")
}

/// An INVITE whose refusal has no ACK.
fn refused_without_ack(net: &mut Net, caller: &Caller, name: &str, extra: &str) -> Vec<String> {
    let caller = Caller { call_id: name.to_owned(), user: "nobody".to_owned(), ..caller.clone() };
    caller.send(net, "INVITE", name, extra, "");
    net.titles(caller.address)
}

/// Open requests of one source are counted by where they come from, whatever address their Via wants answers at (RFC 3261 18.2.2).
#[test]
fn maddr_does_not_make_one_source_many() {
    let mut called = Called::new();
    let flooder = stranger(&mut called, "10.0.0.66:5060");
    for number in 0..199 {
        let caller = Caller { call_id: format!("c{number}"), user: "nobody".to_owned(), ..flooder.clone() };
        let bytes = String::from_utf8(caller.request("INVITE", &format!("o{number}"), "", "")).unwrap();
        let varied = bytes.replace(";branch", &format!(";maddr=10.0.1.{number};branch"));
        called.net.send(caller.address, caller.target, varied.into_bytes());
    }
    called.net.settle();
    assert_eq!(called.net.nodes[0].stack.load().transactions, 128);
    called.over();
}

/// A flood of the largest requests from many addresses fills no more than its share; the line's server is served all the while, and
/// everybody again when it is over.
#[test]
fn open_requests_are_bounded_in_octets() {
    let mut called = Called::with(direct("10.0.0.1", "200", FAR));
    let large: String = (0..7).map(|_| format!("X: {}\r\n", "x".repeat(7990))).collect();
    let ask = |called: &mut Called, from: &str, number: u16| {
        let name = format!("o{number}");
        let caller = Caller { call_id: name.clone(), ..stranger(called, from) };
        let sdp = caller.sdp(PCMU);
        caller.send(&mut called.net, "INVITE", &name, &large, &sdp);
        called.net.titles(caller.address).iter().any(|title| title == "100 INVITE")
    };
    let taken = (0..100).filter(|number| ask(&mut called, &format!("10.0.1.{number}:5060"), *number)).count();
    assert!((15..=19).contains(&taken), "{taken}");
    assert!(!ask(&mut called, "10.0.2.1:5060", 200));
    assert!(ask(&mut called, FAR, 201), "the line's server has room of its own");
    called.net.run_for(Duration::from_secs(700));
    assert!(ask(&mut called, "10.0.2.1:5060", 202), "nobody rings for so long");
}

/// Strangers send as much as they like, from one address or from thousands: who calls through the line's server gets through.
#[test]
fn strangers_cannot_keep_the_lines_server_out() {
    let mut called = Called::new();
    let (phone, server) = (called.net.nodes[0].ip, called.caller.address);
    for number in 0..600_u16 {
        let [high, low] = number.to_be_bytes();
        let flooder = stranger(&mut called, &format!("10.1.{high}.{low}:5060"));
        refused_without_ack(&mut called.net, &flooder, &format!("s{number}"), "");
    }
    let caller = Caller::new(server, phone, "200");
    let sdp = caller.sdp(PCMU);
    called.net.send(server, phone, caller.request("INVITE", "i", "", &sdp));
    called.net.settle();
    assert_eq!(called.titles(), ["100 INVITE"]);
}

/// Whoever is in a call with the phone has no more places than any other address; only the line's servers have.
#[test]
fn a_far_end_cannot_take_all_places_from_within_its_call() {
    let mut called = Called::with(direct("10.0.0.1", "200", "10.0.0.99:5060")).answered();
    for number in 0..180 {
        called.caller.cseq += 1;
        let bytes = called.caller.request("INVITE", &format!("again{number}"), "", "");
        called.net.send(called.caller.address, called.caller.target, bytes);
    }
    called.net.settle();
    assert_eq!(called.net.nodes[0].stack.load().transactions, 128);
}

/// A request that has been answered takes nobody's place (RFC 3261 17.2): a busy server's calls and questions are all served, each
/// repetition gets its answer again, and nothing is left when the times of the answers are over.
#[test]
fn what_is_answered_leaves_room_for_what_comes() {
    let mut called = Called::new();
    let server = called.caller.clone();
    let of = |name: &str, user: &str| Caller { call_id: name.to_owned(), user: user.to_owned(), ..server.clone() };
    for round in 0..3 {
        let names: Vec<String> = (0..300).map(|number| format!("{round}-{number}")).collect();
        for name in &names {
            called.net.send(server.address, server.target, of(name, "nobody").request("INVITE", name, "", ""));
            called.net.send(server.address, server.target, of(name, "200").request("OPTIONS", name, "", ""));
        }
        called.net.settle();
        let got = called.got();
        assert_eq!(codes(&got).iter().filter(|code| **code == 200).count(), 300);
        let refused: Vec<&Message> = got.iter().filter(|message| response_of(message).status.code() == 404).collect();
        assert_eq!(refused.len(), 300);
        for (name, message) in names.iter().zip(refused) {
            let to_tag = response_of(message).headers.to().unwrap().tag().unwrap().to_owned();
            let ack = Caller { to_tag, ..of(name, "nobody") };
            called.net.send(server.address, server.target, ack.request("ACK", name, "", ""));
        }
        called.net.settle();
        assert_eq!(called.net.nodes[0].stack.load().transactions, 0);
    }
    assert!(called.net.nodes[0].stack.load().settled >= 1_200);
    let ask = |called: &mut Called| {
        of("2-299", "200").send(&mut called.net, "OPTIONS", "2-299", "", "");
        called.net.received(server.address)
    };
    let (once, again) = (ask(&mut called), ask(&mut called));
    assert!(once.len() == 1 && once == again, "{once:?} {again:?}");
    called.over();
    assert_eq!(called.net.nodes[0].stack.load().settled, 0);
}

/// A refused INVITE that waits for its ACK takes nobody's place (RFC 3261 17.2.1): however many calls a server sends before it reads the
/// first answer, each gets its own. An answer without ACK is repeated, and where there are too many of them, the oldest go early.
#[test]
fn a_burst_of_calls_is_answered_before_the_first_ack() {
    let mut called = Called::new();
    let server = called.caller.clone();
    let of = |number: usize| Caller { call_id: format!("c{number}"), user: "nobody".to_owned(), ..server.clone() };
    let invite = |called: &mut Called, number: usize| {
        called.net.send(server.address, server.target, of(number).request("INVITE", &format!("b{number}"), "", ""));
    };
    for number in 0..1_500 {
        invite(&mut called, number);
    }
    called.net.settle();
    let first = codes(&called.got());
    assert_eq!((first.len(), first.iter().filter(|code| **code == 404).count()), (1_500, 1_500));
    called.net.run_for(Duration::from_millis(600));
    let again = called.got();
    assert_eq!(again.len(), 1_500, "each is repeated");
    assert_eq!(called.net.nodes[0].stack.load().transactions, 1_500);

    for message in &again {
        let headers = &response_of(message).headers;
        let to_tag = headers.to().unwrap().tag().unwrap().to_owned();
        let call_id = headers.call_id().unwrap().to_owned();
        let ack = Caller { to_tag, call_id: call_id.clone(), ..of(0) }.request("ACK", &call_id.replacen('c', "b", 1), "", "");
        called.net.send(server.address, server.target, ack);
    }
    called.net.settle();
    assert_eq!(called.net.nodes[0].stack.load().transactions, 0);

    for number in 2_000..4_500 {
        invite(&mut called, number);
    }
    called.net.settle();
    assert_eq!(codes(&called.got()).len(), 2_500);
    assert_eq!(called.net.nodes[0].stack.load().transactions, 2_048);
    invite(&mut called, 4_499);
    called.net.settle();
    let (newest, load) = (called.got(), called.net.nodes[0].stack.load().transactions);
    assert_eq!((codes(&newest), load), (vec![404], 2_048), "it is still known");
    called.over();
}

/// RFC 3261 9.2: a CANCEL that comes after its INVITE has been answered and acknowledged is taken, and does nothing.
#[test]
fn a_cancel_of_what_is_over_is_taken() {
    let mut called = Called::new();
    let caller = Caller { user: "nobody".to_owned(), ..called.caller.clone() };
    caller.send(&mut called.net, "INVITE", "i", "", "");
    let refused = called.got();
    let to_tag = response_with(&refused, 404).unwrap().headers.to().unwrap().tag().unwrap().to_owned();
    Caller { to_tag, ..caller.clone() }.send(&mut called.net, "ACK", "i", "", "");
    caller.send(&mut called.net, "CANCEL", "i", "", "");
    assert_eq!(called.titles(), ["200 CANCEL"]);
    caller.send(&mut called.net, "CANCEL", "unknown", "", "");
    assert_eq!(called.titles(), ["481 CANCEL"]);
}

/// After `Command::Stop` nothing new begins.
#[test]
fn a_stopping_phone_takes_no_call() {
    let mut called = Called::new();
    called.net.command(0, Command::Stop);
    assert!(called.net.nodes[0].events.contains(&Event::Stopped));
    let got = called.invite(PCMU);
    assert!(response_with(&got, 503).is_some());
    called.over();
}
