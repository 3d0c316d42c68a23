//! The user agent server's common part (RFC 3261 8.2): which requests are for us, and whose they are. Whatever is refused here
//! never reaches a session.

use sip_wire::{HeaderName, Method, Request, StatusCode};

use crate::details;
use crate::interface::{Event, LineSettings};
use crate::receive::Arrived;
use crate::referral::PACKAGE;
use crate::session::relay;
use crate::stack::{Stack, line_of};
use crate::transaction::{ServerKey, TransactionId};
use crate::transport::{ACCEPT, ALLOW};

/// Methods that exist and are not served: 405. What is unknown altogether is 501.
const KNOWN_UNSERVED: [Method; 4] = [Method::REGISTER, Method::SUBSCRIBE, Method::MESSAGE, Method::PUBLISH];
/// Methods that are served.
const SERVED: [Method; 9] = [
    Method::INVITE,
    Method::CANCEL,
    Method::BYE,
    Method::PRACK,
    Method::UPDATE,
    Method::OPTIONS,
    Method::NOTIFY,
    Method::INFO,
    Method::REFER,
];

/// The package whose NOTIFYs nobody need have asked for.
const MAILBOX: &str = "message-summary";

/// Why a request is not served.
enum Refusal {
    Status(StatusCode),
    BadExtension(Vec<String>),
}

impl Stack {
    /// A new request.
    pub(crate) fn serve(&mut self, id: TransactionId, key: &ServerKey, arrived: Arrived) {
        if arrived.request.method.is_cancel() {
            return self.on_cancel(id, key, &arrived.request);
        }
        match self.inspect(&arrived) {
            Err(Refusal::Status(status)) => self.refuse_request(id, status),
            Err(Refusal::BadExtension(tags)) => self.refuse_extension(id, &arrived.request, &tags),
            Ok(()) => self.deliver(id, arrived),
        }
    }

