//! REFER of ours (RFC 3515 section 2.4.1): the far end of a call is asked to call somebody else, and tells how that goes.
//!
//! ```text
//!   Refer --> Waiting -- no re-INVITE runs: REFER --> Asked -- 2xx, or a NOTIFY before it --> Followed
//!               |                                      |  401, 407: once more with credentials  |
//!               | hold refused, call over: Failed      |  2xx with Refer-Sub: false: gone       |  1xx: Progress
//!               v                                      |  481: the call is over as well         |  2xx, 3xx-6xx: the last word
//!              gone                                    |  refused, lost: Failed, gone           |  terminated: gone
//!                                                      v                                        |  64*T1 after the 2xx, or the
//!                                                     gone                                      v  NOTIFY's time: Failed, gone
//!                                                                                              gone
//! ```
//!
//! The REFER leaves only after a hold that was wanted before it is confirmed: who is sent away while still in conversation may
//! meet the new call with the old one's sound. The call itself goes on in every case.

use std::time::Duration;

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::body::SipFragment;
use sip_wire::{HeaderName, Method, ReferTo, ReferredBy, Replaces, Request, Response, StatusCode, Uri};

use super::{MOST, ReferProgress, ReferTarget, ReferralId, Usage};
use crate::addresses;
use crate::auth::{AuthSession, is_challenge};
use crate::client::{Outcome, Told};
use crate::interface::{Event, LineSettings};
use crate::registration::in_words;
use crate::session::{Call, refusal_in_words};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, Timing, TransactionId};

/// How long the next NOTIFY is waited for where it does not say (RFC 3515 2.4.4), and at most.
const USUAL_TIME: Duration = Duration::from_secs(180);
const LONGEST_TIME: Duration = Duration::from_secs(600);

/// See the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Waiting,
    Asked { transaction: TransactionId },
    Followed,
}

/// One REFER of ours.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(super) call: CallIdentity,
    target: ReferTarget,
    stage: Stage,
    /// Of the newest REFER: its NOTIFYs have it as `id` (RFC 3515 2.4.6).
    number: u32,
    auth: AuthSession,
    /// It has been told that the far end will call.
    accepted: bool,
    /// The last word has been told.
    over: bool,
}

/// Who shall be called, and in the place of what.
struct Target {
    uri: Uri,
    replaces: Option<Replaces>,
}

impl Stack {
    /// `Command::Refer`.
    pub(crate) fn refer(&mut self, call: CallIdentity, target: ReferTarget) {
        if let Err(reason) = self.check_refer(call, &target) {
            return self.tell_refer(call, ReferProgress::Unasked { reason });
        }
        let id = self.core.referrals.name();
        let auth = AuthSession::default();
        let sent = Sent { call, target, stage: Stage::Waiting, number: 0, auth, accepted: false, over: false };
        self.core.referrals.sent.insert(id, sent);
        self.touch();
        self.go_on_with(call);
    }

    fn check_refer(&self, call: CallIdentity, target: &ReferTarget) -> Result<(), String> {
        let ours = self.core.calls.get(&call).filter(|call| call.is_talking()).ok_or("the call is not up")?;
        let running = |one: &Sent| one.call == call && !one.over;
        if self.core.referrals.sent.values().any(running) {
            return Err("the far end of this call is being referred already".to_owned());
        }
        if self.core.referrals.sent.len() >= MOST {
            return Err("too many referrals are open".to_owned());
        }
        self.refer_target(ours, target).map(|_| ())
    }

