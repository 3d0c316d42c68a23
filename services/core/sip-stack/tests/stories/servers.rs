//! Servers that fail and come back (RFC 3261 21.5.4, RFC 3263 4.3; B210, B214, B317), and fleets that must not move as one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use sip_stack::{Command, Input, LineState, StackSettings, Start};
use sip_wire::{Message, Request};
use testbed::virtual_net::peer::{PCMU, answer, at, request_of, requests, with_sdp};
use testbed::virtual_net::{Net, Sent, title};

use crate::given::{direct, settings};

pub const FIRST: &str = "10.0.0.9:5060";
pub const SECOND: &str = "10.0.0.8:5060";

/// One phone, its two servers, and what they say to whom.
pub struct Lab {
    pub net: Net,
    pub first: SocketAddr,
    pub second: SocketAddr,
}

/// How a server answers: by method.
pub type Script<'a> = &'a dyn Fn(&Request) -> Option<u16>;

pub fn silent(_: &Request) -> Option<u16> {
    None
}

pub fn well(request: &Request) -> Option<u16> {
    (!request.method.is_invite() && !request.method.is_ack()).then_some(200)
}

pub fn given() -> StackSettings {
    let mut given = settings("10.0.0.1", "200", Some(FIRST));
    given.lines[0].second_registrar = SECOND.parse().ok();
    given.lines[0].second_proxy = SECOND.parse().ok();
    given
}

impl Lab {
    pub fn new(settings: StackSettings) -> Lab {
        let mut net = Net::new();
        let (first, second) = (net.peer(FIRST), net.peer(SECOND));
        net.stack(settings);
        net.settle();
        Lab { net, first, second }
    }

    /// Lets time go by in small steps; each server answers by its script. What came, by server and title.
    pub fn run(&mut self, seconds: u64, first: Script, second: Script) -> (Vec<String>, Vec<String>) {
        let mut titles = (Vec::new(), Vec::new());
        for _ in 0..seconds * 5 {
            titles.0.extend(self.serve(self.first, first));
            titles.1.extend(self.serve(self.second, second));
            self.net.run_for(Duration::from_millis(200));
        }
        titles
    }

    pub fn serve(&mut self, server: SocketAddr, script: Script) -> Vec<String> {
        let got = self.net.received(server);
        for message in &got {
            if let Message::Request(request) = message
                && let Some(code) = script(request)
            {
                self.reply(server, request, code, &[]);
            }
        }
        got.iter().map(title).collect()
    }

    pub fn reply(&mut self, server: SocketAddr, request: &Request, code: u16, extra: &[(&str, &str)]) {
        let mut response = answer(request, code, "s");
        for (name, value) in extra {
            response.headers.push(*name, *value);
        }
        self.net.send(server, self.net.nodes[0].ip, response.to_bytes());
    }

    pub fn request(&mut self, server: SocketAddr, method: &str) -> Request {
        let got = self.net.received(server);
        let found = requests(&got, method);
        assert!(!found.is_empty(), "no {method} at {server}\n{}", self.net.story());
        found[0].clone()
    }

    pub fn is_registered(&self) -> bool {
        matches!(self.net.line(0), LineState::Registered { .. })
    }

    pub fn unreachable(&mut self, server: SocketAddr) {
        let flow = *self.net.nodes[0].flows.keys().next().unwrap();
        self.net.input(0, Input::Unreachable { flow, remote: server });
        self.net.settle();
    }

    /// Registered at the second server, for the first does not answer.
    pub fn failed_over() -> Lab {
        let mut lab = Lab::new(given());
        lab.unreachable(lab.first);
        lab.run(1, &silent, &well);
        assert!(lab.is_registered());
        lab
    }

    pub fn sent_to(&self, server: SocketAddr, title: &str) -> Vec<&Sent> {
        self.net.log.iter().filter(|sent| sent.to == server && sent.title() == title).collect()
    }
}

#[test]
fn a_registrar_that_does_not_answer_is_followed_by_the_next() {
    let mut lab = Lab::new(given());
    lab.net.run_for(Duration::from_millis(31_800));
    assert!(lab.net.titles(lab.second).is_empty(), "timer F has not passed");
    lab.run(1, &silent, &well);
    assert!(lab.is_registered(), "{}", lab.net.story());
}

