//! The subscriber of RFC 6665: one machine per subscription, for every event package alike. What a package's bodies mean is its
//! user's affair; here they are bytes.
//!
//! ```text
//!  Subscribe     socket, binding, address    2xx, NOTIFY (either first)
//!  --------> Waiting ---------> Asking ------------------------> Standing -- Refresh: SUBSCRIBE in the dialog --+
//!             ^  ^  (Locating: name) |                              ^  |                                        |
//!             |  | other failure,    | no NOTIFY in 64*T1           +--|-- 2xx, NOTIFY -------------------------+
//!             |  | no answer: Retry  | (timer N)                       |
//!             |  +-------------------+                                 | 481, deactivated, timeout, run out: at once
//!             +--------------------------------------------------------+ probation, giveup, others: later
//!                                                                      | 403, rejected, noresource, invariant: Refused
//!      credentials refused: asked again with waits that grow to half an hour (decision 39); what stands stands
//!      405, 489, 501: the server does not know the package; asked again with waits that grow to a day
//!      Unsubscribe: Expires 0 in the dialog; gone with the last NOTIFY
//!      wished for once (line-seize): whatever ends or fails is told as Refused, and it is gone
//!      LetLapse: says no more; gone with the last NOTIFY, or when it has run out
//!      Subscribe again before it is gone: another one begins, and what the server holds ends as above under no key
//! ```
//!
//! Only a NOTIFY makes the dialog (RFC 6665 4.4.1). Of a forked SUBSCRIBE the first notifier is taken, which 4.1.4 allows; the
//! others meet 481 and end theirs. Timer N counts from the 2xx; until then timer F watches.

mod answers;
mod appearances;
mod asking;
mod ending;
mod notify;
mod wish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use agreements::{LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_wire::Request;

use crate::auth::AuthSession;
use crate::dialog::Dialog;
use crate::interface::{Event, QueryId};
use crate::random::Random;
use crate::stack::Stack;
use crate::transaction::{Route, TransactionId};

pub use appearances::{Appearance, Appearances};
pub use wish::{SubscribeBody, SubscriptionKey, SubscriptionState, SubscriptionWish};

/// Subscriptions at a time: every button of the phone and what its lines want for themselves.
const MOST_SUBSCRIPTIONS: usize = 128;
/// Subscriptions that end without a key; the oldest of more are forgotten.
const MOST_KEYLESS: usize = 8;
/// Bodies that wait for their SUBSCRIBE; beyond it the oldest is forgotten.
const MOST_BODIES: usize = 8;

/// Names a subscription inside the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SubscriptionId(u64);

/// See the diagram.
#[derive(Clone, Serialize, Deserialize)]
enum Stage {
    /// For the socket, for the binding of a line that shall register, or for SubscribeRetry.
    Waiting,
    /// For the server's address.
    Locating { query: QueryId },
    /// The first SUBSCRIBE is out, and no NOTIFY has come.
    Asking {
        /// Until its final answer.
        open: Option<TransactionId>,
        /// Seconds, once a 2xx has said so.
        granted: Option<u32>,
    },
    /// There is a dialog.
    Standing(Box<Standing>),
    /// For better settings.
    Refused { reason: String },
}

/// A subscription that the server holds.
#[derive(Clone, Serialize, Deserialize)]
struct Standing {
    dialog: Dialog,
    /// A SUBSCRIBE that waits for its answer.
    open: Option<TransactionId>,
    /// A NOTIFY has come since that was sent, so that none is waited for.
    heard: bool,
    /// Not allowed yet.
    pending: bool,
    /// When it runs out.
    until: Tick,
}

/// One subscription.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Subscription {
    key: SubscriptionKey,
    wish: SubscriptionWish,
    stage: Stage,
    auth: AuthSession,
    call_id: String,
    local_tag: String,
    /// Of the last SUBSCRIBE outside the dialog.
    cseq: u32,
    /// Where that went.
    route: Option<Route>,
    /// Servers that this attempt has not tried yet.
    others: Vec<Route>,
    /// There was a choice of servers.
    several: bool,
    /// Seconds to ask for: the wish's or the setting's, or what a 423 wanted.
    expires: u32,
    /// Each goes with one SUBSCRIBE, oldest first.
    bodies: VecDeque<SubscribeBody>,
    /// The last SUBSCRIBE does not say what is wished now.
    stale: bool,
    /// The last wait after "I don't know this package", or after refused credentials; zero while there is nothing of that kind.
    back_off: Duration,
    /// When it was last begun anew without a wait.
    renewed: Option<Tick>,
    last_error: String,
    /// It ends as soon as the server can be told.
    unwanted: bool,
    /// It is unwanted, and its end is the server's affair.
    lapsing: bool,
    /// It is unwanted, and its key has begun another one: nobody is told of its end.
    keyless: bool,
    /// The last state that was told.
    told: Option<SubscriptionState>,
    /// Of a shared call, as far as the server has said.
    appearances: Appearances,
}

