//! The registration of one line (RFC 3261 section 10; B185, B211, B312, B318).
//!
//! ```text
//!            line in use              socket, address         2xx
//!   Off ------------------> Waiting ------------------> Trying ----> Bound -- RegisterRefresh --> Trying
//!    ^  line not in use     ^    ^   (Locating: name)    |  |          |
//!    +----------------------+    | other failure, no     |  |          | BindingLost while trying:
//!                                | answer: RegisterRetry |  |          | not registered any more
//!                                +-----------------------+  |
//!                                        403, or credentials refused: Refused (until settings change or Register)
//!                                        401, 407, 423: Trying, at once, each reason once
//! ```
//!
//! A binding that was granted lasts until its time is over or it is refused, whatever a refresh meets in between.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_wire::{CSeq, HeaderName, Method, NameAddr, Request, Response, StatusCode};

use crate::addresses::{self, registration_hop};
use crate::auth::{AuthSession, is_challenge};
use crate::interface::{Event, LineSettings, LineState, QueryId, StackSettings};
use crate::locate::{Asker, Located};
use crate::random::Random;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, Route, TransactionId};

/// Bounds on what a server may make us wait or ask for.
const LONGEST_RETRY: Duration = Duration::from_secs(86_400);
/// A server that grants less is refreshed this often at most.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
/// A refresh that leaves at the last moment (a rate of 100 percent) gets its answer before the binding counts as lost.
const GRACE: Duration = Duration::from_secs(1);
/// Addresses of servers that are remembered.
const MOST_SERVERS: usize = 16;

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Activity {
    /// The line is not in use, or has no registrar.
    Off,
    /// For the socket, or for RegisterRetry.
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

/// One line's registration.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Registration {
    activity: Activity,
    binding: Option<Binding>,
    last_error: String,
    call_id: String,
    from_tag: String,
    cseq: u32,
    auth: AuthSession,
    /// Seconds to ask for: the setting's, or what a 423 wanted.
    expires: u32,
    /// Where the last REGISTER went.
    route: Option<Route>,
    /// Addresses of the line's servers as last resolved, for what only servers may ask.
    servers: Vec<IpAddr>,
    /// Expires: 0 is being said.
    leaving: bool,
    /// The last state that was told.
    told: Option<LineState>,
}

impl Registration {
    fn new(random: &mut Random, line: &LineSettings) -> Registration {
        Registration {
            activity: Activity::Off,
            binding: None,
            last_error: String::new(),
            call_id: random.token() + &random.token(),
            from_tag: random.token(),
            cseq: 0,
            auth: AuthSession::default(),
            expires: line.register_expires,
            route: None,
            servers: Vec::new(),
            leaving: false,
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
            (_, None) => LineState::Registering { last_error: trouble.unwrap_or_else(|| self.last_error.clone()) },
        }
    }

    /// The REGISTER of RFC 3261 10.2, without Via and credentials.
    fn request(&mut self, line: &LineSettings, contact: NameAddr, expires: u32) -> Request {
        self.cseq = self.cseq.saturating_add(1);
        let own = addresses::own_address(line);
        let mut request = Request::new(Method::REGISTER, addresses::registrar_uri(line));
        let headers = &mut request.headers;
        if let Some(route) = addresses::outbound_route(line) {
            headers.push(HeaderName::ROUTE, route);
        }
        headers.push(HeaderName::MAX_FORWARDS, 70);
        headers.push(HeaderName::FROM, own.clone().with_tag(&self.from_tag));
        headers.push(HeaderName::TO, own);
        headers.push(HeaderName::CALL_ID, &self.call_id);
        headers.push(HeaderName::CSEQ, CSeq::new(self.cseq, Method::REGISTER));
        headers.push(HeaderName::CONTACT, contact);
        headers.push(HeaderName::EXPIRES, expires);
        request
    }
}

