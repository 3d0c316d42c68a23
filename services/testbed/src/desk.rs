//! A phone in virtual time: the hand, the far end and the bus are calls of these functions, and what the phone wishes is kept.
//! It judges nothing: what was wished stands in its fields, for a test to look at.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the code of tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use agreements::{CallIdentity, Correlation, Hook, LampPattern, LineNumber, Tick};
use sip_stack::{Codec, Command, EndedBy, Event, LineState, Party, ReferralId};
use telephone::{
    CallView, FeatureSync, Input, LineFeatures, Messages, Output, Phone, Refusal, Request, SharedLine, SoundWish,
    TelephoneSettings, Watching,
};

/// A telephone and who sits before it.
pub struct Desk {
    /// The telephone.
    pub phone: Phone,
    /// The clock.
    pub now: Tick,
    /// What it told the stack since the last [`Desk::commands`].
    pub commands: Vec<Command>,
    /// What shall be heard.
    pub sound: SoundWish,
    /// The calls that are shown.
    pub calls: BTreeMap<CallIdentity, CallView>,
    /// The lamps.
    pub lamps: BTreeMap<String, LampPattern>,
    /// What waits at the lines' mailboxes.
    pub messages: BTreeMap<LineNumber, Messages>,
    /// How far the lines' do-not-disturb and forwarding are kept the same as at their servers.
    pub feature_sync: BTreeMap<LineNumber, FeatureSync>,
    /// Rows that were to be written down since the last [`Desk::writes`].
    pub writes: Vec<(LineNumber, LineFeatures)>,
    /// Whom the lines watch.
    pub watching: BTreeMap<LineNumber, Watching>,
    /// What the units of shared lines do.
    pub shared: BTreeMap<LineNumber, SharedLine>,
    /// Digits keyed and not yet sent.
    pub pending_digits: String,
    /// How many calls have not ended.
    pub calls_up: u32,
    wait: Option<Tick>,
    incoming: u64,
}

/// A line by its number.
pub fn line(number: u32) -> LineNumber {
    LineNumber::new(number).unwrap()
}

/// As the factory has it, with line 1 as the default.
pub fn factory() -> TelephoneSettings {
    TelephoneSettings::factory(line(1))
}

/// What the stack says of a line that is.
pub fn registered() -> LineState {
    LineState::Registered { registrar: "192.0.2.1:5060".into(), expires: 3600 }
}

impl Desk {
    /// Line 1 is registered.
    pub fn new(settings: TelephoneSettings) -> Desk {
        let mut desk = Desk::of(Phone::new(settings, 7), Tick(1_000_000_000));
        desk.sip(Event::Line(line(1), registered()));
        desk
    }

    /// A telephone as it is, nothing registered.
    pub fn of(phone: Phone, now: Tick) -> Desk {
        let mut desk = Desk {
            phone,
            now,
            commands: Vec::new(),
            sound: SoundWish::default(),
            calls: BTreeMap::new(),
            lamps: BTreeMap::new(),
            messages: BTreeMap::new(),
            feature_sync: BTreeMap::new(),
            writes: Vec::new(),
            watching: BTreeMap::new(),
            shared: BTreeMap::new(),
            pending_digits: String::new(),
            calls_up: 0,
            wait: None,
            incoming: 0,
        };
        desk.drain();
        desk
    }

    fn drain(&mut self) {
        loop {
            match self.phone.poll() {
                Output::Stack(command, _) => self.commands.push(command),
                Output::Sound(sound) => self.sound = sound,
                Output::Call(view) => {
                    self.calls.insert(view.identity, *view);
                }
                Output::CallGone(call) => {
                    self.calls.remove(&call).unwrap();
                }
                Output::Lamps(lamps) => self.lamps = lamps,
                Output::Messages(line, messages) => {
                    self.messages.insert(line, messages);
                }
                Output::FeatureSync(line, sync) => {
                    self.feature_sync.insert(line, sync);
                }
                Output::WriteFeatures(line, rows) => self.writes.push((line, *rows)),
                Output::Watching(line, watching) => {
                    self.watching.insert(line, watching);
                }
                Output::Shared(line, shared) => {
                    self.shared.insert(line, shared);
                }
                Output::PendingDigits(digits) => self.pending_digits = digits,
                Output::CallsUp(up) => self.calls_up = up,
                Output::Wait(until) => {
                    self.wait = until;
                    return;
                }
            }
        }
    }

