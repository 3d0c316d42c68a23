//! One call's media over its life: our port, the legs of a forked call, hold on both sides, what was offered and agreed, and the
//! version of what we said. Makes SDP bodies and media wishes; sends neither.

use std::net::{IpAddr, SocketAddr};

use agreements::{CallIdentity, LineNumber};
use serde::{Deserialize, Serialize};
use sip_wire::sdp::Session;

use super::describe::{self, OurStream};
use super::mismatch::MediaMismatch;
use super::negotiate::{self, FarStream};
use crate::interface::{CallMedia, Codec, Direction, LegMedia, LineSettings, StackSettings};

/// Legs of a forked call that media is asked for; further ones ring without early media.
const MOST_LEGS: usize = 4;

/// Payload types that a description gives its meaning to (RFC 3551 6).
const DYNAMIC_PAYLOADS: std::ops::RangeInclusive<u8> = 96..=127;

/// One leg: one To-tag's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leg {
    pub(crate) number: u32,
    ssrc: u32,
    /// What was agreed; none before.
    agreed: Option<Agreed>,
}

/// The outcome of one offer and answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Agreed {
    /// Our part of it, without its origin.
    #[serde(with = "serde_bytes")]
    ours: Vec<u8>,
    codecs: Vec<(Codec, u8)>,
    telephone_event: Option<u8>,
    far: Direction,
    remote: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
    rtcp_named: bool,
    ptime_ms: Option<u32>,
}

/// An offer of theirs that waits for our answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// As it came, for the shape of the answer.
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
    chosen: usize,
    far: FarStream,
}

/// What an offer of ours said, as far as an answer may choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Offered {
    codecs: Vec<Codec>,
    events: bool,
    /// Without its origin.
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

/// See the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MediaSession {
    /// Where we receive.
    pub(crate) local: SocketAddr,
    /// Of the last wish.
    pub(crate) generation: u64,
    /// The newest generation that media has answered.
    pub(crate) ready: u64,
    pub(crate) legs: Vec<Leg>,
    next_leg: u32,
    sdp_id: u64,
    sdp_version: u64,
    /// The last body without its origin, so that the version grows only with a change.
    #[serde(with = "serde_bytes")]
    said: Option<Vec<u8>>,
    /// What we offered and have no answer to yet.
    offered: Option<Offered>,
    /// We hold, in effect.
    pub(crate) held_by_us: bool,
    /// They hold, in effect.
    pub(crate) held_by_them: bool,
    /// Answered: sound may flow.
    pub(crate) open: bool,
}

/// Codecs of a line that this phone can play.
pub(crate) fn usable_codecs(settings: &StackSettings, line: &LineSettings) -> Vec<Codec> {
    line.codecs.iter().filter(|codec| settings.playable.contains(codec)).copied().collect()
}

impl MediaSession {
    /// At a port, with one leg.
    pub(crate) fn new(local: SocketAddr, ssrc: u32, sdp_id: u64) -> MediaSession {
        MediaSession {
            local,
            generation: 0,
            ready: 0,
            legs: vec![Leg { number: 0, ssrc, agreed: None }],
            next_leg: 1,
            sdp_id,
            sdp_version: sdp_id,
            said: None,
            offered: None,
            held_by_us: false,
            held_by_them: false,
            open: false,
        }
    }

