//! The stack's outside: inputs in, outputs out, time. Every decision is in the modules that this one calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use agreements::{CallIdentity, LineNumber, Tick};
use serde::{Deserialize, Serialize};

use crate::flows::FlowTable;
use crate::interface::{Event, Input, LineSettings, LineState, Output, StackSettings};
use crate::limits::SourceLimits;
use crate::locate::QueryTable;
use crate::media::PortRing;
use crate::random::Random;
use crate::referral::ReferralTable;
use crate::registration::Registration;
use crate::servers::ServerTable;
use crate::session::Call;
use crate::streams::StreamTable;
use crate::subscription::SubscriptionTable;
use crate::timers::{Timer, TimerOwner, TimerTable};
use crate::transaction::{SettledTable, TransactionTable};
use crate::view::{CallView, Start};

/// The whole SIP user agent of the phone.
pub struct Stack {
    /// Of the input at hand.
    pub(crate) now: Tick,
    pub(crate) random: Random,
    /// Read here, replaced by [`Stack::keep_settings`].
    pub(crate) settings: Option<Arc<StackSettings>>,
    /// The settings as the snapshot holds them: they are the largest part of it and change seldom.
    pub(crate) settings_kept: Vec<u8>,
    pub(crate) core: Core,
    /// Not in the snapshot: a flood does not outlive a restart.
    pub(crate) sources: SourceLimits,
    /// Not in the snapshot: connections do not outlive the process.
    pub(crate) streams: StreamTable,
    outputs: VecDeque<Output>,
    dirty: bool,
}

/// What goes into the snapshot beside the settings.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Core {
    pub(crate) timers: TimerTable,
    pub(crate) transactions: TransactionTable,
    /// The newest of it alone is in the snapshot.
    pub(crate) settled: SettledTable,
    pub(crate) flows: FlowTable,
    pub(crate) queries: QueryTable,
    pub(crate) servers: ServerTable,
    /// One per line.
    pub(crate) registrations: BTreeMap<LineNumber, Registration>,
    pub(crate) calls: BTreeMap<CallIdentity, Call>,
    pub(crate) subscriptions: SubscriptionTable,
    pub(crate) referrals: ReferralTable,
    pub(crate) ports: PortRing,
    /// Lines that have not registered since the unit was switched on.
    pub(crate) unspread: BTreeSet<LineNumber>,
    /// After `Command::Stop`.
    pub(crate) stopping: bool,
}

impl Stack {
    /// A stack that knows nothing yet, or what the snapshot holds. `seed` must be fresh and secret.
    pub fn new(now: Tick, seed: [u8; 32], snapshot: Option<&[u8]>) -> (Stack, Start) {
        match snapshot.map(crate::snapshot::read) {
            None => (Stack::cold(now, seed), Start::Cold),
            Some(Err(reason)) => (Stack::cold(now, seed), Start::Discarded(reason.to_string())),
            Some(Ok(kept)) => {
                let random = Random::new(seed, &kept.carry);
                let mut stack = Stack { random, core: kept.core, ..Stack::cold(now, seed) };
                if let Some(settings) = kept.settings {
                    stack.keep_settings(Arc::new(settings));
                }
                stack.resume();
                (stack, Start::Restored)
            }
        }
    }

    fn cold(now: Tick, seed: [u8; 32]) -> Stack {
        Stack {
            now,
            random: Random::new(seed, &[]),
            settings: None,
            settings_kept: crate::snapshot::settings(None),
            core: Core::default(),
            sources: SourceLimits::default(),
            streams: StreamTable::default(),
            outputs: VecDeque::new(),
            dirty: false,
        }
    }

    /// The unit has just been switched on, perhaps with a whole house after a power cut: the first REGISTER of each line leaves a
    /// random moment after it could. Not to be called when only the service has started again.
    pub fn switched_on(&mut self) {
        self.core.unspread = LineNumber::all().collect();
    }

