//! How much signalling a phone takes before it falls behind.

use std::io;

use crate::processes::Processes;
use crate::sipp;

/// Attempts per second; the first rate that is not held ends it.
const RATES: [u32; 10] = [20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240];
/// How long each rate lasts.
const SECONDS: u32 = 3;
/// OPTIONS per second.
const OPTIONS: u32 = 10_000;
/// A machine that falls short of a rate by more than this does not tell anything about it.
const SHORT_BY_AT_MOST: f64 = 0.1;

/// What was held.
pub struct Held {
    /// Attempts per second without a single retransmission or failure.
    pub attempts: u32,
    /// Percent of these that rang; the others were refused as busy.
    pub rang: f64,
    /// Percent of the OPTIONS answered.
    pub options_answered: f64,
    /// PSS after all of it less that before, in KiB.
    pub grown_kib: i64,
}

/// Sends both loads to a phone that does not answer calls by itself.
pub fn held(processes: &Processes) -> io::Result<Held> {
    let folder = tempfile::tempdir()?;
    let pss = || i64::try_from(processes.pss_kib()).unwrap_or_default();
    let before = pss();
    let (mut attempts, mut rang) = (0, 0.0);
    for rate in RATES {
        let outcome = sipp::attempts(folder.path(), rate, SECONDS)?;
        let at_the_rate = outcome.begun as f64 / outcome.took.as_secs_f64() >= f64::from(rate) * (1.0 - SHORT_BY_AT_MOST);
        if outcome.retransmissions > 0 || outcome.succeeded < outcome.begun || !at_the_rate {
            println!(
                "  {rate} attempts/s not held: {} of {} succeeded, {} retransmissions, {:.1} s",
                outcome.succeeded,
                outcome.begun,
                outcome.retransmissions,
                outcome.took.as_secs_f64()
            );
            break;
        }
        (attempts, rang) = (rate, outcome.rang as f64 / outcome.begun as f64 * 100.0);
    }
    let outcome = sipp::options(folder.path(), OPTIONS, SECONDS)?;
    let options_answered = outcome.succeeded as f64 / outcome.begun as f64 * 100.0;
    Ok(Held { attempts, rang, options_answered, grown_kib: pss() - before })
}
