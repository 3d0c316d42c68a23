//! The phone gets another address: answered calls go on at it where the far end takes that (RFC 3261 12.2 and 14, RFC 3264 8).

mod unanswered;

use std::time::Duration;

use sip_stack::{CallStage, Command, EndedBy, Input, LineState, RefreshMethod, StackSettings, Start};
use sip_wire::Request;
use testbed::virtual_net::peer::{PCMU, answer, at, body, requests, with_sdp};
use testbed::virtual_net::{MediaMode, Net};

use crate::calls::{pair, talking};
use crate::dialing::Dialled;
use crate::given::{direct, settings};
use crate::incoming::Called;

const FAR: &str = "10.0.0.9:5060";
const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";
/// Where the phone is then.
const NEW: &str = "10.0.0.101";

fn moved(mut given: StackSettings) -> Input {
    given.addresses = vec![NEW.parse().unwrap()];
    Input::Settings(Box::new(given))
}

fn move_there(net: &mut Net, node: usize, given: StackSettings) {
    net.input(node, moved(given));
    net.settle();
}

/// Where a stack sends its sound to, and where it receives.
fn sound(net: &Net, node: usize) -> (String, String) {
    let call = net.calls(node)[0].call;
    let leg = &net.nodes[node].media[&call].legs[0];
    (leg.remote.unwrap().to_string(), leg.local.to_string())
}

/// A call of the phone with a scripted far end, answered and acknowledged.
struct Lab {
    dialled: Dialled,
    given: StackSettings,
}

impl Lab {
    fn talking() -> Lab {
        let given = direct("10.0.0.1", "100", FAR);
        let mut dialled = Dialled::with(given.clone());
        dialled.say_with_sdp(200, "f", 40_000);
        assert_eq!(dialled.titles(), ["ACK"]);
        Lab { dialled, given }
    }

    /// The first re-INVITE that comes, and its answer by code and further lines.
    fn reinvite(&mut self) -> Request {
        let got = self.dialled.got();
        let all = requests(&got, "INVITE");
        assert!(!all.is_empty(), "{}", self.dialled.net.story());
        all[0].clone()
    }

    fn moves(&mut self) -> Request {
        move_there(&mut self.dialled.net, 0, self.given.clone());
        self.reinvite()
    }

    fn reply(&mut self, request: &Request, code: u16, lines: &[(&str, &str)]) {
        let mut response = at(answer(request, code, ""), self.dialled.far);
        if code == 200 && request.method.is_invite() {
            response = with_sdp(response, &format!("{SDP}{PCMU}"));
        }
        lines.iter().for_each(|(name, value)| response.headers.push(*name, *value));
        let to = format!("{NEW}:5060").parse().unwrap();
        self.dialled.net.send(self.dialled.far, to, response.to_bytes());
        self.dialled.net.settle();
    }

    fn goes_on(&self) -> bool {
        self.dialled.net.calls(0).len() == 1
    }
}

/// The address changes before the ACK of our answer is there: it never comes, and the call goes on at the new one all the same.
#[test]
fn a_call_whose_ack_went_to_the_old_address_goes_on() {
    let given = direct("10.0.0.1", "200", FAR);
    let mut called = Called::with(given.clone());
    called.invite(PCMU);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    move_there(&mut called.net, 0, given);
    called.net.run_for(Duration::from_secs(33));
    let got = called.got();
    let again = requests(&got, "INVITE");
    assert!(!again.is_empty(), "{}", called.net.story());
    assert_eq!(again[0].headers.contact().unwrap().first().unwrap().uri.host().unwrap().bare(), NEW);
    let ok = with_sdp(at(answer(again[0], 200, ""), called.caller.address), &called.caller.sdp(PCMU));
    called.net.send(called.caller.address, format!("{NEW}:5060").parse().unwrap(), ok.to_bytes());
    called.net.settle();
    assert_eq!(called.net.calls(0).len(), 1);
    assert_eq!(sound(&called.net, 0).1.split(':').next(), Some(NEW));
}

/// Two stacks: sound and later requests of both sides find the new address; the old socket is closed.
#[test]
fn a_call_goes_on_at_the_phones_new_address() {
    for (who_moves, who_ends) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut net = pair();
        let (ours, theirs) = talking(&mut net);
        let (own, user, other) = [("10.0.0.1", "100", "10.0.0.2:5060"), ("10.0.0.2", "200", "10.0.0.1:5060")][who_moves];
        move_there(&mut net, who_moves, direct(own, user, other));
        let (to_us, us) = (sound(&net, 1 - who_moves).0, sound(&net, who_moves).1);
        assert_eq!((to_us.as_str(), us.split(':').next().unwrap()), (us.as_str(), NEW));
        let call = [ours, theirs][who_ends];
        net.command(who_ends, Command::Hold(call));
        net.settle();
        assert!(net.calls(who_ends)[0].held_by_us && net.calls(1 - who_ends)[0].held_by_them);
        net.command(who_ends, Command::Hangup(call));
        net.settle();
        assert!(net.calls(0).is_empty() && net.calls(1).is_empty(), "{}", net.story());
        assert!(net.nodes.iter().all(|node| node.ended().unwrap().2 != EndedBy::Network));
        net.run_for(Duration::from_secs(110));
        net.assert_quiet();
        let sockets: Vec<String> = net.nodes[who_moves].flows.values().map(ToString::to_string).collect();
        assert_eq!(sockets, [format!("{NEW}:5060")]);
    }
}

