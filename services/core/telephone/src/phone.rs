//! The telephone itself: its state, its one entrance per kind of input, and `poll`. The rules are beside it, one file per side
//! they come from: `hand` (hook and keys), `dialing` (from digits to a call), `flash` (the Flash key), `sip` (events of the stack),
//! `transfer` (calls that come instead of others), `requests` (the bus); `subscribing` is what the lines subscribe to, `mailbox` what
//! waits at voice mail servers, `features` what servers keep of do-not-disturb and forwarding, `watching` what others' calls do,
//! `shared` what the units of a shared line do with it; `wishes` says what follows from the state for ear, lamps and screens.

mod dialing;
mod digits;
mod features;
mod flash;
mod forward;
mod hand;
mod mailbox;
mod requests;
mod restore;
mod shared;
mod sip;
mod subscribing;
mod transfer;
mod watching;
mod wishes;

use std::collections::{BTreeMap, VecDeque};

use agreements::{CallIdentity, Correlation, Hook, LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_stack::{Command, LineState, SubscriptionKey};

use crate::call::{Call, State};
use crate::desk::Desk;
use crate::interface::{Input, Near, Output, Refusal, Request, SubscriptionProgress, ToneName};
use crate::roster::Roster;
use crate::settings::{DisconnectionTone, TelephoneSettings};
use features::Features;
use mailbox::Summary;
use shared::Shared;
use wishes::Told;

/// Calls that are up at the same time; one more is busy.
pub const CALLS_MAX: usize = 6;
/// Ended calls that are still shown; a flood of calls pushes the oldest out before its five seconds are over.
const ENDED_MAX: usize = 16;

/// The telephone. Serialise it for a snapshot; after reading one back, call [`Phone::restored`].
#[derive(Serialize, Deserialize)]
pub struct Phone {
    /// Not in the snapshot, which is written after each message: whoever reads it back has them.
    #[serde(skip, default = "TelephoneSettings::unknown")]
    settings: TelephoneSettings,
    identities: Identities,
    lines: [LineState; LineNumber::COUNT as usize],
    /// Those that the stack has been asked for.
    subscriptions: BTreeMap<SubscriptionKey, SubscriptionProgress>,
    summaries: [Option<Summary>; LineNumber::COUNT as usize],
    features: [Features; LineNumber::COUNT as usize],
    /// What was said in subscriptions to dialogs.
    rosters: BTreeMap<SubscriptionKey, Roster>,
    shared: [Shared; LineNumber::COUNT as usize],
    calls: Vec<Call>,
    desk: Desk,
    hook: Hook,
    /// Digits keyed while nobody is at the phone; lifting the handset dials them (B206).
    keyed_on_hook: String,
    /// As it was keyed or asked for: the line's dial plan changes it anew each time it is dialed.
    last_dialed: Option<(LineNumber, String)>,
    muted: bool,
    #[serde(skip)]
    cause: Correlation,
    #[serde(skip)]
    outputs: VecDeque<Output>,
    /// Something has happened since the wishes were worked out.
    #[serde(skip)]
    unsettled: bool,
    #[serde(skip)]
    told: Told,
}

impl Phone {
    /// An idle telephone. `seed`: randomness for the identities of calls made here.
    pub fn new(settings: TelephoneSettings, seed: u64) -> Phone {
        Phone {
            settings,
            identities: Identities { state: seed },
            lines: std::array::from_fn(|_| LineState::Unconfigured),
            subscriptions: BTreeMap::new(),
            summaries: Default::default(),
            features: Default::default(),
            rosters: BTreeMap::new(),
            shared: Default::default(),
            calls: Vec::new(),
            desk: Desk::Closed,
            hook: Hook::On,
            keyed_on_hook: String::new(),
            last_dialed: None,
            muted: false,
            cause: Correlation::default(),
            outputs: VecDeque::new(),
            unsettled: true,
            told: Told::default(),
        }
    }

    /// What has happened.
    pub fn handle(&mut self, now: Tick, input: Input) {
        let before = self.desk.call();
        self.cause = Correlation::default();
        match input {
            Input::Settings(settings) => {
                let before = std::mem::replace(&mut self.settings, *settings);
                self.handle_rows(&before);
            }
            Input::Hook(hook) => self.handle_hook(now, hook),
            Input::Key { name, pressed: true } => self.handle_key(now, &name),
            Input::Key { pressed: false, .. } => {}
            Input::Sip(event) => self.handle_sip(now, event),
            Input::Media(call, state) => {
                if let Some(call) = self.call_mut(call).filter(|call| call.is_up()) {
                    call.set_media(state);
                }
            }
            Input::DigitsSent { call, number } => {
                if let Some(call) = self.call_mut(call) {
                    call.digits.retain(|digit| digit.number > number);
                }
            }
            Input::FeaturesWritten(line, outcome) => self.handle_written(now, line, outcome),
            Input::Timeout => {}
        }
        self.conclude(now, before);
    }

    /// What somebody asks for over the bus; the new call's identity when it was [`Request::Dial`].
    pub fn request(&mut self, now: Tick, request: Request, cause: Correlation) -> Result<Option<CallIdentity>, Refusal> {
        let before = self.desk.call();
        self.cause = cause;
        let answer = self.handle_request(now, request);
        self.conclude(now, before);
        answer
    }

    /// What follows from whatever has happened. Mute is for the call that was `before` the person: another one begins unmuted.
    fn conclude(&mut self, now: Tick, before: Option<CallIdentity>) {
        self.handle_deadlines(now);
        self.settle_shared(now);
        self.settle_subscriptions();
        self.settle_features(now);
        if self.desk.call() != before {
            self.muted = false;
        }
        self.unsettled = true;
    }

    /// What shall be done next: first what the stack shall do, which must not wait for a picture.
    pub fn poll(&mut self) -> Output {
        if self.outputs.is_empty() && std::mem::take(&mut self.unsettled) {
            self.settle();
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.deadline()))
    }

    /// A line as the stack last gave it.
    pub fn line(&self, line: LineNumber) -> Option<&LineState> {
        self.lines.get(line.index())
    }

    fn deadline(&self) -> Option<Tick> {
        let rosters = self.rosters.values().map(Roster::deadline);
        let of_one = [self.desk.deadline(), self.features_deadline(), self.shared_deadline()];
        self.calls.iter().map(Call::deadline).chain(of_one).chain(rosters).flatten().min()
    }

    fn handle_deadlines(&mut self, now: Tick) {
        self.sweep_rosters(now);
        self.calls.retain(|call| call.is_up() || call.deadline().is_some_and(|gone| gone > now));
        let due = |call: &&Call| call.wants_answer() && call.deadline().is_some_and(|at| at <= now);
        if let Some(call) = self.calls.iter().find(due).map(|call| call.identity) {
            self.handle_call_due(now, call);
        }
        if self.desk.deadline().is_some_and(|at| at <= now) {
            self.handle_desk_deadline(now);
        }
    }

    fn handle_desk_deadline(&mut self, now: Tick) {
        match std::mem::take(&mut self.desk) {
            Desk::DialTone { near, .. } => {
                // Hands-free nobody would ever end it.
                let until = (near != Near::Handset).then(|| now + self.tone_length(near));
                self.desk = Desk::Tone { near, tone: ToneName::Busy, until };
            }
            Desk::Collecting { near, line, digits, .. } => self.dial_keyed(now, near, line, digits),
            Desk::Tone { near, .. } => self.rest(near),
            unchanged @ (Desk::Closed | Desk::Call { .. } | Desk::Silent { .. }) => self.desk = unchanged,
        }
    }

    /// An incoming call has rung long enough: to be answered by itself, or to be sent elsewhere.
    fn handle_call_due(&mut self, now: Tick, identity: CallIdentity) {
        let Some(State::Incoming { answer_at, .. }) = self.call(identity).map(|call| &call.state) else { return };
        if answer_at.is_some_and(|at| at <= now) {
            self.answer_by_itself(identity);
        } else {
            self.forward_unanswered(identity);
        }
    }

    /// Auto answer (B296): only when nobody is at the phone with another call.
    fn answer_by_itself(&mut self, call: CallIdentity) {
        if self.desk.is_idle() {
            self.take(call, self.default_near());
        } else if let Some(State::Incoming { answer_at, .. }) = self.call_mut(call).map(|call| &mut call.state) {
            *answer_at = None;
        }
    }

    fn call(&self, identity: CallIdentity) -> Option<&Call> {
        self.calls.iter().find(|call| call.identity == identity)
    }

    fn call_mut(&mut self, identity: CallIdentity) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.identity == identity)
    }

    fn desk_call(&self) -> Option<&Call> {
        self.desk.call().and_then(|call| self.call(call))
    }

    fn calls_up(&self) -> usize {
        self.calls.iter().filter(|call| call.is_up()).count()
    }

    fn keep(&mut self, call: Call) {
        while self.calls.len() - self.calls_up() >= ENDED_MAX {
            let Some(oldest) = self.calls.iter().position(|call| !call.is_up()) else { break };
            self.calls.remove(oldest);
        }
        self.calls.push(call);
    }

    fn stack(&mut self, command: Command) {
        self.outputs.push_back(Output::Stack(command, self.cause.clone()));
    }

    fn usable(&self, line: LineNumber) -> bool {
        matches!(self.line(line), Some(LineState::Registered { .. }))
    }

    /// The default line, or else the first that is registered.
    fn line_out(&self) -> Option<LineNumber> {
        std::iter::once(self.settings.default_line).chain(LineNumber::all()).find(|line| self.usable(*line))
    }

    /// What a person uses who did not say it: the handset where it is lifted, else hands-free.
    fn default_near(&self) -> Near {
        match (self.desk.near(), self.hook) {
            (Some(near), _) => near,
            (None, Hook::Off) => Near::Handset,
            (None, Hook::On) => Near::Speaker,
        }
    }

    /// Answers an incoming call, or talks again on a held one, at the desk.
    fn take(&mut self, identity: CallIdentity, near: Near) {
        let Some(call) = self.call(identity) else { return };
        if call.wants_answer() {
            self.decide(identity, Command::Answer(identity));
        } else if call.is_held() {
            self.resume(identity);
        }
        self.keyed_on_hook.clear();
        self.desk = Desk::Call { near, call: identity };
    }

    /// The one answer to an incoming call; from now on it wants none.
    fn decide(&mut self, identity: CallIdentity, command: Command) {
        if let Some(State::Incoming { decided, .. }) = self.call_mut(identity).map(|call| &mut call.state) {
            *decided = true;
        }
        self.stack(command);
    }

    /// CANCEL, refusal or BYE, as the stack finds fit.
    fn leave(&mut self, identity: CallIdentity) {
        match self.call_mut(identity).map(|call| &mut call.state) {
            Some(State::Seizing { left, .. }) => *left = true,
            Some(_) | None => self.decide(identity, Command::Hangup(identity)),
        }
    }

    fn hold(&mut self, identity: CallIdentity) {
        if let Some(State::Talking { pending, .. }) = self.call_mut(identity).map(|call| &mut call.state) {
            *pending = Some(true);
            self.stack(Command::Hold(identity));
        }
    }

    fn resume(&mut self, identity: CallIdentity) {
        if let Some(State::Talking { pending, .. }) = self.call_mut(identity).map(|call| &mut call.state) {
            *pending = Some(false);
            self.stack(Command::Resume(identity));
        }
    }

    /// The desk waits for digits on `line`, or says that there is none.
    fn offer_dial_tone(&mut self, now: Tick, near: Near, line: Option<LineNumber>) {
        self.desk = match line.filter(|line| self.usable(*line)) {
            Some(line) => Desk::DialTone { near, line, until: now + self.settings.first_digit },
            None => self.disconnect_tone(now, near),
        };
    }

    /// B292, B293.
    fn disconnect_tone(&self, now: Tick, near: Near) -> Desk {
        let tone = match self.settings.disconnection_tone {
            DisconnectionTone::Reorder => ToneName::Reorder,
            DisconnectionTone::Busy => ToneName::Busy,
        };
        Desk::Tone { near, tone, until: Some(now + self.tone_length(near)) }
    }

    fn tone_length(&self, near: Near) -> std::time::Duration {
        match near {
            Near::Handset => self.settings.disconnect_handset,
            Near::Speaker | Near::Headset => self.settings.disconnect_handsfree,
        }
    }

    /// Nothing more to be heard: a lifted handset stays lifted, hands-free closes by itself.
    fn rest(&mut self, near: Near) {
        self.desk = match near {
            Near::Handset => Desk::Silent { near },
            Near::Speaker | Near::Headset => Desk::Closed,
        };
    }
}

/// Identities for calls made here: SplitMix64 over the seed. They need to be different, not secret.
#[derive(Serialize, Deserialize)]
struct Identities {
    state: u64,
}

impl Identities {
    fn next(&mut self, now: Tick) -> CallIdentity {
        let random = u128::from(self.draw()) << 64 | u128::from(self.draw());
        CallIdentity::from_parts(now.0 / 1_000_000, random)
    }

    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
