//! Calls of ours against a scripted far end (RFC 3261 13.2, 9.1, 12.2, 17.1.1; RFC 6026; RFC 3264).

use std::net::SocketAddr;
use std::time::Duration;

use agreements::CallIdentity;
use sip_stack::{Codec, Command, Direction, EndedBy, Event, StackSettings};
use sip_wire::{Message, Request, Response};
use testbed::virtual_net::peer::{PCMU, answer, at, body, request_of, requests, with_sdp};
use testbed::virtual_net::{MediaMode, Net};

use crate::given::{direct, server_of};

const FAR: &str = "10.0.0.9:5060";
const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";

/// A phone that has dialled, and the far end that has its INVITE.
pub struct Dialled {
    pub net: Net,
    pub far: SocketAddr,
    pub call: CallIdentity,
    pub invite: Request,
}

impl Dialled {
    pub fn new() -> Dialled {
        Dialled::with(direct("10.0.0.1", "100", FAR))
    }

    pub fn with(settings: StackSettings) -> Dialled {
        let mut net = Net::new();
        let far = net.peer(FAR);
        net.stack(settings);
        let call = net.dial(0, "200");
        net.settle();
        let got = net.received(far);
        let invite = request_of(got.first().unwrap_or_else(|| panic!("{:?}", net.nodes[0].events))).clone();
        Dialled { net, far, call, invite }
    }

    pub fn send(&mut self, response: Response) {
        let to = self.net.nodes[0].ip;
        self.net.send(self.far, to, response.to_bytes());
        self.net.settle();
    }

    /// A response to the INVITE, without SDP.
    pub fn say(&mut self, code: u16, tag: &str) {
        let response = at(answer(&self.invite, code, tag), self.far);
        self.send(response);
    }

    /// With PCMU at that port.
    pub fn say_with_sdp(&mut self, code: u16, tag: &str, port: u16) {
        let sdp = format!("{SDP}{}", PCMU.replace("40000", &port.to_string()));
        let response = with_sdp(at(answer(&self.invite, code, tag), self.far), &sdp);
        self.send(response);
    }

    pub fn got(&mut self) -> Vec<Message> {
        self.net.received(self.far)
    }

    pub fn titles(&mut self) -> Vec<String> {
        self.net.titles(self.far)
    }

    /// Answers the first request of a method that came.
    pub fn reply_to(&mut self, got: &[Message], method: &str, code: u16) {
        let request = requests(got, method)[0].clone();
        self.send(answer(&request, code, "f"));
    }

    pub fn over(&mut self) {
        self.net.run_for(Duration::from_secs(70));
        self.net.assert_quiet();
    }
}

#[test]
fn an_invite_offers_what_is_enabled_and_playable_best_first() {
    let dialled = Dialled::new();
    let invite = &dialled.invite;
    assert_eq!(invite.uri.as_str(), "sip:200@10.0.0.9:5060");
    assert_eq!(invite.headers.to().unwrap().uri.as_str(), "sip:200@10.0.0.9");
    assert_eq!(invite.headers.get("User-Agent"), Some("Deskphone/test"));
    let sdp = body(&invite.body);
    assert!(sdp.contains("m=audio 16000 RTP/AVP 9 8 0 101\r\n"), "{sdp}");
    assert!(sdp.contains("a=rtpmap:101 telephone-event/8000\r\n") && sdp.contains("a=sendrecv\r\n"), "{sdp}");
    let told = dialled.net.nodes[0].events(|event| match event {
        Event::Dialing { sip_call_id, .. } => Some(sip_call_id.clone()),
        _ => None,
    });
    assert_eq!(told, [invite.headers.call_id().unwrap()]);
}

