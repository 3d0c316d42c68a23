//! Provisioning: when a run is due, what it asks for, and what came of it. The state alone; the driver brings the facts in,
//! starts the child and commits what it has read.

pub mod child;
pub mod exchange;
pub mod identity;
pub mod memory;
pub mod place;
pub mod report;
pub mod request;

use phone_proto::errors::{ErrorKind, HouseError};

use crate::command::Report;
use identity::Identity;

/// Whether the run at start-up (B40) has been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Startup {
    /// Not yet: it waits for MAC address, model and version.
    #[default]
    Due,
    /// It could not reach a server; it is tried again when the network changes.
    Failed,
    /// It has been, or provisioning was switched off.
    Done,
}

/// The state of provisioning.
#[derive(Default)]
pub struct Provisioning {
    identity: Identity,
    startup: Startup,
    /// Number of the newest run that was begun.
    begun: u64,
    running: bool,
    finished: u64,
    report: Report,
}

impl Provisioning {
    /// hal-agent's facts are new, or unknown. Whether the run at start-up is due now. Who the unit is does not change while
    /// it runs: while hal-agent is away the last answer counts.
    pub fn learn(&mut self, mut identity: Identity) -> bool {
        let network_changed = identity.network != self.identity.network;
        if !identity.is_complete() && self.identity.is_complete() {
            identity.facts = self.identity.facts.clone();
        }
        self.identity = identity;
        let due = match self.startup {
            Startup::Due => true,
            Startup::Failed => network_changed,
            Startup::Done => false,
        };
        due && self.identity.is_complete() && !self.running
    }

    /// What macros stand for, and whether the clock is right.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A run is wanted: its number, and whether it has to be begun now (else it is under way).
    ///
    /// # Errors
    /// `ProvisioningDisabled` (B48); `NotReady` while the unit does not know itself.
    pub fn begin(&mut self, enabled: bool) -> Result<(u64, bool), HouseError> {
        if !enabled {
            self.startup = Startup::Done;
            let text = "provisioning is switched off (PROVISION_ENABLE=N); the web page can switch it on";
            return Err(HouseError::new(ErrorKind::ProvisioningDisabled, text));
        }
        if self.running {
            return Ok((self.begun, false));
        }
        if !self.identity.is_complete() {
            let text = "hal-agent has not told MAC address, model and firmware version yet";
            return Err(HouseError::new(ErrorKind::NotReady, text));
        }
        self.begun += 1;
        self.running = true;
        Ok((self.begun, true))
    }

    /// The run under way has come to its end.
    pub fn finish(&mut self, report: Report, failed: bool) -> u64 {
        self.running = false;
        self.finished = self.begun;
        self.report = report;
        if self.startup != Startup::Done {
            self.startup = if failed { Startup::Failed } else { Startup::Done };
        }
        self.finished
    }

    /// The unit was reset: the run under way has come to nothing, and what the last one did is nobody's business any more.
    pub fn forget(&mut self) {
        if self.running {
            self.running = false;
            self.finished = self.begun;
        }
        self.report = Report::default();
    }

    /// Whether a run is under way.
    pub fn is_running(&self) -> bool {
        self.running
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

    fn known(address: &str) -> Identity {
        let mut identity = Identity { network: vec![address.into()], ..Identity::default() };
        identity.facts.mac = "0080F0ABCDEF".into();
        identity.facts.model = "KX-UT670".into();
        identity.facts.firmware = "01.070".into();
        identity
    }

    #[test]
    fn the_run_at_start_up_waits_until_the_unit_knows_itself_and_happens_once() {
        // B40
        let mut provisioning = Provisioning::default();
        assert!(!provisioning.learn(Identity::default()));
        assert_eq!(provisioning.begin(true).unwrap_err().kind, ErrorKind::NotReady);
        assert!(provisioning.learn(known("")));
        assert_eq!(provisioning.begin(true), Ok((1, true)));
        assert!(!provisioning.learn(known("10.0.0.1")), "it is under way");
        assert_eq!(provisioning.finish(Report::default(), false), 1);
        assert!(!provisioning.learn(known("10.0.0.2")));
    }

    #[test]
    fn a_run_at_start_up_that_reached_no_server_is_made_again_when_the_network_changes() {
        let mut provisioning = Provisioning::default();
        assert!(provisioning.learn(known("")));
        provisioning.begin(true).unwrap();
        provisioning.finish(Report::default(), true);
        assert!(!provisioning.learn(known("")));
        assert!(provisioning.learn(known("10.0.0.1")));
        assert_eq!(provisioning.begin(true), Ok((2, true)));
    }

    #[test]
    fn a_board_that_goes_away_leaves_its_name_behind() {
        let mut provisioning = Provisioning::default();
        provisioning.learn(known(""));
        provisioning.learn(Identity::default());
        assert_eq!(provisioning.begin(true), Ok((1, true)));
    }

    #[test]
    fn a_wish_during_a_run_joins_it() {
        let mut provisioning = Provisioning::default();
        provisioning.learn(known(""));
        assert_eq!(provisioning.begin(true), Ok((1, true)));
        assert_eq!(provisioning.begin(true), Ok((1, false)));
    }

    #[test]
    fn a_unit_whose_provisioning_is_switched_off_never_asks() {
        // B48
        let mut provisioning = Provisioning::default();
        assert!(provisioning.learn(known("")));
        assert_eq!(provisioning.begin(false).unwrap_err().kind, ErrorKind::ProvisioningDisabled);
        assert!(!provisioning.learn(known("10.0.0.1")));
        assert_eq!((provisioning.finished(), provisioning.is_running()), (0, false));
    }
}
