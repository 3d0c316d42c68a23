//! New settings against old ones: what must be opened, closed or registered again. Everything else is read when it is used, so
//! that calls go on under new settings.

use std::sync::Arc;

use agreements::LineNumber;

use crate::interface::StackSettings;
use crate::stack::Stack;

impl Stack {
    /// `Input::Settings`.
    pub(crate) fn apply_settings(&mut self, new: StackSettings) {
        let old = self.settings();
        if old.as_deref() == Some(&new) {
            return;
        }
        if let Some(old) = &old {
            self.leave_outdated_subscriptions(old, &new);
            self.cancel_outdated(old, &new);
        }
        let new = Arc::new(new);
        self.keep_settings(new.clone());
        self.touch();
        self.forget_other_servers(old.as_deref(), &new);
        self.plan_flows(&new);
        self.plan_registrations(old.as_deref(), &new);
        self.plan_subscriptions(old.as_deref(), &new);
        // A socket that was to be closed and is wanted again is there at once.
        for line in LineNumber::all() {
            if self.core.flows.any_up(line).is_some() {
                self.on_line_reachable(line);
                self.on_subscriptions_reachable(line);
            }
        }
        LineNumber::all().for_each(|line| self.plan_keep_alive(line));
        self.move_calls();
    }
}