/// A codec that cannot be played is never offered; with it alone the call fails cleanly (5.3.1 of the guide).
#[test]
fn an_unplayable_codec_is_not_offered_and_alone_it_ends_the_call_with_the_reason() {
    let mut given = direct("10.0.0.1", "100", FAR);
    given.lines[0].codecs = vec![Codec::G729, Codec::Pcmu];
    assert!(body(&Dialled::with(given.clone()).invite.body).contains("RTP/AVP 0 101\r\n"));
    given.lines[0].codecs = vec![Codec::G729];
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(given);
    net.dial(0, "200");
    net.settle();
    let (code, reason, by) = net.nodes[0].ended().unwrap();
    assert_eq!((code, by), (488, EndedBy::Local));
    assert!(reason.contains("enabled on this line G729"), "{reason}");
    assert!(net.titles(far).is_empty());
    net.assert_quiet();
}

/// RFC 4475 3.3.10, RFC 3261 8.1.3.3: it is to go on to somebody else, so it is not ours.
#[test]
fn a_response_with_a_second_hop_is_dropped() {
    let mut dialled = Dialled::new();
    for second in ["SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23", "nonsense"] {
        let mut stray = at(answer(&dialled.invite, 486, "f"), dialled.far);
        stray.headers.push("Via", second);
        dialled.send(stray);
        assert_eq!((dialled.titles().len(), dialled.net.calls(0).len()), (0, 1), "{second}");
    }
    dialled.say(486, "f");
    assert_eq!(dialled.titles(), ["ACK"]);
    assert_eq!(dialled.net.nodes[0].ended().unwrap().0, 486);
}

/// RFC 3261 18.1.2: a response whose hop is not ours in host and port is somebody else's, whatever its branch.
#[test]
fn a_response_for_another_sent_by_is_dropped() {
    let mut dialled = Dialled::new();
    let via = dialled.invite.headers.get("Via").unwrap().to_owned();
    for other in ["10.0.0.2:5060", "10.0.0.1:5070", "phone.invalid:5060"] {
        let mut stray = at(answer(&dialled.invite, 486, "f"), dialled.far);
        stray.headers.set("Via", via.replace("10.0.0.1:5060", other));
        dialled.send(stray);
        assert_eq!((dialled.titles().len(), dialled.net.calls(0).len()), (0, 1), "{other}");
    }
    // What servers add is theirs to add, and the usual port need not be written.
    let mut ours = answer(&dialled.invite, 486, "f");
    ours.headers.set("Via", via.replace("10.0.0.1:5060", "10.0.0.1") + ";received=192.0.2.1;rport=40001");
    dialled.send(ours);
    assert_eq!(dialled.titles(), ["ACK"]);
}

/// RFC 3261 20.33: whether to call again is for people to know.
#[test]
fn a_refusal_says_when_to_call_again() {
    let mut dialled = Dialled::new();
    let mut busy = answer(&dialled.invite, 486, "f");
    busy.headers.push("Retry-After", "60 (in a meeting);duration=3600");
    dialled.send(busy);
    assert_eq!(dialled.net.nodes[0].ended().unwrap().1, "486 Busy Here, again in 60 s");
}

#[test]
fn an_answer_is_acknowledged_and_opens_the_media() {
    let mut dialled = Dialled::new();
    dialled.say(100, "");
    dialled.say(180, "f");
    dialled.say_with_sdp(200, "f", 40000);
    let got = dialled.got();
    let ack = requests(&got, "ACK")[0];
    assert_eq!(ack.uri.as_str(), "sip:far@10.0.0.9:5060");
    assert_eq!(ack.headers.cseq().unwrap().number, dialled.invite.headers.cseq().unwrap().number);
    let leg = &dialled.net.nodes[0].media[&dialled.call].legs[0];
    assert_eq!((leg.remote, leg.direction), (Some("10.0.0.9:40000".parse().unwrap()), Direction::SendRecv));
    assert_eq!((leg.codecs.as_slice(), leg.telephone_event), ([(Codec::Pcmu, 0)].as_slice(), None));
}

/// RFC 6026: each repeated 200 gets its ACK, also after the call has ended.
#[test]
fn a_repeated_200_is_acknowledged_again_even_after_the_hangup() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40000);
    dialled.say_with_sdp(200, "f", 40000);
    assert_eq!(dialled.titles(), ["ACK", "ACK"]);
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    dialled.reply_to(&got, "BYE", 200);
    dialled.say_with_sdp(200, "f", 40000);
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled.over();
}