/// RFC 3263 4.3: a transport failure is known at once.
#[test]
fn a_registrar_that_cannot_be_reached_is_followed_at_once() {
    let mut lab = Lab::new(given());
    let first = lab.request(lab.first, "REGISTER");
    lab.unreachable(lab.first);
    let second = lab.request(lab.second, "REGISTER");
    assert_eq!(second.headers.call_id().unwrap(), first.headers.call_id().unwrap());
    assert!(second.headers.cseq().unwrap().number > first.headers.cseq().unwrap().number);
}

/// RFC 3261 21.5.4: no request of any kind before the time that the server has named.
#[test]
fn retry_after_of_a_503_is_respected() {
    let mut lab = Lab::new(given());
    let register = lab.request(lab.first, "REGISTER");
    lab.reply(lab.first, &register, 503, &[("Retry-After", "600")]);
    lab.run(1, &silent, &well);
    assert!(lab.is_registered());
    let (first, _) = lab.run(595, &well, &well);
    assert!(first.is_empty(), "{first:?}");
    let (first, _) = lab.run(200, &well, &well);
    assert_eq!(first, ["OPTIONS", "REGISTER"]);
}

/// RFC 3261 11.1.
#[test]
fn the_question_whether_a_server_is_back_says_what_would_be_read() {
    let mut lab = Lab::failed_over();
    lab.run(60, &well, &well);
    let asked = sip_wire::parse_datagram(&lab.sent_to(lab.first, "OPTIONS")[0].bytes).unwrap();
    assert_eq!(asked.headers().get("Accept"), Some("application/sdp, multipart/mixed"));
}

/// B210, B317: the first one counts; with the fail-over switched off there is only it.
#[test]
fn so_many_servers_are_tried_as_the_settings_say() {
    for (most, fail_over, expected) in [(1, true, 1), (2, true, 2), (3, true, 3), (4, true, 4), (4, false, 1)] {
        let mut given = settings("10.0.0.1", "200", Some("sip.example.com"));
        (given.lines[0].servers_max, given.lines[0].fail_over) = (most, fail_over);
        let mut net = Net::new();
        let servers: Vec<SocketAddr> = (2..=7).map(|number| net.peer(&format!("10.0.0.{number}:5060"))).collect();
        let mut idle = given.clone();
        idle.lines[0].enabled = false;
        net.stack(idle);
        net.nodes[0].names.insert("sip.example.com".into(), servers.clone());
        net.input(0, Input::Settings(Box::new(given)));
        for server in &servers {
            net.settle();
            for message in net.received(*server) {
                let refusal = answer(request_of(&message), 503, "s");
                net.send(*server, net.nodes[0].ip, refusal.to_bytes());
            }
        }
        net.settle();
        let tried: BTreeSet<SocketAddr> = net.log.iter().filter(|sent| sent.from == net.nodes[0].ip).map(|sent| sent.to).collect();
        assert_eq!(tried.into_iter().collect::<Vec<_>>(), servers[..expected], "{most} {fail_over}");
        assert!(matches!(net.line(0), LineState::Registering { last_error } if last_error.contains("503")));
    }
}

#[test]
fn a_server_that_answers_again_is_taken_back_and_until_then_only_probed() {
    let mut lab = Lab::failed_over();
    let (first, second) = lab.run(600, &silent, &well);
    assert!(first.iter().all(|title| title == "OPTIONS") && first.len() > 10, "{first:?}");
    assert!(second.is_empty(), "nothing is to be refreshed yet: {second:?}");
    let (first, second) = lab.run(420, &well, &well);
    assert_eq!((first, second), (vec!["OPTIONS".to_owned(), "REGISTER".to_owned()], vec![]), "{}", lab.net.story());
    assert!(lab.is_registered());
    let call = lab.net.dial(0, "100");
    lab.net.settle();
    lab.request(lab.first, "INVITE");
    lab.net.command(0, Command::Hangup(call));
}

