//! NOTIFYs that tell a referrer how it goes (RFC 3515 section 2.4.4, RFC 6665 4.2.2): one at a time, the newest state counts.
//!
//! ```text
//!   Quiet -- news: NOTIFY --> Open -- 2xx: Quiet, or the news that has come meanwhile; after the last word: gone
//!                               |  401, 407: once more with credentials
//!                               |  anything else, no answer: the referrer wants to know nothing any more: gone
//! ```
//!
//! The call that the REFER has made goes on in any case.

use sip_wire::body::SipFragment;
use sip_wire::{HeaderName, Method, StatusCode};

use super::taking::{SUBSCRIBED, Stage};
use super::{PACKAGE, ReferralId};
use crate::auth::is_challenge;
use crate::client::{Outcome, Told};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, TransactionId};

/// Of the body (RFC 3515 2.4.5).
const CONTENT_TYPE: &str = "message/sipfrag;version=2.0";

impl Stack {
    /// Says what has not been said, unless a NOTIFY is under way.
    pub(super) fn notify_referrer(&mut self, id: ReferralId) {
        let Some(one) = self.core.referrals.taken.get(&id) else { return };
        let news = (one.status, matches!(one.stage, Stage::Over | Stage::Expired));
        let over = news.1;
        if one.open.is_some() {
            return;
        }
        if !one.subscribed || one.said == Some(news) {
            if over {
                self.forget_referral(id);
            }
            return;
        }
        match self.send_refer_notify(id, news) {
            Some(transaction) => {
                if let Some(one) = self.core.referrals.taken.get_mut(&id) {
                    (one.open, one.said) = (Some(transaction), Some(news));
                }
                self.touch();
            }
            None => self.unsubscribe_referrer(id),
        }
    }

    fn send_refer_notify(&mut self, id: ReferralId, (status, over): (StatusCode, bool)) -> Option<TransactionId> {
        let settings = self.settings()?;
        let mut one = self.core.referrals.taken.get(&id)?.clone();
        let own = line_of(&settings, one.line)?;
        let (mut request, route) = self.request_in(one.line, &mut one.usage, Method::NOTIFY)?;
        let contact = self.contact_of_call(one.line, route.flow, one.anonymous)?;
        let expires = self.core.timers.at(TimerOwner::Referral(id), Timer::ReferExpires);
        let left = expires.map_or(SUBSCRIBED, |at| at.since(self.now)).as_secs();
        // RFC 6665 4.1.3.
        let state = match (over, one.stage) {
            (true, Stage::Expired) => "terminated;reason=timeout".to_owned(),
            (true, _) => "terminated;reason=noresource".to_owned(),
            (false, _) => format!("active;expires={left}"),
        };
        let headers = &mut request.headers;
        headers.push(HeaderName::CONTACT, contact);
        headers.push(HeaderName::EVENT, format!("{PACKAGE};id={}", one.number));
        headers.push(HeaderName::SUBSCRIPTION_STATE, state);
        self.add_abilities(headers);
        self.declare(headers, one.line, one.anonymous, route);
        headers.push(HeaderName::CONTENT_TYPE, CONTENT_TYPE);
        request.body = SipFragment::new(status).to_bytes();
        one.auth.sign(&mut request, own, &mut self.random);
        let line = one.line;
        self.core.referrals.taken.insert(id, one);
        self.start_client(Owner::ReferNotify(id), line, route, request)
    }

    /// What became of a NOTIFY.
    pub(crate) fn on_refer_notify_outcome(&mut self, id: ReferralId, told: &Told, outcome: Outcome<'_>) {
        let Some(settings) = self.settings() else { return };
        let from_server = self.is_server_of(told.line, told.route.remote.ip());
        let Some(one) = self.core.referrals.taken.get_mut(&id).filter(|one| one.open == Some(told.id)) else { return };
        match outcome {
            Outcome::Response(response) if response.status.is_provisional() => return,
            Outcome::Response(response) if response.status.is_success() => {
                one.open = None;
                one.auth.begin();
            }
            // The referrer may be anybody who has called: the line's password is used for its servers only.
            Outcome::Response(response) if is_challenge(response.status) => {
                let own = line_of(&settings, one.line).filter(|_| from_server);
                if own.is_none_or(|own| one.auth.on_challenge(response, own).is_err()) {
                    return self.unsubscribe_referrer(id);
                }
                (one.open, one.said) = (None, None);
            }
            Outcome::Response(_) | Outcome::Lost(_) => return self.unsubscribe_referrer(id),
        }
        self.touch();
        self.notify_referrer(id);
    }

    /// Nobody is told any more. What is to be decided still is.
    fn unsubscribe_referrer(&mut self, id: ReferralId) {
        let Some(one) = self.core.referrals.taken.get_mut(&id) else { return };
        (one.subscribed, one.open) = (false, None);
        let undecided = one.stage == Stage::Asked;
        self.touch();
        if !undecided {
            self.forget_referral(id);
        }
    }

    /// The subscription's time is over: what is known by now is the last word.
    pub(super) fn on_refer_expired(&mut self, id: ReferralId) {
        if let Some(one) = self.core.referrals.taken.get_mut(&id).filter(|one| one.stage != Stage::Over) {
            one.stage = Stage::Expired;
            one.said = None;
            self.touch();
            self.notify_referrer(id);
        }
    }
}