    /// Where the far end of `call` shall go. Neither to itself nor back here: it would call into its own ear.
    fn refer_target(&self, call: &Call, target: &ReferTarget) -> Result<Target, String> {
        let own = self.settings.as_deref().and_then(|settings| line_of(settings, call.line)).ok_or("the line is not in use")?;
        match target {
            ReferTarget::Address(address) => {
                let uri = addresses::dialled(own, address)?;
                let theirs = call.dialog().map(|dialog| &dialog.remote.uri);
                if same_user(&uri, &addresses::address_of_record(own)) || theirs.is_some_and(|theirs| same_user(&uri, theirs)) {
                    return Err("the far end cannot be referred to itself or to this line".to_owned());
                }
                Ok(Target { uri: uri.without_headers(), replaces: None })
            }
            ReferTarget::Call(other) => {
                let other = self.core.calls.get(other).filter(|other| other.is_talking() && other.identity != call.identity);
                let dialog = other.and_then(Call::dialog).ok_or("the other call is not up")?;
                // Who hides is reached only where it is.
                let hidden = addresses::party(&dialog.remote).is_anonymous();
                let uri = if hidden { &dialog.target } else { &dialog.remote.uri };
                let replaces = Replaces {
                    call_id: dialog.call_id.clone(),
                    to_tag: dialog.remote.tag().unwrap_or("0").to_owned(),
                    from_tag: dialog.local.tag().unwrap_or_default().to_owned(),
                    early_only: false,
                };
                Ok(Target { uri: uri.bare(), replaces: Some(replaces) })
            }
        }
    }

    /// Whether a REFER waits for the end of a re-INVITE of its call.
    pub(crate) fn waiting_referral(&self, call: CallIdentity) -> Option<ReferralId> {
        let waits = |one: &Sent| one.call == call && one.stage == Stage::Waiting;
        self.core.referrals.sent.iter().find(|(_, one)| waits(one)).map(|(id, _)| *id)
    }

    /// It does not leave: the hold that it waits for was refused, or the call has ended.
    pub(crate) fn drop_waiting_referral(&mut self, call: CallIdentity, status: u16, reason: &str) {
        if let Some(id) = self.waiting_referral(call) {
            self.fail_refer(id, status, reason.to_owned());
        }
    }

    /// Nothing is in its way any more.
    pub(crate) fn send_refer(&mut self, id: ReferralId) {
        let Some(call) = self.core.referrals.sent.get(&id).map(|one| one.call) else { return };
        match self.start_refer(id) {
            Ok((transaction, number)) => {
                if let Some(one) = self.core.referrals.sent.get_mut(&id) {
                    (one.stage, one.number) = (Stage::Asked { transaction }, number);
                }
                self.touch();
            }
            Err(reason) => {
                self.forget_referral(id);
                self.tell_refer(call, ReferProgress::Unasked { reason });
            }
        }
    }

    fn start_refer(&mut self, id: ReferralId) -> Result<(TransactionId, u32), String> {
        let settings = self.settings().ok_or("there are no settings")?;
        let mut one = self.core.referrals.sent.get(&id).cloned().ok_or("it is gone")?;
        let call = self.core.calls.get(&one.call).ok_or("the call has ended")?;
        let own = line_of(&settings, call.line).ok_or("the line is not in use")?;
        let target = self.refer_target(call, &one.target)?;
        let (line, anonymous) = (call.line, call.is_anonymous());
        let (mut request, route) = self.request_in(line, &mut Usage::Call(one.call), Method::REFER).ok_or("the call has ended")?;
        let contact = self.contact_of_call(line, route.flow, anonymous).ok_or("the line has no socket")?;
        request.headers.push(HeaderName::CONTACT, contact);
        add_target(&mut request, target, own, anonymous);
        self.add_abilities(&mut request.headers);
        self.declare(&mut request.headers, line, anonymous, route);
        self.add_supported(&mut request.headers, line);
        one.auth.sign(&mut request, own, &mut self.random);
        let number = request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let transaction = self.start_client(Owner::Refer(id), line, route, request).ok_or("too many requests are open")?;
        self.core.referrals.sent.insert(id, one);
        Ok((transaction, number))
    }

