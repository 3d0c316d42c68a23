//! The restart of the unit: provisioning-agent wishes for one and says what it waits for (Provisioning1.RestartWanted and
//! RestartWaitsFor); the board makes it true. Between the two there is a pause in which people and programs read what has been
//! done. The state alone; the driver brings facts in and lets the board act.

use std::collections::HashMap;
use std::time::Duration;

use agreements::Tick;
use zbus::{OwnedVariant, Variant};

/// How long a restart is announced before it comes: a page shows "Complete" (B157, B271), a script fetches its report.
pub const PAUSE: Duration = Duration::from_secs(3);

/// The reason of a restart that is no wish of provisioning-agent's.
const ASKED: &str = "an administrator has asked for it";

/// See the module.
///
/// ```text
///          wish, nothing to wait for           PAUSE is over
///   Quiet --------------------------> Pending ---------------> Asked -- it cannot: asked no more
///     ^   <--------------------------   |                        |
///     |    wish gone, or it waits again                          |
///     '----------------------------------------------------------'  wish gone
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Nothing is wished for, or it waits for the end of calls.
    #[default]
    Quiet,
    /// It comes.
    Pending {
        /// In words.
        reason: String,
        /// When.
        at: Tick,
    },
    /// The board has been asked, and whoever is told to end from now on ends with the unit.
    Asked {
        /// In words; empty where the board cannot.
        reason: String,
    },
}

impl Restart {
    /// What provisioning-agent shows is new; nothing at all while it is down, and its wish goes with it.
    pub fn learn(&mut self, now: Tick, facts: &HashMap<String, OwnedVariant>) {
        let wish = wish(facts);
        *self = match (std::mem::take(self), wish) {
            (Restart::Quiet, Some(reason)) => Restart::Pending { reason, at: now + PAUSE },
            (Restart::Pending { reason, at }, Some(_)) if reason == ASKED => Restart::Pending { reason, at },
            (Restart::Pending { at, .. }, Some(reason)) => Restart::Pending { reason, at },
            (Restart::Asked { reason }, Some(_)) => Restart::Asked { reason },
            // It is going down before us.
            (Restart::Asked { reason }, None) if facts.is_empty() && !reason.is_empty() => Restart::Asked { reason },
            // Nobody takes back what an administrator has asked for.
            (Restart::Pending { reason, at }, None) if reason == ASKED => Restart::Pending { reason, at },
            (Restart::Quiet | Restart::Pending { .. } | Restart::Asked { .. }, None) => Restart::Quiet,
        };
    }

    /// An administrator asks for it: at once but for the pause, whatever else is waited for (B273).
    pub fn ask(&mut self, now: Tick) {
        if let Restart::Quiet = self {
            *self = Restart::Pending { reason: ASKED.to_owned(), at: now + PAUSE };
        }
    }

    /// How long until [`Restart::due`] has something to say.
    pub fn wait(&self, now: Tick) -> Option<Duration> {
        match self {
            Restart::Pending { at, .. } => Some(at.since(now)),
            Restart::Quiet | Restart::Asked { .. } => None,
        }
    }

