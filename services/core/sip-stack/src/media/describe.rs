//! SDP written and read: our stream as an offer or an answer, theirs as a [`FarStream`]. One audio stream of RTP/AVP is used;
//! other media of an offer are refused line by line, as RFC 3264 section 6 wants, and stay so in every later description (section 8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sip_wire::sdp::{Address, Connection, Direction as SdpDirection, Media, Origin, RtpMap, Session};

use super::mismatch::MediaMismatch;
use super::negotiate::{FarStream, direction, encoding_name, known_codec, receives, sends};
use crate::interface::{Codec, Direction};

/// The encoding name and clock of digits (RFC 4733).
const EVENTS: (&str, u32) = ("telephone-event", 8000);
/// All RTP audio clocks of our codecs (G.722's by RFC 3551).
const CLOCK: u32 = 8000;

/// Our stream as it shall be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OurStream {
    pub(crate) user: String,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// In order of preference, with their payload types.
    pub(crate) codecs: Vec<(Codec, u8)>,
    pub(crate) telephone_event: Option<u8>,
    pub(crate) direction: Direction,
    pub(crate) ptime_ms: u32,
    /// Silence suppression of G.729 is not spoken (RFC 4856 2.1.9).
    pub(crate) g729_annexb_no: bool,
    /// c=0.0.0.0 (B307).
    pub(crate) black_hole: bool,
}

/// A description as an offer. Where there is a session already, each of its m-lines keeps its place (RFC 3264 8): `before` is the
/// last description of ours.
pub(crate) fn offer(ours: &OurStream, before: Option<&Session>) -> Session {
    if let Some((before, place)) = before.and_then(|before| Some((before, our_place(before)?))) {
        return answer(ours, before, place);
    }
    let mut session = frame(ours);
    session.media.push(audio(ours));
    session
}

/// Where our stream stands in a description of ours: it is the only one with a port.
pub(crate) fn our_place(ours: &Session) -> Option<usize> {
    ours.media.iter().position(|media| !media.is_rejected())
}

/// The answer to `offered`: ours in the place of the stream at `chosen`, every other one refused.
pub(crate) fn answer(ours: &OurStream, offered: &Session, chosen: usize) -> Session {
    let mut session = frame(ours);
    for (place, line) in offered.media.iter().enumerate() {
        session.media.push(if place == chosen { audio(ours) } else { refused(line) });
    }
    session
}

fn frame(ours: &OurStream) -> Session {
    // Session id and version are set by whoever knows what was said before.
    let mut session = Session::new(Origin::new(&ours.user, 0, 0, ours.address));
    session.connection = Some(Connection::unicast(if ours.black_hole { nowhere(ours.address) } else { ours.address }));
    session
}