/// RFC 3264 8: the origin stays, its version grows; Contact, Via and c= are the new ones; hold stays hold.
#[test]
fn the_reinvite_says_the_new_address_everywhere_but_in_the_origin() {
    for hold in [false, true] {
        let mut lab = Lab::talking();
        if hold {
            lab.dialled.net.command(0, Command::Hold(lab.dialled.call));
            lab.dialled.net.settle();
            let reinvite = lab.reinvite();
            let ok = with_sdp(at(answer(&reinvite, 200, ""), lab.dialled.far), &format!("{SDP}{PCMU}a=recvonly\r\n"));
            lab.dialled.send(ok);
            lab.dialled.titles();
        }
        let reinvite = lab.moves();
        assert_eq!(reinvite.headers.get("Contact"), Some("<sip:100@10.0.0.101:5060>"));
        assert_eq!(reinvite.headers.top_via().unwrap().host.to_string(), NEW);
        assert_eq!(lab.dialled.net.log.iter().rev().find(|sent| sent.title() == "INVITE").unwrap().from.ip().to_string(), NEW);
        let (first, now) = (body(&lab.dialled.invite.body), body(&reinvite.body));
        let origin =
            |sdp: &str| sdp.lines().find(|line| line.starts_with("o=")).unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (before, after) = (origin(&first), origin(&now));
        assert_eq!((&before[..2], &before[3..]), (&after[..2], &after[3..]));
        assert!(after[2].parse::<u64>().unwrap() > before[2].parse().unwrap());
        assert!(now.contains("c=IN IP4 10.0.0.101\r\n") && now.contains(if hold { "a=sendonly" } else { "a=sendrecv" }), "{now}");
        lab.reply(&reinvite, 200, &[]);
        assert_eq!((lab.dialled.titles(), lab.goes_on()), (vec!["ACK".to_owned()], true));
        assert_eq!(lab.dialled.net.calls(0)[0].held_by_us, hold);
    }
}

/// RFC 3261 14.1: a refusal leaves the session as the far end has it; 481 and silence end it (12.2.1.2).
#[test]
fn what_the_far_end_says_to_the_new_address_decides() {
    for (code, stays) in [(488, true), (403, true), (503, true), (481, false), (408, false)] {
        let mut lab = Lab::talking();
        let reinvite = lab.moves();
        lab.reply(&reinvite, code, &[]);
        assert_eq!(lab.goes_on(), stays, "{code}");
        assert_eq!(lab.dialled.titles().contains(&"BYE".to_owned()), !stays, "{code}");
        assert!(lab.dialled.net.nodes[0].hold().is_none());
    }
    let mut silent = Lab::talking();
    silent.moves();
    silent.dialled.net.run_for(Duration::from_secs(33));
    assert_eq!(silent.dialled.net.nodes[0].ended().unwrap().0, 408);
}

/// RFC 4028 7.4 is about what has not changed: where the phone is, has.
#[test]
fn a_refresh_after_a_move_that_was_refused_says_the_new_address() {
    let mut given = direct("10.0.0.1", "100", FAR);
    (given.lines[0].sessions.expires, given.lines[0].sessions.method) = (600, RefreshMethod::Reinvite);
    let mut dialled = Dialled::with(given.clone());
    let mut ok = with_sdp(at(answer(&dialled.invite, 200, "f"), dialled.far), &format!("{SDP}{PCMU}"));
    ok.headers.push("Session-Expires", "600;refresher=uac");
    dialled.send(ok);
    dialled.titles();
    let mut lab = Lab { dialled, given };
    let moves = lab.moves();
    lab.reply(&moves, 488, &[]);
    lab.dialled.titles();
    lab.dialled.net.run_for(Duration::from_secs(301));
    let refresh = lab.reinvite();
    assert!(body(&refresh.body).contains(&format!("c=IN IP4 {NEW}\r\n")), "{}", body(&refresh.body));
}

#[test]
fn a_glare_and_a_challenge_are_met_as_with_every_other_reinvite() {
    let mut lab = Lab::talking();
    let reinvite = lab.moves();
    lab.reply(&reinvite, 491, &[]);
    lab.dialled.titles();
    lab.dialled.net.run_for(Duration::from_secs(4));
    let again = lab.reinvite();
    assert_eq!(again.headers.get("Contact"), Some("<sip:100@10.0.0.101:5060>"));
    lab.reply(&again, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]);
    let signed = lab.reinvite();
    assert!(signed.headers.has("Authorization"));
    lab.reply(&signed, 200, &[]);
    assert!(lab.goes_on());
}