    /// Why the board shall be asked now; once per wish.
    pub fn due(&mut self, now: Tick) -> Option<String> {
        match std::mem::take(self) {
            Restart::Pending { reason, at } if at <= now => {
                *self = Restart::Asked { reason: reason.clone() };
                Some(reason)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// What the bus shows: why the unit will restart; empty while it will not.
    pub fn reason(&self) -> &str {
        match self {
            Restart::Pending { reason, .. } | Restart::Asked { reason } => reason,
            Restart::Quiet => "",
        }
    }

    /// The board cannot do what it was asked for.
    pub fn failed(&mut self) {
        *self = Restart::Asked { reason: String::new() };
    }
}

/// The reason of a wish that waits for nothing.
fn wish(facts: &HashMap<String, OwnedVariant>) -> Option<String> {
    let waits_for = facts.get("RestartWaitsFor").and_then(|value| value.downcast_ref::<&str>().ok()).unwrap_or_default();
    let Some(Variant::Structure(wanted)) = facts.get("RestartWanted").map(|value| &**value) else { return None };
    let reason = wanted.fields().first().and_then(|reason| reason.downcast_ref::<&str>().ok()).unwrap_or_default();
    (waits_for.is_empty() && !reason.is_empty()).then(|| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000_000);

    fn facts(reason: &str, waits_for: &str) -> HashMap<String, OwnedVariant> {
        let owned = |value: Variant<'_>| value.try_to_owned().unwrap();
        let wanted = Variant::from(zbus::Structure::from((reason, false)));
        HashMap::from([
            ("RestartWanted".to_owned(), owned(wanted)),
            ("RestartWaitsFor".to_owned(), owned(Variant::from(waits_for))),
        ])
    }

    /// B31, B46, B105, C68.
    #[test]
    fn a_wish_is_announced_and_fulfilled_once() {
        let mut restart = Restart::default();
        restart.learn(NOW, &facts("", ""));
        assert_eq!((restart.wait(NOW), restart.reason()), (None, ""));
        restart.learn(NOW, &facts("a file was imported", ""));
        assert_eq!((restart.wait(NOW), restart.reason()), (Some(PAUSE), "a file was imported"));
        assert_eq!(restart.due(NOW), None);
        // Another reason meanwhile does not put it off.
        restart.learn(NOW + PAUSE / 2, &facts("Reset Web Settings", ""));
        assert_eq!(restart.due(NOW + PAUSE).as_deref(), Some("Reset Web Settings"));
        restart.learn(NOW + PAUSE, &facts("Reset Web Settings", ""));
        assert_eq!((restart.due(NOW + PAUSE * 2), restart.wait(NOW)), (None, None));
    }

    /// C68: not during a call, also where one begins within the pause.
    #[test]
    fn a_wish_that_waits_for_a_call_waits() {
        let mut restart = Restart::default();
        restart.learn(NOW, &facts("a file was imported", "call"));
        assert_eq!(restart, Restart::Quiet);
        restart.learn(NOW, &facts("a file was imported", ""));
        restart.learn(NOW + PAUSE / 2, &facts("a file was imported", "call"));
        assert_eq!(restart.due(NOW + PAUSE), None);
        restart.learn(NOW + PAUSE, &facts("a file was imported", ""));
        assert_eq!(restart.due(NOW + PAUSE), None, "the pause begins anew");
        assert!(restart.due(NOW + PAUSE * 2).is_some());
    }

    /// B273: a call or not, and whether provisioning-agent is there or not.
    #[test]
    fn what_an_administrator_asks_for_waits_for_nothing() {
        let mut restart = Restart::default();
        restart.ask(NOW);
        restart.ask(NOW + PAUSE / 2);
        restart.learn(NOW, &facts("a file was imported", "call"));
        restart.learn(NOW, &HashMap::new());
        assert_eq!(restart.due(NOW + PAUSE).as_deref(), Some(ASKED));
    }

    /// sip-agent asks whether it ends with the unit (B318) while everything is being ended.
    #[test]
    fn a_restart_is_shown_until_it_has_come_or_cannot_come() {
        let mut restart = Restart::default();
        restart.learn(NOW, &facts("a file was imported", ""));
        restart.due(NOW + PAUSE);
        restart.learn(NOW + PAUSE, &HashMap::new());
        assert_eq!(restart.reason(), "a file was imported");
        restart.failed();
        restart.learn(NOW + PAUSE, &facts("a file was imported", ""));
        assert_eq!((restart.reason(), restart.wait(NOW)), ("", None));
        restart.learn(NOW + PAUSE, &HashMap::new());
        assert_eq!(restart, Restart::Quiet);
    }

    #[test]
    fn the_wish_of_a_dead_peer_is_dropped() {
        let mut restart = Restart::default();
        restart.learn(NOW, &facts("a file was imported", ""));
        restart.learn(NOW, &HashMap::new());
        assert_eq!(restart.due(NOW + PAUSE), None);
    }
}
