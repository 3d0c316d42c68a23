//! Whose a call is, and whether it says so.

use sip_stack::{Command, ReferTarget, RelayedDigit};
use sip_wire::{Request, Response};
use testbed::virtual_net::peer::{PCMU, answer, at, requests, response_of, with_sdp};

use crate::configured::{Lab, Rowset};

fn invite(rows: Rowset) -> Request {
    Lab::calling(rows).dial().1
}

fn from_of(rows: Rowset) -> String {
    let from = invite(rows).headers.from().unwrap();
    let name = from.display_name.unwrap_or_default();
    format!("{name}<{}>", from.uri)
}

fn user_of_contact(request: &Request) -> Option<String> {
    request.headers.contact().unwrap().first().unwrap().uri.user().map(str::to_owned)
}

/// With the other rows as they come from the factory only the display name hides who calls.
#[test]
fn a_caller_who_blocks_the_number_is_anonymous() {
    let named = ("DISPLAY_NAME_1", "Ada");
    assert_eq!(from_of(&[named, ("BLOCK_CALLER_ID_1", "N")]), "Ada<sip:200@10.0.0.9>");
    assert_eq!(from_of(&[named, ("BLOCK_CALLER_ID_1", "Y")]), "Anonymous<sip:200@10.0.0.9>");
}

/// B321.
#[test]
fn the_display_name_of_an_anonymous_call() {
    let from = |part| from_of(&[("DISPLAY_NAME_1", "Ada"), ("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_DISPNAME_1", part)]);
    let of_each = ["0", "1", "2"].map(from);
    assert_eq!(of_each, ["Ada<sip:200@10.0.0.9>", "Anonymous<sip:200@10.0.0.9>", "<sip:200@10.0.0.9>"]);
    let open = [("DISPLAY_NAME_1", "Ada"), ("SIP_ANM_DISPNAME_1", "2")];
    assert_eq!(from_of(&open), "Ada<sip:200@10.0.0.9>", "of anonymous calls only");
}

/// B321: also in Contact, which would tell the number as well.
#[test]
fn the_user_of_an_anonymous_call() {
    let parts =
        [("0", "sip:200@10.0.0.9", Some("200")), ("1", "sip:anonymous@10.0.0.9", Some("anonymous")), ("2", "sip:10.0.0.9", None)];
    for (part, from, contact) in parts {
        let invite = invite(&[("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_USERNAME_1", part), ("SIP_ANM_DISPNAME_1", "2")]);
        assert_eq!(invite.headers.from().unwrap().uri.to_string(), from);
        assert_eq!(user_of_contact(&invite).as_deref(), contact);
        assert_eq!(user_of_contact(&invite).is_some_and(|user| user == "200"), part == "0");
    }
    assert_eq!(user_of_contact(&invite(&[("SIP_ANM_USERNAME_1", "1")])).as_deref(), Some("200"), "of anonymous calls only");
}

/// B320, B321: anonymous is no telephone number.
#[test]
fn user_phone_goes_with_the_number() {
    let from = |part| from_of(&[("BLOCK_CALLER_ID_1", "Y"), ("ADD_USER_PHONE_1", "Y"), ("SIP_ANM_USERNAME_1", part)]);
    assert_eq!(from("0"), "Anonymous<sip:200@10.0.0.9;user=phone>");
    assert_eq!(from("1"), "Anonymous<sip:anonymous@10.0.0.9>");
}

/// B321.
#[test]
fn the_host_of_an_anonymous_call() {
    let from = |hidden| from_of(&[("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_HOSTNAME_1", hidden)]);
    assert_eq!(["N", "Y"].map(from), ["Anonymous<sip:200@10.0.0.9>", "Anonymous<sip:200@anonymous.invalid>"]);
    assert_eq!(from_of(&[("SIP_ANM_HOSTNAME_1", "Y")]), "<sip:200@10.0.0.9>", "of anonymous calls only");
}

/// One request of each kind that a call of ours sends, in order: INVITE, PRACK, UPDATE, INFO, INVITE, NOTIFY, REFER, BYE.
fn requests_of_a_call(rows: Rowset) -> Vec<Request> {
    requests_towards(&mut Lab::calling(&with_everything(rows)))
}

fn with_everything<'a>(rows: Rowset<'a>) -> Vec<(&'a str, &'a str)> {
    [&[("SIP_100REL_ENABLE_1", "Y"), ("SIP_SESSION_TIME_1", "90"), ("SIP_SESSION_METHOD_1", "1")], rows].concat()
}

