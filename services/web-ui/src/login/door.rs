//! The door: whether the web port is open, who may come in, and when the session ends.
//!
//! ```text
//!              opened                     right password
//!   CLOSED ---------------> OPEN, EMPTY ------------------> OPEN, ONE SESSION
//!      ^                     |   ^  ^                          |      |
//!      |  idle, 3 failures,  |   |  | password changed, idle   |      | page of the session:
//!      +--- Web Port Close --+   |  +--- (port stays open) ----+      | activity
//!      ^                         +------------------------------------+
//!      +------------------ idle, Web Port Close, closed on the phone --+
//! ```
//! With HTTPD_PORTOPEN_AUTO=Y there is no CLOSED: what would close the port only ends the session (B127, C36).
//!
//! It decides; it opens no socket, writes no setting and makes no page. It asks for what it wants by [`Output`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use agreements::{Secret, Tick};
use subtle::ConstantTimeEq as _;

use super::digest::{self, Authorization};
use super::lockout::{AfterFailure, Lockout};
use super::nonce::{Mint, Nonce};
use super::session::Session;

/// How long a nonce is good; then the browser silently answers a new challenge.
const NONCE_LIFE: Duration = Duration::from_secs(10 * 60);
/// What the browser's dialog shows, and part of every digest.
const REALM: &str = "Deskphone";

/// Who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// An end user.
    User,
    /// A network administrator.
    Administrator,
}

impl Account {
    /// As org.deskphone.Web1 and the settings' history call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Account::User => "user",
            Account::Administrator => "admin",
        }
    }
}

/// One account's name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What to type.
    pub id: String,
    /// Empty: none is set yet.
    pub password: Secret,
    /// The password is the factory's.
    pub factory: bool,
}

/// What the settings say about the door.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules {
    /// ADMIN_ID, ADMIN_PASS.
    pub administrator: Credentials,
    /// USER_ID, USER_PASS.
    pub user: Credentials,
    /// WEB_CLOSE_TIMER.
    pub close_after: Duration,
    /// HTTPD_PORTOPEN_AUTO (B127).
    pub stays_open: bool,
    /// EMBEDDED_WEB_ENABLE (B122, B123).
    pub enabled: bool,
}

/// What kind of request knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A page or a form: counts as activity (B128) and may open a session.
    Page,
    /// The stream of live facts: neither.
    Live,
}

/// One request, as far as the door looks at it.
pub struct Knock<'a> {
    /// Where it comes from.
    pub source: IpAddr,
    /// The source is this unit itself (C70).
    pub from_this_host: bool,
    /// Its method.
    pub method: &'a str,
    /// Its target as it stands in the request line.
    pub target: &'a str,
    /// Its Authorization header.
    pub authorization: Option<&'a str>,
    /// The cookie that tells that a browser is the one with the session. It proves nothing by itself.
    pub cookie: Option<&'a str>,
    /// Its kind.
    pub kind: RequestKind,
}

/// What somebody who was let in may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// As whom.
    pub account: Account,
    /// Names the session.
    pub session: u64,
    /// Only this account's password may be changed, nothing else (B134, B135, C70).
    pub only_password_of: Option<Account>,
    /// To be set in the browser: this request has opened the session.
    pub cookie: Option<String>,
}

/// The door's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Come in.
    Enter(Pass),
    /// 401 with these WWW-Authenticate headers.
    Challenge(Vec<String>),
    /// 401 and no question: too many wrong passwords.
    Unauthorized {
        /// The port closes as well.
        port_closes: bool,
    },
    /// Somebody else is logged in (B132, B133).
    InUse,
    /// Too many wrong passwords from this address: come back later.
    Wait(Duration),
    /// A live request without a session.
    NoSession,
    /// The port is closed; this came over a connection from before.
    Closed,
}

/// What the door wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The session is over, or there is a new one: what depends on it must look again.
    SessionChanged,
    /// The port shall be open, or closed.
    PortWanted(bool),
    /// EMBEDDED_WEB_ENABLE shall be written.
    WriteEnabled(bool),
}

