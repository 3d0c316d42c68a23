//! Offer and answer of RFC 3264 as arithmetic over one audio stream: directions, codecs, hold. No SDP text in it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::interface::{Codec, Direction};

/// The static payload type of RFC 3551.
pub(crate) fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::G729 => 18,
    }
}

/// The encoding name of RFC 3551; G.722's clock rate is 8000 there.
pub(crate) fn encoding_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
        Codec::G722 => "G722",
        Codec::G729 => "G729",
    }
}

/// The codec of an encoding name, or of a static payload type without rtpmap.
pub(crate) fn known_codec(payload_type: u8, name: Option<&str>) -> Option<Codec> {
    let all = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::G729];
    match name {
        Some(name) => all.into_iter().find(|codec| encoding_name(*codec).eq_ignore_ascii_case(name)),
        None => all.into_iter().find(|codec| self::payload_type(*codec) == payload_type),
    }
}

/// Whether we send.
pub(crate) fn sends(direction: Direction) -> bool {
    matches!(direction, Direction::SendRecv | Direction::SendOnly)
}

/// Whether we receive.
pub(crate) fn receives(direction: Direction) -> bool {
    matches!(direction, Direction::SendRecv | Direction::RecvOnly)
}

/// From its two halves.
pub(crate) fn direction(sends: bool, receives: bool) -> Direction {
    match (sends, receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

/// What we do when the far end does `theirs` and we want `ours`: each half needs both (RFC 3264 6.1).
pub(crate) fn meet(ours: Direction, theirs: Direction) -> Direction {
    direction(sends(ours) && receives(theirs), receives(ours) && sends(theirs))
}

/// What a hold offers (RFC 3264 8.4): what was sendrecv becomes sendonly; what they hold already becomes inactive.
pub(crate) fn hold_offer(held_by_them: bool) -> Direction {
    if held_by_them { Direction::Inactive } else { Direction::SendOnly }
}

/// The far end's audio stream, from its offer or answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FarStream {
    /// Codecs that we know, in its order, with its payload types.
    pub(crate) codecs: Vec<(Codec, u8)>,
    /// All its formats in words, for a refusal.
    pub(crate) offered: Vec<String>,
    /// RFC 4733 at 8000 Hz.
    pub(crate) telephone_event: Option<u8>,
    /// As it says, with a black hole (c=0.0.0.0) counted as not receiving.
    pub(crate) direction: Direction,
    /// Where it receives; none for a black hole.
    pub(crate) remote: Option<SocketAddr>,
    /// Where it receives RTCP.
    pub(crate) rtcp: Option<SocketAddr>,
    /// It says so itself.
    pub(crate) rtcp_named: bool,
    /// Packet time it wants, in milliseconds.
    pub(crate) ptime_ms: Option<u32>,
}

/// Codecs of both sides, in the far end's order (RFC 3264 6.1 recommends it); the first is sent.
pub(crate) fn common(far: &[(Codec, u8)], ours: &[Codec]) -> Vec<(Codec, u8)> {
    far.iter().filter(|(codec, _)| ours.contains(codec)).copied().collect()
}

/// "no common codec: offered G729; enabled here PCMU, PCMA".
pub(crate) fn no_common_codec(offered: &[String], ours: &[Codec]) -> String {
    let ours: Vec<&str> = ours.iter().map(|codec| encoding_name(*codec)).collect();
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
    format!("no common codec: offered {}; enabled here {}", list(&offered), list(&ours))
}

/// "no playable codec: enabled on this line G729; this version plays PCMU, PCMA".
pub(crate) fn no_playable_codec(enabled: &[Codec], playable: &[Codec]) -> String {
    let list = |codecs: &[Codec]| match codecs {
        [] => "none".to_owned(),
        codecs => codecs.iter().map(|codec| encoding_name(*codec)).collect::<Vec<_>>().join(", "),
    };
    format!("no playable codec: enabled on this line {}; this version plays {}", list(enabled), list(playable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

    /// RFC 3264 6.1: the answer to sendonly is recvonly, to inactive inactive, whatever we want.
    #[test]
    fn answer_to_sendonly_is_recvonly() {
        assert_eq!(meet(SendRecv, SendOnly), RecvOnly);
        assert_eq!(meet(SendRecv, RecvOnly), SendOnly);
        assert_eq!(meet(SendRecv, Inactive), Inactive);
        assert_eq!(meet(SendRecv, SendRecv), SendRecv);
    }

    /// Both hold: nothing flows.
    #[test]
    fn holding_each_other_is_inactive() {
        assert_eq!(meet(SendOnly, SendOnly), Inactive);
        assert_eq!(hold_offer(true), Inactive);
        assert_eq!(hold_offer(false), SendOnly);
    }

    #[test]
    fn common_codecs_keep_the_far_ends_order_and_payload_types() {
        let far = [(Codec::Pcma, 8), (Codec::G729, 18), (Codec::Pcmu, 96)];
        assert_eq!(common(&far, &[Codec::Pcmu, Codec::Pcma]), [(Codec::Pcma, 8), (Codec::Pcmu, 96)]);
    }

    #[test]
    fn the_refusal_names_both_sides() {
        let text = no_common_codec(&["G729".into(), "opus".into()], &[Codec::Pcmu, Codec::Pcma]);
        assert_eq!(text, "no common codec: offered G729, opus; enabled here PCMU, PCMA");
        assert_eq!(no_common_codec(&[], &[]), "no common codec: offered none; enabled here none");
    }

    #[test]
    fn static_payload_types_need_no_rtpmap() {
        assert_eq!(known_codec(9, None), Some(Codec::G722));
        assert_eq!(known_codec(96, Some("pcmu")), Some(Codec::Pcmu));
        assert_eq!(known_codec(0, Some("L16")), None);
        assert_eq!(known_codec(97, None), None);
    }
}
