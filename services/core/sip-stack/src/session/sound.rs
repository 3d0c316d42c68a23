//! What sessions ask of media, and what they do with its answers: a port, a wish before an SDP leaves, the next pair when a port
//! is taken, an end or a refusal when there will be no sound.

use agreements::CallIdentity;

use super::reinvite::Ours;
use super::{Call, Exchange, State};
use crate::interface::{EndedBy, MediaRefusal, Output, StackSettings};
use crate::media::MediaSession;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// How long media may think about a wish that an SDP waits for.
const MEDIA_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Ports that are tried for one call.
const MOST_PORT_TRIES: u8 = 32;

impl Stack {
    /// A media session at a free port of the route's socket, with its first wish not yet made. An error is in words.
    pub(super) fn open_media(&mut self, settings: &StackSettings, route: Route) -> Result<MediaSession, String> {
        let local = self.local_of(route.flow).ok_or("the line's socket is not open")?;
        let port = self.free_port(settings).ok_or("no RTP port is free")?;
        let local = std::net::SocketAddr::new(local.ip(), port);
        Ok(MediaSession::new(local, self.random.u32(), u64::from(self.random.u32())))
    }

    pub(super) fn free_port(&mut self, settings: &StackSettings) -> Option<u16> {
        let held: Vec<u16> =
            self.core.calls.values().filter_map(|call| call.media.as_ref()).map(|media| media.local.port()).collect();
        self.core.ports.next(settings.rtp_ports, &held)
    }

    /// Makes the next wish of a call's media.
    pub(super) fn desire(&mut self, call: &mut Call, settings: &StackSettings) {
        if let Some(media) = &mut call.media {
            let wish = media.desire(call.identity, call.line, settings);
            self.put(Output::MediaDesired(wish));
        }
    }

    /// The next wish, and an SDP that waits for its answer.
    pub(super) fn desire_and_wait(&mut self, call: &mut Call, settings: &StackSettings) {
        self.desire(call, settings);
        self.arm(TimerOwner::Call(call.identity), Timer::MediaAnswer, MEDIA_PATIENCE);
    }

    /// What media says to a wish.
    pub(crate) fn on_media_ready(&mut self, identity: CallIdentity, generation: u64, result: Result<(), MediaRefusal>) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let newest = call.media.as_ref().is_some_and(|media| media.generation == generation) && !call.ended;
        if !newest {
            self.core.calls.insert(identity, call);
            return;
        }
        match result {
            Ok(()) => {
                self.core.timers.disarm(TimerOwner::Call(identity), Timer::MediaAnswer);
                if let Some(media) = &mut call.media {
                    media.ready = generation;
                }
                self.on_media_there(call, &settings);
            }
            Err(MediaRefusal::PortTaken(_)) => self.on_port_taken(call, &settings),
            Err(MediaRefusal::Failed(reason)) => self.on_media_lost(call, &reason),
        }
    }

    fn on_media_there(&mut self, call: Call, settings: &StackSettings) {
        match &call.state {
            State::Preparing { .. } => self.send_invite(call, settings),
            State::Offered(offered) if offered.answer_wanted => self.accept(call, settings),
            State::Offered(offered) if offered.ring_wanted => {
                let identity = call.identity;
                self.put_call(call);
                self.ring(identity);
            }
            State::Talking(talking) if talking.theirs.is_some() => self.accept_reinvite(call, settings),
            State::Talking(talking) if matches!(talking.ours, Ours::Moving) => self.go_on(call, settings),
            State::Locating { .. } | State::Inviting(_) | State::Offered(_) | State::Talking(_) | State::Leaving(_) => {
                self.put_call(call);
            }
        }
    }

    /// Another program holds the port: the next pair, while nothing was said with this one.
    fn on_port_taken(&mut self, mut call: Call, settings: &StackSettings) {
        let unsaid = match &call.state {
            State::Preparing { .. } => true,
            State::Offered(offered) => offered.exchange == Exchange::InAnswer,
            State::Talking(talking) => matches!(talking.ours, Ours::Moving),
            State::Locating { .. } | State::Inviting(_) | State::Leaving(_) => false,
        };
        call.port_tries = call.port_tries.saturating_add(1);
        // While the call is taken out its port counts as free: the ring moves on from it by itself.
        let port = self.free_port(settings).filter(|_| unsaid && call.port_tries <= MOST_PORT_TRIES);
        let Some(port) = port else { return self.on_media_lost(call, "no RTP port is free") };
        if let Some(media) = &mut call.media {
            media.move_to(port);
        }
        if let (State::Offered(offered), Some(media)) = (&mut call.state, &mut call.media)
            && let (Some(offer), Some(own)) = (&offered.offer, line_of(settings, call.line))
        {
            offered.body = media.answer(offer, settings, own);
        }
        self.desire_and_wait(&mut call, settings);
        self.put_call(call);
    }

    /// There will be no sound: what waits for it fails; a call that is up goes on.
    pub(super) fn on_media_lost(&mut self, call: Call, reason: &str) {
        self.core.timers.disarm(TimerOwner::Call(call.identity), Timer::MediaAnswer);
        let reason = format!("no media: {reason}");
        match &call.state {
            State::Preparing { .. } => self.end(call, 0, &reason, EndedBy::Local),
            State::Offered(offered) => {
                let (invite, tag) = (offered.invite, call.local_tag.clone());
                self.respond_status(invite, sip_wire::StatusCode::SERVER_INTERNAL_ERROR, &tag);
                self.end(call, 500, &reason, EndedBy::Local);
            }
            State::Talking(talking) if talking.theirs.is_some() => self.fail_reinvite(call),
            State::Talking(talking) if matches!(talking.ours, Ours::Moving) => self.leave(call, 0, &reason, EndedBy::Local),
            State::Locating { .. } | State::Inviting(_) | State::Talking(_) | State::Leaving(_) => self.put_call(call),
        }
    }
}
