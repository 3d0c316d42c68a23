//! The ends of a subscription, each with what comes after it: later, at once, not again, or never more; and what settings and
//! the end of the SIP function do to all of them.

use std::time::Duration;

use agreements::LineNumber;
use sip_wire::{HeaderName, Method};

use super::{Stage, Subscription, SubscriptionId, SubscriptionKey, SubscriptionState};
use crate::interface::{Event, LineSettings, StackSettings};
use crate::locate::Asker;
use crate::registration::Change;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Owner;

/// Bounds on what a server may make us wait.
const LONGEST_RETRY: Duration = Duration::from_secs(86_400);
const SHORTEST_RETRY: Duration = Duration::from_secs(1);
/// The first wait after a server did not know the package; it doubles up to the longest.
const FIRST_BACK_OFF: Duration = Duration::from_secs(900);

impl Stack {
    /// SUB_RTX_INTVL_n of its line.
    fn subscribe_retry(&self, id: SubscriptionId) -> Duration {
        let line = self.core.subscriptions.all.get(&id).map(|one| one.key.line);
        let own = self.settings.as_deref().zip(line).and_then(|(settings, line)| line_of(settings, line));
        own.map_or(SHORTEST_RETRY, |own| own.subscribe_retry)
    }

    /// It has failed: from the beginning, after the server's time or SUB_RTX_INTVL_n.
    pub(super) fn subscribe_later(&mut self, id: SubscriptionId, reason: String, after: Option<Duration>) {
        let wait = after.unwrap_or(self.subscribe_retry(id)).clamp(SHORTEST_RETRY, LONGEST_RETRY);
        self.core.timers.disarm_all(TimerOwner::Subscription(id));
        let Some(subscription) = self.subscription(id) else { return };
        if subscription.unwanted {
            return self.drop_subscription(id);
        }
        if subscription.wish.once {
            return self.refuse_subscription(id, reason);
        }
        subscription.last_error = reason;
        self.arm(TimerOwner::Subscription(id), Timer::SubscribeRetry, wait);
        self.set_stage(id, Stage::Waiting);
    }

    /// A SUBSCRIBE in the dialog has failed: the subscription stands until it has run out, and is tried again meanwhile.
    pub(super) fn refresh_later(&mut self, id: SubscriptionId, reason: String, after: Option<Duration>) {
        let wait = after.unwrap_or(self.subscribe_retry(id)).clamp(SHORTEST_RETRY, LONGEST_RETRY);
        let Some(subscription) = self.subscription(id) else { return };
        if subscription.unwanted {
            return self.drop_subscription(id);
        }
        subscription.last_error = reason;
        if let Some(standing) = subscription.standing() {
            standing.open = None;
        }
        self.arm(TimerOwner::Subscription(id), Timer::SubscribeRetry, wait);
        self.touch();
    }

    /// The server has forgotten it: from the beginning, at once, unless that was done a moment ago.
    pub(super) fn subscribe_anew(&mut self, id: SubscriptionId, reason: String) {
        let (now, pause) = (self.now, self.subscribe_retry(id));
        let Some(subscription) = self.subscription(id) else { return };
        let wait = subscription.renewed.map_or(Duration::ZERO, |at| pause.saturating_sub(now.since(at)));
        if !wait.is_zero() || subscription.unwanted || subscription.wish.once {
            return self.subscribe_later(id, reason, Some(wait));
        }
        subscription.renewed = Some(now);
        subscription.last_error = reason;
        self.begin_subscription(id);
    }

    /// The server does not know what is asked for: seldom, and ever more seldom, until it does.
    pub(super) fn back_off_subscription(&mut self, id: SubscriptionId, reason: String, after: Option<Duration>) {
        let Some(subscription) = self.subscription(id) else { return };
        let next = subscription.back_off.saturating_mul(2).clamp(FIRST_BACK_OFF, LONGEST_RETRY);
        subscription.back_off = next;
        subscription.bodies.clear();
        self.subscribe_later(id, reason, Some(after.unwrap_or_default().max(next)));
    }

    /// Not again (B211).
    pub(super) fn refuse_subscription(&mut self, id: SubscriptionId, reason: String) {
        self.core.timers.disarm_all(TimerOwner::Subscription(id));
        let Some(subscription) = self.subscription(id) else { return };
        if subscription.unwanted {
            return self.drop_subscription(id);
        }
        if subscription.wish.once {
            return self.end_once(id, SubscriptionState::Refused { reason });
        }
        subscription.bodies.clear();
        self.set_stage(id, Stage::Refused { reason });
    }

    /// What is wished for once is gone with its last state.
    pub(super) fn end_once(&mut self, id: SubscriptionId, state: SubscriptionState) {
        if let Some(Subscription { key, .. }) = self.forget_subscription(id) {
            self.tell(Event::Subscription { key, state });
        }
    }

