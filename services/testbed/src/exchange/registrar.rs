//! REGISTER (RFC 3261 section 10.3).

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sip_wire::{Contacts, HeaderError, HeaderName, NameAddr, Request, Response, StatusCode, format_date};
use tokio::time::Instant;

use super::authentication::Verdict;
use super::bindings::Binding;
use super::engine::Engine;

/// What is granted where nothing is asked for.
const DEFAULT_EXPIRES: u32 = 3600;

impl Engine {
    pub(super) fn on_register(&mut self, request: &Request, source: SocketAddr, now: Instant) -> Result<Response, HeaderError> {
        let user = request.headers.to()?.uri.user_decoded().unwrap_or_default().into_owned();
        let given = request.headers.authorization()?;
        match self.authenticator.judge(&request.method, &given, now) {
            Verdict::Accepted(owner) if owner == user => self.register(request, &user, source, now),
            Verdict::Accepted(_) => Ok(request.response(StatusCode::FORBIDDEN)),
            refused => {
                let challenges = self.challenges(&refused, now);
                let mut answer = request.response(StatusCode::UNAUTHORIZED);
                challenges.iter().for_each(|challenge| answer.headers.push(HeaderName::WWW_AUTHENTICATE, challenge));
                Ok(answer)
            }
        }
    }
    fn register(&mut self, request: &Request, user: &str, source: SocketAddr, now: Instant) -> Result<Response, HeaderError> {
        let asked = request.headers.expires()?;
        let refused = match request.headers.contact()? {
            Contacts::All if asked == Some(0) => {
                self.bindings.remove_all(user);
                None
            }
            Contacts::All => Some(StatusCode::BAD_REQUEST),
            Contacts::List(contacts) => self.bind_contacts(user, &contacts, asked, source, now).err(),
        };
        if let Some(status) = refused {
            let mut answer = request.response(status);
            if status == StatusCode::INTERVAL_TOO_BRIEF {
                answer.headers.push(HeaderName::MIN_EXPIRES, self.options.min_expires);
            }
            return Ok(answer);
        }
        self.counters.registrations = self.counters.registrations.saturating_add(1);
        Ok(self.granted(request, user, now))
    }
    fn bind_contacts(
        &mut self,
        user: &str,
        contacts: &[NameAddr],
        asked: Option<u32>,
        source: SocketAddr,
        now: Instant,
    ) -> Result<(), StatusCode> {
        let seconds = |contact: &NameAddr| contact.expires().or(asked).unwrap_or(DEFAULT_EXPIRES);
        if contacts.iter().any(|contact| (1..self.options.min_expires).contains(&seconds(contact))) {
            return Err(StatusCode::INTERVAL_TOO_BRIEF);
        }
        if contacts.iter().any(|contact| self.is_ours(&contact.uri)) {
            return Err(StatusCode::LOOP_DETECTED);
        }
        for contact in contacts {
            let granted = Duration::from_secs(u64::from(seconds(contact).min(self.options.max_expires)));
            if granted.is_zero() {
                self.bindings.remove(user, &contact.uri);
                continue;
            }
            let binding = Binding { user: user.to_owned(), contact: contact.uri.clone(), source, until: now + granted };
            if !self.bindings.put(binding) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
        }
        Ok(())
    }
    /// All bindings there are now.
    fn granted(&self, request: &Request, user: &str, now: Instant) -> Response {
        let mut answer = request.response(StatusCode::OK);
        for binding in self.bindings.of(user) {
            let left = binding.left(now).as_millis().div_ceil(1000);
            answer.headers.push(HeaderName::CONTACT, NameAddr::new(binding.contact.clone()).with_param("expires", left));
        }
        if let Ok(wall) = SystemTime::now().duration_since(UNIX_EPOCH) {
            answer.headers.push(HeaderName::DATE, format_date(wall.as_secs()));
        }
        answer
    }
}
