//! Logs: stderr, one line each, `time LEVEL service target: message field=value ...`. Field names are fixed for all services:
//! `call`, `line`, `revision`, `peer`, `message`, `correlation`. What came from outside cannot break a line or colour a
//! terminal, because control characters are written as escapes here, in one place.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// A longer line is cut: one hostile message must not fill the journal.
const LONGEST_LINE: usize = 4_000;

/// Starts logging for this process with the filter of `DESKPHONE_LOG` (default `info`). A second call does nothing.
pub fn init(service: &'static str) {
    let filter = std::env::var("DESKPHONE_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(OneLine { service })
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

struct OneLine {
    service: &'static str,
}

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut out)?;
        write!(out, " {:5} {} {}: ", event.metadata().level(), self.service, event.metadata().target())?;
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        writeln!(out, "{}", escaped(&text))
    }
}

fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if line.len() >= LONGEST_LINE {
            line.push_str("...");
            break;
        }
        if character.is_control() { line.extend(character.escape_default()) } else { line.push(character) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_LINE, escaped};

    #[test]
    fn a_message_from_outside_stays_on_its_line() {
        assert_eq!(escaped("INVITE\r\n\u{1b}[31mred"), "INVITE\\r\\n\\u{1b}[31mred");
    }

    #[test]
    fn a_line_is_bounded() {
        assert!(escaped(&"x".repeat(100_000)).len() <= LONGEST_LINE + 3);
    }
}