/// RFC 3261 17.1.1.2 and 13.2.2: 7 INVITEs in 32 s, then 408.
#[test]
fn a_silent_far_end_ends_the_call_by_timer_b() {
    let mut dialled = Dialled::new();
    dialled.net.run_for(Duration::from_secs(33));
    assert_eq!(dialled.got().len(), 6);
    assert_eq!(dialled.net.nodes[0].ended(), Some((408, "no answer".into(), EndedBy::Network)));
    dialled.over();
}

#[test]
fn a_refusal_is_acknowledged_and_told_with_its_warning() {
    let mut dialled = Dialled::new();
    let mut response = answer(&dialled.invite, 488, "f");
    response.headers.push("Warning", "305 far \"no G.722 here\"");
    dialled.send(response);
    assert_eq!(dialled.titles(), ["ACK"]);
    let ended = dialled.net.nodes[0].ended().unwrap();
    assert_eq!(ended, (488, "488 Not Acceptable Here: no G.722 here".into(), EndedBy::Remote));
    dialled.over();
}

/// RFC 3261 22.2: once more with the next number, the same Call-ID and From-tag; the ACK carries the credentials (22.1).
#[test]
fn a_challenged_invite_goes_again_with_credentials() {
    let mut dialled = Dialled::new();
    let mut response = answer(&dialled.invite, 407, "f");
    response.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"");
    dialled.send(response);
    let got = dialled.got();
    let again = requests(&got, "INVITE")[0].clone();
    assert_eq!(requests(&got, "ACK").len(), 1);
    assert_eq!(again.headers.call_id(), dialled.invite.headers.call_id());
    assert_eq!(again.headers.from().unwrap().tag(), dialled.invite.headers.from().unwrap().tag());
    assert_eq!(again.headers.cseq().unwrap().number, 2);
    assert!(again.headers.to().unwrap().tag().is_none());
    assert_eq!(again.headers.proxy_authorization().unwrap().len(), 1);
    dialled.invite = again;
    dialled.say_with_sdp(200, "g", 40000);
    let got = dialled.got();
    let ack = requests(&got, "ACK")[0];
    assert_eq!((ack.headers.cseq().unwrap().number, ack.headers.has("Proxy-Authorization")), (2, true));
    // The BYE is signed beforehand, with the next count.
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    let bye = requests(&got, "BYE")[0];
    assert_eq!(bye.headers.proxy_authorization().unwrap()[0].get("nc"), Some("00000002"));
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
}

/// RFC 7615 4: a proxy names the nonce of the next request of the call.
#[test]
fn the_next_nonce_of_a_proxy_is_used_for_the_bye() {
    let mut dialled = Dialled::new();
    let mut response = answer(&dialled.invite, 407, "f");
    response.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"");
    dialled.send(response);
    dialled.invite = requests(&dialled.got(), "INVITE")[0].clone();
    let mut ok = with_sdp(at(answer(&dialled.invite, 200, "g"), dialled.far), &format!("{SDP}{PCMU}"));
    ok.headers.push("Proxy-Authentication-Info", "nextnonce=\"n2\"");
    dialled.send(ok);
    dialled.got();
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let bye = requests(&dialled.got(), "BYE")[0].headers.proxy_authorization().unwrap().remove(0);
    assert_eq!((bye.get("nonce"), bye.get("nc")), (Some("n2"), Some("00000001")));
}

#[test]
fn a_refused_password_ends_the_call_and_is_not_repeated() {
    let mut dialled = Dialled::new();
    for nonce in ["n1", "n2"] {
        let mut response = answer(&dialled.invite, 401, "f");
        response.headers.push("WWW-Authenticate", format!("Digest realm=\"lab\", nonce=\"{nonce}\""));
        dialled.send(response);
        let got = dialled.got();
        if let Some(again) = requests(&got, "INVITE").first() {
            dialled.invite = (*again).clone();
        }
    }
    let (code, reason, _) = dialled.net.nodes[0].ended().unwrap();
    assert!(code == 401 && reason.contains("authentication failed"), "{reason}");
    dialled.over();
}