impl Subscription {
    fn new(key: SubscriptionKey, wish: SubscriptionWish) -> Subscription {
        Subscription {
            key,
            wish,
            stage: Stage::Waiting,
            auth: AuthSession::default(),
            call_id: String::new(),
            local_tag: String::new(),
            cseq: 0,
            route: None,
            others: Vec::new(),
            several: false,
            expires: 0,
            bodies: VecDeque::new(),
            stale: false,
            back_off: Duration::ZERO,
            renewed: None,
            last_error: String::new(),
            unwanted: false,
            lapsing: false,
            keyless: false,
            told: None,
            appearances: Appearances::default(),
        }
    }

    /// Where its first SUBSCRIBE went, and where those of its dialog go.
    fn ways(&self) -> impl Iterator<Item = Route> {
        let dialog = match &self.stage {
            Stage::Standing(standing) => Some(standing.dialog.peer),
            Stage::Waiting | Stage::Locating { .. } | Stage::Asking { .. } | Stage::Refused { .. } => None,
        };
        self.route.into_iter().chain(dialog)
    }

    /// Another attempt, which no message of an earlier one is mistaken for.
    fn rename(&mut self, random: &mut Random) {
        self.call_id = random.token() + &random.token();
        self.local_tag = random.token();
        self.cseq = 0;
    }

    /// As people see it; while it ends, as it was.
    fn state(&self) -> Option<SubscriptionState> {
        if self.unwanted {
            return self.told.clone();
        }
        Some(match &self.stage {
            Stage::Waiting | Stage::Locating { .. } | Stage::Asking { .. } => {
                SubscriptionState::Asking { last_error: self.last_error.clone() }
            }
            Stage::Standing(standing) if standing.pending => SubscriptionState::Pending,
            Stage::Standing(_) => SubscriptionState::Active,
            Stage::Refused { reason } => SubscriptionState::Refused { reason: reason.clone() },
        })
    }

    /// Whether it waits for better settings or for somebody who asks for it, or longer than after any other failure.
    fn was_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused { .. }) || !self.back_off.is_zero()
    }

    /// The SUBSCRIBE that waits for its answer.
    fn open(&self) -> Option<TransactionId> {
        match &self.stage {
            Stage::Asking { open, .. } => *open,
            Stage::Standing(standing) => standing.open,
            Stage::Waiting | Stage::Locating { .. } | Stage::Refused { .. } => None,
        }
    }

    /// Whether a NOTIFY with this Call-ID and these tags is ours.
    fn takes(&self, call_id: &str, ours: &str, theirs: &str) -> bool {
        match &self.stage {
            Stage::Asking { .. } => self.call_id == call_id && self.local_tag == ours && !theirs.is_empty(),
            Stage::Standing(standing) => standing.dialog.is(call_id, ours, theirs),
            Stage::Waiting | Stage::Locating { .. } | Stage::Refused { .. } => false,
        }
    }

    /// Whether another SUBSCRIBE has something to say.
    fn has_news(&self) -> bool {
        !self.lapsing && (self.unwanted || self.stale || !self.bodies.is_empty())
    }

    fn keep_body(&mut self, body: SubscribeBody) {
        if self.bodies.len() >= MOST_BODIES {
            self.bodies.pop_front();
        }
        self.bodies.push_back(body);
    }
}

/// All subscriptions.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SubscriptionTable {
    next: u64,
    all: BTreeMap<SubscriptionId, Subscription>,
}

impl SubscriptionTable {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The one of that key.
    fn find(&self, key: &SubscriptionKey) -> Option<SubscriptionId> {
        self.all.iter().find(|(_, one)| one.key == *key && !one.keyless).map(|(id, _)| *id)
    }

    /// Those that end without a key, but for the newest that may: a key may be taken up and let go faster than a server answers.
    fn keyless_to_forget(&self) -> Vec<SubscriptionId> {
        let keyless: Vec<SubscriptionId> = self.all.iter().filter(|(_, one)| one.keyless).map(|(id, _)| *id).collect();
        keyless.iter().rev().skip(MOST_KEYLESS).copied().collect()
    }

