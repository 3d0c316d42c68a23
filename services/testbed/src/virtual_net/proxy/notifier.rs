//! Subscriptions at the proxy: granted, notified at once and at the end (RFC 6665).

use std::net::SocketAddr;
use std::time::Duration;

use agreements::Tick;
use sip_wire::{CSeq, HeaderName, Method, Request, StatusCode, Uri};

use super::{Proxy, address_of, tagged};

/// One watcher.
pub(super) struct Notifier {
    /// Call-ID and the watcher's tag.
    dialog: (String, String),
    contact: Uri,
    to: SocketAddr,
    from_line: String,
    to_line: String,
    event: String,
    cseq: u32,
    pub(super) until: Tick,
}

impl Proxy {
    pub(super) fn on_subscribe(&mut self, now: Tick, from: SocketAddr, request: &Request) {
        let headers = &request.headers;
        let tag = headers.from().unwrap().tag().unwrap_or_default().to_owned();
        let dialog = (headers.call_id().unwrap().to_owned(), tag);
        let known = self.notifiers.iter().position(|notifier| notifier.dialog == dialog);
        let seconds = headers.expires().unwrap().unwrap_or(self.expires).min(self.expires);
        if known.is_none() && headers.to().unwrap().tag().is_some() {
            return self.answer(from, request, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        }
        let mut response = tagged(request, StatusCode::OK);
        response.headers.push(HeaderName::EXPIRES, seconds);
        response.headers.push(HeaderName::CONTACT, format!("<sip:{}>", self.address));
        self.put(from, response.to_bytes());
        let mut notifier = match known {
            Some(place) => self.notifiers.remove(place),
            None => Notifier {
                dialog,
                contact: headers.contact().unwrap().list()[0].uri.clone(),
                to: from,
                from_line: response.headers.get(HeaderName::TO).unwrap().to_owned(),
                to_line: headers.get(HeaderName::FROM).unwrap().to_owned(),
                event: headers.get(HeaderName::EVENT).unwrap().to_owned(),
                cseq: 0,
                until: now,
            },
        };
        notifier.until = now + Duration::from_secs(seconds.into());
        let state = if seconds == 0 { "terminated;reason=timeout".to_owned() } else { format!("active;expires={seconds}") };
        self.notify(now, &mut notifier, &state);
        if seconds > 0 {
            self.notifiers.push(notifier);
        }
    }

    pub(super) fn expire_notifiers(&mut self, now: Tick) {
        let all = std::mem::take(&mut self.notifiers).into_iter();
        let (over, left): (Vec<Notifier>, Vec<Notifier>) = all.partition(|notifier| notifier.until <= now);
        self.notifiers = left;
        for mut notifier in over {
            self.notify(now, &mut notifier, "terminated;reason=timeout");
        }
    }

    fn notify(&mut self, now: Tick, notifier: &mut Notifier, state: &str) {
        notifier.cseq += 1;
        let mut request = Request::new(Method::NOTIFY, notifier.contact.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MAX_FORWARDS, 70);
        headers.push(HeaderName::FROM, &notifier.from_line);
        headers.push(HeaderName::TO, &notifier.to_line);
        headers.push(HeaderName::CALL_ID, &notifier.dialog.0);
        headers.push(HeaderName::CSEQ, CSeq::new(notifier.cseq, Method::NOTIFY));
        headers.push(HeaderName::CONTACT, format!("<sip:{}>", self.address));
        headers.push(HeaderName::EVENT, &notifier.event);
        headers.push(HeaderName::SUBSCRIPTION_STATE, state);
        let branch = self.fresh_branch();
        self.add_via(&mut request, &branch);
        let to = address_of(&notifier.contact).unwrap_or(notifier.to);
        self.put_repeatedly(now, &branch, to, request.to_bytes());
    }
}
