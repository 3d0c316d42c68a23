//! Whose a call is, and whether it says so.

use sip_stack::Command;
use sip_wire::Request;
use testbed::virtual_net::peer::PCMU;

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

/// INVITE, re-INVITE and BYE of one call.
fn requests_of_a_call(rows: Rowset) -> [Request; 3] {
    let mut lab = Lab::calling(rows);
    let (call, invite) = lab.dial();
    lab.accept(&invite, PCMU);
    lab.command(Command::Hold(call));
    let hold = lab.first("INVITE");
    lab.accept(&hold, &format!("{PCMU}a=recvonly\r\n"));
    lab.command(Command::Hangup(call));
    [invite, hold, lab.first("BYE")]
}

/// B322; RFC 3325 9.1: not in ACK, nor in REGISTER.
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

/// B322; RFC 3323, RFC 3325 9.3: what an anonymous call asks for is asked for as long as it lasts.
#[test]
fn privacy_tells_the_servers_whether_they_may_pass_it_on() {
    let privacy = |rows: Rowset| requests_of_a_call(rows).map(|request| request.headers.get("Privacy").map(str::to_owned));
    for blocked in ["N", "Y"] {
        assert_eq!(privacy(&[("BLOCK_CALLER_ID_1", blocked), ("SIP_PRIVACY_1", "N")]), [None, None, None]);
    }
    let three = |value: &str| [(); 3].map(|()| Some(value.to_owned()));
    assert_eq!(privacy(&[("SIP_PRIVACY_1", "Y")]), three("none"));
    assert_eq!(privacy(&[("SIP_PRIVACY_1", "Y"), ("BLOCK_CALLER_ID_1", "Y")]), three("id"));
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
