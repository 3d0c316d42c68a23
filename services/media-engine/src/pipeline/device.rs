//! The one permanent pipeline of the sound device. Its source makes a block every 20 ms by the sound card's clock; each block drives
//! the mixer once. It plays while something needs it and rests in READY otherwise, when no thread of it runs (architecture 5).
//! Where there is no device, the simulated handset (handset.rs) stands in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::handset::Handset;
use super::pads::{self, Taken};
use super::{PipelineError, plugins, watch};
use crate::lock;
use crate::sound::feed::Feed;
use crate::sound::mixer::{Mixer, Report, Reports};
use crate::sound::{BLOCK, BLOCK_NS, Block, RATE, Sum, add, clip};

/// What waits for the loudspeaker at most: 80 ms. By its size, for the blocks carry no time.
const SPEAKER_BYTES: usize = 4 * BLOCK * size_of::<i16>();

/// What the engine plays on.
pub enum Sound {
    /// A sound card, if there is one.
    Card,
    /// A handset that is not there.
    Simulated {
        /// Its microphone.
        feed: Feed,
        /// What its earpiece plays goes there.
        record: Option<PathBuf>,
    },
}

/// The device.
pub struct Device {
    name: &'static str,
    way: Way,
}

/// What plays the sound.
enum Way {
    Driven(Driven),
    Simulated(Handset),
}

/// A sound card in its pipeline.
struct Driven {
    pipeline: gst::Pipeline,
    _taking: gst::Pad,
}

/// A sound card's way into GStreamer.
struct Driver {
    name: &'static str,
    plugin: &'static str,
    source: &'static str,
    sink: &'static str,
    /// Without this path there is no such card, and trying only makes noise in the log.
    exists: fn() -> bool,
}

const DRIVERS: [Driver; 2] = [
    Driver { name: "pipewire", plugin: "pipewire", source: "pipewiresrc", sink: "pipewiresink", exists: pipewire_runs },
    Driver {
        name: "alsa",
        plugin: "alsa",
        source: "alsasrc buffer-time=80000 latency-time=20000",
        sink: "alsasink buffer-time=80000 latency-time=20000",
        exists: || std::path::Path::new("/dev/snd").exists(),
    },
];

fn pipewire_runs() -> bool {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    folder.is_some_and(|folder| folder.join("pipewire-0").exists())
}

impl Device {
    /// Builds the pipeline and lets it rest.
    ///
    /// # Errors
    /// GStreamer cannot, or the recording's file cannot be had. That there is no sound card is no error.
    pub fn open(sound: Sound, mixer: Arc<Mutex<Mixer>>, reports: &Reports) -> Result<Device, PipelineError> {
        match sound {
            Sound::Simulated { feed, record } => Device::simulated(feed, record, mixer),
            Sound::Card => Device::card(mixer, reports),
        }
    }

    fn card(mixer: Arc<Mutex<Mixer>>, reports: &Reports) -> Result<Device, PipelineError> {
        for driver in DRIVERS.iter().filter(|driver| (driver.exists)()) {
            match Driven::open(driver, &mixer, reports) {
                Ok(driven) => return Ok(Device { name: driver.name, way: Way::Driven(driven) }),
                Err(error) => tracing::info!(driver = driver.name, %error, "no sound by this driver"),
            }
        }
        tracing::warn!("there is no sound card: silence is spoken, and what is heard goes nowhere (--audio-feed, --audio-record)");
        Device::simulated(Feed::Silence, None, mixer)
    }

    fn simulated(feed: Feed, record: Option<PathBuf>, mixer: Arc<Mutex<Mixer>>) -> Result<Device, PipelineError> {
        Ok(Device { name: feed.name(), way: Way::Simulated(Handset::new(feed, record.as_deref(), mixer)?) })
    }

    /// Plays, or rests.
    ///
    /// # Errors
    /// The device refuses.
    pub fn play(&mut self, plays: bool) -> Result<(), PipelineError> {
        match &mut self.way {
            Way::Driven(driven) => driven.play(plays),
            Way::Simulated(handset) => handset.play(plays),
        }
    }

    /// The simulated microphone begins its file anew.
    pub fn restart_feed(&self) {
        if let Way::Simulated(handset) = &self.way {
            handset.restart_feed();
        }
    }