/// Its OPTIONS are answered, its registrar says 503: the phone does not follow it each time, and is registered all the while.
#[test]
fn there_is_no_ping_pong_with_a_server_that_comes_and_goes() {
    let mut lab = Lab::failed_over();
    let limping = |request: &Request| if request.method.as_str() == "OPTIONS" { Some(200) } else { Some(503) };
    for _ in 0..4 * 3600 / 60 {
        lab.run(60, &limping, &well);
        assert!(lab.is_registered());
    }
    let moves = lab.sent_to(lab.first, "REGISTER").len();
    assert!((4..=11).contains(&moves), "{moves} times in four hours");
    let last_hours = lab.sent_to(lab.first, "REGISTER").iter().filter(|sent| lab.net.now.since(sent.at).as_secs() < 7200).count();
    assert!(last_hours <= 3, "{last_hours} times in the last two hours");
}

/// Over a fleet the return of a server is spread.
#[test]
fn phones_come_back_to_a_server_at_different_moments() {
    let mut moments = BTreeSet::new();
    for seed in 0..8 {
        let mut net = Net::with_faults(seed * 2 + 1, testbed::virtual_net::PERFECT);
        let (first, second) = (net.peer(FIRST), net.peer(SECOND));
        net.stack(given());
        net.settle();
        let mut lab = Lab { net, first, second };
        lab.unreachable(lab.first);
        lab.run(60, &well, &well);
        let options = lab.sent_to(lab.first, "OPTIONS")[0].at;
        let wait = lab.sent_to(lab.first, "REGISTER").last().unwrap().at.since(options);
        assert!(wait <= Duration::from_secs(11), "{wait:?}");
        moments.insert(wait.as_millis() / 100);
    }
    assert!(moments.len() >= 5, "{moments:?}");
}

#[test]
fn where_nobody_answers_everybody_is_tried_again_after_the_usual_wait() {
    let mut lab = Lab::new(given());
    lab.unreachable(lab.first);
    lab.unreachable(lab.second);
    lab.net.received(lab.first);
    lab.net.received(lab.second);
    lab.net.run_for(Duration::from_millis(9800));
    assert!(lab.net.titles(lab.first).is_empty());
    lab.net.run_for(Duration::from_millis(2_700));
    lab.request(lab.first, "REGISTER");
    lab.unreachable(lab.first);
    lab.run(1, &silent, &well);
    assert!(lab.is_registered());
}

/// The service's restart is no reason to bother a server that has failed.
#[test]
fn a_restart_of_the_service_remembers_who_has_failed() {
    let mut lab = Lab::failed_over();
    assert_eq!(lab.net.restart(0), Start::Restored);
    lab.net.command(0, Command::Register(agreements::LineNumber::new(1).unwrap()));
    let (first, second) = lab.run(10, &silent, &well);
    assert_eq!((first, second), (vec![], vec!["REGISTER".to_owned()]));
}

#[test]
fn other_servers_or_another_network_are_met_without_prejudice() {
    let mut lab = Lab::failed_over();
    let mut moved = given();
    moved.addresses = vec!["10.0.0.2".parse().unwrap()];
    lab.net.input(0, Input::Settings(Box::new(moved)));
    lab.net.settle();
    lab.request(lab.first, "REGISTER");
}

/// RFC 3263 4.3, RFC 3261 8.2.2.2: the same request in another transaction, so that one far end does not ring twice.
#[test]
fn a_call_that_its_server_does_not_answer_is_offered_to_the_next() {
    let mut lab = Lab::new(StackSettings { ..direct("10.0.0.1", "200", FIRST) });
    let mut both = direct("10.0.0.1", "200", FIRST);
    both.lines[0].second_proxy = SECOND.parse().ok();
    lab.net.input(0, Input::Settings(Box::new(both)));
    lab.net.dial(0, "100");
    lab.net.settle();
    let first = lab.request(lab.first, "INVITE");
    lab.net.run_for(Duration::from_secs(32));
    let second = lab.request(lab.second, "INVITE");
    let same = |request: &Request| {
        let headers = &request.headers;
        let from = headers.from().unwrap();
        (headers.call_id().unwrap().to_owned(), from.tag().unwrap().to_owned(), headers.cseq().unwrap().number)
    };
    assert_eq!(same(&first), same(&second));
    let branch = |request: &Request| request.headers.top_via().unwrap().branch().unwrap().to_owned();
    assert_ne!(branch(&first), branch(&second));
    // The next call does not wait for the silent one.
    lab.reply(lab.second, &second, 486, &[]);
    lab.net.settle();
    lab.net.dial(0, "101");
    lab.net.settle();
    assert_eq!(lab.request(lab.second, "INVITE").uri.user_decoded().as_deref(), Some("101"));
}