    fn deliver(&mut self, id: TransactionId, arrived: Arrived) {
        let in_dialog = arrived.request.headers.to().is_ok_and(|to| to.tag().is_some());
        match (arrived.request.method.clone(), in_dialog) {
            (Method::INVITE, false) => self.on_first_invite(id, arrived),
            (Method::OPTIONS, false) => self.on_options(id, &arrived.request, ""),
            (Method::NOTIFY, false) => self.on_stray_notify(id, &arrived),
            (Method::REFER, false) => self.on_first_refer(id, &arrived),
            (_, true) => self.on_request_in_dialog(id, arrived),
            (_, false) => self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, ""),
        }
    }

    /// RFC 3261 8.2.1 to 8.2.3, in that order.
    fn inspect(&self, arrived: &Arrived) -> Result<(), Refusal> {
        let request = &arrived.request;
        if KNOWN_UNSERVED.contains(&request.method) {
            return Err(Refusal::Status(StatusCode::METHOD_NOT_ALLOWED));
        }
        if !SERVED.contains(&request.method) {
            return Err(Refusal::Status(StatusCode::NOT_IMPLEMENTED));
        }
        if !request.uri.scheme().is_sip() {
            return Err(Refusal::Status(StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        let Ok(hops) = request.headers.max_forwards() else { return Err(Refusal::Status(StatusCode::BAD_REQUEST)) };
        let in_dialog = request.headers.to().is_ok_and(|to| to.tag().is_some());
        if !in_dialog {
            self.inspect_first(arrived, hops)?;
        }
        // RFC 3891 3: in an INVITE that begins a dialog alone.
        let begins = request.method.is_invite() && !in_dialog;
        if request.headers.has(HeaderName::REPLACES) && !begins {
            return Err(Refusal::Status(StatusCode::BAD_REQUEST));
        }
        let mut wanted = request.headers.require().map_err(|_| Refusal::Status(StatusCode::BAD_REQUEST))?;
        let known = self.supported(arrived.line);
        wanted.retain(|tag| !known.iter().any(|known| tag.eq_ignore_ascii_case(known)) && !self.may_require(request, tag));
        if !wanted.is_empty() {
            return Err(Refusal::BadExtension(wanted));
        }
        let unwelcome = is_answered_by_sdp(request) && !request.headers.accepts("application", "sdp");
        if unwelcome { Err(Refusal::Status(StatusCode::NOT_ACCEPTABLE)) } else { Ok(()) }
    }

    /// What only a request outside dialogs is asked: is it for us, and is it the only copy? A line that has been switched off keeps its
    /// socket while a call is up on it, and takes no other call (B215).
    fn inspect_first(&self, arrived: &Arrived, hops: Option<u8>) -> Result<(), Refusal> {
        let own = self.settings.as_deref().and_then(|settings| line_of(settings, arrived.line));
        if own.is_some_and(|own| !own.enabled) {
            return Err(Refusal::Status(StatusCode::TEMPORARILY_UNAVAILABLE));
        }
        let hidden = self.is_contact_of_anonymous_call(arrived.line, &arrived.request.uri);
        if !hidden && !own.is_some_and(|own| is_for(own, &arrived.request)) {
            // We are no proxy, but whoever has used up its hops looks for a loop.
            let spent = hops == Some(0);
            return Err(Refusal::Status(if spent { StatusCode::TOO_MANY_HOPS } else { StatusCode::NOT_FOUND }));
        }
        if !hidden && own.is_some_and(|own| details::is_misaddressed(own, &arrived.request)) {
            return Err(Refusal::Status(StatusCode::NOT_FOUND));
        }
        if self.is_merged(&arrived.request) {
            return Err(Refusal::Status(StatusCode::LOOP_DETECTED));
        }
        Ok(())
    }

    fn refuse_request(&mut self, id: TransactionId, status: StatusCode) {
        let Some(request) = self.core.transactions.find(id).map(|transaction| transaction.request.clone()) else { return };
        let tag = self.random.token();
        let mut response = self.response(&request, status, &tag);
        if status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::NOT_IMPLEMENTED {
            response.headers.push(HeaderName::ALLOW, ALLOW);
        }
        self.respond(id, &response);
    }

    fn refuse_extension(&mut self, id: TransactionId, request: &Request, tags: &[String]) {
        let tag = self.random.token();
        let mut response = self.response(request, StatusCode::BAD_EXTENSION, &tag);
        response.headers.push(HeaderName::UNSUPPORTED, tags.join(", "));
        self.respond(id, &response);
    }

    /// What we can do (RFC 3261 11.2), always by 200 (decision 37); `tag` is the dialog's, where it is asked in one.
    pub(crate) fn on_options(&mut self, id: TransactionId, request: &Request, tag: &str) {
        let tag = if tag.is_empty() { self.random.token() } else { tag.to_owned() };
        let mut response = self.response(request, StatusCode::OK, &tag);
        self.add_abilities(&mut response.headers);
        response.headers.push(HeaderName::ACCEPT, ACCEPT);
        response.headers.push(HeaderName::ACCEPT_ENCODING, "identity");
        response.headers.push(HeaderName::ACCEPT_LANGUAGE, "en");
        let line = self.core.transactions.find(id).map(|transaction| transaction.line);
        let tags = line.map(|line| self.supported(line)).unwrap_or_default();
        response.headers.push(HeaderName::SUPPORTED, tags.join(", "));
        self.respond(id, &response);
    }

    /// NOTIFY outside a dialog, only from the line's servers: the resync event (B45, B47, C68), and what waits at a mailbox, of which
    /// many servers tell without being asked (the package of RFC 3842).
    fn on_stray_notify(&mut self, id: TransactionId, arrived: &Arrived) {
        let Some(settings) = self.settings() else { return };
        let event = arrived.request.headers.get(HeaderName::EVENT).unwrap_or_default().to_owned();
        let package = event.split(';').next().unwrap_or_default().trim().to_owned();
        let resync = !settings.resync_event.is_empty() && package.eq_ignore_ascii_case(&settings.resync_event);
        if !resync && !package.eq_ignore_ascii_case(MAILBOX) {
            return self.bad_event(id, &arrived.request);
        }
        if !self.is_server_of(arrived.line, arrived.source.remote.ip()) {
            return self.respond_status(id, StatusCode::FORBIDDEN, "");
        }
        self.respond_status(id, StatusCode::OK, "");
        if resync {
            return self.tell(Event::ResyncRequested { line: arrived.line, event });
        }
        let content_type = arrived.request.headers.get(HeaderName::CONTENT_TYPE).unwrap_or_default().to_owned();
        self.tell(Event::MailboxTold { line: arrived.line, content_type, body: arrived.request.body.clone() });
    }

    /// 489 with what we would take (RFC 6665 8.2.2): what the far end may send unasked, and what is asked for.
    pub(crate) fn bad_event(&mut self, id: TransactionId, request: &Request) {
        let tag = self.random.token();
        let mut response = self.response(request, StatusCode::BAD_EVENT, &tag);
        let line = self.core.transactions.find(id).map(|transaction| transaction.line);
        let subscribed = line.map(|line| self.core.subscriptions.packages_of(line)).unwrap_or_default();
        let others = subscribed.into_iter().filter(|package| !package.eq_ignore_ascii_case(PACKAGE));
        let packages = self.allowed_events().into_iter().chain([PACKAGE.to_owned()]).chain(others.map(str::to_owned));
        response.headers.push(HeaderName::ALLOW_EVENTS, packages.collect::<Vec<String>>().join(", "));
        self.respond(id, &response);
    }

    /// INFO in a dialog (RFC 6086): nothing in it concerns us, so an empty one is heard, as are digits (B305), and another body is
    /// not understood.
    pub(crate) fn on_info(&mut self, id: TransactionId, request: &Request, tag: &str) {
        let package = HeaderName::from("Info-Package");
        let status = if request.headers.has(package) {
            StatusCode::BAD_INFO_PACKAGE
        } else if request.body.is_empty() || relay::is_digit(&request.headers) {
            StatusCode::OK
        } else {
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        };
        let mut response = self.response(request, status, tag);
        match status {
            StatusCode::BAD_INFO_PACKAGE => response.headers.push("Recv-Info", ""),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => response.headers.push(HeaderName::ACCEPT, relay::CONTENT_TYPE),
            _ => {}
        }
        self.respond(id, &response);
    }
}

/// Whether a description of ours answers it, which its Accept must let in (RFC 3261 21.4.7, RFC 4475 3.3.15). The answer to OPTIONS
/// has no body, so nothing in it can be unwelcome.
fn is_answered_by_sdp(request: &Request) -> bool {
    let offers = !request.body.is_empty() && [Method::UPDATE, Method::PRACK].contains(&request.method);
    request.method.is_invite() || offers
}

/// Whether the Request-URI names the line's user. Servers that rewrite it to our Contact keep the user part.
fn is_for(own: &LineSettings, request: &Request) -> bool {
    let user = request.uri.user_decoded();
    // Servers ask OPTIONS of the bare address to see whether we are there.
    let nobody_asked = user.is_none() && request.method == Method::OPTIONS;
    nobody_asked || user.is_some_and(|user| user == own.user.as_str())
}