    /// Feeds the telephone and keeps what it wishes.
    pub fn input(&mut self, input: Input) {
        self.phone.handle(self.now, input);
        self.drain();
    }

    /// An event of the stack.
    pub fn sip(&mut self, event: Event) {
        self.input(Input::Sip(event));
    }

    /// Takes the handset.
    pub fn lift(&mut self) {
        self.input(Input::Hook(Hook::Off));
    }

    /// Puts it back.
    pub fn put_down(&mut self) {
        self.input(Input::Hook(Hook::On));
    }

    /// Presses and releases a key.
    pub fn key(&mut self, name: &str) {
        self.input(Input::Key { name: name.into(), pressed: true });
        self.input(Input::Key { name: name.into(), pressed: false });
    }

    /// Several, one after the other.
    pub fn keys(&mut self, names: &[&str]) {
        for name in names {
            self.key(name);
        }
    }

    /// Lets time go by, stopping at each deadline.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.wait.filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// As [`Desk::pass`].
    pub fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Asks over the bus.
    pub fn request(&mut self, request: Request) -> Result<Option<CallIdentity>, Refusal> {
        let answer = self.phone.request(self.now, request, Correlation::default());
        self.drain();
        answer
    }

    /// An INVITE on this line.
    pub fn invite(&mut self, on: u32) -> CallIdentity {
        self.incoming += 1;
        let call = CallIdentity::from_parts(self.incoming, u128::from(self.incoming));
        let remote = Party { number: "300".into(), name: "Ada".into(), uri: "sip:300@example.com".into() };
        self.sip(Event::Incoming { call, line: line(on), remote, sip_call_id: "abc@example.com".into(), replaces: None });
        call
    }

    /// The far end of a call wants it to go on with somebody else.
    pub fn refer(&mut self, call: CallIdentity, referral: u64) {
        let party = |number: &str| Party { number: number.into(), uri: format!("sip:{number}@example.com"), ..Party::default() };
        let (by, to) = (party("300"), party("500"));
        let referral = ReferralId(referral);
        self.sip(Event::Referred { referral, line: line(1), call: Some(call), by, to, replaces: false });
    }

    /// An INVITE on line 1 that wants the place of another call.
    pub fn replace(&mut self, old: CallIdentity) -> CallIdentity {
        self.incoming += 1;
        let call = CallIdentity::from_parts(self.incoming, u128::from(self.incoming));
        let remote = Party { number: "500".into(), uri: "sip:500@example.com".into(), ..Party::default() };
        self.sip(Event::Incoming { call, line: line(1), remote, sip_call_id: "new".into(), replaces: Some(old) });
        call
    }

    /// The call has been answered.
    pub fn established(&mut self, call: CallIdentity) {
        self.sip(Event::Established { call, remote: Party::default(), codec: Some(Codec::Pcmu), held: false });
    }

    /// The re-INVITE has been answered.
    pub fn hold_changed(&mut self, call: CallIdentity, local: bool, remote: bool) {
        self.sip(Event::HoldChanged { call, local, remote, codec: Some(Codec::Pcmu) });
    }

    /// The call is over.
    pub fn ended(&mut self, call: CallIdentity, code: u16, by: EndedBy) {
        self.sip(Event::Ended { call, code, reason: "in words".into(), by });
    }

    /// A call that talks in the handset.
    pub fn talking(&mut self, on: u32) -> CallIdentity {
        let call = self.invite(on);
        self.lift();
        self.established(call);
        self.commands.clear();
        call
    }

    /// Takes the commands given since the last look.
    pub fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Takes the rows that were to be written down since the last look.
    pub fn writes(&mut self) -> Vec<(LineNumber, LineFeatures)> {
        std::mem::take(&mut self.writes)
    }

    /// The one INVITE that was wanted since the last look.
    pub fn dialed(&mut self) -> (CallIdentity, LineNumber, String) {
        match self.commands().as_slice() {
            [Command::Dial { call, line, target, .. }] => (*call, *line, target.clone()),
            other => panic!("one INVITE is expected, not {other:?}"),
        }
    }

    /// The name of the tone in the earpiece.
    pub fn tone(&self) -> Option<&'static str> {
        self.sound.tone.as_ref().map(|tone| tone.name.as_str())
    }

    /// The pattern of a lamp that is known.
    pub fn lamp(&self, name: &str) -> &'static str {
        self.lamps.get(name).unwrap().as_str()
    }

    /// A call that is shown.
    pub fn view(&self, call: CallIdentity) -> &CallView {
        self.calls.get(&call).unwrap()
    }
}
