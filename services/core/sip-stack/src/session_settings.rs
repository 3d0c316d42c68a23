//! One line's rows of the INVITE session's extensions: session timers (RFC 4028), reliable provisional responses (RFC 3262).

use serde::{Deserialize, Serialize};

/// See the file. The default switches all of them off, as the factory does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// SIP_SESSION_TIME_n: the Session-Expires that is asked for, in seconds; 0: no session timers (C19).
    pub expires: u32,
    /// SIP_REFRESHER_n.
    pub refresher: NamedRefresher,
    /// SIP_SESSION_METHOD_n.
    pub method: RefreshMethod,
    /// SIP_100REL_ENABLE_n (B217).
    pub reliable: bool,
    /// SIP_18X_RTX_INTVL_n in seconds: how often a 18x goes again while nobody answers; 0: each minute, as RFC 3261 13.3.1.1 wants.
    pub ring_again: u32,
}

/// Whom an INVITE of ours names as refresher (SIP_REFRESHER_n; B315).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamedRefresher {
    /// Nobody: the far end chooses.
    #[default]
    Nobody,
    /// The far end.
    Uas,
    /// We.
    Uac,
}

/// How a session is refreshed (SIP_SESSION_METHOD_n; B316).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefreshMethod {
    /// By re-INVITE.
    #[default]
    Reinvite,
    /// By UPDATE; by re-INVITE where the far end has refused it.
    Update,
    /// By UPDATE where the far end's Allow names it, else by re-INVITE.
    Automatic,
}
