//! The registration of one line (RFC 3261 section 10; B185, B211, B312, B318).
//!
//! ```text
//!            line in use              socket, address         2xx
//!   Off ------------------> Waiting ------------------> Trying ----> Bound -- RegisterRefresh --> Trying
//!    ^  line not in use     ^    ^   (Locating: name)    |  |          |
//!    +----------------------+    | other failure, no     |  |          | BindingLost while trying:
//!                                | answer: RegisterRetry |  |          | not registered any more
//!                                +-----------------------+  |
//!                                        403, or no password: Refused (until settings change or Register)
//!                                        credentials refused: Waiting, ever longer (decision 39)
//!                                        401, 407, 423: Trying, at once, each reason once
//!                                        300 to 302: Trying, where the registrar says (`elsewhere`)
//!                                        503, 408, no answer: Trying, at the next server, while there is one
//!                 Bound -- its server, or the way that it has named, is lost to a call or a subscription: Trying, elsewhere
//! ```
//!
//! A binding that was granted lasts until its time is over or it is refused, whatever a refresh meets in between. What other
//! settings ask of it is in `change`.

mod attempt;
mod change;
mod elsewhere;
mod names;
mod service_route;
mod way;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_wire::{CSeq, HeaderName, Method, NameAddr, Request, Response, Uri};

use crate::addresses::{self};
use crate::auth::AuthSession;
use crate::interface::{Event, LineSettings, LineState, QueryId};
use crate::locate::Asker;
use crate::random::Random;
use crate::session::Elsewhere;
use crate::stack::{Stack, line_of};
use crate::timers::TimerOwner;
use crate::transaction::{Route, TransactionId};

pub(crate) use change::Change;
use change::Goodbye;

pub(crate) use names::ServerRole;

/// Addresses of servers that are remembered.
const MOST_SERVERS: usize = 16;

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Activity {
    /// The line is not in use, or has no registrar.
    Off,
    /// For the socket, for RegisterRetry, or for the end of a goodbye.
    Waiting,
    /// For the registrar's address.
    Locating { query: QueryId },
    /// For the answer to a REGISTER.
    Trying { transaction: TransactionId },
    /// For RegisterRefresh.
    Bound,
    /// For better settings.
    Refused { reason: String },
}

/// What a registrar has granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Binding {
    registrar: String,
    expires: u32,
}

/// The REGISTERs of one binding: one Call-ID, numbers that grow (RFC 3261 10.2).
#[derive(Clone, Serialize, Deserialize)]
struct Series {
    call_id: String,
    from_tag: String,
    cseq: u32,
    auth: AuthSession,
    /// Whom they are for in place of the configured registrar, because that has said so.
    target: Option<Uri>,
}

/// One line's registration.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Registration {
    activity: Activity,
    binding: Option<Binding>,
    last_error: String,
    series: Series,
    /// Seconds to ask for: the setting's, or what a 423 wanted.
    expires: u32,
    /// Where the last REGISTER went.
    route: Option<Route>,
    /// Servers that this attempt has not tried yet.
    others: Vec<Route>,
    /// All that it tries; one: there is no choice.
    targets: Vec<SocketAddr>,
    way: way::Way,
    /// Expires: 0 is being said before the first binding (USE_DEL_REG_OPEN_n).
    opening: bool,
    /// Addresses of the line's servers as last resolved, for what only servers may ask.
    servers: Vec<IpAddr>,
    /// Service-Route of the last 2xx, topmost first.
    service_route: Vec<NameAddr>,
    /// Expires: 0 is being said.
    leaving: bool,
    /// Where the registrar has sent this attempt.
    elsewhere: Elsewhere,
    /// The REGISTER under way does not say what the settings want said.
    stale: bool,
    /// The wait after credentials were refused; zero where the last answer was another.
    back_off: Duration,
    /// The binding of earlier settings, while it is being cancelled.
    goodbye: Option<Box<Goodbye>>,
    /// The last state that was told.
    told: Option<LineState>,
}

impl Registration {
    /// What one knows of its registrar's challenges.
    pub(crate) fn auth(&mut self) -> &mut AuthSession {
        &mut self.series.auth
    }

    fn new(random: &mut Random, line: &LineSettings) -> Registration {
        Registration {
            activity: Activity::Off,
            binding: None,
            last_error: String::new(),
            series: Series::new(random),
            expires: line.register_expires,
            route: None,
            others: Vec::new(),
            targets: Vec::new(),
            way: way::Way::default(),
            opening: line.unregister_first,
            servers: Vec::new(),
            service_route: Vec::new(),
            leaving: false,
            elsewhere: Elsewhere::default(),
            stale: false,
            back_off: Duration::ZERO,
            goodbye: None,
            told: None,
        }
    }

    /// The line's state as people see it.
    fn state(&self, line: &LineSettings, trouble: Option<String>) -> LineState {
        if !line.enabled {
            return LineState::Disabled;
        }
        if line.user.is_empty() || line.registrar.is_none() {
            return LineState::Unconfigured;
        }
        match (&self.activity, &self.binding) {
            (Activity::Refused { reason }, _) => LineState::Failed { reason: reason.clone() },
            (_, Some(binding)) => LineState::Registered { registrar: binding.registrar.clone(), expires: binding.expires },
            (_, None) if !self.back_off.is_zero() => LineState::Failed { reason: self.last_error.clone() },
            (_, None) => LineState::Registering { last_error: trouble.unwrap_or_else(|| self.last_error.clone()) },
        }
    }

    /// Whether this attempt has a server that it has not tried.
    pub(crate) fn has_another_server(&self) -> bool {
        !self.others.is_empty()
    }
}

