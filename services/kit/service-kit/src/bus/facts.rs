//! The properties of one peer, followed over its restarts: subscribe, then fetch, then fold; unknown while it is down. Only the
//! newest state is kept, so nothing queues up behind a slow reader.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

use super::{PeerEvent, Peers, properties};

type Values = HashMap<String, OwnedVariant>;
type Fetch = Pin<Box<dyn Future<Output = zbus::Result<Values>> + Send>>;

/// What one interface of one object says, now.
pub struct Facts {
    connection: Connection,
    name: String,
    path: String,
    interface: String,
    peers: Peers,
    changes: MessageStream,
    values: Values,
    /// The question that is under way; kept here, so that a wait that is given up does not give it up too.
    fetch: Option<Fetch>,
    /// Something changed while the question was under way: its answer may be older than that.
    ask_again: bool,
}

impl Facts {
    /// Follows the properties of `interface` at `path` of the peer `name`.
    ///
    /// # Errors
    /// The bus is gone or refuses the match rules.
    pub async fn watch(connection: &Connection, name: &str, path: &str, interface: &str) -> zbus::Result<Facts> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(name.to_owned())
            .path(path.to_owned())
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .build()?;
        Ok(Facts {
            connection: connection.clone(),
            name: name.to_owned(),
            path: path.to_owned(),
            interface: interface.to_owned(),
            changes: MessageStream::for_match_rule(rule, connection, None).await?,
            peers: Peers::watch(connection, &[name]).await?,
            values: Values::new(),
            fetch: None,
            ask_again: false,
        })
    }

    /// Waits until something may have changed and returns all values; empty while the peer is down. The first call returns at
    /// once. None: the bus is gone. Dropping it half way (a select loop) loses nothing.
    pub async fn changed(&mut self) -> Option<&Values> {
        loop {
            tokio::select! {
                biased;
                event = self.peers.next() => match event? {
                    PeerEvent::Up { .. } => self.ask(),
                    PeerEvent::Down { .. } => {
                        (self.fetch, self.ask_again) = (None, false);
                        self.values.clear();
                        return Some(&self.values);
                    }
                },
                message = self.changes.next() => {
                    if let Ok(message) = message? && self.take_in(&message) {
                        return Some(&self.values);
                    }
                }
                fetched = answered(&mut self.fetch) => {
                    self.fetch = None;
                    if std::mem::take(&mut self.ask_again) {
                        self.ask();
                        continue;
                    }
                    self.values = fetched.unwrap_or_else(|error| {
                        tracing::warn!(peer = self.name, %error, "the peer's facts cannot be read");
                        Values::new()
                    });
                    return Some(&self.values);
                }
            }
        }
    }

    /// What was last seen.
    pub fn values(&self) -> &Values {
        &self.values
    }

    fn ask(&mut self) {
        let (connection, interface) = (self.connection.clone(), self.interface.clone());
        let (name, path) = (self.name.clone(), self.path.clone());
        self.fetch = Some(Box::pin(async move { properties(&connection, &name, &path, &interface).await }));
    }

    /// Takes in one signal; whether values are different now.
    fn take_in(&mut self, message: &zbus::Message) -> bool {
        let body = message.body();
        let Ok((interface, changed, invalidated)) = body.deserialize::<(&str, HashMap<String, Variant<'_>>, Vec<String>)>() else {
            return false;
        };
        if interface != self.interface {
            return false;
        }
        if self.fetch.is_some() {
            self.ask_again = true;
            return false;
        }
        if !invalidated.is_empty() {
            self.ask();
        }
        let changed: Vec<_> =
            changed.into_iter().filter_map(|(property, value)| Some((property, value.try_to_owned().ok()?))).collect();
        let any = !changed.is_empty();
        self.values.extend(changed);
        any
    }
}

/// The answer to the question under way; never, when there is none.
async fn answered(fetch: &mut Option<Fetch>) -> zbus::Result<Values> {
    match fetch {
        Some(fetch) => fetch.await,
        None => std::future::pending().await,
    }
}
