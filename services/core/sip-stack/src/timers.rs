//! What can wake the stack, and why: every timer in one enum, every deadline in one table. Nothing else in the crate keeps a
//! deadline that it waits for. Deadlines are plain ticks of the boot clock, so that they mean the same after a restore.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, LineNumber, Tick};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::interface::{FlowId, QueryId};
use crate::referral::ReferralId;
use crate::subscription::SubscriptionId;
use crate::transaction::TransactionId;

/// Every timer. The letters are those of RFC 3261 (table 4) and RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// INVITE client, Calling: send the request again (T1, doubling).
    A,
    /// INVITE client, Calling: nobody answers (SIP_TIMER_B). In Proceeding only once its session has gone.
    B,
    /// INVITE client, Completed: absorb repeated final responses (SIP_TIMER_D).
    D,
    /// Other client, Trying and Proceeding: send the request again (T1, doubling up to T2; T2 once proceeding).
    E,
    /// Other client: nobody answers (SIP_TIMER_F).
    F,
    /// INVITE server, Completed: send the final response again (T1, doubling up to T2).
    G,
    /// INVITE server, Completed: no ACK came (SIP_TIMER_H).
    H,
    /// I and J, of all servers together. INVITE server, Confirmed: absorb repeated ACKs (T4). Other server, Completed: absorb
    /// repeated requests (SIP_TIMER_J).
    Settled,
    /// Other client, Completed: absorb repeated responses (T4).
    K,
    /// INVITE server, Accepted: absorb repeated INVITEs after a 2xx (SIP_TIMER_H, but no less than RFC 6026's 64*T1).
    L,
    /// INVITE client, Accepted: take repeated and forked 2xx (SIP_TIMER_B, but no less than RFC 6026's 64*T1).
    M,
    /// Session, 2xx sent and no ACK yet: send it again (T1, doubling up to T2; RFC 3261 13.3.1.4).
    AnswerAgain,
    /// Session, 2xx sent: no ACK came (64*T1), the call ends by BYE (RFC 3261 13.3.1.4).
    AnswerLost,
    /// Session, CANCEL was answered and the INVITE was not: give it up (64*T1; RFC 3261 9.1).
    CancelLost,
    /// Session: an incoming INVITE's Expires, or the longest ringing, has passed without an answer (RFC 3261 13.3.1).
    InviteExpires,
    /// Session: our INVITE's Expires (SIP_INVITE_EXPIRE_n) has passed, it is cancelled (RFC 3261 13.2.1).
    DialExpires,
    /// Session: try the re-INVITE again that met one of theirs (RFC 3261 14.1: 2.1-4 s, or 0-2 s).
    Glare,
    /// Session: media did not say whether it is ready.
    MediaAnswer,
    /// Line: refresh the binding (REG_INTERVAL_RATE_n percent of what was granted; B312).
    RegisterRefresh,
    /// Line: register again after a failure (REG_RTX_INTVL_n and up to a quarter more, growing while credentials are refused; or
    /// Retry-After), at the moment that the spread of a cold start has given, or without the answer to a goodbye (3 s). While bound:
    /// its connection is lost, or ICMP says that nobody is at its server (1-62 s, growing).
    RegisterRetry,
    /// Line: the granted time has passed without a successful refresh: it is not registered any more.
    BindingLost,
    /// Stream: it is not there in time (10 s), or nothing has used it for long (180 s).
    StreamIdle,
    /// Stream: ping the server that a line is bound at (95-120 s; RFC 5626 4.4.1).
    StreamPing,
    /// Stream: has a pong come? (10 s after a ping.)
    PongLost,
    /// Line: a packet for the NAT on the way to the registrar (PORT_PUNCH_INTVL_n; B213).
    KeepAlive,
    /// Flow: ask for the socket again.
    FlowRetry,
    /// Server: ask one that has failed whether it is there again (30 s, growing).
    ServerProbe,
    /// Server: use one again that has answered (a random moment later, so that a fleet comes back spread).
    ServerReturn,
    /// Query: the name was not resolved in time.
    Resolve,
    /// Stack: answers to the last REGISTERs are not waited for any longer, it has stopped.
    StopGrace,
    /// Session: an incoming call still rings, say so again (SIP_18X_RTX_INTVL_n, else one minute; RFC 3261 13.3.1.1).
    RingAgain,
    /// Session: a reliable 18x of ours has no PRACK yet, send it again (T1, doubling; RFC 3262 3).
    ReliableAgain,
    /// Session: no PRACK came for a reliable 18x (64*T1), the call is refused (RFC 3262 3).
    ReliableLost,
    /// Session: half its interval is over, and refreshing it is ours (RFC 4028 10).
    SessionRefresh,
    /// Session: nobody has refreshed it, it ends by BYE (RFC 4028 10).
    SessionEnds,
    /// Subscription: renew it (SUB_INTERVAL_RATE_n percent of what was granted; B313).
    SubscribeRefresh,
    /// Subscription: subscribe again after a failure (SUB_RTX_INTVL_n, or what the server says).
    SubscribeRetry,
    /// Subscription: a SUBSCRIBE was answered and no NOTIFY follows (timer N of RFC 6665 4.1.2, 64*T1).
    NotifyLost,
    /// Subscription: the granted time has passed without a successful refresh.
    SubscriptionLost,
    /// Referral of ours: the far end has taken the REFER and says nothing (64*T1), or no more (what its NOTIFY has said).
    ReferLost,
    /// Referral of theirs: nobody has said whether to follow it (60 s), it is declined.
    ReferUndecided,
    /// Referral of theirs: the referrer's subscription is over (600 s).
    ReferExpires,
    /// Line: ask again for the address of a server whose name could not be resolved (60 s).
    ServerName,
}

