//! When files are fetched: at start-up (B40), at intervals (B41, B51), at a fixed time of the day (B42 to B44), when the SIP server
//! asks (B45). A pure state machine: time and the clock are arguments; it starts nothing and knows no settings but its rules.
//!
//! ```text
//!   start-up:  waits -> due after the spread -> under way -> done
//!                             ^                     | no server reached
//!                             '-- network changes --'
//!   interval:  every run that ends sets the next one: after the interval, or after the retry interval when a file failed
//!   fixed:     next HH:MM once the clock is right; shifted within its minute
//!   resync:    at once, but not more often than once a minute
//! ```
//!
//! A fleet must not come to its server in one second, after a power cut or at 02:00. So each unit waits at start-up for its own part
//! of the spread, and comes at its own second of the fixed minute; which one follows from its MAC address and the boot.

use std::time::Duration;

use agreements::Tick;

/// A resync that the SIP server asks for waits until this has passed since the last one (C68).
pub const BETWEEN_RESYNCS: Duration = Duration::from_secs(60);
/// A fixed time is shifted by less than this: it is told in minutes.
const MINUTE: u64 = 60;
const DAY: i64 = 86_400;

/// Why a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The unit has started.
    StartUp,
    /// CFG_CYCLIC.
    Interval,
    /// CFG_RESYNC_TIME.
    FixedTime,
    /// The SIP server asks.
    Resync,
    /// A person asks.
    Asked,
    /// A person brings a file; nothing is fetched.
    Import,
    /// The DHCP server points to a file, and none has been applied yet.
    PreProvisioning,
}

impl Cause {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::StartUp => "start-up",
            Cause::Interval => "interval",
            Cause::FixedTime => "fixed-time",
            Cause::Resync => "resync",
            Cause::Asked => "asked",
            Cause::Import => "import",
            Cause::PreProvisioning => "pre-provisioning",
        }
    }
}

/// What the settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// PROVISION_ENABLE; without it no cause counts (B48, C51).
    pub enabled: bool,
    /// CFG_CYCLIC with its interval and its retry interval; none while a fixed time is set (B43).
    pub cyclic: Option<(Duration, Duration)>,
    /// CFG_RESYNC_TIME in minutes since midnight.
    pub fixed: Option<u16>,
    /// How long the start-up of a fleet is spread.
    pub spread: Duration,
}

/// Start-up's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Startup {
    /// The unit does not know itself yet.
    Waits,
    /// At this time.
    At(Tick),
    /// Under way.
    Runs,
    /// It reached no server.
    Failed,
    /// Over.
    Done,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Schedule {
    seed: u64,
    rules: Rules,
    startup: Startup,
    interval: Option<Tick>,
    /// Local seconds since 1970.
    fixed: Option<i64>,
    resync: Option<Tick>,
    last_resync: Option<Tick>,
}

impl Schedule {
    /// Of a unit that has just started.
    pub fn new() -> Schedule {
        let startup = Startup::Waits;
        Schedule { seed: 0, rules: Rules::default(), startup, interval: None, fixed: None, resync: None, last_resync: None }
    }

    /// The settings are these. A new interval counts from now.
    pub fn set_rules(&mut self, now: Tick, rules: Rules) {
        if rules.cyclic != self.rules.cyclic {
            self.interval = rules.cyclic.map(|(interval, _)| now + interval);
        }
        if rules.fixed != self.rules.fixed {
            self.fixed = None;
        }
        self.rules = rules;
    }

    /// The unit knows who it is. `seed` is its own; `spreads`: it has its settings already and can wait for its turn.
    pub fn start(&mut self, now: Tick, seed: u64, spreads: bool) {
        if self.startup == Startup::Waits {
            self.seed = seed;
            let delay = if spreads { share(seed, self.rules.spread) } else { Duration::ZERO };
            self.startup = Startup::At(now + delay);
        }
    }

    /// Another address, link or name server: what reached no server at start-up may now.
    pub fn network_changed(&mut self, now: Tick) {
        if self.startup == Startup::Failed {
            self.startup = Startup::At(now);
        }
    }

