//! The desired state as sip-agent sends it (media.proto), checked and bounded. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::media as wire;

use crate::codec::Codec;
use crate::rtp::digits::{self, Digit};
use crate::rtp::outgoing::Agreed;
use crate::rtp::reception::LatencyLimits;
use crate::sound::mixer::{Endpoint, Part};
use crate::sound::tone::ToneSpec;

/// Six lines with some forks each; more is a defect of the caller.
const MOST_SESSIONS: usize = 64;
const MOST_CODECS: usize = 16;
const MOST_DIGITS: usize = 64;
const MOST_FREQUENCIES: usize = 4;
const MOST_TIMES: usize = 32;
const DEFAULT_PACKET_MS: u32 = 20;

/// What shall be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Grows within one epoch.
    pub generation: u64,
    /// Random per life of the calls.
    pub session_epoch: u64,
    /// 0: the default.
    pub lease_seconds: u32,
    /// By id.
    pub sessions: BTreeMap<String, Session>,
    /// To send, by session.
    pub digits: BTreeMap<String, Vec<Digit>>,
    /// In the earpiece.
    pub tone: Option<ToneSpec>,
    /// The ringer.
    pub ring: Option<Ring>,
    /// Where the far end is heard.
    pub route: Route,
}

/// One RTP session of one dialog leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Stable over re-INVITEs.
    pub id: String,
    /// Whose.
    pub call: String,
    /// Where RTP comes in; RTCP at the next port.
    pub local: SocketAddr,
    /// Where it goes; none: not known yet.
    pub remote: Option<SocketAddr>,
    /// Where RTCP goes.
    pub remote_rtcp: Option<SocketAddr>,
    /// Agreed, the first is sent, all are received, with their payload types.
    pub codecs: Vec<(Codec, u8)>,
    /// How it takes part in the mix.
    pub part: Part,
    /// Differentiated services code points of its RTP and of its RTCP packets.
    pub dscp: (u8, u8),
    /// Of the jitter buffer.
    pub jitter: LatencyLimits,
    /// Payload type of RFC 4733 events.
    pub telephone_event: Option<u8>,
}

/// What rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// 1..=32
    pub ringtone: u32,
    /// 0..=100
    pub volume_percent: u32,
}

/// Where the far end is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// The handset.
    #[default]
    Handset,
    /// Hands-free.
    Speaker,
    /// The headset.
    Headset,
}

fn wrong(text: impl Into<String>) -> HouseError {
    HouseError::new(ErrorKind::InvalidArgument, text)
}

impl Desired {
    /// Nothing at all, as it is at start and after the lease.
    pub fn nothing() -> Desired {
        Desired {
            generation: 0,
            session_epoch: 0,
            lease_seconds: 0,
            sessions: BTreeMap::new(),
            digits: BTreeMap::new(),
            tone: None,
            ring: None,
            route: Route::Handset,
        }
    }

    /// Checks a request.
    ///
    /// # Errors
    /// `InvalidArgument` with what is wrong; unknown codecs are no error, they are left out.
    pub fn read(state: wire::DesiredState) -> Result<Desired, HouseError> {
        if state.sessions.len() > MOST_SESSIONS {
            return Err(wrong(format!("{} sessions: at most {MOST_SESSIONS} can be", state.sessions.len())));
        }
        let route = match state.route() {
            wire::Route::Unspecified | wire::Route::Handset => Route::Handset,
            wire::Route::Speaker => Route::Speaker,
            wire::Route::Headset => Route::Headset,
        };
        let mut desired = Desired {
            generation: state.generation,
            session_epoch: state.session_epoch,
            lease_seconds: state.lease_seconds,
            tone: state.tone.map(read_tone).transpose()?,
            ring: state.ring.map(|ring| Ring { ringtone: ring.ringtone, volume_percent: ring.volume_percent.min(100) }),
            route,
            ..Desired::nothing()
        };
        for session in state.sessions {
            let id = session.id.clone();
            desired.digits.insert(id.clone(), read_digits(&session)?);
            if desired.sessions.insert(id.clone(), read_session(session, state.session_epoch)?).is_some() {
                return Err(wrong(format!("session {id} is there twice")));
            }
        }
        Ok(desired)
    }
}

