//! Call-Info and Alert-Info (RFC 3261 20.9 and 20.4), with the appearances that servers of shared calls put into Call-Info.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, is_blank};
use crate::{Params, Syntax};

/// `<uri>;params`. The address is text: what it leads to is no affair of SIP, and the field writes much that is no URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Without `<>`; may be empty.
    pub uri: String,
    /// `purpose`, `info`, `appearance-index` and others.
    pub params: Params,
}

/// Which appearances of a shared call a Call-Info is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppearanceIndex {
    /// `*`: all that are not named otherwise.
    All,
    /// 1, 2, ...
    One(u32),
}

/// How far an appearance of a shared call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppearanceState {
    /// Free.
    Idle,
    /// Somebody is about to call.
    Seized,
    /// Somebody calls.
    Progressing,
    /// It rings.
    Alerting,
    /// Somebody talks.
    Active,
    /// Held; anybody may take it.
    Held,
    /// Held; only its holder may take it.
    HeldPrivate,
    /// Several talk.
    BridgeActive,
    /// Several were talking, and it is held.
    BridgeHeld,
}

impl AppearanceState {
    /// As it stands in Call-Info.
    pub fn as_str(self) -> &'static str {
        match self {
            AppearanceState::Idle => "idle",
            AppearanceState::Seized => "seized",
            AppearanceState::Progressing => "progressing",
            AppearanceState::Alerting => "alerting",
            AppearanceState::Active => "active",
            AppearanceState::Held => "held",
            AppearanceState::HeldPrivate => "held-private",
            AppearanceState::BridgeActive => "bridge-active",
            AppearanceState::BridgeHeld => "bridge-held",
        }
    }

    fn of(text: &str) -> Option<AppearanceState> {
        let calls = [AppearanceState::Seized, AppearanceState::Progressing, AppearanceState::Alerting, AppearanceState::Active];
        let others = [AppearanceState::Idle, AppearanceState::Held, AppearanceState::HeldPrivate];
        let several = [AppearanceState::BridgeActive, AppearanceState::BridgeHeld];
        calls.into_iter().chain(others).chain(several).find(|state| state.as_str().eq_ignore_ascii_case(text))
    }
}

impl Info {
    /// `appearance-index`.
    pub fn appearance_index(&self) -> Option<AppearanceIndex> {
        match self.params.get("appearance-index")? {
            "*" => Some(AppearanceIndex::All),
            number => number.parse().ok().map(AppearanceIndex::One),
        }
    }
    /// `appearance-state`; none where it is another one.
    pub fn appearance_state(&self) -> Option<AppearanceState> {
        AppearanceState::of(self.params.get("appearance-state")?)
    }
    /// `appearance-uri`: the far end of that appearance, as `"Name" <uri>`.
    pub fn appearance_uri(&self) -> Option<&str> {
        self.params.get("appearance-uri").filter(|uri| !uri.is_empty())
    }
    /// `purpose` of Call-Info: icon, info, card and others.
    pub fn purpose(&self) -> Option<&str> {
        self.params.get("purpose")
    }
    /// `info` of Alert-Info, as `alert-autoanswer`.
    pub fn info(&self) -> Option<&str> {
        self.params.get("info")
    }
}

impl FromStr for Info {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Info, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let uri = if cursor.eat('<') {
            cursor.take_until('>').ok_or(Syntax("no > after the address"))?
        } else {
            cursor.take_while(|c| c != ';')
        };
        let uri = uri.trim_matches(is_blank);
        if uri.contains(['<', '>', '"']) {
            return Err(Syntax("no address"));
        }
        Ok(Info { uri: uri.to_owned(), params: Params::read_to_end(&mut cursor)? })
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", self.uri, self.params)
    }
}
