//! From the settings to when files are fetched, and what time it is where the unit stands.

use std::time::Duration;

use agreements::WallTime;
use settings::catalogue;
use settings::layers::Layers;
use settings::row::Range;

use super::schedule::Rules;

/// What the settings say about when.
pub fn of(layers: &Layers) -> Rules {
    let setting = |name: &str| layers.effective(name).unwrap_or("");
    let minutes = |name: &str| setting(name).parse().map(|minutes: u64| Duration::from_secs(60 * minutes)).ok();
    let fixed = time_of_day(setting("CFG_RESYNC_TIME"));
    let cyclic = minutes("CFG_CYCLIC_INTVL").zip(minutes("CFG_RTRY_INTVL"));
    Rules {
        enabled: setting("PROVISION_ENABLE") != "N",
        // B43
        cyclic: cyclic.filter(|_| setting("CFG_CYCLIC") == "Y" && fixed.is_none()),
        fixed,
        spread: Duration::from_secs(setting("PROVISION_START_SPREAD").parse().unwrap_or(0)),
    }
}

/// HH:MM in minutes since midnight.
fn time_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Local seconds since 1970, none while the clock is not right (B44). The offset is the one printed beside TIME_ZONE_COUNTRY (C16).
pub fn local(layers: &Layers, wall: WallTime, clock_set: bool) -> Option<i64> {
    let WallTime::Unix(seconds) = wall else { return None };
    let offset = offset(layers.effective("TIME_ZONE_COUNTRY").unwrap_or(""));
    i64::try_from(seconds).ok().filter(|_| clock_set).map(|seconds| seconds.saturating_add(offset))
}

/// "Tokyo, Osaka [GMT+9:00]" in seconds.
fn offset(code: &str) -> i64 {
    let Some(Range::Choices(choices)) = catalogue::parameter("TIME_ZONE_COUNTRY").map(|parameter| parameter.row.range) else {
        return 0;
    };
    let label = choices.iter().find(|choice| choice.value == code).map_or("", |choice| choice.label);
    let printed = label.rsplit_once("[GMT").and_then(|(_, rest)| rest.strip_suffix(']')).unwrap_or("");
    let (hours, minutes) = printed.split_once(':').unwrap_or((printed, "0"));
    let sign = if hours.starts_with('-') { -1 } else { 1 };
    let hours: i64 = hours.trim_start_matches(['+', '-']).parse().unwrap_or(0);
    sign * (hours * 3600 + minutes.parse().unwrap_or(0) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C16.
    #[test]
    fn the_offset_is_the_printed_one() {
        for (code, hours) in [("90001", 9.0), ("35001", 3.5), ("57501", 5.75), ("nonsense", 0.0)] {
            assert_eq!(offset(code) as f64 / 3600.0, hours, "{code}");
        }
        let Some(Range::Choices(choices)) = catalogue::parameter("TIME_ZONE_COUNTRY").map(|parameter| parameter.row.range) else {
            panic!("choices")
        };
        for choice in choices {
            let printed = choice.label.split_once("[GMT").unwrap().1;
            assert_eq!(offset(choice.value) < 0, printed.starts_with('-'), "{}", choice.label);
        }
    }

    /// B44.
    #[test]
    fn there_is_no_local_time_while_the_clock_is_not_right() {
        let layers = Layers::new();
        assert_eq!(local(&layers, WallTime::Unset, true), None);
        assert_eq!(local(&layers, WallTime::Unix(1_000_000), false), None);
        assert!(local(&layers, WallTime::Unix(1_000_000), true).is_some());
    }
}
