//! "Saved" and "in effect" are two facts: what was saved last, and whether the services that need it have taken it over.

use std::collections::BTreeSet;

use phone_view::{Peer, PhoneView, Trust};
use settings::catalogue;
use settings::row::Effect;

use crate::backend::SERVICE;

/// The last thing that the session saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSave {
    /// Whose session.
    pub session: u64,
    /// The revision that holds it.
    pub revision: u64,
    /// Services that need it and whose effect is built.
    consumers: BTreeSet<&'static str>,
    /// What it takes at most until it is in effect.
    effect: Effect,
    /// Nothing of it has an effect in this version.
    all_pending: bool,
}

/// How far a saved change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Every service that needs it works with it.
    InEffect,
    /// Somebody has not taken it over yet.
    Waiting,
    /// It is stored, and that is all this version can do.
    Stored,
}

impl Progress {
    /// For the style sheet and for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Progress::InEffect => "in-effect",
            Progress::Waiting => "waiting",
            Progress::Stored => "stored",
        }
    }
}

impl LastSave {
    /// These parameters were saved.
    pub fn new<'a>(session: u64, revision: u64, names: impl IntoIterator<Item = &'a str>) -> LastSave {
        let rows: Vec<_> = names.into_iter().filter_map(catalogue::parameter).map(|parameter| parameter.row).collect();
        let built = || rows.iter().filter(|row| row.pending.is_none());
        LastSave {
            session,
            revision,
            consumers: built().flat_map(|row| row.consumers.iter().copied()).collect(),
            effect: built().map(|row| row.effect).max().unwrap_or(Effect::None),
            all_pending: built().next().is_none(),
        }
    }

    /// How far it has come and a sentence that says so. `own`: the revision in effect in this process.
    pub fn progress(&self, view: &PhoneView, own: u64) -> (Progress, String) {
        let saved = format!("Saved as revision {}", self.revision);
        if self.all_pending {
            return (Progress::Stored, format!("{saved}; stored, no effect in this version"));
        }
        let reached = |service: &str| match reporter(service) {
            Reporter::Own => Some(own >= self.revision),
            Reporter::Peer(peer) => Some(view.applied_revision(peer).is_some_and(|applied| applied >= self.revision)),
            Reporter::Owner => Some(true),
            Reporter::Silent => None,
        };
        let waiting: Vec<&str> = self.consumers.iter().copied().filter(|service| reached(service) == Some(false)).collect();
        let silent: Vec<&str> = self.consumers.iter().copied().filter(|service| reached(service).is_none()).collect();
        match (waiting.first(), silent.len() == self.consumers.len() && !silent.is_empty()) {
            (Some(service), _) => (Progress::Waiting, format!("{saved}; {}", awaited(service, view))),
            (None, true) => (Progress::Stored, format!("{saved}; {} does not report when it is in effect", silent.join(" and "))),
            (None, false) => (Progress::InEffect, format!("{saved}, in effect{}", self.since_when())),
        }
    }

    fn since_when(&self) -> &'static str {
        match self.effect {
            Effect::NextCall => " from the next call on",
            Effect::RestartService | Effect::RestartUnit => " after the restart",
            Effect::None | Effect::Live | Effect::ReRegister => "",
        }
    }
}

/// How a service says which revision is in effect in it.
enum Reporter {
    Own,
    /// provisioning-agent: what it has committed is in effect in it.
    Owner,
    Peer(Peer),
    Silent,
}

fn reporter(service: &str) -> Reporter {
    match service {
        SERVICE => Reporter::Own,
        "provisioning-agent" => Reporter::Owner,
        "sip-agent" => Reporter::Peer(Peer::Sip),
        _ => Reporter::Silent,
    }
}

fn awaited(service: &str, view: &PhoneView) -> String {
    let away = service == Peer::Sip.service() && view.trust(Peer::Sip) == Trust::Unknown;
    if away {
        format!("{service} does not answer and takes it over when it is back")
    } else {
        format!("{service} is taking it over")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use phone_view::{Fact, Properties, Value};

    use super::*;

    fn sip_with(applied: u64) -> PhoneView {
        let phone = Properties::from([("AppliedRevision".into(), Value::Number(applied))]);
        let objects =
            BTreeMap::from([("/org/deskphone/Sip1".into(), BTreeMap::from([("org.deskphone.Sip1.Phone".into(), phone)]))]);
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects });
        view
    }

    #[test]
    fn a_change_is_in_effect_when_every_consumer_has_reached_its_revision() {
        let save = LastSave::new(1, 12, ["DISPLAY_NAME_1"]);
        assert_eq!(save.progress(&sip_with(11), 12).0, Progress::Waiting);
        let (progress, text) = save.progress(&sip_with(12), 11);
        assert_eq!(progress, Progress::InEffect);
        assert!(text.starts_with("Saved as revision 12, in effect"), "{text}");
    }

    #[test]
    fn a_service_that_is_away_keeps_a_change_waiting_and_is_named() {
        let (progress, text) = LastSave::new(1, 12, ["DISPLAY_NAME_1"]).progress(&PhoneView::new(), 12);
        assert_eq!(progress, Progress::Waiting);
        assert!(text.contains("sip-agent does not answer"), "{text}");
    }

    #[test]
    fn settings_of_the_page_itself_wait_for_this_process() {
        let save = LastSave::new(1, 12, ["WEB_CLOSE_TIMER"]);
        assert_eq!(save.progress(&PhoneView::new(), 11).0, Progress::Waiting);
        assert_eq!(save.progress(&PhoneView::new(), 12).0, Progress::InEffect);
    }

    /// No AppliedRevision claims a row whose effect is not built.
    #[test]
    fn a_pending_row_is_only_stored() {
        let pending = catalogue::ROWS.iter().find(|row| row.pending.is_some() && row.web.is_some()).unwrap();
        let name = catalogue::members(pending).next().unwrap().name;
        let (progress, text) = LastSave::new(1, 12, [name]).progress(&sip_with(99), 99);
        assert_eq!(progress, Progress::Stored);
        assert!(text.ends_with("no effect in this version"), "{text}");
    }
}
