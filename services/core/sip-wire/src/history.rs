//! History-Info (RFC 7044): where a request was sent before it came here, oldest first, and why it went on. Read only: the phone
//! is no proxy that would add to it.

use std::str::FromStr;

use crate::{HeaderError, HeaderName, Headers, NameAddr, Reason, Syntax, limits};

/// One target of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The target, with the URI's headers as they came.
    pub target: NameAddr,
    /// Its place, as 1.2.1: the second try of what 1 was sent on to, and what that was sent on to.
    pub index: Vec<u32>,
    /// From which entry it follows and how, where that is said.
    pub cause: Option<HistoryCause>,
}

/// How an entry follows from another one, by its index (RFC 7044 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryCause {
    /// rc: the target was looked up, and is the same user.
    SameUser(Vec<u32>),
    /// mp: the target is another user.
    OtherUser(Vec<u32>),
    /// np: nothing was changed.
    Unchanged(Vec<u32>),
}

impl HistoryEntry {
    /// Why the request did not stay there: the Reason in the URI's headers, SIP's before all others.
    pub fn reason(&self) -> Option<Reason> {
        self.target.uri.header("Reason")?.parse().ok()
    }

    /// Whether whoever is named wants not to be shown (RFC 7044 section 10.1): any Privacy but "none".
    pub fn is_private(&self) -> bool {
        self.target.uri.header("Privacy").is_some_and(|privacy| !privacy.eq_ignore_ascii_case("none"))
    }
}

impl FromStr for HistoryEntry {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<HistoryEntry, Syntax> {
        let target: NameAddr = text.parse()?;
        let index = index_of(target.params.get("index").ok_or(Syntax("no index"))?)?;
        let named = |name: &str| target.params.get(name).map(index_of).transpose();
        let cause = match (named("rc")?, named("mp")?, named("np")?) {
            (_, Some(from), _) => Some(HistoryCause::OtherUser(from)),
            (Some(from), None, _) => Some(HistoryCause::SameUser(from)),
            (None, None, Some(from)) => Some(HistoryCause::Unchanged(from)),
            (None, None, None) => None,
        };
        Ok(HistoryEntry { target, index, cause })
    }
}

/// 1.2.1, each number without a sign; bounded like every list.
fn index_of(text: &str) -> Result<Vec<u32>, Syntax> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let numbers = text.split('.').take(limits::LIST + 1).map(|part| Some(part).filter(|part| digits(part))?.parse().ok());
    let index: Vec<u32> = numbers.collect::<Option<_>>().ok_or(Syntax("no index"))?;
    if index.len() > limits::LIST { Err(Syntax("index too long")) } else { Ok(index) }
}

impl Headers {
    /// History-Info, the first target first.
    ///
    /// # Errors
    /// A value is not readable, or has no index.
    pub fn history_info(&self) -> Result<Vec<HistoryEntry>, HeaderError> {
        self.elements(HeaderName::HISTORY_INFO)
    }
}
