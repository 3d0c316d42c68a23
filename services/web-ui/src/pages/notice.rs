//! Pages that say one thing: errors, refusals, the confirmation of Web Port Close. Errors say what to do next.

use std::time::Duration;

use axum::http::StatusCode;
use maud::{Markup, html};

use super::plain;
use crate::login::Account;

/// A page about an HTTP error.
pub fn error(status: StatusCode, text: &str, account: Option<Account>) -> Markup {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    plain(
        &title,
        account,
        &html! {
            section.card.notice {
                h1 { (title) }
                p { (text) }
                @if account.is_some() { p { a.button href="/" { "To the first page" } } }
            }
        },
    )
}

/// What is to be read when the browser's password dialog was cancelled.
pub const LOGIN_NEEDED: &str = "This phone asks for an account and its password. Reload the page to try again.";

/// B126: the third failure.
pub const PORT_CLOSED: &str = "Three logins in a row have failed, so the web port is closed now. Open it again on the phone: Settings, Network, Embedded web.";

/// B140, B141: too many failures, the port stays.
pub const TOO_MANY: &str = "Too many logins have failed. Reload the page to try again.";

/// B132, B133.
pub const IN_USE: &str = "Somebody is logged in to this phone already, and only one can be at a time. It is free again after \
    Web Port Close, or when the port close timer has run out.";

/// C36.
pub fn wait(wait: Duration) -> String {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    format!("Too many logins from your address have failed. Try again in {seconds} seconds; trying earlier changes nothing.")
}

/// Asks before the port is closed (B124).
pub fn confirm_close(token: &str, account: Account, stays_open: bool) -> Markup {
    plain(
        "Web Port Close",
        Some(account),
        &html! {
            section.card.notice {
                h1 { "Web Port Close" }
                @if stays_open {
                    p { "You will be logged out. The web port of this phone is set to stay open." }
                } @else {
                    p { "You will be logged out and the web port will be closed. To open it again, use the phone: Settings, Network, Embedded web." }
                }
                form method="post" action="/web-port-close" {
                    input type="hidden" name="token" value=(token);
                    div.actions {
                        button.primary type="submit" { "OK" }
                        a.button href="/" { "Cancel" }
                    }
                }
            }
        },
    )
}

/// After it.
pub fn closed(stays_open: bool) -> Markup {
    plain(
        "Logged out",
        None,
        &html! {
            section.card.notice {
                h1 { "Logged out" }
                @if stays_open { p { a.button href="/" { "Log in again" } } } @else { p { "The web port is closed." } }
            }
        },
    )
}

/// After a save that came too late.
pub const CHANGED_ELSEWHERE: &str = "A setting on this screen was changed elsewhere since you opened it. Compare your values, then save again to put them in force.";
/// After a save that could not be written.
pub const NOT_WRITTEN: &str = "The phone could not write its memory. Nothing was changed.";
/// After a save during another operation.
pub const BUSY: &str = "The phone is busy with its memory. Nothing was changed; try again in a moment.";
/// After a save that nobody answered.
pub const UNAVAILABLE: &str = "The settings are unavailable at the moment, so nothing was saved. Try again in a moment.";

/// Import during a call (B107).
pub const IN_A_CALL: &str = "A call is up, so the file was not imported. End the call, choose the file again and import it then.";
/// Import during a provisioning run, or beside another import.
pub const FILES_UNDER_WAY: &str =
    "Configuration files are being read at the moment, so this one was not imported. Choose it again in a moment.";
/// Import while provisioning-agent or the unit is not ready.
pub const NOT_IMPORTED: &str = "The file could not be imported at the moment. Choose it again and try once more in a moment.";
/// Import whose end was not seen.
pub const NO_REPORT: &str =
    "The phone has taken the file, but what it did is not known. If the unit does not restart, import the file once more.";
