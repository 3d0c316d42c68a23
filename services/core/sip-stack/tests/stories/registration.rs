//! Registration (RFC 3261 10; B185, B211, B312, B318, B319, B320) against a scripted registrar.

mod changing;
mod elsewhere;
mod refused;

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, Event, FlowId, Input, LineState, StackSettings};
use sip_wire::{Request, Response};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{answer, at, request_of};

use crate::given::settings;

const REGISTRAR: &str = "10.0.0.9:5060";

pub struct Lab {
    pub net: Net,
    pub registrar: SocketAddr,
}

impl Lab {
    pub fn new(settings: StackSettings) -> Lab {
        let mut net = Net::new();
        let registrar = net.peer(REGISTRAR);
        net.stack(settings);
        net.settle();
        Lab { net, registrar }
    }

    /// The only REGISTER that came, perhaps several times.
    pub fn register(&mut self) -> Request {
        let got = self.net.received(self.registrar);
        assert!(!got.is_empty(), "no REGISTER\n{}", self.net.story());
        assert!(got.iter().all(|other| *other == got[0]), "{}", self.net.story());
        request_of(&got[0]).clone()
    }

    pub fn reply(&mut self, response: Response) {
        self.net.send(self.registrar, self.net.nodes[0].ip, response.to_bytes());
        self.net.settle();
    }

    pub fn grant(&mut self, register: &Request, expires: u32) {
        let mut ok = answer(register, 200, "r");
        ok.headers.push("Contact", register.headers.contact().unwrap().first().unwrap().clone().with_param("expires", expires));
        self.reply(ok);
    }

    pub fn refuse(&mut self, register: &Request, code: u16, extra: &[(&str, &str)]) {
        let mut response = answer(register, code, "r");
        for (name, value) in extra {
            response.headers.push(*name, *value);
        }
        self.reply(response);
    }

    fn line(&self) -> LineState {
        self.net.line(0)
    }
}

fn lab() -> Lab {
    Lab::new(settings("10.0.0.1", "200", Some(REGISTRAR)))
}

fn digest(extra: &str) -> String {
    format!("Digest realm=\"lab\", nonce=\"n1\"{extra}")
}

fn authorization(request: &Request) -> sip_wire::Credentials {
    request.headers.authorization().unwrap().remove(0)
}

#[test]
fn registration_starts_at_once_when_settings_arrive() {
    let mut lab = lab();
    let register = lab.register();
    assert_eq!(register.headers.expires().unwrap(), Some(3600));
    assert_eq!(lab.line(), LineState::Registering { last_error: String::new() });
    lab.grant(&register, 120);
    let state = LineState::Registered { registrar: REGISTRAR.into(), expires: 120 };
    assert_eq!(lab.line(), state);
    assert_eq!(lab.net.nodes[0].events.last(), Some(&Event::Line(LineNumber::new(1).unwrap(), state)));
}

/// B12: where the cable leads now nobody knows, and what was said without a link is lost.
#[test]
fn lines_register_at_once_when_the_link_is_back() {
    let plug = |lab: &mut Lab| {
        lab.net.faults.loss = 0;
        lab.net.input(0, Input::LinkUp);
        lab.net.settle();
        lab.register()
    };
    // Bound, while the first REGISTER waits for its answer, and while the next one waits for its time.
    let mut bound = lab();
    let first = bound.register();
    bound.grant(&first, 3600);
    let again = plug(&mut bound);
    assert_eq!(again.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1);
    bound.grant(&again, 3600);
    for seconds in [12, 35] {
        let mut lab = lab();
        lab.register();
        lab.net.faults.loss = 100;
        lab.net.run_for(Duration::from_secs(seconds));
        let register = plug(&mut lab);
        lab.grant(&register, 3600);
        assert!(matches!(lab.line(), LineState::Registered { .. }), "{seconds}");
    }
}

