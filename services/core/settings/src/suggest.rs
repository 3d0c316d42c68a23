//! What was probably meant by a name that is in no catalogue.

use agreements::Diagnosis;

use crate::catalogue::{self, CODECS, LINES, Parameter, ROWS, family, parameter};
use crate::finding::{Detail, error, excerpt};
use crate::row::{Range, Row, Scope};

/// Parameters of sister models that turn up in files for this one.
const SISTERS: [&str; 3] = ["HOLD_SOUND_PATH_", "DIAL_TONE4_RPT", "SRTP_"];
/// Longest name that is compared (B83).
const LONGEST: usize = 32;
/// A name that differs more than this was not meant.
const FAR: usize = 3;

/// The diagnosis of an unknown name, with the best suggestion there is.
pub(crate) fn unknown(name: &str) -> Diagnosis {
    let shown = excerpt(name);
    if name.chars().nth(LONGEST).is_some() {
        return error("name.too-long", format!("a parameter's name has at most {LONGEST} characters")).named(name);
    }
    let of_sister = SISTERS.iter().any(|stem| name.starts_with(stem));
    let (code, reason, suggestion) = match () {
        () if of_sister => {
            ("name.sister-model", format!("{shown} belongs to a sister model"), "leave the line out for this model".to_owned())
        }
        () if name == "TIME_ZONE" => {
            let text = "write TIME_ZONE_COUNTRY with one of its codes".to_owned();
            ("name.sister-model", "TIME_ZONE belongs to a sister model".to_owned(), text)
        }
        () => match lower_case(name).or_else(|| numbering(name)) {
            Some((code, suggestion)) => (code, format!("there is no parameter {shown}"), suggestion),
            None => ("name.unknown", format!("there is no parameter {shown}"), nearest(name).unwrap_or_default()),
        },
    };
    error(code, reason).named(name).suggest(suggestion)
}

fn lower_case(name: &str) -> Option<(&'static str, String)> {
    let upper = name.to_ascii_uppercase();
    (upper != name && parameter(&upper).is_some()).then(|| ("name.lower-case", format!("names are upper case: {upper}")))
}

/// `SIP_PASS`, `SIP_PASS_7`, `CODEC_ENABLE2_1`, `FLEX_BUTTON_LABEL30`, `SYSLOG_PORT_1`, `SIP_PASS_n`.
fn numbering(name: &str) -> Option<(&'static str, String)> {
    if let Some(row) = family(name) {
        return Some(("name.needs-number", members_text(row)));
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() < name.len() {
        if let Some(row) = family(&format!("{stem}n")).or_else(|| family(&format!("{stem}x"))) {
            return Some(("name.no-such-number", members_text(row)));
        }
        if parameter(stem.trim_end_matches('_')).is_some() {
            return Some(("name.takes-no-number", format!("{} has no number", stem.trim_end_matches('_'))));
        }
    }
    if let Some(row) = family(&format!("{name}_n")).or_else(|| family(&format!("{name}n"))).or_else(|| family(&format!("{name}x")))
    {
        return Some(("name.needs-number", members_text(row)));
    }
    let codec = ROWS
        .iter()
        .find(|row| row.scope == Scope::CodecLine && row.name.strip_suffix("x_n").is_some_and(|start| name.starts_with(start)));
    codec.map(|row| ("name.no-such-number", members_text(row)))
}

fn members_text(row: &'static Row) -> String {
    let first = catalogue::members(row).next().map_or("", |found: Parameter| found.name);
    match row.scope {
        Scope::Global => row.name.to_owned(),
        Scope::Line => format!("for the lines 1 to {LINES}: {}", row.name.replace('n', "1")),
        Scope::CodecLine => {
            let codecs: Vec<_> = CODECS.iter().map(|codec| format!("{codec} {}", catalogue::codec_name(*codec))).collect();
            format!("x is {}, n is 1 to {LINES}: {first}", codecs.join(", "))
        }
        Scope::Button => format!("for the buttons 1 to 24: {}", row.name.replace('x', "1")),
        Scope::Channel => format!("for the channels 1 to 25: {}", row.name.replace('x', "1")),
        Scope::Entry => format!("for the entries 1 to 30: {}", row.name.replace('x', "1")),
    }
}

/// The nearest spelling by edits. A number at the end is seldom what is misspelt: only names with the same one are compared.
fn nearest(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let wanted = if number_of(&upper).is_empty() { "1" } else { number_of(&upper) };
    let letters = letters_of(&upper);
    let alike = catalogue::spellings()
        .filter(|one| one.len().abs_diff(upper.len()) <= FAR)
        .filter(|one| number_of(one).is_empty() || number_of(one) == wanted)
        .filter(|one| differing(&letters, &letters_of(one)) <= 2 * FAR);
    let (distance, spelling) = alike.map(|one| (edits(&upper, one), one)).min()?;
    let near = distance <= FAR && distance.saturating_mul(3) <= name.len();
    near.then(|| format!("did you mean {spelling}?"))
}

/// How often each character stands in a name; some share a place.
fn letters_of(name: &str) -> [u8; 64] {
    let mut letters = [0_u8; 64];
    for byte in name.bytes() {
        if let Some(count) = letters.get_mut(usize::from(byte & 63)) {
            *count = count.saturating_add(1);
        }
    }
    letters
}

/// An edit changes at most two of the counts by one: most names are told apart by them alone.
fn differing(a: &[u8; 64], b: &[u8; 64]) -> usize {
    a.iter().zip(b).map(|(a, b)| usize::from(a.abs_diff(*b))).sum()
}

/// The digits at the end.
fn number_of(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.get(stem.len()..).unwrap_or("")
}

/// Insertions, deletions, replacements and swaps of neighbours between two ASCII names (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > FAR {
        return usize::MAX;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, of_a) in a.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, of_b) in b.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX - 1);
            let replaced = cell(&last, column) + usize::from(of_a != of_b);
            let mut best = replaced.min(cell(&last, column + 1) + 1).min(cell(&now, column) + 1);
            let swapped = row > 0 && column > 0 && a.get(row - 1) == Some(of_b) && b.get(column - 1) == Some(of_a);
            if swapped {
                best = best.min(cell(&before_last, column - 1) + 1);
            }
            now.push(best);
        }
        // No later row is better than its best: most names are done after a few letters.
        if now.iter().min().is_none_or(|best| *best > FAR) {
            return usize::MAX;
        }
        before_last = std::mem::replace(&mut last, now);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