/// Whether what a REGISTER says, to whom, or when, differs.
pub(crate) fn registers_anew(old: &LineSettings, new: &LineSettings) -> bool {
    let said = |line: &LineSettings| {
        (
            (line.enabled, line.user.clone(), line.domain.clone(), line.display_name.clone(), line.auth_id.clone()),
            (line.password.clone(), line.registrar.clone(), line.outbound_proxy.clone(), line.srv_prefix.clone()),
            (line.source_port, line.register_expires, line.request_uri_port, line.user_phone, line.add_rport),
        )
    };
    said(old) != said(new)
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

    /// Before other settings take effect: what is registered under the old ones is cancelled where USE_DEL_REG_CLOSE_n wants it
    /// (B318). Nobody waits for the answer.
    pub(crate) fn cancel_outdated(&mut self, old: &StackSettings, new: &StackSettings) {
        for line in LineNumber::all() {
            let (Some(before), Some(after)) = (line_of(old, line), line_of(new, line)) else { continue };
            if !before.unregister_on_stop || !registers_anew(before, after) {
                continue;
            }
            let registration = self.core.registrations.get(&line).filter(|registration| registration.binding.is_some());
            let Some(route) = registration.and_then(|registration| registration.route) else { continue };
            let Some(contact) = self.contact_on(line, route.flow) else { continue };
            let Some(registration) = self.core.registrations.get_mut(&line) else { continue };
            let mut goodbye = registration.request(before, contact, 0);
            registration.auth.sign(&mut goodbye, before, &mut self.random);
            self.start_client(Owner::Nobody, line, route, goodbye);
        }
    }

    /// New settings: registers anew where that is needed.
    pub(crate) fn plan_registrations(&mut self, old: Option<&StackSettings>, new: &StackSettings) {
        for line in LineNumber::all() {
            let Some(own) = line_of(new, line) else { continue };
            let before = old.and_then(|old| line_of(old, line));
            let moved = old.is_none_or(|old| old.addresses != new.addresses);
            if !moved && before.is_some_and(|before| !registers_anew(before, own)) {
                continue;
            }
            self.stop_registration(line);
            let registration = Registration::new(&mut self.random, own);
            let told = self.core.registrations.insert(line, registration).and_then(|old| old.told);
            if let Some(registration) = self.core.registrations.get_mut(&line) {
                registration.told = told;
            }
            self.register(line);
            self.touch();
        }
    }

    fn stop_registration(&mut self, line: LineNumber) {
        self.core.timers.disarm_all(TimerOwner::Line(line));
        if let Some(Activity::Locating { query }) = self.core.registrations.get(&line).map(|own| own.activity.clone()) {
            self.forget_query(query);
        }
    }

    /// A socket of the line came up.
    pub(crate) fn on_line_reachable(&mut self, line: LineNumber) {
        let Some(registration) = self.core.registrations.get(&line) else { return };
        let waits_for_socket =
            registration.activity == Activity::Waiting && !self.core.timers.is_armed(TimerOwner::Line(line), Timer::RegisterRetry);
        if waits_for_socket {
            self.register(line);
        }
    }

    /// `Command::Register`: now, whatever the state.
    pub(crate) fn register_at_once(&mut self, line: LineNumber) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        if matches!(registration.activity, Activity::Trying { .. } | Activity::Locating { .. }) {
            return;
        }
        // Someone asks for another try: what was refused may be tried once more.
        registration.auth = AuthSession::default();
        self.register(line);
    }

    /// Begins a REGISTER, as far as it gets.
    fn register(&mut self, line: LineNumber) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, line) else { return };
        self.core.timers.disarm(TimerOwner::Line(line), Timer::RegisterRetry);
        self.core.timers.disarm(TimerOwner::Line(line), Timer::RegisterRefresh);
        let in_use = own.enabled && !own.user.is_empty() && own.registrar.is_some() && !self.core.stopping;
        let hop = registration_hop(own).filter(|_| in_use);
        let Some(hop) = hop else { return self.set_activity(line, Activity::Off) };
        if self.core.flows.any_up(line).is_none() {
            return self.set_activity(line, Activity::Waiting);
        }
        match self.locate(line, &hop, Asker::Registration(line)) {
            Located::At(route) => self.begin_register(line, route),
            Located::Asked(query) => self.set_activity(line, Activity::Locating { query }),
            Located::Nowhere(reason) => self.register_later(line, reason, None),
        }
    }

    fn set_activity(&mut self, line: LineNumber, activity: Activity) {
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.activity = activity;
            self.touch();
        }
    }

    /// The name was resolved, or not.
    pub(crate) fn on_registrar_located(&mut self, line: LineNumber, query: QueryId, route: Result<Route, String>) {
        let asked = self.core.registrations.get(&line).is_some_and(|own| own.activity == Activity::Locating { query });
        match route {
            _ if !asked => {}
            Ok(route) => self.begin_register(line, route),
            Err(reason) => self.register_later(line, reason, None),
        }
    }

    fn begin_register(&mut self, line: LineNumber, route: Route) {
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.auth.begin();
            registration.route = Some(route);
        }
        self.send_register(line, route);
    }

    fn send_register(&mut self, line: LineNumber, route: Route) {
        let Some(settings) = self.settings() else { return };
        let (Some(own), Some(contact)) = (line_of(&settings, line), self.contact_on(line, route.flow)) else { return };
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let expires = if registration.leaving { 0 } else { registration.expires };
        let mut request = registration.request(own, contact, expires);
        registration.auth.sign(&mut request, own, &mut self.random);
        self.add_abilities(&mut request.headers);
        match self.start_client(Owner::Registration(line), line, route, request) {
            Some(transaction) => self.set_activity(line, Activity::Trying { transaction }),
            None => self.register_later(line, "too many requests are open".to_owned(), None),
        }
    }

    /// An answer to the REGISTER that is under way.
    pub(crate) fn on_register_response(&mut self, line: LineNumber, id: TransactionId, response: &Response) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, line) else { return };
        if !self.is_trying(line, id) || response.status.is_provisional() {
            return;
        }
        if response.status.is_success() {
            return self.on_bound(line, own, response);
        }
        match response.status {
            status if is_challenge(status) => self.on_register_challenge(line, own, response),
            StatusCode::INTERVAL_TOO_BRIEF => self.on_interval_too_brief(line, response),
            StatusCode::FORBIDDEN => self.refuse(line, format!("the registrar refuses: {}", in_words(response))),
            _ => {
                let after = response.headers.retry_after().ok().flatten().map(|after| Duration::from_secs(after.seconds.into()));
                self.register_later(line, format!("the registrar answered {}", in_words(response)), after);
            }
        }
    }

    fn is_trying(&self, line: LineNumber, id: TransactionId) -> bool {
        let trying = Activity::Trying { transaction: id };
        self.core.registrations.get(&line).is_some_and(|own| own.activity == trying)
    }

    /// Nothing came, or nothing can be sent.
    pub(crate) fn on_register_lost(&mut self, line: LineNumber, id: TransactionId, reason: &str) {
        if self.is_trying(line, id) {
            self.register_later(line, reason.to_owned(), None);
        }
    }

    fn on_register_challenge(&mut self, line: LineNumber, own: &LineSettings, response: &Response) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        match (registration.auth.on_challenge(response, own), registration.route) {
            (Ok(()), Some(route)) => self.send_register(line, route),
            (Ok(()), None) => self.register_later(line, "the registrar's address is lost".to_owned(), None),
            (Err(failure), _) => self.refuse(line, failure.to_string()),
        }
    }

    /// RFC 3261 10.2.8: once more with what it wants at least, if that is more than we asked for.
    fn on_interval_too_brief(&mut self, line: LineNumber, response: &Response) {
        let least = response.headers.min_expires().ok().flatten().unwrap_or(0);
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let route = registration.route.filter(|_| least > registration.expires);
        match route {
            Some(route) => {
                registration.expires = least;
                self.send_register(line, route);
            }
            None => self.register_later(line, format!("the registrar answered {}", in_words(response)), None),
        }
    }

    fn refuse(&mut self, line: LineNumber, reason: String) {
        self.core.timers.disarm_all(TimerOwner::Line(line));
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.binding = None;
            registration.leaving = false;
        }
        self.set_activity(line, Activity::Refused { reason });
    }

    fn register_later(&mut self, line: LineNumber, reason: String, after: Option<Duration>) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, line) else { return };
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.last_error = reason;
            if std::mem::take(&mut registration.leaving) {
                registration.binding = None;
                return self.set_activity(line, Activity::Off);
            }
        }
        let wait = after.unwrap_or(own.register_retry).clamp(SHORTEST_REFRESH, LONGEST_RETRY);
        self.arm(TimerOwner::Line(line), Timer::RegisterRetry, wait);
        self.set_activity(line, Activity::Waiting);
    }

    fn on_bound(&mut self, line: LineNumber, own: &LineSettings, response: &Response) {
        let contact =
            self.core.registrations.get(&line).and_then(|own| own.route).and_then(|route| self.contact_on(line, route.flow));
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        if std::mem::take(&mut registration.leaving) {
            registration.binding = None;
            self.core.timers.disarm_all(TimerOwner::Line(line));
            return self.set_activity(line, Activity::Off);
        }
        let granted = granted(response, contact.as_ref()).unwrap_or(registration.expires);
        if granted == 0 {
            registration.binding = None;
            return self.register_later(line, "the registrar keeps no binding".to_owned(), None);
        }
        let port = registration.route.map_or(5060, |route| route.remote.port());
        let host = own.registrar.as_ref().map(|server| server.host.clone()).unwrap_or_default();
        let registrar =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        registration.binding = Some(Binding { registrar, expires: granted });
        registration.last_error.clear();
        let life = Duration::from_secs(granted.into());
        let refresh = life.saturating_mul(own.register_interval_rate.clamp(1, 100)) / 100;
        self.arm(TimerOwner::Line(line), Timer::RegisterRefresh, refresh.max(SHORTEST_REFRESH));
        self.arm(TimerOwner::Line(line), Timer::BindingLost, life + GRACE);
        self.set_activity(line, Activity::Bound);
    }

    /// One of a line's timers.
    pub(crate) fn on_line_timer(&mut self, line: LineNumber, timer: Timer) {
        if timer == Timer::BindingLost {
            if let Some(registration) = self.core.registrations.get_mut(&line) {
                registration.binding = None;
                self.touch();
            }
            return;
        }
        self.register(line);
    }

    /// Says goodbye to the registrar where the line is bound and USE_DEL_REG_CLOSE_n wants it (B318).
    pub(crate) fn unregister(&mut self, line: LineNumber) {
        let Some(settings) = self.settings() else { return };
        let wanted = line_of(&settings, line).is_some_and(|own| own.unregister_on_stop);
        self.stop_registration(line);
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let route = registration.route.filter(|_| wanted && registration.binding.is_some());
        registration.leaving = route.is_some();
        match route {
            Some(route) => self.begin_register(line, route),
            None => self.set_activity(line, Activity::Off),
        }
    }

    /// Whether a goodbye waits for its answer.
    pub(crate) fn is_unregistering(&self) -> bool {
        self.core.registrations.values().any(|registration| registration.leaving)
    }

    /// The servers' addresses behind a name, as the resolver found them; the newest are kept.
    pub(crate) fn note_servers(&mut self, line: LineNumber, targets: &[SocketAddr], asker: Asker) {
        if matches!(asker, Asker::Dialog(_)) {
            return;
        }
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let known = registration.servers.drain(..).filter(|ip| !targets.iter().any(|target| target.ip() == *ip));
        let all: Vec<IpAddr> = targets.iter().map(SocketAddr::ip).chain(known.collect::<Vec<_>>()).take(MOST_SERVERS).collect();
        registration.servers = all;
    }

    /// Whether an address is one of the line's servers: configured as an address, or found behind its registrar's name.
    pub(crate) fn is_server_of(&self, line: LineNumber, address: IpAddr) -> bool {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return false };
        let configured = [&own.registrar, &own.proxy, &own.outbound_proxy];
        let as_address = configured.into_iter().flatten().filter_map(|server| addresses::hop_of(server, own).host.ip());
        let registration = self.core.registrations.get(&line);
        let found = registration.is_some_and(|registration| {
            registration.servers.contains(&address) || registration.route.is_some_and(|route| route.remote.ip() == address)
        });
        found || as_address.into_iter().any(|server| server == address)
    }
}

/// Seconds granted to our binding (RFC 3261 10.2.4): its own parameter, else the Expires header.
fn granted(response: &Response, contact: Option<&NameAddr>) -> Option<u32> {
    let contacts = response.headers.contact().ok()?;
    let ours = contacts.list().iter().find(|other| contact.is_some_and(|contact| contact.uri.equivalent(&other.uri)));
    let by_contact = ours.or_else(|| contacts.first().filter(|_| contacts.list().len() == 1)).and_then(NameAddr::expires);
    by_contact.or_else(|| response.headers.expires().ok().flatten())
}

/// "403 Forbidden".
pub(crate) fn in_words(response: &Response) -> String {
    let reason = if response.reason.is_empty() { response.status.reason() } else { &response.reason };
    let reason: String = sip_wire::text::shown(reason).chars().filter(|c| !c.is_control()).take(100).collect();
    format!("{} {reason}", response.status.code())
}