/// B12: so was the question for the registrar's name.
#[test]
fn a_name_is_asked_for_again_when_the_link_is_back() {
    let mut given = settings("10.0.0.1", "200", Some("reg.example.com"));
    given.lines[0].enabled = false;
    let mut lab = Lab::new(given.clone());
    let registrar = lab.registrar;
    let phone = &mut lab.net.nodes[0];
    (phone.deaf, phone.names) = (true, [("reg.example.com".to_owned(), vec![registrar])].into());
    given.lines[0].enabled = true;
    lab.net.input(0, Input::Settings(Box::new(given)));
    lab.net.settle();
    assert_eq!(lab.net.nodes[0].asked.len(), 1);
    lab.net.nodes[0].deaf = false;
    lab.net.input(0, Input::LinkUp);
    lab.net.settle();
    let register = lab.register();
    lab.grant(&register, 3600);
    assert_eq!((lab.net.nodes[0].asked.len(), lab.net.nodes[0].stack.load().queries), (2, 0));
}

/// After a power cut the links of a house come up together.
#[test]
fn a_link_that_comes_up_first_does_not_undo_the_spread() {
    let mut net = Net::new();
    let registrar = net.peer(REGISTRAR);
    net.switched_on(settings("10.0.0.1", "200", Some(REGISTRAR)));
    net.input(0, Input::LinkUp);
    net.settle();
    assert!(net.titles(registrar).is_empty());
}

/// B319 and B320.
#[test]
fn the_request_uri_carries_the_port_as_b319_wants_and_user_phone_as_b320_wants() {
    assert_eq!(lab().register().uri.as_str(), "sip:10.0.0.9:5060");
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].request_uri_port = false;
    given.lines[0].user_phone = true;
    let register = Lab::new(given).register();
    assert_eq!(register.uri.as_str(), "sip:10.0.0.9");
    assert_eq!(register.headers.to().unwrap().uri.as_str(), "sip:200@10.0.0.9;user=phone");
}

/// B312: percent of what was granted, not of what was asked; in the same Call-ID with the next number.
#[test]
fn refresh_comes_at_the_rate_of_what_was_granted() {
    let mut lab = lab();
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.run_for(Duration::from_millis(89_500));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.run_for(Duration::from_secs(1));
    let second = lab.register();
    assert_eq!(second.headers.call_id().unwrap(), first.headers.call_id().unwrap());
    assert_eq!(second.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1);
    lab.grant(&second, 100);
    lab.net.run_for(Duration::from_secs(3600));
    assert!(matches!(lab.line(), LineState::Registering { .. }), "nobody answered for an hour");
}

#[test]
fn a_challenge_is_answered_with_qop_auth_and_counted() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\", opaque=\"o\""))]);
    let second = lab.register();
    let credentials = authorization(&second);
    assert_eq!((credentials.get("username"), credentials.get("nc")), (Some("200"), Some("00000001")));
    assert_eq!((credentials.get("opaque"), credentials.get("qop")), (Some("o"), Some("auth")));
    lab.grant(&second, 10);
    lab.net.run_for(Duration::from_secs(9));
    let third = lab.register();
    assert_eq!(authorization(&third).get("nc"), Some("00000002"), "answered beforehand, with the next count");
}

/// RFC 7616 3.5: the nonce of the next request, which is counted from 1 again. It names no realm: where several are known it is
/// nobody's.
#[test]
fn the_next_nonce_of_an_answer_is_used_without_another_challenge() {
    for (realms, expected) in [(1, ("n2", "00000001")), (2, ("n1", "00000002"))] {
        let mut lab = lab();
        let first = lab.register();
        let two = [digest(", qop=\"auth\""), "Digest realm=\"other\", nonce=\"n1\", qop=\"auth\"".into()];
        let challenges: Vec<_> = two.iter().take(realms).map(|challenge| ("WWW-Authenticate", challenge.as_str())).collect();
        lab.refuse(&first, 401, &challenges);
        let second = lab.register();
        let mut ok = answer(&second, 200, "r");
        ok.headers.push("Contact", second.headers.contact().unwrap().first().unwrap().clone().with_param("expires", 10));
        ok.headers.push("Authentication-Info", "qop=auth, nextnonce=\"n2\"");
        lab.reply(ok);
        lab.net.run_for(Duration::from_secs(9));
        let third = authorization(&lab.register());
        assert_eq!((third.get("nonce").unwrap(), third.get("nc").unwrap()), expected, "{realms}");
    }
}

