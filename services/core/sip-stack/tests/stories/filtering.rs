//! Who is listened to where only a line's servers are (SIP_DETECT_SSAF_n, B212), with servers that are given by their names.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, Event, Input, LineSettings, StackSettings, Transport};
use sip_wire::Request;
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU, answer, requests};

use crate::given::{over, server_of, settings};

const REGISTRAR: &str = "10.0.0.9:5060";
const PROXY: &str = "10.0.0.8:5060";

/// A phone that is registered at reg.example.com and calls through proxy.example.com, which it has never called.
struct Lab {
    net: Net,
    registrar: SocketAddr,
    given: StackSettings,
    /// Through the proxy.
    caller: Caller,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(|_| {}, &["proxy.example.com"])
    }

    /// With other rows, and where these names lead to the proxy.
    fn with(change: impl FnOnce(&mut LineSettings), names: &[&str]) -> Lab {
        let mut net = Net::new();
        let (registrar, proxy) = (net.peer(REGISTRAR), net.peer(PROXY));
        let mut given = settings("10.0.0.1", "200", Some("reg.example.com"));
        let line = &mut given.lines[0];
        line.proxy = Some(server_of("proxy.example.com"));
        line.details.source_filter = true;
        change(line);
        line.enabled = false;
        net.stack(given.clone());
        let phone = &mut net.nodes[0].names;
        phone.insert("reg.example.com".into(), vec![registrar]);
        phone.extend(names.iter().map(|name| ((*name).to_owned(), vec![proxy])));
        let caller = Caller::new(proxy, net.nodes[0].ip, "200");
        let mut lab = Lab { net, registrar, given, caller };
        lab.configure(|line| line.enabled = true);
        lab
    }

    /// The registrar grants what comes of it.
    fn configure(&mut self, change: impl FnOnce(&mut LineSettings)) {
        change(&mut self.given.lines[0]);
        self.net.input(0, Input::Settings(Box::new(self.given.clone())));
        self.net.settle();
        for register in requests(&self.net.received(self.registrar), "REGISTER") {
            let mut ok = answer(register, 200, "r");
            ok.headers.push("Contact", register.headers.contact().unwrap().first().unwrap().clone().with_param("expires", 3600));
            self.net.send(self.registrar, self.net.nodes[0].ip, ok.to_bytes());
        }
        self.net.settle();
    }

    /// What a request of the proxy's gets, in the caller's dialog or without one.
    fn says(&mut self, method: &str, branch: &str, extra: &str) -> Vec<String> {
        self.caller.cseq += 1;
        let body = if method == "INVITE" { self.caller.sdp(PCMU) } else { String::new() };
        self.caller.clone().send(&mut self.net, method, branch, extra, &body);
        let got = self.net.received(self.caller.address);
        got.iter().map(testbed::virtual_net::title).collect()
    }

    /// A resync, which only a server may want, outside the call.
    fn resync(&mut self, branch: &str) -> Vec<String> {
        let call = self.caller.clone();
        self.caller = Caller { to_tag: String::new(), call_id: branch.to_owned(), ..call.clone() };
        let titles = self.says("NOTIFY", branch, "Event: check-sync\r\n");
        self.caller = call;
        titles
    }

    fn talking(mut self) -> Lab {
        self.caller.invite(&mut self.net, PCMU);
        let call = self.net.nodes[0].incoming();
        self.net.command(0, Command::Answer(call));
        self.net.settle();
        let got = self.net.received(self.caller.address);
        self.caller.learn_tag(&got);
        self.caller.ack(&mut self.net, "");
        self
    }
}

/// B212, C68, RFC 3325: its calls come in, what it says of the caller is believed, and so is its resync.
#[test]
fn a_proxy_that_nobody_has_called_through_is_known_by_its_name() {
    let mut lab = Lab::new();
    assert_eq!(lab.says("INVITE", "i", "P-Asserted-Identity: <sip:4711@example.com>\r\n"), ["100 INVITE"]);
    let callers = lab.net.nodes[0].events(|event| match event {
        Event::Incoming { remote, .. } => Some(remote.number.clone()),
        _ => None,
    });
    assert_eq!(callers, ["4711"]);
    assert_eq!(lab.resync("n"), ["200 NOTIFY"]);
}

