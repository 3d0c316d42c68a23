//! Who has sent a call of theirs on to us, as its INVITE says: Diversion (RFC 5806), else History-Info (RFC 7044). Diversion goes
//! first because it is written for this and nothing else; whoever writes both means the same by both (RFC 7544). As with the
//! caller, only the line's servers are believed.

use agreements::CallIdentity;
use sip_wire::{HeaderName, Headers, HistoryCause, HistoryEntry, NameAddr};

use crate::addresses::party;
use crate::interface::{Diverted, Event, Party};
use crate::receive::Arrived;
use crate::stack::Stack;

/// The last one who has sent it on, and why, where that is known.
type Diverter = (Party, Option<Diverted>);

impl Diverted {
    /// The diversion-reason of RFC 5806.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Diverted::Unconditional => "unconditional",
            Diverted::Busy => "user-busy",
            Diverted::NoAnswer => "no-answer",
        }
    }

    fn of_reason(text: &str) -> Option<Diverted> {
        let all = [Diverted::Unconditional, Diverted::Busy, Diverted::NoAnswer];
        all.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(text))
    }

    /// Of a redirecting cause (RFC 4458 2).
    fn of_cause(code: u16) -> Option<Diverted> {
        match code {
            302 => Some(Diverted::Unconditional),
            486 => Some(Diverted::Busy),
            408 => Some(Diverted::NoAnswer),
            _ => None,
        }
    }
}

impl Stack {
    /// Tells who has sent it on, where somebody has.
    pub(crate) fn tell_diverted(&mut self, call: CallIdentity, arrived: &Arrived) {
        if !self.is_server_of(arrived.line, arrived.source.remote.ip()) {
            return;
        }
        let headers = &arrived.request.headers;
        if let Some((by, why)) = by_diversion(headers).or_else(|| by_history(headers)) {
            self.tell(Event::Diverted { call, by, why });
        }
    }
}

/// The topmost one is the newest (RFC 5806 4).
fn by_diversion(headers: &Headers) -> Option<Diverter> {
    let newest = headers.addresses(HeaderName::DIVERSION).ok()?.into_iter().next()?;
    let why = newest.params.get("reason").and_then(Diverted::of_reason);
    let hidden = newest.params.get("privacy").is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off"));
    Some((shown(&newest, hidden), why))
}

/// The entry from which the newest other user was reached (mp); an older server (RFC 4244) writes only a Reason to whoever did not
/// keep the request.
fn by_history(headers: &Headers) -> Option<Diverter> {
    let history = headers.history_info().ok()?;
    let moved = history.iter().rev().find_map(|entry| Some((entry, moved_from(entry)?)));
    let Some((to, from)) = moved else {
        let (_, before) = history.split_last()?;
        let left = before.iter().rev().find(|entry| entry.reason().is_some())?;
        return Some((shown(&left.target, left.is_private()), cause_of(left)));
    };
    let by = history.iter().find(|entry| entry.index == *from)?;
    let named = to.target.uri.param("cause").and_then(|cause| Diverted::of_cause(cause.parse().ok()?));
    Some((shown(&by.target, by.is_private()), named.or_else(|| cause_of(by))))
}

fn moved_from(entry: &HistoryEntry) -> Option<&Vec<u32>> {
    match &entry.cause {
        Some(HistoryCause::OtherUser(from)) => Some(from),
        Some(HistoryCause::SameUser(_) | HistoryCause::Unchanged(_)) | None => None,
    }
}

fn cause_of(entry: &HistoryEntry) -> Option<Diverted> {
    let reason = entry.reason().filter(|reason| reason.protocol.eq_ignore_ascii_case("SIP"))?;
    Diverted::of_cause(reason.cause()?)
}

fn shown(address: &NameAddr, hidden: bool) -> Party {
    if hidden { Party::anonymous() } else { party(address) }
}
