//! From the wish to a SUBSCRIBE: the first one to the line's presence server, later ones in the dialog (RFC 6665 4.1.2).

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_wire::{CSeq, HeaderName, Method, NameAddr, Request, Response};

use super::{
    Appearances, Stage, Standing, SubscribeBody, Subscription, SubscriptionId, SubscriptionKey, SubscriptionState, SubscriptionWish,
};
use crate::addresses::{self, Hop};
use crate::interface::{Event, LineSettings, QueryId};
use crate::locate::{Asker, Located, Routes};
use crate::servers::retry_after;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, Route, TransactionId};

/// The option tag of RFC 4662.
pub(super) const EVENTLIST: &str = "eventlist";
/// Packages of the server that the line's calls go through: it deals out the appearances of a shared line.
const OF_CALLS: [&str; 2] = ["call-info", "line-seize"];
/// A server that grants less is asked this often at most.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
/// A refresh that leaves at the last moment (a rate of 100 percent) gets its answer before the subscription counts as run out.
const GRACE: Duration = Duration::from_secs(1);

impl SubscriptionWish {
    /// Whether it takes the state of a whole list in one NOTIFY.
    pub(super) fn takes_lists(&self) -> bool {
        self.accept.iter().any(|kind| kind.eq_ignore_ascii_case("application/rlmi+xml"))
    }
}

/// The line's presence server, where a new subscription goes to it; an outbound proxy comes before it (its row says so), and what the
/// server of its calls alone knows is asked of that one.
fn presence_hop(line: &LineSettings, event: &str) -> Option<Hop> {
    let elsewhere = line.outbound_proxy.is_some() || OF_CALLS.contains(&event);
    let presence = line.presence.as_ref().filter(|_| !elsewhere)?;
    Some(addresses::with_second(addresses::hop_of(presence), line.second_presence))
}

/// Whose state is asked for, as Request-URI.
fn target_of(line: &LineSettings, resource: &str) -> Result<sip_wire::Uri, String> {
    if resource.is_empty() { Ok(addresses::own_target(line)) } else { addresses::dialled(line, resource) }
}

impl Stack {
    /// `Command::Subscribe`. The same wish once more changes nothing; another wish or a body is said at once.
    pub(crate) fn subscribe(&mut self, key: SubscriptionKey, wish: SubscriptionWish, body: Option<SubscribeBody>) {
        if self.core.stopping {
            return;
        }
        if key.event.parse::<sip_wire::Event>().is_err() {
            let reason = "this is no event package".to_owned();
            return self.tell(Event::Subscription { key, state: SubscriptionState::Refused { reason } });
        }
        // What is ending ends, and its server is told; its key begins another one.
        let known = self.core.subscriptions.find(&key);
        let ending = |one: &Subscription| one.unwanted;
        match known {
            Some(id) if !self.core.subscriptions.all.get(&id).is_some_and(ending) => self.wish_again(id, wish, body),
            Some(id) => {
                self.end_without_key(id);
                self.subscribe_first(key, wish, body);
            }
            None => self.subscribe_first(key, wish, body),
        }
    }

    fn subscribe_first(&mut self, key: SubscriptionKey, wish: SubscriptionWish, body: Option<SubscribeBody>) {
        let mut subscription = Subscription::new(key.clone(), wish);
        subscription.bodies.extend(body);
        match self.core.subscriptions.insert(subscription) {
            Some(id) => self.begin_subscription(id),
            None => {
                let reason = "there are too many subscriptions".to_owned();
                self.tell(Event::Subscription { key, state: SubscriptionState::Refused { reason } });
            }
        }
    }

    fn wish_again(&mut self, id: SubscriptionId, wish: SubscriptionWish, body: Option<SubscribeBody>) {
        let Some(settings) = self.settings() else { return };
        let Some(subscription) = self.subscription(id) else { return };
        if subscription.wish != wish {
            subscription.stale = true;
            let usual = line_of(&settings, subscription.key.line).map_or(subscription.expires, |own| own.subscribe_expires);
            subscription.expires = wish.expires.unwrap_or(usual);
            subscription.wish = wish;
        }
        let (stale, refused) = (subscription.stale, matches!(subscription.stage, Stage::Refused { .. }));
        if let Some(body) = body.filter(|_| stale || !refused) {
            subscription.keep_body(body);
        }
        match &subscription.stage {
            Stage::Refused { .. } if stale => self.begin_subscription(id),
            Stage::Standing(standing) if standing.open.is_none() && subscription.has_news() => self.refresh_subscription(id),
            // The SUBSCRIBE to come says it, or the one after the answer that is waited for.
            Stage::Waiting | Stage::Locating { .. } | Stage::Asking { .. } | Stage::Standing(_) | Stage::Refused { .. } => {}
        }
        self.touch();
    }

