//! sip-agent as a process among stand-ins: a private bus, a settings server, a media engine, a board, a supervisor with a
//! descriptor store, and a far end that speaks SIP by hand. Everything waits on events, with one limit.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod board;
pub mod far;
pub mod media;
pub mod settings;
pub mod supervisor;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use testbed::open_bus::OpenBus;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

use board::Board;
use far::Far;
use media::Engine;
use settings::Settings;
use supervisor::Supervisor;

/// What is still not there after this time does not come.
const LIMIT: Duration = Duration::from_secs(20);

pub const PHONE: &str = "/org/deskphone/Sip1";
pub const PHONE_INTERFACE: &str = "org.deskphone.Sip1.Phone";
pub const LINE_1: &str = "/org/deskphone/Sip1/line/1";
pub const LINE_INTERFACE: &str = "org.deskphone.Sip1.Line";
pub const CALL_INTERFACE: &str = "org.deskphone.Sip1.Call";
const NAME: &str = "org.deskphone.Sip1";

/// Waits for what must come.
pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, coming).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: waited in vain"),
    }
}

/// A gRPC server that can be killed with all its connections.
pub struct Served {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Served {
    pub fn new<S>(socket: &Path, service: S) -> Served
    where
        S: tonic::codegen::Service<
                tonic::codegen::http::Request<tonic::body::Body>,
                Response = tonic::codegen::http::Response<tonic::body::Body>,
                Error = std::convert::Infallible,
            > + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let _ = std::fs::remove_file(socket);
        let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let incoming =
                    tokio_stream::wrappers::UnixListenerStream::new(tokio::net::UnixListener::from_std(listener).unwrap());
                let serving = tonic::transport::Server::builder().serve_with_incoming(service, incoming);
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Served { stop, thread }
    }

