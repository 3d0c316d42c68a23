//! The pages: HTML from what is known, and nothing else. Every text is escaped by maud; a page never holds a secret.

pub mod import;
pub mod notice;
pub mod password;
pub mod settings;
pub mod status;

use maud::{DOCTYPE, Markup, html};

use crate::http::assets;
use crate::login::Account;
use crate::menu::{LINES, Onlooker, Place, TABS, Tab};

/// What stands around a screen.
pub struct Frame<'a> {
    /// Model of the unit; empty while it is unknown.
    pub model: &'a str,
    /// Who looks.
    pub onlooker: Onlooker,
    /// Where in the menu.
    pub place: Place,
    /// Only this screen may be used: no tabs and no menu (C70, B135).
    pub alone: bool,
    /// The settings on it may be older than those of the phone: provisioning-agent does not answer.
    pub stale: bool,
}

/// A whole page of the interface.
pub fn page(frame: &Frame<'_>, content: &Markup) -> Markup {
    let title = frame.place.title();
    document(
        &title,
        Some("/live"),
        &html! {
            (header(frame.model, Some(frame.onlooker.account)))
            @if !frame.alone { (tabs(frame)) }
            div.body.alone[frame.alone] {
                @if !frame.alone { (menu(frame)) }
                main #content tabindex="-1" {
                    p #ended.banner hidden role="alert" { }
                    @if frame.stale {
                        p.banner role="alert" {
                            strong { "Settings are unavailable at the moment." }
                            " provisioning-agent does not answer: what stands here may be out of date, and nothing can be saved."
                        }
                    }
                    (content)
                }
            }
        },
    )
}

/// A page without tabs: errors and confirmations.
pub fn plain(title: &str, account: Option<Account>, content: &Markup) -> Markup {
    document(
        title,
        None,
        &html! {
            (header("", account))
            div.body.alone { main #content { (content) } }
        },
    )
}

fn document(title: &str, live: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " \u{2013} Deskphone" }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.path());
                link rel="stylesheet" href=(assets::STYLE.path());
                @if live.is_some() { script src=(assets::SCRIPT.path()) defer { } }
            }
            body data-live=[live] {
                a.skip href="#content" { "Skip to content" }
                (body)
            }
        }
    }
}

fn header(model: &str, account: Option<Account>) -> Markup {
    html! {
        header.top {
            p.brand {
                img src=(assets::ICON.path()) alt="" width="28" height="28";
                span { "Deskphone" }
                @if !model.is_empty() { span.model data-fact="model" { (model) } }
            }
            @if let Some(account) = account {
                div.who {
                    span.account { span.words { "Logged in as " } strong { (account_name(account)) } }
                    a.button.quiet href="/web-port-close" { "Web Port Close" }
                }
            }
        }
    }
}

/// What an account is called for people.
pub fn account_name(account: Account) -> &'static str {
    match account {
        Account::User => "User",
        Account::Administrator => "Administrator",
    }
}

fn tabs(frame: &Frame<'_>) -> Markup {
    let here = |tab: &Tab| (tab.slug == frame.place.tab.slug).then_some("page");
    let seen = |tab: &&'static Tab| tab.screens_for(frame.onlooker).next().is_some();
    html! {
        nav.tabs aria-label="Tabs" {
            ul {
                @for tab in TABS.iter().filter(seen) {
                    li { a href={ "/" (tab.slug) } aria-current=[here(tab)] { (tab.title) } }
                }
            }
        }
    }
}

fn menu(frame: &Frame<'_>) -> Markup {
    let tab = frame.place.tab;
    let current = frame.place.path();
    let screens: Vec<_> = tab.screens_for(frame.onlooker).collect();
    // The lines stand under the screen of all lines, where there is one.
    let common = |title: &str| screens.iter().any(|screen| screen.title == title);
    html! {
        nav.menu aria-label={ (tab.title) " menu" } {
            h2 { (tab.title) }
            ul {
                @for screen in &screens {
                    @if screen.per_line() {
                        @let title = screen.title.trim_end_matches(" [Line n]");
                        li.per-line {
                            @if !common(title) { span.group { (title) } }
                            ul.lines {
                                @for line in 1..=LINES {
                                    @let place = Place { tab, screen, line };
                                    li { (menu_link(&place, &format!("Line {line}"), &current)) }
                                }
                            }
                        }
                    } @else {
                        li { (menu_link(&Place { tab, screen, line: 0 }, screen.title, &current)) }
                    }
                }
            }
        }
    }
}

fn menu_link(place: &Place, label: &str, current: &str) -> Markup {
    let path = place.path();
    let here = (path == current).then_some("page");
    let full = place.title();
    html! { a href=(path) aria-current=[here] aria-label=[(full != label).then_some(&full)] { (label) } }
}

/// The head of a screen: its title, and what stands at its right.
pub fn heading(title: &str, right: Option<&Markup>) -> Markup {
    html! {
        div.heading {
            h1 { (title) }
            @if let Some(right) = right { (right) }
        }
    }
}