/// A BYE that is challenged goes again with credentials.
#[test]
fn a_challenged_bye_goes_again_with_credentials() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40000);
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    let bye = requests(&got, "BYE")[0].clone();
    let mut response = answer(&bye, 407, "f");
    response.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\"");
    dialled.send(response);
    let got = dialled.got();
    let again = requests(&got, "BYE")[0].clone();
    assert!(again.headers.has("Proxy-Authorization"));
    assert_eq!(again.headers.cseq().unwrap().number, bye.headers.cseq().unwrap().number + 1);
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
}

// CANCEL (RFC 3261 9.1).

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut dialled = Dialled::new();
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    assert!(dialled.titles().is_empty(), "no CANCEL before anything came back");
    assert_eq!(dialled.net.nodes[0].ended().unwrap().2, EndedBy::Local);
    assert!(dialled.net.calls(0).is_empty());
    dialled.say(180, "f");
    let got = dialled.got();
    let cancel = requests(&got, "CANCEL")[0];
    assert_eq!(cancel.headers.get("Via"), dialled.invite.headers.get("Via"), "the INVITE's branch");
    assert_eq!(cancel.uri, dialled.invite.uri);
    dialled.reply_to(&got, "CANCEL", 200);
    dialled.say(487, "f");
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled.over();
}

/// The race: the 200 was faster than the CANCEL.
#[test]
fn a_200_after_cancel_gets_ack_then_bye() {
    let mut dialled = Dialled::new();
    dialled.say(180, "f");
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    dialled.titles();
    dialled.say_with_sdp(200, "f", 40000);
    let got = dialled.got();
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["ACK", "BYE"]);
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
    let ends = dialled.net.nodes[0].events(|event| matches!(event, Event::Ended { .. }).then_some(()));
    assert_eq!(ends.len(), 1, "people are told once");
}

/// The 200 comes although nothing provisional ever came.
#[test]
fn a_200_before_the_cancel_could_go_gets_ack_then_bye() {
    let mut dialled = Dialled::new();
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.say_with_sdp(200, "f", 40000);
    let got = dialled.got();
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["ACK", "BYE"]);
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
}

/// RFC 3261 9.1: 64*T1 after the CANCEL the INVITE is given up.
#[test]
fn a_cancelled_invite_without_final_response_is_given_up() {
    let mut dialled = Dialled::new();
    dialled.say(180, "f");
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    dialled.reply_to(&got, "CANCEL", 200);
    dialled.over();
}

#[test]
fn hangup_while_media_is_asked_for_sends_nothing() {
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(direct("10.0.0.1", "100", FAR));
    net.nodes[0].mode = MediaMode::Silent;
    let call = net.dial(0, "200");
    net.command(0, Command::Hangup(call));
    net.run_for(Duration::from_secs(60));
    assert!(net.titles(far).is_empty());
    net.assert_quiet();
}

// Forking (RFC 3261 13.2.2.4, RFC 3264).

/// One media leg per To-tag, sharing our port, with an SSRC each.
#[test]
fn early_media_has_one_leg_per_to_tag_and_the_answered_one_stays() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(183, "one", 40000);
    dialled.say_with_sdp(183, "two", 42000);
    let media = dialled.net.nodes[0].media[&dialled.call].clone();
    assert_eq!(media.legs.iter().map(|leg| leg.leg).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(media.legs[0].local, media.legs[1].local);
    assert_ne!(media.legs[0].ssrc, media.legs[1].ssrc);
    assert!(dialled.net.nodes[0].events.contains(&Event::Ringback { call: dialled.call, early_media: true }));
    dialled.say_with_sdp(200, "two", 42000);
    let after = &dialled.net.nodes[0].media[&dialled.call];
    assert_eq!((after.legs.len(), after.legs[0].leg, after.legs[0].ssrc), (1, 1, media.legs[1].ssrc));
}

