//! A call whose socket's address is not ours any more (another lease, another network): it goes on at the new one, where the far end
//! takes it (RFC 3261 12.2 and 14, RFC 3264 8.3.1).
//!
//! ```text
//!   Idle -- its address is gone, another one is there: media asked --> Moving -- ready: re-INVITE --> Sent, as `reinvite` has it
//!                                                                         |  port taken: the next pair; no media: BYE
//!   Sent -- 491: Backoff, then Moving; 481, 408, no answer: BYE; other: the call goes on as the far end has it
//! ```
//!
//! Only answered calls move: before the answer there is no request that could say another address in every case (RFC 3311 needs a
//! reliable answer first). A socket with another mark or transport is no reason to move: the call keeps its path.

use agreements::CallIdentity;

use super::reinvite::{Ours, Why};
use super::{Call, State};
use crate::interface::{FlowId, StackSettings};
use crate::stack::Stack;

impl Stack {
    /// Sockets or addresses are others: answered calls that have lost theirs go on at the new ones, each as soon as nothing is in
    /// the way.
    pub(crate) fn move_calls(&mut self) {
        let Some(settings) = self.settings() else { return };
        let lost = |call: &&Call| matches!(call.state, State::Talking(_)) && self.new_home(call).is_some();
        let calls: Vec<CallIdentity> = self.core.calls.values().filter(lost).map(|call| call.identity).collect();
        for identity in calls {
            if let Some(call) = self.take_call(identity) {
                self.go_on(call, &settings);
            }
        }
    }

    /// The socket that takes the place of a call's own, where that one's address is not ours any more.
    pub(super) fn new_home(&self, call: &Call) -> Option<FlowId> {
        let old = self.core.flows.find(call.flow?)?;
        let ours = &self.settings.as_deref()?.addresses;
        let gone = old.retired && !ours.contains(&old.wanted.ip());
        self.core.flows.up(call.line, old.wanted.ip()).filter(|_| gone)
    }

    /// Nothing is in the way of the next step: to `home`, or the re-INVITE once media is there.
    pub(super) fn move_on(&mut self, mut call: Call, home: Option<FlowId>, settings: &StackSettings) {
        let local = home.and_then(|flow| Some((flow, self.local_of(flow)?)));
        let (State::Talking(talking), Some(media)) = (&mut call.state, &mut call.media) else { return self.put_call(call) };
        if let Some((flow, local)) = local {
            talking.dialog.peer.flow = flow;
            talking.ours = Ours::Moving;
            media.local.set_ip(local.ip());
            (call.flow, call.port_tries) = (Some(flow), 0);
            self.desire_and_wait(&mut call, settings);
            return self.put_call(call);
        }
        let (ready, hold) = (media.is_ready(), media.held_by_us);
        if ready {
            call.auth.begin();
            self.send_reinvite(call, (hold, Why::Move), settings);
        } else {
            self.put_call(call);
        }
    }
}