/// See the module.
pub struct Door {
    mint: Mint,
    rules: Option<Rules>,
    /// What the port was told here while EMBEDDED_WEB_ENABLE does not say so yet: closed, or opened again before the closing
    /// was written.
    told: Option<bool>,
    open: bool,
    session: Option<Session>,
    /// When somebody last did something, or the port was opened.
    last_activity: Tick,
    /// Nonces up to this one are of before the end of the last session: whoever comes with one is asked again.
    ended_with: u64,
    lockout: Lockout,
    /// Whose password was changed without a login since.
    changed: Vec<Account>,
    outputs: VecDeque<Output>,
}

impl Door {
    /// A closed door. `seed` is fresh randomness.
    pub fn new(seed: [u8; 32]) -> Door {
        Door {
            mint: Mint::new(seed),
            rules: None,
            told: None,
            open: false,
            session: None,
            last_activity: Tick::default(),
            ended_with: 0,
            lockout: Lockout::default(),
            changed: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// What the settings say now. None are unknown only before the first snapshot: later ones replace them.
    pub fn apply(&mut self, now: Tick, rules: Rules) {
        let old = self.rules.replace(rules);
        for account in [Account::User, Account::Administrator] {
            let before = old.as_ref().map(|rules| rules.credentials(account));
            let after = self.rules.as_ref().map(|rules| rules.credentials(account));
            if before.is_some() && before != after {
                self.credentials_changed(now, account);
            }
        }
        self.told = self.told.filter(|told| *told != self.enabled());
        self.outputs.extend(self.told.map(Output::WriteEnabled));
        self.settle(now);
    }

    /// Somebody wants the port open (Web1.OpenPort).
    pub fn open(&mut self, now: Tick) {
        if self.told == Some(false) {
            // The closing may be on its way into the settings: it must not close the port again when it comes back from there.
            self.told = Some(true);
            self.outputs.push_back(Output::WriteEnabled(true));
        } else if !self.enabled() {
            self.outputs.push_back(Output::WriteEnabled(true));
        }
        self.settle(now);
    }

    /// Web Port Close, on the page (B124) or on the bus: the session ends, and the port closes unless it has to stay open.
    pub fn close(&mut self, now: Tick) {
        self.end_session(now);
        let stays_open = self.rules.as_ref().is_some_and(|rules| rules.stays_open);
        if !stays_open && self.told.unwrap_or(self.enabled()) {
            self.told = Some(false);
            self.outputs.push_back(Output::WriteEnabled(false));
        }
        self.settle(now);
    }

    /// Lets in, or not.
    pub fn knock(&mut self, now: Tick, knock: &Knock<'_>) -> Verdict {
        self.timeout(now);
        if !self.open {
            return Verdict::Closed;
        }
        let answer = knock.authorization.and_then(|header| Authorization::parse(header).ok());
        let answer = answer.filter(|answer| answer.realm == REALM && answer.uri == knock.target);
        match (answer, self.session.is_some()) {
            (Some(answer), true) => self.knock_in_session(now, knock, &answer),
            (Some(_) | None, false) if knock.kind == RequestKind::Live => Verdict::NoSession,
            (Some(answer), false) => self.log_in(now, knock, &answer),
            (None, true) => match self.is_of_the_session(knock, None) {
                true => self.challenge_again(now, false),
                false if knock.kind == RequestKind::Live => Verdict::NoSession,
                false => Verdict::Challenge(self.challenge(now, None, false)),
            },
            (None, false) => Verdict::Challenge(self.challenge(now, None, false)),
        }
    }

    /// The token of a form in a session.
    pub fn form_token(&self, session: u64, form: &str) -> String {
        self.mint.secret("form", &format!("{session} {form}"))
    }

    /// Whether the token belongs to the form and to the session that is on.
    pub fn form_token_holds(&self, session: u64, form: &str, token: &str) -> bool {
        let on = self.session.as_ref().is_some_and(|current| current.family == session);
        on && self.form_token(session, form).as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// Who is logged in.
    pub fn session(&self) -> Option<(u64, Account)> {
        self.session.as_ref().map(|session| (session.family, session.account))
    }

    /// When [`Door::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Tick> {
        let rules = self.rules.as_ref()?;
        let counts = self.session.is_some() || (self.open && !rules.stays_open);
        counts.then(|| self.last_activity + rules.close_after)
    }

    /// Nobody has done anything for WEB_CLOSE_TIMER (B125, B128): as [`Door::close`].
    pub fn timeout(&mut self, now: Tick) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            tracing::info!("nobody used the web interface for the time of the port close timer");
            self.close(now);
        }
    }

