//! What media-engine is asked for beside what the offer says.

use agreements::Tick;
use phone_proto::media as proto;
use sip_agent::media::plan::Plan;
use sip_agent::settings::Rows;
use telephone::Request;
use testbed::virtual_net::peer::PCMU;

use crate::configured::{Lab, Rowset, desk, values};

/// The RTP session of a call that talks.
fn session(rows: Rowset) -> proto::Session {
    session_with(rows, PCMU)
}

/// The same with a far end that describes its sound so.
fn session_with(rows: Rowset, media: &str) -> proto::Session {
    let mut lab = Lab::calling(rows);
    let (_, invite) = lab.dial();
    lab.accept(&invite, media);
    let mut plan = Plan::new(1);
    plan.want_call(lab.net.nodes[0].wishes.last().unwrap().clone());
    let values = values(&[rows]);
    plan.compose(Tick(1), |line| Rows::new(&values).media(line)).unwrap().sessions.remove(0)
}

#[test]
fn the_dscp_of_rtp_is_asked_for() {
    for (row, dscp) in [("0", 0), ("46", 46)] {
        assert_eq!(session(&[("DSCP_RTP_1", row)]).dscp, dscp);
    }
}

/// RFC 2474; the sockets' marks are shown beside the sockets.
#[test]
fn the_dscp_of_rtcp_is_asked_for() {
    for (row, dscp) in [("0", 0), ("26", 26)] {
        let session = session(&[("DSCP_RTP_1", "46"), ("DSCP_RTCP_1", row)]);
        assert_eq!((session.dscp, session.dscp_rtcp), (46, dscp));
    }
}

/// B304; RFC 3605: by the far end's description, whatever RTCP_ENABLE_n says, and to where it says.
#[test]
fn rtcp_follows_the_description_where_that_is_wanted() {
    let named = format!("{PCMU}a=rtcp:40077\r\n");
    for (enabled, by_rows) in [("N", 0), ("Y", 7)] {
        let asked = |by_sdp, media: &str| {
            let rows = [("RTCP_ENABLE_1", enabled), ("RTCP_INTVL_1", "7"), ("RTCP_SEND_BY_SDP_1", by_sdp)];
            let session = session_with(&rows, media);
            (session.rtcp_interval, session.remote_rtcp_port)
        };
        assert_eq!((asked("0", PCMU), asked("0", &named)), ((by_rows, 40_001), (by_rows, 40_077)));
        assert_eq!((asked("1", PCMU), asked("1", &named)), ((0, 40_001), (7, 40_077)));
    }
}

/// RFC 3550; 0 is none.
#[test]
fn rtcp_is_asked_for_where_it_is_enabled_and_so_often() {
    for (enabled, interval, asked) in [("N", "5", 0), ("Y", "5", 5), ("Y", "60", 60)] {
        assert_eq!(session(&[("RTCP_ENABLE_1", enabled), ("RTCP_INTVL_1", interval)]).rtcp_interval, asked);
    }
}

#[test]
fn packets_are_as_long_as_they_are_offered() {
    for (row, milliseconds) in [("20", 20), ("30", 30), ("40", 40)] {
        assert_eq!(session(&[("RTP_PTIME", row)]).ptime_ms, milliseconds);
    }
}

/// B177: units of 10 ms.
#[test]
fn the_jitter_buffer_has_the_configured_delays() {
    let delays = |rows: Rowset| {
        let session = session(rows);
        (session.jitter_min_ms, session.jitter_nominal_ms, session.jitter_max_ms)
    };
    assert_eq!(delays(&[]), (20, 20, 200));
    assert_eq!(delays(&[("MIN_DELAY_1", "1")]), (10, 20, 200));
    assert_eq!(delays(&[("NOM_DELAY_1", "7")]), (20, 70, 200));
    assert_eq!(delays(&[("MAX_DELAY_1", "50")]), (20, 20, 500));
}

/// The digit that a person keys in a call.
fn digit(rows: Rowset) -> proto::Digit {
    let mut lab = Lab::calling(rows);
    lab.talking();
    let mut wish = lab.net.nodes[0].wishes.last().unwrap().clone();
    let mut desk = desk(rows);
    wish.call = desk.talking(1);
    desk.request(Request::SendDigits(wish.call, "7".into())).unwrap();
    let mut plan = Plan::new(1);
    plan.want_call(wish);
    plan.want_sound(desk.sound.clone());
    let values = values(&[rows]);
    plan.compose(Tick(1), |line| Rows::new(&values).media(line)).unwrap().sessions.remove(0).digits.remove(0)
}

/// B308.
#[test]
fn digits_are_as_long_as_configured_and_so_far_apart() {
    for (length, expected) in [("60", 60), ("200", 200)] {
        assert_eq!(digit(&[("DTMF_SIGNAL_LEN", length)]).duration_ms, expected);
    }
    for (pause, expected) in [("60", 60), ("200", 200)] {
        assert_eq!(digit(&[("DTMF_INTDIGIT_TIM", pause)]).pause_ms, expected);
    }
}
