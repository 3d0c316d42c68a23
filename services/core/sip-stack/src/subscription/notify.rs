//! NOTIFY in a subscription (RFC 6665 4.1.3): makes the dialog, brings bodies, says how long, and says the end.

use std::time::Duration;

use sip_wire::{EndReason, HeaderError, HeaderName, Request, StatusCode};

use super::{Stage, Standing, Subscription, SubscriptionId};
use crate::dialog::Dialog;
use crate::interface::Event;
use crate::locate::{Asker, Located};
use crate::receive::Arrived;
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Route, TransactionId};

/// A NOTIFY that tells the rest of the time tells nothing new within this.
const SAME: Duration = Duration::from_secs(2);

/// What Subscription-State says.
struct Said {
    terminated: bool,
    pending: bool,
    expires: Option<u32>,
    reason: Option<EndReason>,
    /// As the server wrote it.
    words: String,
    retry_after: Option<u32>,
}

impl Said {
    fn of(request: &Request) -> Option<Said> {
        let state = request.headers.subscription_state().ok().flatten()?;
        Some(Said {
            terminated: state.is_terminated(),
            pending: state.is_pending(),
            expires: state.expires().filter(|seconds| *seconds > 0),
            reason: state.end_reason(),
            words: readable(state.reason().unwrap_or_default()),
            retry_after: state.retry_after(),
        })
    }
}

impl Subscription {
    /// RFC 6665 4.1.3, 8.2.1: the package and its id are ours; other parameters are the package's affair.
    fn is_about(&self, request: &Request) -> bool {
        let (Ok(ours), Ok(Some(theirs))) = (self.key.event.parse::<sip_wire::Event>(), request.headers.event()) else {
            return false;
        };
        ours.package.eq_ignore_ascii_case(&theirs.package) && ours.id() == theirs.id()
    }

    /// Makes the dialog, or goes on in it. `Ok(false)`: out of order (RFC 3261 12.2.2).
    fn enter(&mut self, request: &Request, source: Route) -> Result<bool, HeaderError> {
        match &mut self.stage {
            Stage::Standing(standing) => {
                let in_order = standing.dialog.accepts(request.headers.cseq()?.number);
                if in_order {
                    standing.heard = true;
                    standing.dialog.refresh_target(&request.headers);
                }
                Ok(in_order)
            }
            Stage::Asking { open, .. } => {
                let mut dialog = Dialog::as_callee(request, &self.local_tag, source)?;
                dialog.local_seq = self.cseq;
                let standing = Standing { dialog, open: *open, heard: true, pending: false, until: agreements::Tick::default() };
                self.stage = Stage::Standing(Box::new(standing));
                Ok(true)
            }
            Stage::Waiting | Stage::Locating { .. } | Stage::Refused { .. } => Ok(false),
        }
    }
}

impl Stack {
    /// A NOTIFY that [`Stack::subscription_of`] has found.
    pub(crate) fn on_subscription_notify(&mut self, transaction: TransactionId, id: SubscriptionId, arrived: &Arrived) {
        let request = &arrived.request;
        let Some(subscription) = self.subscription(id) else { return };
        let tag = subscription.local_tag.clone();
        if !subscription.is_about(request) {
            return self.bad_event(transaction, request);
        }
        let Some(said) = Said::of(request) else {
            return self.respond_status(transaction, StatusCode::BAD_REQUEST, &tag);
        };
        // Seconds of a 2xx that came before the dialog.
        let granted = match &subscription.stage {
            Stage::Asking { granted, .. } => Some(granted.unwrap_or(subscription.expires)),
            Stage::Waiting | Stage::Locating { .. } | Stage::Standing(_) | Stage::Refused { .. } => None,
        };
        let status = match subscription.enter(request, arrived.source) {
            Ok(true) => StatusCode::OK,
            Ok(false) => StatusCode::SERVER_INTERNAL_ERROR,
            Err(_) => StatusCode::BAD_REQUEST,
        };
        self.respond_status(transaction, status, &tag);
        if status != StatusCode::OK {
            return;
        }
        self.core.timers.disarm(TimerOwner::Subscription(id), Timer::NotifyLost);
        self.touch();
        self.take_appearances(id, &request.headers);
        self.tell_body(id, request);
        if said.terminated {
            return self.on_terminated(id, &said);
        }
        self.settle_subscription_peer(id);
        self.on_alive(id, &said, granted);
    }

    /// What the NOTIFY brings; nobody wants to hear of what ends here.
    fn tell_body(&mut self, id: SubscriptionId, request: &Request) {
        let Some(subscription) = self.core.subscriptions.all.get(&id).filter(|one| !one.unwanted) else { return };
        if request.body.is_empty() {
            return;
        }
        let key = subscription.key.clone();
        let content_type = request.headers.get(HeaderName::CONTENT_TYPE).unwrap_or_default().to_owned();
        self.tell(Event::Notified { key, content_type, body: request.body.clone() });
    }

    /// Active, pending, or a state that only a newer RFC knows (4.1.3: as active).
    fn on_alive(&mut self, id: SubscriptionId, said: &Said, granted: Option<u32>) {
        let now = self.now;
        let Some(subscription) = self.subscription(id) else { return };
        subscription.last_error.clear();
        let (news, open, most) = (subscription.has_news(), subscription.open().is_some(), subscription.expires);
        let Some(standing) = subscription.standing() else { return };
        standing.pending = said.pending;
        let told = said.expires.map(|seconds| seconds.min(most)).filter(|seconds| {
            let ends = now + Duration::from_secs((*seconds).into());
            granted.is_some() || ends.since(standing.until).max(standing.until.since(ends)) > SAME
        });
        if let Some(seconds) = told.or(granted) {
            self.hold_for(id, seconds);
        }
        if news && !open {
            self.refresh_subscription(id);
        }
    }

    /// RFC 6665 4.1.3, the reasons of 4.4.1.
    fn on_terminated(&mut self, id: SubscriptionId, said: &Said) {
        if self.core.subscriptions.all.get(&id).is_some_and(|one| one.unwanted) {
            return self.drop_subscription(id);
        }
        let after = said.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
        let mut words = "the server ended the subscription".to_owned();
        if !said.words.is_empty() {
            words = format!("{words}: {}", said.words);
        }
        match said.reason {
            Some(EndReason::Deactivated | EndReason::Timeout) => self.subscribe_anew(id, words),
            Some(EndReason::Rejected | EndReason::NoResource | EndReason::Invariant) => self.refuse_subscription(id, words),
            Some(EndReason::Probation | EndReason::GiveUp) | None => self.subscribe_later(id, words, after),
        }
    }

    /// Finds where the dialog's requests go from now on; until a name is resolved they go where its messages came from.
    fn settle_subscription_peer(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscription(id) else { return };
        let line = subscription.key.line;
        let Some(hop) = subscription.standing().and_then(|standing| standing.dialog.next_hop()) else { return };
        if let Located::At(routes) = self.locate(line, &hop, Asker::Subscription(id))
            && let Some(standing) = self.subscription(id).and_then(Subscription::standing)
        {
            standing.dialog.peer = routes.first;
        }
    }
}

/// A foreign word for people.
fn readable(text: &str) -> String {
    sip_wire::text::shown(text).chars().take(60).collect()
}