/// A line that registers nowhere has no REGISTER to ask for names.
#[test]
fn a_line_that_registers_nowhere_knows_its_proxy_as_well() {
    let mut lab = Lab::with(|line| line.registrar = None, &["proxy.example.com"]);
    assert_eq!(lab.says("INVITE", "i", ""), ["100 INVITE"]);
}

/// Each name is asked for once, and again with the next REGISTER: addresses behind names change.
#[test]
fn names_are_asked_for_with_each_register_and_each_once() {
    let mut lab = Lab::with(|line| line.outbound_proxy = Some(server_of("proxy.example.com")), &["proxy.example.com"]);
    let asked = |lab: &mut Lab| {
        let mut asked: Vec<String> = std::mem::take(&mut lab.net.nodes[0].asked).into_iter().map(|(host, ..)| host).collect();
        asked.sort_unstable();
        asked
    };
    assert_eq!(asked(&mut lab), ["proxy.example.com", "reg.example.com"]);
    lab.configure(|line| line.keep_alive = Duration::from_secs(30));
    assert!(asked(&mut lab).is_empty(), "a row that has nothing to do with servers");
    lab.configure(|line| line.details.transport_udp = true);
    assert_eq!(asked(&mut lab), ["proxy.example.com", "reg.example.com"]);
    lab.configure(|line| (line.outbound_proxy, line.proxy) = (None, Some(server_of("other.example.com"))));
    assert_eq!(asked(&mut lab), ["other.example.com", "reg.example.com"]);
}

#[test]
fn a_name_that_cannot_be_resolved_is_asked_for_again() {
    let mut lab = Lab::with(|_| {}, &[]);
    assert!(lab.says("INVITE", "i1", "").is_empty());
    let proxy = lab.caller.address;
    lab.net.nodes[0].names.insert("proxy.example.com".into(), vec![proxy]);
    lab.net.run_for(Duration::from_secs(61));
    assert_eq!(lab.says("INVITE", "i2", ""), ["100 INVITE"]);
}

/// A row that has the line register anew says nothing of who its servers are.
#[test]
fn servers_stay_known_when_the_line_registers_anew() {
    let mut lab = Lab::new().talking();
    lab.net.nodes[0].deaf = true;
    lab.configure(|line| line.details.transport_udp = true);
    assert_eq!(lab.resync("n"), ["200 NOTIFY"]);
    assert!(lab.says("INVITE", "again", "").contains(&"200 INVITE".to_owned()));
    lab.caller.clone().ack(&mut lab.net, "");
    assert_eq!(lab.says("BYE", "bye", ""), ["200 BYE"]);
}

/// Other servers: the old ones are none any more, but a call that is up is not cut off, and its other end is heard until it is over.
#[test]
fn the_other_end_of_a_call_is_heard_until_it_is_over() {
    let mut lab = Lab::new().talking();
    lab.configure(|line| (line.registrar, line.proxy) = (Some(server_of("new.example.com")), None));
    assert_eq!(lab.resync("n1"), ["403 NOTIFY"]);
    assert!(lab.says("INVITE", "again", "").contains(&"200 INVITE".to_owned()));
    lab.caller.clone().ack(&mut lab.net, "");
    assert_eq!(lab.says("BYE", "bye", ""), ["200 BYE"]);
    assert!(lab.resync("n2").is_empty());
}

/// A caller could name any address: it is listened to once somebody has answered.
#[test]
fn an_address_that_only_a_ringing_call_names_is_not_listened_to() {
    let mut lab = Lab::new();
    let elsewhere = lab.net.peer("10.0.0.66:5060");
    let contact = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        text.replace("Contact: <sip:far@10.0.0.8:5060>", "Contact: <sip:far@10.0.0.66:5060>").into_bytes()
    };
    let (proxy, phone) = (lab.caller.address, lab.net.nodes[0].ip);
    let invite = contact(lab.caller.request("INVITE", "i", "", &lab.caller.sdp(PCMU)));
    lab.net.send(proxy, phone, invite);
    lab.net.settle();
    let asks = |lab: &mut Lab, branch: &str| {
        Caller::new(elsewhere, phone, "200").send(&mut lab.net, "OPTIONS", branch, "", "");
        lab.net.titles(elsewhere)
    };
    assert_eq!(asks(&mut lab, "o1"), Vec::<String>::new());
    let call = lab.net.nodes[0].incoming();
    lab.net.command(0, Command::Answer(call));
    lab.net.settle();
    assert_eq!(asks(&mut lab, "o2"), ["200 OPTIONS"]);
}

