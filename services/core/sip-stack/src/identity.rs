//! How a call of ours says whose it is: From, Contact, P-Preferred-Identity and Privacy (B321, B322; RFC 3323, RFC 3325). What
//! the far end says of itself is not its affair.
//!
//! Whether a call is anonymous is decided when it is dialled and stays with it: a re-INVITE or BYE that said more than the INVITE
//! would tell what was to be hidden. So every Contact of a call is made here, in requests and in answers, also in those about a
//! REFER in it.

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Headers, NameAddr, Uri};

use crate::addresses::{address_of_record, own_address};
use crate::interface::{FlowId, LineSettings};
use crate::stack::{Stack, line_of};
use crate::transaction::Route;

/// Display name and user of anonymous calls (RFC 3323 4.1.1.3).
const NAME: &str = "Anonymous";
const USER: &str = "anonymous";
/// Their host: it leads nowhere (RFC 2606).
const HOST: &str = "anonymous.invalid";

/// The rows of a line about its calls' identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitySettings {
    /// BLOCK_CALLER_ID_n: calls are anonymous; the three fields that follow say how.
    pub anonymous: bool,
    /// SIP_ANM_DISPNAME_n: the display name of From.
    pub anonymous_name: AnonymousPart,
    /// SIP_ANM_USERNAME_n: the user of From, and of Contact, which would tell it as well.
    pub anonymous_user: AnonymousPart,
    /// SIP_ANM_HOSTNAME_n: the host of From is anonymous.invalid.
    pub anonymous_host: bool,
    /// SIP_P_PREFERRED_ID_n: tells the line's servers the address of record in P-Preferred-Identity (RFC 3325 9.2).
    pub preferred: bool,
    /// SIP_PRIVACY_n: tells them in Privacy whether they may pass it on (RFC 3325 9.3).
    pub privacy: bool,
}

/// What stands in one part of an anonymous call's From (guide 5982, 5991).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnonymousPart {
    /// 0: as in any other call.
    #[default]
    Usual,
    /// 1: Anonymous, anonymous.
    Anonymous,
    /// 2: nothing.
    Absent,
}

/// The From of a call, without its tag.
pub(crate) fn from(line: &LineSettings, anonymous: bool) -> NameAddr {
    let usual = own_address(line);
    if !anonymous {
        return usual;
    }
    let name = match line.identity.anonymous_name {
        AnonymousPart::Usual => line.display_name.as_str(),
        AnonymousPart::Anonymous => NAME,
        AnonymousPart::Absent => "",
    };
    let uri = conceal_user(&usual.uri, line.identity.anonymous_user);
    let uri = if line.identity.anonymous_host { uri.with_host(sip_wire::Host::Name(HOST.into()), None) } else { uri };
    NameAddr::new(uri).with_display_name(name)
}

/// A name that is no number does not stay one by ;user=phone.
fn conceal_user(uri: &Uri, part: AnonymousPart) -> Uri {
    match part {
        AnonymousPart::Usual => uri.clone(),
        AnonymousPart::Anonymous => uri.with_user(Some(USER)).without_param("user"),
        AnonymousPart::Absent => uri.with_user(None).without_param("user"),
    }
}

impl Stack {
    /// Our Contact in a message of a call: that of an anonymous one says no more than its From.
    pub(crate) fn contact_of_call(&self, line: LineNumber, flow: FlowId, anonymous: bool) -> Option<NameAddr> {
        let own = line_of(self.settings.as_deref()?, line)?;
        let mut contact = self.contact_on(line, flow)?;
        if anonymous {
            contact.uri = conceal_user(&contact.uri, own.identity.anonymous_user);
        }
        Some(contact)
    }

    /// Whether that is where a live call of the line says that it is reached, without saying whose it is: a Contact is good for
    /// requests outside the dialog, too (RFC 3261 8.1.1.8).
    pub(crate) fn is_contact_of_anonymous_call(&self, line: LineNumber, uri: &Uri) -> bool {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return false };
        let part = own.identity.anonymous_user;
        let says_so = conceal_user(&address_of_record(own), part).user_decoded() == uri.user_decoded();
        let lives = || self.core.calls.values().any(|call| call.line == line && call.is_anonymous());
        part != AnonymousPart::Usual && says_so && lives()
    }

    /// What a request of a call says of it beside From and Contact. The address of record is for a server of the line alone, as
    /// the next hop (RFC 3325 9.2): a far end that the request goes straight to would learn from it what is hidden.
    pub(crate) fn declare(&self, headers: &mut Headers, line: LineNumber, anonymous: bool, way: Route) {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return };
        if own.identity.preferred && self.is_server_of(line, way.remote.ip()) {
            headers.push(HeaderName::P_PREFERRED_IDENTITY, own_address(own));
        }
        if own.identity.privacy {
            headers.push(HeaderName::PRIVACY, if anonymous { "id" } else { "none" });
        }
    }
}