    /// What became of the REFER.
    pub(crate) fn on_refer_outcome(&mut self, id: ReferralId, told: &Told, outcome: Outcome<'_>) {
        let Some(one) = self.core.referrals.sent.get(&id) else { return };
        if one.stage != (Stage::Asked { transaction: told.id }) {
            return;
        }
        let heard = one.accepted;
        match outcome {
            Outcome::Response(response) if response.status.is_provisional() => {}
            Outcome::Response(response) if response.status.is_success() => self.on_refer_accepted(id, told, response),
            // A NOTIFY has said more than this.
            Outcome::Response(_) | Outcome::Lost(_) if heard => self.follow_refer(id, USUAL_TIME),
            Outcome::Response(response) if is_challenge(response.status) => self.on_refer_challenge(id, told, response),
            Outcome::Response(response) => self.on_refer_refused(id, response),
            Outcome::Lost(reason) => self.fail_refer(id, StatusCode::REQUEST_TIMEOUT.code(), reason.to_owned()),
        }
    }

    fn on_refer_accepted(&mut self, id: ReferralId, told: &Told, response: &Response) {
        // Who has sent a NOTIFY says more, whatever it writes here.
        let heard = self.core.referrals.sent.get(&id).is_some_and(|one| one.accepted);
        let followed = heard || response.headers.refer_sub().ok().flatten() != Some(false);
        self.accept_refer(id, followed);
        if !followed {
            return self.forget_referral(id);
        }
        let Some(settings) = self.settings() else { return };
        let stream = self.is_stream(told.route.flow);
        let patience = line_of(&settings, told.line).map(|own| Timing::of(own, stream).sixty_four_t1());
        let heard = self.core.timers.is_armed(TimerOwner::Referral(id), Timer::ReferLost);
        match patience {
            Some(patience) if !heard => self.follow_refer(id, patience),
            Some(_) | None => self.set_refer_stage(id, Stage::Followed),
        }
    }

    fn on_refer_challenge(&mut self, id: ReferralId, told: &Told, response: &Response) {
        let Some(settings) = self.settings() else { return };
        let own = line_of(&settings, told.line);
        let Some((one, own)) = self.core.referrals.sent.get_mut(&id).zip(own) else { return };
        match one.auth.on_challenge(response, own) {
            Ok(()) => self.send_refer(id),
            Err(failure) => self.fail_refer(id, response.status.code(), failure.to_string()),
        }
    }

    /// Refused. Of a call that the far end does not know nothing is left (RFC 5057 5.1).
    fn on_refer_refused(&mut self, id: ReferralId, response: &Response) {
        let call = self.core.referrals.sent.get(&id).map(|one| one.call);
        let reason = refusal_in_words(response);
        self.fail_refer(id, response.status.code(), reason);
        if let Some(call) = call.filter(|_| response.status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST) {
            self.leave_forgotten(call, &in_words(response));
        }
    }

    /// A NOTIFY of the package in the dialog of a call.
    pub(crate) fn on_refer_notify(&mut self, transaction: TransactionId, call: CallIdentity, request: &Request, tag: &str) {
        let Some(id) = self.referral_of(call, request) else {
            return self.respond_status(transaction, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, tag);
        };
        let Ok(Some(state)) = request.headers.subscription_state() else {
            return self.respond_status(transaction, StatusCode::BAD_REQUEST, tag);
        };
        let kind = request.headers.content_type().ok().flatten();
        if !request.body.is_empty() && !kind.is_some_and(|kind| kind.is("message", "sipfrag")) {
            let mut response = self.response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
            response.headers.push(HeaderName::ACCEPT, "message/sipfrag");
            return self.respond(transaction, &response);
        }
        let fragment = (!request.body.is_empty()).then(|| SipFragment::parse(&request.body)).transpose();
        let Ok(fragment) = fragment else { return self.respond_status(transaction, StatusCode::BAD_REQUEST, tag) };
        self.respond_status(transaction, StatusCode::OK, tag);
        self.accept_refer(id, true);
        if let Some(fragment) = fragment {
            self.hear_fragment(id, &fragment);
        }
        if state.is_terminated() {
            let words = state.reason().map(|reason| sip_wire::text::shown(reason).into_owned()).unwrap_or_default();
            self.on_refer_terminated(id, &words);
        } else {
            let time = state.expires().map_or(USUAL_TIME, |seconds| Duration::from_secs(seconds.into()));
            self.arm(TimerOwner::Referral(id), Timer::ReferLost, time.min(LONGEST_TIME));
        }
    }

