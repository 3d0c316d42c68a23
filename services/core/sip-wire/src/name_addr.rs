//! `"Name" <uri>;params` of From, To, Contact, Route and their kin (RFC 3261 section 20.10 and 25.1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, each_element, is_blank};
use crate::text::{shown, write_quoted};
use crate::{Params, Syntax, Uri};

/// An address with a display name and the header's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameAddr {
    /// Without quotes and escapes, fit to be shown; none where there is none.
    pub display_name: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Parameters of the header, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// Without a name and parameters.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr { display_name: None, uri, params: Params::new() }
    }
    /// With a display name; empty: none.
    #[must_use]
    pub fn with_display_name(mut self, name: &str) -> NameAddr {
        self.display_name = (!name.is_empty()).then(|| name.to_owned());
        self
    }
    /// With a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> NameAddr {
        self.params.set("tag", tag);
        self
    }
    /// With a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: impl fmt::Display) -> NameAddr {
        self.params.set(name, value);
        self
    }
    /// The tag of From and To.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
    /// A Contact's own lifetime in seconds.
    pub fn expires(&self) -> Option<u32> {
        self.params.number("expires")
    }
    /// A Contact's preference in thousandths, 0..=1000; 1000 where nothing (usable) is said.
    pub fn q(&self) -> u16 {
        self.params.get("q").and_then(thousandths).unwrap_or(1000)
    }
    /// Reads a list of addresses.
    pub(crate) fn parse_list(value: &str, out: &mut Vec<NameAddr>) -> Result<(), Syntax> {
        each_element(value, |element| {
            out.push(element.parse()?);
            Ok(())
        })
    }
}

/// A qvalue (RFC 3261 25.1).
pub(crate) fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole.saturating_mul(1000).saturating_add(fraction)).filter(|q| *q <= 1000)
}

impl FromStr for NameAddr {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<NameAddr, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let display_name = display_name(&mut cursor)?;
        let uri = if cursor.eat('<') {
            cursor.take_until('>').ok_or(Syntax("no > after the address"))?.trim_matches(is_blank).parse()?
        } else {
            bare_address(&mut cursor)?
        };
        Ok(NameAddr { display_name, uri, params: Params::read_to_end(&mut cursor)? })
    }
}

/// Leaves the cursor at `<`, or at the start of an address without one.
fn display_name(cursor: &mut Cursor<'_>) -> Result<Option<String>, Syntax> {
    if cursor.peek() == Some('"') {
        let name = cursor.quoted()?;
        cursor.skip_blanks();
        return if cursor.peek() == Some('<') { Ok(present(&name)) } else { Err(Syntax("no address after the name")) };
    }
    let bracket = cursor.rest().find('<');
    if bracket.is_none() || cursor.rest().find('"') < bracket && cursor.rest().contains('"') {
        return Ok(None);
    }
    let name = cursor.take_while(|c| c != '<');
    Ok(present(name.trim_matches(is_blank)))
}

fn present(name: &str) -> Option<String> {
    Some(shown(name).into_owned()).filter(|name| !name.is_empty())
}

/// Without `<>` the parameters are the header's, and `?` and `,` may not stand in the address.
fn bare_address(cursor: &mut Cursor<'_>) -> Result<Uri, Syntax> {
    let text = cursor.take_while(|c| c != ';').trim_matches(is_blank);
    if text.contains(['?', ',']) {
        return Err(Syntax("address needs <>"));
    }
    text.parse()
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            write_quoted(name, f)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

impl TryFrom<String> for NameAddr {
    type Error = Syntax;
    fn try_from(text: String) -> Result<NameAddr, Syntax> {
        text.parse()
    }
}

impl From<NameAddr> for String {
    fn from(address: NameAddr) -> String {
        address.to_string()
    }
}

/// What Contact says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings (RFC 3261 section 10.2.2).
    All,
    /// Addresses; empty where there is no Contact.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        self.list().first()
    }
    /// The addresses; none for `*`.
    pub fn list(&self) -> &[NameAddr] {
        match self {
            Contacts::All => &[],
            Contacts::List(list) => list,
        }
    }
}
