//! After a restart: the stack's calls are the truth, and what the snapshot says of them is brought level with it. A crash between
//! an event of the stack and its arrival here is all that can make a difference.

use agreements::Tick;
use sip_stack::{CallStage, CallView, EndedBy};

use super::wishes::Told;
use super::{Phone, shared};
use crate::call::{Call, State};
use crate::interface::{CallDirection, CallEnd, HoldState};
use crate::settings::TelephoneSettings;

impl Phone {
    /// Takes up the settings and the stack's calls and says everything again, as if for the first time.
    pub fn restored(&mut self, now: Tick, settings: TelephoneSettings, calls: &[CallView]) {
        self.settings = settings;
        let before = self.desk.call();
        let known = |call: &Call| calls.iter().any(|view| view.call == call.identity);
        // One that waits for its line has not been told to the stack.
        let left = |call: &Call| call.is_up() && !matches!(call.state, State::Seizing { .. });
        let lost: Vec<_> = self.calls.iter().filter(|call| left(call) && !known(call)).map(|call| call.identity).collect();
        for call in lost {
            let reason = "the call ended while sip-agent started again".to_owned();
            self.handle_ended(now, call, CallEnd { code: 0, reason, by: EndedBy::Network });
        }
        for view in calls {
            self.adopt(now, view);
        }
        self.restore_features();
        self.told = Told::default();
        self.conclude(now, before);
    }

    fn adopt(&mut self, now: Tick, view: &CallView) {
        if self.call(view.call).is_none() {
            if !view.outgoing {
                self.handle_incoming(now, view.call, view.line, view.remote.clone(), view.sip_call_id.clone());
            } else {
                self.keep(Call::new(view.call, view.line, CallDirection::Outgoing, view.remote.clone(), now));
            }
        }
        let Some(call) = self.call_mut(view.call).filter(|call| call.is_up()) else { return };
        // The stack has a name for it before the INVITE leaves; with its event the appearance of a shared line is handed over.
        if !shared::is_leaving(call) {
            call.sip_call_id.clone_from(&view.sip_call_id);
        }
        let held = HoldState { local: view.held_by_us, remote: view.held_by_them };
        match (view.stage, &mut call.state) {
            (CallStage::Ringback, State::Dialing) => call.state = State::Ringback { early_media: false },
            (CallStage::Talking, State::Talking { hold, .. }) => *hold = held,
            (CallStage::Talking, State::Seizing { .. } | State::Dialing | State::Ringback { .. } | State::Incoming { .. }) => {
                self.handle_established(now, view.call, view.remote.clone(), (view.codec, held));
            }
            (CallStage::Dialing | CallStage::Ringback | CallStage::Incoming, _) | (CallStage::Talking, State::Ended { .. }) => {}
        }
    }
}
