//! Rows that a line's server has had changed (FWD_DND_SYNCHRO_ENABLE_n), on their way to provisioning-agent and back.

use std::collections::BTreeMap;

use agreements::{LineNumber, Tick};
use telephone::{LineFeatures, Written};

use super::Agent;
use crate::settings::Rows;

/// Rows of a line to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureWrite {
    /// Whose server it says.
    pub line: LineNumber,
    /// Parameter to value, in file notation.
    pub values: BTreeMap<String, String>,
    /// Of the settings that it changes: a person's newer change is not overwritten.
    pub expected_revision: u64,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// They are stored.
    Done {
        /// The revision with them.
        revision: u64,
    },
    /// They are not legal, or not ours to write; in words.
    Refused(String),
    /// Their owner is away, or they have been changed meanwhile; in words.
    Failed(String),
}

impl Agent {
    pub(super) fn write_features(&mut self, line: LineNumber, features: &LineFeatures) {
        let values = Rows::new(&self.head.values).features_to_write(line, features);
        tracing::info!(%line, ?values, "the line's server says so");
        self.writes.push(FeatureWrite { line, values, expected_revision: self.head.revision });
    }

    /// Rows to be written down.
    pub fn take_writes(&mut self) -> Vec<FeatureWrite> {
        std::mem::take(&mut self.writes)
    }

    /// What became of one of them. The telephone hears of it when it has the settings that they stand in.
    pub fn features_written(&mut self, now: Tick, line: LineNumber, outcome: WriteOutcome) {
        let outcome = match outcome {
            WriteOutcome::Done { revision } => {
                self.written.push((line, revision));
                return self.tell_written(now);
            }
            WriteOutcome::Refused(reason) => {
                tracing::warn!(%line, reason, "what the line's server says cannot be written down");
                Written::Refused
            }
            WriteOutcome::Failed(reason) => {
                tracing::info!(%line, reason, "what the line's server says is not written down yet");
                Written::Failed
            }
        };
        self.phone.handle(now, telephone::Input::FeaturesWritten(line, outcome));
        self.settle(now);
    }

    /// The owner of the settings has come back with older ones: what was saved since then is lost.
    pub(super) fn forget_written(&mut self, now: Tick) {
        let revision = self.head.revision;
        for (line, _) in self.written.extract_if(.., |(_, of)| *of > revision).collect::<Vec<_>>() {
            self.phone.handle(now, telephone::Input::FeaturesWritten(line, Written::Failed));
        }
    }

    /// Those whose settings are in effect.
    pub(super) fn tell_written(&mut self, now: Tick) {
        let revision = self.head.revision;
        let (told, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.written).into_iter().partition(|(_, of)| *of <= revision);
        self.written = waiting;
        for (line, _) in told {
            self.phone.handle(now, telephone::Input::FeaturesWritten(line, Written::Done));
        }
        self.settle(now);
    }
}
