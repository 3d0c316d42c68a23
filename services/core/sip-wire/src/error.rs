//! What can be wrong with a message, and what may be said to its sender.

use thiserror::Error;

use crate::{HeaderName, Response, StatusCode};

/// A value that does not follow its grammar, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Syntax(pub &'static str);

/// A typed view found no usable value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// A header that must be there is not.
    #[error("no {0} header")]
    Missing(HeaderName),
    /// A header that may stand once stands several times (RFC 4475 section 3.3.8).
    #[error("several {0} headers")]
    Repeated(HeaderName),
    /// Its value does not follow the grammar.
    #[error("{name} header: {what}")]
    Malformed {
        /// Which.
        name: HeaderName,
        /// Why.
        what: Syntax,
    },
    /// A list longer than [`crate::limits::LIST`].
    #[error("too many {0} values")]
    TooMany(HeaderName),
}

/// What made a datagram unusable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Defect {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 3.5.1), no error at all.
    #[error("keep-alive")]
    KeepAlive,
    /// Not SIP.
    #[error("not a SIP message")]
    NotSip,
    /// More than [`crate::limits`] allows, with the bound's name.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// The request or status line.
    #[error("start line: {0}")]
    StartLine(Syntax),
    /// The Request-URI.
    #[error("Request-URI: {0}")]
    RequestUri(Syntax),
    /// SIP of another version.
    #[error("SIP version not supported")]
    Version,
    /// The empty line that ends the headers is missing: cut off on its way.
    #[error("no end of headers")]
    Truncated,
    /// A header that no message can do without.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// CSeq's method is not the request's (RFC 3261 section 8.1.1.5).
    #[error("method of CSeq differs")]
    CSeqMethod,
    /// Content-Length says more than there is (RFC 3261 section 18.3).
    #[error("Content-Length larger than the message")]
    ContentLength,
}

impl Defect {
    /// The status that tells the sender (RFC 3261 sections 8.2 and 21.4.1, 21.5.6, 21.5.7, 21.4.14).
    pub fn status(&self) -> StatusCode {
        match self {
            Defect::Version => StatusCode::VERSION_NOT_SUPPORTED,
            Defect::TooLarge("Request-URI") => StatusCode::REQUEST_URI_TOO_LONG,
            Defect::TooLarge(_) => StatusCode::MESSAGE_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A datagram that is no usable message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{defect}")]
pub struct ParseError {
    /// What is wrong.
    pub defect: Defect,
    /// The answer that the sender of a malformed request should get: its Via, From, To, Call-ID and CSeq headers as far as
    /// they could be read, without a To tag. None for what must be dropped silently: responses, ACK, garbage, keep-alives, and
    /// requests whose Via does not say where an answer should go.
    pub answer: Option<Box<Response>>,
}

impl ParseError {
    /// Whether it is a keep-alive, which is no error.
    pub fn is_keep_alive(&self) -> bool {
        self.defect == Defect::KeepAlive
    }
    pub(crate) fn dropped(defect: Defect) -> ParseError {
        ParseError { defect, answer: None }
    }
}
