//! Dialogs of RFC 3261 section 12: identity, route set (loose and strict), remote target, sequence numbers. What is said in a
//! dialog is the session's affair.
//!
//! ```text
//!   as UAC: 1xx with To-tag -> early (one per To-tag) -- 2xx --> confirmed -- BYE --> gone
//!   as UAS: made with the first response that carries our tag
//! ```

use serde::{Deserialize, Serialize};
use sip_wire::{CSeq, HeaderError, HeaderName, Method, NameAddr, Request, Response, Uri};

use crate::addresses::{Hop, hop_of_uri};
use crate::transaction::Route;

/// One dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// Ours, with our tag.
    pub(crate) local: NameAddr,
    /// Theirs, with their tag; RFC 2543 ends have none.
    pub(crate) remote: NameAddr,
    /// The far end's Contact.
    pub(crate) target: Uri,
    /// Topmost first.
    pub(crate) route_set: Vec<NameAddr>,
    /// Of our last request.
    pub(crate) local_seq: u32,
    /// Of their last request; none before the first.
    pub(crate) remote_seq: Option<u32>,
    /// Where our requests go: the next hop once its address is known, else where the dialog's first message went or came from.
    pub(crate) peer: Route,
}

impl Dialog {
    /// As UAC (RFC 3261 12.1.2), from our INVITE and a response with a To-tag.
    pub(crate) fn as_caller(request: &Request, response: &Response, peer: Route) -> Result<Dialog, HeaderError> {
        let route_set = response.headers.record_route()?;
        let contact = response.headers.contact()?.first().map(|contact| contact.uri.clone());
        Dialog::called(request, response, peer, (contact, route_set.into_iter().rev().collect()))
    }

    /// As far as a 2xx can be read whose Contact or Record-Route cannot: it has an ACK and a BYE coming all the same (RFC 3261
    /// 13.2.2.4). What is missing is as in the INVITE, and both go the way that it went.
    pub(crate) fn as_far_as_readable(request: &Request, response: &Response, peer: Route) -> Result<Dialog, HeaderError> {
        let contact = response.headers.contact().ok().and_then(|contacts| contacts.first().map(|contact| contact.uri.clone()));
        let recorded = response.headers.record_route().map(|route_set| route_set.into_iter().rev().collect());
        let route_set = recorded.or_else(|_| request.headers.route()).unwrap_or_default();
        Dialog::called(request, response, peer, (contact, route_set))
    }

    fn called(
        request: &Request,
        response: &Response,
        peer: Route,
        (contact, route_set): (Option<Uri>, Vec<NameAddr>),
    ) -> Result<Dialog, HeaderError> {
        Ok(Dialog {
            call_id: request.headers.call_id()?.to_owned(),
            local: request.headers.from()?,
            remote: response.headers.to()?,
            target: contact.unwrap_or_else(|| request.uri.clone()),
            route_set,
            local_seq: request.headers.cseq()?.number,
            remote_seq: None,
            peer,
        })
    }

    /// As UAS (RFC 3261 12.1.1), from their INVITE. One without Contact is of RFC 2543 (its section 6.13): who
    /// has sent it is where From says.
    pub(crate) fn as_callee(request: &Request, local_tag: &str, peer: Route) -> Result<Dialog, HeaderError> {
        let remote = request.headers.from()?;
        let sender = (!request.headers.has(HeaderName::CONTACT)).then(|| remote.uri.without_headers());
        let contact = request.headers.contact()?.first().map(|contact| contact.uri.clone()).or(sender);
        Ok(Dialog {
            call_id: request.headers.call_id()?.to_owned(),
            local: request.headers.to()?.with_tag(local_tag),
            target: contact.ok_or(HeaderError::Missing(HeaderName::CONTACT))?,
            remote,
            route_set: request.headers.record_route()?,
            local_seq: 0,
            remote_seq: Some(request.headers.cseq()?.number),
            peer,
        })
    }

    /// Whether a message with this Call-ID and tags is of this dialog; `local_tag` is what stands on our side.
    pub(crate) fn is(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.call_id == call_id && self.local.tag() == Some(local_tag) && self.remote.tag().unwrap_or_default() == remote_tag
    }

