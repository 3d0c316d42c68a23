//! How an answer looks whatever it says: the headers that every response carries, and errors as pages.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;

use crate::login::Account;
use crate::pages::notice;

/// Nothing from elsewhere, nothing inline, nobody may frame it, forms go only to us.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page.
pub fn page(status: StatusCode, markup: Markup) -> Response {
    let html = [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    (status, html, markup.into_string()).into_response()
}

/// An error as a page.
pub fn error(status: StatusCode, text: &str, account: Option<Account>) -> Response {
    page(status, notice::error(status, text, account))
}

/// Elsewhere, by GET.
pub fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Puts the headers on that every answer carries.
pub fn harden(headers: &mut HeaderMap) {
    let always = [
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