/// What only tidies up comes due on whole multiples of this, together; see [`Timer::only_tidies`].
const TIDY_STEP: Duration = Duration::from_secs(1);

impl Timer {
    /// When it comes due that is set `now` for a time; what only tidies up a little later than that, and at once where nothing is
    /// to be waited for.
    pub(crate) fn due(self, now: Tick, after: Duration) -> Tick {
        let at = now + after;
        if self.only_tidies() && !after.is_zero() { at.rounded_up(TIDY_STEP) } else { at }
    }

    /// Whether nothing but memory waits for it: a finished transaction that absorbs repetitions. The times of RFC 3261 17 are least
    /// times ("at least 32 seconds"); fifty calls that have ended shall not wake the phone fifty times.
    fn only_tidies(self) -> bool {
        match self {
            Timer::D | Timer::Settled | Timer::K | Timer::L | Timer::M => true,
            Timer::A | Timer::B | Timer::E | Timer::F | Timer::G | Timer::H => false,
            Timer::AnswerAgain | Timer::AnswerLost | Timer::CancelLost | Timer::InviteExpires | Timer::DialExpires => false,
            Timer::Glare | Timer::MediaAnswer | Timer::RegisterRefresh | Timer::RegisterRetry | Timer::BindingLost => false,
            Timer::FlowRetry | Timer::Resolve | Timer::StopGrace | Timer::RingAgain => false,
            Timer::SessionRefresh | Timer::SessionEnds | Timer::ReliableAgain | Timer::ReliableLost => false,
            Timer::SubscribeRefresh | Timer::SubscribeRetry | Timer::NotifyLost | Timer::SubscriptionLost => false,
            Timer::ReferLost | Timer::ReferUndecided | Timer::ReferExpires => false,
            Timer::ServerProbe | Timer::ServerReturn | Timer::ServerName | Timer::KeepAlive => false,
            Timer::StreamIdle | Timer::StreamPing | Timer::PongLost => false,
        }
    }
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum TimerOwner {
    /// One of the four transaction machines.
    Transaction(TransactionId),
    /// A session.
    Call(CallIdentity),
    /// A line's registration.
    Line(LineNumber),
    /// A socket.
    Flow(FlowId),
    /// A look-up.
    Query(QueryId),
    /// A connection.
    Stream(FlowId, SocketAddr),
    /// A line's server that has failed.
    Server(LineNumber, SocketAddr),
    /// The stack itself.
    Stack,
    /// A subscription.
    Subscription(SubscriptionId),
    /// A referral.
    Referral(ReferralId),
}

/// All deadlines that are set.
#[derive(Clone, Default)]
pub(crate) struct TimerTable {
    deadlines: BTreeMap<(TimerOwner, Timer), Tick>,
    due: BTreeSet<(Tick, TimerOwner, Timer)>,
}

impl TimerTable {
    /// Sets a timer; one that was set is moved.
    pub(crate) fn arm(&mut self, owner: TimerOwner, timer: Timer, at: Tick) {
        if let Some(before) = self.deadlines.insert((owner, timer), at) {
            self.due.remove(&(before, owner, timer));
        }
        self.due.insert((at, owner, timer));
    }

