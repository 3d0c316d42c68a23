//! What every request passes before any page is made: time limit, Host, origin, login.
//!
//! Nothing behind it runs without a [`Pass`]. The style sheet, the script and the icon are before it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, ORIGIN, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;

use super::{import, live, respond};
use crate::desk::Desk;
use crate::login::{Account, Knock, Pass, RequestKind, Verdict};
use crate::menu::Place;
use crate::pages::notice;

/// Longest time for one request, a save included; the live stream's body is not part of it.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// See [`Knock::cookie`].
const COOKIE_NAME: &str = "deskphone-browser";
/// What goes with a 401 that must not make the browser ask again: RFC 9110 15.5.2 wants a challenge, and no browser answers one of
/// a scheme that it does not know.
const NO_QUESTION: &str = "Reload realm=\"Deskphone\"";

/// Both ends of the connection, put into each request by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client's address.
    pub source: SocketAddr,
    /// Ours, as the client has it.
    pub local: SocketAddr,
}

impl Ends {
    fn source(&self) -> IpAddr {
        self.source.ip().to_canonical()
    }

    fn local(&self) -> IpAddr {
        self.local.ip().to_canonical()
    }

    /// The client is this unit (C70).
    fn same_host(&self) -> bool {
        self.source().is_loopback() || self.source() == self.local()
    }
}

/// The outermost layer: limits the time and puts the headers on.
pub async fn limit(request: Request, next: Next) -> Response {
    let late = |_| respond::error(StatusCode::REQUEST_TIMEOUT, "This took too long. Try again.", None);
    let mut response = tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await.unwrap_or_else(late);
    respond::harden(response.headers_mut());
    response
}

/// Refuses requests that another site's page may have sent (a name that points at us, a foreign form).
pub async fn same_site(request: Request, next: Next) -> Response {
    let Some(ends) = request.extensions().get::<Ends>().copied() else {
        return respond::error(StatusCode::INTERNAL_SERVER_ERROR, "The connection is unknown.", None);
    };
    if !host_is_ours(request.headers(), request.version(), ends) {
        return respond::error(
            StatusCode::FORBIDDEN,
            "Use the phone's own address: this name is not one of the phone's addresses.",
            None,
        );
    }
    let foreign = is_foreign(request.headers());
    let changes = request.method() != Method::GET && request.method() != Method::HEAD;
    if foreign && changes {
        return respond::error(StatusCode::FORBIDDEN, "This request comes from a page of another site.", None);
    }
    next.run(request).await
}

/// The login.
pub async fn admit(State(desk): State<Arc<Desk>>, mut request: Request, next: Next) -> Response {
    let Some(ends) = request.extensions().get::<Ends>().copied() else {
        return respond::error(StatusCode::INTERNAL_SERVER_ERROR, "The connection is unknown.", None);
    };
    let path = request.uri().path().to_owned();
    let refusal = match desk.knock(&knock(&request, ends)) {
        Verdict::Enter(pass) => {
            let cookie = pass.cookie.as_deref().map(set_cookie);
            let mut response = match elsewhere(&pass, &path) {
                Some(place) => respond::see(&place.path()),
                None => {
                    request.extensions_mut().insert(pass);
                    next.run(request).await
                }
            };
            response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
            return response;
        }
        Verdict::Challenge(challenges) => ask(&challenges),
        Verdict::Unauthorized { port_closes } => unauthorized(port_closes),
        Verdict::InUse => respond::error(StatusCode::FORBIDDEN, notice::IN_USE, None),
        Verdict::Wait(wait) => later(wait),
        Verdict::NoSession => StatusCode::NO_CONTENT.into_response(),
        Verdict::Closed => closing(respond::error(StatusCode::SERVICE_UNAVAILABLE, "The web port is closed.", None)),
    };
    drain(request.into_body()).await;
    refusal
}

/// Reads a body to its end, within the bounds of the longest form, and forgets it. A browser that is refused while it still sends a
/// file would not see the question for its password: its nonce may have grown old meanwhile.
async fn drain(body: Body) {
    let mut chunks = body.into_data_stream();
    let mut read = 0_usize;
    while let Some(Ok(chunk)) = chunks.next().await {
        read = read.saturating_add(chunk.len());
        if read > import::LONGEST_BODY {
            return;
        }
    }
}

fn knock(request: &Request, ends: Ends) -> Knock<'_> {
    let uri = request.uri();
    Knock {
        source: ends.source(),
        from_this_host: ends.same_host(),
        method: request.method().as_str(),
        target: uri.path_and_query().map_or(uri.path(), |target| target.as_str()),
        authorization: request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
        cookie: cookie(request.headers()),
        kind: if uri.path() == live::PATH { RequestKind::Live } else { RequestKind::Page },
    }
}

