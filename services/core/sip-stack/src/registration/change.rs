//! What other settings ask of a line's registration, which is as little as can be: a line that is bound stays in use. And the
//! goodbye to a binding that they leave behind (B318).
//!
//! A REGISTER with Expires 0 and one that binds must not be under way together where they are of two Call-IDs: a registrar takes
//! them in whatever order they come (RFC 3261 10.3, step 7), and a goodbye that is sent again after a loss would undo the new
//! binding. So the new one waits for the goodbye's answer, for a moment.

use std::net::IpAddr;
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_wire::NameAddr;

use super::names::has_same_names;
use super::{Activity, Registration, Series};
use crate::addresses::registration_hop;
use crate::auth::{AuthSession, is_challenge};
use crate::client::{Outcome, Told};
use crate::interface::{LineSettings, StackSettings};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, Route, TransactionId};

/// How long a new binding waits for the end of the old one.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(3);

/// What other settings of a line ask of its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A REGISTER says the same as before.
    Nothing,
    /// One REGISTER of the same series says it; what is bound stays bound.
    Words,
    /// Another binding, or another way to it.
    Binding,
}

impl Change {
    pub(crate) fn between(old: &LineSettings, new: &LineSettings) -> Change {
        if !is_same_binding(old, new) || way(old) != way(new) {
            return Change::Binding;
        }
        let said = |line: &LineSettings| {
            (
                (line.auth_id.clone(), line.password.clone()),
                (line.register_expires, line.request_uri_port, line.user_phone, line.details.expires_header),
            )
        };
        if said(old) == said(new) { Change::Nothing } else { Change::Words }
    }
}

/// Whether address of record, registrar and Contact are the same, while the line is in use.
fn is_same_binding(old: &LineSettings, new: &LineSettings) -> bool {
    let bound = |line: &LineSettings| {
        (
            (line.enabled, line.user.clone(), line.domain.clone(), line.registrar.clone()),
            (line.source_port, line.transport, line.details.transport_udp),
        )
    };
    bound(old) == bound(new)
}

/// How the registrar is found; SRV counts for a name without a port alone (RFC 3263 4.2).
fn way(line: &LineSettings) -> (Option<crate::interface::Server>, Option<String>) {
    let looked_up = registration_hop(line).is_some_and(|hop| hop.port.is_none() && hop.host.ip().is_none());
    (line.outbound_proxy.clone(), line.srv_prefix.clone().filter(|_| looked_up))
}

/// The binding of earlier settings, while it is being cancelled.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Goodbye {
    /// Those settings.
    own: LineSettings,
    series: Series,
    route: Route,
    transaction: TransactionId,
}

impl Registration {
    /// Whether its answer to a goodbye is waited for.
    pub(crate) fn says_goodbye_to(&self, address: IpAddr) -> bool {
        self.goodbye.as_ref().is_some_and(|goodbye| goodbye.route.remote.ip() == address)
    }
}

impl Stack {
    /// Before other settings take effect: a binding that they leave behind is cancelled where USE_DEL_REG_CLOSE_n wants it
    /// (B318). One that the next REGISTER renews is none.
    pub(crate) fn cancel_outdated(&mut self, old: &StackSettings, new: &StackSettings) {
        for line in LineNumber::all() {
            let (Some(before), Some(after)) = (line_of(old, line), line_of(new, line)) else { continue };
            if before.unregister_on_stop && !is_same_binding(before, after) {
                self.begin_goodbye(line, before);
            }
        }
    }

    fn begin_goodbye(&mut self, line: LineNumber, own: &LineSettings) {
        let Some(route) = self.binding_route(line) else { return };
        let Some(contact) = self.registered_contact(line, route.flow) else { return };
        self.stop_registration(line);
        let Some(registration) = self.core.registrations.get(&line) else { return };
        let mut series = registration.series.clone();
        series.auth.begin();
        let goodbye = Goodbye { own: own.clone(), series, route, transaction: TransactionId(0) };
        self.cancel_binding(line, goodbye, contact);
    }

