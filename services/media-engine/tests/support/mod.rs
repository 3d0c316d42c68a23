//! A media-engine of its own bus and folder, driven over gRPC as sip-agent does it, and a far end that speaks plain RTP. Everything
//! waits on events (READY, packets, gRPC events) with one generous limit against hanging.

#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use media_engine::codec::{Codec, Decoder, Encoder};
use media_engine::rtp::Header;
use phone_proto::media as wire;
use phone_proto::media::event::Kind;
use phone_proto::media::media_client::MediaClient;
use rustix::net::{RecvFlags, SendFlags};
use testbed::open_bus::OpenBus;
use testbed::tones::Recording;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tonic::transport::{Channel, Endpoint};

/// Nothing here takes this long unless it hangs.
pub const LIMIT: Duration = Duration::from_secs(30);
pub const PORT: u16 = 16_000;
/// What the microphone hears, and what the far end says.
pub const OURS: f64 = 440.0;
pub const THEIRS: f64 = 1_000.0;

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// Each test is a process of its own and has loopback addresses of its own: nobody else's ports are in the way.
pub fn host(last: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + last, high, low.clamp(1, 254))
}

/// The folder, the bus and the engine. Ends with all of them.
pub struct Engine {
    pub folder: tempfile::TempDir,
    bus: OpenBus,
    process: Child,
    arguments: Vec<String>,
    pub client: MediaClient<Channel>,
    users: String,
    events: Option<tonic::Streaming<wire::Event>>,
    generation: u64,
}

impl Engine {
    /// With a microphone that hears [`OURS`] and a recording.
    pub async fn talking() -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let feed = folder.path().join("feed.wav");
        testbed::tones::write_tone(&feed, 48_000, OURS, 2).unwrap();
        Engine::start(folder, &["--audio-feed", feed.to_str().unwrap()]).await
    }

    pub async fn start(folder: tempfile::TempDir, arguments: &[&str]) -> Engine {
        let uid = rustix::process::getuid().as_raw();
        let mut engine = Engine::start_as(folder, arguments, &format!("sip-agent={uid},media-engine={uid}")).await;
        engine.subscribe().await;
        engine
    }

    async fn subscribe(&mut self) {
        self.events = Some(self.client.events(wire::EventsRequest {}).await.unwrap().into_inner());
    }

    /// With these uids of the services.
    pub async fn start_as(folder: tempfile::TempDir, arguments: &[&str], users: &str) -> Engine {
        std::fs::create_dir_all(folder.path().join("media-engine")).unwrap();
        let bus = OpenBus::start().unwrap();
        let mut arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        arguments.extend(["--audio-record".to_owned(), folder.path().join("ear.wav").display().to_string()]);
        let process = spawn(folder.path(), bus.address(), &arguments, users).await;
        let client = connect(folder.path()).await;
        Engine { folder, bus, process, arguments, users: users.to_owned(), client, events: None, generation: 0 }
    }

    /// Kills it as hard as can be and starts another one in its place.
    pub async fn kill_and_restart(&mut self) {
        self.process.kill().await.unwrap();
        self.process = spawn(self.folder.path(), self.bus.address(), &self.arguments, &self.users).await;
        self.client = connect(self.folder.path()).await;
        self.subscribe().await;
    }

    pub fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub async fn reconcile(&mut self, sessions: &[wire::Session]) -> wire::ReconcileReply {
        self.state(wire::DesiredState { sessions: sessions.to_vec(), ..Default::default() }).await.unwrap()
    }

    pub async fn state(&mut self, state: wire::DesiredState) -> Result<wire::ReconcileReply, tonic::Status> {
        self.generation += 1;
        let state = wire::DesiredState { generation: self.generation, session_epoch: 4_711, ..state };
        let reply = within("Reconcile", self.client.reconcile(state)).await?;
        Ok(reply.into_inner())
    }

    /// The next event that fits; earlier ones that do not are passed over.
    pub async fn event<T>(&mut self, what: &str, fits: impl Fn(Kind) -> Option<T>) -> T {
        within(what, async {
            loop {
                let event = self.events.as_mut().unwrap().message().await.unwrap().expect("the stream goes on");
                if let Some(found) = event.kind.and_then(&fits) {
                    return found;
                }
            }
        })
        .await
    }

    pub fn record_path(&self) -> PathBuf {
        self.folder.path().join("ear.wav")
    }

    /// What the earpiece has played so far.
    pub fn record(&self) -> Recording {
        Recording::read(&self.record_path()).unwrap()
    }

    pub fn ringer(&self) -> Recording {
        Recording::read(&self.folder.path().join("ear.wav.ringer.wav")).unwrap()
    }

    /// Waits until the recording fits. It grows by 100 ms each time, so looking more often would see nothing new.
    pub async fn recorded(&self, what: &str, fits: impl Fn(&Recording) -> bool) -> Recording {
        self.watch(what, || Some(self.record()).filter(|record| fits(record))).await
    }

    pub async fn rung(&self, what: &str, fits: impl Fn(&Recording) -> bool) -> Recording {
        self.watch(what, || Some(self.ringer()).filter(|record| fits(record))).await
    }

    async fn watch<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        // However long a look takes: whoever listens and the limit need their turn too.
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        within(what, async {
            loop {
                looks.tick().await;
                if let Some(found) = look() {
                    return found;
                }
            }
        })
        .await
    }

    pub async fn property<T>(&self, name: &str) -> T
    where
        T: TryFrom<zbus::OwnedVariant>,
        T::Error: std::fmt::Debug,
    {
        let bus = self.bus.connect().await.unwrap();
        let all = service_kit::bus::properties(
            &bus,
            phone_proto::dbus::MEDIA_NAME,
            phone_proto::dbus::MEDIA_PATH,
            "org.deskphone.Media1",
        );
        all.await.unwrap().remove(name).unwrap().try_into().unwrap()
    }
}