/// The time zone codes whose text has this offset: "GMT +9:00" gives 90001.
pub(crate) fn time_zone_code(text: &str) -> Option<&'static str> {
    let offset: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let Range::Choices(choices) = family("TIME_ZONE_COUNTRY")?.range else { return None };
    let wanted = format!("[{offset}]");
    choices.iter().find(|choice| offset.starts_with("GMT") && choice.label.ends_with(&wanted)).map(|choice| choice.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> (String, String) {
        let diagnosis = unknown(name);
        (diagnosis.code, diagnosis.suggestion)
    }

    /// C62: an unknown name is reported with what was probably meant.
    #[test]
    fn an_unknown_name_gets_the_best_suggestion() {
        for (name, code, hint) in [
            ("SIP_PSAS_1", "name.unknown", "SIP_PASS_1"),
            ("SIP_RGSTR_ADR_2", "name.unknown", "SIP_RGSTR_ADDR_2"),
            ("sip_pass_1", "name.lower-case", "SIP_PASS_1"),
            ("SIP_PASS", "name.needs-number", "SIP_PASS_1"),
            ("SIP_PASS_n", "name.needs-number", "SIP_PASS_1"),
            ("SIP_PASS_7", "name.no-such-number", "lines 1 to 6"),
            ("PROFILE_ENABLE", "name.needs-number", "PROFILE_ENABLE1"),
            ("CODEC_ENABLE2_1", "name.no-such-number", "4 PCMU"),
            ("FLEX_BUTTON_LABEL25", "name.no-such-number", "buttons 1 to 24"),
            ("SYSLOG_PORT_1", "name.takes-no-number", "SYSLOG_PORT"),
            ("HOLD_SOUND_PATH_1", "name.sister-model", "leave"),
            ("DIAL_TONE4_RPT", "name.sister-model", "leave"),
            ("SRTP_ENABLE_1", "name.sister-model", "leave"),
            ("TIME_ZONE", "name.sister-model", "TIME_ZONE_COUNTRY"),
        ] {
            let (got, suggestion) = told(name);
            assert_eq!(got, code, "{name}");
            assert!(suggestion.contains(hint), "{name}: {suggestion}");
        }
        assert_eq!(told("NOTHING_LIKE_IT_AT_ALL"), ("name.unknown".into(), String::new()));
        assert_eq!(told(&"X".repeat(33)).0, "name.too-long");
    }

    #[test]
    fn a_gmt_offset_finds_its_code() {
        assert_eq!(time_zone_code("GMT +9:00"), Some("80003"));
        assert_eq!(time_zone_code("GMT-11:00"), Some("-110001"));
        assert_eq!(time_zone_code("CET"), None);
    }
}
