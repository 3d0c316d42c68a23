//! What a name server has been silent about. Some of those in routers drop questions of kinds that they do not know (SRV, AAAA) and
//! answer the others: each look-up would wait for the whole patience, and each call with it. So such a silence is remembered for a
//! while. That of the addresses themselves is not: a network that is back is to be used at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;

/// How long nothing is asked again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Names and types that are remembered; beyond it nothing more is.
const MOST: usize = 64;

/// Shared by the look-ups of one client.
#[derive(Clone, Default)]
pub struct Silence {
    until: Arc<Mutex<BTreeMap<(String, u16), Instant>>>,
}

impl Silence {
    /// There was no answer, though the name server answers. What is known already is known no longer for that: nobody has asked.
    pub fn note(&self, name: &str, kind: RecordType, now: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, until| *until > now);
        if until.len() < MOST {
            until.entry((name.to_owned(), kind.into())).or_insert(now + REMEMBERED);
        }
    }

    /// Whether it need not be asked now.
    pub fn is_known(&self, name: &str, kind: RecordType, now: Instant) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(&(name.to_owned(), kind.into())).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each look-up within its time tells of it, without having asked.
    #[test]
    fn a_silence_ends_however_often_it_is_told_of() {
        let (silence, now) = (Silence::default(), Instant::now());
        silence.note("a.test", RecordType::SRV, now);
        silence.note("a.test", RecordType::SRV, now + REMEMBERED / 2);
        assert!(!silence.is_known("a.test", RecordType::SRV, now + REMEMBERED));
        silence.note("a.test", RecordType::SRV, now + REMEMBERED);
        assert!(silence.is_known("a.test", RecordType::SRV, now + REMEMBERED));
    }

    #[test]
    fn a_silence_is_known_for_a_minute_and_of_that_type_only() {
        let (silence, now) = (Silence::default(), Instant::now());
        silence.note("a.test", RecordType::SRV, now);
        assert!(silence.is_known("a.test", RecordType::SRV, now) && !silence.is_known("a.test", RecordType::AAAA, now));
        let later = now + REMEMBERED;
        assert!(!silence.is_known("a.test", RecordType::SRV, later));
        (0..2 * MOST).for_each(|number| silence.note(&number.to_string(), RecordType::SRV, later));
        assert_eq!(silence.until.lock().unwrap().len(), MOST);
    }
}
