//! Settings: the catalogue, which needs no phone, and the values of the running phone, whose secrets provisioning-agent masks
//! before they come here.

use std::collections::HashMap;

use phone_proto::dbus::{Options, SETTINGS_NAME, SettingsProxy};
use phone_proto::errors::ErrorKind;
use serde_json::json;
use settings::catalogue::ROWS;
use settings::listing;
use zbus::proxy::CacheProperties;

use crate::bus;
use crate::failure::Failure;
use crate::show::{Output, table};

fn failed(error: zbus::Error) -> Failure {
    Failure::of_call(SETTINGS_NAME, error)
}

/// The running phone's settings.
pub async fn service() -> Result<SettingsProxy<'static>, Failure> {
    let connection = bus::connect().await?;
    SettingsProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)
}

/// `phonectl settings list`
pub fn list(output: &mut Output) -> Result<(), Failure> {
    output.result(&json!(listing::families()), || {
        let row = |row: &settings::Row| {
            let state = row.pending.map(|area| format!("stored only ({area})")).unwrap_or_default();
            vec![row.name.to_owned(), row.scope.as_str().to_owned(), row.kind.as_str().to_owned(), row.range_text(), state]
        };
        table(&["NAME", "SCOPE", "KIND", "RANGE", "EFFECT"], &ROWS.iter().map(row).collect::<Vec<_>>())
    })
}

/// `phonectl settings get`
pub async fn show(output: &mut Output, name: &str, reveal: bool) -> Result<(), Failure> {
    let service = service().await?;
    let mut value = service.get(name).await.map_err(failed)?;
    if reveal {
        let name = settings::catalogue::parameter(name).map_or(name, |parameter| parameter.name);
        let all = service.reveal("", Options::new()).await.map_err(failed)?;
        value = all.into_iter().find(|(of, _)| of == name).map_or(value, |(_, value)| value);
    }
    output.result(&json!({"name": name, "value": value}), || format!("{value}\n"))
}

/// `phonectl settings set`
pub async fn set(output: &mut Output, arguments: &[String], expected: u64) -> Result<(), Failure> {
    let changes: HashMap<&str, &str> = changes(arguments)?.into_iter().collect();
    let revision = service().await?.set(changes, expected, Options::new()).await.map_err(failed)?;
    output.result(&json!({"revision": revision}), || format!("saved as revision {revision}"))
}

/// `NAME VALUE`, or `NAME=VALUE` several times.
fn changes(arguments: &[String]) -> Result<Vec<(&str, &str)>, Failure> {
    if let [name, value] = arguments
        && !name.contains('=')
    {
        return Ok(vec![(name, value)]);
    }
    let change = |argument: &String| format!("{argument:?} is no change: give NAME VALUE, or NAME=VALUE several times");
    let mut changes = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let pair = argument.split_once('=').filter(|(name, _)| !name.is_empty());
        changes.push(pair.ok_or_else(|| Failure::new(ErrorKind::InvalidArgument, change(argument)))?);
    }
    Ok(changes)
}

/// `phonectl settings explain`
pub async fn explain(output: &mut Output, name: &str) -> Result<(), Failure> {
    let service = service().await?;
    let (effective, layer, layers) = service.explain(name).await.map_err(failed)?;
    let (reasons, notes) = service.reasons(name).await.map_err(failed)?;
    let reason = |of: &str| reasons.iter().find(|(layer, _)| layer == of).map_or("", |(_, reason)| reason.as_str());
    let one = |(layer, value, source, line, time): &(String, String, String, u32, u64)| json!({"layer": layer, "value": value, "source": source, "line": line, "time": time, "reason": reason(layer)});
    let list: Vec<_> = layers.iter().map(one).collect();
    let whole = json!({"name": name, "effective": effective, "layer": layer, "layers": list, "notes": notes});
    output.result(&whole, || {
        let row = |(of, value, source, line, time): &(String, String, String, u32, u64)| {
            let mark = if *of == layer { "*" } else { "" };
            let place = if *line == 0 { source.clone() } else { format!("{source}:{line}") };
            vec![mark.to_owned(), of.clone(), format!("\"{value}\""), place, moment(*time), reason(of).to_owned()]
        };
        let rows: Vec<_> = layers.iter().map(row).collect();
        let table = table(&["", "LAYER", "VALUE", "SOURCE", "TIME", "WHY"], &rows);
        let notes: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
        format!("{name} is \"{effective}\", from layer {layer}\n{table}{notes}")
    })
}

/// UTC as people write it; nothing where the clock was not set.
pub fn moment(unix: u64) -> String {
    if unix == 0 {
        return String::new();
    }
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = civil(days);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01: the year is counted from March, so that the leap
/// day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days.saturating_add(719_468);
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_utc_and_an_unset_clock_not_at_all() {
        assert_eq!(moment(0), "");
        assert_eq!(moment(1), "1970-01-01 00:00:01 UTC");
        assert_eq!(moment(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(1_795_258_628), "2026-11-21 10:57:08 UTC");
    }

    fn read(arguments: &[&str]) -> Option<Vec<(String, String)>> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        changes(&arguments).ok().map(|changes| changes.into_iter().map(owned).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_change_is_a_name_and_a_value_or_several_with_equals_signs() {
        assert_eq!(read(&["NAME", "two words"]), pairs(&[("NAME", "two words")]));
        assert_eq!(read(&["NAME", "a=b"]), pairs(&[("NAME", "a=b")]));
        assert_eq!(read(&["ONE=1", "TWO="]), pairs(&[("ONE", "1"), ("TWO", "")]));
        for wrong in [&["NAME"][..], &["=1"], &["ONE=1", "TWO"], &["A", "B", "C"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
