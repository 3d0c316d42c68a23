//! Values of the INVITE session's extensions: Session-Expires (RFC 4028) and RAck (RFC 3262).

use std::fmt;
use std::str::FromStr;

use crate::cursor::{Cursor, is_blank};
use crate::values::delta_seconds;
use crate::{CSeq, Params, Syntax};

/// Session-Expires (RFC 4028 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// `refresher`.
    pub params: Params,
}

impl SessionExpires {
    /// So long, with a refresher (`uac` or `uas`) where one is named.
    pub fn new(seconds: u32, refresher: Option<&str>) -> SessionExpires {
        let mut params = Params::new();
        if let Some(refresher) = refresher {
            params.set("refresher", refresher);
        }
        SessionExpires { seconds, params }
    }
    /// Who refreshes, in terms of the request at hand.
    pub fn refresher(&self) -> Option<&str> {
        self.params.get("refresher")
    }
}

impl FromStr for SessionExpires {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<SessionExpires, Syntax> {
        let (seconds, params) = seconds_with_params(text)?;
        Ok(SessionExpires { seconds, params })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.seconds, self.params)
    }
}

/// Seconds and parameters, also the shape of Min-SE (RFC 4028 section 5).
pub(crate) fn seconds_with_params(text: &str) -> Result<(u32, Params), Syntax> {
    let mut cursor = Cursor::new(text.trim_matches(is_blank));
    let seconds = delta_seconds(cursor.take_while(|c| c.is_ascii_digit()))?;
    Ok((seconds, Params::read_to_end(&mut cursor)?))
}

/// RAck (RFC 3262 section 7.2): which reliable provisional response is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The response's RSeq.
    pub rseq: u32,
    /// The response's CSeq.
    pub cseq: CSeq,
}

impl FromStr for RAck {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<RAck, Syntax> {
        let text = text.trim_matches(is_blank);
        let (number, rest) = text.split_once(is_blank).ok_or(Syntax("no CSeq after the number"))?;
        Ok(RAck { rseq: response_number(number)?, cseq: rest.parse()? })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

/// RSeq: 1 to 2^32 - 1 (RFC 3262 section 7.1).
pub(crate) fn response_number(text: &str) -> Result<u32, Syntax> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0).ok_or(Syntax("no response number"))
}
