//! What the peers publish on the bus, turned into facts for phone-view: subscribe, then fetch, then apply what came meanwhile, in
//! order. One task per peer; it decides nothing and keeps nothing.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use phone_proto::dbus;
use phone_view::{Fact, Objects, Peer, Properties, Value};
use service_kit::backoff::Backoff;
use service_kit::bus::{PeerEvent, Peers};
use tokio::sync::{Notify, mpsc};
use zbus::fdo::ManagedObjects;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

/// Signals kept while a fetch is under way; more than that and it begins again.
const MOST_KEPT: usize = 256;

/// The peers whose facts the pages show.
pub const FOLLOWED: [Peer; 3] = [Peer::Sip, Peer::Hal, Peer::Settings];

/// Where a peer's facts are.
struct Source {
    name: &'static str,
    path: &'static str,
    interface: &'static str,
    /// The path is an ObjectManager.
    manages: bool,
}

fn source(peer: Peer) -> Source {
    let (name, path, interface, manages) = match peer {
        Peer::Sip => (dbus::SIP_NAME, dbus::SIP_PATH, "org.deskphone.Sip1.Phone", true),
        Peer::Hal => (dbus::HAL_NAME, dbus::HAL_PATH, dbus::HAL_NAME, false),
        Peer::Settings => (dbus::SETTINGS_NAME, dbus::SETTINGS_PATH, dbus::SETTINGS_NAME, false),
        Peer::Media => (dbus::MEDIA_NAME, dbus::MEDIA_PATH, dbus::MEDIA_NAME, false),
    };
    Source { name, path, interface, manages }
}

