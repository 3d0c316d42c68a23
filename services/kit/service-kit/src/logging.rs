//! Logs: stderr, one line each, `time LEVEL service target: message field=value ...`. Field names are fixed for all services:
//! `call`, `line`, `revision`, `peer`, `message`, `correlation`. What came from outside cannot break a line or colour a
//! terminal, because control characters are written as escapes here, in one place.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// A longer line is cut: one hostile message must not fill the journal.
const LONGEST_LINE: usize = 4_000;

/// Starts logging for this process with the filter of `DESKPHONE_LOG` (default `info`). A second call does nothing.
pub fn init(service: &'static str) {
    let filter = filter(std::env::var("DESKPHONE_LOG").ok().as_deref());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).event_format(OneLine { service });
    let started = tracing_subscriber::registry().with(lines).with(filter).try_init();
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// A level, or levels of targets: `warn`, `info,sip_agent=debug`. Nothing finer: filters by regular expressions would be a tenth
/// of each service's code in memory.
fn filter(text: Option<&str>) -> Targets {
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO))
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
    use tracing::Level;

    use super::{LONGEST_LINE, escaped, filter};

    #[test]
    fn a_filter_names_a_level_or_targets_and_nonsense_is_info() {
        let named = filter(Some("warn,sip_agent=debug"));
        assert!(named.would_enable("sip_agent::driver", &Level::DEBUG) && !named.would_enable("web_ui", &Level::INFO));
        for text in [None, Some("sip_agent=[loud")] {
            assert!(filter(text).would_enable("web_ui", &Level::INFO) && !filter(text).would_enable("web_ui", &Level::DEBUG));
        }
    }

    #[test]
    fn a_message_from_outside_stays_on_its_line() {
        assert_eq!(escaped("INVITE\r\n\u{1b}[31mred"), "INVITE\\r\\n\\u{1b}[31mred");
    }

    #[test]
    fn a_line_is_bounded() {
        assert!(escaped(&"x".repeat(100_000)).len() <= LONGEST_LINE + 3);
    }
}
