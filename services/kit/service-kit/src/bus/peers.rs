//! Which peers are on the bus, and since when. Level-triggered: the first events say who is there now.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use zbus::fdo::{DBusProxy, NameOwnerChanged};
use zbus::message::Type;
use zbus::names::BusName;
use zbus::{Connection, MatchRule, Message, MessageStream};

/// A peer came or went. A peer that was replaced between two looks is reported as `Down`, then `Up`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The name has an owner: ask it again for everything.
    Up {
        /// The well-known name.
        name: String,
    },
    /// The name has none: its facts are unknown.
    Down {
        /// The well-known name.
        name: String,
    },
}

/// A stream of [`PeerEvent`]s; it ends when the bus is gone. Dropping `next()` half way loses nothing.
pub struct Peers {
    signals: MessageStream,
    owners: HashMap<String, Option<String>>,
    pending: VecDeque<PeerEvent>,
}

impl Peers {
    /// Watches these well-known names, all of which begin with `org.deskphone`. The first event of each says whether it is up.
    ///
    /// # Errors
    /// The bus is gone or refuses the match rule.
    pub async fn watch(connection: &Connection, names: &[&str]) -> zbus::Result<Peers> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg0ns("org.deskphone")
            .build()?;
        let signals = MessageStream::for_match_rule(rule, connection, None).await?;
        let mut peers = Peers { signals, owners: HashMap::new(), pending: VecDeque::new() };
        let bus = DBusProxy::new(connection).await?;
        for name in names {
            let owner = bus.get_name_owner(BusName::try_from(*name)?).await.ok().map(|owner| owner.to_string());
            peers.pending.push_back(event(name, owner.is_some()));
            peers.owners.insert((*name).to_owned(), owner);
        }
        Ok(peers)
    }

    /// The next event; none when the bus is gone.
    pub async fn next(&mut self) -> Option<PeerEvent> {
        StreamExt::next(self).await
    }

    /// Takes in one signal; a repeated owner (the signal raced with the first look) says nothing new.
    fn take_in(&mut self, message: Message) -> Option<()> {
        let signal = NameOwnerChanged::from_message(message)?;
        let arguments = signal.args().ok()?;
        let name = arguments.name().to_string();
        let new = arguments.new_owner().as_ref().map(ToString::to_string);
        let owner = self.owners.get_mut(&name)?;
        if *owner == new {
            return None;
        }
        if owner.is_some() {
            self.pending.push_back(event(&name, false));
        }
        if new.is_some() {
            self.pending.push_back(event(&name, true));
        }
        *owner = new;
        Some(())
    }
}

fn event(name: &str, up: bool) -> PeerEvent {
    let name = name.to_owned();
    if up { PeerEvent::Up { name } } else { PeerEvent::Down { name } }
}

impl Stream for Peers {
    type Item = PeerEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PeerEvent>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(Some(event));
            }
            match self.signals.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(message))) => {
                    self.take_in(message);
                }
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