#[test]
fn without_qop_the_old_digest_is_sent() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 401, &[("WWW-Authenticate", &digest(""))]);
    let credentials = authorization(&lab.register());
    assert_eq!((credentials.get("qop"), credentials.get("nc"), credentials.get("cnonce")), (None, None, None));
}

/// RFC 8760 2.4 lets us choose: the strongest, in whatever order the server writes them.
#[test]
fn of_several_challenges_the_strongest_that_can_be_answered_is_taken() {
    let (unknown, sha, md5) =
        (digest(", algorithm=AKAv1-MD5"), digest(", algorithm=SHA-256, qop=\"auth\""), digest(", algorithm=MD5"));
    let answered = |challenges: &[&String]| {
        let mut lab = lab();
        let first = lab.register();
        let headers: Vec<(&str, &str)> = challenges.iter().map(|text| ("WWW-Authenticate", text.as_str())).collect();
        lab.refuse(&first, 401, &headers);
        let second = lab.register();
        assert_eq!(second.headers.authorization().unwrap().len(), 1);
        (authorization(&second).algorithm().to_owned(), authorization(&second).get("response").unwrap().len())
    };
    for order in [[&unknown, &sha, &md5], [&md5, &sha, &unknown], [&md5, &unknown, &sha]] {
        assert_eq!(answered(&order), ("SHA-256".to_owned(), 64), "{order:?}");
    }
    let strongest = digest(", algorithm=SHA-512-256, qop=\"auth\"");
    assert_eq!(answered(&[&sha, &md5, &strongest]).0, "SHA-512-256");
    assert_eq!(answered(&[&unknown, &md5]).0, "MD5");
}

/// RFC 3261 22.3: a proxy's 407 first, then the registrar's 401: the request carries both.
#[test]
fn a_proxy_and_the_registrar_may_both_challenge() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 407, &[("Proxy-Authenticate", &digest(", qop=\"auth\""))]);
    let second = lab.register();
    lab.refuse(&second, 401, &[("WWW-Authenticate", "Digest realm=\"inner\", nonce=\"n2\", qop=\"auth\"")]);
    let third = lab.register();
    assert_eq!(authorization(&third).get("realm"), Some("inner"));
    let proxy = third.headers.proxy_authorization().unwrap();
    assert_eq!((proxy[0].get("realm"), proxy[0].get("nc")), (Some("lab"), Some("00000002")));
}

/// RFC 7616 3.3: stale means that only the nonce was old.
#[test]
fn a_stale_nonce_is_no_wrong_password() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\""))]);
    let second = lab.register();
    let fresh = "Digest realm=\"lab\", nonce=\"n2\", qop=\"auth\", stale=true";
    lab.refuse(&second, 401, &[("WWW-Authenticate", fresh)]);
    let third = lab.register();
    let credentials = authorization(&third);
    assert_eq!((credentials.get("nonce"), credentials.get("nc")), (Some("n2"), Some("00000001")));
    lab.grant(&third, 60);
    assert!(matches!(lab.line(), LineState::Registered { .. }));
}

/// An old nonce that was answered beforehand may be refused without `stale`: the fresh one gets its answer.
#[test]
fn credentials_sent_beforehand_may_be_challenged_anew() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\""))]);
    let second = lab.register();
    lab.grant(&second, 10);
    lab.net.run_for(Duration::from_secs(9));
    let refresh = lab.register();
    lab.refuse(&refresh, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n2\", qop=\"auth\"")]);
    assert_eq!(authorization(&lab.register()).get("nonce"), Some("n2"));
}

