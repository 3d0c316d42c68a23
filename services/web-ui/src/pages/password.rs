//! Change Administrator Password and Change User Password (guide 4.5.2, 4.5.3). The three fields are always empty.

use maud::{Markup, html};

use super::heading;
use super::settings::{Hidden, Outcome, result};
use crate::login::Account;
use crate::menu::Place;

/// Names of the three fields.
pub const CURRENT: &str = "current-password";
/// See [`CURRENT`].
pub const NEW: &str = "new-password";
/// See [`CURRENT`].
pub const CONFIRM: &str = "confirm-new-password";

/// Why a field was refused; empty texts where it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordErrors {
    /// About the current password.
    pub current: String,
    /// About the new one.
    pub new: String,
    /// About its confirmation.
    pub confirm: String,
}

impl PasswordErrors {
    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        *self == PasswordErrors::default()
    }
}

/// What is to be said before the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing: the person chose the screen.
    Chosen,
    /// No password is set yet (B134, B135).
    NotSet,
    /// It is still the factory's, and the person is at another host (C70).
    Factory,
}

/// The screen.
pub fn screen(
    place: &Place,
    whose: Account,
    reason: Reason,
    errors: &PasswordErrors,
    outcome: &Outcome,
    hidden: &Hidden<'_>,
) -> Markup {
    let path = place.path();
    html! {
        (result(outcome, &[]))
        (heading(place.screen.title, None))
        (why(reason))
        form.settings method="post" action=(path) autocomplete="off" novalidate {
            input type="hidden" name="token" value=(hidden.token);
            section.card {
                h2 { (section(whose)) }
                (field(CURRENT, "Current Password", &errors.current, "current-password", current_hint(whose, reason)))
                (field(NEW, "New Password", &errors.new, "new-password", "6\u{2013}16 characters, except \" & ' : < > and space"))
                (field(CONFIRM, "Confirm New Password", &errors.confirm, "new-password", ""))
            }
            div.actions {
                button.primary type="submit" { "Save" }
                a.button href=(path) { "Cancel" }
            }
        }
    }
}

/// After the change, when the own account has been logged out by it.
pub fn changed(place: &Place, outcome: &Outcome) -> Markup {
    html! {
        (result(outcome, &[]))
        (heading(place.screen.title, None))
        section.card {
            p { "The password has been changed. The next page asks for it." }
            p { a.button.primary href="/" { "Log in with the new password" } }
        }
    }
}

fn section(whose: Account) -> &'static str {
    match whose {
        Account::Administrator => "Change Administrator Password",
        Account::User => "Change User Password",
    }
}

fn current_hint(whose: Account, reason: Reason) -> &'static str {
    match (whose, reason) {
        (Account::User, Reason::NotSet) => "Leave it empty: no password has been set yet",
        (Account::User | Account::Administrator, _) => "",
    }
}

fn why(reason: Reason) -> Markup {
    let text = match reason {
        Reason::Chosen => return html! {},
        Reason::NotSet => "Set a password first. Then log in with it.",
        Reason::Factory => "The password is still the factory's, which everybody knows. Choose your own; then log in with it.",
    };
    html! { p.banner { (text) } }
}

fn field(name: &str, label: &str, error: &str, autocomplete: &str, hint: &str) -> Markup {
    let wrong = !error.is_empty();
    let (error_id, hint_id) = (format!("{name}-error"), format!("{name}-hint"));
    let described = if wrong { Some(&error_id) } else { (!hint.is_empty()).then_some(&hint_id) };
    html! {
        div.field.wrong[wrong] {
            label.label for=(name) { (label) }
            div.control {
                input type="password" id=(name) name=(name) value="" autocomplete=(autocomplete)
                    aria-describedby=[described] aria-invalid=[wrong.then_some("true")];
                @if wrong { p.error id=(error_id) { (error) } }
                @if !hint.is_empty() { p.hint id=(hint_id) { (hint) } }
            }
        }
    }
}
