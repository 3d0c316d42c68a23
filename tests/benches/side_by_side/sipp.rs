//! sipp as the caller of many calls, and as the far end that does nothing but answer: no phone can be faster than that.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use house_tests::namespace::{FAR, PHONE};
use house_tests::programs::lab;
use house_tests::registrar::PHONE_ACCOUNT;

use crate::peer::Peer;
use crate::{address, phone};

/// A script of `lab/sipp/`.
const ATTEMPT: &str = "sipp/attempt.xml";
const RINGING: &str = "sipp/ringing.xml";
const OPTIONS: &str = "sipp/options.xml";

/// A sipp that takes calls; killed when dropped.
pub struct AnsweringSipp {
    child: Child,
}

impl Peer for AnsweringSipp {
    fn start(folder: &Path, answers: bool) -> io::Result<AnsweringSipp> {
        let log = File::create(folder.join("sipp.log"))?;
        let mut command = at(address(PHONE), 5060);
        if answers {
            command.args(["-sn", "uas"]);
        } else {
            command.arg("-sf").arg(lab(RINGING));
        }
        Ok(AnsweringSipp { child: command.stdout(log.try_clone()?).stderr(log).spawn()? })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for AnsweringSipp {
    fn drop(&mut self) {
        // It has ended already when these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What became of requests that were sent at an even rate.
pub struct Outcome {
    /// Begun.
    pub begun: u64,
    /// That went as the script says to their end.
    pub succeeded: u64,
    /// Calls that rang; the others were refused with 486.
    pub rang: u64,
    /// Messages that had to be sent again because nothing came back for half a second (T1).
    pub retransmissions: u64,
    /// From the first to the end of the last.
    pub took: Duration,
}

/// Calls that are given up as soon as they ring: INVITE, 180, CANCEL, 487, ACK; 486 is an answer too.
pub fn attempts(folder: &Path, rate: u32, seconds: u32) -> io::Result<Outcome> {
    run(folder, ATTEMPT, rate, seconds)
}

/// OPTIONS, each sent once.
pub fn options(folder: &Path, rate: u32, seconds: u32) -> io::Result<Outcome> {
    run(folder, OPTIONS, rate, seconds)
}

fn run(folder: &Path, script: &str, rate: u32, seconds: u32) -> io::Result<Outcome> {
    let figures = folder.join("figures.csv");
    let log = File::create(folder.join("caller.log"))?;
    let mut command = at(address(FAR), 0);
    command.arg(phone().to_string()).args(["-s", PHONE_ACCOUNT.0]).arg("-sf").arg(lab(script));
    command.args(["-r", &rate.to_string(), "-m", &(rate * seconds).to_string(), "-l", &(rate * seconds).to_string()]);
    command.args(["-timeout", &(seconds + 5).to_string(), "-trace_stat", "-stf"]).arg(&figures);
    // Its status tells only whether all calls succeeded: so does the file.
    let begin = Instant::now();
    command.stdout(log.try_clone()?).stderr(log).status()?;
    outcome(&fs::read_to_string(figures)?, begin.elapsed())
}

fn at(address: IpAddr, port: u16) -> Command {
    let mut command = Command::new("sipp");
    command
        .args(["-i", &address.to_string(), "-mi", &address.to_string(), "-nostdin", "-buff_size", "4000000"])
        .stdin(Stdio::null());
    if port != 0 {
        command.args(["-p", &port.to_string()]);
    }
    command
}

/// The last line of sipp's statistics holds the sums, under the names of the first line.
fn outcome(statistics: &str, took: Duration) -> io::Result<Outcome> {
    let mut lines = statistics.lines();
    let names = lines.next().unwrap_or_default();
    let values: Vec<&str> = lines.next_back().unwrap_or_default().split(';').collect();
    let figure = |name: &str| {
        let column = names.split(';').position(|other| other == name);
        let value = column.and_then(|column| values.get(column)?.parse().ok());
        value.ok_or_else(|| io::Error::other(format!("sipp's statistics have no {name}")))
    };
    Ok(Outcome {
        begun: figure("TotalCallCreated")?,
        succeeded: figure("SuccessfulCall(C)")?,
        // Of the attempts alone.
        rang: figure("rang(C)").unwrap_or_default(),
        retransmissions: figure("Retransmissions(C)")?,
        took,
    })
}