fn nowhere(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

fn audio(ours: &OurStream) -> Media {
    let mut media = Media::new("audio", ours.port, "RTP/AVP");
    for (codec, payload) in &ours.codecs {
        media.push_payload(&RtpMap::new(*payload, encoding_name(*codec), CLOCK));
        if ours.g729_annexb_no && *codec == Codec::G729 {
            media.attributes.push_fmtp(*payload, "annexb=no");
        }
    }
    if let Some(payload) = ours.telephone_event {
        media.push_payload(&RtpMap::new(payload, EVENTS.0, EVENTS.1));
        media.attributes.push_fmtp(payload, "0-15");
    }
    media.attributes.push("ptime", Some(&ours.ptime_ms.to_string()));
    media.attributes.set_direction(SdpDirection::of(sends(ours.direction), receives(ours.direction)));
    media
}

fn refused(line: &Media) -> Media {
    let mut media = Media::new(&line.kind, 0, &line.protocol);
    media.formats = line.formats.clone();
    media
}

fn fits(media: &Media) -> bool {
    media.kind == "audio" && media.protocol == "RTP/AVP" && !media.is_rejected()
}

/// The place of the stream that we take of an offer: where ours is already, else the first live audio one over plain RTP.
pub(crate) fn choose(offered: &Session, ours: Option<usize>) -> Option<usize> {
    let kept = ours.filter(|place| offered.media.get(*place).is_some_and(fits));
    kept.or_else(|| offered.media.iter().position(fits))
}

/// Their stream in that place, as far as it can be sent to from an address like `local`.
pub(crate) fn far_stream(session: &Session, place: usize, local: IpAddr) -> Result<FarStream, MediaMismatch> {
    let media = session.media.get(place).filter(|media| fits(media)).ok_or(MediaMismatch::NoAudio)?;
    let said = session.direction_of(media);
    let remote = destination(session.connection_of(media), local)?.map(|address| SocketAddr::new(address, media.port));
    Ok(FarStream {
        codecs: codecs(media),
        offered: media.formats.iter().map(|format| format_name(media, format)).collect(),
        telephone_event: events(media),
        direction: direction(said.sends(), said.receives() && remote.is_some()),
        remote,
        rtcp: remote.map(|remote| rtcp(media, remote)),
        rtcp_named: media.attributes.rtcp().is_some(),
        ptime_ms: media.attributes.ptime().filter(|ptime| (10..=100).contains(ptime)),
    })
}

/// Where a stream goes; none for a black hole: the address 0.0.0.0 or ::, or a name that never is one (RFC 2606).
fn destination(connection: Option<&Connection>, local: IpAddr) -> Result<Option<IpAddr>, MediaMismatch> {
    let Some(connection) = connection else { return Err(MediaMismatch::UnusableAddress("that is missing".to_owned())) };
    match &connection.address {
        Address::Ip(ip) if ip.is_unspecified() => Ok(None),
        Address::Ip(ip) if ip.is_ipv4() == local.is_ipv4() => Ok(Some(*ip)),
        Address::Ip(ip) => Err(MediaMismatch::UnusableAddress(ip.to_string())),
        Address::Other { network, .. } if network != "IN" => Err(MediaMismatch::OtherNetwork(readable(network))),
        Address::Other { host, .. } if host.to_ascii_lowercase().ends_with(".invalid") => Ok(None),
        Address::Other { host, .. } => Err(MediaMismatch::UnusableAddress(readable(host))),
    }
}

fn codecs(media: &Media) -> Vec<(Codec, u8)> {
    let codec = |payload: u8| {
        let map = media.rtpmap(payload);
        let right_clock = map.as_ref().is_none_or(|map| map.clock == CLOCK);
        known_codec(payload, map.as_ref().map(|map| map.encoding.as_str())).filter(|_| right_clock)
    };
    let mut all: Vec<(Codec, u8)> = Vec::new();
    for payload in media.payloads() {
        if let Some(codec) = codec(payload).filter(|codec| !all.iter().any(|(known, _)| known == codec)) {
            all.push((codec, payload));
        }
    }
    all
}

fn events(media: &Media) -> Option<u8> {
    media.payloads().find(|payload| media.rtpmap(*payload).is_some_and(|map| map.is(EVENTS.0, EVENTS.1)))
}

fn format_name(media: &Media, format: &str) -> String {
    let payload = format.parse().ok();
    let map = payload.and_then(|payload| media.rtpmap(payload)).map(|map| map.encoding);
    let fixed = || payload.and_then(|payload| known_codec(payload, None)).map(|codec| encoding_name(codec).to_owned());
    let name = map.or_else(fixed).unwrap_or_else(|| format!("payload type {format}"));
    readable(&name)
}

/// Fit to be shown.
fn readable(text: &str) -> String {
    sip_wire::text::shown(text).chars().filter(|c| !c.is_control()).take(32).collect()
}

fn rtcp(media: &Media, remote: SocketAddr) -> SocketAddr {
    match media.attributes.rtcp() {
        Some(rtcp) => {
            let address = rtcp.address.filter(|address| address.is_ipv4() == remote.is_ipv4());
            SocketAddr::new(address.unwrap_or(remote.ip()), rtcp.port)
        }
        None => SocketAddr::new(remote.ip(), remote.port().checked_add(1).unwrap_or(remote.port())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> OurStream {
        OurStream {
            user: String::new(),
            address: "192.0.2.1".parse().unwrap(),
            port: 16000,
            codecs: vec![(Codec::G722, 9), (Codec::Pcmu, 0)],
            telephone_event: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            g729_annexb_no: false,
            black_hole: false,
        }
    }

    fn parsed(lines: &str) -> Session {
        let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{lines}");
        Session::parse(text.as_bytes()).unwrap()
    }

    /// The stream that is taken of a first offer.
    fn first(session: &Session) -> Option<(usize, FarStream)> {
        let place = choose(session, None)?;
        Some((place, far_stream(session, place, ours().address).unwrap()))
    }

    fn ports(session: &Session) -> Vec<(&str, u16)> {
        session.media.iter().map(|media| (media.kind.as_str(), media.port)).collect()
    }

    #[test]
    fn an_offer_reads_back_as_it_was_meant() {
        let (place, far) = first(&offer(&ours(), None)).unwrap();
        assert_eq!((place, far.codecs), (0, vec![(Codec::G722, 9), (Codec::Pcmu, 0)]));
        assert_eq!((far.telephone_event, far.direction), (Some(101), Direction::SendRecv));
        assert_eq!(far.remote, Some("192.0.2.1:16000".parse().unwrap()));
        assert_eq!(far.rtcp, Some("192.0.2.1:16001".parse().unwrap()));
    }

    /// B303: beside G.729 only, at its payload type.
    #[test]
    fn annexb_is_denied_of_g729_where_that_is_wanted() {
        let codecs = vec![(Codec::G729, 18), (Codec::Pcmu, 0)];
        let described = |codecs: &[(Codec, u8)], g729_annexb_no| {
            let session = offer(&OurStream { codecs: codecs.to_vec(), g729_annexb_no, ..ours() }, None);
            String::from_utf8(session.to_bytes()).unwrap()
        };
        assert!(described(&codecs, true).contains("a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n"));
        assert!(!described(&codecs, false).contains("annexb"));
        assert!(!described(&codecs[1..], true).contains("annexb"));
    }

    /// RFC 3264 6: as many m-lines as the offer, the others with port 0.
    #[test]
    fn other_media_of_an_offer_are_refused_in_their_place() {
        let offered = parsed("m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0\r\nm=image 6000 udptl t38\r\n");
        let answer = answer(&ours(), &offered, choose(&offered, None).unwrap());
        assert_eq!(ports(&answer), [("video", 0), ("audio", 16000), ("image", 0)]);
    }

    /// RFC 3264 8: no m-line of a session goes away or changes its place.
    #[test]
    fn a_later_offer_has_all_lines_of_the_session() {
        let offered = parsed("m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0\r\n");
        let answer = answer(&ours(), &offered, 1);
        let later = offer(&OurStream { port: 16002, direction: Direction::SendOnly, ..ours() }, Some(&answer));
        assert_eq!(ports(&later), [("video", 0), ("audio", 16002)]);
        assert_eq!(our_place(&later), Some(1));
    }

    /// RFC 3264 8: another line that comes alive takes nothing from ours.
    #[test]
    fn our_stream_stays_in_its_place_while_it_can() {
        let two = parsed("m=audio 4000 RTP/AVP 0\r\nm=audio 5000 RTP/AVP 0\r\n");
        assert_eq!([choose(&two, None), choose(&two, Some(1)), choose(&two, Some(7))], [Some(0), Some(1), Some(0)]);
        let moved = parsed("m=audio 4000 RTP/AVP 0\r\nm=audio 0 RTP/AVP 0\r\n");
        assert_eq!(choose(&moved, Some(1)), Some(0));
    }

    /// B307: c=0.0.0.0, written and read.
    #[test]
    fn a_black_hole_is_written_and_read_as_not_receiving() {
        let session = offer(&OurStream { black_hole: true, direction: Direction::SendOnly, ..ours() }, None);
        assert!(String::from_utf8(session.to_bytes()).unwrap().contains("c=IN IP4 0.0.0.0\r\n"));
        let old = parsed("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\n");
        let (_, far) = first(&old).unwrap();
        assert_eq!((far.direction, far.remote), (Direction::SendOnly, None));
    }

    #[test]
    fn rtcp_of_the_description_wins() {
        let (_, far) = first(&parsed("m=audio 4000 RTP/AVP 0\r\na=rtcp:4500\r\n")).unwrap();
        assert_eq!((far.rtcp, far.rtcp_named), (Some("192.0.2.9:4500".parse().unwrap()), true));
    }

    #[test]
    fn unknown_formats_are_named_in_words() {
        let (_, far) = first(&parsed("m=audio 4000 RTP/AVP 18 97 98\r\na=rtpmap:97 opus/48000/2\r\n")).unwrap();
        assert_eq!(far.offered, ["G729", "opus", "payload type 98"]);
        assert_eq!(far.codecs, [(Codec::G729, 18)]);
    }

    #[test]
    fn no_live_plain_audio_is_no_stream() {
        assert_eq!(first(&parsed("m=audio 0 RTP/AVP 0\r\n")), None);
        assert_eq!(first(&parsed("m=audio 4000 RTP/SAVP 0\r\n")), None);
        assert_eq!(first(&parsed("")), None);
    }
}