/// A call has its own way: neither the failure nor the return of a server moves it.
#[test]
fn a_call_keeps_its_server_when_another_one_comes_back() {
    let mut lab = Lab::failed_over();
    let call = lab.net.dial(0, "100");
    lab.net.settle();
    let invite = lab.request(lab.second, "INVITE");
    let sdp = format!("v=0\r\no=- 7 7 IN IP4 10.0.0.8\r\ns=-\r\nc=IN IP4 10.0.0.8\r\nt=0 0\r\n{PCMU}");
    let ok = with_sdp(at(answer(&invite, 200, "f"), lab.second), &sdp);
    lab.net.send(lab.second, lab.net.nodes[0].ip, ok.to_bytes());
    lab.net.settle();
    assert_eq!(lab.net.titles(lab.second), ["ACK"]);
    let (first, _) = lab.run(120, &well, &well);
    assert_eq!(first, ["OPTIONS", "REGISTER"], "it is back");
    lab.net.command(0, Command::Hangup(call));
    lab.net.settle();
    assert_eq!(lab.net.titles(lab.second), ["BYE"]);
}

/// A 503 without a time may come from behind the server: this call goes elsewhere, the next one starts with it again.
#[test]
fn a_503_for_one_call_is_no_failure_of_the_server() {
    let mut lab = Lab::new(given());
    lab.run(1, &well, &well);
    for (number, later, silence, next) in [("100", "102", None, true), ("101", "103", Some("60"), false)] {
        lab.net.dial(0, number);
        lab.net.settle();
        let invite = lab.request(lab.first, "INVITE");
        let extra: Vec<(&str, &str)> = silence.map(|seconds| ("Retry-After", seconds)).into_iter().collect();
        lab.reply(lab.first, &invite, 503, &extra);
        lab.net.settle();
        let again = lab.request(lab.second, "INVITE");
        lab.reply(lab.second, &again, 486, &[]);
        lab.net.settle();
        assert_eq!(lab.net.nodes[0].ended().unwrap().0, 486);
        let last = lab.net.dial(0, later);
        lab.net.settle();
        let asked =
            lab.sent_to(lab.first, "INVITE").iter().any(|sent| sent.bytes.starts_with(format!("INVITE sip:{later}@").as_bytes()));
        assert_eq!(asked, next, "{number}");
        lab.net.command(0, Command::Hangup(last));
        lab.net.run_for(Duration::from_secs(1));
        lab.net.received(lab.first);
        lab.net.received(lab.second);
    }
}

#[test]
fn a_call_that_was_taken_back_or_has_rung_is_offered_to_nobody_else() {
    let mut lab = Lab::new(given());
    lab.run(1, &well, &well);
    let call = lab.net.dial(0, "100");
    lab.net.settle();
    lab.net.command(0, Command::Hangup(call));
    lab.net.run_for(Duration::from_secs(40));
    assert!(lab.net.titles(lab.second).iter().all(|title| title != "INVITE"), "{}", lab.net.story());
    lab.net.received(lab.first);
    // The first server counts as failed now: the second one takes the call and it rings.
    lab.net.dial(0, "101");
    lab.net.settle();
    let invite = lab.request(lab.second, "INVITE");
    lab.reply(lab.second, &invite, 180, &[]);
    lab.net.settle();
    lab.reply(lab.second, &invite, 503, &[]);
    lab.net.settle();
    assert_eq!(lab.net.nodes[0].ended().unwrap().0, 503);
    assert!(lab.sent_to(lab.first, "INVITE").iter().all(|sent| !String::from_utf8_lossy(&sent.bytes).contains("sip:101@")));
}

fn first_register(net: &Net) -> Duration {
    net.log[0].at.since(agreements::Tick(1_000_000_000))
}

