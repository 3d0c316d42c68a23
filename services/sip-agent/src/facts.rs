//! What the bus shows of sip-agent: plain facts, level-triggered. The driver writes them after the messages have left; the bus
//! task compares them with what it has published. Only the newest are kept, so a slow bus never holds a call up.

use std::collections::BTreeMap;

use agreements::{CallIdentity, LineNumber};
use sip_stack::LineState;
use telephone::{CallView, FeatureSync, Messages, SharedLine, Watching};

/// Everything that is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The phone as a whole.
    pub phone: PhoneFacts,
    /// Line 1 first.
    pub lines: [LineFacts; LineNumber::COUNT as usize],
    /// Also those that ended less than five seconds ago.
    pub calls: BTreeMap<CallIdentity, CallView>,
}

/// org.deskphone.Sip1.Phone.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneFacts {
    /// Random per start.
    pub epoch: u64,
    /// The settings revision in effect.
    pub applied_revision: u64,
    /// Calls that have not ended.
    pub calls_up: u32,
    /// Keyed off-hook, not yet sent.
    pub pending_digits: String,
    /// on | off | unknown.
    pub hook: &'static str,
    /// How often a line's server has asked for provisioning.
    pub resync_requests: u64,
}

/// org.deskphone.Sip1.Line.
#[derive(Clone, Debug, PartialEq)]
pub struct LineFacts {
    /// 1 to 6.
    pub number: u8,
    /// As the stack says.
    pub state: LineState,
    /// sip:user@domain, or empty.
    pub address_of_record: String,
    /// PHONE_NUMBER_n.
    pub phone_number: String,
    /// DISPLAY_NAME_n.
    pub display_name: String,
    /// 0 while no socket is bound.
    pub source_port: u16,
    /// What waits at its mailbox.
    pub messages: Messages,
    /// How far its server keeps do-not-disturb and forwarding as well.
    pub feature_sync: FeatureSync,
    /// Whom it watches.
    pub watching: Watching,
    /// What the units do that share it.
    pub shared: SharedLine,
}

impl Facts {
    /// Before anything is known.
    pub fn new(epoch: u64) -> Facts {
        let line = |index: usize| LineFacts {
            number: u8::try_from(index + 1).unwrap_or(u8::MAX),
            state: LineState::Unconfigured,
            address_of_record: String::new(),
            phone_number: String::new(),
            display_name: String::new(),
            source_port: 0,
            messages: Messages::default(),
            feature_sync: FeatureSync::default(),
            watching: Watching::default(),
            shared: SharedLine::default(),
        };
        Facts {
            phone: PhoneFacts {
                epoch,
                applied_revision: 0,
                calls_up: 0,
                pending_digits: String::new(),
                hook: "unknown",
                resync_requests: 0,
            },
            lines: std::array::from_fn(line),
            calls: BTreeMap::new(),
        }
    }

    /// One line's.
    pub fn line_mut(&mut self, line: LineNumber) -> Option<&mut LineFacts> {
        self.lines.get_mut(line.index())
    }
}
