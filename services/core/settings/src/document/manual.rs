//! The reference of all parameters, in Markdown.

use std::fmt::Write;

use super::{by_section, default_text, range_text};
use crate::catalogue;
use crate::row::{Row, Scope, Stands};
use crate::xml::elements;

const HEAD: &str = "# Parameters\n\nEvery setting of the phone. `n` stands for the line, 1 to 6; `x` for the codec (0 G.722, 1 PCMA, \
3 G.729A, 4 PCMU) or the number of the button, channel or entry.\n\nMade from the catalogue (services/core/settings/catalogue) by \
`cargo run -p settings --example generate`; changes belong there.\n";

pub(super) fn manual() -> String {
    let mut text = HEAD.to_owned();
    for (title, rows) in by_section() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {title}\n");
        for row in rows {
            one(&mut text, row);
        }
    }
    text
}

fn one(text: &mut String, row: &'static Row) {
    let _ = write!(text, "\n### {}\n\n{}\n\n", row.name, escaped(row.doc));
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(text, "- {name}: {}", escaped(&value));
    };
    fact("Kind", format!("{}{}", row.kind.as_str(), numbering(row)));
    fact("Legal", range_text(row));
    fact("Default", default_text(row));
    fact("Set by", set_by(row));
    if row.set_by.file {
        fact("XML", format!("`<{}>`, attribute `{}`", elements(row).join("> <"), attribute(row)));
    }
    if let Some(web) = row.web {
        let inverse = if web.inverted { ", shown as its inverse" } else { "" };
        fact("Web", format!("{} / {} / {} / {} ({}){inverse}", web.tab, web.screen, web.section, web.label, web.access.as_str()));
    }
    if !row.aliases.is_empty() {
        fact("Also read as", row.aliases.join(", "));
    }
    fact("In effect", row.pending.map_or_else(|| row.effect.as_str().to_owned(), |area| format!("stored only so far ({area})")));
    match row.stands {
        Stands::Ordinary => {}
        Stands::BehindPhone(_) => fact("Priority", "values of files stand back once this was set on the phone".to_owned()),
        Stands::WhenNetworkClosed => fact("Priority", "values of files apply only with NW_SETTING_ENABLE=N".to_owned()),
    }
}

fn numbering(row: &'static Row) -> String {
    let count = catalogue::members(row).count();
    match row.scope {
        Scope::Global => String::new(),
        Scope::CodecLine => ", one per codec and line".to_owned(),
        Scope::Line | Scope::Button | Scope::Channel | Scope::Entry => format!(", one per {} (1 to {count})", row.scope.as_str()),
    }
}

fn set_by(row: &Row) -> String {
    let names = row.set_by.names();
    if names.is_empty() { "dealer preset".to_owned() } else { names.join(", ") }
}

fn attribute(row: &Row) -> &'static str {
    row.xml.map_or(row.name, |xml| xml.attribute)
}

/// What Markdown would take for markup.
fn escaped(text: &str) -> String {
    let mut inside_code = false;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        inside_code ^= character == '`';
        if !inside_code && "_*<[|".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
