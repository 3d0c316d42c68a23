//! REFER of theirs (RFC 3515 section 2.4.2): we are asked to call somebody else.
//!
//! ```text
//!   REFER --> malformed, several Refer-To: 400; no address that can be called: 416; another method than INVITE: 403
//!     |       a stranger outside every call of ours: 403; the call is not up: 480; no room: 503
//!     | 202, NOTIFY 100
//!     v
//!   Asked -- AcceptReferral: Dial --> Calling -- 1xx of the new call: NOTIFY --+
//!     |                                  |  ^----------------------------------+
//!     | DeclineReferral, 60 s            | answered, refused, lost        | 600 s, the referrer knows nothing of it: gone
//!     v                                  v
//!    Over: NOTIFY with the last word -- answered, lost: gone
//! ```
//!
//! What makes the phone call somewhere is taken from whom it is in a call with, from whoever can name such a call (RFC 4538), and
//! from a server of the line that says it for itself: a request that it only passes on may be anybody's.

use std::time::Duration;

use agreements::{CallIdentity, Correlation, LineNumber};
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Headers, Method, NameAddr, ReferredBy, Replaces, Scheme, StatusCode, Uri};

use super::{MOST, ReferralId, Usage};
use crate::addresses;
use crate::auth::AuthSession;
use crate::dialog::Dialog;
use crate::interface::{Event, LineSettings, Party};
use crate::receive::Arrived;
use crate::session::Call;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::TransactionId;

/// How long the user may think about it.
const THINKING: Duration = Duration::from_secs(60);
/// How long the referrer is told how it goes.
pub(super) const SUBSCRIBED: Duration = Duration::from_secs(600);

/// What an INVITE says that follows a REFER.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Referred {
    /// The call that it takes the place of.
    pub(crate) replaces: Option<Replaces>,
    /// As the referrer wrote it (RFC 3892 4).
    pub(crate) by: Option<String>,
}

/// See the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    Asked,
    Calling {
        call: CallIdentity,
    },
    Over,
    /// The subscription's time is over; how it goes on nobody is told.
    Expired,
}

/// One REFER of theirs.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(super) line: LineNumber,
    pub(super) usage: Usage,
    /// CSeq of the REFER, which tells its NOTIFYs from others' (RFC 3515 2.4.6).
    pub(super) number: u32,
    target: Uri,
    referred: Referred,
    pub(super) stage: Stage,
    /// Of a call that does not say whose it is, or about one: nor does what is said of the referral.
    pub(super) anonymous: bool,
    /// What the next NOTIFY says.
    pub(super) status: StatusCode,
    /// What the last one has said, and whether that was the last word.
    pub(super) said: Option<(StatusCode, bool)>,
    /// The referrer wants to know (RFC 4488).
    pub(super) subscribed: bool,
    /// A NOTIFY that waits for its answer.
    pub(super) open: Option<TransactionId>,
    pub(super) auth: AuthSession,
}

/// A REFER that can be followed.
struct Wanted {
    target: Uri,
    referred: Referred,
    by: Party,
    subscribed: bool,
}

impl Stack {
    /// REFER in the dialog of a call.
    pub(crate) fn on_refer_in_dialog(&mut self, id: TransactionId, call: CallIdentity, arrived: &Arrived, tag: &str) {
        self.take_refer(id, Some(call), Usage::Call(call), arrived, tag);
    }

    /// REFER outside dialogs.
    pub(crate) fn on_first_refer(&mut self, id: TransactionId, arrived: &Arrived) {
        let tag = self.random.token();
        let Ok(about) = self.target_dialog(arrived) else {
            return self.respond_status(id, StatusCode::BAD_REQUEST, &tag);
        };
        // The names of a dialog are no secret: they show which call is meant, not who may speak of it.
        let may_speak = match about.and_then(|call| self.core.calls.get(&call)) {
            Some(call) => self.concerns(arrived, call),
            None => self.is_said_by_server(arrived),
        };
        if !may_speak {
            return self.respond_status(id, StatusCode::FORBIDDEN, &tag);
        }
        // RFC 3515 2.2: a REFER says where its sender is, or its NOTIFYs would go anywhere.
        let read = Dialog::as_callee(&arrived.request, &tag, arrived.source);
        match read.ok().filter(|_| arrived.request.headers.has(HeaderName::CONTACT)) {
            Some(dialog) => self.take_refer(id, about, Usage::Own(Box::new(dialog)), arrived, &tag),
            None => self.respond_status(id, StatusCode::BAD_REQUEST, &tag),
        }
    }