    /// A socket of the line came up, or it is known how the line is bound: what waits for that begins.
    pub(crate) fn on_subscriptions_reachable(&mut self, line: LineNumber) {
        for id in self.core.subscriptions.of_line(line) {
            let waits = self.core.subscriptions.all.get(&id).is_some_and(|one| matches!(one.stage, Stage::Waiting));
            if waits && !self.core.timers.is_armed(TimerOwner::Subscription(id), Timer::SubscribeRetry) {
                self.begin_subscription(id);
            }
        }
    }

    /// Begins a subscription from nothing, as far as it gets.
    pub(super) fn begin_subscription(&mut self, id: SubscriptionId) {
        let Some(settings) = self.settings() else { return };
        self.core.timers.disarm_all(TimerOwner::Subscription(id));
        let Some(subscription) = self.core.subscriptions.all.get_mut(&id) else { return };
        subscription.rename(&mut self.random);
        if subscription.wish.appearance.is_some() {
            // What another dialog was given is free again.
            subscription.appearances = Appearances::default();
        }
        let SubscriptionKey { line, event, resource } = subscription.key.clone();
        self.set_stage(id, Stage::Waiting);
        let usable = |own: &&LineSettings| own.enabled && !own.user.is_empty();
        let Some(own) = line_of(&settings, line).filter(usable).filter(|_| !self.core.stopping) else { return };
        // A server knows whom it does not serve, and its refusal would last (B211). What is for the moment only does not wait.
        let waits = self.awaits_binding(line) && !self.subscription(id).is_some_and(|subscription| subscription.wish.once);
        if waits || self.core.flows.any_up(line).is_none() {
            return;
        }
        if let Some(subscription) = self.subscription(id) {
            subscription.expires = subscription.wish.expires.unwrap_or(own.subscribe_expires);
        }
        let target = match target_of(own, &resource) {
            Ok(target) => target,
            Err(reason) => return self.refuse_subscription(id, reason),
        };
        // Without a presence server it is a request like any other outside dialogs (RFC 3608 6.1).
        let Some(hop) = presence_hop(own, &event).or_else(|| self.call_hop(line, own, &target)) else {
            return self.refuse_subscription(id, "the address leads nowhere".to_owned());
        };
        match self.locate(line, &hop, Asker::Subscription(id)) {
            Located::At(routes) => self.ask_first(id, routes),
            Located::Asked(query) => self.set_stage(id, Stage::Locating { query }),
            Located::Nowhere(reason) => self.subscribe_later(id, reason, None),
        }
    }

    /// A name was resolved, or not: the server's, or that of the dialog's next hop.
    pub(crate) fn on_subscription_located(&mut self, id: SubscriptionId, query: QueryId, routes: Result<Routes, String>) {
        let Some(subscription) = self.core.subscriptions.all.get_mut(&id) else { return };
        match (&mut subscription.stage, routes) {
            (Stage::Locating { query: asked }, Ok(routes)) if *asked == query => self.ask_first(id, routes),
            (Stage::Locating { query: asked }, Err(reason)) if *asked == query => self.subscribe_later(id, reason, None),
            (Stage::Standing(standing), Ok(routes)) => {
                standing.dialog.peer = routes.first;
                self.touch();
            }
            (Stage::Waiting | Stage::Locating { .. } | Stage::Asking { .. } | Stage::Standing(_) | Stage::Refused { .. }, _) => {}
        }
    }

    fn ask_first(&mut self, id: SubscriptionId, routes: Routes) {
        if let Some(subscription) = self.subscription(id) {
            subscription.auth.begin();
            subscription.route = Some(routes.first);
            subscription.several = !routes.others.is_empty();
            subscription.others = routes.others;
        }
        self.send_first_subscribe(id, routes.first);
    }