fn requests_towards(lab: &mut Lab) -> Vec<Request> {
    let (call, invite) = lab.dial();
    let mut ringing = at(answer(&invite, 180, "f"), lab.far);
    ringing.headers.push("Require", "100rel");
    ringing.headers.push("RSeq", 1);
    lab.say(ringing);
    let prack = lab.first("PRACK");
    lab.say(answer(&prack, 200, "f"));
    let sdp = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n".to_owned() + PCMU;
    let mut accepted = with_sdp(at(answer(&invite, 200, "f"), lab.far), &sdp);
    accepted.headers.push("Session-Expires", "90;refresher=uac");
    lab.say(accepted);
    lab.seconds(46);
    let update = lab.first("UPDATE");
    lab.say(answer(&update, 200, "f"));
    lab.command(Command::SendDigits(call, vec![RelayedDigit { digit: '1', duration_ms: 100 }]));
    let info = lab.first("INFO");
    lab.say(answer(&info, 200, "f"));
    lab.command(Command::Hold(call));
    let hold = lab.first("INVITE");
    lab.accept(&hold, &format!("{PCMU}a=recvonly\r\n"));
    let theirs = their_request(lab, &invite, "REFER", "Refer-To: <sip:300@10.0.0.9>\r\n");
    assert_eq!(theirs.status.code(), 202);
    let notify = lab.first("NOTIFY");
    lab.say(answer(&notify, 200, "f"));
    lab.command(Command::Refer { call, target: ReferTarget::Address("301".into()) });
    let refer = lab.first("REFER");
    lab.say(answer(&refer, 603, "f"));
    lab.command(Command::Hangup(call));
    vec![invite, prack, update, info, hold, notify, refer, lab.first("BYE")]
}

/// A request of the far end in the dialog of a call of ours; the answer. What else the phone has sent is still to be got.
fn their_request(lab: &mut Lab, invite: &Request, method: &str, extra: &str) -> Response {
    let said = |name: &str| invite.headers.get(name).unwrap().to_owned();
    let number = 1 + lab.net.log.len();
    let text = format!(
        "{method} sip:200@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKt{number}\r\nMax-Forwards: 70\r\n\
         From: {};tag=f\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContact: <sip:far@10.0.0.9:5060>\r\n{extra}\
         Content-Length: 0\r\n\r\n",
        said("To"),
        said("From"),
        said("Call-ID"),
    );
    lab.net.send(lab.far, lab.net.nodes[0].ip, text.into_bytes());
    lab.net.settle();
    let phone = lab.net.nodes[0].ip;
    let answers = lab.net.log.iter().rev().filter(|sent| sent.from == phone && sent.title().ends_with(&format!(" {method}")));
    let answer = answers.map(|sent| sip_wire::parse_datagram(&sent.bytes).unwrap()).next();
    response_of(&answer.unwrap_or_else(|| panic!("{}", lab.net.story()))).clone()
}

/// B322; RFC 3325 9.1, RFC 5876 3: not in ACK, nor in REGISTER.
#[test]
fn p_preferred_identity_tells_the_servers_whose_the_call_is() {
    for (wanted, expected) in [("N", None), ("Y", Some("\"Ada\" <sip:200@10.0.0.9>"))] {
        let hidden = [("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_USERNAME_1", "1")];
        let rows = [&hidden[..], &[("DISPLAY_NAME_1", "Ada"), ("SIP_P_PREFERRED_ID_1", wanted)]].concat();
        for request in requests_of_a_call(&rows) {
            assert_eq!(request.headers.get("P-Preferred-Identity"), expected, "{}", request.method);
        }
        assert!(!Lab::registering(&rows).register().headers.has("P-Preferred-Identity"));
    }
}