    /// Something has happened. Take the outputs with [`Stack::poll`] after each input.
    pub fn handle(&mut self, now: Tick, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Settings(settings) => self.apply_settings(*settings),
            Input::FlowUp { flow, local } => self.on_flow_up(flow, local),
            Input::FlowDown { flow, reason } => self.on_flow_down(flow, reason),
            Input::Datagram { flow, remote, bytes } => self.on_datagram(flow, remote, &bytes),
            Input::StreamUp { flow, remote, accepted } => self.on_stream_up(flow, remote, accepted),
            Input::StreamBytes { flow, remote, bytes } => self.on_stream_bytes(flow, remote, &bytes),
            Input::StreamDown { flow, remote } => self.on_stream_down(flow, remote),
            Input::Unreachable { flow, remote } => self.on_unreachable(flow, remote),
            Input::Refused { flow, remote } => self.on_refused_way(flow, remote),
            Input::Resolved { query, targets } => self.on_resolved(query, targets),
            Input::MediaReady { call, generation, result } => self.on_media_ready(call, generation, result),
            Input::Command(command, correlation) => self.on_command(command, correlation),
            Input::LinkUp => self.on_link_up(),
            Input::Timeout => {}
        }
        self.fire_timers();
        self.settle();
    }

    fn fire_timers(&mut self) {
        while let Some((owner, timer)) = self.core.timers.pop_due(self.now) {
            match owner {
                TimerOwner::Transaction(id) => self.on_transaction_timer(id, timer),
                TimerOwner::Call(call) => self.on_call_timer(call, timer),
                TimerOwner::Line(line) => self.on_line_timer(line, timer),
                TimerOwner::Subscription(id) => self.on_subscription_timer(id, timer),
                TimerOwner::Referral(id) => self.on_referral_timer(id, timer),
                TimerOwner::Flow(flow) => self.on_flow_timer(flow),
                TimerOwner::Query(query) => self.on_resolved(query, Err("no answer from name resolution".to_owned())),
                TimerOwner::Stream(flow, remote) => self.on_stream_timer(flow, remote, timer),
                TimerOwner::Server(line, server) => self.on_server_timer(line, server, timer),
                TimerOwner::Stack if timer == Timer::Settled => self.sweep_settled(),
                TimerOwner::Stack => self.on_stop_grace(),
            }
        }
    }

    /// After each input: what follows from the whole state.
    fn settle(&mut self) {
        self.close_unused_flows();
        self.tell_lines();
        self.tell_subscriptions();
        self.tell_stopped();
        if std::mem::take(&mut self.dirty) {
            self.outputs.push_front(Output::SnapshotDirty);
        }
    }

    /// The next thing to do; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.core.timers.next()))
    }

    /// Everything that is needed to go on after a restart, with a format number.
    pub fn snapshot(&self) -> Vec<u8> {
        crate::snapshot::write(self)
    }

    /// The calls that have not ended, oldest first.
    pub fn calls(&self) -> Vec<CallView> {
        let settings = self.settings.as_deref();
        self.core.calls.values().filter_map(|call| call.view(settings?)).collect()
    }

    /// A line's present state.
    pub fn line_state(&self, line: LineNumber) -> LineState {
        self.present_line_state(line)
    }

    /// How many transactions, dialogs' calls (also those that only wait for their last answer), look-ups and timers there are:
    /// for a driver's figures, and for tests that prove that nothing is left behind.
    pub fn load(&self) -> Load {
        Load {
            transactions: self.core.transactions.len(),
            settled: self.core.settled.len(),
            calls: self.core.calls.len(),
            queries: self.core.queries.len(),
            subscriptions: self.core.subscriptions.len(),
            referrals: self.core.referrals.len(),
            call_timers: self.core.timers.armed().filter(|(owner, _)| matches!(owner, TimerOwner::Call(_))).count(),
            transaction_timers: self.core.timers.armed().filter(|(owner, _)| matches!(owner, TimerOwner::Transaction(_))).count(),
        }
    }

    // What the modules say.

    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.put(Output::Event(event));
    }

    /// The snapshot is not what it was.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    pub(crate) fn arm(&mut self, owner: TimerOwner, timer: Timer, after: std::time::Duration) {
        self.core.timers.arm(owner, timer, timer.due(self.now, after));
    }

    /// The settings in effect.
    pub(crate) fn settings(&self) -> Option<Arc<StackSettings>> {
        self.settings.clone()
    }

    /// They are in effect from now on.
    pub(crate) fn keep_settings(&mut self, settings: Arc<StackSettings>) {
        self.settings_kept = crate::snapshot::settings(Some(&settings));
        self.settings = Some(settings);
    }
}

/// A line's settings.
pub(crate) fn line_of(settings: &StackSettings, line: LineNumber) -> Option<&LineSettings> {
    settings.lines.get(line.index())
}

/// See [`Stack::load`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open transactions.
    pub transactions: usize,
    /// Answered requests of others whose repetitions are still waited for.
    pub settled: usize,
    /// Calls, and ended ones that wait for their last answers.
    pub calls: usize,
    /// Names being resolved.
    pub queries: usize,
    /// Subscriptions, in whatever state.
    pub subscriptions: usize,
    /// REFERs of either side whose outcome is not known yet.
    pub referrals: usize,
    /// Timers of calls.
    pub call_timers: usize,
    /// Timers of transactions.
    pub transaction_timers: usize,
}