    /// The listener and every connection are closed when this returns.
    pub fn kill(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

/// Everything around sip-agent, and sip-agent.
pub struct House {
    pub bus: Connection,
    pub far: Far,
    pub media: Engine,
    pub board: Board,
    pub settings: Settings,
    pub agent: Supervisor,
    pub folder: TempDir,
    _daemon: OpenBus,
}

impl House {
    /// Line 1 is configured for the far end; sip-agent runs.
    pub async fn new() -> House {
        House::with(&[]).await
    }

    /// With further settings.
    pub async fn with(rows: &[(&str, &str)]) -> House {
        House::at(("127.0.0.1", "127.0.0.2"), rows).await
    }

    /// The phone and the far end at these addresses.
    pub async fn at((phone, far): (&str, &str), rows: &[(&str, &str)]) -> House {
        let folder = tempfile::tempdir().unwrap();
        for service in ["provisioning-agent", "media-engine"] {
            std::fs::create_dir(folder.path().join(service)).unwrap();
        }
        let daemon = OpenBus::start().unwrap();
        let bus = soon("the bus", daemon.connect()).await.unwrap();
        let far = Far::new(far.parse().unwrap(), phone.parse().unwrap()).await;
        let settings = Settings::new(folder.path(), far.settings(rows));
        let media = Engine::new(folder.path());
        let board = Board::new(&soon("the bus", daemon.connect()).await.unwrap(), phone).await;
        let agent = Supervisor::start(folder.path(), daemon.address());
        House { bus, far, media, board, settings, agent, folder, _daemon: daemon }
    }

    /// Until line 1 is registered.
    pub async fn registered() -> House {
        let mut house = House::new().await;
        house.far.register().await;
        house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
        house
    }

    /// One property, as text.
    pub async fn property(&self, path: &str, interface: &str, name: &str) -> Option<String> {
        let values = self.properties(path, interface).await?;
        Some(text(values.get(name)?))
    }

    pub async fn properties(&self, path: &str, interface: &str) -> Option<HashMap<String, OwnedVariant>> {
        let properties = Some("org.freedesktop.DBus.Properties");
        let reply = self.bus.call_method(Some(NAME), path, properties, "GetAll", &interface).await.ok()?;
        reply.body().deserialize().ok()
    }

    /// Until the property has this value; looks again at every signal of sip-agent.
    pub async fn wait(&self, path: &str, interface: &str, name: &str, value: &str) {
        let what = format!("{path} {name}={value}");
        let mut signals = self.signals().await;
        soon(&what, async {
            while self.property(path, interface, name).await.as_deref() != Some(value) {
                signals.next().await;
            }
        })
        .await;
    }

    /// Everything that sip-agent, in any life, says or becomes.
    pub async fn signals(&self) -> impl futures_util::Stream<Item = zbus::Message> + Unpin {
        let rule =
            |sender: &'static str| zbus::MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(sender).build().unwrap();
        let most = std::num::NonZero::new(256);
        let ours = zbus::MessageStream::for_match_rule(rule(NAME), &self.bus, most).await.unwrap();
        let owners = zbus::MessageStream::for_match_rule(rule("org.freedesktop.DBus"), &self.bus, most).await.unwrap();
        futures_util::stream::select(ours, owners).filter_map(|message| std::future::ready(message.ok()))
    }

    /// The calls that are on the bus.
    pub async fn calls(&self) -> Vec<String> {
        let manager = Some("org.freedesktop.DBus.ObjectManager");
        let reply = self.bus.call_method(Some(NAME), PHONE, manager, "GetManagedObjects", &()).await;
        let Ok(reply) = reply else { return Vec::new() };
        type Objects = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let objects: Objects = reply.body().deserialize().unwrap();
        objects.into_iter().filter(|(_, of)| of.contains_key(CALL_INTERFACE)).map(|(path, _)| path.to_string()).collect()
    }

    /// Until there is one call on the bus.
    pub async fn one_call(&self) -> String {
        let mut signals = self.signals().await;
        soon("a call on the bus", async {
            loop {
                if let [call] = self.calls().await.as_slice() {
                    return call.clone();
                }
                signals.next().await;
            }
        })
        .await
    }

    /// Until there is none.
    pub async fn no_call(&self) {
        let mut signals = self.signals().await;
        soon("no call on the bus", async {
            while !self.calls().await.is_empty() {
                signals.next().await;
            }
        })
        .await;
    }

    /// Calls a method without arguments but the options.
    pub async fn ask(&self, path: &str, interface: &str, method: &str) -> zbus::Result<()> {
        let options: HashMap<&str, Variant<'_>> = HashMap::new();
        self.bus.call_method(Some(NAME), path, Some(interface), method, &(options)).await.map(drop)
    }

    pub async fn dial(&self, number: &str, line: u8) -> zbus::Result<String> {
        let options: HashMap<&str, Variant<'_>> = HashMap::new();
        let reply = self.bus.call_method(Some(NAME), PHONE, Some(PHONE_INTERFACE), "Dial", &(number, line, options)).await?;
        let path: OwnedObjectPath = reply.body().deserialize()?;
        Ok(path.to_string())
    }

    /// A call that talks: INVITE, 180, answer over the bus, ACK. The object's path.
    pub async fn talking(&mut self) -> String {
        self.far.invite().await;
        self.far.expect("SIP/2.0 180").await;
        let call = self.one_call().await;
        self.ask(&call, CALL_INTERFACE, "Answer").await.unwrap();
        let answer = self.far.expect("SIP/2.0 200").await;
        self.far.ack(&answer).await;
        self.wait(&call, CALL_INTERFACE, "State", "talking").await;
        self.far.pending();
        call
    }
}

/// The name of the error of a refused method.
pub fn error_name(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, ..) => name.to_string(),
        other => panic!("not an error of the peer: {other}"),
    }
}

fn text(value: &OwnedVariant) -> String {
    if let Ok(text) = <&str>::try_from(value) {
        return text.to_owned();
    }
    if let Ok(yes) = bool::try_from(value) {
        return yes.to_string();
    }
    if let Ok(list) = <Vec<(u32, String, String)>>::try_from(value.clone()) {
        return list.iter().map(|(number, word, text)| format!("{number} {word} {text}")).collect::<Vec<_>>().join("; ");
    }
    if let Ok(list) = <Vec<String>>::try_from(value.clone()) {
        return list.join("; ");
    }
    if let Ok(list) = <Vec<(String, String)>>::try_from(value.clone()) {
        return list.iter().map(|(word, text)| format!("{word} {text}")).collect::<Vec<_>>().join("; ");
    }
    let number = u64::try_from(value).or_else(|_| u32::try_from(value).map(u64::from));
    let number = number.or_else(|_| u16::try_from(value).map(u64::from)).or_else(|_| u8::try_from(value).map(u64::from));
    number.unwrap().to_string()
}
