//! A call of ours that is sent elsewhere (RFC 3261 8.1.3.4 and 19.1.5): the Contacts of a 3xx are called one after the other, the
//! most preferred first, until one answers, all have refused, or one speaks for everybody (6xx). No address is called twice in one
//! call, and there is an end to their number, so that no two servers can play ball with it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sip_wire::{NameAddr, Response, Scheme, Uri};

use super::{Call, Cancel, Inviting, State};
use crate::addresses::dialled;
use crate::interface::{EndedBy, LineSettings, StackSettings};
use crate::locate::{Asker, Located, Routes};
use crate::stack::{Stack, line_of};
use crate::transaction::Owner;

/// Addresses that one call is made to, the dialled one included.
const MOST_TARGETS: usize = 8;
/// Use Proxy and Alternative Service: their Contacts are not whom to call.
const NO_REDIRECTIONS: [u16; 2] = [305, 380];
/// From here on nobody else need be asked (RFC 3261 21.6).
const GLOBAL_FAILURE: u16 = 600;

/// Where a call of ours has been made to and where else it may be; or a registration.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Elsewhere {
    /// In order, the dialled one first; empty before the first 3xx.
    tried: Vec<Uri>,
    /// The best one first, with its q in thousandths.
    waiting: VecDeque<(u16, Uri)>,
    /// CSeq of the last INVITE.
    number: u32,
    /// Who has not answered, where it goes by another way since.
    lost_at: Option<SocketAddr>,
}

/// How the call ends where there is nobody else.
pub(super) struct Fate {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) by: EndedBy,
}

impl Elsewhere {
    /// Who was dialled, once the call has been sent elsewhere: To goes on naming it.
    pub(super) fn dialled(&self) -> Option<&Uri> {
        self.tried.first()
    }

    /// So far the call's requests have counted.
    pub(super) fn note_number(&mut self, number: u32) {
        self.number = self.number.max(number);
    }

    /// CSeq of the next INVITE.
    pub(super) fn next_number(&mut self) -> u32 {
        self.number = self.number.saturating_add(1);
        self.number
    }

    /// The first of all, before the first 3xx.
    pub(crate) fn begin_at(&mut self, first: Uri) {
        if self.tried.is_empty() {
            self.tried.push(first);
        }
    }

    /// Who has not answered, where it goes by another way since.
    pub(super) fn lost_at(&self) -> Option<SocketAddr> {
        self.lost_at
    }

    /// Its INVITE of that number, which nobody has answered there, goes by another way: it is the same request, so that nobody rings
    /// twice.
    pub(super) fn take_another_way(&mut self, lost_at: SocketAddr, number: u32) {
        (self.lost_at, self.number) = (Some(lost_at), number.saturating_sub(1));
    }

    pub(crate) fn take_in(&mut self, contacts: impl Iterator<Item = (u16, Uri)>) {
        for (q, uri) in contacts {
            let known = self.tried.iter().chain(self.waiting.iter().map(|(_, uri)| uri)).any(|known| known.equivalent(&uri));
            if !known && self.tried.len() + self.waiting.len() < MOST_TARGETS {
                self.waiting.push_back((q, uri));
            }
        }
        // Stable: of equals the first one said comes first.
        self.waiting.make_contiguous().sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    }

    pub(crate) fn next(&mut self) -> Option<Uri> {
        let (_, uri) = self.waiting.pop_front()?;
        self.tried.push(uri.clone());
        Some(uri)
    }
}

impl Stack {
    /// The Contacts of a 3xx, where it is one.
    pub(super) fn note_contacts(&self, call: &mut Call, response: &Response, own: &LineSettings) {
        let State::Inviting(inviting) = &call.state else { return };
        if !is_redirection(response.status.code()) {
            return;
        }
        call.elsewhere.begin_at(inviting.target.clone());
        let contacts = response.headers.contact().map(|contacts| contacts.list().to_vec()).unwrap_or_default();
        call.elsewhere.take_in(contacts.iter().filter_map(|contact| Some((contact.q(), target_of(contact, own)?))));
    }

    /// Makes the call to whoever is next; the end where there is nobody.
    pub(super) fn go_elsewhere(&mut self, mut call: Call, fate: Fate, settings: &StackSettings) {
        let taken_back = call.ended || matches!(&call.state, State::Inviting(inviting) if inviting.cancel != Cancel::No);
        let Some(own) = line_of(settings, call.line) else { return self.let_go(call) };
        if let State::Inviting(inviting) = &call.state {
            call.elsewhere.note_number(inviting.last_number());
        }
        while let Some(target) = (!taken_back && fate.code < GLOBAL_FAILURE).then(|| call.elsewhere.next()).flatten() {
            let Some(hop) = self.call_hop(call.line, own, &target) else { continue };
            match self.locate(call.line, &hop, Asker::Dial(call.identity)) {
                Located::At(routes) => return self.invite_elsewhere(call, target, routes, settings),
                Located::Asked(query) => {
                    call.state = State::Locating { query, target };
                    return self.put_call(call);
                }
                Located::Nowhere(_) => {}
            }
        }
        self.end(call, fate.code, &fate.reason, fate.by);
    }

    /// The next INVITE of the same call: Call-ID, From and To stay, the number grows (RFC 3261 8.1.3.4).
    pub(super) fn invite_elsewhere(&mut self, mut call: Call, target: Uri, routes: Routes, settings: &StackSettings) {
        let Routes { first: route, others } = routes;
        let told_ringback = match &call.state {
            State::Inviting(inviting) => inviting.told_ringback,
            State::Locating { .. } | State::Preparing { .. } | State::Offered(_) | State::Talking(_) | State::Leaving(_) => None,
        };
        let same_address = call.media.as_ref().map(|media| media.local.ip()) == self.local_of(route.flow).map(|local| local.ip());
        if !same_address {
            return self.prepare_again(call, target, Routes { first: route, others }, told_ringback, settings);
        }
        if call.media.as_mut().is_some_and(crate::media::MediaSession::forget_agreed) {
            self.desire(&mut call, settings);
        }
        call.auth.begin();
        call.flow = Some(route.flow);
        let number = call.elsewhere.next_number();
        let request = self.invite_request(&mut call, settings, &target, route, number);
        let sent = request.and_then(|request| self.start_client(Owner::Invite(call.identity), call.line, route, request));
        let Some(invite) = sent else { return self.end(call, 0, "too many requests are open", EndedBy::Local) };
        let (provisional, cancel, early) = (false, Cancel::No, Vec::new());
        let several = !others.is_empty();
        call.state =
            State::Inviting(Inviting { target, route, others, several, invite, number, provisional, told_ringback, cancel, early });
        self.put_call(call);
    }
}

/// A status whose Contacts say where else to ask: one of the class that nobody knows counts as 300 (RFC 3261 8.1.3.2).
pub(crate) fn is_redirection(code: u16) -> bool {
    (300..400).contains(&code) && !NO_REDIRECTIONS.contains(&code)
}

/// A Contact as a Request-URI (RFC 3261 19.1.5): without the headers that its sender would have us put into the INVITE, and always an
/// INVITE. What cannot be called from here is none: TLS, mail, web.
fn target_of(contact: &NameAddr, own: &LineSettings) -> Option<Uri> {
    match contact.uri.scheme() {
        Scheme::Sip => Some(contact.uri.without_headers().without_param("method")),
        Scheme::Tel => dialled(own, &contact.uri.user_decoded()?).ok(),
        Scheme::Sips | Scheme::Other(_) => None,
    }
}
