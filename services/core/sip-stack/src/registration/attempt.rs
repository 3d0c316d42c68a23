//! One attempt to register: from the wish over address and credentials to what the registrar says (RFC 3261 10.2, 10.3).

use std::time::Duration;

use std::net::SocketAddr;

use agreements::LineNumber;
use sip_wire::{HeaderName, NameAddr, Response, StatusCode};

use super::service_route::{PATH, service_route};
use super::{Activity, Binding, in_words};
use crate::addresses::registration_hop;
use crate::auth::{AuthFailure, AuthSession, back_off, is_challenge};
use crate::interface::{LineSettings, QueryId};
use crate::locate::{Asker, Located, Routes};
use crate::servers::{is_unavailable, retry_after};
use crate::session::{Elsewhere, is_redirection};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, Route, TransactionId};

/// Bounds on what a server may make us wait or ask for.
const LONGEST_RETRY: Duration = Duration::from_secs(86_400);
/// A server that grants less is refreshed this often at most.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
/// A refresh that leaves at the last moment (a rate of 100 percent) gets its answer before the binding counts as lost.
const GRACE: Duration = Duration::from_secs(1);

impl Stack {
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
        registration.series.auth = AuthSession::default();
        registration.back_off = Duration::ZERO;
        self.core.unspread.remove(&line);
        self.register(line);
    }

    /// `Input::LinkUp`: what waits for an answer that was lost is said again, or asked of the resolver again. A line that has said
    /// nothing yet keeps the moment that it was given: after a power cut the links of a house come up together.
    pub(crate) fn on_link_up(&mut self) {
        for line in LineNumber::all() {
            let Some(own) = self.core.registrations.get(&line) else { continue };
            match own.activity {
                Activity::Trying { transaction } => self.send_request_of(transaction),
                Activity::Locating { query } => {
                    self.forget_query(query);
                    self.register(line);
                }
                // B211: a link that flaps is nobody who asks for another try.
                Activity::Refused { .. } | Activity::Off => {}
                _ if !own.back_off.is_zero() => {}
                _ if own.series.cseq == 0 && own.last_error.is_empty() => {}
                _ => self.register_at_once(line),
            }
        }
    }

    /// Begins a REGISTER, as far as it gets.
    pub(super) fn register(&mut self, line: LineNumber) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, line) else { return };
        self.drop_goodbye(line);
        let owner = TimerOwner::Line(line);
        let spread = self.core.timers.at(owner, Timer::RegisterRetry).filter(|_| self.core.unspread.contains(&line));
        self.core.timers.disarm(owner, Timer::RegisterRetry);
        self.core.timers.disarm(owner, Timer::RegisterRefresh);
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.elsewhere = Elsewhere::default();
        }
        let in_use = own.enabled && !own.user.is_empty() && own.registrar.is_some() && !self.core.stopping;
        let hop = registration_hop(own).filter(|_| in_use);
        let Some(hop) = hop else {
            return self.register_nowhere(line);
        };
        if self.core.flows.any_up(line).is_none() {
            return self.set_activity(line, Activity::Waiting);
        }
        if self.core.unspread.contains(&line) {
            let moment = match spread {
                Some(at) => at.since(self.now),
                None => self.spread(),
            };
            self.arm(owner, Timer::RegisterRetry, moment);
            return self.set_activity(line, Activity::Waiting);
        }
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.series.target = None;
        }
        // Its own name first: the resolver has an end to its places.
        let located = self.locate(line, &hop, Asker::Registration(line));
        self.look_up_servers(line);
        match located {
            Located::At(routes) => self.begin_register(line, routes),
            Located::Asked(query) => self.set_activity(line, Activity::Locating { query }),
            Located::Nowhere(reason) => self.register_later(line, reason, None),
        }
    }

    /// Whoever has waited for its binding goes on without one. What other settings begin anew does not wait.
    fn register_nowhere(&mut self, line: LineNumber) {
        let waited = self.awaits_binding(line);
        self.set_activity(line, Activity::Off);
        self.look_up_servers(line);
        self.on_binding_settled(line);
        if waited {
            self.on_subscriptions_reachable(line);
        }
    }

    pub(super) fn set_activity(&mut self, line: LineNumber, activity: Activity) {
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.activity = activity;
            self.touch();
        }
    }

    /// The name was resolved, or not.
    pub(crate) fn on_registrar_located(&mut self, line: LineNumber, query: QueryId, routes: Result<Routes, String>) {
        let asked = self.core.registrations.get(&line).is_some_and(|own| own.activity == Activity::Locating { query });
        match routes {
            _ if !asked => {}
            Ok(routes) => self.begin_register(line, routes),
            Err(reason) => self.register_later(line, reason, None),
        }
    }

    pub(super) fn begin_register(&mut self, line: LineNumber, Routes { first, others }: Routes) {
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.targets = [&first].into_iter().chain(&others).map(|route| route.remote).collect();
            registration.others = others;
        }
        self.register_at(line, first);
    }

    fn register_at(&mut self, line: LineNumber, route: Route) {
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.series.auth.begin();
            registration.route = Some(route);
        }
        self.send_register(line, route);
    }

    /// This server has not answered, or not now: the next one is asked at once (RFC 3263 4.3).
    fn register_elsewhere(&mut self, line: LineNumber, reason: String, silence: Option<Duration>) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let (failed, targets) = (registration.route, registration.targets.clone());
        if targets.len() < 2 || registration.leaving {
            return self.register_later(line, reason, silence);
        }
        let next = (!registration.others.is_empty()).then(|| registration.others.remove(0));
        registration.last_error.clone_from(&reason);
        if let Some(failed) = failed {
            self.on_server_failed(line, failed.remote, silence);
        }
        match next {
            Some(next) => self.register_at(line, next),
            None => {
                let until = self.core.servers.silent_until(line, &targets, self.now);
                self.register_later(line, reason, until.map(|until| until.since(self.now)));
            }
        }
    }

    /// A server is well again: the binding moves there, if it is elsewhere.
    pub(crate) fn register_where_preferred(&mut self, line: LineNumber, server: SocketAddr) {
        let Some(registration) = self.core.registrations.get(&line) else { return };
        let elsewhere = registration.route.is_some_and(|route| route.remote != server);
        if registration.activity == Activity::Bound && elsewhere && registration.targets.len() > 1 {
            self.register(line);
        }
    }

    /// Whether the line is bound at this server, and could be at another one.
    pub(crate) fn is_bound_among_others(&self, line: LineNumber, server: SocketAddr) -> bool {
        let bound = self.core.registrations.get(&line).filter(|registration| registration.activity == Activity::Bound);
        bound.is_some_and(|own| own.targets.len() > 1 && own.route.is_some_and(|route| route.remote == server))
    }

    /// The server that has bound the line, or one on the way that it has named, is not there: whoever calls us there is not heard,
    /// and the way leads nowhere.
    pub(crate) fn bind_anew(&mut self, line: LineNumber) {
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.service_route.clear();
        }
        self.register(line);
    }

    /// A request has been lost at the only server of its way. `by_way`: it took the registrar's Service-Route, where there is one.
    /// Whether another registration is made of it, which may bring another way.
    pub(crate) fn seek_another_way(&mut self, line: LineNumber, server: SocketAddr, by_way: bool) -> bool {
        if !self.may_have_another_way(line, server, by_way) {
            return false;
        }
        self.on_server_failed(line, server, None);
        if self.core.registrations.get(&line).is_some_and(|registration| registration.activity == Activity::Bound) {
            self.bind_anew(line);
        }
        true
    }

    /// As [`Stack::seek_another_way`], before it is done.
    pub(crate) fn may_have_another_way(&self, line: LineNumber, server: SocketAddr, by_way: bool) -> bool {
        let Some(registration) = self.core.registrations.get(&line) else { return false };
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return false };
        if registration.activity != Activity::Bound {
            return false;
        }
        let bound_there = registration.route.is_some_and(|route| route.remote == server);
        let named = by_way && own.outbound_proxy.is_none() && !registration.service_route.is_empty();
        if bound_there { registration.targets.len() > 1 } else { named }
    }

    /// After a restore: no connection is left. What was bound over one is bound anew at once; so is what was under way over one, which
    /// would be waited for in vain.
    pub(crate) fn register_over_new_stream(&mut self, line: LineNumber) {
        let Some(registration) = self.core.registrations.get(&line) else { return };
        if !registration.route.is_some_and(|route| self.is_stream(route.flow)) {
            return;
        }
        let trying = match registration.activity {
            Activity::Trying { transaction } => Some(transaction),
            Activity::Off | Activity::Waiting | Activity::Locating { .. } | Activity::Bound | Activity::Refused { .. } => None,
        };
        if let Some(transaction) = trying {
            self.end_transaction(transaction);
            self.set_activity(line, Activity::Waiting);
        }
        if trying.is_some() || self.binding_route(line).is_some() {
            self.arm(TimerOwner::Line(line), Timer::RegisterRefresh, Duration::ZERO);
        }
    }

    /// Whether an attempt is under way.
    pub(crate) fn is_binding(&self, line: LineNumber) -> bool {
        let activity = self.core.registrations.get(&line).map(|registration| &registration.activity);
        matches!(activity, Some(Activity::Locating { .. } | Activity::Trying { .. }))
    }

    /// What begins waits until it is known how the line is bound: it is not, though it shall be, or is being bound anew.
    pub(crate) fn awaits_binding(&self, line: LineNumber) -> bool {
        let Some(registration) = self.core.registrations.get(&line) else { return false };
        match registration.activity {
            Activity::Off | Activity::Bound => false,
            Activity::Waiting => registration.binding.is_none(),
            Activity::Locating { .. } | Activity::Trying { .. } | Activity::Refused { .. } => true,
        }
    }

    /// An attempt is over, one way or the other: what has waited for it goes on.
    fn on_attempt_over(&mut self, line: LineNumber) {
        self.on_binding_settled(line);
        self.on_subscriptions_reachable(line);
    }

    fn send_register(&mut self, line: LineNumber, route: Route) {
        let Some(settings) = self.settings() else { return };
        let (Some(own), Some(contact)) = (line_of(&settings, line), self.registered_contact(line, route.flow)) else { return };
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        registration.stale = false;
        let expires = if registration.leaving || registration.opening { 0 } else { registration.expires };
        let mut request = registration.series.request(own, contact, expires);
        registration.series.auth.sign(&mut request, own, &mut self.random);
        self.add_abilities(&mut request.headers);
        request.headers.push(HeaderName::SUPPORTED, PATH);
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
            status if is_redirection(status.code()) => self.register_elsewhere_as_told(line, own, response),
            StatusCode::FORBIDDEN => self.refuse(line, format!("the registrar refuses: {}", in_words(response))),
            status if is_unavailable(status) => {
                self.register_elsewhere(line, format!("the registrar answered {}", in_words(response)), retry_after(response));
            }
            _ if self.is_opened(line) => self.register_at_last_route(line),
            _ => self.register_later(line, format!("the registrar answered {}", in_words(response)), retry_after(response)),
        }
    }

    fn is_trying(&self, line: LineNumber, id: TransactionId) -> bool {
        let trying = Activity::Trying { transaction: id };
        self.core.registrations.get(&line).is_some_and(|own| own.activity == trying)
    }

    /// Nothing came, or nothing can be sent.
    pub(crate) fn on_register_lost(&mut self, line: LineNumber, id: TransactionId, reason: &str) {
        if self.is_trying(line, id) {
            self.register_elsewhere(line, reason.to_owned(), None);
        }
    }

    fn on_register_challenge(&mut self, line: LineNumber, own: &LineSettings, response: &Response) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        match (registration.series.auth.on_challenge(response, own), registration.route) {
            (Ok(()), Some(route)) => self.send_register(line, route),
            (Ok(()), None) => self.register_later(line, "the registrar's address is lost".to_owned(), None),
            (Err(failure), _) if failure.may_pass() => self.on_credentials_refused(line, own, &failure),
            (Err(failure), _) => self.refuse(line, failure.to_string()),
        }
    }

    /// Nothing is bound for who does not say who it is (B185), but it is no last word as 403 is (B211): credentials are tried
    /// afresh after REG_RTX_INTVL_n, and ever more seldom (decision 39).
    fn on_credentials_refused(&mut self, line: LineNumber, own: &LineSettings, failure: &AuthFailure) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        if registration.stale {
            return self.register(line);
        }
        registration.series.auth = AuthSession::default();
        registration.binding = None;
        let back_off = back_off(registration.back_off, own.register_retry);
        let wait = self.random.later(back_off);
        self.core.timers.disarm(TimerOwner::Line(line), Timer::BindingLost);
        self.register_later(line, failure.to_string(), Some(wait));
        if let Some(registration) = self.core.registrations.get_mut(&line)
            && registration.activity == Activity::Waiting
        {
            registration.back_off = back_off;
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
        // What was refused is not what is to be said by now.
        if self.core.registrations.get(&line).is_some_and(|registration| registration.stale) {
            return self.register(line);
        }
        self.core.timers.disarm_all(TimerOwner::Line(line));
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.binding = None;
            registration.leaving = false;
        }
        self.set_activity(line, Activity::Refused { reason });
        self.on_attempt_over(line);
    }

    /// This attempt has failed: whom the registrar has named besides is asked, else the line waits.
    pub(super) fn register_later(&mut self, line: LineNumber, reason: String, after: Option<Duration>) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, line) else { return };
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.last_error = reason;
            registration.back_off = Duration::ZERO;
            if std::mem::take(&mut registration.leaving) {
                registration.binding = None;
                return self.set_activity(line, Activity::Off);
            }
        }
        if self.register_at_next_target(line) {
            return;
        }
        // Many phones have lost the same server at one moment.
        let wait = after.unwrap_or_else(|| self.random.later(own.register_retry)).clamp(SHORTEST_REFRESH, LONGEST_RETRY);
        self.arm(TimerOwner::Line(line), Timer::RegisterRetry, wait);
        self.set_activity(line, Activity::Waiting);
        self.on_attempt_over(line);
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
        registration.back_off = Duration::ZERO;
        if std::mem::take(&mut registration.opening) {
            return self.register_at_last_route(line);
        }
        // RFC 3261 10.3: a registrar may shorten the time; one that lengthens it would be asked by nobody for as long as it
        // likes.
        let granted = granted(response, contact.as_ref()).map_or(registration.expires, |granted| granted.min(registration.expires));
        if granted == 0 {
            registration.binding = None;
            return self.register_later(line, "the registrar keeps no binding".to_owned(), None);
        }
        let port = registration.route.map_or(5060, |route| route.remote.port());
        let named = registration.series.target.as_ref().and_then(|target| Some(target.host()?.bare()));
        let host = named.or_else(|| own.registrar.as_ref().map(|server| server.host.clone())).unwrap_or_default();
        let registrar =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        registration.binding = Some(Binding { registrar, expires: granted });
        registration.service_route = service_route(response);
        registration.last_error.clear();
        let server = registration.route.map(|route| route.remote);
        let life = Duration::from_secs(granted.into());
        let refresh = life.saturating_mul(own.register_interval_rate.clamp(1, 100)) / 100;
        self.arm(TimerOwner::Line(line), Timer::RegisterRefresh, refresh.max(SHORTEST_REFRESH));
        self.arm(TimerOwner::Line(line), Timer::BindingLost, life + GRACE);
        self.set_activity(line, Activity::Bound);
        if !self.core.timers.is_armed(TimerOwner::Line(line), Timer::KeepAlive) {
            self.plan_keep_alive(line);
        }
        if let Some(route) = self.binding_route(line) {
            self.watch_stream(route);
        }
        if let Some(server) = server {
            self.on_server_well(line, server);
        }
        self.on_attempt_over(line);
        if self.core.registrations.get(&line).is_some_and(|registration| registration.stale) {
            self.register(line);
        }
    }

    /// Whether what was answered was the cancelling before the first binding (B318): it is over, whatever the answer was.
    fn is_opened(&mut self, line: LineNumber) -> bool {
        self.core.registrations.get_mut(&line).is_some_and(|registration| std::mem::take(&mut registration.opening))
    }

    fn register_at_last_route(&mut self, line: LineNumber) {
        if let Some(route) = self.core.registrations.get(&line).and_then(|registration| registration.route) {
            self.register_at(line, route);
        }
    }

    /// One of a line's timers.
    pub(crate) fn on_line_timer(&mut self, line: LineNumber, timer: Timer) {
        if timer == Timer::KeepAlive {
            return self.on_keep_alive(line);
        }
        if timer == Timer::ServerName {
            return self.look_up_servers(line);
        }
        if timer == Timer::BindingLost {
            if let Some(registration) = self.core.registrations.get_mut(&line) {
                registration.binding = None;
                self.touch();
            }
            return;
        }
        if timer == Timer::RegisterRefresh
            && let Some(registration) = self.core.registrations.get_mut(&line)
        {
            registration.way.has_lasted();
        }
        // Its moment has come.
        self.core.unspread.remove(&line);
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
            Some(route) => self.register_at(line, route),
            None => self.set_activity(line, Activity::Off),
        }
    }
}

/// Seconds granted to our binding (RFC 3261 10.2.4): its own parameter, else the Expires header.
fn granted(response: &Response, contact: Option<&NameAddr>) -> Option<u32> {
    let contacts = response.headers.contact().ok()?;
    let ours = contacts.list().iter().find(|other| contact.is_some_and(|contact| contact.uri.equivalent(&other.uri)));
    let by_contact = ours.or_else(|| contacts.first().filter(|_| contacts.list().len() == 1)).and_then(NameAddr::expires);
    by_contact.or_else(|| response.headers.expires().ok().flatten())
}
