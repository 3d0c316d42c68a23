//! A session request of ours in an answered call that was never answered.
//!
//! ```text
//!   silence                --> BYE: the dialog is over, as by 408 (RFC 3261 8.1.3.1, 12.2.1.2)
//!   the transport failed   --> as by 503: nothing of the session changes; a refresh and a move are tried again later
//!   our address has gone   --> what it was for is said again from the new one (`moving`)
//! ```

use super::reinvite::{Ours, Why};
use super::{Call, State};
use crate::client::Told;
use crate::interface::{EndedBy, StackSettings};
use crate::stack::Stack;

/// Service Unavailable.
const UNAVAILABLE: u16 = 503;

impl Stack {
    /// See the diagram. `told` is the request that the call waits for.
    pub(super) fn on_unanswered(&mut self, mut call: Call, told: &Told, reason: &str, settings: &StackSettings) {
        let moves = self.new_home(&call).is_some();
        if !moves && !told.broken {
            return self.leave(call, 408, reason, EndedBy::Network);
        }
        if let Some(media) = &mut call.media {
            media.close_offer();
        }
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        match std::mem::replace(&mut talking.ours, Ours::Idle) {
            Ours::Sent { hold, why: Why::Wish, .. } if moves => talking.wish = talking.wish.or(Some(hold)),
            Ours::Sent { why: Why::Wish, .. } => return self.hold_failed(call, UNAVAILABLE, reason.to_owned(), settings),
            Ours::Sent { why: Why::Refresh, .. } | Ours::Updating { .. } if moves => call.interval.due = true,
            Ours::Sent { why: Why::Refresh, .. } | Ours::Updating { .. } => return self.refresh_session_later(call, settings),
            Ours::Sent { hold, why: Why::Move, .. } if !moves => return self.back_off(call, (hold, Why::Move)),
            Ours::Sent { why: Why::Move, .. } | Ours::Moving | Ours::Backoff { .. } | Ours::Idle => {}
        }
        self.go_on(call, settings);
    }
}
