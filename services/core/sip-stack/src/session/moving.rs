//! A call whose socket's address is not ours any more (another lease, another network): it goes on at the new one, where the far end
//! takes it (RFC 3261 12.2 and 14, RFC 3264 8.3.1; decision 36).
//!
//! ```text
//!   answered:
//!   Idle -- its address is gone, another one is there: media asked --> Moving -- ready: re-INVITE --> Sent, as `reinvite` has it
//!                                                                         |  port taken: the next pair; no media: BYE
//!   Sent -- 491: Backoff, then Moving; 481, 408, no answer: BYE; other: the call goes on as the far end has it
//!
//!   ours, not answered:   CANCEL by the new socket, media asked --> Preparing -- ready: the next INVITE of the call
//!   theirs, not answered: media asked, 180 by the new socket; once it is answered there, Moving
//!   ended for people:     its CANCEL or BYE by the new socket
//! ```
//!
//! A response goes where its request came from (RFC 3261 18.2.2): what a far end says to an INVITE of ours goes to the old address
//! whatever it has heard since, also by UPDATE. So the INVITE is made again. Theirs hears us all the same, but its CANCEL goes where
//! the INVITE went.
//!
//! A socket of another transport is no reason to move: the call keeps its path.

use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use sip_wire::{Method, Uri};

use super::reinvite::{Ours, Why};
use super::{Call, Exchange, Inviting, Leaving, State, follow_up};
use crate::interface::{EndedBy, Event, FlowId, StackSettings};
use crate::locate::Routes;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{ClientKey, Machine, Owner, Route, Transaction};

/// How long a call of theirs rings on at the new address at most: that its caller has given up is not heard there.
const RINGS_ON: Duration = Duration::from_secs(30);

impl Stack {
    /// Sockets or addresses are others: calls that have lost theirs go on at the new ones, each as soon as nothing is in the way.
    pub(crate) fn move_calls(&mut self) {
        let Some(settings) = self.settings() else { return };
        self.move_answers();
        let lost = |call: &Call| Some((call.identity, self.new_home(call)?));
        let calls: Vec<(CallIdentity, FlowId)> = self.core.calls.values().filter_map(lost).collect();
        for (identity, home) in calls {
            let Some(call) = self.take_call(identity) else { continue };
            match &call.state {
                State::Talking(_) => self.go_on(call, &settings),
                State::Preparing { .. } | State::Inviting(_) => self.call_again(call, home, &settings),
                State::Offered(_) => self.ring_on(call, home, &settings),
                State::Leaving(_) => self.leave_again(call, home),
                State::Locating { .. } => self.put_call(call),
            }
        }
    }

    /// Final answers to INVITEs of theirs that are repeated until their ACK comes.
    fn move_answers(&mut self) {
        let flows = &self.core.flows;
        let home = |line: LineNumber, route: Route| {
            let old = flows.find(route.flow).filter(|_| self.is_gone(route.flow))?;
            flows.up(line, old.wanted.ip())
        };
        let theirs = |transaction: &Transaction| matches!(transaction.machine, Machine::ServerInvite(_));
        let invites = self.core.transactions.iter().filter(|(_, transaction)| theirs(transaction));
        let invites: Vec<_> = invites.filter_map(|(id, one)| Some((id, home(one.line, one.route)?))).collect();
        let calls = self.core.calls.values().filter_map(|call| Some((call.identity, home(call.line, call.unacked()?.back.route)?)));
        let calls: Vec<_> = calls.collect();
        for (id, flow) in invites {
            if let Some(invite) = self.core.transactions.find_mut(id) {
                invite.route.flow = flow;
            }
        }
        for (identity, flow) in calls {
            if let Some(unacked) = self.core.calls.get_mut(&identity).and_then(Call::unacked_mut) {
                unacked.back.route.flow = flow;
            }
        }
    }

    /// The socket that takes the place of a call's own, where that one's address is not ours any more.
    pub(super) fn new_home(&self, call: &Call) -> Option<FlowId> {
        let old = call.flow.filter(|flow| self.is_gone(*flow))?;
        self.core.flows.up(call.line, self.core.flows.find(old)?.wanted.ip())
    }

    /// Nothing is in the way of the next step: to `home`, or the re-INVITE once media is there.
    pub(super) fn move_on(&mut self, mut call: Call, home: Option<FlowId>, settings: &StackSettings) {
        if let Some(flow) = home {
            if let State::Talking(talking) = &mut call.state {
                talking.ours = Ours::Moving;
            }
            self.move_media(&mut call, flow);
            self.desire_and_wait(&mut call, settings);
            return self.put_call(call);
        }
        let Some(media) = &call.media else { return self.put_call(call) };
        let (ready, hold) = (media.is_ready(), media.held_by_us);
        if ready {
            call.auth.begin();
            self.send_reinvite(call, (hold, Why::Move), settings);
        } else {
            self.put_call(call);
        }
    }

