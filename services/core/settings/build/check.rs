//! What no row may get wrong. Every message begins with the row's name.

use std::collections::BTreeSet;

use crate::source::{Range, Row, Scope};

const SERVICES: [&str; 6] = ["provisioning-agent", "hal-agent", "media-engine", "sip-agent", "web-ui", "touch-ui"];
const EFFECTS: [&str; 6] = ["none", "live", "next call", "re-register", "restart service", "restart unit"];
const TABS: [&str; 5] = ["Network", "System", "VoIP", "Telephone", "Maintenance"];
const CHARSETS: [&str; 9] = ["ascii", "unicode", "account", "host", "uri", "digits", "dial", "dial-plan", "hex"];
const FORMATS: [&str; 9] =
    ["free", "host", "ip-address", "subnet-mask", "url", "sip-uri", "time-of-day", "firmware-version", "dial-plan"];

pub fn all(rows: &[Row]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for row in rows {
        for name in std::iter::once(&row.name).chain(&row.aliases) {
            if !names.insert(name) {
                return Err(format!("{name}: stands twice"));
            }
        }
        one(row).map_err(|error| format!("{}: {error}", row.name))?;
    }
    Ok(())
}

fn one(row: &Row) -> Result<(), String> {
    let longest = row.name.len() + usize::from(matches!(row.scope, Scope::Button | Scope::Channel | Scope::Entry));
    require(longest <= 32, "a name has at most 32 characters (B83)")?;
    require(!row.doc.is_empty() && row.doc.ends_with(['.', ')']), "doc is one or two whole sentences")?;
    require(!row.consumers.is_empty(), "nobody needs it")?;
    require(row.consumers.iter().all(|service| SERVICES.contains(&service.as_str())), "a consumer is no service")?;
    require(EFFECTS.contains(&row.effect.as_str()), "no such effect")?;
    require(CHARSETS.contains(&row.charset.as_str()), "no such charset")?;
    require(FORMATS.contains(&row.format.as_str()), "no such format")?;
    if let Some(web) = &row.web {
        require(TABS.contains(&web.tab.as_str()), "no such tab")?;
        require(["user", "administrator"].contains(&web.access.as_str()), "no such access")?;
        let per_line = matches!(row.scope, Scope::Line | Scope::CodecLine);
        let has_place = web.screen.ends_with("[Line n]") || web.label.contains("[n]");
        require(!per_line || has_place, "a line's field stands on a line's screen or names the line")?;
        require(!web.inverted || row.kind == "boolean", "only a flag can be inverted")?;
    }
    require(row.set_by.0 || row.xml.is_none(), "in XML but not in files")?;
    require(row.xml.as_ref().is_none_or(|xml| !xml.path.is_empty()), "an XML place begins below the root: Dev/...")?;
    require(row.behind_phone.is_none() || row.set_by.2, "behind the phone, but the phone cannot set it")?;
    range(row)?;
    defaults(row)
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn range(row: &Row) -> Result<(), String> {
    match &row.range {
        Range::Integers(spans, step) => {
            require(*step > 0, "multiple_of is positive")?;
            ascending(spans)?;
            require(spans.iter().all(|(first, last)| first % step == 0 && last % step == 0), "an end of the range is no multiple")
        }
        Range::List(spans, count) => {
            require(*count > 0, "a list has room for one value")?;
            ascending(spans)
        }
        Range::Choices(choices) => {
            let values: BTreeSet<_> = choices.iter().map(|(value, _)| value).collect();
            require(values.len() == choices.len() && values.len() > 1, "choices are two or more and differ")?;
            let integers = choices.iter().all(|(value, _)| value.parse::<i64>().is_ok());
            require(row.kind != "integer" || integers, "an integer with a choice that is none")
        }
        Range::Text { min, max, .. } => require(min <= max && *max <= 500, "0 <= min <= max <= 500 (B84)"),
        Range::Flag(..) => Ok(()),
    }
}

fn ascending(spans: &[(i64, i64)]) -> Result<(), String> {
    let inner = spans.iter().all(|(first, last)| first <= last);
    let outer = spans.windows(2).all(|pair| matches!(pair, [(_, last), (first, _)] if last < first));
    require(inner && outer && !spans.is_empty(), "spans ascend")
}

/// USER_PASS and the like have an empty factory default that nobody can set again; everything else must fit its own row.
fn defaults(row: &Row) -> Result<(), String> {
    let expected = if row.scope == Scope::Line { 6 } else { 1 };
    require(row.defaults.len() == 1 || row.defaults.len() == expected, "one default, or one per line")?;
    row.defaults.iter().try_for_each(|default| {
        if default.is_empty() {
            return require(row.kind == "string", "an empty default of a number");
        }
        require(fits(row, default), "the default is out of range")
    })
}

fn fits(row: &Row, value: &str) -> bool {
    let within = |spans: &[(i64, i64)], text: &str| {
        text.parse::<i64>().is_ok_and(|number| spans.iter().any(|(first, last)| (*first..=*last).contains(&number)))
    };
    match &row.range {
        Range::Flag(..) => value == "Y" || value == "N",
        Range::Integers(spans, step) => within(spans, value) && value.parse::<i64>().is_ok_and(|number| number % step == 0),
        Range::Choices(choices) => choices.iter().any(|(choice, _)| choice == value),
        Range::List(spans, count) => {
            value.split(',').all(|one| within(spans, one)) && value.split(',').count() <= usize::from(*count)
        }
        Range::Text { min, max, .. } => (usize::from(*min)..=usize::from(*max)).contains(&value.chars().count()),
    }
}
