//! Brings the objects on the bus level with the newest facts: one PropertiesChanged with everything that differs per object and
//! change, objects added and removed, digits as signals. It runs beside the driver and never holds it up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use agreements::CallIdentity;
use phone_proto::dbus::{SIP_NAME, SIP_PATH, call_path, line_path};
use telephone::CallView;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zbus::object_server::{Interface, InterfaceRef};
use zbus::{Connection, OwnedVariant, Variant, fdo};

use super::objects::{Call, Line, Phone, Shown};
use super::{Asked, Counter, DigitHeard};
use crate::facts::{Facts, LineFacts, PhoneFacts};

/// After each change the bus rests so many times as long as it took: a fifth of the time is the most that it gets.
const REST: u32 = 4;
/// A bus that is slow for another reason is no flood: who has dialed waits for the call to appear.
const REST_AT_MOST: Duration = Duration::from_millis(100);

/// One object on the bus and what was last said of it.
struct Object<I, T> {
    interface: InterfaceRef<I>,
    shown: Shown<T>,
    said: HashMap<String, OwnedVariant>,
}

/// All objects of sip-agent.
pub struct Publisher {
    bus: Connection,
    facts: watch::Receiver<Facts>,
    digits: mpsc::Receiver<DigitHeard>,
    counter: Counter,
    shown_calls: watch::Sender<BTreeSet<CallIdentity>>,
    phone: Object<Phone, PhoneFacts>,
    lines: Vec<Object<Line, LineFacts>>,
    calls: BTreeMap<CallIdentity, Object<Call, CallView>>,
}

/// Puts the objects on the bus, with the calls that are up, and only then asks for the name.
///
/// # Errors
/// The bus is gone, or the name belongs to somebody else.
pub async fn serve(
    bus: &Connection,
    mut facts: watch::Receiver<Facts>,
    digits: mpsc::Receiver<DigitHeard>,
    requests: mpsc::Sender<Asked>,
) -> zbus::Result<Publisher> {
    let now = facts.borrow_and_update().clone();
    let (shown_calls, shown) = watch::channel(BTreeSet::new());
    let counter = Counter { requests, shown };
    bus.object_server().at(SIP_PATH, fdo::ObjectManager).await?;
    let make = |shown| Phone { shown, counter: counter.clone() };
    let phone = put(bus, SIP_PATH, now.phone, make).await?;
    let mut lines = Vec::new();
    for line in now.lines {
        let make = |shown| Line { shown, counter: counter.clone() };
        lines.push(put(bus, &line_path(line.number), line, make).await?);
    }
    let calls = BTreeMap::new();
    let mut publisher = Publisher { bus: bus.clone(), facts, digits, counter, shown_calls, phone, lines, calls };
    publisher.level_calls(now.calls).await?;
    bus.request_name(SIP_NAME).await?;
    Ok(publisher)
}

impl Publisher {
    /// Follows the facts until the driver or the bus is gone.
    ///
    /// # Errors
    /// The bus is gone.
    pub async fn run(mut self) -> zbus::Result<()> {
        loop {
            let facts = tokio::select! {
                changed = self.facts.changed() => match changed {
                    Ok(()) => Some(self.facts.borrow_and_update().clone()),
                    Err(_) => return Ok(()),
                },
                Some(digit) = self.digits.recv() => {
                    self.say_digit(digit).await?;
                    None
                }
            };
            if let Some(facts) = facts {
                let begin = Instant::now();
                self.level(facts).await?;
                // In a flood of calls the telephone comes first; what is skipped is no fact any more.
                tokio::time::sleep((begin.elapsed() * REST).min(REST_AT_MOST)).await;
            }
        }
    }

    async fn level(&mut self, facts: Facts) -> zbus::Result<()> {
        self.level_calls(facts.calls).await?;
        for (object, line) in self.lines.iter_mut().zip(facts.lines) {
            say(&self.bus, object, line).await?;
        }
        say(&self.bus, &mut self.phone, facts.phone).await
    }

    async fn level_calls(&mut self, calls: BTreeMap<CallIdentity, CallView>) -> zbus::Result<()> {
        let gone: Vec<CallIdentity> = self.calls.keys().filter(|call| !calls.contains_key(call)).copied().collect();
        for (identity, view) in calls {
            match self.calls.get_mut(&identity) {
                Some(object) => say(&self.bus, object, view).await?,
                None => {
                    let make = |shown| Call { shown, counter: self.counter.clone() };
                    let object = put(&self.bus, &call_path(&identity.to_string()), view, make).await?;
                    self.calls.insert(identity, object);
                }
            }
        }
        for identity in gone {
            self.calls.remove(&identity);
            self.bus.object_server().remove::<Call, _>(call_path(&identity.to_string())).await?;
        }
        self.shown_calls.send_if_modified(|shown| {
            let differs = !shown.iter().eq(self.calls.keys());
            if differs {
                *shown = self.calls.keys().copied().collect();
            }
            differs
        });
        Ok(())
    }

    /// A digit of a call that is no longer shown says nothing to anybody.
    async fn say_digit(&self, heard: DigitHeard) -> zbus::Result<()> {
        let Some(object) = self.calls.get(&heard.call) else { return Ok(()) };
        Call::digit_received(object.interface.signal_emitter(), &heard.digit, heard.duration_ms, HashMap::new()).await
    }
}

async fn put<I: Interface, T>(
    bus: &Connection,
    path: &str,
    facts: T,
    make: impl FnOnce(Shown<T>) -> I,
) -> zbus::Result<Object<I, T>> {
    let shown = Shown::new(facts);
    bus.object_server().at(path, make(shown.clone())).await?;
    let interface = bus.object_server().interface::<_, I>(path).await?;
    let said = properties(bus, &interface).await?;
    Ok(Object { interface, shown, said })
}

/// Shows the new facts and says in one signal which properties have changed.
async fn say<I: Interface, T: PartialEq>(bus: &Connection, object: &mut Object<I, T>, facts: T) -> zbus::Result<()> {
    if object.shown.read(|shown| *shown == facts) {
        return Ok(());
    }
    object.shown.replace(facts);
    let now = properties(bus, &object.interface).await?;
    let differs = |(name, value): &(&String, &OwnedVariant)| object.said.get(*name) != Some(*value);
    let changed: HashMap<&str, Variant<'_>> = now
        .iter()
        .filter(differs)
        .map(|(name, value)| (name.as_str(), value.try_clone().map(Into::into)))
        .filter_map(|(name, value): (&str, Result<Variant<'_>, _>)| value.ok().map(|value| (name, value)))
        .collect();
    if !changed.is_empty() {
        let emitter = object.interface.signal_emitter();
        fdo::Properties::properties_changed(emitter, I::name(), changed, [].as_slice().into()).await?;
    }
    object.said = now;
    Ok(())
}

async fn properties<I: Interface>(bus: &Connection, interface: &InterfaceRef<I>) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let emitter = interface.signal_emitter();
    Ok(interface.get().await.get_all(bus.object_server(), bus, None, emitter).await?)
}
