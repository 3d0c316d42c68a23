//! Who is registered where. Bounded by the accounts and by contacts per account.

use std::net::SocketAddr;
use std::time::Duration;

use sip_wire::Uri;
use tokio::time::Instant;

/// Contacts of one account.
const CONTACTS: usize = 8;

/// One registered contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The account.
    pub user: String,
    /// The contact as registered.
    pub contact: Uri,
    /// Where the REGISTER came from.
    pub source: SocketAddr,
    /// When it ends.
    pub until: Instant,
}

impl Binding {
    /// Where requests to it are sent: the contact's address, or where it registered from.
    pub(super) fn destination(&self) -> SocketAddr {
        let contact = self.contact.host().and_then(|host| host.socket(self.contact.port_or_default()));
        contact.unwrap_or(self.source)
    }
    /// What is left of it.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

#[derive(Debug, Default)]
pub(super) struct Bindings(Vec<Binding>);

impl Bindings {
    pub fn all(&self) -> &[Binding] {
        &self.0
    }
    pub fn of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Binding> {
        self.0.iter().filter(move |binding| binding.user == user)
    }
    /// The newest contact of a user.
    pub fn newest(&self, user: &str) -> Option<&Binding> {
        self.0.iter().rev().find(|binding| binding.user == user)
    }
    /// Puts a contact in the place of an equal one; false when the account has too many.
    pub fn put(&mut self, binding: Binding) -> bool {
        self.remove(&binding.user, &binding.contact);
        if self.of(&binding.user).count() >= CONTACTS {
            return false;
        }
        self.0.push(binding);
        true
    }
    pub fn remove(&mut self, user: &str, contact: &Uri) {
        self.0.retain(|binding| binding.user != user || !binding.contact.equivalent(contact));
    }
    pub fn remove_all(&mut self, user: &str) {
        self.0.retain(|binding| binding.user != user);
    }
    /// Forgets what is over; says whether anything was.
    pub fn expire(&mut self, now: Instant) -> bool {
        let before = self.0.len();
        self.0.retain(|binding| binding.until > now);
        self.0.len() != before
    }
    pub fn next_expiry(&self) -> Option<Instant> {
        self.0.iter().map(|binding| binding.until).min()
    }
}