async fn spawn(folder: &Path, bus: &str, arguments: &[String], users: &str) -> Child {
    let notify_path = folder.join("notify");
    let _ = std::fs::remove_file(&notify_path);
    let notify = UnixDatagram::bind(&notify_path).unwrap();
    let process = Command::new(env!("CARGO_BIN_EXE_media-engine"))
        .args(arguments)
        .env("DESKPHONE_BUS", bus)
        .env("DESKPHONE_RUN", folder)
        .env("DESKPHONE_USERS", users)
        .env("NOTIFY_SOCKET", &notify_path)
        .env_remove("WATCHDOG_USEC")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut state = [0; 512];
    within("READY", async {
        loop {
            let length = notify.recv(&mut state).await.unwrap();
            if String::from_utf8_lossy(&state[..length]).contains("READY=1") {
                return;
            }
        }
    })
    .await;
    process
}

async fn connect(folder: &Path) -> MediaClient<Channel> {
    let socket = folder.join("media-engine/media.sock");
    let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
    MediaClient::new(endpoint.connect().await.unwrap())
}

/// A packet that the far end got.
#[derive(Clone, Debug)]
pub struct Packet {
    pub header: Header,
    pub payload: Vec<u8>,
    pub from: SocketAddr,
}

#[derive(Default)]
struct Heard {
    packets: Mutex<Vec<Packet>>,
    more: Notify,
}

/// What the far end says.
#[derive(Clone, Copy, Debug)]
pub struct Speech {
    pub codec: Codec,
    pub payload_type: u8,
    pub ssrc: u32,
    pub hertz: f64,
}

/// The far end: says a tone each 20 ms once told to, keeps what it gets.
pub struct FarEnd {
    socket: Arc<UdpSocket>,
    heard: Arc<Heard>,
    listening: tokio::task::JoinHandle<()>,
    speaking: Option<Speaking>,
    to: SocketAddr,
}

impl FarEnd {
    pub async fn new(last: u8) -> FarEnd {
        FarEnd::at(host(last).into(), SocketAddr::new(IpAddr::V4(host(0)), PORT)).await
    }

    /// At this address, speaking to that one.
    pub async fn at(here: IpAddr, to: SocketAddr) -> FarEnd {
        let socket = Arc::new(UdpSocket::bind((here, 0)).await.unwrap());
        let heard: Arc<Heard> = Arc::default();
        let listening = tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&heard)));
        FarEnd { socket, heard, listening, speaking: None, to }
    }

    pub fn port(&self) -> u32 {
        u32::from(self.socket.local_addr().unwrap().port())
    }

    pub async fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.to).await.unwrap();
    }

    pub fn speak(&mut self, speech: Speech) {
        self.hush();
        self.speaking = Some(Speaking::begin(Arc::clone(&self.socket), self.to, speech));
    }

    pub fn hush(&mut self) {
        if let Some(speaking) = self.speaking.take() {
            speaking.end();
        }
    }

    pub fn packets(&self) -> Vec<Packet> {
        self.heard.packets.lock().unwrap().clone()
    }

    /// What has come so far, also what nobody has read yet: on loopback a packet that was sent has come.
    pub fn forget(&self) {
        let mut bytes = [0; 2_000];
        // The runtime's socket looks at what it last knew of it, and that may be old.
        while rustix::net::recv(&*self.socket, &mut bytes, RecvFlags::DONTWAIT).is_ok() {}
        self.heard.packets.lock().unwrap().clear();
    }

    /// Waits until so many packets have come since the last `forget`.
    pub async fn count(&self, packets: usize) -> Vec<Packet> {
        self.until(&format!("{packets} packets"), |heard| heard.len() >= packets).await
    }

    pub async fn until(&self, what: &str, fits: impl Fn(&[Packet]) -> bool) -> Vec<Packet> {
        within(what, async {
            loop {
                let more = self.heard.more.notified();
                let packets = self.packets();
                if fits(&packets) {
                    return packets;
                }
                more.await;
            }
        })
        .await
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.hush();
        self.listening.abort();
    }
}

