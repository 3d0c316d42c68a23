//! URIs and name-addresses built from the settings as the guide wants them (B319, B320), and the far end's as people read them.

use std::net::SocketAddr;

use sip_wire::{Host, NameAddr, Scheme, Uri};

use crate::details;
use crate::interface::{LineSettings, Party, Server, Transport};

/// Longest number that is dialled.
const LONGEST_TARGET: usize = 512;

/// Where a request goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
    /// The secondary server, which is tried after this one (B214).
    pub(crate) second: Option<SocketAddr>,
}

/// A host as settings write it: IPv6 with or without brackets, a port after it perhaps.
fn host_and_port(text: &str) -> (Host, Option<u16>) {
    let address = text.trim_matches(['[', ']']).parse().map(Host::Ip);
    match (address, format!("sip:{text}").parse::<Uri>()) {
        (Ok(host), _) => (host, None),
        (Err(_), Ok(uri)) => (uri.host().cloned().unwrap_or_else(|| Host::Name(text.into())), uri.port()),
        (Err(_), Err(_)) => (Host::Name(text.into()), None),
    }
}

fn host(text: &str) -> Host {
    host_and_port(text).0
}

/// The configured server as a hop.
pub(crate) fn hop_of(server: &Server) -> Hop {
    let (host, port) = host_and_port(&server.host);
    Hop { host, port: server.port.or(port), second: None }
}

/// With its secondary server: only beside one that is given as an address (B214).
pub(crate) fn with_second(hop: Hop, second: Option<SocketAddr>) -> Hop {
    let second = second.filter(|_| hop.host.ip().is_some());
    Hop { second, ..hop }
}

/// Where a URI leads.
pub(crate) fn hop_of_uri(uri: &Uri) -> Option<Hop> {
    let host = match uri.param("maddr").filter(|maddr| !maddr.is_empty()) {
        Some(maddr) => host(maddr),
        None => uri.host()?.clone(),
    };
    Some(Hop { host, port: uri.port(), second: None })
}

/// The first hop of a REGISTER.
pub(crate) fn registration_hop(line: &LineSettings) -> Option<Hop> {
    let registrar = || line.registrar.as_ref().map(|server| with_second(hop_of(server), line.second_registrar));
    line.outbound_proxy.as_ref().map(hop_of).or_else(registrar)
}

/// The first hop of a new call; without any server it goes where its URI leads.
pub(crate) fn call_hop(line: &LineSettings, target: &Uri) -> Option<Hop> {
    if line.outbound_proxy.is_none()
        && let Some(proxy) = &line.proxy
    {
        return Some(with_second(hop_of(proxy), line.second_proxy));
    }
    registration_hop(line).or_else(|| hop_of_uri(target))
}

/// The Route of an outbound proxy (RFC 3261 8.1.2).
pub(crate) fn outbound_route(line: &LineSettings) -> Option<NameAddr> {
    let server = line.outbound_proxy.as_ref()?;
    let hop = hop_of(server);
    let uri = Uri::builder(Scheme::Sip).host(hop.host).port(hop.port).flag("lr").build();
    Some(NameAddr::new(details::with_transport(uri, line, line.transport)))
}

/// The port that B319 puts into the first Request-URI: the server's.
fn request_uri_port(line: &LineSettings, server: Option<&Server>, own: Option<u16>) -> Option<u16> {
    let port = server.and_then(|server| server.port);
    if line.request_uri_port { own.or(port) } else { None }
}

/// The Request-URI of a REGISTER (RFC 3261 10.2): the domain.
pub(crate) fn registrar_uri(line: &LineSettings) -> Uri {
    let (host, port) = host_and_port(&line.domain);
    let port = request_uri_port(line, line.registrar.as_ref(), port);
    Uri::builder(Scheme::Sip).host(host).port(port).build()
}

fn with_user_phone(uri: Uri, line: &LineSettings) -> Uri {
    if line.user_phone { uri.with_param("user", Some("phone")) } else { uri }
}

/// The address of record.
pub(crate) fn address_of_record(line: &LineSettings) -> Uri {
    let uri = Uri::builder(Scheme::Sip).user(&line.user).host(host(&line.domain)).build();
    with_user_phone(uri, line)
}

/// Who we are in From (or To): with the display name, without a tag.
pub(crate) fn own_address(line: &LineSettings) -> NameAddr {
    NameAddr::new(address_of_record(line)).with_display_name(&line.display_name)
}

/// An appearance of a shared line, for Call-Info.
pub(crate) fn appearance(line: &LineSettings, index: u32) -> String {
    format!("<{}>;appearance-index={index}", Uri::builder(Scheme::Sip).host(host(&line.domain)).build())
}

/// Where we are reached.
pub(crate) fn contact(line: &LineSettings, local: SocketAddr, transport: Transport) -> NameAddr {
    let uri = Uri::builder(Scheme::Sip).user(&line.user).host(Host::Ip(local.ip())).port(local.port()).build();
    NameAddr::new(details::with_transport(uri, line, transport))
}

/// What a user dials: a number of the line's domain, or a SIP URI.
pub(crate) fn dialled(line: &LineSettings, target: &str) -> Result<Uri, String> {
    let target = target.trim();
    if target.is_empty() || target.len() > LONGEST_TARGET {
        return Err("there is no number to call".to_owned());
    }
    let is_uri = target.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sip:"));
    if is_uri || target.contains('@') {
        let text = if is_uri { target.to_owned() } else { format!("sip:{target}") };
        return text.parse().map_err(|_| format!("\"{target}\" is no SIP URI"));
    }
    Ok(number_of(line, target))
}

/// A user of the line's domain, as Request-URI.
fn number_of(line: &LineSettings, user: &str) -> Uri {
    let (host, port) = host_and_port(&line.domain);
    let port = request_uri_port(line, line.proxy.as_ref().or(line.registrar.as_ref()), port);
    with_user_phone(Uri::builder(Scheme::Sip).user(user).host(host).port(port).build(), line)
}

/// The line itself, as Request-URI; whatever its user is written like, it is no URI.
pub(crate) fn own_target(line: &LineSettings) -> Uri {
    number_of(line, &line.user)
}

/// A Request-URI as it stands in To: without the port that only the Request-URI carries (RFC 3261 19.1.1 table 1).
pub(crate) fn as_to(uri: &Uri) -> Uri {
    uri.with_port(None).without_headers()
}

/// The far end as people read it.
pub(crate) fn party(address: &NameAddr) -> Party {
    let uri = address.uri.bare().to_string();
    let number = address.uri.user_decoded().map_or_else(|| uri.clone(), |user| user.into_owned());
    let readable = |text: &str| sip_wire::text::shown(text).into_owned();
    Party { number: readable(&number), name: readable(address.display_name.as_deref().unwrap_or_default()), uri: readable(&uri) }
}
