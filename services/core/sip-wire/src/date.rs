//! Date as SIP writes it: RFC 1123, always GMT (RFC 3261 section 20.17). Arithmetic only, no clock.

use crate::Syntax;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_SECONDS: u64 = 86_400;

/// Seconds since 1970-01-01T00:00:00Z. The name of the day is not compared; only years 1970 to 9999 are taken.
pub fn parse_date(text: &str) -> Result<u64, Syntax> {
    let (_, date) = text.split_once(',').ok_or(Syntax("no date"))?;
    let mut words = date.split_ascii_whitespace();
    let mut word = || words.next().ok_or(Syntax("date too short"));
    let (day, month, year, time, zone) = (word()?, word()?, word()?, word()?, word()?);
    if zone != "GMT" || words.next().is_some() {
        return Err(Syntax("date not in GMT"));
    }
    let month = MONTHS.iter().position(|name| *name == month).ok_or(Syntax("no month"))?;
    let days = days_of(number(year, 1970..=9999)?, month, number(day, 1..=31)?)?;
    Ok(days * DAY_SECONDS + seconds_of(time)?)
}

fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Syntax> {
    let number = text.parse().map_err(|_| Syntax("no number in the date"))?;
    if range.contains(&number) { Ok(number) } else { Err(Syntax("date out of range")) }
}

fn seconds_of(time: &str) -> Result<u64, Syntax> {
    let mut parts = time.splitn(3, ':');
    let mut part = |most| number(parts.next().unwrap_or_default(), 0..=most);
    Ok(part(23)? * 3600 + part(59)? * 60 + part(60)?)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn days_of(year: u64, month: usize, day: u64) -> Result<u64, Syntax> {
    if day > month_days(year, month) {
        return Err(Syntax("no such day"));
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (0..month).map(|month| month_days(year, month)).sum();
    Ok(years + months + day - 1)
}

/// `Sat, 13 Nov 2010 23:29:00 GMT` of seconds since 1970-01-01T00:00:00Z; clamped to the year 9999.
pub fn format_date(seconds: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = seconds.min(LAST);
    let mut days = seconds / DAY_SECONDS;
    let weekday = DAYS.iter().cycle().nth(usize::try_from(days % 7).unwrap_or(0)).copied().unwrap_or("Thu");
    let mut year = 1970;
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 0;
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    let name = MONTHS.get(month).copied().unwrap_or("Jan");
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT", days + 1)
}