    /// None when there is no room.
    fn insert(&mut self, subscription: Subscription) -> Option<SubscriptionId> {
        if self.all.len() >= MOST_SUBSCRIPTIONS {
            return None;
        }
        self.next += 1;
        let id = SubscriptionId(self.next);
        self.all.insert(id, subscription);
        Some(id)
    }

    /// Whether one of a line talks with that address.
    pub(crate) fn any_with(&self, line: LineNumber, address: IpAddr) -> bool {
        self.all.values().any(|one| one.key.line == line && one.ways().any(|route| route.remote.ip() == address))
    }

    /// Whether its first SUBSCRIBE may be sent to another server.
    pub(crate) fn has_another_server(&self, id: SubscriptionId) -> bool {
        self.all.get(&id).is_some_and(|one| matches!(one.stage, Stage::Asking { .. }) && !one.others.is_empty())
    }

    /// Where the requests of its dialog go; none while it has none.
    pub(crate) fn peer_of(&self, id: SubscriptionId) -> Option<Route> {
        match &self.all.get(&id)?.stage {
            Stage::Standing(standing) => Some(standing.dialog.peer),
            Stage::Waiting | Stage::Locating { .. } | Stage::Asking { .. } | Stage::Refused { .. } => None,
        }
    }

    /// Whether one goes that way.
    pub(crate) fn any_over(&self, route: Route) -> bool {
        self.all.values().any(|one| one.ways().any(|way| way == route))
    }

    /// What one knows of its servers' challenges.
    pub(crate) fn auth_of(&mut self, id: SubscriptionId) -> Option<&mut AuthSession> {
        self.all.get_mut(&id).map(|one| &mut one.auth)
    }

    /// What a line has subscribed to, each package once.
    pub(crate) fn packages_of(&self, line: LineNumber) -> Vec<&str> {
        let events = self.all.values().filter(|one| one.key.line == line).map(|one| one.key.event.as_str());
        let packages: BTreeSet<&str> = events.filter_map(|event| event.split(';').next()).map(str::trim).collect();
        packages.into_iter().collect()
    }

    /// Those of a line.
    fn of_line(&self, line: LineNumber) -> Vec<SubscriptionId> {
        self.all.iter().filter(|(_, one)| one.key.line == line).map(|(id, _)| *id).collect()
    }
}

impl Stack {
    /// One, to change it.
    fn subscription(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.core.subscriptions.all.get_mut(&id)
    }

    fn set_stage(&mut self, id: SubscriptionId, stage: Stage) {
        if let Some(subscription) = self.subscription(id) {
            subscription.stage = stage;
            self.touch();
        }
    }

    /// The subscription whose NOTIFY this is.
    pub(crate) fn subscription_of(&self, request: &Request) -> Option<SubscriptionId> {
        if request.method != sip_wire::Method::NOTIFY {
            return None;
        }
        let headers = &request.headers;
        let (to, from) = (headers.to().ok()?, headers.from().ok()?);
        let (call_id, ours, theirs) = (headers.call_id().ok()?, to.tag()?, from.tag().unwrap_or_default());
        self.core.subscriptions.all.iter().find(|(_, one)| one.takes(call_id, ours, theirs)).map(|(id, _)| *id)
    }

    /// Whether a NOTIFY may require the extension of lists (RFC 4662 4.3): ours may that asked for it.
    pub(crate) fn may_require(&self, request: &Request, option: &str) -> bool {
        let wish = self.subscription_of(request).and_then(|id| self.core.subscriptions.all.get(&id)).map(|one| &one.wish);
        option == asking::EVENTLIST && wish.is_some_and(SubscriptionWish::takes_lists)
    }

    /// Tells what has changed.
    pub(crate) fn tell_subscriptions(&mut self) {
        let mut news = Vec::new();
        for subscription in self.core.subscriptions.all.values_mut() {
            let state = subscription.state();
            if subscription.told != state {
                subscription.told.clone_from(&state);
                news.extend(state.map(|state| Event::Subscription { key: subscription.key.clone(), state }));
            }
        }
        for event in news {
            self.tell(event);
            self.touch();
        }
    }

    /// After a restore: everything is told once more.
    pub(crate) fn forget_told_subscriptions(&mut self) {
        let mut shared = Vec::new();
        for subscription in self.core.subscriptions.all.values_mut().filter(|one| !one.unwanted) {
            subscription.told = None;
            let appearances = subscription.appearances.clone();
            if appearances != Appearances::default() {
                shared.push(Event::Appearances { key: subscription.key.clone(), appearances });
            }
        }
        shared.into_iter().for_each(|event| self.tell(event));
    }
}