    /// Nothing of it is left, and people are told.
    pub(super) fn drop_subscription(&mut self, id: SubscriptionId) {
        if let Some(subscription) = self.forget_subscription(id).filter(|one| !one.keyless) {
            self.tell(Event::Subscription { key: subscription.key, state: SubscriptionState::Ended });
        }
    }

    /// Nothing of it is left.
    pub(super) fn forget_subscription(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.core.timers.disarm_all(TimerOwner::Subscription(id));
        self.forget_queries_of(Asker::Subscription(id));
        let subscription = self.core.subscriptions.all.remove(&id)?;
        self.touch();
        Some(subscription)
    }

    /// `Command::Unsubscribe` (RFC 6665 4.1.2.3).
    pub(crate) fn unsubscribe(&mut self, key: &SubscriptionKey) {
        if let Some(id) = self.core.subscriptions.find(key) {
            self.end_subscription(id);
        }
    }

    fn end_subscription(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscription(id) else { return };
        if std::mem::replace(&mut subscription.unwanted, true) {
            return;
        }
        match &subscription.stage {
            Stage::Waiting | Stage::Locating { .. } | Stage::Refused { .. } => self.drop_subscription(id),
            Stage::Standing(standing) if standing.open.is_none() => self.refresh_subscription(id),
            // As soon as the answer is there, or the NOTIFY that makes the dialog.
            Stage::Asking { .. } | Stage::Standing(_) => self.touch(),
        }
    }

    /// One that is ending gives its key to another one. The server may hold it for longer than anybody wants to wait, and what it has
    /// given to it is in use for so long.
    pub(super) fn end_without_key(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscription(id) else { return };
        match &subscription.stage {
            Stage::Waiting | Stage::Locating { .. } | Stage::Refused { .. } => drop(self.forget_subscription(id)),
            Stage::Asking { .. } | Stage::Standing(_) => subscription.keyless = true,
        }
        for oldest in self.core.subscriptions.keyless_to_forget() {
            self.forget_subscription(oldest);
        }
        self.touch();
    }

    /// `Command::LetLapse`. What the server does not hold yet is forgotten.
    pub(crate) fn let_lapse(&mut self, key: &SubscriptionKey) {
        let Some(id) = self.core.subscriptions.find(key) else { return };
        let Some(subscription) = self.subscription(id) else { return };
        (subscription.unwanted, subscription.lapsing) = (true, true);
        match subscription.standing() {
            Some(standing) => standing.open = None,
            None => return self.drop_subscription(id),
        }
        for timer in [Timer::SubscribeRefresh, Timer::SubscribeRetry] {
            self.core.timers.disarm(TimerOwner::Subscription(id), timer);
        }
        self.touch();
    }

    /// `Command::Stop`: all of them.
    pub(crate) fn end_subscriptions(&mut self) {
        let all: Vec<SubscriptionId> = self.core.subscriptions.all.keys().copied().collect();
        for id in all {
            self.end_subscription(id);
        }
    }

    /// Whether a goodbye waits for its answer.
    pub(crate) fn is_unsubscribing(&self) -> bool {
        self.core.subscriptions.all.values().any(|one| one.unwanted && one.open().is_some())
    }

    /// Somebody has the line register: what was refused may be tried once more.
    pub(crate) fn retry_refused_subscriptions(&mut self, line: LineNumber) {
        for id in self.core.subscriptions.of_line(line) {
            let failed = self.subscription(id).is_some_and(|one| !one.unwanted && one.was_refused());
            if failed {
                self.retry_refused_subscription(id);
            }
        }
    }

    /// At once, without what is known of nonces: in its dialog where it stands. An attempt that is under way is the one.
    fn retry_refused_subscription(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscription(id) else { return };
        subscription.auth = crate::auth::AuthSession::default();
        subscription.back_off = Duration::ZERO;
        match &subscription.stage {
            Stage::Waiting | Stage::Refused { .. } => self.begin_subscription(id),
            Stage::Standing(standing) if standing.open.is_none() => self.refresh_subscription(id),
            Stage::Locating { .. } | Stage::Asking { .. } | Stage::Standing(_) => self.touch(),
        }
    }