    /// The codec that is sent.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.legs.first()?.agreed.as_ref()?.codecs.first().map(|(codec, _)| *codec)
    }

    /// Whether media has said yes to the last wish.
    pub(crate) fn is_ready(&self) -> bool {
        self.generation > 0 && self.ready >= self.generation
    }

    /// Reads the offer that begins a session; an error is the reason of a 488. `local`: an address of the family that the line uses.
    pub(crate) fn read_first_offer(body: &[u8], ours: &[Codec], local: IpAddr) -> Result<Offer, MediaMismatch> {
        read_offer(body, ours, (None, local))
    }

    /// Reads an offer in the session; an error is the reason of a 488.
    pub(crate) fn read_offer(&self, body: &[u8], ours: &[Codec]) -> Result<Offer, MediaMismatch> {
        let place = self.in_effect().as_ref().and_then(describe::our_place);
        read_offer(body, ours, (place, self.local.ip()))
    }

    /// Our description in effect, without its origin; none before an answer.
    fn in_effect(&self) -> Option<Session> {
        Session::parse(&self.legs.first()?.agreed.as_ref()?.ours).ok()
    }

    /// Our offer with that direction.
    pub(crate) fn offer(&mut self, settings: &StackSettings, line: &LineSettings, direction: Direction) -> Vec<u8> {
        let codecs: Vec<(Codec, u8)> = self.offered_codecs(settings, line);
        let hold = !negotiate::receives(direction);
        let telephone_event = line.telephone_event.then(|| self.event_payload(&codecs, settings));
        let ours = OurStream {
            user: line.sdp_user.clone(),
            address: self.local.ip(),
            port: self.local.port(),
            codecs: codecs.clone(),
            telephone_event,
            direction,
            ptime_ms: settings.ptime_ms,
            g729_annexb_no: settings.g729_annexb_no,
            black_hole: hold && line.rfc2543_hold,
        };
        self.publish_offer(describe::offer(&ours, self.in_effect().as_ref()), &codecs, line.telephone_event)
    }

    /// The description in effect as an offer once more, and its direction: a refresh says that nothing has changed (RFC 4028 7.4).
    /// None where something has: our address.
    pub(crate) fn offer_again(&mut self) -> Option<(Vec<u8>, Direction)> {
        let session = self.in_effect()?;
        let ours = describe::far_stream(&session, describe::our_place(&session)?, self.local.ip()).ok()?;
        if ours.remote.is_some_and(|said| said != self.local) {
            return None;
        }
        Some((self.publish_offer(session, &ours.codecs, ours.telephone_event.is_some()), ours.direction))
    }

    fn publish_offer(&mut self, session: Session, codecs: &[(Codec, u8)], events: bool) -> Vec<u8> {
        let bytes = self.publish(session);
        let body = self.said.clone().unwrap_or_default();
        self.offered = Some(Offered { codecs: codecs.iter().map(|(codec, _)| *codec).collect(), events, body });
        bytes
    }

    /// What is agreed already stays in front and keeps its payload types (RFC 3264 8.3.2).
    fn offered_codecs(&self, settings: &StackSettings, line: &LineSettings) -> Vec<(Codec, u8)> {
        let agreed = self.legs.first().and_then(|leg| leg.agreed.as_ref()).map(|agreed| agreed.codecs.clone());
        let mut codecs = agreed.unwrap_or_default();
        for codec in usable_codecs(settings, line) {
            if !codecs.iter().any(|(known, _)| *known == codec) {
                codecs.push((codec, negotiate::payload_type(codec)));
            }
        }
        codecs
    }

    /// Digits keep the payload type that is agreed (RFC 3264 8.3.2), and never take that of a codec.
    fn event_payload(&self, codecs: &[(Codec, u8)], settings: &StackSettings) -> u8 {
        let agreed = self.legs.first().and_then(|leg| leg.agreed.as_ref()).and_then(|agreed| agreed.telephone_event);
        let wished = agreed.unwrap_or(settings.televent_payload);
        let free = |payload: &u8| !codecs.iter().any(|(_, taken)| taken == payload);
        std::iter::once(wished).chain(DYNAMIC_PAYLOADS).find(free).unwrap_or(wished)
    }

    /// Our answer to an offer of theirs; takes effect on the first leg with it. An offer of our INVITE stays open for other dialogs of
    /// the fork.
    pub(crate) fn answer(&mut self, offer: &Offer, settings: &StackSettings, line: &LineSettings) -> Option<Vec<u8>> {
        let offered = Session::parse(&offer.body).ok()?;
        let far = &offer.far;
        let codecs = negotiate::common(&far.codecs, &usable_codecs(settings, line));
        let telephone_event = far.telephone_event.filter(|_| line.telephone_event);
        let ours = OurStream {
            user: line.sdp_user.clone(),
            address: self.local.ip(),
            port: self.local.port(),
            codecs: codecs.clone(),
            telephone_event,
            direction: negotiate::meet(self.wish(), far.direction),
            ptime_ms: settings.ptime_ms,
            g729_annexb_no: settings.g729_annexb_no,
            black_hole: false,
        };
        let body = self.publish(describe::answer(&ours, &offered, offer.chosen));
        let said = self.said.clone().unwrap_or_default();
        self.settle(0, far, codecs, (telephone_event, said));
        self.held_by_them = !negotiate::receives(far.direction);
        Some(body)
    }

    /// Whether an offer of theirs leaves everything as it is.
    pub(crate) fn is_unchanged_by(&self, offer: &Offer, settings: &StackSettings, line: &LineSettings) -> bool {
        let mut after = self.clone();
        let answered = after.answer(offer, settings, line).is_some();
        answered && after.held_by_them == self.held_by_them && after.sounds_as(self, settings)
    }

    /// Whether media has to do the same for both.
    pub(crate) fn sounds_as(&self, other: &MediaSession, settings: &StackSettings) -> bool {
        let legs =
            |media: &MediaSession| -> Vec<LegMedia> { media.legs.iter().map(|leg| media.leg_media(leg, settings)).collect() };
        legs(self) == legs(other)
    }

    /// Their answer to our offer, on a leg. `offered_send`: whether we offered to send, without which their silence says
    /// nothing of a hold.
    pub(crate) fn take_answer(&mut self, leg: usize, body: &[u8], offered_send: bool) -> Result<(), MediaMismatch> {
        let session = Session::parse(body)?;
        let Offered { codecs: allowed, events, body: ours } = self.offered.clone().ok_or(MediaMismatch::NoOffer)?;
        // Whoever leaves lines out, or has refused ours and taken none in its place, is heard where its only stream is.
        let place = describe::choose(&session, describe::our_place(&Session::parse(&ours)?)).ok_or(MediaMismatch::NoAudio)?;
        let far = describe::far_stream(&session, place, self.local.ip())?;
        let codecs = negotiate::common(&far.codecs, &allowed);
        if codecs.is_empty() {
            return Err(MediaMismatch::NoCommonCodec(negotiate::no_common_codec(&far.offered, &allowed)));
        }
        let telephone_event = far.telephone_event.filter(|_| events);
        self.settle(leg, &far, codecs, (telephone_event, ours));
        if offered_send {
            self.held_by_them = !negotiate::receives(far.direction);
        }
        Ok(())
    }

    /// The answer of the dialog that won has been taken, or there is none to come.
    pub(crate) fn close_offer(&mut self) {
        self.offered = None;
    }

    fn settle(&mut self, leg: usize, far: &FarStream, codecs: Vec<(Codec, u8)>, (telephone_event, ours): (Option<u8>, Vec<u8>)) {
        if let Some(leg) = self.legs.get_mut(leg) {
            leg.agreed = Some(Agreed {
                ours,
                codecs,
                telephone_event,
                far: far.direction,
                remote: far.remote,
                rtcp: far.rtcp,
                rtcp_named: far.rtcp_named,
                ptime_ms: far.ptime_ms,
            });
        }
    }

    /// What we want to do, before they are asked.
    pub(crate) fn wish(&self) -> Direction {
        if self.held_by_us { Direction::SendOnly } else { Direction::SendRecv }
    }

    /// A leg for another To-tag: the first one while it is free. None when there are too many.
    pub(crate) fn leg_for_fork(&mut self, ssrc: u32) -> Option<u32> {
        if let Some(first) = self.legs.first().filter(|leg| leg.agreed.is_none()) {
            return Some(first.number);
        }
        if self.legs.len() >= MOST_LEGS {
            return None;
        }
        let number = self.next_leg;
        self.next_leg += 1;
        self.legs.push(Leg { number, ssrc, agreed: None });
        Some(number)
    }

    /// The place of a leg.
    pub(crate) fn place(&self, number: u32) -> Option<usize> {
        self.legs.iter().position(|leg| leg.number == number)
    }

    /// The fork is over: only this leg stays, or the first one where the winner has none.
    pub(crate) fn keep_only(&mut self, number: Option<u32>) {
        let place = number.and_then(|number| self.place(number)).unwrap_or(0);
        if place < self.legs.len() {
            self.legs = vec![self.legs.swap_remove(place)];
        }
    }

    /// Another far end is asked: what was agreed with the one before is void. Says whether anything was.
    pub(crate) fn forget_agreed(&mut self) -> bool {
        let agreed = self.legs.iter().any(|leg| leg.agreed.is_some());
        self.legs.truncate(1);
        self.legs.iter_mut().for_each(|leg| leg.agreed = None);
        agreed
    }

    /// Another port, before anything was said with the old one.
    pub(crate) fn move_to(&mut self, port: u16) {
        self.local.set_port(port);
    }

    /// The next wish.
    pub(crate) fn desire(&mut self, call: CallIdentity, line: LineNumber, settings: &StackSettings) -> CallMedia {
        self.generation += 1;
        self.desired(call, line, settings)
    }

    /// The wish as it stands.
    pub(crate) fn desired(&self, call: CallIdentity, line: LineNumber, settings: &StackSettings) -> CallMedia {
        let legs = self.legs.iter().map(|leg| self.leg_media(leg, settings)).collect();
        CallMedia { call, line, generation: self.generation, legs }
    }

    /// An earlier state of the session, taken up again after later wishes.
    pub(crate) fn at_generation(mut self, generation: u64) -> MediaSession {
        self.generation = generation;
        self
    }

    /// The wish that ends it.
    pub(crate) fn farewell(&mut self, call: CallIdentity, line: LineNumber) -> CallMedia {
        self.generation += 1;
        CallMedia { call, line, generation: self.generation, legs: Vec::new() }
    }

    fn leg_media(&self, leg: &Leg, settings: &StackSettings) -> LegMedia {
        let agreed = leg.agreed.as_ref();
        let direction = match agreed {
            Some(agreed) if self.open => negotiate::meet(self.wish(), agreed.far),
            Some(_) | None => Direction::Inactive,
        };
        LegMedia {
            leg: leg.number,
            local: self.local,
            remote: agreed.and_then(|agreed| agreed.remote),
            remote_rtcp: agreed.and_then(|agreed| agreed.rtcp),
            rtcp_named: agreed.is_some_and(|agreed| agreed.rtcp_named),
            direction,
            codecs: agreed.map(|agreed| agreed.codecs.clone()).unwrap_or_default(),
            telephone_event: agreed.and_then(|agreed| agreed.telephone_event),
            ssrc: leg.ssrc,
            ptime_ms: agreed.and_then(|agreed| agreed.ptime_ms).unwrap_or(settings.ptime_ms),
        }
    }

    /// Writes a description with our session id; its version grows only when something else than the version changes. Whatever our
    /// name and address are by now, the origin stays what it was (RFC 3264 8).
    fn publish(&mut self, mut session: Session) -> Vec<u8> {
        if let Some(before) = self.said.as_ref().and_then(|said| Session::parse(said).ok()) {
            session.origin = before.origin;
        }
        let bare = session.to_bytes();
        if self.said.as_ref().is_some_and(|said| *said != bare) {
            self.sdp_version = self.sdp_version.wrapping_add(1);
        }
        self.said = Some(bare);
        session.origin.session_id = self.sdp_id.to_string();
        session.origin.version = self.sdp_version.to_string();
        session.to_bytes()
    }
}

/// Of their offer we take the stream where ours is (`place`), or a new one.
fn read_offer(body: &[u8], ours: &[Codec], (place, local): (Option<usize>, IpAddr)) -> Result<Offer, MediaMismatch> {
    let session = Session::parse(body)?;
    let chosen = describe::choose(&session, place).ok_or(MediaMismatch::NoAudio)?;
    let far = describe::far_stream(&session, chosen, local)?;
    if negotiate::common(&far.codecs, ours).is_empty() {
        return Err(MediaMismatch::NoCommonCodec(negotiate::no_common_codec(&far.offered, ours)));
    }
    Ok(Offer { body: body.to_vec(), chosen, far })
}