    /// A target refresh: re-INVITE or its 2xx (RFC 3261 12.2). Says whether it moved.
    pub(crate) fn refresh_target(&mut self, headers: &sip_wire::Headers) -> bool {
        let contact = headers.contact().ok().and_then(|contacts| contacts.first().map(|contact| contact.uri.clone()));
        match contact {
            Some(target) if target != self.target => {
                self.target = target;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes the number of a request of theirs; false: out of order (RFC 3261 12.2.2).
    pub(crate) fn accepts(&mut self, number: u32) -> bool {
        let in_order = self.remote_seq.is_none_or(|last| number > last);
        if in_order {
            self.remote_seq = Some(number);
        }
        in_order
    }

    /// Our next request (RFC 3261 12.2.1.1), without Via and Contact.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_seq = self.local_seq.saturating_add(1);
        self.with_number(method, self.local_seq)
    }

    /// The ACK of a 2xx to our INVITE with that number.
    pub(crate) fn ack(&self, number: u32) -> Request {
        self.with_number(Method::ACK, number)
    }

    fn with_number(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = self.request_uri_and_routes();
        let cseq = CSeq::new(number, method.clone());
        let mut request = Request::new(method, uri);
        for route in routes {
            request.headers.push(HeaderName::ROUTE, route);
        }
        request.headers.push(HeaderName::MAX_FORWARDS, 70);
        request.headers.push(HeaderName::FROM, &self.local);
        request.headers.push(HeaderName::TO, &self.remote);
        request.headers.push(HeaderName::CALL_ID, &self.call_id);
        request.headers.push(HeaderName::CSEQ, cseq);
        request
    }

    /// Loose routing keeps the target in the Request-URI; a strict first hop takes its place, and the target goes last.
    fn request_uri_and_routes(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            Some((first, rest)) if !first.uri.is_loose_route() => {
                let target = NameAddr::new(self.target.clone());
                let routes = rest.iter().cloned().chain([target]).collect();
                (first.uri.without_param("method").without_headers(), routes)
            }
            Some(_) | None => (self.target.clone(), self.route_set.clone()),
        }
    }

    /// Where our requests go by the rules; the session finds the address.
    pub(crate) fn next_hop(&self) -> Option<Hop> {
        hop_of_uri(self.route_set.first().map_or(&self.target, |route| &route.uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::FlowId;

    fn route() -> Route {
        Route { flow: FlowId(1), remote: "192.0.2.1:5060".parse().unwrap() }
    }

    fn dialog(routes: &[&str]) -> Dialog {
        Dialog {
            call_id: "x".into(),
            local: "<sip:us@here>;tag=1".parse().unwrap(),
            remote: "<sip:them@there>;tag=2".parse().unwrap(),
            target: "sip:them@192.0.2.9:5070".parse().unwrap(),
            route_set: routes.iter().map(|text| text.parse().unwrap()).collect(),
            local_seq: 7,
            remote_seq: None,
            peer: route(),
        }
    }

    /// RFC 3261 12.2.1.1, loose.
    #[test]
    fn loose_routes_keep_the_target_in_the_request_uri() {
        let mut dialog = dialog(&["<sip:p1;lr>", "<sip:p2;lr>"]);
        let request = dialog.request(Method::BYE);
        assert_eq!(request.uri.as_str(), "sip:them@192.0.2.9:5070");
        assert_eq!(request.headers.route().unwrap().len(), 2);
        assert_eq!(request.headers.cseq().unwrap().number, 8);
        assert_eq!(dialog.next_hop().unwrap().host.bare(), "p1");
    }

    /// RFC 3261 12.2.1.1, strict: the first route becomes the Request-URI and the target the last route.
    #[test]
    fn a_strict_router_gets_its_own_uri() {
        let mut dialog = dialog(&["<sip:p1>", "<sip:p2;lr>"]);
        let request = dialog.request(Method::BYE);
        assert_eq!(request.uri.as_str(), "sip:p1");
        let routes: Vec<String> = request.headers.route().unwrap().iter().map(|route| route.uri.to_string()).collect();
        assert_eq!(routes, ["sip:p2;lr", "sip:them@192.0.2.9:5070"]);
    }

    /// RFC 3261 12.2.2: numbers must grow; gaps are allowed.
    #[test]
    fn their_sequence_numbers_must_grow() {
        let mut dialog = dialog(&[]);
        assert!(dialog.accepts(5) && dialog.accepts(900));
        assert!(!dialog.accepts(900) && !dialog.accepts(4));
    }
}