/// Follows one peer until the bus or the receiver is gone. `again` makes it fetch everything again.
///
/// # Errors
/// The bus is gone or refuses the match rules.
pub async fn follow(connection: Connection, peer: Peer, facts: mpsc::Sender<Fact>, again: Arc<Notify>) -> zbus::Result<()> {
    let mut follower = Follower::watch(connection, peer, again).await?;
    while let Some(news) = follower.next().await {
        for fact in news {
            if facts.send(fact).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// One peer, as it comes and goes.
struct Follower {
    connection: Connection,
    peer: Peer,
    source: Source,
    signals: MessageStream,
    peers: Peers,
    again: Arc<Notify>,
    backoff: Backoff,
    up: bool,
    /// Everything is to be fetched.
    wanted: bool,
}

impl Follower {
    async fn watch(connection: Connection, peer: Peer, again: Arc<Notify>) -> zbus::Result<Follower> {
        let source = source(peer);
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(source.name).path_namespace(source.path).build()?;
        let signals = MessageStream::for_match_rule(rule, &connection, NonZero::new(MOST_KEPT)).await?;
        let peers = Peers::watch(&connection, &[source.name]).await?;
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        Ok(Follower { connection, peer, source, signals, peers, again, backoff, up: false, wanted: false })
    }

    /// What is new; none when the bus is gone.
    async fn next(&mut self) -> Option<Vec<Fact>> {
        if self.wanted
            && let Some(everything) = self.everything().await
        {
            return Some(everything);
        }
        self.heard().await
    }

    /// All that the peer has, where it can be had now, and what it said meanwhile.
    async fn everything(&mut self) -> Option<Vec<Fact>> {
        match fetch(&self.connection, &self.source, &mut self.signals).await {
            Ok((objects, kept)) => {
                self.wanted = false;
                self.backoff.reset();
                let snapshot = Fact::Snapshot { peer: self.peer, objects };
                Some(std::iter::once(snapshot).chain(kept.iter().flat_map(|message| facts_in(self.peer, message))).collect())
            }
            Err(error) => {
                tracing::info!(peer = self.source.name, %error, "the facts cannot be fetched yet");
                None
            }
        }
    }

    async fn heard(&mut self) -> Option<Vec<Fact>> {
        let Follower { peer, signals, peers, again, backoff, up, wanted, .. } = self;
        let peer = *peer;
        let retry = async { if *wanted && *up { tokio::time::sleep(backoff.delay()).await } else { std::future::pending().await } };
        tokio::select! {
            biased;
            event = peers.next() => match event? {
                PeerEvent::Up { .. } => { (*up, *wanted) = (true, true); Some(vec![Fact::Up(peer)]) }
                PeerEvent::Down { .. } => { (*up, *wanted) = (false, false); Some(vec![Fact::Down(peer)]) }
            },
            message = signals.next() => match message? {
                Ok(message) if *up => Some(facts_in(peer, &message)),
                Ok(_) | Err(_) => Some(Vec::new()),
            },
            () = again.notified() => { *wanted = *up; Some(Vec::new()) }
            () = retry => Some(Vec::new()),
        }
    }
}

/// Everything that the peer has, and the signals that came while it was asked.
async fn fetch(connection: &Connection, source: &Source, signals: &mut MessageStream) -> zbus::Result<(Objects, Vec<Message>)> {
    let mut kept = Vec::new();
    let asked = ask(connection, source);
    tokio::pin!(asked);
    loop {
        tokio::select! {
            objects = &mut asked => return objects.map(|objects| (objects, kept)),
            message = signals.next() => match message {
                Some(Ok(message)) if kept.len() < MOST_KEPT => kept.push(message),
                Some(Ok(_)) => return Err(zbus::Error::Failure("more signals than can be kept".into())),
                Some(Err(error)) => return Err(error),
                None => return Err(zbus::Error::Failure("the bus is gone".into())),
            },
        }
    }
}

async fn ask(connection: &Connection, source: &Source) -> zbus::Result<Objects> {
    let mut objects = Objects::new();
    if source.manages {
        let manager = Some("org.freedesktop.DBus.ObjectManager");
        let reply = connection.call_method(Some(source.name), source.path, manager, "GetManagedObjects", &()).await?;
        let managed: ManagedObjects = reply.body().deserialize()?;
        for (path, interfaces) in managed {
            let interfaces = interfaces.into_iter().map(|(name, values)| (name.to_string(), properties(&values))).collect();
            objects.insert(path.to_string(), interfaces);
        }
    }
    let root = service_kit::bus::properties(connection, source.name, source.path, source.interface).await?;
    objects.entry(source.path.to_owned()).or_default().insert(source.interface.to_owned(), properties(&root));
    Ok(objects)
}

/// What a signal says; nothing for one that is no fact.
fn facts_in(peer: Peer, message: &Message) -> Vec<Fact> {
    let header = message.header();
    let Some(path) = header.path().map(ToString::to_string) else { return Vec::new() };
    match header.member().map(|member| member.as_str()) {
        Some("PropertiesChanged") => changed(peer, path, message).into_iter().collect(),
        Some("InterfacesAdded") => added(peer, message),
        Some("InterfacesRemoved") => removed(peer, message).into_iter().collect(),
        Some(_) | None => Vec::new(),
    }
}

fn changed(peer: Peer, path: String, message: &Message) -> Option<Fact> {
    let body = message.body();
    let (interface, values, _) = body.deserialize::<(String, HashMap<String, OwnedVariant>, Vec<String>)>().ok()?;
    Some(Fact::Changed { peer, path, interface, properties: properties(&values) })
}

fn added(peer: Peer, message: &Message) -> Vec<Fact> {
    let body = message.body();
    type Added = (OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>);
    let Ok((path, interfaces)) = body.deserialize::<Added>() else { return Vec::new() };
    let fact = |(interface, values): (String, HashMap<String, OwnedVariant>)| Fact::Changed {
        peer,
        path: path.to_string(),
        interface,
        properties: properties(&values),
    };
    interfaces.into_iter().map(fact).collect()
}

fn removed(peer: Peer, message: &Message) -> Option<Fact> {
    let (path, _) = message.body().deserialize::<(OwnedObjectPath, Vec<String>)>().ok()?;
    Some(Fact::Removed { peer, path: path.to_string() })
}

fn properties(values: &HashMap<String, OwnedVariant>) -> Properties {
    values.iter().filter_map(|(name, value)| Some((name.clone(), fact_value(value)?))).collect()
}

/// A value of a shape that screens know.
fn fact_value(value: &Variant<'_>) -> Option<Value> {
    match value {
        Variant::Str(text) => Some(Value::Text(text.as_str().to_owned())),
        Variant::ObjectPath(path) => Some(Value::Text(path.to_string())),
        Variant::U8(number) => Some(Value::Number(u64::from(*number))),
        Variant::U16(number) => Some(Value::Number(u64::from(*number))),
        Variant::U32(number) => Some(Value::Number(u64::from(*number))),
        Variant::U64(number) => Some(Value::Number(*number)),
        Variant::Bool(flag) => Some(Value::Flag(*flag)),
        Variant::Array(items) => {
            let text = |item: &Variant<'_>| if let Variant::Str(text) = item { Some(text.as_str().to_owned()) } else { None };
            items.inner().iter().map(text).collect::<Option<Vec<String>>>().map(Value::List)
        }
        Variant::Variant(inner) => fact_value(inner),
        _ => None,
    }
}