/// Nothing is said before media is there: at another port where the same one is taken; without media the call ends.
#[test]
fn media_moves_first() {
    let mut lab = Lab::talking();
    lab.dialled.net.nodes[0].mode = MediaMode::Taken(vec![16_000, 16_002]);
    let reinvite = lab.moves();
    assert!(body(&reinvite.body).contains("m=audio 16004 "), "{}", body(&reinvite.body));
    let mut silent = Lab::talking();
    silent.dialled.net.nodes[0].mode = MediaMode::Silent;
    move_there(&mut silent.dialled.net, 0, silent.given.clone());
    assert!(silent.dialled.titles().is_empty());
    silent.dialled.net.media_answers(0, silent.dialled.call, Ok(()));
    silent.dialled.net.settle();
    silent.reinvite();
    let mut none = Lab::talking();
    none.dialled.net.nodes[0].mode = MediaMode::Failed;
    move_there(&mut none.dialled.net, 0, none.given.clone());
    assert_eq!(none.dialled.titles(), ["BYE"]);
    assert!(none.dialled.net.nodes[0].ended().unwrap().1.contains("no media"));
}

/// What was on its way from the old address when that went is said again from the new one.
#[test]
fn a_hold_that_was_lost_with_the_old_address_is_said_again() {
    let mut lab = Lab::talking();
    lab.dialled.net.command(0, Command::Hold(lab.dialled.call));
    lab.dialled.net.settle();
    lab.dialled.titles();
    move_there(&mut lab.dialled.net, 0, lab.given.clone());
    lab.dialled.net.run_for(Duration::from_secs(33));
    let got = lab.dialled.got();
    let there =
        requests(&got, "INVITE").into_iter().find(|one| one.headers.top_via().unwrap().host.to_string() == NEW).unwrap().clone();
    lab.reply(&there, 200, &[]);
    let hold = lab.reinvite();
    assert!(body(&hold.body).contains("a=sendonly"));
    let call = lab.dialled.net.calls(0);
    assert_eq!((call.len(), call[0].stage), (1, CallStage::Talking));
}

/// The service starts again while media is still asked: the move goes on.
#[test]
fn a_restart_does_not_forget_the_move() {
    let mut lab = Lab::talking();
    lab.dialled.net.nodes[0].mode = MediaMode::Silent;
    move_there(&mut lab.dialled.net, 0, lab.given.clone());
    lab.dialled.net.nodes[0].mode = MediaMode::Ready;
    assert_eq!(lab.dialled.net.restart(0), Start::Restored);
    lab.dialled.net.settle();
    let reinvite = lab.reinvite();
    lab.reply(&reinvite, 200, &[]);
    assert!(lab.goes_on());
}

/// The address went while the service was away: the old socket cannot be had any more, and the call waits for the new one.
#[test]
fn an_address_that_went_during_a_restart_is_followed_as_well() {
    let mut lab = Lab::talking();
    lab.dialled.net.nodes[0].no_sockets = true;
    assert_eq!(lab.dialled.net.restart(0), Start::Restored);
    lab.dialled.net.run_for(Duration::from_secs(10));
    assert!(lab.goes_on() && lab.dialled.titles().is_empty());
    lab.dialled.net.nodes[0].no_sockets = false;
    let reinvite = lab.moves();
    lab.reply(&reinvite, 200, &[]);
    assert_eq!((lab.dialled.titles(), lab.goes_on()), (vec!["ACK".to_owned()], true));
}

/// The line registers at once and the call moves beside it; another mark on packets is no move.
#[test]
fn a_registered_line_registers_anew_and_only_another_address_moves_the_call() {
    let given = settings("10.0.0.1", "100", Some(FAR));
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(given.clone());
    net.settle();
    let reply = |net: &mut Net, request: &Request, phone: &str| {
        let mut response = at(answer(request, 200, "f"), far);
        if request.method.is_invite() {
            response = with_sdp(response, &format!("{SDP}{PCMU}"));
        }
        net.send(far, format!("{phone}:5060").parse().unwrap(), response.to_bytes());
        net.settle();
    };
    let register = requests(&net.received(far), "REGISTER")[0].clone();
    reply(&mut net, &register, "10.0.0.1");
    net.dial(0, "200");
    net.settle();
    let invite = requests(&net.received(far), "INVITE")[0].clone();
    reply(&mut net, &invite, "10.0.0.1");
    net.received(far);
    let mut marked = given.clone();
    marked.lines[0].dscp = 46;
    net.input(0, Input::Settings(Box::new(marked)));
    net.settle();
    assert!(!net.titles(far).contains(&"INVITE".to_owned()));
    move_there(&mut net, 0, given);
    let got = net.received(far);
    let contact = |method: &str| requests(&got, method)[0].headers.contact().unwrap().first().unwrap().uri.to_string();
    assert_eq!([contact("REGISTER"), contact("INVITE")], ["sip:100@10.0.0.101:5060", "sip:100@10.0.0.101:5060"]);
    for method in ["REGISTER", "INVITE"] {
        let request = requests(&got, method)[0].clone();
        reply(&mut net, &request, NEW);
    }
    assert!(matches!(net.line(0), LineState::Registered { .. }) && net.calls(0).len() == 1);
}
