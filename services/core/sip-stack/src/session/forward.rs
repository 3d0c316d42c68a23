//! A call of theirs that is sent elsewhere: 302 with the new address (RFC 3261 21.3.3) and who has done it (RFC 5806, B324).

use agreements::CallIdentity;
use sip_wire::{HeaderName, NameAddr, Request, Response, StatusCode};

use super::{Call, State};
use crate::addresses;
use crate::details::DiversionHeader;
use crate::interface::{Diverted, EndedBy, LineSettings};
use crate::stack::{Stack, line_of};

impl Stack {
    /// `Command::Forward`. A number that leads nowhere, or back here, would make the call an endless one: it is refused.
    pub(super) fn forward(&mut self, identity: CallIdentity, to: &str, why: Diverted) {
        let (Some(settings), Some(call)) = (self.settings(), self.take_call(identity)) else { return };
        let own = line_of(&settings, call.line);
        let (State::Offered(offered), Some(own)) = (&call.state, own) else { return self.put_call(call) };
        let request = self.core.transactions.find(offered.invite).map(|transaction| transaction.request.clone());
        let Some(request) = request else { return self.put_call(call) };
        match addresses::dialled(own, to) {
            Ok(target) if target.user_decoded().is_none_or(|user| user != own.user.as_str()) => {
                let response = self.moved(&call, &request, &NameAddr::new(target), own, why);
                let invite = offered.invite;
                self.respond(invite, &response);
                self.end(call, response.status.code(), &format!("forwarded to {to}"), EndedBy::Local);
            }
            Ok(_) => {
                self.refuse_offered(call, StatusCode::TEMPORARILY_UNAVAILABLE, "it would be forwarded to itself", EndedBy::Local);
            }
            Err(reason) => self.refuse_offered(call, StatusCode::TEMPORARILY_UNAVAILABLE, &reason, EndedBy::Local),
        }
    }

    fn moved(&self, call: &Call, request: &Request, target: &NameAddr, own: &LineSettings, why: Diverted) -> Response {
        let mut response = self.response(request, StatusCode::MOVED_TEMPORARILY, &call.local_tag);
        response.headers.push(HeaderName::CONTACT, target);
        let diversion = addresses::own_address(own).with_param("reason", why.as_str()).with_param("counter", 1);
        match own.details.diversion {
            DiversionHeader::Absent => {}
            DiversionHeader::Own => response.headers.push(HeaderName::DIVERSION, diversion),
            DiversionHeader::Added => {
                // RFC 5806 4: the newest stands on top.
                response.headers.push(HeaderName::DIVERSION, diversion);
                response.headers.copy(HeaderName::DIVERSION, &request.headers);
            }
        }
        response
    }
}