/// B211: 403 is for good.
#[test]
fn after_403_no_register_follows() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 403, &[]);
    assert!(matches!(lab.line(), LineState::Failed { reason } if reason.contains("403")));
    lab.net.input(0, Input::LinkUp);
    lab.net.settle();
    assert!(lab.net.titles(REGISTRAR.parse().unwrap()).is_empty(), "a link that flaps is no person who asks for it");
    lab.net.run_for(Duration::from_secs(86_400));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.command(0, Command::Register(LineNumber::new(1).unwrap()));
    lab.net.settle();
    let again = lab.register();
    lab.grant(&again, 60);
    assert!(matches!(lab.line(), LineState::Registered { .. }));
}

/// REG_RTX_INTVL_n, and Retry-After where the server says it.
#[test]
fn a_failure_is_retried_after_the_interval_or_what_the_server_wants() {
    let mut lab = lab();
    let first = lab.register();
    lab.refuse(&first, 500, &[]);
    assert!(matches!(lab.line(), LineState::Registering { last_error } if last_error.contains("500")));
    lab.net.run_for(Duration::from_millis(9_800));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.run_for(Duration::from_millis(2_800));
    let second = lab.register();
    lab.refuse(&second, 503, &[("Retry-After", "60")]);
    lab.net.run_for(Duration::from_secs(59));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.run_for(Duration::from_secs(2));
    assert_eq!(lab.register().headers.cseq().unwrap().number, 3);
}

/// RFC 3261 10.2.8.
#[test]
fn too_brief_an_interval_is_raised_once() {
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].register_expires = 60;
    let mut lab = Lab::new(given);
    let first = lab.register();
    lab.refuse(&first, 423, &[("Min-Expires", "1800")]);
    let second = lab.register();
    assert_eq!(second.headers.expires().unwrap(), Some(1800));
    lab.refuse(&second, 423, &[("Min-Expires", "1800")]);
    assert!(lab.net.titles(lab.registrar).is_empty(), "the same demand again is a failure, not a loop");
}

/// RFC 3261 17.1.2: a silent registrar is asked 11 times in 32 s, then after REG_RTX_INTVL_n again.
#[test]
fn a_silent_registrar_is_asked_again_and_the_line_says_so() {
    let mut lab = lab();
    lab.net.run_for(Duration::from_secs(33));
    assert_eq!(lab.net.titles(lab.registrar).len(), 11);
    assert!(matches!(lab.line(), LineState::Registering { last_error } if last_error == "no answer"));
    lab.net.run_for(Duration::from_millis(12_600));
    let again = lab.net.received(lab.registrar);
    lab.grant(request_of(again.first().unwrap()), 60);
    assert!(matches!(lab.line(), LineState::Registered { .. }));
}

/// A binding lasts until its time is over, whatever a refresh meets.
#[test]
fn a_binding_outlives_a_failed_refresh_until_its_time_is_over() {
    let mut lab = lab();
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.run_for(Duration::from_secs(91));
    let refresh = lab.register();
    lab.refuse(&refresh, 503, &[("Retry-After", "3600")]);
    assert!(matches!(lab.line(), LineState::Registered { .. }));
    lab.net.run_for(Duration::from_secs(10));
    assert!(matches!(lab.line(), LineState::Registering { .. }));
}

/// ICMP: no need to wait for timer F.
#[test]
fn an_unreachable_registrar_is_known_at_once() {
    let mut lab = lab();
    let _ = lab.register();
    lab.net.input(0, Input::Unreachable { flow: FlowId(1), remote: lab.registrar });
    assert!(matches!(lab.line(), LineState::Registering { last_error } if last_error.contains("reach")));
}

