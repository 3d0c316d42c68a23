//! The four transaction machines of RFC 3261 section 17 (with RFC 6026), the table that holds them, and how they are matched
//! (17.1.3, 17.2.3). A machine knows bytes, status codes and timers; it sends nothing itself: it returns steps, and the stack
//! takes them. What a message means is not decided here.

mod client_invite;
mod client_request;
mod server_invite;
mod server_request;
mod settled;
mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use serde::{Deserialize, Serialize};
use sip_wire::Request;

pub(crate) use client_invite::{Acknowledged, ClientInvite};
pub(crate) use client_request::ClientRequest;
pub(crate) use server_invite::ServerInvite;
pub(crate) use server_request::ServerRequest;
pub(crate) use settled::{Answered, SettledTable};
pub(crate) use table::{ClientKey, ServerKey, TransactionTable};

use crate::interface::{FlowId, LineSettings};
use crate::referral::ReferralId;
use crate::subscription::SubscriptionId;
use crate::timers::Timer;

/// Whatever the settings say.
const SHORTEST_T1: Duration = Duration::from_millis(10);

/// Names a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TransactionId(pub(crate) u64);

/// From which socket to which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    /// Ours.
    pub(crate) flow: FlowId,
    /// Theirs.
    pub(crate) remote: SocketAddr,
}

/// The line's timer values (SIP_TIMER_*_n), as they were when the transaction began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) t1: Duration,
    pub(crate) t2: Duration,
    pub(crate) t4: Duration,
    pub(crate) b: Duration,
    pub(crate) d: Duration,
    pub(crate) f: Duration,
    pub(crate) h: Duration,
    pub(crate) j: Duration,
    /// Over TCP: nothing is sent again, and nothing that comes again is waited for (RFC 3261 17, table 4).
    pub(crate) reliable: bool,
}

impl Timing {
    /// Of a line. A T1 of nothing would be a loop without time.
    pub(crate) fn of(line: &LineSettings, reliable: bool) -> Timing {
        let t1 = line.t1.max(SHORTEST_T1);
        Timing {
            t1,
            t2: line.t2.max(t1),
            t4: line.t4,
            b: line.timer_b,
            d: line.timer_d,
            f: line.timer_f,
            h: line.timer_h,
            j: line.timer_j,
            reliable,
        }
    }
    /// What a timer is set to; none: it is not needed (RFC 3261 17, table 4).
    pub(crate) fn wait_of(&self, timer: Timer, after: Duration) -> Option<Duration> {
        match timer {
            Timer::A | Timer::E | Timer::G if self.reliable => None,
            Timer::D | Timer::K if self.reliable => Some(Duration::ZERO),
            _ => Some(after),
        }
    }
    /// 64*T1: how long an answer is repeated without an ACK, and how long a cancelled INVITE is waited for.
    pub(crate) fn sixty_four_t1(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// What a machine wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the request (again).
    SendRequest,
    /// Send these bytes along the transaction's route.
    Send(Vec<u8>),
    /// Send these bytes elsewhere.
    SendTo(Route, Vec<u8>),
    /// Set one of the transaction's timers.
    Arm(Timer, Duration),
    /// Stop one.
    Disarm(Timer),
    /// Give the message at hand to the owner.
    Pass,
    /// Tell the owner that nothing came.
    TimedOut,
    /// Tell the owner that the network cannot deliver.
    Unreachable,
    /// Nothing more is wanted of their INVITE but its ACK, or its answer once more.
    Refused,
    /// The transaction is over but for repetitions: they get these bytes (none: nothing) for so long.
    Settle(Vec<u8>, Duration),
    /// The transaction is over.
    End,
}

/// Who is told about the fate of a request of ours, or whose answer a request of theirs waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// The line's registration.
    Registration(LineNumber),
    /// The first INVITE of a call, of either side.
    Invite(CallIdentity),
    /// A later one.
    Reinvite(CallIdentity),
    /// Our UPDATE.
    Update(CallIdentity),
    /// Our PRACK.
    Prack(CallIdentity),
    /// Our BYE.
    Bye(CallIdentity),
    /// Our CANCEL.
    Cancel(CallIdentity),
    /// Our INFO.
    Info(CallIdentity),
    /// A subscription.
    Subscription(SubscriptionId),
    /// Our REFER.
    Refer(ReferralId),
    /// Our NOTIFY of how a REFER of theirs goes.
    ReferNotify(ReferralId),
    /// Our OPTIONS to a server of the line that has failed.
    Probe(LineNumber),
    /// The line's REGISTER that cancels the binding of earlier settings.
    Goodbye(LineNumber),
    /// Nobody: requests that are answered at once, and our BYE of a leg that no call wants.
    Nobody,
}

/// One of the four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Machine {
    /// Our INVITE.
    ClientInvite(ClientInvite),
    /// Our other request.
    ClientRequest(ClientRequest),
    /// Their INVITE.
    ServerInvite(ServerInvite),
    /// Their other request.
    ServerRequest(ServerRequest),
}

/// One transaction.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) owner: Owner,
    pub(crate) line: LineNumber,
    /// Where our request goes, or our responses to theirs.
    pub(crate) route: Route,
    pub(crate) timing: Timing,
    /// Of their requests: what a copy of it over another path has in common with it (RFC 3261 8.2.2.2).
    pub(crate) merge_key: String,
    /// The request as it went or came: ACK and CANCEL are made from ours, responses to theirs.
    pub(crate) request: Arc<Request>,
    pub(crate) machine: Machine,
    /// Of our INVITE: the last CSeq of its early dialogs, by To-tag, where they have counted on (PRACK). A 2xx may come when no call
    /// knows of them any more, and its BYE counts on from there (RFC 3261 12.2.1.1).
    pub(crate) counted: BTreeMap<String, u32>,
}

impl Transaction {
    /// One of its timers has fired.
    pub(crate) fn on_timer(&mut self, timer: Timer) -> Vec<Step> {
        match &mut self.machine {
            Machine::ClientInvite(machine) => machine.on_timer(timer),
            Machine::ClientRequest(machine) => machine.on_timer(timer, &self.timing),
            Machine::ServerInvite(machine) => machine.on_timer(timer, &self.timing),
            Machine::ServerRequest(_) => Vec::new(),
        }
    }

    /// The network cannot deliver to `route.remote`.
    pub(crate) fn on_unreachable(&mut self) -> Vec<Step> {
        match &self.machine {
            Machine::ClientInvite(machine) => machine.on_unreachable(),
            Machine::ClientRequest(machine) => machine.on_unreachable(),
            // A response that cannot be delivered is repeated by its timers; the far end may be back by then.
            Machine::ServerInvite(_) | Machine::ServerRequest(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The values of RFC 3261 table 4.
    pub(crate) fn timing() -> Timing {
        let t1 = Duration::from_millis(500);
        let sixty_four = t1 * 64;
        Timing {
            t1,
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            b: sixty_four,
            d: sixty_four,
            f: sixty_four,
            h: sixty_four,
            j: sixty_four,
            reliable: false,
        }
    }

    pub(crate) fn route() -> Route {
        Route { flow: FlowId(1), remote: "192.0.2.1:5060".parse().unwrap() }
    }
}
