//! How much one source may ask of us: new requests per second, in a bounded table. What is beyond is dropped without an answer,
//! so that a flood costs little and reaches nobody else: a flood from many addresses fills the table, but not for those whom the
//! phone knows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use agreements::Tick;

/// New requests and broken datagrams per second and source.
const PER_SECOND: u32 = 200;
/// The same for a line's server: more than can be answered, so that it is the network's queue that is full first.
const SERVER_PER_SECOND: u32 = 20_000;
/// Strangers that are counted at a time.
const MOST_SOURCES: usize = 256;
/// The window.
const WINDOW: Duration = Duration::from_secs(1);
/// Calls at a time. Ended ones that wait for their last answers do not count: a far end may make many of one call (forked answers), and
/// the table of transactions bounds them.
pub(crate) const MOST_CALLS: usize = 48;

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// One of the line's servers: everybody's calls come through it.
    Server,
    /// The far end of a call or of a subscription that there is. A flood of others must not cut it off.
    Known,
    /// Anybody else.
    Stranger,
}

/// See the file.
#[derive(Default)]
pub(crate) struct SourceLimits {
    windows: BTreeMap<IpAddr, (Tick, u32)>,
}

impl SourceLimits {
    /// Counts one; false: too many. The known are few: a line's servers, and as many far ends as there are calls.
    pub(crate) fn admit(&mut self, source: IpAddr, standing: Standing, now: Tick) -> bool {
        if self.windows.len() >= MOST_SOURCES && !self.windows.contains_key(&source) {
            self.windows.retain(|_, (begin, _)| now.since(*begin) < WINDOW);
            if self.windows.len() >= MOST_SOURCES && standing == Standing::Stranger {
                return false;
            }
        }
        let (begin, count) = self.windows.entry(source).or_insert((now, 0));
        if now.since(*begin) >= WINDOW {
            (*begin, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let most = match standing {
            Standing::Server => SERVER_PER_SECOND,
            Standing::Known | Standing::Stranger => PER_SECOND,
        };
        *count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_cut_off_and_others_are_not_until_the_next_second() {
        let mut limits = SourceLimits::default();
        let flooder: IpAddr = "192.0.2.66".parse().unwrap();
        let admitted = (0..1000).filter(|_| limits.admit(flooder, Standing::Stranger, Tick(0))).count();
        assert_eq!(admitted, 200);
        assert!(limits.admit("192.0.2.1".parse().unwrap(), Standing::Stranger, Tick(0)));
        assert!(limits.admit(flooder, Standing::Stranger, Tick(0) + WINDOW));
    }

    #[test]
    fn the_table_of_sources_is_bounded() {
        let mut limits = SourceLimits::default();
        for number in 0..10_000u32 {
            limits.admit(IpAddr::V4(number.into()), Standing::Stranger, Tick(0));
        }
        assert_eq!(limits.windows.len(), MOST_SOURCES);
        let server: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(!limits.admit(server, Standing::Stranger, Tick(0)) && limits.admit(server, Standing::Known, Tick(0)));
    }
}