    /// One of a subscription's timers.
    pub(crate) fn on_subscription_timer(&mut self, id: SubscriptionId, timer: Timer) {
        let Some(subscription) = self.subscription(id) else { return };
        match (timer, &subscription.stage) {
            (Timer::SubscriptionLost, Stage::Standing(_)) if subscription.unwanted => self.drop_subscription(id),
            (Timer::SubscriptionLost, Stage::Standing(_)) => {
                let reason = std::mem::take(&mut subscription.last_error);
                self.subscribe_anew(id, reason);
            }
            (Timer::NotifyLost, Stage::Asking { .. }) => {
                self.subscribe_later(id, "the server has taken the subscription and says nothing".to_owned(), None);
            }
            (Timer::NotifyLost, Stage::Standing(_)) if subscription.unwanted => self.drop_subscription(id),
            (Timer::NotifyLost, Stage::Standing(_)) => {
                self.subscribe_anew(id, "the server has renewed the subscription and says nothing".to_owned());
            }
            (_, Stage::Standing(_)) if subscription.lapsing => {}
            (_, Stage::Standing(standing)) if standing.open.is_none() => self.refresh_subscription(id),
            (_, Stage::Waiting) => self.begin_subscription(id),
            (_, Stage::Locating { .. } | Stage::Asking { .. } | Stage::Standing(_) | Stage::Refused { .. }) => {}
        }
    }

    /// Before other settings take effect: what stands under the old ones is ended at its server. Nobody waits for the answer.
    pub(crate) fn leave_outdated_subscriptions(&mut self, old: &StackSettings, new: &StackSettings) {
        for line in LineNumber::all() {
            let (Some(before), Some(after)) = (line_of(old, line), line_of(new, line)) else { continue };
            if subscribes_anew(before, after) {
                for id in self.core.subscriptions.of_line(line) {
                    self.say_goodbye(id, before);
                }
            }
        }
    }

    fn say_goodbye(&mut self, id: SubscriptionId, own: &LineSettings) {
        let Some(subscription) = self.core.subscriptions.all.get_mut(&id).filter(|one| !one.lapsing) else { return };
        let (line, event) = (subscription.key.line, subscription.key.event.clone());
        let Some(standing) = subscription.standing() else { return };
        let (mut goodbye, remote) = (standing.dialog.request(Method::SUBSCRIBE), standing.dialog.peer.remote);
        goodbye.headers.push(HeaderName::EVENT, event);
        goodbye.headers.push(HeaderName::EXPIRES, 0);
        subscription.auth.sign(&mut goodbye, own, &mut self.random);
        let Some(route) = self.route_to(line, remote) else { return };
        let Some(contact) = self.contact_on(line, route.flow) else { return };
        goodbye.headers.push(HeaderName::CONTACT, contact);
        self.start_client(Owner::Nobody, line, route, goodbye);
    }

    /// New settings: begins anew where that is needed, also what was refused.
    pub(crate) fn plan_subscriptions(&mut self, old: Option<&StackSettings>, new: &StackSettings) {
        for line in LineNumber::all() {
            let Some(own) = line_of(new, line) else { continue };
            let before = old.and_then(|old| line_of(old, line));
            let moved = old.is_none_or(|old| old.addresses != new.addresses);
            let kept = before.filter(|before| !moved && !subscribes_anew(before, own));
            for id in self.core.subscriptions.of_line(line) {
                match kept {
                    Some(before) => self.adapt_subscription(id, before, own),
                    None => self.plan_subscription(id),
                }
            }
        }
    }

    /// What stands stays: another time is asked for in its dialog, and what was refused may be taken by now.
    fn adapt_subscription(&mut self, id: SubscriptionId, before: &LineSettings, own: &LineSettings) {
        let Some(subscription) = self.subscription(id).filter(|one| !one.unwanted) else { return };
        let other = subscription.was_refused() && Change::between(before, own) != Change::Nothing;
        if other && subscription.standing().is_none() {
            return self.plan_subscription(id);
        }
        let other_time = before.subscribe_expires != own.subscribe_expires && subscription.wish.expires.is_none();
        if let Stage::Standing(standing) = &subscription.stage
            && other_time
        {
            let open = standing.open.is_some();
            (subscription.expires, subscription.stale) = (own.subscribe_expires, true);
            self.touch();
            if !open && !other {
                self.refresh_subscription(id);
            }
        }
        if other {
            self.retry_refused_subscription(id);
        }
    }

    fn plan_subscription(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscription(id) else { return };
        if subscription.unwanted {
            return self.drop_subscription(id);
        }
        subscription.auth = crate::auth::AuthSession::default();
        subscription.last_error.clear();
        subscription.back_off = Duration::ZERO;
        self.forget_queries_of(Asker::Subscription(id));
        self.begin_subscription(id);
    }
}

/// Whether it is another one that a line subscribes as, or another server that it subscribes at.
fn subscribes_anew(old: &LineSettings, new: &LineSettings) -> bool {
    let said = |line: &LineSettings| (line.presence.clone(), line.second_presence, line.proxy.clone(), line.second_proxy);
    Change::between(old, new) == Change::Binding || said(old) != said(new)
}