    /// Says it, perhaps once more with credentials. A line that has no room for it goes on without.
    fn cancel_binding(&mut self, line: LineNumber, mut goodbye: Goodbye, contact: NameAddr) {
        let mut request = goodbye.series.request(&goodbye.own, contact, 0);
        goodbye.series.auth.sign(&mut request, &goodbye.own, &mut self.random);
        let sent = self.start_client(Owner::Goodbye(line), line, goodbye.route, request);
        let goodbye = sent.map(|transaction| Box::new(Goodbye { transaction, ..goodbye }));
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.goodbye = goodbye;
            self.touch();
        }
    }

    /// What became of it: credentials where they are asked for; whatever else it is, the line need not wait any more.
    pub(crate) fn on_goodbye_outcome(&mut self, line: LineNumber, told: &Told, outcome: Outcome<'_>) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        if registration.goodbye.as_ref().is_none_or(|goodbye| goodbye.transaction != told.id) {
            return;
        }
        let Outcome::Response(response) = outcome else { return self.end_goodbye(line) };
        if response.status.is_provisional() {
            return;
        }
        let contact = told.request.headers.contact().ok().and_then(|contacts| contacts.first().cloned());
        if let (Some(mut goodbye), Some(contact)) = (registration.goodbye.take(), contact)
            && is_challenge(response.status)
            && goodbye.series.auth.on_challenge(response, &goodbye.own).is_ok()
        {
            self.cancel_binding(line, *goodbye, contact);
        }
        if self.core.registrations.get(&line).is_some_and(|registration| registration.goodbye.is_none()) {
            self.end_goodbye(line);
        }
    }

    fn end_goodbye(&mut self, line: LineNumber) {
        self.drop_goodbye(line);
        if self.core.registrations.get(&line).is_some_and(|registration| registration.activity == Activity::Waiting) {
            self.register(line);
        }
        self.touch();
    }

    /// It is not said again.
    pub(super) fn drop_goodbye(&mut self, line: LineNumber) {
        let goodbye = self.core.registrations.get_mut(&line).and_then(|registration| registration.goodbye.take());
        if let Some(goodbye) = goodbye {
            self.end_transaction(goodbye.transaction);
        }
    }

    /// New settings.
    pub(crate) fn plan_registrations(&mut self, old: Option<&StackSettings>, new: &StackSettings) {
        for line in LineNumber::all() {
            let Some(own) = line_of(new, line) else { continue };
            let moved = old.is_none_or(|old| old.addresses != new.addresses);
            let before = old.and_then(|old| line_of(old, line));
            let same_names = before.is_some_and(|before| has_same_names(before, own));
            if !same_names {
                self.forget_named_servers(line);
            }
            match before.filter(|_| !moved).map_or(Change::Binding, |before| Change::between(before, own)) {
                Change::Nothing if same_names => {}
                Change::Nothing => self.look_up_servers(line),
                Change::Words if !same_names && self.is_binding(line) => {
                    self.look_up_servers(line);
                    self.register_in_other_words(line, own);
                }
                Change::Words => self.register_in_other_words(line, own),
                Change::Binding => self.begin_registration(line, own, same_names),
            }
        }
    }

    fn begin_registration(&mut self, line: LineNumber, own: &LineSettings, same_names: bool) {
        self.stop_registration(line);
        let mut registration = Registration::new(&mut self.random, own);
        if let Some(old) = self.core.registrations.remove(&line) {
            (registration.told, registration.goodbye) = (old.told, old.goodbye);
            // Who they are does not change with what is said to them.
            registration.servers = if same_names { old.servers } else { Vec::new() };
        }
        let waits = registration.goodbye.is_some();
        if waits {
            registration.activity = Activity::Waiting;
            self.arm(TimerOwner::Line(line), Timer::RegisterRetry, GOODBYE_PATIENCE);
        }
        self.core.registrations.insert(line, registration);
        if !waits {
            self.register(line);
        }
        self.touch();
    }

    /// What is bound stays so, and the way of calls with it. A REGISTER that is under way is waited for (RFC 3261 10.2: there are
    /// never two).
    fn register_in_other_words(&mut self, line: LineNumber, own: &LineSettings) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        registration.expires = own.register_expires;
        registration.series.auth = AuthSession::default();
        registration.back_off = Duration::ZERO;
        match &registration.activity {
            Activity::Trying { .. } => registration.stale = true,
            Activity::Locating { .. } => {}
            Activity::Waiting if registration.goodbye.is_some() => {}
            Activity::Off | Activity::Waiting | Activity::Bound | Activity::Refused { .. } => self.register(line),
        }
        self.touch();
    }
}