#[test]
fn the_second_of_two_forked_200_gets_ack_then_bye_and_the_call_goes_on() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "one", 40000);
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled.say_with_sdp(200, "two", 42000);
    let got = dialled.got();
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(got.iter().all(|message| message.headers().to().unwrap().tag() == Some("two")));
    dialled.reply_to(&got, "BYE", 200);
    assert_eq!(dialled.net.calls(0).len(), 1);
    let remote = dialled.net.nodes[0].media[&dialled.call].legs[0].remote;
    assert_eq!(remote, Some("10.0.0.9:40000".parse().unwrap()));
}

/// The BYE of a leg that nobody wants is challenged like any other; it is seen through, after the call's end as well.
#[test]
fn the_bye_of_a_late_200_gives_credentials() {
    for ended in [false, true] {
        let mut dialled = Dialled::new();
        dialled.say_with_sdp(200, "one", 40000);
        if ended {
            dialled.net.command(0, Command::Hangup(dialled.call));
            dialled.net.settle();
            let got = dialled.got();
            dialled.reply_to(&got, "BYE", 200);
        }
        dialled.titles();
        dialled.say_with_sdp(200, "two", 42000);
        let got = dialled.got();
        let bye = requests(&got, "BYE")[0].clone();
        assert_eq!(bye.headers.cseq().unwrap().number, 2);
        let mut challenge = answer(&bye, 407, "");
        challenge.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"");
        dialled.send(challenge);
        let got = dialled.got();
        let signed = requests(&got, "BYE")[0];
        assert!(signed.headers.has("Proxy-Authorization"));
        assert_eq!((signed.headers.to().unwrap().tag(), signed.headers.cseq().unwrap().number), (Some("two"), 3));
        assert_eq!(dialled.net.calls(0).len(), usize::from(!ended));
        dialled.reply_to(&got, "BYE", 200);
        dialled.net.run_for(Duration::from_secs(40));
        assert_eq!(dialled.net.nodes[0].stack.load().calls, usize::from(!ended));
    }
}

#[test]
fn an_answer_in_183_counts_when_the_200_has_none() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(183, "f", 40000);
    dialled.say(200, "f");
    assert_eq!(dialled.titles(), ["ACK"]);
    assert_eq!(dialled.net.nodes[0].media[&dialled.call].legs[0].direction, Direction::SendRecv);
}

#[test]
fn a_200_without_any_answer_gets_ack_then_bye() {
    let mut dialled = Dialled::new();
    dialled.say(200, "f");
    let got = dialled.got();
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert_eq!(dialled.net.nodes[0].ended().unwrap().0, 488);
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
}

// Routes (RFC 3261 12.1.2, 12.2.1.1).

#[test]
fn the_record_route_is_followed_in_reverse() {
    let mut dialled = Dialled::new();
    let sdp = format!("{SDP}{PCMU}");
    let mut response = with_sdp(at(answer(&dialled.invite, 200, "f"), "10.0.0.50:5070".parse().unwrap()), &sdp);
    response.headers.push("Record-Route", "<sip:10.0.0.8:5060;lr>, <sip:10.0.0.9:5060;lr>");
    dialled.send(response);
    let got = dialled.got();
    let ack = requests(&got, "ACK")[0];
    assert_eq!(ack.uri.as_str(), "sip:far@10.0.0.50:5070");
    let routes: Vec<String> = ack.headers.route().unwrap().iter().map(|route| route.uri.to_string()).collect();
    assert_eq!(routes, ["sip:10.0.0.9:5060;lr", "sip:10.0.0.8:5060;lr"]);
}

#[test]
fn without_record_route_the_dialog_goes_to_the_contact() {
    let mut dialled = Dialled::new();
    let contact = dialled.net.peer("10.0.0.50:5070");
    let response = with_sdp(at(answer(&dialled.invite, 200, "f"), contact), &format!("{SDP}{PCMU}"));
    dialled.send(response);
    assert_eq!(dialled.net.titles(contact), ["ACK"]);
}

#[test]
fn a_contact_by_name_is_resolved_and_used_until_then_the_old_way() {
    let mut dialled = Dialled::new();
    let contact = dialled.net.peer("10.0.0.50:5060");
    dialled.net.nodes[0].names.insert("far.example.com".into(), vec![contact]);
    let mut response = with_sdp(answer(&dialled.invite, 200, "f"), &format!("{SDP}{PCMU}"));
    response.headers.push("Contact", "<sip:far@far.example.com>");
    dialled.send(response);
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    assert_eq!(dialled.net.titles(contact), ["BYE"]);
}

