//! Provisioning: when a run is due, what it asks for, and what came of it. The state alone; the driver brings the facts in,
//! starts the child and commits what it has read.

pub mod card;
pub mod child;
pub mod dhcp_options;
pub mod exchange;
pub mod identity;
pub mod import;
pub mod kept_file;
pub mod memory;
pub mod past;
pub mod place;
pub mod pre_provisioning;
pub mod report;
pub mod request;
pub mod rules;
pub mod schedule;

use agreements::Tick;
use phone_proto::errors::{ErrorKind, HouseError};

use crate::command::Report;
use identity::Identity;
use pre_provisioning::PreProvisioning;
use schedule::{Cause, Rules, Schedule};

/// What sip-agent shows that counts here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phone {
    /// Of its process.
    pub epoch: u64,
    /// Calls that have not ended.
    pub calls_up: u32,
    /// How often the SIP server has asked for provisioning since the process started.
    pub resyncs: u64,
}

/// The state of provisioning.
#[derive(Default)]
pub struct Provisioning {
    identity: Identity,
    phone: Option<Phone>,
    schedule: Schedule,
    pre_provisioning: PreProvisioning,
    /// Number of the newest run that was begun.
    begun: u64,
    running: Option<Cause>,
    finished: u64,
    report: Report,
}

impl Provisioning {
    /// hal-agent's facts are new, or unknown. Who the unit is does not change while it runs: while hal-agent is away the last
    /// answer counts. `boot` is different at each boot; `configured`: files have been applied before.
    pub fn learn(&mut self, now: Tick, mut identity: Identity, boot: &str, configured: bool) {
        if identity.network != self.identity.network {
            self.schedule.network_changed(now);
        }
        if !identity.is_complete() && self.identity.is_complete() {
            identity.facts = self.identity.facts.clone();
        }
        self.pre_provisioning.learn_dhcp_state(now, &identity.dhcp_state, configured);
        self.identity = identity;
        if self.identity.is_complete() {
            self.schedule.start(now, schedule::seed(&self.identity.facts.mac, boot), configured);
        }
    }

    /// sip-agent's facts are new; none while it is away, and then the last ones count: calls outlive it. What it had been asked
    /// for before we saw it the first time was asked of somebody else.
    pub fn learn_phone(&mut self, now: Tick, phone: Option<Phone>) {
        let Some(new) = phone else { return };
        if let Some(old) = self.phone {
            let before = if old.epoch == new.epoch { old.resyncs } else { 0 };
            if new.resyncs > before {
                self.schedule.resync(now);
            }
        }
        self.phone = Some(new);
    }

    /// Where the DHCP server points to; `configured` as in [`Provisioning::learn`].
    pub fn learn_places(&mut self, places: Vec<String>, configured: bool) {
        self.pre_provisioning.learn_places(places, configured);
    }

    /// The next place of pre-provisioning, taken. While a run is under way, or the unit does not know itself, none.
    pub fn place_due(&mut self) -> Option<String> {
        if self.running.is_some() || !self.identity.is_complete() { None } else { self.pre_provisioning.due() }
    }

    /// The settings are these.
    pub fn set_rules(&mut self, now: Tick, rules: Rules) {
        self.schedule.set_rules(now, rules);
    }

    /// What macros stand for, and whether the clock is right.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether a call is up, as far as is known.
    pub fn call_is_up(&self) -> bool {
        self.phone.is_some_and(|phone| phone.calls_up > 0)
    }

    /// What is due now, taken. While a run is under way or pre-provisioning comes first nothing is.
    pub fn due(&mut self, now: Tick, local: Option<i64>) -> Option<Cause> {
        if self.running.is_some() || self.pre_provisioning.holds(now).is_some() { None } else { self.schedule.due(now, local) }
    }

    /// How long nothing is due; none: until something happens.
    pub fn wait(&self, now: Tick, local: Option<i64>) -> Option<std::time::Duration> {
        if self.running.is_some() {
            return None;
        }
        match self.pre_provisioning.holds(now) {
            Some(std::time::Duration::MAX) => None,
            Some(wait) => Some(wait),
            None => self.schedule.wait(now, local),
        }
    }

    /// A run is wanted: its number, and whether it has to be begun now (else it is under way).
    ///
    /// # Errors
    /// `ProvisioningDisabled` (B48); `NotReady` while the unit does not know itself.
    pub fn begin(&mut self, cause: Cause, enabled: bool) -> Result<(u64, bool), HouseError> {
        if !enabled {
            let text = "provisioning is switched off (PROVISION_ENABLE=N); the web page can switch it on";
            return Err(HouseError::new(ErrorKind::ProvisioningDisabled, text));
        }
        if self.running.is_some() {
            return Ok((self.begun, false));
        }
        if !self.identity.is_complete() {
            let text = "hal-agent has not told MAC address, model and firmware version yet";
            return Err(HouseError::new(ErrorKind::NotReady, text));
        }
        self.begun += 1;
        self.running = Some(cause);
        Ok((self.begun, true))
    }

