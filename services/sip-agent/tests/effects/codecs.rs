//! What the offer of a call says about sound.

use testbed::virtual_net::peer::{answer, body};

use crate::configured::Lab;

/// The media line of an offer, without what is the same always.
fn formats(rows: &[(&str, &str)]) -> String {
    let offer = Lab::calling(rows).offer();
    let line = offer.lines().find_map(|line| line.strip_prefix("m=audio 16000 RTP/AVP "));
    line.unwrap_or_else(|| panic!("{offer}")).to_owned()
}

/// B101, B302: 9 is G.722, 8 PCMA, 0 PCMU; G.729A cannot be played and is not offered.
#[test]
fn a_codec_that_is_off_is_not_offered() {
    assert_eq!(formats(&[]), "9 8 0 101");
    assert_eq!(formats(&[("CODEC_ENABLE0_1", "N")]), "8 0 101");
    assert_eq!(formats(&[("CODEC_ENABLE1_1", "N")]), "9 0 101");
    assert_eq!(formats(&[("CODEC_ENABLE4_1", "N"), ("CODEC_G711_REQ", "0")]), "9 8 101");
}

/// B209.
#[test]
fn codecs_are_offered_by_priority() {
    assert_eq!(formats(&[("CODEC_PRIORITY0_1", "3"), ("CODEC_PRIORITY1_1", "2"), ("CODEC_PRIORITY4_1", "1")]), "0 8 9 101");
    assert_eq!(formats(&[("CODEC_PRIORITY0_1", "2"), ("CODEC_PRIORITY1_1", "1"), ("CODEC_PRIORITY4_1", "3")]), "8 9 0 101");
}

/// B208.
#[test]
fn pcmu_is_added_where_it_is_required() {
    let only_g722 = [("CODEC_ENABLE1_1", "N"), ("CODEC_ENABLE3_1", "N"), ("CODEC_ENABLE4_1", "N")];
    let with = |required| [&only_g722[..], &[("CODEC_G711_REQ", required)]].concat();
    assert_eq!(formats(&with("1")), "9 0 101");
    assert_eq!(formats(&with("0")), "9 101");
}

/// Ports of so many calls, one after the other.
fn ports(rows: &[(&str, &str)], calls: usize) -> Vec<u16> {
    let mut lab = Lab::calling(rows);
    let one = |_| {
        let (_, invite) = lab.dial();
        lab.say(answer(&invite, 486, "f"));
        lab.got();
        let offer = body(&invite.body);
        offer.split_once("m=audio ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok()).unwrap()
    };
    (0..calls).map(one).collect()
}

/// B175.
#[test]
fn rtp_ports_begin_at_the_lower_end() {
    for (lower, first) in [("16000", 16_000), ("18000", 18_000)] {
        assert_eq!(ports(&[("RTP_PORT_MIN", lower)], 2), [first, first + 2]);
    }
}

/// B175: RTP of the last pair is on the upper end, which is even, and its RTCP on the port after it.
#[test]
fn rtp_ports_begin_again_after_the_upper_end() {
    for (upper, last) in [("16400", 16_400), ("16420", 16_420)] {
        let ports = ports(&[("RTP_PORT_MAX", upper)], 212);
        assert_eq!(ports.iter().max(), Some(&last));
        assert!(ports.iter().filter(|port| **port == 16_000).count() == 2, "round and round");
    }
}

#[test]
fn the_packet_time_is_offered() {
    for ptime in ["20", "30", "40"] {
        let offer = Lab::calling(&[("RTP_PTIME", ptime)]).offer();
        assert!(offer.contains(&format!("a=ptime:{ptime}\r\n")), "{offer}");
    }
}

/// B305.
#[test]
fn telephone_events_are_offered_where_digits_go_outside_the_sound() {
    assert_eq!(formats(&[("OUTBANDDTMF_1", "Y")]), "9 8 0 101");
    assert_eq!(formats(&[("OUTBANDDTMF_1", "N")]), "9 8 0");
}

/// B306.
#[test]
fn telephone_events_have_the_configured_payload_type() {
    for payload in ["96", "110"] {
        let offer = Lab::calling(&[("TELEVENT_PAYLOAD", payload)]).offer();
        assert!(offer.contains(&format!("a=rtpmap:{payload} telephone-event/8000\r\n")), "{offer}");
    }
}