/// B322; RFC 3325 9.2: it goes to a proxy that the user agent trusts, directly, and to nobody else. Here the proxy does not stay
/// on the way, and the far end would read there what From hides.
#[test]
fn p_preferred_identity_is_not_for_the_far_end() {
    let mut lab = Lab::calling(&[("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_USERNAME_1", "1"), ("SIP_P_PREFERRED_ID_1", "Y")]);
    let elsewhere = lab.net.peer("10.0.0.77:5060");
    let (call, invite) = lab.dial();
    assert!(invite.headers.has("P-Preferred-Identity"));
    let sdp = "v=0\r\no=- 7 7 IN IP4 10.0.0.77\r\ns=-\r\nc=IN IP4 10.0.0.77\r\nt=0 0\r\n".to_owned() + PCMU;
    lab.say(with_sdp(at(answer(&invite, 200, "f"), elsewhere), &sdp));
    lab.command(Command::Hold(call));
    let hold = requests(&lab.net.received(elsewhere), "INVITE")[0].clone();
    lab.net.send(elsewhere, lab.net.nodes[0].ip, with_sdp(at(answer(&hold, 200, "f"), elsewhere), &sdp).to_bytes());
    lab.net.settle();
    lab.command(Command::Hangup(call));
    let bye = requests(&lab.net.received(elsewhere), "BYE")[0].clone();
    for request in [hold, bye] {
        assert!(!request.headers.has("P-Preferred-Identity"), "{}", request.method);
    }
}

/// B322; RFC 3323, RFC 3325 9.3: what an anonymous call asks for is asked for as long as it lasts.
#[test]
fn privacy_tells_the_servers_whether_they_may_pass_it_on() {
    let privacy = |rows: Rowset| {
        let said = requests_of_a_call(rows).into_iter().map(|request| {
            let privacy = request.headers.get("Privacy").unwrap_or("-").to_owned();
            format!("{} {privacy}", request.method)
        });
        said.collect::<Vec<_>>()
    };
    let all = |value: &str| {
        ["INVITE", "PRACK", "UPDATE", "INFO", "INVITE", "NOTIFY", "REFER", "BYE"].map(|method| format!("{method} {value}"))
    };
    for blocked in ["N", "Y"] {
        assert_eq!(privacy(&[("BLOCK_CALLER_ID_1", blocked), ("SIP_PRIVACY_1", "N")]), all("-"));
    }
    assert_eq!(privacy(&[("SIP_PRIVACY_1", "Y")]), all("none"));
    assert_eq!(privacy(&[("SIP_PRIVACY_1", "Y"), ("BLOCK_CALLER_ID_1", "Y")]), all("id"));
}

/// B321; RFC 3323 4.1: the number stands nowhere in what the phone sends in an anonymous call, answers included.
#[test]
fn no_message_of_an_anonymous_call_tells_the_number() {
    for part in ["1", "2"] {
        let hidden =
            [("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_USERNAME_1", part), ("SIP_ANM_DISPNAME_1", "2"), ("SIP_PRIVACY_1", "Y")];
        let mut lab = Lab::calling(&with_everything(&[&hidden[..], &[("DISPLAY_NAME_1", "Ada")]].concat()));
        let requests = requests_towards(&mut lab);
        let (_, invite) = lab.dial();
        lab.accept(&invite, PCMU);
        for (method, extra) in [("UPDATE", ""), ("INVITE", ""), ("REFER", "Refer-To: <sip:300@10.0.0.9>\r\n"), ("OPTIONS", "")] {
            let answered = their_request(&mut lab, &invite, method, extra).status;
            assert!(answered.is_success(), "{method}: {answered}");
        }
        assert_eq!(requests.len(), 8);
        let phone = lab.net.nodes[0].ip;
        for sent in lab.net.log.iter().filter(|sent| sent.from == phone) {
            let text = String::from_utf8_lossy(&sent.bytes);
            let tells = |line: &str| line.contains("sip:200@") || line.contains("Ada");
            assert!(!text.lines().any(tells), "{text}");
        }
    }
}

/// A call stays as it was dialled, whatever is set while it lasts.
#[test]
fn an_anonymous_call_stays_anonymous() {
    let mut lab = Lab::calling(&[("BLOCK_CALLER_ID_1", "Y"), ("SIP_ANM_USERNAME_1", "1"), ("SIP_PRIVACY_1", "Y")]);
    let call = lab.talking();
    lab.configure(&[("BLOCK_CALLER_ID_1", "N"), ("SIP_ANM_USERNAME_1", "1"), ("SIP_PRIVACY_1", "Y")]);
    lab.command(Command::Hold(call));
    let hold = lab.first("INVITE");
    assert_eq!(hold.headers.get("Privacy"), Some("id"));
    assert_eq!(hold.headers.from().unwrap().uri.to_string(), "sip:anonymous@10.0.0.9");
    assert_eq!(user_of_contact(&hold).as_deref(), Some("anonymous"));
}
