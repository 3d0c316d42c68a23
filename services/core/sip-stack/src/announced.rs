//! What comes with a call of theirs for whoever hears and sees it ring: Alert-Info and Call-Info of its INVITE (RFC 3261 20.4, 20.9). As
//! with the caller, only the line's servers are believed. Nothing here is fetched, and nobody is answered for it.

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Headers, Info};

use crate::interface::Event;
use crate::receive::Arrived;
use crate::stack::Stack;

/// Values of each kind; more are not kept.
const MOST: usize = 4;
/// Characters of a value or an address; longer ones would not be whole, and are left out.
const LONGEST: usize = 256;

/// What comes with a call of theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The values of Alert-Info as the server writes them, four at most: how the call shall ring, in the server's own words.
    pub alerts: Vec<String>,
    /// What Call-Info says of the caller, four at most.
    pub infos: Vec<CallInfo>,
}

/// An address that tells more of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallInfo {
    /// What is there.
    pub purpose: InfoPurpose,
    /// Where; whatever the server has written.
    pub uri: String,
}

/// The purposes of RFC 3261 20.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InfoPurpose {
    /// An image of the caller.
    Icon,
    /// The caller in general: a web page perhaps.
    Info,
    /// A business card: vCard, LDIF.
    Card,
}

impl InfoPurpose {
    /// As it stands in Call-Info, and on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            InfoPurpose::Icon => "icon",
            InfoPurpose::Info => "info",
            InfoPurpose::Card => "card",
        }
    }

    fn of(text: &str) -> Option<InfoPurpose> {
        let all = [InfoPurpose::Icon, InfoPurpose::Info, InfoPurpose::Card];
        all.into_iter().find(|purpose| purpose.as_str().eq_ignore_ascii_case(text))
    }
}

impl Stack {
    /// Tells what comes with the call, where something does.
    pub(crate) fn tell_announced(&mut self, call: CallIdentity, arrived: &Arrived) {
        if !self.is_server_of(arrived.line, arrived.source.remote.ip()) {
            return;
        }
        let headers = &arrived.request.headers;
        let announcement = Announcement { alerts: alerts(headers), infos: infos(headers) };
        if announcement != Announcement::default() {
            self.tell(Event::Announced { call, announcement });
        }
    }
}

/// Servers in the field write bare words (`Alert-Info: Bellcore-dr2`) where the RFC wants addresses: those are taken as they are.
fn alerts(headers: &Headers) -> Vec<String> {
    let by_rule = headers.all(HeaderName::ALERT_INFO).all(|line| line.contains('<'));
    let values: Vec<String> = match headers.alert_info() {
        Ok(values) if by_rule => values.iter().map(Info::to_string).collect(),
        Ok(_) | Err(_) => headers.all(HeaderName::ALERT_INFO).map(str::to_owned).collect(),
    };
    values.iter().filter_map(|value| kept(value)).take(MOST).collect()
}

fn infos(headers: &Headers) -> Vec<CallInfo> {
    let all = headers.call_info().unwrap_or_default();
    let named = all.iter().filter_map(|info| {
        let purpose = info.params.get("purpose").and_then(InfoPurpose::of)?;
        Some(CallInfo { purpose, uri: kept(&info.uri)? })
    });
    named.take(MOST).collect()
}

fn kept(text: &str) -> Option<String> {
    let text: String = sip_wire::text::shown(text).chars().filter(|character| !character.is_control()).collect();
    Some(text).filter(|text| !text.is_empty() && text.chars().count() <= LONGEST)
}
