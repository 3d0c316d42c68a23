//! The properties of one peer, followed over its restarts: subscribe, then fetch, then fold; unknown while it is down. Only the
//! newest state is kept, so nothing queues up behind a slow reader.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

use super::{PeerEvent, Peers, properties};

/// What one interface of one object says, now.
pub struct Facts {
    connection: Connection,
    name: String,
    path: String,
    interface: String,
    peers: Peers,
    changes: MessageStream,
    values: HashMap<String, OwnedVariant>,
    /// The peer is up and has to be asked.
    stale: bool,
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
            values: HashMap::new(),
            stale: false,
        })
    }

    /// Waits until something may have changed and returns all values; empty while the peer is down. The first call returns at
    /// once. None: the bus is gone. Dropping it half way (a select loop) loses nothing.
    pub async fn changed(&mut self) -> Option<&HashMap<String, OwnedVariant>> {
        loop {
            if self.stale {
                self.fetch().await;
                self.stale = false;
                return Some(&self.values);
            }
            tokio::select! {
                biased;
                event = self.peers.next() => match event? {
                    PeerEvent::Up { .. } => self.stale = true,
                    PeerEvent::Down { .. } => {
                        self.values.clear();
                        return Some(&self.values);
                    }
                },
                message = self.changes.next() => {
                    if let Ok(message) = message? && self.take_in(&message) {
                        return Some(&self.values);
                    }
                }
            }
        }
    }

    /// What was last seen.
    pub fn values(&self) -> &HashMap<String, OwnedVariant> {
        &self.values
    }

    async fn fetch(&mut self) {
        match properties(&self.connection, &self.name, &self.path, &self.interface).await {
            Ok(values) => self.values = values,
            Err(error) => {
                tracing::warn!(peer = self.name, %error, "the peer's facts cannot be read");
                self.values.clear();
            }
        }
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
        self.stale |= !invalidated.is_empty();
        let changed: Vec<_> =
            changed.into_iter().filter_map(|(property, value)| Some((property, value.try_to_owned().ok()?))).collect();
        let any = !changed.is_empty();
        self.values.extend(changed);
        any
    }
}
