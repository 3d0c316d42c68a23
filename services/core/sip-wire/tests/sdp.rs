//! Session descriptions: RFC 8866 and what phones and servers make of it.
#![allow(clippy::panic, clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::net::IpAddr;

use sip_wire::sdp::{Address, Connection, Direction, Media, Origin, RtpMap, SdpError, Session, limits};
use support::wire;

fn read(text: &str) -> Session {
    let session = Session::parse(&wire(text)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(Session::parse(&session.to_bytes()).as_ref(), Ok(&session), "what is written reads as the same");
    session
}

fn error(text: &str) -> SdpError {
    Session::parse(&wire(text)).expect_err("must not be taken")
}

const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";

/// RFC 8866 section 5: every line, in its order.
#[test]
fn a_full_description_is_written_as_it_was_read() {
    let text = "v=0\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\ns=Call to John Smith\ni=SDP Offer #1\n\
                u=http://www.example.com/home.html\ne=Jane <jane@example.com>\ne=two@example.com\np=+1 617 555-6011\nc=IN IP4 198.51.100.1\n\
                b=CT:128\nt=2873397496 2873404696\nr=604800 3600 0 90000\nt=0 0\nz=2882844526 -1h 2898848070 0\nk=prompt\na=recvonly\na=tool:x y\n\
                m=audio 49170 RTP/AVP 0 8 101\ni=talk\nc=IN IP4 224.2.1.1/127/3\nb=AS:64\nk=clear:x\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n\
                m=video 51372/2 RTP/AVP 99\nc=IN IP6 2001:db8::2\na=rtpmap:99 h263-1998/90000\n";
    let session = read(text);
    assert_eq!(String::from_utf8(session.to_bytes()).unwrap(), text.replace('\n', "\r\n"));
    assert_eq!(session.emails.len(), 2);
    assert_eq!(session.times[0].repeats, ["604800 3600 0 90000"]);
    let [audio, video] = session.media.as_slice() else { panic!("two") };
    assert_eq!((audio.connections[0].multicast.as_deref(), video.port_count), (Some("127/3"), Some(2)));
    assert_eq!(session.connection_of(video).and_then(Connection::ip), Some("2001:db8::2".parse::<IpAddr>().unwrap()));
    assert_eq!(session.direction_of(audio), Direction::RecvOnly, "from the session");
    assert_eq!(video.rtpmap(99).unwrap().clock, 90000);
}

/// RFC 3264 section 5.1.
#[test]
fn a_media_line_says_more_than_the_session() {
    let session =
        read(&format!("{HEAD}a=sendonly\nm=audio 9000 RTP/AVP 8\nc=IN IP4 203.0.113.9\na=inactive\nm=audio 9002 RTP/AVP 8\n"));
    assert_eq!(session.direction_of(&session.media[0]), Direction::Inactive);
    assert_eq!(session.direction_of(&session.media[1]), Direction::SendOnly);
    assert_eq!(session.connection_of(&session.media[0]).unwrap().ip(), Some([203, 0, 113, 9].into()));
    assert_eq!(session.connection_of(&session.media[1]).unwrap().ip(), Some([192, 0, 2, 1].into()));
    assert_eq!(read(HEAD).direction_of(&session.media[1]), Direction::SendRecv, "nothing said");
    assert_eq!((Direction::SendOnly.reversed(), Direction::Inactive.reversed()), (Direction::RecvOnly, Direction::Inactive));
    assert!(Direction::SendOnly.sends() && !Direction::SendOnly.receives());
}

#[test]
fn codec_attributes_are_read() {
    let session = read(&format!(
        "{HEAD}m=audio 9000 RTP/AVP 9 18 0 97 telephone\na=rtpmap:9 G722/8000/1\na=rtpmap:18 g729/8000\na=rtpmap:97 telephone-event/8000\n\
         a=rtpmap:nonsense\na=fmtp:18  annexb=no \na=fmtp:97 0-15\na=ptime:20\na=maxptime:40.5\na=rtcp:9011 IN IP6 2001:db8::5\na=silenceSupp:off - - - -\n"
    ));
    let audio = &session.media[0];
    assert_eq!(audio.payloads().collect::<Vec<_>>(), [9, 18, 0, 97]);
    assert!(audio.rtpmap(9).unwrap().is("g722", 8000) && audio.rtpmap(18).unwrap().is("G729", 8000));
    assert_eq!(audio.rtpmap(9).unwrap().parameters.as_deref(), Some("1"));
    assert_eq!(audio.rtpmap(0), None, "static types need none");
    assert_eq!((audio.fmtp(18), audio.fmtp(97), audio.fmtp(0)), (Some("annexb=no"), Some("0-15"), None));
    assert_eq!((audio.attributes.ptime(), audio.attributes.maxptime()), (Some(20), Some(40)));
    let rtcp = audio.attributes.rtcp().unwrap();
    assert_eq!((rtcp.port, rtcp.address), (9011, Some("2001:db8::5".parse().unwrap())));
    let bare = read(&format!("{HEAD}m=audio 9000 RTP/AVP 0\na=rtcp:9001\na=ptime:0\n"));
    assert_eq!((bare.media[0].attributes.rtcp().unwrap().address, bare.media[0].attributes.ptime()), (None, None));
}

#[test]
fn an_offer_can_be_built() {
    let address: IpAddr = "2001:db8::7".parse().unwrap();
    let mut session = Session::new(Origin::new("line 1", 42, 43, address));
    session.connection = Some(Connection::unicast(address));
    let mut audio = Media::new("audio", 16000, "RTP/AVP");
    audio.push_payload(&RtpMap::new(0, "PCMU", 8000));
    audio.push_payload(&RtpMap::new(101, "telephone-event", 8000));
    audio.attributes.push_fmtp(101, "0-15");
    audio.attributes.push("ptime", Some("20"));
    audio.attributes.set_direction(Direction::SendRecv);
    audio.attributes.set_direction(Direction::SendOnly);
    session.media.push(audio);
    assert_eq!(
        String::from_utf8(session.to_bytes()).unwrap(),
        "v=0\r\no=line_1 42 43 IN IP6 2001:db8::7\r\ns=-\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 16000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\n"
    );
    assert_eq!(Session::parse(&session.to_bytes()).unwrap(), session);
}

#[test]
fn old_and_careless_descriptions_are_taken() {
    let hold = read("v=0\no=- 0 0 IN IP4 host.example\nc=IN IP4 0.0.0.0\nm=audio 0 RTP/AVP 0\n");
    assert_eq!(hold.name, "-");
    assert!(hold.media[0].is_rejected());
    assert!(hold.connection_of(&hold.media[0]).unwrap().ip().unwrap().is_unspecified(), "RFC 2543 hold");
    assert_eq!(hold.origin.address, Address::Other { network: "IN".into(), kind: "IP4".into(), host: "host.example".into() });
    let lines = Session::parse(b"v=0\no=- 18446744073709551616 1 IN IP4 1.2.3.4\ns= \nt=0 0\n\nm=audio 5 RTP/AVP 0 \n").unwrap();
    assert_eq!((lines.origin.session_id.as_str(), lines.media[0].formats.len()), ("18446744073709551616", 1));
    let latin = Session::parse(b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=caf\xe9\r\nt=0 0\r\n").unwrap();
    assert!(latin.to_bytes().windows(6).any(|window| window == b"s=caf\xe9"));
}

#[test]
fn unknown_lines_and_values_are_kept() {
    let session = read(&format!("{HEAD}y=what\nb=nonsense\nm=audio 9 RTP/AVP 0\nx=media\na=unknown:thing\na=flag\n"));
    assert_eq!(session.unknown, [('y', "what".to_owned()), ('b', "nonsense".to_owned())]);
    assert_eq!(session.media[0].unknown, [('x', "media".to_owned())]);
    assert_eq!((session.media[0].attributes.get("unknown"), session.media[0].attributes.get("flag")), (Some("thing"), Some("")));
}

#[test]
fn what_is_no_description_is_refused() {
    for text in [
        "",
        "o=- 1 1 IN IP4 1.2.3.4\n",
        "v=1\no=- 1 1 IN IP4 1.2.3.4\n",
        "v=0\n",
        "v=0\ns=-\no=- 1 1 IN IP4 1.2.3.4\n",
        "v=0\no=- 1 1 IN IP4\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\nc=IN\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\nt=x 0\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 65536 RTP/AVP 0\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio -1 RTP/AVP 0\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\nsession=x\n",
        "v=0\no=- 1 1 IN IP4 1.2.3.4\n a=x\n",
    ] {
        let error = error(text);
        assert!(!error.what.is_empty(), "{text:?}");
    }
    assert_eq!(error("v=0\no=- 1 1 IN IP4 1.2.3.4\nt=x 0\n").line, 3);
}

#[test]
fn bounds_hold() {
    let media = "m=audio 9 RTP/AVP 0\n".repeat(limits::MEDIA + 1);
    assert_eq!(error(&format!("{HEAD}{media}")).what, "too many m= lines");
    assert_eq!(error(&format!("{HEAD}{}", "a=x\n".repeat(limits::LINES))).what, "too large");
    assert_eq!(error(&format!("{HEAD}a={}\n", "x".repeat(limits::LINE))).what, "too large");
    let formats = read(&format!("{HEAD}m=audio 9 RTP/AVP{}\n", " 0".repeat(limits::FORMATS + 1)));
    assert_eq!(formats.media[0].formats.len(), limits::FORMATS);
}