fn read_tone(tone: wire::Tone) -> Result<ToneSpec, HouseError> {
    if tone.frequencies.len() > MOST_FREQUENCIES || tone.timing_ms.len() > MOST_TIMES {
        return Err(wrong(format!("tone {}: at most {MOST_FREQUENCIES} frequencies and {MOST_TIMES} times", tone.name)));
    }
    Ok(ToneSpec {
        name: tone.name.chars().take(32).collect(),
        frequencies: tone.frequencies.into_iter().map(|hertz| hertz.min(7_000)).collect(),
        timing_ms: tone.timing_ms,
        starts_with_on: tone.starts_with_on,
        gain_db: tone.gain_db.clamp(-60, 12),
    })
}

fn read_digits(session: &wire::Session) -> Result<Vec<Digit>, HouseError> {
    if session.digits.len() > MOST_DIGITS {
        return Err(wrong(format!("session {}: at most {MOST_DIGITS} digits at once", session.id)));
    }
    session.digits.iter().map(|digit| read_digit(session, digit)).collect()
}

fn read_digit(session: &wire::Session, digit: &wire::Digit) -> Result<Digit, HouseError> {
    let mut characters = digit.digit.chars().map(|character| character.to_ascii_uppercase());
    match (characters.next(), characters.next()) {
        (Some(character), None) if digits::code(character).is_some() => Ok(Digit {
            number: digit.number,
            digit: character,
            duration_ms: digit.duration_ms,
            pause_ms: digit.pause_ms.min(10_000),
            in_band: digit.in_band,
        }),
        _ => Err(wrong(format!("session {}: digit number {} is none of 0-9 A-D * #", session.id, digit.number))),
    }
}

fn read_session(session: wire::Session, session_epoch: u64) -> Result<Session, HouseError> {
    let of = |text: &str| wrong(format!("session {}: {text}", session.id));
    let address: IpAddr = session.local_address.parse().map_err(|_| of("local_address is no IP address"))?;
    let port = u16::try_from(session.local_port).ok().filter(|port| *port != 0 && port % 2 == 0);
    let port = port.ok_or_else(|| of("local_port must be even and from 2 to 65534"))?;
    if session.id.is_empty() || session.id.len() > 128 || session.codecs.len() > MOST_CODECS {
        return Err(of("the id must have 1 to 128 bytes, and there may be 16 codecs"));
    }
    let direction = session.direction();
    let (send, receive) = match direction {
        wire::Direction::Unspecified | wire::Direction::Inactive => (false, false),
        wire::Direction::Sendonly => (true, false),
        wire::Direction::Recvonly => (false, true),
        wire::Direction::Sendrecv => (true, true),
    };
    let remote = read_remote(&session.remote_address, session.remote_port);
    let codecs = read_codecs(&session);
    let telephone_event = payload_type(session.telephone_event).filter(|event| *event != 0);
    let packet_ms = if session.ptime_ms == 0 { DEFAULT_PACKET_MS } else { session.ptime_ms.clamp(10, 120) };
    let agreed = codecs.first().map(|(codec, payload_type)| Agreed {
        session_epoch,
        ssrc: session.ssrc,
        codec: *codec,
        payload_type: *payload_type,
        telephone_event,
        packet_ms,
    });
    let interval = (session.rtcp_interval > 0).then(|| Duration::from_secs(u64::from(session.rtcp_interval)));
    Ok(Session {
        local: SocketAddr::new(address, port),
        remote_rtcp: read_remote(&session.remote_address, session.remote_rtcp_port),
        part: Part {
            agreed,
            send: send && remote.is_some() && agreed.is_some(),
            receive: receive && agreed.is_some(),
            hears: session.hears.into_iter().map(endpoint).collect(),
            heard_by_handset: session.heard_by_handset,
            rtcp_interval: interval.filter(|_| agreed.is_some()),
        },
        remote,
        codecs,
        dscp: (code_point(session.dscp), code_point(session.dscp_rtcp)),
        jitter: LatencyLimits {
            min: session.jitter_min_ms.min(1_000),
            nominal: session.jitter_nominal_ms.min(1_000),
            max: session.jitter_max_ms.min(1_000),
        },
        telephone_event,
        id: session.id,
        call: session.call,
    })
}

