//! Legal values of every row of the catalogue, as far from the defaults as the rows allow: what a file, the bus or a store has to
//! carry unchanged. They look random and are the same in every run.

#![allow(clippy::panic, reason = "a row without a value has to stop the test")]

use std::collections::BTreeMap;

use settings::catalogue::{self, Parameter};
use settings::row::{Charset, Format, Range, Scope};
use settings::{rules, value};

/// Draws for a legal value of one row.
const DRAWS: usize = 200;
/// Rounds of drawing again what clashes with another row.
const ROUNDS: usize = 1_000;

/// Numbers that look random and are the same in every run (Sebastiano Vigna's splitmix64).
pub struct Random(u64);

impl Random {
    /// Those of this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 0 to `end` - 1.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(end).unwrap_or(0)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len() as u64);
        of.get(usize::try_from(at).ok()?).copied()
    }

    /// Each end one time in four: that is where mistakes are.
    fn between(&mut self, first: i64, last: i64) -> i64 {
        match self.below(4) {
            0 => first,
            1 => last,
            _ => first.saturating_add_unsigned(self.below(last.abs_diff(first).saturating_add(1))),
        }
    }

    fn text(&mut self, letters: &str, min: u16, max: u16) -> String {
        let letters: Vec<char> = letters.chars().collect();
        let length = self.between(i64::from(min), i64::from(max));
        (0..length).filter_map(|_| self.one(&letters)).collect()
    }
}

/// A legal value of every row. Together they are a state without clashes.
///
/// # Panics
/// When a row has none.
pub fn of_every_row(round: u64) -> BTreeMap<&'static str, String> {
    let mut random = Random::new(round);
    let mut values: BTreeMap<&'static str, String> =
        catalogue::parameters().map(|parameter| (parameter.name, of(&parameter, &mut random))).collect();
    for _ in 0..ROUNDS {
        let clashes = rules::check(&values);
        let mut again = clashes.iter().filter(|one| one.severity == agreements::Severity::Error).peekable();
        if again.peek().is_none() {
            return values;
        }
        for parameter in again.flat_map(|clash| &clash.parameters).filter_map(|name| catalogue::parameter(name)) {
            values.insert(parameter.name, of(&parameter, &mut random));
        }
    }
    panic!("after {ROUNDS} rounds they still clash: {:?}", rules::check(&values));
}

/// A legal value of this row.
///
/// # Panics
/// When it has none.
pub fn of(parameter: &Parameter, random: &mut Random) -> String {
    let legal = (0..DRAWS).map(|_| candidate(parameter, random)).find(|text| value::check(parameter, text).is_ok());
    legal.unwrap_or_else(|| panic!("{parameter:?} has no legal value"))
}

fn letters(charset: Charset) -> &'static str {
    match charset {
        Charset::Ascii => "abcXYZ019 !#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        Charset::Unicode => "abc XYZ&<>'\u{e4}\u{df}\u{424}\u{4e2d}\u{1f4de}",
        Charset::Account => "abcXYZ019!#$%()*+,-./;=?@",
        Charset::Host | Charset::Uri => "abcxyz019-.",
        Charset::Digits => "0123456789",
        Charset::Dial => "0123456789*#",
        Charset::DialPlan => "0123456789x",
        Charset::Hex => "0123456789abcdefABCDEF",
    }
}

fn candidate(parameter: &Parameter, random: &mut Random) -> String {
    let row = parameter.row;
    if row.empty_allowed && random.below(8) == 0 {
        return String::new();
    }
    match row.range {
        Range::Flag { .. } => random.one(&["Y", "N"]).unwrap_or_default().to_owned(),
        Range::Choices(choices) => random.one(choices).map_or("", |choice| choice.value).to_owned(),
        Range::Integers { spans, multiple_of } => {
            // External ports: all or none, and chance alone would never set all (B168).
            let span = if row.scope == Scope::Channel { spans.last().copied() } else { random.one(spans) };
            let (first, last) = span.unwrap_or_default();
            let steps = random.between(first, last).checked_div_euclid(multiple_of).unwrap_or_default();
            steps.saturating_mul(multiple_of).to_string()
        }
        Range::List { spans, max_count } => {
            let count = random.between(1, i64::from(max_count));
            let mut number = || random.one(spans).map(|(first, last)| random.between(first, last).to_string());
            (0..count).filter_map(|_| number()).collect::<Vec<_>>().join(",")
        }
        Range::Text { min, max, .. } => text(row.format, row.charset, (min, max), random),
    }
}

fn text(format: Format, charset: Charset, (min, max): (u16, u16), random: &mut Random) -> String {
    match format {
        Format::Free => random.text(letters(charset), min, max),
        Format::Host => format!("host-{}.example.com", random.below(1000)),
        Format::IpAddress => format!("192.0.2.{}", random.below(255)),
        Format::SubnetMask => random.one(&["255.255.255.0", "255.255.0.0", "255.255.255.252"]).unwrap_or_default().to_owned(),
        Format::Url => {
            let scheme = random.one(&["http", "https", "ftp", "tftp"]).unwrap_or_default();
            format!("{scheme}://joe:pw{}@host/{{mac}}.cfg", random.below(100))
        }
        Format::SipUri => format!("sip:user{}@example.com", random.below(1000)),
        Format::TimeOfDay => format!("{:02}:{:02}", random.below(24), random.below(60)),
        Format::FirmwareVersion => format!("{:02}.{:03}", random.below(16), random.below(1000)),
        Format::DialPlan => format!("[1-{}]xx|<101:{}>|0x.T", 2 + random.below(8), random.below(10_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_values_and_they_go_together() {
        let everything = catalogue::parameters().count();
        let rounds: Vec<_> = (0..4).map(of_every_row).collect();
        for values in &rounds {
            assert_eq!(values.len(), everything);
            for (name, text) in values {
                assert_eq!(value::check(&catalogue::parameter(name).unwrap(), text), Ok(()), "{name}");
            }
        }
        // They vary: a row whose value never changes has only one, or nearly.
        let still = rounds[0].iter().filter(|(name, text)| rounds.iter().all(|values| values[*name] == **text)).count();
        assert!(still * 5 < everything, "{still} of {everything} rows have the same value in all rounds");
    }
}
