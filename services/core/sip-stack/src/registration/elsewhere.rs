//! A registrar that sends the line elsewhere (RFC 3261 8.1.3.4): the Contacts of its 3xx are asked one after the other, the most
//! preferred first, until one binds the line. None is asked twice in one attempt, and there is an end to their number, so that no
//! two registrars can play ball with it. The next attempt begins at the configured registrar.

use agreements::LineNumber;
use sip_wire::{NameAddr, Response, Uri};

use super::in_words;
use crate::addresses::{hop_of, hop_of_uri, registrar_uri};
use crate::interface::LineSettings;
use crate::locate::{Asker, Located};
use crate::servers::retry_after;
use crate::stack::{Stack, line_of};

impl Stack {
    /// 300, 301, 302 to a REGISTER.
    pub(super) fn register_elsewhere_as_told(&mut self, line: LineNumber, own: &LineSettings, response: &Response) {
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        let contacts = response.headers.contact().map(|contacts| contacts.list().to_vec()).unwrap_or_default();
        let asked = registration.series.target.clone().unwrap_or_else(|| registrar_uri(own));
        registration.elsewhere.begin_at(asked);
        registration.elsewhere.take_in(contacts.iter().filter_map(|contact| Some((contact.q(), registrar_at(contact)?))));
        self.register_later(line, format!("the registrar answered {}", in_words(response)), retry_after(response));
    }

    /// Asks whoever is next; false where there is nobody.
    pub(super) fn register_at_next_target(&mut self, line: LineNumber) -> bool {
        let Some(settings) = self.settings() else { return false };
        let Some(own) = line_of(&settings, line) else { return false };
        while let Some(target) = self.core.registrations.get_mut(&line).and_then(|registration| registration.elsewhere.next()) {
            let Some(hop) = own.outbound_proxy.as_ref().map(hop_of).or_else(|| hop_of_uri(&target)) else { continue };
            if let Some(registration) = self.core.registrations.get_mut(&line) {
                registration.series.target = Some(target);
            }
            match self.locate(line, &hop, Asker::Registration(line)) {
                Located::At(routes) => self.begin_register(line, routes),
                Located::Asked(query) => self.set_activity(line, super::Activity::Locating { query }),
                Located::Nowhere(_) => continue,
            }
            return true;
        }
        false
    }
}

/// A Contact as the Request-URI of a REGISTER: without a user (RFC 3261 10.2), and without what its sender would have us put into
/// the request (19.1.5). What cannot be asked from here is none.
fn registrar_at(contact: &NameAddr) -> Option<Uri> {
    let uri = contact.uri.without_headers().without_param("method").with_user(None);
    uri.scheme().is_sip().then_some(uri)
}
