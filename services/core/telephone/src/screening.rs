//! Calls of others that are not let in: do not disturb, numbers that a person does not want, callers who hide theirs. A call is
//! looked at once, when it comes in; one that rings already is not sent away by a setting.

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_stack::Party;

/// The rows about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screening {
    /// SIP_RESPONSE_CODE_DND (B190).
    pub do_not_disturb_status: u16,
    /// CALL_REJECT_NUMBERx, those that are set (B182).
    pub numbers: Vec<String>,
    /// By line.
    pub lines: [LineScreening; LineNumber::COUNT as usize],
}

/// The rows of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineScreening {
    /// DO_NOT_DISTURB_n.
    pub do_not_disturb: bool,
    /// BLOCK_ANONYMOUS_CALL_n.
    pub block_anonymous: bool,
}

impl Screening {
    /// The guide's defaults: everybody gets in.
    pub fn factory() -> Screening {
        Screening { do_not_disturb_status: 403, numbers: Vec::new(), lines: Default::default() }
    }

    /// The status that a call is refused with; none where it may ring. `do_not_disturb`: whether this phone keeps all calls of the
    /// line out; `reject_status`: of rejected calls (B191), also of those that nobody need reject by hand.
    pub(crate) fn refusal(&self, line: LineNumber, do_not_disturb: bool, caller: &Party, reject_status: u16) -> Option<u16> {
        let own = self.lines.get(line.index()).copied().unwrap_or_default();
        if do_not_disturb {
            return Some(self.do_not_disturb_status);
        }
        let unwanted = self.numbers.contains(&caller.number);
        (unwanted || own.block_anonymous && caller.is_anonymous()).then_some(reject_status)
    }
}