    /// What plays the sound, for the bus.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl Driven {
    fn open(driver: &Driver, mixer: &Arc<Mutex<Mixer>>, reports: &Reports) -> Result<Driven, PipelineError> {
        plugins::load(driver.plugin)?;
        let driven = Driven::around(driver.source, driver.sink, mixer)?;
        let reports = reports.clone();
        watch(&driven.pipeline, move |error| {
            // When even the report is lost, the log still says it.
            tracing::error!(error, "the sound device");
            let _ = reports.try_send(Report::DeviceFailed(error));
        });
        // Whether there is a card shows when it is opened.
        driven.pipeline.set_state(gst::State::Ready)?;
        Ok(driven)
    }

    /// A pipeline from a source to the mixer and from the mixer to a sink.
    fn around(source: &str, sink: &str, mixer: &Arc<Mutex<Mixer>>) -> Result<Driven, PipelineError> {
        for plugin in ["coreelements", "audioconvert", "audioresample"] {
            plugins::load(plugin)?;
        }
        // The echo canceller wants its probe before the loudspeaker, and refuses to start without it. It looks for it by name in the
        // whole process, where a pipeline that did not start has been before.
        static TURN: AtomicU32 = AtomicU32::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let (canceller, probe) = if plugins::load("webrtcdsp").is_ok() {
            (format!("webrtcdsp probe=probe-{turn} !"), format!("webrtcechoprobe name=probe-{turn} !"))
        } else {
            (String::new(), String::new())
        };
        let format = format!("audio/x-raw,format=S16LE,layout=interleaved,rate={RATE},channels=1");
        let description = format!(
            "{source} ! audioconvert ! audioresample ! {format} ! {canceller} identity name=microphone \
             queue name=speaker leaky=downstream max-size-bytes={SPEAKER_BYTES} max-size-buffers=0 max-size-time=0 \
             ! audioconvert ! audioresample ! {probe} audioconvert ! {sink} sync=false"
        );
        let pipeline = gst::parse::launch(&description)?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| PipelineError::Failed("no pipeline".into()))?;
        let pad = |element: &str, pad: &str| {
            let pad = pipeline.by_name(element).and_then(|element| element.static_pad(pad));
            pad.ok_or_else(|| PipelineError::Failed(format!("the device has no {element}")))
        };
        let format: gst::Caps = format.parse()?;
        let speaker = pads::feeding(&pad("speaker", "sink")?, &format)?;
        let card = Arc::new(Mutex::new(Card { speaker, unused: Vec::with_capacity(2 * BLOCK), mixer: Arc::clone(mixer) }));
        let clock = pipeline.downgrade();
        let taking = pads::taking(&pad("microphone", "src")?, move |taken| {
            if let (Taken::Buffer(buffer), Some(pipeline)) = (taken, clock.upgrade()) {
                lock(&card).capture(&buffer, block_time(&pipeline, &buffer));
            }
        })?;
        Ok(Driven { pipeline, _taking: taking })
    }

    fn play(&self, plays: bool) -> Result<(), PipelineError> {
        self.pipeline.set_state(if plays { gst::State::Playing } else { gst::State::Ready })?;
        Ok(())
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // The process ends, or opens another one.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// When the block belongs, by the clock that all pipelines share.
fn block_time(pipeline: &gst::Pipeline, buffer: &gst::Buffer) -> u64 {
    let base = pipeline.base_time().map_or(0, gst::ClockTime::nseconds);
    base.saturating_add(buffer.pts().map_or(0, gst::ClockTime::nseconds))
}

/// A real handset.
struct Card {
    speaker: gst::Pad,
    /// Captured samples that do not make a block yet.
    unused: Vec<i16>,
    mixer: Arc<Mutex<Mixer>>,
}

impl Card {
    fn capture(&mut self, buffer: &gst::Buffer, mut time: u64) {
        let Ok(map) = buffer.map_readable() else { return };
        let pairs = map.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
        self.unused.extend(pairs.map(i16::from_le_bytes));
        while self.unused.len() >= BLOCK {
            let mut microphone: Block = [0; BLOCK];
            for (place, sample) in microphone.iter_mut().zip(self.unused.drain(..BLOCK)) {
                *place = sample;
            }
            let played = lock(&self.mixer).block(time, service_kit::clock::now(), |_| microphone);
            time = time.saturating_add(BLOCK_NS);
            self.play(&played.ear, played.ringer.as_ref());
        }
    }

    /// One loudspeaker has to do for the earpiece and the ringer.
    fn play(&self, ear: &Block, ringer: Option<&Block>) {
        let mut sum: Sum = [0; BLOCK];
        add(&mut sum, ear);
        if let Some(ringer) = ringer {
            add(&mut sum, ringer);
        }
        let bytes: Vec<u8> = clip(&sum).iter().flat_map(|sample| sample.to_le_bytes()).collect();
        // A device that is going down takes nothing any more.
        let _ = self.speaker.push(gst::Buffer::from_slice(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::time::Duration;

    use super::*;
    use crate::codec::Codec;
    use crate::rtp::outgoing::Agreed;
    use crate::rtp::reception::Reception;
    use crate::sound::mixer::{Endpoint, Incoming, Part, Voice, Wire};
    use crate::sound::playout::Playout;

    struct Channel(SyncSender<usize>);

    impl Wire for Channel {
        fn rtp(&mut self, packet: &[u8]) {
            let _ = self.0.try_send(packet.len());
        }
        fn rtcp(&mut self, _: &[u8]) {}
    }

    /// A sound card whose driver is a stand-in: 48 kHz in stereo, in pieces that are no blocks. What is captured is sent as
    /// packets, what the mixer plays arrives at the loudspeaker, and after a rest it goes on.
    #[test]
    fn a_sound_card_drives_the_mixer_in_blocks() {
        plugins::start().unwrap();
        plugins::load("audiotestsrc").unwrap();
        let (reports, _) = tokio::sync::mpsc::channel(8);
        let mixer = Arc::new(Mutex::new(Mixer::new(reports)));
        let source = "audiotestsrc is-live=true samplesperbuffer=700 ! audio/x-raw,rate=48000,channels=2";
        let device = Driven::around(source, "fakesink name=loudspeaker async=false", &mixer).unwrap();
        let (packets, sent) = sync_channel(1_000);
        let agreed =
            Agreed { session_epoch: 1, ssrc: 1, codec: Codec::Pcmu, payload_type: 0, telephone_event: None, packet_ms: 20 };
        let part = Part {
            agreed: Some(agreed),
            send: true,
            receive: false,
            hears: vec![Endpoint::Handset],
            heard_by_handset: true,
            rtcp_interval: None,
        };
        let incoming = Incoming { reception: Reception::default(), last_report: None, round_trip_us: None };
        let playout = Arc::new(Mutex::new(Playout::new(0)));
        let voice = Voice::new("s".into(), part, playout, Arc::new(Mutex::new(incoming)), Box::new(Channel(packets)));
        lock(&mixer).enter(voice);
        let loudspeaker = device.pipeline.by_name("loudspeaker").unwrap();
        for _ in 0..2 {
            device.play(true).unwrap();
            for _ in 0..25 {
                assert_eq!(sent.recv_timeout(Duration::from_secs(20)), Ok(172));
            }
            let played = loudspeaker.property::<gst::Structure>("stats").get::<u64>("rendered").unwrap();
            assert!(played > 0, "nothing was played");
            device.play(false).unwrap();
        }
    }

    /// A loudspeaker that stands still for a while is not heard late for the rest of the day.
    #[test]
    fn what_waits_for_the_loudspeaker_is_bounded() {
        plugins::start().unwrap();
        plugins::load("audiotestsrc").unwrap();
        let (reports, _) = tokio::sync::mpsc::channel(8);
        let mixer = Arc::new(Mutex::new(Mixer::new(reports)));
        // A sink that waits for its clock keeps its first buffer until the pipeline plays.
        let device = Driven::around("audiotestsrc is-live=true", "fakesink", &mixer).unwrap();
        device.pipeline.set_state(gst::State::Paused).unwrap();
        let queue = device.pipeline.by_name("speaker").unwrap();
        let feed = queue.static_pad("sink").unwrap().peer().unwrap();
        for _ in 0..100 {
            feed.push(gst::Buffer::from_slice(vec![0; 2 * BLOCK])).unwrap();
            assert!(queue.property::<u32>("current-level-bytes") as usize <= SPEAKER_BYTES);
        }
        assert!(queue.property::<u32>("current-level-bytes") > 0);
    }
}