    /// Stops one.
    pub(crate) fn disarm(&mut self, owner: TimerOwner, timer: Timer) {
        if let Some(before) = self.deadlines.remove(&(owner, timer)) {
            self.due.remove(&(before, owner, timer));
        }
    }

    /// Stops all of one owner.
    pub(crate) fn disarm_all(&mut self, owner: TimerOwner) {
        // `A` is the first of all timers.
        let from_first = self.deadlines.range((owner, Timer::A)..);
        let own: Vec<Timer> = from_first.take_while(|((whose, _), _)| *whose == owner).map(|((_, timer), _)| *timer).collect();
        for timer in own {
            self.disarm(owner, timer);
        }
    }

    /// Takes the next one that is due.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<(TimerOwner, Timer)> {
        let &(at, owner, timer) = self.due.first()?;
        if at > now {
            return None;
        }
        self.disarm(owner, timer);
        Some((owner, timer))
    }

    /// When to wake up next.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// Which timers are set, for tests that prove that none is left behind.
    pub(crate) fn armed(&self) -> impl Iterator<Item = (TimerOwner, Timer)> + '_ {
        self.deadlines.keys().copied()
    }

    /// When one is due.
    pub(crate) fn at(&self, owner: TimerOwner, timer: Timer) -> Option<Tick> {
        self.deadlines.get(&(owner, timer)).copied()
    }

    /// Whether one is set.
    pub(crate) fn is_armed(&self, owner: TimerOwner, timer: Timer) -> bool {
        self.deadlines.contains_key(&(owner, timer))
    }
}

impl Serialize for TimerTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.deadlines.iter())
    }
}

impl<'de> Deserialize<'de> for TimerTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimerTable, D::Error> {
        let deadlines: Vec<((TimerOwner, Timer), Tick)> = Vec::deserialize(deserializer)?;
        let due = deadlines.iter().map(|((owner, timer), at)| (*at, *owner, *timer)).collect();
        Ok(TimerTable { deadlines: deadlines.into_iter().collect(), due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_their_deadlines_and_only_once() {
        let mut table = TimerTable::default();
        let line = TimerOwner::Line(LineNumber::new(1).unwrap());
        table.arm(line, Timer::RegisterRefresh, Tick(30));
        table.arm(TimerOwner::Stack, Timer::StopGrace, Tick(20));
        table.arm(line, Timer::RegisterRefresh, Tick(10));
        assert_eq!(table.next(), Some(Tick(10)));
        assert_eq!(table.pop_due(Tick(9)), None);
        assert_eq!(table.pop_due(Tick(25)), Some((line, Timer::RegisterRefresh)));
        assert_eq!(table.pop_due(Tick(25)), Some((TimerOwner::Stack, Timer::StopGrace)));
        assert_eq!(table.pop_due(Tick(99)), None);
        assert_eq!(table.armed().count(), 0);
    }

    /// RFC 3261 17.1.2.2 and 17.2.2, table 4: times are least times.
    #[test]
    fn finished_transactions_are_forgotten_together_and_none_too_early() {
        let mut table = TimerTable::default();
        let second = |seconds: u64| Tick(seconds * 1_000_000_000);
        for transaction in 1..=50 {
            let at = Timer::K.due(Tick(10_000_000 * transaction), Duration::from_secs(32));
            table.arm(TimerOwner::Transaction(TransactionId(transaction)), Timer::K, at);
        }
        assert_eq!(table.next(), Some(second(33)));
        assert_eq!(std::iter::from_fn(|| table.pop_due(second(33))).count(), 50);
        assert_eq!(table.next(), None);
        assert_eq!(Timer::K.due(Tick(1), Duration::ZERO), Tick(1));
        assert_eq!(Timer::A.due(Tick(1), Duration::from_nanos(2)), Tick(3));
    }

    #[test]
    fn disarm_all_leaves_other_owners_alone() {
        let mut table = TimerTable::default();
        let one = TimerOwner::Transaction(TransactionId(1));
        let two = TimerOwner::Transaction(TransactionId(2));
        table.arm(one, Timer::A, Tick(1));
        table.arm(one, Timer::B, Tick(2));
        table.arm(two, Timer::A, Tick(3));
        table.disarm_all(one);
        assert_eq!(table.armed().collect::<Vec<_>>(), [(two, Timer::A)]);
        assert!(table.is_armed(two, Timer::A));
    }
}
