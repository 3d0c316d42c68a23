//! What servers answer to a SUBSCRIBE, and what their silence means (RFC 6665 4.1.2; RFC 5057 5.1 for what ends a subscription
//! that stands).

use std::time::Duration;

use sip_wire::{Response, StatusCode};

use super::{Stage, SubscriptionId, SubscriptionState};
use crate::auth::{AuthSession, back_off, is_challenge};
use crate::client::{Outcome, Told};
use crate::registration::in_words;
use crate::servers::is_unavailable;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Timing;

/// What a refusal means for the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Not asked for again (B211).
    ForGood,
    /// The server does not know the package, or no SUBSCRIBE at all.
    Unknown,
    /// It has forgotten the subscription, and may take another.
    Forgotten,
    /// The subscription is gone.
    Gone,
    /// This SUBSCRIBE has failed; what stands stands.
    Failed,
}

impl Refusal {
    fn of(status: StatusCode) -> Refusal {
        match status.code() {
            403 => Refusal::ForGood,
            405 | 489 | 501 => Refusal::Unknown,
            481 => Refusal::Forgotten,
            404 | 410 | 416 | 480 | 482..=485 | 604 => Refusal::Gone,
            _ => Refusal::Failed,
        }
    }
}

impl Stack {
    /// What became of a SUBSCRIBE.
    pub(crate) fn on_subscribe_outcome(&mut self, id: SubscriptionId, told: &Told, outcome: Outcome<'_>) {
        let Some(subscription) = self.core.subscriptions.all.get(&id) else { return };
        if subscription.open() != Some(told.id) {
            return;
        }
        match outcome {
            Outcome::Response(response) if response.status.is_provisional() => {}
            Outcome::Response(response) if response.status.is_success() => self.on_subscribed(id, told, response),
            Outcome::Response(response) if is_challenge(response.status) => self.on_subscribe_challenge(id, response),
            Outcome::Response(response) => self.on_subscribe_refused(id, told, response),
            Outcome::Lost(reason) => self.on_subscribe_lost(id, reason),
        }
    }

    /// 2xx. The body that went with it has arrived.
    fn on_subscribed(&mut self, id: SubscriptionId, told: &Told, response: &Response) {
        let Some(settings) = self.settings() else { return };
        let ended = told.request.headers.expires().ok().flatten() == Some(0);
        let Some(subscription) = self.subscription(id) else { return };
        if !told.request.body.is_empty() {
            subscription.bodies.pop_front();
        }
        let stream = self.is_stream(told.route.flow);
        let Some(subscription) = self.subscription(id) else { return };
        subscription.back_off = Duration::ZERO;
        let granted = response.headers.expires().ok().flatten().unwrap_or(subscription.expires);
        let patience = line_of(&settings, subscription.key.line).map(|own| Timing::of(own, stream).sixty_four_t1());
        // The NOTIFY may have come before this answer.
        let (stands, heard) = match &mut subscription.stage {
            Stage::Asking { open, granted: known } => {
                (*open, *known) = (None, Some(granted).filter(|seconds| *seconds > 0));
                (false, false)
            }
            Stage::Standing(standing) => {
                standing.open = None;
                (true, standing.heard)
            }
            Stage::Waiting | Stage::Locating { .. } | Stage::Refused { .. } => return,
        };
        let news = subscription.has_news();
        if let Some(patience) = patience.filter(|_| !heard) {
            self.arm(TimerOwner::Subscription(id), Timer::NotifyLost, patience);
        }
        self.touch();
        if !stands || ended {
            return;
        }
        if granted > 0 {
            self.hold_for(id, granted);
        }
        if news {
            self.refresh_subscription(id);
        }
    }

    fn on_subscribe_challenge(&mut self, id: SubscriptionId, response: &Response) {
        let Some(settings) = self.settings() else { return };
        let Some(subscription) = self.subscription(id) else { return };
        let Some(own) = line_of(&settings, subscription.key.line) else { return };
        match subscription.auth.on_challenge(response, own) {
            Ok(()) => self.subscribe_again(id),
            Err(failure) if failure.may_pass() => self.on_subscriber_refused(id, own.subscribe_retry, failure.to_string()),
            Err(failure) => self.refuse_subscription(id, failure.to_string()),
        }
    }