/// B318: USE_DEL_REG_CLOSE_n, with credentials where they are asked for.
#[test]
fn stop_cancels_the_registration_where_configured() {
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].unregister_on_stop = true;
    let mut lab = Lab::new(given);
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.command(0, Command::Stop);
    lab.net.settle();
    let goodbye = lab.register();
    assert_eq!(goodbye.headers.expires().unwrap(), Some(0));
    assert!(!lab.net.nodes[0].events.contains(&Event::Stopped));
    lab.refuse(&goodbye, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\""))]);
    let signed = lab.register();
    assert_eq!(signed.headers.expires().unwrap(), Some(0));
    lab.grant(&signed, 0);
    assert_eq!(lab.net.nodes[0].events.last(), Some(&Event::Stopped));
}

#[test]
fn stop_without_that_setting_says_nothing_and_is_done_at_once() {
    let mut lab = lab();
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.command(0, Command::Stop);
    assert!(lab.net.nodes[0].events.contains(&Event::Stopped));
    lab.net.run_for(Duration::from_secs(3600));
    assert!(lab.net.titles(lab.registrar).is_empty());
}

#[test]
fn stop_does_not_wait_for_a_silent_registrar_for_ever() {
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].unregister_on_stop = true;
    let mut lab = Lab::new(given);
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.command(0, Command::Stop);
    lab.net.run_for(Duration::from_secs(4));
    assert_eq!(lab.net.nodes[0].events.iter().filter(|event| **event == Event::Stopped).count(), 1);
}

/// A name is resolved, with SRV where no port is fixed (B314); registrar in words keeps the name.
#[test]
fn a_registrar_by_name_is_resolved_first() {
    let mut net = Net::new();
    let registrar = net.peer(REGISTRAR);
    let mut given = settings("10.0.0.1", "200", Some("sip.example.com"));
    given.lines[0].srv_prefix = Some("_sip._udp.".into());
    let phone = net.stack(given.clone());
    assert_eq!(net.nodes[phone].asked, [("sip.example.com".to_owned(), None, Some("_sip._udp.".to_owned()))]);
    assert!(matches!(net.line(phone), LineState::Registering { last_error } if last_error.contains("resolved")));
    net.nodes[phone].names.insert("sip.example.com".into(), vec![registrar]);
    net.run_for(Duration::from_secs(13));
    let got = net.received(registrar);
    let register = request_of(&got[0]);
    assert_eq!(register.uri.as_str(), "sip:sip.example.com");
    net.send(registrar, net.nodes[phone].ip, at(answer(register, 200, "r"), registrar).to_bytes());
    net.settle();
    assert!(matches!(net.line(phone), LineState::Registered { registrar, .. } if registrar == "sip.example.com:5060"));
}

/// RFC 3261 8.1.2: an outbound proxy is a preloaded loose route.
#[test]
fn an_outbound_proxy_gets_the_register_with_its_route() {
    let mut given = settings("10.0.0.1", "200", Some("10.0.0.77:5060"));
    given.lines[0].outbound_proxy = Some(crate::given::server_of(REGISTRAR));
    let mut lab = Lab::new(given);
    let register = lab.register();
    assert_eq!(register.uri.as_str(), "sip:10.0.0.77:5060");
    assert_eq!(register.headers.route().unwrap()[0].uri.as_str(), "sip:10.0.0.9:5060;lr");
}

/// The least that is needed: settings that do not concern the registration leave it alone.
#[test]
fn only_settings_of_the_registration_register_anew() {
    let mut lab = lab();
    let first = lab.register();
    lab.grant(&first, 100);
    let mut other = settings("10.0.0.1", "200", Some(REGISTRAR));
    other.lines[0].codecs = vec![sip_stack::Codec::Pcmu];
    other.ptime_ms = 30;
    lab.net.input(0, Input::Settings(Box::new(other.clone())));
    lab.net.settle();
    assert!(lab.net.titles(lab.registrar).is_empty());
    other.lines[0].user = "201".into();
    lab.net.input(0, Input::Settings(Box::new(other)));
    lab.net.settle();
    assert_eq!(lab.register().headers.from().unwrap().uri.as_str(), "sip:201@10.0.0.9");
}