#[test]
fn an_outbound_proxy_gets_the_invite_with_its_route() {
    let mut given = direct("10.0.0.1", "100", "10.0.0.77:5060");
    given.lines[0].outbound_proxy = Some(server_of(FAR));
    let dialled = Dialled::with(given);
    assert_eq!(dialled.invite.uri.as_str(), "sip:200@10.0.0.77:5060");
    assert_eq!(dialled.invite.headers.route().unwrap()[0].uri.as_str(), "sip:10.0.0.9:5060;lr");
}

#[test]
fn a_uri_can_be_dialled_and_nonsense_ends_with_a_reason() {
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(direct("10.0.0.1", "100", FAR));
    net.dial(0, "sip:someone@elsewhere.example.com");
    net.settle();
    let got = net.received(far);
    assert_eq!(request_of(&got[0]).uri.as_str(), "sip:someone@elsewhere.example.com");
    for nonsense in ["", "sip:", "a@@b"] {
        net.dial(0, nonsense);
        assert_eq!(net.nodes[0].ended().unwrap().0, 0, "{nonsense}");
    }
}

/// The next pair is tried, and the offer names the port that is free.
#[test]
fn a_taken_port_moves_the_offer_to_the_next_pair() {
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(direct("10.0.0.1", "100", FAR));
    net.nodes[0].mode = MediaMode::Taken(vec![16000, 16002]);
    net.dial(0, "200");
    net.settle();
    let got = net.received(far);
    assert!(body(&request_of(&got[0]).body).contains("m=audio 16004 "));
}

#[test]
fn no_media_ends_the_call_before_anything_is_sent() {
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(direct("10.0.0.1", "100", FAR));
    for mode in [MediaMode::Failed, MediaMode::Silent] {
        net.nodes[0].mode = mode;
        net.dial(0, "200");
        net.run_for(Duration::from_secs(11));
        let (_, reason, _) = net.nodes[0].ended().unwrap();
        assert!(reason.starts_with("no media"), "{reason}");
    }
    assert!(net.titles(far).is_empty());
    net.assert_quiet();
}

/// SIP_INVITE_EXPIRE_n.
#[test]
fn an_invite_with_expires_is_cancelled_when_its_time_is_over() {
    let mut given = direct("10.0.0.1", "100", FAR);
    given.lines[0].invite_expires = 60;
    let mut dialled = Dialled::with(given);
    assert_eq!(dialled.invite.headers.expires().unwrap(), Some(60));
    dialled.say(180, "f");
    dialled.net.run_for(Duration::from_secs(61));
    assert!(dialled.titles().contains(&"CANCEL".to_owned()));
    assert_eq!(dialled.net.nodes[0].ended().unwrap().0, 408);
}

/// RFC 3581: asked for where SIP_ADD_RPORT_n is on.
#[test]
fn rport_is_asked_for_only_where_it_is_set() {
    assert!(!Dialled::new().invite.headers.top_via().unwrap().has_rport());
    let mut given = direct("10.0.0.1", "100", FAR);
    given.lines[0].add_rport = true;
    assert!(Dialled::with(given).invite.headers.top_via().unwrap().has_rport());
}

/// The name of the proxy is resolved; a name that is none ends the call.
#[test]
fn a_proxy_by_name_is_resolved_before_the_invite() {
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(direct("10.0.0.1", "100", "proxy.example.com"));
    net.dial(0, "200");
    assert!(net.nodes[0].ended().unwrap().1.contains("resolved"));
    net.nodes[0].names.insert("proxy.example.com".into(), vec!["[2001:db8::1]:5060".parse().unwrap(), far]);
    net.dial(0, "200");
    net.settle();
    assert_eq!(net.titles(far), ["INVITE"], "the address that can be reached");
}