    /// The call is at that socket from now on: its media shall be received there, its dialog's requests leave from there.
    fn move_media(&self, call: &mut Call, flow: FlowId) {
        if let Some(dialog) = call.dialog_mut() {
            dialog.peer.flow = flow;
        }
        if let (Some(media), Some(local)) = (&mut call.media, self.local_of(flow)) {
            media.local.set_ip(local.ip());
        }
        (call.flow, call.port_tries) = (Some(flow), 0);
    }

    /// A call of ours that is not answered.
    fn call_again(&mut self, mut call: Call, home: FlowId, settings: &StackSettings) {
        let Some(old) = call.flow else { return self.put_call(call) };
        let (target, routes, told_ringback) = match call.state.clone() {
            State::Preparing { target, routes, told_ringback } => (target, routes, told_ringback),
            State::Inviting(inviting) => {
                self.cancel_from(home, &call, &inviting);
                if call.ended {
                    return self.let_go(call);
                }
                if call.appearance.is_some() {
                    // The CANCEL frees the appearance at the server, and without one the other units do not see the call.
                    return self.end(call, 0, "the phone has another address, and the line is a shared one", EndedBy::Network);
                }
                call.elsewhere.note_number(inviting.last_number());
                (inviting.target, Routes { first: inviting.route, others: inviting.others }, inviting.told_ringback)
            }
            State::Locating { .. } | State::Offered(_) | State::Talking(_) | State::Leaving(_) => return self.put_call(call),
        };
        self.prepare_again(call, target, routes.by(old, home), told_ringback, settings);
    }

    /// The next INVITE of a call leaves from another address of ours: media goes there first, and what the far end has played early
    /// is not heard any more.
    pub(super) fn prepare_again(
        &mut self,
        mut call: Call,
        target: Uri,
        routes: Routes,
        mut told_ringback: Option<bool>,
        settings: &StackSettings,
    ) {
        if told_ringback == Some(true) {
            told_ringback = Some(false);
            self.tell(Event::Ringback { call: call.identity, early_media: false });
        }
        self.move_media(&mut call, routes.first.flow);
        if let Some(media) = &mut call.media {
            media.forget_agreed();
        }
        call.state = State::Preparing { target, routes, told_ringback };
        self.desire_and_wait(&mut call, settings);
        self.put_call(call);
    }

    /// Takes an INVITE back whose answers cannot come any more. Servers know it by its Via (RFC 3261 9.2, 17.2.3), not by where the
    /// CANCEL comes from; whether it has got there is not known (9.1), and the CANCEL of one that has not is 481.
    fn cancel_from(&mut self, home: FlowId, call: &Call, inviting: &Inviting) {
        let Some(invite) = self.end_transaction(inviting.invite) else { return };
        let mut cancel = follow_up(&invite, Method::CANCEL);
        self.add_user_agent(&mut cancel.headers);
        let before = ClientKey::of(&cancel.headers).and_then(|key| self.core.transactions.client(&key));
        if let Some(before) = before {
            self.end_transaction(before);
        }
        let route = Route { flow: home, ..inviting.route };
        self.start_prepared(Owner::Cancel(call.identity), call.line, route, cancel);
    }

    /// A call of theirs that is not answered: responses leave by the new socket, to where the INVITE's Via wants them.
    fn ring_on(&mut self, mut call: Call, home: FlowId, settings: &StackSettings) {
        self.move_media(&mut call, home);
        let own = line_of(settings, call.line);
        let (State::Offered(offered), Some(media), Some(own)) = (&mut call.state, &mut call.media, own) else {
            return self.put_call(call);
        };
        offered.moved = true;
        if let Some(invite) = self.core.transactions.find_mut(offered.invite) {
            invite.route.flow = home;
        }
        if offered.exchange == Exchange::OursIsOut {
            // The PRACK that would answer goes to the old address.
            offered.exchange = Exchange::InAnswer;
        }
        offered.body = offered.offer.as_ref().and_then(|offer| media.answer(offer, settings, own));
        self.forget_reliable(&mut call);
        self.desire_and_wait(&mut call, settings);
        let owner = TimerOwner::Call(call.identity);
        let left = self.core.timers.at(owner, Timer::InviteExpires).map_or(RINGS_ON, |at| at.since(self.now));
        self.arm(owner, Timer::InviteExpires, left.min(RINGS_ON));
        let (identity, rings) = (call.identity, self.core.timers.is_armed(owner, Timer::RingAgain));
        self.put_call(call);
        if rings {
            self.ring(identity);
        }
    }

    /// Over for people: the far end shall hear of it.
    fn leave_again(&mut self, mut call: Call, home: FlowId) {
        self.move_media(&mut call, home);
        match &call.state {
            State::Leaving(Leaving::Bye { dialog, .. }) => {
                let dialog = dialog.clone();
                call.auth.begin();
                self.say_bye(call, dialog);
            }
            State::Leaving(Leaving::AwaitingAck { .. }) => self.put_call(call),
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => self.put_call(call),
            State::Offered(_) | State::Talking(_) => self.put_call(call),
        }
    }
}
