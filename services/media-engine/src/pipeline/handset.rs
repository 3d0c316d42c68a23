//! The simulated handset: a thread that beats every 20 ms, a microphone that is a feed, an earpiece and a ringer that are files.
//! There is no device, so there is no pipeline: nothing would flow in it but silence to be thrown away (proto/decisions/0024).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::PipelineError;
use crate::lock;
use crate::sound::BLOCK_NS;
use crate::sound::feed::Feed;
use crate::sound::mixer::Mixer;
use crate::sound::record::{Recording, ringer_path};

/// A machine that stood still for longer does not make up for it block by block.
const LATEST_NS: u64 = 50 * BLOCK_NS;

/// See the module.
pub struct Handset {
    room: Arc<Mutex<Room>>,
    mixer: Arc<Mutex<Mixer>>,
    beat: Option<Beat>,
}

/// What is said and heard.
struct Room {
    feed: Feed,
    ear: Option<Recording>,
    ringer: Option<Recording>,
}

impl Handset {
    /// At rest.
    ///
    /// # Errors
    /// A recording's file cannot be had.
    pub fn new(feed: Feed, record: Option<&Path>, mixer: Arc<Mutex<Mixer>>) -> Result<Handset, PipelineError> {
        let ear = record.map(Recording::open).transpose()?;
        let ringer = record.map(|path| Recording::open(&ringer_path(path))).transpose()?;
        Ok(Handset { room: Arc::new(Mutex::new(Room { feed, ear, ringer })), mixer, beat: None })
    }

    /// Plays, or rests: then it has no thread.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn play(&mut self, plays: bool) -> Result<(), PipelineError> {
        if plays && self.beat.is_none() {
            let (room, mixer) = (Arc::clone(&self.room), Arc::clone(&self.mixer));
            self.beat = Some(Beat::begin(move |time| lock(&room).block(time, &mixer))?);
        }
        if !plays {
            self.beat = None;
            lock(&self.room).flush();
        }
        Ok(())
    }

    /// The microphone begins its file anew.
    pub fn restart_feed(&self) {
        lock(&self.room).feed.restart();
    }
}

impl Room {
    fn block(&mut self, time: u64, mixer: &Mutex<Mixer>) {
        let played = lock(mixer).block(time, service_kit::clock::now(), |far| self.feed.block(far));
        if let Some(ear) = &mut self.ear {
            ear.block(time, &played.ear);
        }
        if let (Some(ringer), Some(block)) = (&mut self.ringer, &played.ringer) {
            ringer.block(time, block);
        }
    }

    fn flush(&mut self) {
        for recording in [&mut self.ear, &mut self.ringer].into_iter().flatten() {
            recording.flush();
        }
    }
}

/// A thread that calls every 20 ms, with the time by the clock that all pipelines share; it ends with the value.
struct Beat {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Beat {
    fn begin(call: impl FnMut(u64) + Send + 'static) -> Result<Beat, PipelineError> {
        let ended = Arc::new(AtomicBool::new(false));
        let its_end = Arc::clone(&ended);
        let thread = std::thread::Builder::new().name("handset".into()).spawn(move || beat(&its_end, call))?;
        Ok(Beat { ended, thread: Some(thread) })
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in there has been printed already.
            let _ = thread.join();
        }
    }
}

fn beat(ended: &AtomicBool, mut call: impl FnMut(u64)) {
    let clock = gst::SystemClock::obtain();
    let now = || clock.time().nseconds();
    let mut due = now();
    while !ended.load(Ordering::Acquire) {
        match due.checked_sub(now()) {
            None | Some(0) => {
                call(due);
                due = next(due, now());
            }
            // It may come back early; then it waits again.
            Some(left) => std::thread::park_timeout(Duration::from_nanos(left)),
        }
    }
}

/// The beat after the one at `due`.
fn next(due: u64, now: u64) -> u64 {
    let next = due.saturating_add(BLOCK_NS);
    if now > next.saturating_add(LATEST_NS) { now } else { next }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn beats_are_twenty_milliseconds_apart_and_end_with_the_value() {
        let (heard, beats) = channel();
        let beat = Beat::begin(move |time| heard.send(time).unwrap()).unwrap();
        let times: Vec<u64> = beats.iter().take(5).collect();
        assert!(times.windows(2).all(|pair| (pair[1] - pair[0]).is_multiple_of(BLOCK_NS)), "{times:?}");
        drop(beat);
        // The sender has gone with the thread.
        beats.iter().for_each(drop);
    }

    #[test]
    fn a_late_machine_makes_up_for_what_it_missed_but_not_for_a_long_standstill() {
        assert_eq!(next(100 * BLOCK_NS, 100 * BLOCK_NS + 5), 101 * BLOCK_NS);
        assert_eq!(next(100 * BLOCK_NS, 110 * BLOCK_NS), 101 * BLOCK_NS);
        assert_eq!(next(100 * BLOCK_NS, 200 * BLOCK_NS + 5), 200 * BLOCK_NS + 5);
    }
}