    /// The referral that a NOTIFY is about: the one with its id, and where it has none, the oldest of the call.
    fn referral_of(&self, call: CallIdentity, request: &Request) -> Option<ReferralId> {
        let event = request.headers.event().ok().flatten()?;
        let named = |one: &Sent| event.id().is_none_or(|id| id.parse() == Ok(one.number));
        let fits = |one: &Sent| one.call == call && one.stage != Stage::Waiting && named(one);
        self.core.referrals.sent.iter().find(|(_, one)| fits(one)).map(|(id, _)| *id)
    }

    fn hear_fragment(&mut self, id: ReferralId, fragment: &SipFragment) {
        let Some(one) = self.core.referrals.sent.get_mut(&id).filter(|one| !one.over) else { return };
        let (call, status) = (one.call, fragment.status);
        one.over = !status.is_provisional();
        let progress = match status {
            _ if status.is_provisional() => ReferProgress::Progress { status: status.code() },
            _ if status.is_success() => ReferProgress::Succeeded,
            _ => ReferProgress::Failed { status: status.code(), reason: readable(&fragment.reason, status) },
        };
        self.touch();
        self.tell_refer(call, progress);
    }

    fn on_refer_terminated(&mut self, id: ReferralId, words: &str) {
        let more = if words.is_empty() { String::new() } else { format!(": {words}") };
        self.fail_refer(id, 0, format!("the far end says no more{more}"));
    }

    /// No NOTIFY has come in time.
    pub(super) fn on_refer_silent(&mut self, id: ReferralId) {
        self.fail_refer(id, 0, "the far end does not say how it went".to_owned());
    }

    /// The far end will call; said once.
    fn accept_refer(&mut self, id: ReferralId, followed: bool) {
        let Some(one) = self.core.referrals.sent.get_mut(&id) else { return };
        let call = one.call;
        if !std::mem::replace(&mut one.accepted, true) {
            self.tell_refer(call, ReferProgress::Accepted { followed });
            self.touch();
        }
    }

    fn follow_refer(&mut self, id: ReferralId, patience: Duration) {
        self.set_refer_stage(id, Stage::Followed);
        self.arm(TimerOwner::Referral(id), Timer::ReferLost, patience);
    }

    fn set_refer_stage(&mut self, id: ReferralId, stage: Stage) {
        if let Some(one) = self.core.referrals.sent.get_mut(&id) {
            one.stage = stage;
            self.touch();
        }
    }

    /// Over; told unless the last word has been.
    fn fail_refer(&mut self, id: ReferralId, status: u16, reason: String) {
        let Some(one) = self.core.referrals.sent.get(&id) else { return };
        let (call, over) = (one.call, one.over);
        self.forget_referral(id);
        if !over {
            self.tell_refer(call, ReferProgress::Failed { status, reason });
        }
    }

    fn tell_refer(&mut self, call: CallIdentity, progress: ReferProgress) {
        self.tell(Event::Refer { call, progress });
    }
}

/// Refer-To, and Referred-By unless the call hides whose it is.
fn add_target(request: &mut Request, target: Target, own: &LineSettings, anonymous: bool) {
    let refer_to = ReferTo::new(&target.uri);
    let refer_to = target.replaces.into_iter().fold(refer_to, ReferTo::with_replaces);
    request.headers.push(HeaderName::REFER_TO, refer_to);
    if !anonymous {
        request.headers.push(HeaderName::REFERRED_BY, ReferredBy::new(addresses::address_of_record(own)));
    }
}

fn same_user(one: &Uri, other: &Uri) -> bool {
    let host = |uri: &Uri| uri.host().map(|host| host.to_string().to_ascii_lowercase());
    one.user_decoded() == other.user_decoded() && host(one) == host(other)
}

/// "486 Busy Here".
fn readable(reason: &str, status: StatusCode) -> String {
    let text: String = sip_wire::text::shown(reason).chars().filter(|c| !c.is_control()).take(60).collect();
    let text = if text.is_empty() { status.reason().to_owned() } else { text };
    format!("{} {text}", status.code())
}