    /// The run under way has come to its end: its number and what it was begun for.
    pub fn finish(&mut self, now: Tick, report: Report, failed: bool) -> (u64, Option<Cause>) {
        self.finished = self.begun;
        self.report = Report { run: self.finished, ..report };
        let cause = self.running.take();
        match cause {
            Some(Cause::PreProvisioning) => self.pre_provisioning.ended(self.report.something_is_in_effect()),
            Some(Cause::Import) => {}
            Some(Cause::StartUp | Cause::Interval | Cause::FixedTime | Cause::Resync | Cause::Asked) | None => {
                self.schedule.ended(now, failed);
            }
        }
        (self.finished, cause)
    }

    /// The unit was reset: the run under way has come to nothing, and what the last one did is nobody's business any more.
    pub fn forget(&mut self) {
        self.pre_provisioning = PreProvisioning::default();
        if self.running.take().is_some() {
            self.finished = self.begun;
        }
        self.report = Report::default();
    }

    /// Whether a run is under way.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Number of the newest finished run; 0: none.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// What it did.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000_000);

    fn known(address: &str) -> Identity {
        let mut identity = Identity { network: vec![address.into()], ..Identity::default() };
        identity.facts.mac = "0080F0ABCDEF".into();
        identity.facts.model = "KX-UT670".into();
        identity.facts.firmware = "01.070".into();
        identity
    }

    fn enabled() -> Provisioning {
        let mut provisioning = Provisioning::default();
        provisioning.set_rules(NOW, Rules { enabled: true, ..Rules::default() });
        provisioning
    }

    fn learn(provisioning: &mut Provisioning, identity: Identity) -> Option<Cause> {
        provisioning.learn(NOW, identity, "boot", false);
        provisioning.due(NOW, None)
    }

    #[test]
    fn the_run_at_start_up_waits_until_the_unit_knows_itself_and_happens_once() {
        // B40
        let mut provisioning = enabled();
        assert_eq!(learn(&mut provisioning, Identity::default()), None);
        assert_eq!(provisioning.begin(Cause::Asked, true).unwrap_err().kind, ErrorKind::NotReady);
        assert_eq!(learn(&mut provisioning, known("")), Some(Cause::StartUp));
        assert_eq!(provisioning.begin(Cause::StartUp, true), Ok((1, true)));
        assert_eq!(learn(&mut provisioning, known("10.0.0.1")), None, "it is under way");
        assert_eq!(provisioning.finish(NOW, Report::default(), false), (1, Some(Cause::StartUp)));
        assert_eq!(learn(&mut provisioning, known("10.0.0.2")), None);
    }

    #[test]
    fn a_run_at_start_up_that_reached_no_server_is_made_again_when_the_network_changes() {
        let mut provisioning = enabled();
        assert_eq!(learn(&mut provisioning, known("")), Some(Cause::StartUp));
        provisioning.begin(Cause::StartUp, true).unwrap();
        provisioning.finish(NOW, Report::default(), true);
        assert_eq!(learn(&mut provisioning, known("")), None);
        assert_eq!(learn(&mut provisioning, known("10.0.0.1")), Some(Cause::StartUp));
        assert_eq!(provisioning.begin(Cause::StartUp, true), Ok((2, true)));
    }

    #[test]
    fn a_board_that_goes_away_leaves_its_name_behind() {
        let mut provisioning = enabled();
        learn(&mut provisioning, known(""));
        learn(&mut provisioning, Identity::default());
        assert_eq!(provisioning.begin(Cause::Asked, true), Ok((1, true)));
    }

    #[test]
    fn a_wish_during_a_run_joins_it() {
        let mut provisioning = enabled();
        learn(&mut provisioning, known(""));
        assert_eq!(provisioning.begin(Cause::StartUp, true), Ok((1, true)));
        assert_eq!(provisioning.begin(Cause::Asked, true), Ok((1, false)));
    }

    #[test]
    fn a_unit_whose_provisioning_is_switched_off_never_asks() {
        // B48
        let mut provisioning = Provisioning::default();
        assert_eq!(learn(&mut provisioning, known("")), None);
        assert_eq!(provisioning.begin(Cause::Asked, false).unwrap_err().kind, ErrorKind::ProvisioningDisabled);
        assert_eq!(learn(&mut provisioning, known("10.0.0.1")), None);
    }

    #[test]
    fn a_wish_of_the_sip_server_counts_once_whoever_restarts_meanwhile() {
        // B45
        let mut provisioning = enabled();
        learn(&mut provisioning, known(""));
        let mut asked = |epoch, resyncs| {
            provisioning.learn_phone(NOW, Some(Phone { epoch, calls_up: 0, resyncs }));
            let wait = provisioning.wait(NOW, None);
            let due = provisioning.due(NOW + wait.unwrap_or_default(), None);
            due == Some(Cause::Resync)
        };
        assert!(!asked(1, 5), "asked before this process lived");
        assert!(asked(1, 6) && !asked(1, 6));
        assert!(!asked(2, 0), "sip-agent has started again");
        assert!(asked(2, 1));
    }
}
