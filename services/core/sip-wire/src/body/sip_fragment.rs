//! `message/sipfrag` (RFC 3420) as REFER's NOTIFY carries it: a status line that says how the referred call goes (RFC 3515
//! section 2.4.5). Headers may follow; what they say of a call that is not ours is nobody's affair.

use crate::body::limits;
use crate::parse::status;
use crate::text::{from_wire, one_line, to_wire};
use crate::{StatusCode, Syntax};

/// How far a referred call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipFragment {
    /// The newest answer to the referred request.
    pub status: StatusCode,
    /// The reason phrase; may be empty.
    pub reason: String,
}

impl SipFragment {
    /// With the usual reason phrase.
    pub fn new(status: StatusCode) -> SipFragment {
        SipFragment { status, reason: status.reason().to_owned() }
    }
    /// Reads a body. Empty lines before the status line are passed over, as before a message.
    ///
    /// # Errors
    /// Too large, or not beginning with a status line of SIP/2.0.
    pub fn parse(octets: &[u8]) -> Result<SipFragment, Syntax> {
        if octets.len() > limits::OCTETS {
            return Err(Syntax("fragment too large"));
        }
        let mut lines = octets.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        if first.len() > crate::limits::LINE {
            return Err(Syntax("status line too long"));
        }
        let (status, reason) = status(&one_line(from_wire(first))).map_err(|_| Syntax("no status line"))?;
        Ok(SipFragment { status, reason })
    }
    /// As a body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        to_wire(&one_line(format!("SIP/2.0 {} {}", self.status, self.reason)), &mut out);
        out.extend_from_slice(b"\r\n");
        out
    }
}