/// Where a person is sent who may only change a password and asks for something else (B135, C70).
fn elsewhere(pass: &Pass, path: &str) -> Option<Place> {
    let place = Place::password_of(pass.only_password_of?)?;
    let allowed = path == place.path() || path == "/web-port-close" || path == live::PATH;
    (!allowed).then_some(place)
}

fn ask(challenges: &[String]) -> Response {
    let mut response = respond::error(StatusCode::UNAUTHORIZED, notice::LOGIN_NEEDED, None);
    for challenge in challenges.iter().filter_map(|challenge| HeaderValue::from_str(challenge).ok()) {
        response.headers_mut().append(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn unauthorized(port_closes: bool) -> Response {
    let text = if port_closes { notice::PORT_CLOSED } else { notice::TOO_MANY };
    let mut response = respond::error(StatusCode::UNAUTHORIZED, text, None);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(NO_QUESTION));
    if port_closes { closing(response) } else { response }
}

fn later(wait: Duration) -> Response {
    let mut response = respond::error(StatusCode::TOO_MANY_REQUESTS, &notice::wait(wait), None);
    let seconds = wait.as_secs().saturating_add(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The last answer of its connection.
pub fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn set_cookie(value: &str) -> HeaderValue {
    let text = format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Our address, or a loopback name where the request came over loopback. A request of HTTP/1.0 may have no Host.
fn host_is_ours(headers: &HeaderMap, version: Version, ends: Ends) -> bool {
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => return version <= Version::HTTP_10,
        (Some(host), None) => host.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => return false,
    };
    let name = without_port(host);
    match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => address.to_canonical() == ends.local() || (address.is_loopback() && ends.local().is_loopback()),
        Err(_) => name.eq_ignore_ascii_case("localhost") && ends.local().is_loopback(),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // A bare IPv6 address has more colons, and brackets where a port follows.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && (name.ends_with(']') || !name.contains(':')) => {
            name
        }
        Some(_) | None => host,
    }
}

/// The browser says that the request was made by a page of another site.
fn is_foreign(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let foreign_origin = origin.is_some_and(|origin| origin.strip_prefix("http://") != Some(host));
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    foreign_origin || site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// Who was let in.
pub fn account_of(request: &Request) -> Option<Account> {
    request.extensions().get::<Pass>().map(|pass| pass.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(local: &str) -> Ends {
        Ends { source: "192.0.2.9:5000".parse().unwrap(), local: local.parse().unwrap() }
    }

    fn with_host(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())])
    }

    /// A name that an attacker points at the phone (DNS rebinding) opens nothing.
    #[test]
    fn only_our_own_addresses_are_answered() {
        let cases = [
            ("192.0.2.1", "192.0.2.1:80", true),
            ("192.0.2.1:8080", "192.0.2.1:8080", true),
            ("192.0.2.2", "192.0.2.1:80", false),
            ("phone.example", "192.0.2.1:80", false),
            ("localhost:8080", "127.0.0.1:8080", true),
            ("localhost", "192.0.2.1:80", false),
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1", "192.0.2.1:80", false),
            ("[2001:db8::1]:8080", "[2001:db8::1]:8080", true),
            ("[2001:db8::1]", "[2001:db8::1]:80", true),
            ("192.0.2.1.example", "192.0.2.1:80", false),
            ("192.0.2.1", "[::ffff:192.0.2.1]:80", true),
            ("", "192.0.2.1:80", false),
        ];
        for (host, local, ours) in cases {
            assert_eq!(host_is_ours(&with_host(host), Version::HTTP_11, ends(local)), ours, "{host} at {local}");
        }
    }

    /// B137: HTTP/1.0 knows no Host.
    #[test]
    fn only_http_1_0_may_leave_the_host_out() {
        assert!(host_is_ours(&HeaderMap::new(), Version::HTTP_10, ends("192.0.2.1:80")));
        assert!(!host_is_ours(&HeaderMap::new(), Version::HTTP_11, ends("192.0.2.1:80")));
    }

    #[test]
    fn a_foreign_pages_request_is_recognised() {
        let mut headers = with_host("192.0.2.1:8080");
        assert!(!is_foreign(&headers));
        headers.insert(ORIGIN, HeaderValue::from_static("http://192.0.2.1:8080"));
        assert!(!is_foreign(&headers));
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert!(is_foreign(&headers));
        headers.remove("sec-fetch-site");
        headers.insert(ORIGIN, HeaderValue::from_static("http://192.0.2.1"));
        assert!(is_foreign(&headers));
        headers.insert(ORIGIN, HeaderValue::from_static("null"));
        assert!(is_foreign(&headers));
    }
}