    /// The SIP server asks for a run.
    pub fn resync(&mut self, now: Tick) {
        let earliest = self.last_resync.map_or(now, |last| last + BETWEEN_RESYNCS);
        self.resync = Some(self.resync.unwrap_or(earliest.max(now)));
    }

    /// What is due, taken. `local`: seconds since 1970 on the wall, none while the clock is not right (B44).
    pub fn due(&mut self, now: Tick, local: Option<i64>) -> Option<Cause> {
        self.set_fixed(local);
        let cause = self.take(now, local);
        if self.rules.enabled { cause } else { None }
    }

    fn take(&mut self, now: Tick, local: Option<i64>) -> Option<Cause> {
        if self.resync.is_some_and(|at| at <= now) {
            self.resync = None;
            self.last_resync = Some(now);
            return Some(Cause::Resync);
        }
        if matches!(self.startup, Startup::At(at) if at <= now) {
            self.startup = if self.rules.enabled { Startup::Runs } else { Startup::Done };
            return Some(Cause::StartUp);
        }
        if self.fixed.zip(local).is_some_and(|(at, local)| at <= local) {
            self.fixed = None;
            self.set_fixed(local);
            return Some(Cause::FixedTime);
        }
        if self.interval.is_some_and(|at| at <= now) {
            self.interval = self.rules.cyclic.map(|(interval, _)| now + interval);
            return Some(Cause::Interval);
        }
        None
    }

    /// A run has ended, whatever began it.
    pub fn ended(&mut self, now: Tick, failed: bool) {
        self.interval = self.rules.cyclic.map(|(interval, retry)| now + if failed { retry } else { interval });
        if self.startup == Startup::Runs {
            self.startup = if failed { Startup::Failed } else { Startup::Done };
        }
    }

    /// How long nothing is due; none: for ever, as things stand.
    pub fn wait(&self, now: Tick, local: Option<i64>) -> Option<Duration> {
        let startup = match self.startup {
            Startup::At(at) => Some(at),
            Startup::Waits | Startup::Runs | Startup::Failed | Startup::Done => None,
        };
        let ticks = [startup, self.interval, self.resync].into_iter().flatten().map(|at| at.since(now)).min();
        let fixed =
            self.fixed.zip(local).map(|(at, local)| Duration::from_secs(u64::try_from(at.saturating_sub(local)).unwrap_or(0)));
        [ticks, fixed].into_iter().flatten().min()
    }

    /// The next fixed time: of today, or of tomorrow when it has passed. A clock that was set back by more than a day counts anew.
    fn set_fixed(&mut self, local: Option<i64>) {
        let Some((local, minutes)) = local.zip(self.rules.fixed) else {
            self.fixed = None;
            return;
        };
        if self.fixed.is_some_and(|at| at.saturating_sub(local) <= DAY) {
            return;
        }
        let shift = i64::try_from(share(self.seed, Duration::from_secs(MINUTE)).as_secs()).unwrap_or(0);
        let midnight = local.saturating_sub(local.rem_euclid(DAY));
        let today = midnight.saturating_add(i64::from(minutes) * 60).saturating_add(shift);
        self.fixed = Some(if today > local { today } else { today.saturating_add(DAY) });
    }
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule::new()
    }
}

/// This unit's part of `whole`, evenly spread over seeds.
fn share(seed: u64, whole: Duration) -> Duration {
    let milliseconds = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(mixed(seed).checked_rem(milliseconds).unwrap_or(0))
}

