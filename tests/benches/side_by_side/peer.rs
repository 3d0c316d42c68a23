//! What the phone is measured against: a program with one line at the lab's registrar.

use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use house_tests::far_exchange::FarExchange;
use house_tests::namespace::PHONE;

use crate::processes::Processes;
use crate::{Figures, STARTS, answers, costs, load, registered_after, resting};

/// A running program; its end is the value's.
pub trait Peer: Sized {
    /// Starts it at the phone's address with what it needs in a folder of its own; with `answers` it takes every call at once.
    fn start(folder: &Path, answers: bool) -> io::Result<Self>;
    /// Its process.
    fn pid(&self) -> u32;
}

/// How much of it can be measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It answers, and that is all.
    Answers,
    /// It registers and is no phone with sound here.
    Registers,
    /// All of it.
    Sound,
}

/// One column.
pub async fn measure<P: Peer>(exchange: &FarExchange, extent: Extent) -> Figures {
    let mut figures = Figures::default();
    let mut running = None;
    for _ in 0..STARTS {
        drop(running.take());
        let folder = tempfile::tempdir().expect("a folder");
        let (seen, begin) = (exchange.counters().registrations, Instant::now());
        let started = P::start(folder.path(), true).expect("the program; its package is in packages.debian");
        if extent != Extent::Answers {
            figures.registered.push(registered_after(exchange, seen, begin).await);
        }
        running = Some((started, folder));
    }
    // It keeps nothing: each start is like the first.
    figures.again.clone_from(&figures.registered);
    let (program, folder) = running.expect("a running program");
    until_bound();
    let processes = Processes::with_descendants(&[program.pid()]);
    answers(&mut figures);
    resting(&mut figures, &processes);
    if extent == Extent::Sound {
        costs(&mut figures, &processes);
    }
    drop((program, folder));
    let folder = tempfile::tempdir().expect("a folder");
    let program = P::start(folder.path(), false).expect("the program");
    until_bound();
    figures.held = Some(load::held(&Processes::with_descendants(&[program.pid()]), extent != Extent::Answers).expect("sipp"));
    figures
}

/// Waits until somebody has the phone's port.
fn until_bound() {
    let begin = Instant::now();
    while UdpSocket::bind((PHONE, 5060)).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(10), "nobody listens at {PHONE}:5060");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