/// A proxy that was taken out of the settings, or replaced, is a stranger; the registrar is what it was.
#[test]
fn a_proxy_that_the_settings_do_not_name_any_more_is_no_server() {
    type Rows = fn(&mut LineSettings);
    let nothing: Rows = |line| line.proxy = None;
    let words: Rows = |line| (line.proxy, line.register_expires) = (Some(server_of("other.example.com")), 600);
    for change in [nothing, words] {
        let mut lab = Lab::new();
        assert_eq!(lab.resync("n1"), ["200 NOTIFY"]);
        lab.configure(change);
        assert!(lab.resync("n2").is_empty());
        lab.caller.address = lab.registrar;
        assert_eq!(lab.resync("n3"), ["200 NOTIFY"]);
    }
}

/// Also where the line is just about to register, and says the rest later.
#[test]
fn the_name_of_another_proxy_is_asked_for_while_a_register_is_under_way() {
    let mut lab = Lab::new();
    lab.net.nodes[0].deaf = true;
    lab.net.command(0, Command::Register(LineNumber::new(1).unwrap()));
    lab.net.settle();
    lab.net.nodes[0].asked.clear();
    lab.configure(|line| (line.proxy, line.register_expires) = (Some(server_of("other.example.com")), 600));
    let asked: Vec<&str> = lab.net.nodes[0].asked.iter().map(|(host, ..)| host.as_str()).collect();
    assert_eq!(asked, ["other.example.com"]);
}

/// B318: it is heard until its answer has come, so that the new binding need not wait in vain; it is believed nothing any more.
#[test]
fn a_registrar_that_is_left_is_heard_until_it_has_answered_the_goodbye() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut net = Net::new();
        let (old, new) = (net.peer(REGISTRAR), net.peer(PROXY));
        let mut given = over(transport, settings("10.0.0.1", "200", Some(REGISTRAR)));
        let line = &mut given.lines[0];
        (line.unregister_on_stop, line.details.source_filter) = (true, true);
        net.stack(given.clone());
        net.settle();
        let phone = net.nodes[0].ip;
        let asked = |net: &mut Net| requests(&net.received(old), "REGISTER")[0].clone();
        let say = |net: &mut Net, register: &Request, code: u16| {
            let mut response = answer(register, code, "r");
            response.headers.push("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"");
            net.send(old, phone, response.to_bytes());
            net.settle();
        };
        let resync = |net: &mut Net, branch: &str| {
            Caller::new(old, phone, "200").send(net, "NOTIFY", branch, "Event: check-sync\r\n", "");
            net.titles(old)
        };
        let first = asked(&mut net);
        say(&mut net, &first, 200);
        let line = &mut given.lines[0];
        (line.registrar, line.proxy) = (Some(server_of(PROXY)), Some(server_of(PROXY)));
        net.input(0, Input::Settings(Box::new(given)));
        net.settle();
        let goodbye = asked(&mut net);
        say(&mut net, &goodbye, 401);
        let signed = asked(&mut net);
        assert_eq!((signed.headers.has("Authorization"), signed.headers.expires().unwrap()), (true, Some(0)), "{transport:?}");
        assert_eq!(resync(&mut net, "n1"), ["403 NOTIFY"]);
        assert!(net.titles(new).is_empty() && net.nodes[0].closed.is_empty());
        say(&mut net, &signed, 200);
        assert_eq!(net.titles(new), ["REGISTER"], "at once");
        assert!(resync(&mut net, "n2").is_empty(), "that was all that it had to say");
    }
}