    /// The call of the line that Target-Dialog names.
    fn target_dialog(&self, arrived: &Arrived) -> Result<Option<CallIdentity>, sip_wire::HeaderError> {
        let Some(named) = arrived.request.headers.target_dialog()? else { return Ok(None) };
        let is_it = |dialog: &Dialog| dialog.is(&named.call_id, &named.local_tag, &named.remote_tag);
        let fits = |call: &&Call| call.line == arrived.line && call.dialog().is_some_and(is_it);
        Ok(self.core.calls.values().find(fits).map(|call| call.identity))
    }

    /// From a server of the line, and not passed on by it.
    pub(crate) fn is_said_by_server(&self, arrived: &Arrived) -> bool {
        let hops = arrived.request.headers.via().map_or(0, |hops| hops.len());
        hops == 1 && self.is_server_of(arrived.line, arrived.source.remote.ip())
    }

    fn take_refer(&mut self, id: TransactionId, call: Option<CallIdentity>, usage: Usage, arrived: &Arrived, tag: &str) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, arrived.line) else { return };
        let wanted = match self.read_refer(call, arrived, own) {
            Ok(wanted) => wanted,
            Err(status) => return self.respond_status(id, status, tag),
        };
        let anonymous = call.and_then(|call| self.core.calls.get(&call)).is_some_and(Call::is_anonymous);
        self.accept_request(id, arrived, tag, (wanted.subscribed, anonymous));
        let name = self.core.referrals.name();
        let Wanted { target, referred, by, subscribed } = wanted;
        let to = addresses::party(&NameAddr::new(target.clone()));
        let replaces = referred.replaces.is_some();
        let taken = Taken {
            line: arrived.line,
            usage,
            number: arrived.request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default(),
            target,
            referred,
            stage: Stage::Asked,
            anonymous,
            status: StatusCode::TRYING,
            said: None,
            subscribed,
            open: None,
            auth: AuthSession::default(),
        };
        self.core.referrals.taken.insert(name, taken);
        self.arm(TimerOwner::Referral(name), Timer::ReferUndecided, THINKING);
        self.arm(TimerOwner::Referral(name), Timer::ReferExpires, SUBSCRIBED);
        self.touch();
        self.notify_referrer(name);
        self.tell(Event::Referred { referral: name, line: arrived.line, call, by, to, replaces });
    }

    fn read_refer(&self, call: Option<CallIdentity>, arrived: &Arrived, own: &LineSettings) -> Result<Wanted, StatusCode> {
        let headers = &arrived.request.headers;
        let malformed = |_| StatusCode::BAD_REQUEST;
        let refer_to = headers.refer_to().map_err(malformed)?.ok_or(StatusCode::BAD_REQUEST)?;
        let by = headers.referred_by().map_err(malformed)?;
        let subscribed = headers.refer_sub().map_err(malformed)? != Some(false);
        let from = headers.from().map_err(malformed)?;
        let target = target_of(&refer_to.address.uri, own).ok_or(StatusCode::UNSUPPORTED_URI_SCHEME)?;
        if refer_to.method().map_err(|_| StatusCode::BAD_REQUEST)? != Method::INVITE {
            return Err(StatusCode::FORBIDDEN);
        }
        let known = call.and_then(|call| self.core.calls.get(&call));
        if call.is_some() && !known.is_some_and(Call::is_talking) {
            return Err(StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        if self.core.stopping || self.core.referrals.taken.len() >= MOST {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let by_party = addresses::party(by.as_ref().map_or(&from, |by| &by.referrer));
        let by = by.map(|by| without_token(by).to_string());
        Ok(Wanted { target, referred: Referred { replaces: refer_to.replaces, by }, by: by_party, subscribed })
    }

    /// 202; that there will be no NOTIFYs is said where it was asked for (RFC 4488 4).
    fn accept_request(&mut self, id: TransactionId, arrived: &Arrived, tag: &str, (subscribed, anonymous): (bool, bool)) {
        let mut response = self.response(&arrived.request, StatusCode::ACCEPTED, tag);
        response.headers.copy(HeaderName::RECORD_ROUTE, &arrived.request.headers);
        if let Some(contact) = self.contact_of_call(arrived.line, arrived.source.flow, anonymous) {
            response.headers.push(HeaderName::CONTACT, contact);
        }
        if !subscribed {
            response.headers.push(HeaderName::REFER_SUB, "false");
        }
        self.add_supported(&mut response.headers, arrived.line);
        self.respond(id, &response);
    }

    /// `Command::AcceptReferral`: the call is made; its outcome comes as events of it.
    pub(crate) fn accept_referral(&mut self, id: ReferralId, call: CallIdentity, correlation: Correlation) {
        let asked = self.core.referrals.taken.get_mut(&id).filter(|one| one.stage == Stage::Asked);
        let Some(one) = asked.filter(|_| !self.core.calls.contains_key(&call)) else {
            let reason = "nobody has asked for it any more".to_owned();
            return self.tell(Event::Ended { call, code: 0, reason, by: crate::interface::EndedBy::Local });
        };
        one.stage = Stage::Calling { call };
        let (line, target, referred) = (one.line, one.target.clone(), one.referred.clone());
        self.core.timers.disarm(TimerOwner::Referral(id), Timer::ReferUndecided);
        self.touch();
        self.dial_referred(call, line, target, referred, correlation);
    }

    /// `Command::DeclineReferral`, or nobody has said anything.
    pub(crate) fn decline_referral(&mut self, id: ReferralId) {
        let asked = self.core.referrals.taken.get(&id).is_some_and(|one| one.stage == Stage::Asked);
        if asked {
            self.conclude_referral(id, StatusCode::DECLINE);
        }
    }

    /// A response to the INVITE of a call that a REFER has made.
    pub(crate) fn note_referred(&mut self, call: CallIdentity, status: StatusCode) {
        let Some(id) = self.referral_that_made(call) else { return };
        if !status.is_provisional() {
            return self.conclude_referral(id, status);
        }
        if let Some(one) = self.core.referrals.taken.get_mut(&id) {
            one.status = status;
            self.touch();
            self.notify_referrer(id);
        }
    }

    /// Such a call has ended, with a SIP status or 0.
    pub(crate) fn note_referred_end(&mut self, call: CallIdentity, code: u16, here: bool) {
        let unsaid = if here { StatusCode::REQUEST_TERMINATED } else { StatusCode::SERVICE_UNAVAILABLE };
        let status = StatusCode::new(code).filter(|status| status.code() >= 300).unwrap_or(unsaid);
        self.note_referred(call, status);
    }

    fn referral_that_made(&self, call: CallIdentity) -> Option<ReferralId> {
        let made = Stage::Calling { call };
        self.core.referrals.taken.iter().find(|(_, one)| one.stage == made).map(|(id, _)| *id)
    }

    fn conclude_referral(&mut self, id: ReferralId, status: StatusCode) {
        let Some(one) = self.core.referrals.taken.get_mut(&id) else { return };
        (one.stage, one.status) = (Stage::Over, status);
        self.core.timers.disarm(TimerOwner::Referral(id), Timer::ReferUndecided);
        self.touch();
        self.notify_referrer(id);
    }
}

/// An address of Refer-To as a Request-URI: without what is not for it. None: it cannot be called from here.
fn target_of(uri: &Uri, own: &LineSettings) -> Option<Uri> {
    match uri.scheme() {
        Scheme::Sip => Some(uri.without_headers().without_param("method")),
        Scheme::Tel => addresses::dialled(own, &uri.user_decoded()?).ok(),
        Scheme::Sips | Scheme::Other(_) => None,
    }
}

/// A token is a body that is not passed on here, so that nothing points to it.
fn without_token(mut by: ReferredBy) -> ReferredBy {
    by.referrer.params.remove("cid");
    by
}

/// Puts what follows a REFER into an INVITE. Who cannot replace shall not ring a second time.
pub(crate) fn add_referred(headers: &mut Headers, referred: &Referred) {
    if let Some(by) = &referred.by {
        headers.push(HeaderName::REFERRED_BY, by);
    }
    if let Some(replaces) = &referred.replaces {
        headers.push(HeaderName::REPLACES, replaces);
        headers.push(HeaderName::REQUIRE, "replaces");
    }
}