    /// Its server has not answered the first SUBSCRIBE, or said that it cannot now: the next one is asked (B214, B317). Whether
    /// there is one. A subscription that stands has its way. `refusal`: one without Retry-After may come from somebody behind the
    /// server, which is not passed over for it.
    pub(super) fn subscribe_elsewhere(&mut self, id: SubscriptionId, refusal: Option<&Response>) -> bool {
        let Some(subscription) = self.subscription(id).filter(|one| !one.unwanted) else { return false };
        let (line, route, several) = (subscription.key.line, subscription.route, subscription.several);
        if !matches!(subscription.stage, Stage::Asking { .. }) {
            return false;
        }
        let next = if subscription.others.is_empty() { None } else { Some(subscription.others.remove(0)) };
        if let Some(next) = next {
            subscription.auth.begin();
            subscription.route = Some(next);
        }
        let silence = refusal.and_then(retry_after);
        if let Some(failed) = route.filter(|_| several && (refusal.is_none() || silence.is_some())) {
            self.on_server_failed(line, failed.remote, silence);
        }
        if let Some(next) = next {
            self.send_first_subscribe(id, next);
        }
        next.is_some()
    }

    /// Whether its first SUBSCRIBE, if it were lost, would go by the way that another registration brings; not twice in a short time.
    pub(crate) fn subscription_may_go_another_way(&self, id: SubscriptionId) -> bool {
        self.another_way_of(id).is_some_and(|(line, server, by_way)| self.may_have_another_way(line, server, by_way))
    }

    /// Its line and server, and whether it takes the way of calls.
    fn another_way_of(&self, id: SubscriptionId) -> Option<(LineNumber, SocketAddr, bool)> {
        let one = self.core.subscriptions.all.get(&id).filter(|one| matches!(one.stage, Stage::Asking { .. }))?;
        let SubscriptionKey { line, event, .. } = &one.key;
        let own = self.settings.as_deref().and_then(|settings| line_of(settings, *line))?;
        let lately = one.renewed.is_some_and(|at| self.now.since(at) < own.subscribe_retry);
        let server = one.route.filter(|_| !lately && !one.unwanted && !one.wish.once)?.remote;
        Some((*line, server, presence_hop(own, event).is_none()))
    }

    /// No server of its way has answered: the line binds anew, and then it begins anew. Whether that is a remedy.
    pub(super) fn subscribe_by_another_way(&mut self, id: SubscriptionId, reason: &str) -> bool {
        let Some((line, server, by_way)) = self.another_way_of(id) else { return false };
        let sought = self.is_binding(line) || self.seek_another_way(line, server, by_way);
        if sought {
            self.subscribe_anew(id, reason.to_owned());
        }
        sought
    }

    /// Sends the SUBSCRIBE that makes the dialog, also once more with credentials or a longer time.
    pub(super) fn send_first_subscribe(&mut self, id: SubscriptionId, route: Route) {
        let Some(settings) = self.settings() else { return };
        let Some(SubscriptionKey { line, event, .. }) = self.subscription(id).map(|subscription| subscription.key.clone()) else {
            return;
        };
        let Some(own) = line_of(&settings, line) else { return };
        let routes = if presence_hop(own, &event).is_some() { Vec::new() } else { self.call_routes(line, own) };
        let request = self.subscription(id).and_then(|subscription| subscription.first_request(own, routes));
        let sent = request.and_then(|request| self.send_subscribe(id, route, request));
        match sent {
            Some(transaction) => self.set_stage(id, Stage::Asking { open: Some(transaction), granted: None }),
            None => self.subscribe_later(id, "the SUBSCRIBE cannot be sent".to_owned(), None),
        }
    }

    /// Sends a SUBSCRIBE in the dialog: for the time that is wished, or for none at all when nobody wants it any more.
    pub(super) fn refresh_subscription(&mut self, id: SubscriptionId) {
        if let Some(subscription) = self.subscription(id) {
            subscription.auth.begin();
        }
        self.send_refresh(id);
    }

    pub(super) fn send_refresh(&mut self, id: SubscriptionId) {
        for timer in [Timer::SubscribeRefresh, Timer::SubscribeRetry] {
            self.core.timers.disarm(TimerOwner::Subscription(id), timer);
        }
        let Some(subscription) = self.subscription(id) else { return };
        let line = subscription.key.line;
        let Stage::Standing(standing) = &mut subscription.stage else { return };
        let (request, remote) = (standing.dialog.request(Method::SUBSCRIBE), standing.dialog.peer.remote);
        // The line may have another socket than the one that the dialog began on.
        let route = self.route_to(line, remote);
        match route.and_then(|route| self.send_subscribe(id, route, request)) {
            Some(transaction) => {
                if let Some(Subscription { stage: Stage::Standing(standing), .. }) = self.subscription(id) {
                    (standing.open, standing.heard) = (Some(transaction), false);
                }
            }
            None => self.refresh_later(id, "the SUBSCRIBE cannot be sent".to_owned(), None),
        }
        self.touch();
    }