/// Six bits; more are the most.
fn code_point(number: u32) -> u8 {
    u8::try_from(number.min(63)).unwrap_or(0)
}

fn payload_type(number: u32) -> Option<u8> {
    u8::try_from(number).ok().filter(|number| *number < 128)
}

fn read_codecs(session: &wire::Session) -> Vec<(Codec, u8)> {
    let known = session.codecs.iter().filter_map(|codec| {
        let known = Codec::from_name(&codec.name).zip(payload_type(codec.payload_type));
        if known.is_none() {
            tracing::warn!(session = session.id, codec = codec.name, "a codec that this engine does not have is left out");
        }
        known
    });
    known.collect()
}

/// None: unknown, or the "nowhere" of an old-style hold (RFC 2543).
fn read_remote(address: &str, port: u32) -> Option<SocketAddr> {
    let address: IpAddr = address.parse().ok()?;
    let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
    (!address.is_unspecified()).then(|| SocketAddr::new(address, port))
}

fn endpoint(id: String) -> Endpoint {
    if id == "handset" { Endpoint::Handset } else { Endpoint::Session(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> wire::Session {
        wire::Session {
            id: "call/1".into(),
            local_address: "127.0.0.1".into(),
            local_port: 16_000,
            remote_address: "127.0.0.2".into(),
            remote_port: 4_000,
            direction: wire::Direction::Sendrecv.into(),
            codecs: vec![
                wire::Codec { name: "opus".into(), payload_type: 96 },
                wire::Codec { name: "pcma".into(), payload_type: 8 },
            ],
            ..Default::default()
        }
    }

    fn read(session: wire::Session) -> Result<Session, HouseError> {
        let state = wire::DesiredState { sessions: vec![session], ..Default::default() };
        Desired::read(state).map(|mut desired| desired.sessions.pop_first().unwrap().1)
    }

    #[test]
    fn codecs_of_a_newer_peer_are_left_out() {
        let session = read(session()).unwrap();
        assert_eq!(session.codecs, [(Codec::Pcma, 8)]);
        assert!(session.part.send && session.part.receive);
    }

    #[test]
    fn without_a_codec_or_a_far_end_the_socket_is_only_bound() {
        let bound = read(wire::Session { codecs: Vec::new(), ..session() }).unwrap();
        assert!(bound.part.agreed.is_none() && !bound.part.send && !bound.part.receive);
        for address in ["", "0.0.0.0", "::", "a name"] {
            let session = read(wire::Session { remote_address: address.into(), ..session() }).unwrap();
            assert!(!session.part.send && session.part.receive, "{address}");
        }
    }

    #[test]
    fn ports_addresses_and_digits_are_checked() {
        for wrong in [
            wire::Session { local_port: 16_001, ..session() },
            wire::Session { local_port: 0, ..session() },
            wire::Session { local_port: 70_000, ..session() },
            wire::Session { local_address: "localhost".into(), ..session() },
            wire::Session { id: String::new(), ..session() },
            wire::Session { digits: vec![wire::Digit { digit: "12".into(), ..Default::default() }], ..session() },
            wire::Session { digits: vec![wire::Digit { digit: "x".into(), ..Default::default() }], ..session() },
        ] {
            assert_eq!(read(wrong).unwrap_err().kind, ErrorKind::InvalidArgument);
        }
        let twice = wire::DesiredState { sessions: vec![session(), session()], ..Default::default() };
        assert!(Desired::read(twice).is_err());
    }
}