impl Series {
    fn new(random: &mut Random) -> Series {
        Series {
            call_id: random.token() + &random.token(),
            from_tag: random.token(),
            cseq: 0,
            auth: AuthSession::default(),
            target: None,
        }
    }

    /// The REGISTER of RFC 3261 10.2, without Via and credentials.
    fn request(&mut self, line: &LineSettings, contact: NameAddr, expires: u32) -> Request {
        self.cseq = self.cseq.saturating_add(1);
        let own = addresses::own_address(line);
        let target = self.target.clone().unwrap_or_else(|| addresses::registrar_uri(line));
        let mut request = Request::new(Method::REGISTER, target);
        let headers = &mut request.headers;
        if let Some(route) = addresses::outbound_route(line) {
            headers.push(HeaderName::ROUTE, route);
        }
        headers.push(HeaderName::MAX_FORWARDS, 70);
        headers.push(HeaderName::FROM, own.clone().with_tag(&self.from_tag));
        headers.push(HeaderName::TO, own);
        headers.push(HeaderName::CALL_ID, &self.call_id);
        headers.push(HeaderName::CSEQ, CSeq::new(self.cseq, Method::REGISTER));
        headers.push(HeaderName::CONTACT, contact.with_param("expires", expires));
        if line.details.expires_header {
            headers.push(HeaderName::EXPIRES, expires);
        }
        request
    }
}

impl Stack {
    /// The state as it is now.
    pub(crate) fn present_line_state(&self, line: LineNumber) -> LineState {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else {
            return LineState::Disabled;
        };
        match self.core.registrations.get(&line) {
            Some(registration) => registration.state(own, self.trouble_of(line)),
            None => LineState::Disabled,
        }
    }

    /// Why the line cannot reach anybody, if so.
    fn trouble_of(&self, line: LineNumber) -> Option<String> {
        if self.settings.as_deref().is_some_and(|settings| settings.addresses.is_empty()) {
            return Some("there is no network address".to_owned());
        }
        self.core.flows.down_reason(line).map(|reason| format!("the line's socket is not open: {reason}"))
    }

    /// Tells what has changed.
    pub(crate) fn tell_lines(&mut self) {
        for line in LineNumber::all() {
            let state = self.present_line_state(line);
            let Some(registration) = self.core.registrations.get_mut(&line) else { continue };
            if registration.told.as_ref() != Some(&state) {
                registration.told = Some(state.clone());
                self.tell(Event::Line(line, state));
                self.touch();
            }
        }
    }

    /// After a restore: everything is told once more.
    pub(crate) fn forget_told_lines(&mut self) {
        for registration in self.core.registrations.values_mut() {
            registration.told = None;
        }
    }

    fn stop_registration(&mut self, line: LineNumber) {
        self.core.timers.disarm_all(TimerOwner::Line(line));
        match self.core.registrations.get(&line).map(|own| own.activity.clone()) {
            Some(Activity::Locating { query }) => self.forget_query(query),
            // Said once more it would undo what follows.
            Some(Activity::Trying { transaction }) => {
                self.end_transaction(transaction);
            }
            Some(Activity::Off | Activity::Waiting | Activity::Bound | Activity::Refused { .. }) | None => {}
        }
    }

    /// The way to the registrar that has bound the line; none while it is not bound.
    pub(crate) fn binding_route(&self, line: LineNumber) -> Option<Route> {
        let registration = self.core.registrations.get(&line)?;
        registration.route.filter(|_| registration.binding.is_some())
    }

    /// Whether a goodbye waits for its answer.
    pub(crate) fn is_unregistering(&self) -> bool {
        self.core.registrations.values().any(|registration| registration.leaving || registration.goodbye.is_some())
    }

    /// The servers' addresses behind a name, as the resolver found them; the newest are kept. Not those of whom a person calls by
    /// URI on a line without servers, nor of a far end's Contact, nor of a presence server: they may not ask what servers may.
    pub(crate) fn note_servers(&mut self, line: LineNumber, targets: &[SocketAddr], asker: Asker) {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return };
        let has_servers = [&own.registrar, &own.proxy, &own.outbound_proxy].into_iter().any(Option::is_some);
        if !has_servers || matches!(asker, Asker::Dialog(_) | Asker::Subscription(_)) {
            return;
        }
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let known = registration.servers.drain(..).filter(|ip| !targets.iter().any(|target| target.ip() == *ip));
        let all: Vec<IpAddr> = targets.iter().map(SocketAddr::ip).chain(known.collect::<Vec<_>>()).take(MOST_SERVERS).collect();
        registration.servers = all;
    }

    /// Whether an address is one of the line's servers: configured as an address, found behind a server's name, or
    /// named by the registrar as the way of our calls.
    pub(crate) fn is_server_of(&self, line: LineNumber, address: IpAddr) -> bool {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return false };
        let configured = [&own.registrar, &own.proxy, &own.outbound_proxy];
        let as_address = configured.into_iter().flatten().filter_map(|server| addresses::hop_of(server).host.ip());
        let second = [own.second_registrar, own.second_proxy].into_iter().flatten().map(|server| server.ip());
        let registration = self.core.registrations.get(&line);
        let found = registration.is_some_and(|registration| {
            registration.servers.contains(&address) || registration.route.is_some_and(|route| route.remote.ip() == address)
        });
        let on_the_way = self.is_on_service_route(line, address);
        found || on_the_way || as_address.chain(second).any(|server| server == address)
    }
}

/// "403 Forbidden".
pub(crate) fn in_words(response: &Response) -> String {
    let reason = if response.reason.is_empty() { response.status.reason() } else { &response.reason };
    let reason: String = sip_wire::text::shown(reason).chars().filter(|c| !c.is_control()).take(100).collect();
    format!("{} {reason}", response.status.code())
}
