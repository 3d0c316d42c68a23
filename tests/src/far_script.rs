//! sipp: a far end that follows a script of `lab/sipp/` to the letter and says whether the phone did too.

use std::fs::File;
use std::process::Child;
use std::time::Duration;

use crate::namespace::{FAR, Namespace, PHONE};
use crate::registrar::PHONE_ACCOUNT;
use crate::{LIMIT, programs};

/// The port of the script's SIP.
pub const SCRIPT_PORT: u16 = 5060;
/// What it plays where the script says so.
pub const SCRIPT_TONE: f64 = 660.0;

/// What a script and all that the phone does in it may take: the longest pause of a script, and [`LIMIT`] on each side.
const LONGEST: Duration = Duration::from_secs(90);

/// A running sipp; ends with this value.
pub struct FarScript {
    child: Child,
    folder: tempfile::TempDir,
}

impl FarScript {
    /// Follows `lab/sipp/NAME.xml` once, at [`FAR`]. A script that begins with a request begins at once, to the phone's first line.
    pub fn start(namespace: &Namespace, name: &str) -> FarScript {
        FarScript::start_at(namespace, (FAR, SCRIPT_PORT), name)
    }

    /// The same at another address and port.
    pub fn start_at(namespace: &Namespace, at: (&str, u16), name: &str) -> FarScript {
        FarScript::start_with(namespace, at, name, SCRIPT_TONE)
    }

    /// The same with another tone.
    pub fn start_with(namespace: &Namespace, (address, port): (&str, u16), name: &str, hertz: f64) -> FarScript {
        let folder = tempfile::tempdir().expect("a folder");
        let tone = folder.path().join("tone.pcmu");
        std::fs::write(&tone, pcmu_tone(hertz)).expect("its tone");
        let scenario = folder.path().join("scenario.xml");
        let text = programs::filled(&format!("sipp/{name}.xml"), &[("TONE", &tone.display().to_string())]);
        std::fs::write(&scenario, text).expect("its script");
        let log = File::create(folder.path().join("log")).expect("its log");
        let limit = LONGEST.as_secs().to_string();
        let child = namespace
            .command("sipp")
            .arg(format!("{PHONE}:5060"))
            .args(["-s", PHONE_ACCOUNT.0, "-i", address, "-mi", address, "-p", &port.to_string(), "-m", "1", "-l", "1", "-nostdin"])
            .args(["-timeout", &limit, "-timeout_error", "-trace_err", "-error_file"])
            .arg(folder.path().join("errors"))
            .arg("-sf")
            .arg(&scenario)
            .stdout(log.try_clone().expect("its log"))
            .stderr(log)
            .spawn()
            .expect("sipp, of the package sip-tester");
        FarScript { child, folder }
    }

    /// Waits until the script is over; it must have gone as written.
    pub async fn went_as_written(mut self) {
        let mut tick = crate::looks(Duration::from_millis(20));
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("sipp") {
                    return status;
                }
                tick.tick().await;
            }
        };
        let ended = tokio::time::timeout(LONGEST + LIMIT, ended).await;
        assert!(ended.as_ref().is_ok_and(std::process::ExitStatus::success), "sipp: {ended:?}\n{}", self.log());
    }

    /// What it said.
    pub fn log(&self) -> String {
        ["errors", "log"].map(|name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()).concat()
    }
}

impl Drop for FarScript {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One second of a sine in PCMU, at 8 kHz.
fn pcmu_tone(hertz: f64) -> Vec<u8> {
    let sample = |at: u32| (f64::from(at) / 8000.0 * hertz * std::f64::consts::TAU).sin() * 8000.0;
    (0..8000).map(|at| pcmu(sample(at))).collect()
}

/// ITU-T G.711, mu-law: sign, segment and place in the segment, all inverted.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn pcmu(sample: f64) -> u8 {
    let biased = sample.abs().min(32_635.0) as u16 + 132;
    let segment = 8 - biased.leading_zeros() as u8;
    let place = (biased >> (segment + 3) & 0xf) as u8;
    let sign = if sample < 0.0 { 0x80 } else { 0 };
    !(sign | segment << 4 | place)
}

#[cfg(test)]
mod tests {
    use super::pcmu;

    /// Its ends, its middle, and both sides of a border of segments, from the tables of G.711 (whose scale is a quarter of ours).
    #[test]
    fn samples_become_what_the_tables_say() {
        assert_eq!([0.0, 32_124.0, -32_124.0, 8316.0, 7932.0, -8316.0].map(pcmu), [0xff, 0x80, 0x00, 0x9f, 0xa0, 0x1f]);
    }
}