/// Sebastiano Vigna's splitmix64: neighbours (as MAC addresses of one carton are) come out far apart.
fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The seed of a unit: its MAC address and what is different at each boot.
pub fn seed(mac: &str, boot: &str) -> u64 {
    // FNV-1a.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mac.bytes().chain(boot.bytes()).fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(5_000_000_000);

    fn rules() -> Rules {
        Rules { enabled: true, cyclic: None, fixed: None, spread: Duration::ZERO }
    }

    fn started(rules: Rules) -> Schedule {
        let mut schedule = Schedule::new();
        schedule.set_rules(START, rules);
        schedule.start(START, 1, true);
        schedule
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    /// Lets time go by to `end`, from one wait to the next, with a run of no length each time; when what was due.
    fn lived(schedule: &mut Schedule, end: Duration, failed: bool) -> Vec<(u64, Cause)> {
        let (mut now, mut happened) = (START, Vec::new());
        loop {
            while let Some(cause) = schedule.due(now, None) {
                happened.push((now.since(START).as_secs(), cause));
                schedule.ended(now, failed);
            }
            match schedule.wait(now, None) {
                Some(wait) if now.since(START) + wait <= end => now = now + wait,
                _ => return happened,
            }
        }
    }

    /// B40.
    #[test]
    fn files_are_fetched_at_start_up_and_once() {
        let mut schedule = Schedule::new();
        schedule.set_rules(START, rules());
        assert_eq!((schedule.due(START, None), schedule.wait(START, None)), (None, None), "it does not know itself");
        schedule.start(START, 1, false);
        assert_eq!(lived(&mut schedule, minutes(10_000), false), [(0, Cause::StartUp)]);
        schedule.start(START, 1, false);
        assert_eq!(schedule.due(START, None), None);
    }

    #[test]
    fn a_start_up_that_reached_no_server_is_made_again_when_the_network_changes() {
        let mut schedule = started(rules());
        assert_eq!(lived(&mut schedule, minutes(60), true), [(0, Cause::StartUp)]);
        schedule.network_changed(START);
        assert_eq!(schedule.due(START, None), Some(Cause::StartUp));
        schedule.ended(START, false);
        schedule.network_changed(START);
        assert_eq!(schedule.due(START, None), None);
    }

    /// B41, B284: in minutes, up to 28 days.
    #[test]
    fn files_are_fetched_every_interval() {
        let cyclic = Some((minutes(40_320), minutes(30)));
        let mut schedule = started(Rules { cyclic, ..rules() });
        let day28 = 40_320 * 60;
        let expected = [(0, Cause::StartUp), (day28, Cause::Interval), (2 * day28, Cause::Interval)];
        assert_eq!(lived(&mut schedule, minutes(3 * 40_320 - 1), false), expected);
    }

    /// B51.
    #[test]
    fn a_file_that_failed_is_asked_for_again_after_the_retry_interval_only_with_cyclic() {
        let mut schedule = started(Rules { cyclic: Some((minutes(600), minutes(30))), ..rules() });
        let times: Vec<u64> = lived(&mut schedule, minutes(90), true).into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, [0, 1800, 3600, 5400]);
        assert_eq!(lived(&mut started(rules()), minutes(90), true).len(), 1);
    }

    /// B42, B44: not before the clock is right; once a day.
    #[test]
    fn a_fixed_time_comes_once_a_day_once_the_clock_is_right() {
        let mut schedule = started(Rules { fixed: Some(2 * 60 + 30), ..rules() });
        lived(&mut schedule, minutes(5), false);
        assert_eq!(schedule.wait(START, None), None);
        let midnight = 20_000 * DAY;
        let (mut happened, mut local) = (Vec::new(), midnight + 3_600);
        while local < midnight + 3 * DAY {
            if let Some(cause) = schedule.due(START, Some(local)) {
                happened.push((local - midnight, cause));
                schedule.ended(START, true);
            }
            local += i64::try_from(schedule.wait(START, Some(local)).unwrap().as_secs()).unwrap();
        }
        let times: Vec<i64> = happened.iter().map(|(at, _)| at / 60).collect();
        assert_eq!(times, [150, 150 + 1440, 150 + 2880], "in the minute of 02:30");
        assert!(happened.iter().all(|(_, cause)| *cause == Cause::FixedTime));
    }

    #[test]
    fn a_time_that_has_passed_today_is_not_made_up_for() {
        let mut schedule = started(Rules { fixed: Some(60), ..rules() });
        lived(&mut schedule, minutes(5), false);
        let noon = 20_000 * DAY + DAY / 2;
        assert_eq!(schedule.due(START, Some(noon)), None);
        assert_eq!(schedule.wait(START, Some(noon)).unwrap().as_secs() / 3600, 13);
        // A clock that is set back by years still leads to a time within a day.
        assert_eq!(schedule.due(START, Some(noon - 1_000 * DAY)), None);
        assert!(schedule.wait(START, Some(noon - 1_000 * DAY)).unwrap() <= minutes(1440));
    }

    /// B45, C68.
    #[test]
    fn the_sip_servers_wishes_are_followed_at_once_but_not_in_a_storm() {
        let mut schedule = started(rules());
        lived(&mut schedule, minutes(5), false);
        schedule.resync(START);
        assert_eq!(schedule.due(START, None), Some(Cause::Resync));
        for _ in 0..1_000 {
            schedule.resync(START + Duration::from_secs(1));
        }
        assert_eq!(schedule.due(START + Duration::from_secs(1), None), None);
        assert_eq!(lived(&mut schedule, minutes(60), false), [(60, Cause::Resync)], "the storm counts once, later");
    }

    /// B48, C51.
    #[test]
    fn a_unit_with_provisioning_switched_off_has_nothing_due_and_loses_nothing_when_it_is_switched_on() {
        let off = Rules { enabled: false, cyclic: Some((minutes(10), minutes(1))), fixed: Some(1), ..rules() };
        let mut schedule = started(off.clone());
        schedule.resync(START);
        let mut now = START;
        for _ in 0..500 {
            assert_eq!(schedule.due(now, Some(20_000 * DAY + i64::try_from(now.since(START).as_secs()).unwrap())), None);
            now = now + minutes(1);
        }
        schedule.set_rules(now, Rules { enabled: true, ..off });
        assert_eq!(schedule.due(now + minutes(10), None), Some(Cause::Interval));
    }

    /// How many of ten thousand units come in the worst second.
    fn worst_second(seconds: impl Iterator<Item = u64>) -> (usize, usize) {
        let mut counts = std::collections::BTreeMap::<u64, usize>::new();
        seconds.for_each(|second| *counts.entry(second).or_default() += 1);
        (counts.values().copied().max().unwrap(), counts.len())
    }

    fn fleet() -> impl Iterator<Item = u64> {
        (0..10_000_u32).map(|unit| seed(&format!("0080F0{unit:06X}"), "boot"))
    }

    /// Ten thousand units of neighbouring MAC addresses, after a power cut: no second sees more than a hundredth of them.
    #[test]
    fn ten_thousand_units_after_a_power_cut_do_not_come_in_the_same_second() {
        let spread = Duration::from_secs(300);
        let at = |seed| {
            let mut schedule = Schedule::new();
            schedule.set_rules(START, Rules { spread, ..rules() });
            schedule.start(START, seed, true);
            let wait = schedule.wait(START, None).unwrap();
            assert_eq!(schedule.due(START + wait, None), Some(Cause::StartUp));
            wait.as_secs()
        };
        let (worst, used) = worst_second(fleet().map(at));
        assert!(worst <= 70 && used == 300, "{worst} units in one second, {used} seconds used");
        // A unit without settings does not make its user wait.
        let mut new = Schedule::new();
        new.set_rules(START, Rules { spread, ..rules() });
        new.start(START, 7, false);
        assert_eq!(new.due(START, None), Some(Cause::StartUp));
    }

    /// The same at a fixed time, within its minute.
    #[test]
    fn ten_thousand_units_spread_over_the_minute_of_their_fixed_time() {
        let midnight = 20_000 * DAY;
        let at = |seed| {
            let mut schedule = Schedule::new();
            schedule.set_rules(START, Rules { fixed: Some(120), ..rules() });
            schedule.start(START, seed, false);
            schedule.due(START, Some(midnight));
            schedule.wait(START, Some(midnight)).unwrap().as_secs() - 7_200
        };
        let (worst, used) = worst_second(fleet().map(at));
        assert!(worst <= 250 && used == 60, "{worst} units in one second, {used} seconds used");
    }
}