/// After a power cut a whole house comes up at once.
#[test]
fn after_power_up_the_first_register_is_spread_over_the_fleet() {
    let mut moments = BTreeSet::new();
    for seed in 0..10 {
        let mut net = Net::with_faults(seed * 2 + 1, testbed::virtual_net::PERFECT);
        net.peer(FIRST);
        net.switched_on(given());
        net.run_for(Duration::from_secs(11));
        assert!(first_register(&net) <= Duration::from_secs(10));
        moments.insert(first_register(&net).as_millis() / 100);
    }
    assert!(moments.len() >= 6, "{moments:?}");
}

#[test]
fn the_spread_is_over_with_the_first_register_and_never_follows_a_restart_of_the_service() {
    let mut lab = Lab::new(given());
    assert!(first_register(&lab.net) < Duration::from_millis(10), "not switched on: at once");
    lab.run(1, &well, &well);
    let mut net = Net::new();
    let first = net.peer(FIRST);
    net.switched_on(given());
    net.run_for(Duration::from_secs(11));
    net.received(first);
    let mut moved = given();
    moved.addresses = vec!["10.0.0.2".parse().unwrap()];
    net.input(0, Input::Settings(Box::new(moved.clone())));
    net.settle();
    let register = request_of(&net.received(first)[0]).clone();
    assert!(register.headers.get("Contact").unwrap().contains("10.0.0.2"), "another address later: at once");
    net.restart(0);
    moved.addresses = vec!["10.0.0.3".parse().unwrap()];
    net.input(0, Input::Settings(Box::new(moved)));
    net.settle();
    assert!(net.titles(first).contains(&"REGISTER".to_owned()), "after a restart: at once");
}

#[test]
fn somebody_who_asks_for_it_does_not_wait_for_the_spread() {
    let mut net = Net::new();
    let first = net.peer(FIRST);
    net.switched_on(given());
    net.command(0, Command::Register(agreements::LineNumber::new(1).unwrap()));
    net.settle();
    assert_eq!(net.titles(first), ["REGISTER"]);
}

/// B318.
#[test]
fn an_old_registration_is_cancelled_before_the_first_one_where_that_is_wanted() {
    for refusal in [200, 404] {
        let mut wanted = given();
        wanted.lines[0].unregister_first = true;
        let mut lab = Lab::new(wanted);
        let goodbye = lab.request(lab.first, "REGISTER");
        assert_eq!(goodbye.headers.expires().unwrap(), Some(0));
        lab.reply(lab.first, &goodbye, refusal, &[]);
        lab.net.settle();
        let register = lab.request(lab.first, "REGISTER");
        assert_eq!(register.headers.expires().unwrap(), Some(3600));
        lab.reply(lab.first, &register, 200, &[]);
        lab.net.settle();
        assert!(lab.is_registered());
        lab.net.run_for(Duration::from_secs(3250));
        assert_eq!(lab.request(lab.first, "REGISTER").headers.expires().unwrap(), Some(3600), "once");
    }
}

/// ICMP: the next server is asked at once; one that is alone may be starting, and the REGISTER and the INVITE are sent again.
#[test]
fn a_server_that_icmp_calls_absent_is_left_only_for_another_one() {
    for (second, expected) in [(SECOND.parse().ok(), 1), (None, 0)] {
        let mut given = given();
        (given.lines[0].second_registrar, given.lines[0].second_proxy) = (second, None);
        let mut lab = Lab::new(given);
        let flow = *lab.net.nodes[0].flows.keys().next().unwrap();
        lab.net.input(0, Input::Refused { flow, remote: lab.first });
        lab.net.settle();
        assert_eq!(lab.net.titles(lab.second).len(), expected);
    }
    let mut lab = Lab::new(direct("10.0.0.1", "200", FIRST));
    lab.net.dial(0, "100");
    lab.net.settle();
    let flow = *lab.net.nodes[0].flows.keys().next().unwrap();
    lab.net.input(0, Input::Refused { flow, remote: lab.first });
    lab.net.received(lab.first);
    lab.net.run_for(Duration::from_secs(2));
    assert_eq!(lab.net.titles(lab.first)[0], "INVITE", "again, by timer A");
}
