//! Pre-provisioning (2.4.2): a unit to which no file has been applied yet looks where the DHCP server points to, before it fetches
//! files of its own accord. The state alone; the driver makes a run of each place.

use std::collections::VecDeque;
use std::time::Duration;

use agreements::Tick;

/// How long start-up waits for what the DHCP server says. hal-agent gives up after fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
///
/// ```text
///             hal-agent asks            answered, places          one was applied
///   Idle ----------------------> Awaited ----------------> Trying ----------------> Applied
///     ^                            |                         |
///     '----------------------------'-------------------------'
///       silent, or PATIENCE is over      none was applied
/// ```
///
/// What the server says later, when a cable is plugged in, leads from `Idle` to `Trying`, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// Start-up may fetch its files.
    #[default]
    Idle,
    /// The DHCP server is being asked.
    Awaited {
        /// At the longest.
        until: Tick,
    },
    /// One place after the other.
    Trying {
        /// Those that have not had their turn.
        rest: VecDeque<String>,
    },
    /// Its values are in; the unit restarts (B31), and start-up comes after that.
    Applied,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct PreProvisioning {
    state: State,
    /// What was said last: the same again is no news.
    said: Option<Vec<String>>,
}

impl PreProvisioning {
    /// hal-agent shows whether the DHCP server is asked (Hal1.DhcpState).
    pub fn learn_dhcp_state(&mut self, now: Tick, state: &str, configured: bool) {
        let is_asked = match state {
            "asking" => true,
            // It has been told over another way, or is about to be.
            "answered" => self.said.is_none(),
            _ => false,
        };
        self.state = match std::mem::take(&mut self.state) {
            State::Idle if is_asked && !configured => State::Awaited { until: now + PATIENCE },
            State::Awaited { until } if is_asked => State::Awaited { until },
            State::Idle | State::Awaited { .. } => State::Idle,
            State::Trying { rest } => State::Trying { rest },
            State::Applied => State::Applied,
        };
    }

    /// The DHCP server points to these places.
    pub fn learn_places(&mut self, places: Vec<String>, configured: bool) {
        let is_news = self.said.as_ref() != Some(&places);
        self.said = Some(places.clone());
        if configured || !is_news || self.state == State::Applied {
            return;
        }
        self.state = if places.is_empty() { State::Idle } else { State::Trying { rest: places.into() } };
    }

    /// The next place to try, taken.
    pub fn due(&mut self) -> Option<String> {
        match &mut self.state {
            State::Trying { rest } => rest.pop_front(),
            State::Idle | State::Awaited { .. } | State::Applied => None,
        }
    }

    /// The run of a place has ended.
    pub fn ended(&mut self, applied: bool) {
        match &self.state {
            State::Trying { .. } if applied => self.state = State::Applied,
            State::Trying { rest } if rest.is_empty() => self.state = State::Idle,
            State::Trying { .. } | State::Idle | State::Awaited { .. } | State::Applied => {}
        }
    }

    /// How long start-up has to wait at the most; none: it need not. While places are tried, runs say when they end.
    pub fn holds(&self, now: Tick) -> Option<Duration> {
        match self.state {
            State::Awaited { until } if until > now => Some(until.since(now)),
            State::Trying { .. } | State::Applied => Some(Duration::MAX),
            State::Awaited { .. } | State::Idle => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000_000);

    fn asking() -> PreProvisioning {
        let mut pre = PreProvisioning::default();
        pre.learn_dhcp_state(NOW, "asking", false);
        pre
    }

    fn two() -> Vec<String> {
        vec!["tftp://a/KX-UT670.cfg".into(), "http://b/KX-UT670.cfg".into()]
    }

    /// B27: before anything else, as far as the DHCP server points somewhere.
    #[test]
    fn start_up_waits_for_the_dhcp_server_and_then_for_the_places_it_points_to() {
        let mut pre = asking();
        assert_eq!((pre.holds(NOW), pre.due()), (Some(PATIENCE), None));
        pre.learn_dhcp_state(NOW, "answered", false);
        assert!(pre.holds(NOW).is_some(), "what it said is on its way");
        pre.learn_places(two(), false);
        assert_eq!(pre.due().as_deref(), Some("tftp://a/KX-UT670.cfg"));
        pre.ended(false);
        assert_eq!(pre.due().as_deref(), Some("http://b/KX-UT670.cfg"));
        pre.ended(false);
        assert_eq!((pre.holds(NOW), pre.due()), (None, None));
    }

    /// B31: the unit restarts; what it fetches then is start-up's.
    #[test]
    fn a_place_that_was_applied_is_the_last_one() {
        let mut pre = asking();
        pre.learn_places(two(), false);
        pre.due();
        pre.ended(true);
        pre.learn_places(vec!["http://c/KX-UT670.cfg".into()], false);
        assert_eq!((pre.due(), pre.holds(NOW)), (None, Some(Duration::MAX)));
    }

    #[test]
    fn a_silent_server_holds_nobody_up_for_long() {
        for said in ["silent", "failed", "off", ""] {
            let mut pre = asking();
            pre.learn_dhcp_state(NOW, said, false);
            assert_eq!(pre.holds(NOW), None, "{said}");
        }
        assert_eq!(asking().holds(NOW + PATIENCE), None);
        let mut pre = asking();
        pre.learn_places(Vec::new(), false);
        assert_eq!(pre.holds(NOW), None, "it points nowhere");
    }

    /// B27: "no configuration has been applied".
    #[test]
    fn a_unit_that_has_its_files_looks_at_no_option() {
        let mut pre = PreProvisioning::default();
        pre.learn_dhcp_state(NOW, "asking", true);
        pre.learn_places(two(), true);
        assert_eq!((pre.holds(NOW), pre.due()), (None, None));
    }

    #[test]
    fn the_same_said_again_is_no_news_and_something_else_is() {
        let mut pre = asking();
        pre.learn_places(two(), false);
        pre.due();
        pre.due();
        pre.ended(false);
        pre.learn_places(two(), false);
        assert_eq!(pre.due(), None);
        pre.learn_places(vec!["http://c/KX-UT670.cfg".into()], false);
        assert!(pre.due().is_some(), "a cable in another network");
    }
}