    /// Credentials that are refused are tried afresh, ever more seldom (decision 39); what stands stands meanwhile.
    fn on_subscriber_refused(&mut self, id: SubscriptionId, usual: Duration, reason: String) {
        let Some(subscription) = self.subscription(id) else { return };
        subscription.auth = AuthSession::default();
        subscription.back_off = back_off(subscription.back_off, usual);
        let back_off = subscription.back_off;
        let wait = Some(self.random.later(back_off));
        if self.stands(id) { self.refresh_later(id, reason, wait) } else { self.subscribe_later(id, reason, wait) }
    }

    /// The same once more: with credentials, or for a longer time.
    fn subscribe_again(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscription(id) else { return };
        let route = subscription.route;
        match (subscription.standing().is_some(), route) {
            (true, _) => self.send_refresh(id),
            (false, Some(route)) => self.send_first_subscribe(id, route),
            (false, None) => self.subscribe_later(id, "the server's address is lost".to_owned(), None),
        }
    }

    fn on_subscribe_refused(&mut self, id: SubscriptionId, told: &Told, response: &Response) {
        let reason = format!("the server answered {}", in_words(response));
        let after = response.headers.retry_after().ok().flatten().map(|after| Duration::from_secs(after.seconds.into()));
        let Some(subscription) = self.subscription(id) else { return };
        if subscription.unwanted {
            return self.drop_subscription(id);
        }
        let least = response.headers.min_expires().ok().flatten().filter(|least| *least > subscription.expires);
        if let Some(least) = least.filter(|_| response.status == StatusCode::INTERVAL_TOO_BRIEF) {
            subscription.expires = least;
            return self.subscribe_again(id);
        }
        if is_unavailable(response.status) && self.subscribe_elsewhere(id, Some(response)) {
            return;
        }
        let Some(subscription) = self.subscription(id) else { return };
        // What this server does not take is not said twice.
        if !told.request.body.is_empty() {
            subscription.bodies.pop_front();
        }
        if subscription.wish.once && response.status == StatusCode::TEMPORARILY_UNAVAILABLE {
            return self.end_once(id, SubscriptionState::InUse { reason });
        }
        match Refusal::of(response.status) {
            Refusal::ForGood => self.refuse_subscription(id, format!("the server refuses: {}", in_words(response))),
            Refusal::Unknown => self.back_off_subscription(id, reason, after),
            Refusal::Forgotten if self.stands(id) => self.subscribe_anew(id, reason),
            Refusal::Failed if self.stands(id) => self.refresh_later(id, reason, after),
            Refusal::Forgotten | Refusal::Gone | Refusal::Failed => self.subscribe_later(id, reason, after),
        }
    }

    fn on_subscribe_lost(&mut self, id: SubscriptionId, reason: &str) {
        let unwanted = self.core.subscriptions.all.get(&id).is_some_and(|one| one.unwanted);
        match self.stands(id) {
            _ if unwanted => self.drop_subscription(id),
            true => self.refresh_later(id, reason.to_owned(), None),
            false if self.subscribe_elsewhere(id, None) || self.subscribe_by_another_way(id, reason) => {}
            false => self.subscribe_later(id, reason.to_owned(), None),
        }
    }

    fn stands(&mut self, id: SubscriptionId) -> bool {
        self.subscription(id).is_some_and(|one| one.standing().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6665 4.1.2.2 names what ends a subscription; everything else leaves it as it was.
    #[test]
    fn only_what_the_rfc_names_ends_a_subscription_that_stands() {
        let ending: Vec<u16> = (300..700).filter(|code| Refusal::of(StatusCode::new(*code).unwrap()) != Refusal::Failed).collect();
        assert_eq!(ending, [403, 404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);
    }
}
