//! Headers that name a dialog of the recipient: Replaces (RFC 3891) and Target-Dialog (RFC 4538).
//!
//! Both are a Call-ID and two tags, each exactly once; they differ in what they call the tags. Whether there is such a dialog,
//! and what it is worth, is the stack's to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, is_blank};
use crate::{Params, Syntax, limits};

/// Replaces (RFC 3891 section 6.1): this call takes the place of that one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaces {
    /// The Call-ID of the dialog.
    pub call_id: String,
    /// The recipient's tag in it.
    pub to_tag: String,
    /// The far end's tag in it; `0` also means a far end without one (section 3).
    pub from_tag: String,
    /// Only while the call rings (section 3).
    pub early_only: bool,
}

/// Target-Dialog (RFC 4538 section 7): the sender knows that dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetDialog {
    /// The Call-ID of the dialog.
    pub call_id: String,
    /// The recipient's tag in it.
    pub local_tag: String,
    /// The far end's tag in it.
    pub remote_tag: String,
}

impl FromStr for Replaces {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Replaces, Syntax> {
        let (call_id, params) = call_id_with_params(text)?;
        let (to_tag, from_tag) = (the_tag(&params, "to-tag")?, the_tag(&params, "from-tag")?);
        Ok(Replaces { call_id, to_tag, from_tag, early_only: params.has("early-only") })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replaces { call_id, to_tag, from_tag, early_only } = self;
        write!(f, "{call_id};to-tag={to_tag};from-tag={from_tag}{}", if *early_only { ";early-only" } else { "" })
    }
}

impl FromStr for TargetDialog {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<TargetDialog, Syntax> {
        let (call_id, params) = call_id_with_params(text)?;
        let (local_tag, remote_tag) = (the_tag(&params, "local-tag")?, the_tag(&params, "remote-tag")?);
        Ok(TargetDialog { call_id, local_tag, remote_tag })
    }
}

impl fmt::Display for TargetDialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};local-tag={};remote-tag={}", self.call_id, self.local_tag, self.remote_tag)
    }
}

/// No `;` and no `,` can stand in a Call-ID (RFC 3261 section 25.1, `word`).
fn call_id_with_params(text: &str) -> Result<(String, Params), Syntax> {
    if text.len() > limits::DIALOG_NAME {
        return Err(Syntax("name of a dialog too long"));
    }
    // What comes out of a URI's escapes can hold anything.
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Syntax("control character in the name of a dialog"));
    }
    let mut cursor = Cursor::new(text.trim_matches(is_blank));
    let call_id = cursor.take_while(|c| !is_blank(c) && !matches!(c, ';' | ','));
    if call_id.is_empty() {
        return Err(Syntax("no call identifier"));
    }
    Ok((call_id.to_owned(), Params::read_to_end(&mut cursor)?))
}

fn the_tag(params: &Params, name: &str) -> Result<String, Syntax> {
    let mut tags = params.iter().filter(|param| param.name.eq_ignore_ascii_case(name));
    let (Some(tag), None) = (tags.next(), tags.next()) else { return Err(Syntax("not exactly one of each tag")) };
    let value = tag.value.as_deref().filter(|value| !value.is_empty() && !tag.quoted);
    value.map(str::to_owned).ok_or(Syntax("no tag"))
}