    /// What the door wants done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn knock_in_session(&mut self, now: Tick, knock: &Knock<'_>, answer: &Authorization) -> Verdict {
        let nonce = self.mint.read(&answer.nonce);
        let ours = self.is_of_the_session(knock, nonce);
        let Some(session) = self.session.as_mut().filter(|_| ours) else {
            return if knock.kind == RequestKind::Live { Verdict::NoSession } else { Verdict::InUse };
        };
        let credentials = self.rules.as_ref().map(|rules| rules.credentials(session.account));
        let known = credentials.is_some_and(|known| known.id == answer.username && answer.proves(knock.method, &known.password));
        let Some(nonce) = nonce.filter(|nonce| now.since(nonce.issued) < NONCE_LIFE) else {
            return self.challenge_again(now, known);
        };
        if !known {
            return self.failed(now, knock, &answer.username);
        }
        if !session.take(nonce, answer.count) {
            return self.challenge_again(now, true);
        }
        let (family, account) = (session.family, session.account);
        if knock.kind == RequestKind::Page {
            self.last_activity = now;
        }
        Verdict::Enter(self.pass(knock, family, account, None))
    }

    fn log_in(&mut self, now: Tick, knock: &Knock<'_>, answer: &Authorization) -> Verdict {
        if let Some(wait) = self.lockout.waits(now, knock.source) {
            return Verdict::Wait(wait);
        }
        let nonce = self.mint.read(&answer.nonce);
        if nonce.is_some_and(|nonce| nonce.serial <= self.ended_with) {
            return Verdict::Challenge(self.challenge(now, None, false));
        }
        let Some(account) = self.proven(knock.method, answer) else {
            return self.failed(now, knock, &answer.username);
        };
        match nonce.filter(|nonce| now.since(nonce.issued) < NONCE_LIFE) {
            Some(nonce) => self.start_session(now, knock, account, nonce, answer.count),
            None => Verdict::Challenge(self.challenge(now, None, true)),
        }
    }

    fn start_session(&mut self, now: Tick, knock: &Knock<'_>, account: Account, nonce: Nonce, count: u32) -> Verdict {
        let mut session = Session::new(nonce.family, account, knock.source);
        session.take(nonce, count);
        self.session = Some(session);
        self.last_activity = now;
        self.lockout.succeeded(knock.source);
        self.changed.retain(|changed| *changed != account);
        self.outputs.push_back(Output::SessionChanged);
        tracing::info!(account = account.as_str(), source = %knock.source, "logged in");
        let cookie = Some(self.cookie(nonce.family));
        Verdict::Enter(self.pass(knock, nonce.family, account, cookie))
    }

    /// Which account the answer proves to be. The administrator's comes first, should both have the same name.
    fn proven(&self, method: &str, answer: &Authorization) -> Option<Account> {
        let rules = self.rules.as_ref()?;
        [Account::Administrator, Account::User].into_iter().find(|account| {
            let known = rules.credentials(*account);
            known.id == answer.username && answer.proves(method, &known.password)
        })
    }

    fn failed(&mut self, now: Tick, knock: &Knock<'_>, username: &str) -> Verdict {
        let Some(rules) = &self.rules else {
            return Verdict::Challenge(self.challenge(now, None, false));
        };
        let account =
            [Account::Administrator, Account::User].into_iter().find(|account| rules.credentials(*account).id == username);
        let after_change = account.is_some_and(|account| self.changed.contains(&account));
        let stays_open = rules.stays_open;
        tracing::warn!(source = %knock.source, "a login failed");
        match self.lockout.failed(now, knock.source, stays_open, after_change) {
            AfterFailure::AskAgain => Verdict::Challenge(self.challenge(now, None, false)),
            AfterFailure::Unauthorized => {
                self.changed.retain(|changed| Some(*changed) != account);
                Verdict::Unauthorized { port_closes: false }
            }
            AfterFailure::ClosePort => {
                tracing::warn!("the web port closes after failed logins");
                self.close(now);
                Verdict::Unauthorized { port_closes: true }
            }
        }
    }

    fn pass(&self, knock: &Knock<'_>, session: u64, account: Account, cookie: Option<String>) -> Pass {
        let own = self.rules.as_ref().map(|rules| rules.credentials(account));
        let unset = own.is_some_and(|own| own.password.is_empty());
        let factory = own.is_some_and(|own| own.factory) && !knock.from_this_host;
        Pass { account, session, only_password_of: (unset || factory).then_some(account), cookie }
    }

    /// The request comes from where the session is, with a nonce of its family or the cookie of its browser. A browser that
    /// answered two challenges at once has nonces of two families; the cookie brings them together.
    fn is_of_the_session(&self, knock: &Knock<'_>, nonce: Option<Nonce>) -> bool {
        self.session.as_ref().is_some_and(|session| {
            let family = nonce.is_some_and(|nonce| nonce.family == session.family);
            let cookie =
                || knock.cookie.is_some_and(|cookie| self.cookie(session.family).as_bytes().ct_eq(cookie.as_bytes()).into());
            session.source == knock.source && (family || cookie())
        })
    }

    fn cookie(&self, family: u64) -> String {
        self.mint.secret("cookie", &family.to_string())
    }

    fn challenge_again(&mut self, now: Tick, stale: bool) -> Verdict {
        let family = self.session.as_ref().map(|session| session.family);
        Verdict::Challenge(self.challenge(now, family, stale))
    }

    fn challenge(&mut self, now: Tick, family: Option<u64>, stale: bool) -> Vec<String> {
        let nonce = match family {
            Some(family) => self.mint.issue_in(family, now),
            None => self.mint.issue(now),
        };
        digest::challenges(REALM, &nonce, &self.mint.secret("opaque", ""), stale)
    }

    /// A changed account logs out whoever uses it (B135, B140) and gives its next login two tries instead of three.
    fn credentials_changed(&mut self, now: Tick, account: Account) {
        if !self.changed.contains(&account) {
            self.changed.push(account);
        }
        if self.session.as_ref().is_some_and(|session| session.account == account) {
            self.end_session(now);
        }
    }

    fn end_session(&mut self, now: Tick) {
        if self.session.take().is_some() {
            self.ended_with = self.mint.newest();
            self.last_activity = now;
            self.outputs.push_back(Output::SessionChanged);
            tracing::info!("logged out");
        }
    }

    fn enabled(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.enabled)
    }

    /// Makes `open` what the rules and `told` say.
    fn settle(&mut self, now: Tick) {
        let stays_open = self.rules.as_ref().is_some_and(|rules| rules.stays_open);
        let wanted = stays_open || self.told.unwrap_or(self.enabled());
        if wanted == self.open {
            return;
        }
        self.open = wanted;
        self.outputs.push_back(Output::PortWanted(wanted));
        if wanted {
            self.last_activity = now;
            self.lockout.opened();
        } else {
            self.end_session(now);
        }
    }
}

impl Rules {
    /// Those of one account.
    pub fn credentials(&self, account: Account) -> &Credentials {
        match account {
            Account::User => &self.user,
            Account::Administrator => &self.administrator,
        }
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