async fn listen(socket: Arc<UdpSocket>, heard: Arc<Heard>) {
    let mut bytes = [0; 2_000];
    while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
        if let Some((header, payload)) = Header::parse(&bytes[..length]) {
            let payload = bytes[payload].to_vec();
            heard.packets.lock().unwrap().push(Packet { header, payload, from });
            heard.more.notify_one();
        }
    }
}

/// In a thread of its own, so that nothing that the test looks at delays its packets.
struct Speaking {
    /// Its thread ends when this goes.
    voice: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Speaking {
    fn begin(socket: Arc<UdpSocket>, to: SocketAddr, speech: Speech) -> Speaking {
        let (voice, hushed) = mpsc::channel();
        Speaking { voice, thread: std::thread::spawn(move || speak(&socket, to, speech, &hushed)) }
    }

    fn end(self) {
        drop(self.voice);
        self.thread.join().unwrap();
    }
}

fn speak(socket: &UdpSocket, to: SocketAddr, speech: Speech, hushed: &mpsc::Receiver<()>) {
    let mut encoder = Encoder::new(speech.codec);
    let begun = Instant::now();
    for n in 0u32.. {
        let left = (Duration::from_millis(20) * n).saturating_sub(begun.elapsed());
        if hushed.recv_timeout(left) != Err(mpsc::RecvTimeoutError::Timeout) {
            return;
        }
        let sample = |i: u32| {
            let phase = 2.0 * std::f64::consts::PI * speech.hertz * f64::from(n * 320 + i) / 16_000.0;
            (8_000.0 * phase.sin()) as i16
        };
        let samples: Vec<i16> = (0..320).map(sample).collect();
        let mut packet = Vec::new();
        let header = Header {
            marker: n == 0,
            payload_type: speech.payload_type,
            sequence: u16::try_from(n & 0xffff).unwrap(),
            timestamp: n.wrapping_mul(160),
            ssrc: speech.ssrc,
        };
        header.write(&mut packet);
        encoder.encode(&samples, &mut packet);
        let _ = rustix::net::sendto(socket, &packet, SendFlags::empty(), &to);
    }
}

/// What was said in these packets.
pub fn sound(packets: &[Packet], codec: Codec) -> Recording {
    let mut decoder = Decoder::new(codec);
    let mut samples = Vec::new();
    for packet in packets {
        decoder.decode(&packet.payload, &mut samples);
    }
    Recording::new(samples, 16_000)
}

/// A session in both directions with this codec.
pub fn session(far: &FarEnd, codec: &str, payload_type: u32) -> wire::Session {
    wire::Session {
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAV/1".into(),
        call: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
        local_address: host(0).to_string(),
        local_port: u32::from(PORT),
        remote_address: far.socket.local_addr().unwrap().ip().to_string(),
        remote_port: far.port(),
        remote_rtcp_port: far.port() + 1,
        direction: wire::Direction::Sendrecv.into(),
        codecs: vec![wire::Codec { name: codec.into(), payload_type }],
        telephone_event: 101,
        ssrc: 0x0badcafe,
        ptime_ms: 20,
        dscp: 46,
        jitter_min_ms: 20,
        jitter_nominal_ms: 40,
        jitter_max_ms: 200,
        rtcp_interval: 0,
        hears: vec!["handset".into()],
        heard_by_handset: true,
        digits: Vec::new(),
        dscp_rtcp: 26,
    }
}

pub const PCMU: Speech = Speech { codec: Codec::Pcmu, payload_type: 0, ssrc: 1, hertz: THEIRS };