#[test]
fn lines_that_are_off_or_empty_say_so_and_send_nothing() {
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].enabled = false;
    let mut lab = Lab::new(given.clone());
    assert_eq!(lab.line(), LineState::Disabled);
    assert!(lab.net.nodes[0].opened.is_empty() && lab.net.titles(lab.registrar).is_empty());
    given.lines[0].enabled = true;
    given.lines[0].user = String::new();
    lab.net.input(0, Input::Settings(Box::new(given)));
    assert_eq!(lab.line(), LineState::Unconfigured);
}

#[test]
fn a_socket_that_cannot_be_had_is_said_and_asked_for_again() {
    let mut net = Net::new();
    let registrar = net.peer(REGISTRAR);
    let phone = net.stack({
        let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
        given.lines[0].enabled = false;
        given
    });
    net.nodes[phone].no_sockets = true;
    net.input(phone, Input::Settings(Box::new(settings("10.0.0.1", "200", Some(REGISTRAR)))));
    assert!(matches!(net.line(phone), LineState::Registering { last_error } if last_error.contains("address in use")));
    net.nodes[phone].no_sockets = false;
    net.run_for(Duration::from_millis(1200));
    assert_eq!(net.titles(registrar), ["REGISTER"]);
}

/// A new port: the old socket is closed, the new one registers.
#[test]
fn a_new_source_port_moves_the_socket() {
    let mut lab = lab();
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.run_for(Duration::from_secs(6));
    let mut moved = settings("10.0.0.1", "200", Some(REGISTRAR));
    moved.lines[0].source_port = 5066;
    lab.net.input(0, Input::Settings(Box::new(moved)));
    lab.net.settle();
    let locals: Vec<String> = lab.net.nodes[0].flows.values().map(SocketAddr::to_string).collect();
    assert_eq!(locals, ["10.0.0.1:5066"]);
    assert!(lab.register().headers.get("Contact").unwrap().contains("5066"));
}

/// Link-up: no timer is waited for.
#[test]
fn registration_starts_at_once_when_an_address_comes() {
    let mut lab = Lab::new({
        let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
        given.lines[0].enabled = false;
        given
    });
    let mut none = settings("10.0.0.1", "200", Some(REGISTRAR));
    none.addresses.clear();
    lab.net.input(0, Input::Settings(Box::new(none)));
    assert!(matches!(lab.line(), LineState::Registering { last_error } if last_error.contains("no network")));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.input(0, Input::Settings(Box::new(settings("10.0.0.1", "200", Some(REGISTRAR)))));
    lab.net.settle();
    lab.register();
}

#[test]
fn a_registrar_that_keeps_nothing_is_a_failure_and_no_storm() {
    let mut lab = lab();
    let first = lab.register();
    lab.grant(&first, 0);
    assert!(matches!(lab.line(), LineState::Registering { last_error } if last_error.contains("no binding")));
    lab.net.run_for(Duration::from_secs(9));
    assert!(lab.net.titles(lab.registrar).is_empty());
}

/// A rate of 100 percent refreshes at the last moment without a flicker.
#[test]
fn a_refresh_at_the_last_moment_does_not_flicker() {
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].register_interval_rate = 100;
    let mut lab = Lab::new(given);
    let first = lab.register();
    lab.grant(&first, 60);
    let told = lab.net.nodes[0].events.len();
    lab.net.run_for(Duration::from_secs(60));
    let refresh = lab.register();
    lab.grant(&refresh, 60);
    assert_eq!(lab.net.nodes[0].events.len(), told, "{:?}", lab.net.nodes[0].events);
}
