//! Methods: rsip's closed vocabulary, opened for those that it does not know. Case-sensitive (RFC 3261 section 7.1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Syntax;
use crate::text::is_token;

/// A request's method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    /// One of rsip's fourteen.
    Known(rsip::Method),
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// RFC 3261.
    pub const ACK: Method = Method::Known(rsip::Method::Ack);
    /// RFC 3261.
    pub const BYE: Method = Method::Known(rsip::Method::Bye);
    /// RFC 3261.
    pub const CANCEL: Method = Method::Known(rsip::Method::Cancel);
    /// RFC 6086.
    pub const INFO: Method = Method::Known(rsip::Method::Info);
    /// RFC 3261.
    pub const INVITE: Method = Method::Known(rsip::Method::Invite);
    /// RFC 3428.
    pub const MESSAGE: Method = Method::Known(rsip::Method::Message);
    /// RFC 6665.
    pub const NOTIFY: Method = Method::Known(rsip::Method::Notify);
    /// RFC 3261.
    pub const OPTIONS: Method = Method::Known(rsip::Method::Options);
    /// RFC 3262.
    pub const PRACK: Method = Method::Known(rsip::Method::PRack);
    /// RFC 3903.
    pub const PUBLISH: Method = Method::Known(rsip::Method::Publish);
    /// RFC 3515.
    pub const REFER: Method = Method::Known(rsip::Method::Refer);
    /// RFC 3261.
    pub const REGISTER: Method = Method::Known(rsip::Method::Register);
    /// RFC 6665.
    pub const SUBSCRIBE: Method = Method::Known(rsip::Method::Subscribe);
    /// RFC 3311.
    pub const UPDATE: Method = Method::Known(rsip::Method::Update);

    /// As on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Known(known) => spelling(*known),
            Method::Other(other) => other,
        }
    }
    /// Whether it is INVITE.
    pub fn is_invite(&self) -> bool {
        *self == Method::INVITE
    }
    /// Whether it is ACK.
    pub fn is_ack(&self) -> bool {
        *self == Method::ACK
    }
    /// Whether it is CANCEL.
    pub fn is_cancel(&self) -> bool {
        *self == Method::CANCEL
    }
    /// Whether it is BYE.
    pub fn is_bye(&self) -> bool {
        *self == Method::BYE
    }
    /// Whether it is REGISTER.
    pub fn is_register(&self) -> bool {
        *self == Method::REGISTER
    }
}

fn spelling(known: rsip::Method) -> &'static str {
    match known {
        rsip::Method::Ack => "ACK",
        rsip::Method::Bye => "BYE",
        rsip::Method::Cancel => "CANCEL",
        rsip::Method::Info => "INFO",
        rsip::Method::Invite => "INVITE",
        rsip::Method::Message => "MESSAGE",
        rsip::Method::Notify => "NOTIFY",
        rsip::Method::Options => "OPTIONS",
        rsip::Method::PRack => "PRACK",
        rsip::Method::Publish => "PUBLISH",
        rsip::Method::Refer => "REFER",
        rsip::Method::Register => "REGISTER",
        rsip::Method::Subscribe => "SUBSCRIBE",
        rsip::Method::Update => "UPDATE",
    }
}

fn known(text: &str) -> Option<rsip::Method> {
    Some(match text {
        "ACK" => rsip::Method::Ack,
        "BYE" => rsip::Method::Bye,
        "CANCEL" => rsip::Method::Cancel,
        "INFO" => rsip::Method::Info,
        "INVITE" => rsip::Method::Invite,
        "MESSAGE" => rsip::Method::Message,
        "NOTIFY" => rsip::Method::Notify,
        "OPTIONS" => rsip::Method::Options,
        "PRACK" => rsip::Method::PRack,
        "PUBLISH" => rsip::Method::Publish,
        "REFER" => rsip::Method::Refer,
        "REGISTER" => rsip::Method::Register,
        "SUBSCRIBE" => rsip::Method::Subscribe,
        "UPDATE" => rsip::Method::Update,
        _ => return None,
    })
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Method, Syntax> {
        match known(text) {
            Some(known) => Ok(Method::Known(known)),
            None if is_token(text) => Ok(Method::Other(text.into())),
            None => Err(Syntax("method is no token")),
        }
    }
}

impl TryFrom<String> for Method {
    type Error = Syntax;
    fn try_from(text: String) -> Result<Method, Syntax> {
        text.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> String {
        method.as_str().to_owned()
    }
}