    /// What every SUBSCRIBE carries; signs it and sends it.
    fn send_subscribe(&mut self, id: SubscriptionId, route: Route, mut request: Request) -> Option<TransactionId> {
        let settings = self.settings()?;
        let line = self.core.subscriptions.all.get(&id)?.key.line;
        let (own, contact) = (line_of(&settings, line)?, self.contact_on(line, route.flow)?);
        request.headers.push(HeaderName::CONTACT, contact);
        let subscription = self.core.subscriptions.all.get_mut(&id)?;
        subscription.stale = false;
        subscription.fill(&mut request, own);
        subscription.auth.sign(&mut request, own, &mut self.random);
        self.add_abilities(&mut request.headers);
        self.start_client(Owner::Subscription(id), line, route, request)
    }

    /// The server holds it for so long from now on: when it is renewed (SUB_INTERVAL_RATE_n percent of it, B313), and when it
    /// has run out.
    pub(super) fn hold_for(&mut self, id: SubscriptionId, granted: u32) {
        let Some(settings) = self.settings() else { return };
        let now = self.now;
        let Some(subscription) = self.subscription(id) else { return };
        // RFC 6665 4.2.1.1: never more than was asked for.
        let life = Duration::from_secs(granted.min(subscription.expires).into());
        let Stage::Standing(standing) = &mut subscription.stage else { return };
        standing.until = now + life;
        let rate = line_of(&settings, subscription.key.line).map_or(100, |own| own.subscribe_interval_rate.clamp(1, 100));
        let refresh = life.saturating_mul(rate) / 100;
        let owner = TimerOwner::Subscription(id);
        self.arm(owner, Timer::SubscribeRefresh, refresh.max(SHORTEST_REFRESH));
        self.arm(owner, Timer::SubscriptionLost, life + GRACE);
        self.touch();
    }
}

impl Subscription {
    /// RFC 6665 4.1.2.1, without what [`Subscription::fill`] adds.
    fn first_request(&mut self, line: &LineSettings, routes: Vec<NameAddr>) -> Option<Request> {
        self.cseq = self.cseq.saturating_add(1);
        let target = target_of(line, &self.key.resource).ok()?;
        let mut request = Request::new(Method::SUBSCRIBE, target.clone());
        let headers = &mut request.headers;
        for route in routes {
            headers.push(HeaderName::ROUTE, route);
        }
        headers.push(HeaderName::MAX_FORWARDS, 70);
        headers.push(HeaderName::FROM, addresses::own_address(line).with_tag(&self.local_tag));
        headers.push(HeaderName::TO, NameAddr::new(addresses::as_to(&target)));
        headers.push(HeaderName::CALL_ID, &self.call_id);
        headers.push(HeaderName::CSEQ, CSeq::new(self.cseq, Method::SUBSCRIBE));
        Some(request)
    }

    /// Event, time, abilities, and the oldest body that waits. The last SUBSCRIBE carries none: it is no state that is changed.
    fn fill(&self, request: &mut Request, own: &LineSettings) {
        let headers = &mut request.headers;
        headers.push(HeaderName::EVENT, &self.key.event);
        headers.push(HeaderName::EXPIRES, if self.unwanted { 0 } else { self.expires });
        if !self.wish.accept.is_empty() {
            headers.push(HeaderName::ACCEPT, self.wish.accept.join(", "));
        }
        if let Some(index) = self.seized().or(self.wish.appearance) {
            headers.push(HeaderName::CALL_INFO, addresses::appearance(own, index));
        }
        if self.wish.takes_lists() {
            headers.push(HeaderName::SUPPORTED, EVENTLIST);
        }
        if let Some(body) = self.bodies.front().filter(|_| !self.unwanted) {
            headers.push(HeaderName::CONTENT_TYPE, &body.content_type);
            request.body.clone_from(&body.bytes);
        }
    }

    /// Its dialog, while there is one.
    pub(super) fn standing(&mut self) -> Option<&mut Standing> {
        match &mut self.stage {
            Stage::Standing(standing) => Some(standing),
            Stage::Waiting | Stage::Locating { .. } | Stage::Asking { .. } | Stage::Refused { .. } => None,
        }
    }
}
