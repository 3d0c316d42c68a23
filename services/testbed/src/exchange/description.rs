//! Offers and answers of the exchange (RFC 3264): one audio stream with a codec that an echo can carry, and telephone-events.

use std::net::SocketAddr;

use sip_wire::sdp::{Connection, Direction, Media, Origin, RtpMap, Session};

/// Static payload types (RFC 3551) in the order of our own offers.
const CODECS: [(u8, &str); 4] = [(9, "G722"), (8, "PCMA"), (0, "PCMU"), (18, "G729")];
const EVENTS: &str = "telephone-event";

/// An answer, and whether we send by it.
pub(super) struct Answer {
    pub session: Session,
    pub sends: bool,
}

fn description(local: SocketAddr, id: u64, version: u64) -> Session {
    let mut session = Session::new(Origin::new("exchange", id, version, local.ip()));
    session.connection = Some(Connection::unicast(local.ip()));
    session
}

/// All that we speak, at an RTP address.
pub(super) fn offer(local: SocketAddr, id: u64) -> Session {
    let mut session = description(local, id, 1);
    let mut audio = Media::new("audio", local.port(), "RTP/AVP");
    for (payload, name) in CODECS {
        audio.push_payload(&RtpMap::new(payload, name, 8000));
    }
    audio.push_payload(&RtpMap::new(101, EVENTS, 8000));
    audio.attributes.push_fmtp(101, "0-16");
    audio.attributes.push("ptime", Some("20"));
    audio.attributes.set_direction(Direction::SendRecv);
    session.media.push(audio);
    session
}

/// The answer to an offer: its first codec that we know, its telephone-event, the direction seen from our side; every other media
/// line refused. None when nothing fits.
pub(super) fn answer(offer: &Session, local: SocketAddr, id: u64, version: u64) -> Option<Answer> {
    let mut session = description(local, id, version);
    let mut sends = None;
    for media in &offer.media {
        match codec(media).filter(|_| sends.is_none()) {
            Some(codec) => {
                let direction = direction(offer, media).reversed();
                sends = Some(direction.sends());
                session.media.push(accepted(media, &codec, local.port(), direction));
            }
            None => session.media.push(Media { formats: media.formats.clone(), ..Media::new(&media.kind, 0, &media.protocol) }),
        }
    }
    sends.map(|sends| Answer { session, sends })
}

/// Whether we send by the answer to our offer.
pub(super) fn sends_by(answer: &Session) -> bool {
    answer.media.first().is_some_and(|media| !media.is_rejected() && direction(answer, media).receives())
}

/// The old way to hold is an address of zeros (RFC 2543).
fn direction(session: &Session, media: &Media) -> Direction {
    let nowhere = session.connection_of(media).and_then(Connection::ip).is_some_and(|ip| ip.is_unspecified());
    let stated = session.direction_of(media);
    if nowhere { Direction::of(stated.sends(), false) } else { stated }
}

fn codec(media: &Media) -> Option<RtpMap> {
    if media.kind != "audio" || media.protocol != "RTP/AVP" || media.is_rejected() {
        return None;
    }
    media.payloads().find_map(|payload| {
        let map = media.rtpmap(payload).or_else(|| static_map(payload))?;
        CODECS.iter().any(|(_, name)| map.is(name, 8000)).then_some(map)
    })
}

fn static_map(payload: u8) -> Option<RtpMap> {
    CODECS.iter().find(|(number, _)| *number == payload).map(|(number, name)| RtpMap::new(*number, name, 8000))
}

fn accepted(offered: &Media, codec: &RtpMap, port: u16, direction: Direction) -> Media {
    let mut media = Media::new("audio", port, "RTP/AVP");
    media.push_payload(codec);
    if let Some(events) = offered.attributes.rtpmaps().find(|map| map.is(EVENTS, 8000)) {
        media.push_payload(&events);
        media.attributes.push_fmtp(events.payload, offered.fmtp(events.payload).unwrap_or("0-15"));
    }
    media.attributes.push("ptime", Some("20"));
    media.attributes.set_direction(direction);
    media
}