/// The far end's name comes from the answer.
#[test]
fn the_established_party_is_who_answered() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40000);
    let parties = dialled.net.nodes[0].events(|event| match event {
        Event::Established { remote, .. } => Some(remote.clone()),
        _ => None,
    });
    assert_eq!((parties[0].number.as_str(), parties[0].uri.as_str()), ("200", "sip:200@10.0.0.9"));
}

/// RFC 3261 13.2.2.4: a 2xx has an ACK coming whatever it says, and where there is nobody to talk to, a BYE. Both go where the
/// INVITE went, as far as the answer does not say something else.
#[test]
fn an_answer_that_cannot_be_read_is_acknowledged_and_ended() {
    for (name, value, uri, route) in [
        ("Contact", "<sip:far@", "sip:200@10.0.0.9:5060", None),
        ("Record-Route", "<sip:10.0.0.9;lr", "sip:far@10.0.0.9:5060", None),
        ("Contact", "\"Far", "sip:200@10.0.0.9:5060", Some("<sip:10.0.0.9;lr>")),
    ] {
        let mut dialled = Dialled::new();
        let mut broken = at(answer(&dialled.invite, 200, "f"), dialled.far);
        broken.headers.set(name, value);
        if let Some(route) = route {
            broken.headers.push("Record-Route", route);
        }
        let broken = with_sdp(broken, &format!("{SDP}{PCMU}"));
        dialled.send(broken.clone());
        let got = dialled.got();
        assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["ACK", "BYE"], "{name}: {value}");
        for request in got.iter().map(request_of) {
            assert_eq!((request.uri.as_str(), request.headers.get("Route")), (uri, route), "{value}");
            assert_eq!(request.headers.to().unwrap().tag(), Some("f"));
        }
        assert_eq!(dialled.net.nodes[0].ended(), Some((0, "the answer cannot be read".into(), EndedBy::Network)));
        dialled.reply_to(&got, "BYE", 200);
        dialled.send(broken);
        assert_eq!(dialled.titles(), ["ACK"], "once more for the repeated one");
        dialled.over();
    }
}

/// The same for a branch of a fork that nobody waits for any more.
#[test]
fn a_second_answer_that_cannot_be_read_is_acknowledged_and_ended_too() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40000);
    assert_eq!(dialled.titles(), ["ACK"]);
    let mut broken = at(answer(&dialled.invite, 200, "g"), dialled.far);
    broken.headers.set("Contact", "<sip:far@");
    dialled.send(broken);
    let got = dialled.got();
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(got.iter().map(request_of).all(|request| request.headers.to().unwrap().tag() == Some("g")));
    assert_eq!(dialled.net.calls(0).len(), 1, "the call with the first goes on");
}

/// RFC 3261 8.1.3.2: a provisional response that nobody knows counts as 183. Call Is Being Forwarded and Queued do not ring, nor
/// does the end of an early dialog (RFC 6228).
#[test]
fn an_unknown_provisional_response_rings() {
    for (code, rings) in [(180, 1), (183, 1), (185, 1), (170, 1), (181, 0), (182, 0), (199, 0)] {
        let mut dialled = Dialled::new();
        dialled.say(code, "f");
        let told = |event: &Event| matches!(event, Event::Ringback { early_media: false, .. }).then_some(());
        assert_eq!(dialled.net.nodes[0].events(told).len(), rings, "{code}");
    }
}

/// RFC 6026 7.2: 64*T1, however early the line gives an unanswered INVITE up (SIP_TIMER_B_n).
#[test]
fn a_repeated_200_is_acknowledged_for_64_t1_also_with_a_short_timer_b() {
    let mut given = direct("10.0.0.1", "100", FAR);
    given.lines[0].timer_b = Duration::from_secs(1);
    let mut dialled = Dialled::with(given);
    dialled.say_with_sdp(200, "f", 40000);
    assert_eq!(dialled.titles(), ["ACK"]);
    for _ in 0..7 {
        dialled.net.run_for(Duration::from_secs(4));
        dialled.say_with_sdp(200, "f", 40000);
        assert_eq!(dialled.titles(), ["ACK"]);
    }
}
