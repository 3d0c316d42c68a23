//! What follows from the state for ear, ringer, lamps and screens. Nothing here changes the state: each wish is worked out anew
//! and given out when it differs from the last one.

use std::collections::{BTreeMap, BTreeSet};

use agreements::{CallIdentity, LampPattern, LineNumber};

use super::Phone;
use crate::call::{Call, State};
use crate::desk::Desk;
use crate::interface::{
    CallState, CallView, FeatureSync, Messages, Near, Output, SharedLine, SoundWish, ToneName, ToneWish, Watching,
};

/// What was last given out; empty after a start, so that everything is said.
#[derive(Default)]
pub(super) struct Told {
    sound: Option<SoundWish>,
    calls: BTreeMap<CallIdentity, CallView>,
    lamps: Option<BTreeMap<String, LampPattern>>,
    pub(super) messages: [Option<Messages>; LineNumber::COUNT as usize],
    pub(super) feature_sync: [Option<FeatureSync>; LineNumber::COUNT as usize],
    pub(super) watching: [Option<Watching>; LineNumber::COUNT as usize],
    pub(super) shared: [Option<SharedLine>; LineNumber::COUNT as usize],
    pending_digits: Option<String>,
    calls_up: Option<u32>,
}

impl Phone {
    /// Gives out what has changed.
    pub(super) fn settle(&mut self) {
        self.settle_sound();
        self.settle_calls();
        self.settle_messages();
        self.settle_feature_sync();
        self.settle_watching();
        self.settle_shared_lines();
        let up = u32::try_from(self.calls_up()).unwrap_or(u32::MAX);
        if self.told.calls_up != Some(up) {
            self.told.calls_up = Some(up);
            self.outputs.push_back(Output::CallsUp(up));
        }
        let digits = self.pending_digits().to_owned();
        if self.told.pending_digits.as_ref() != Some(&digits) {
            self.told.pending_digits = Some(digits.clone());
            self.outputs.push_back(Output::PendingDigits(digits));
        }
        let lamps = self.lamps();
        if self.told.lamps.as_ref() != Some(&lamps) {
            self.told.lamps = Some(lamps.clone());
            self.outputs.push_back(Output::Lamps(lamps));
        }
    }

    fn settle_sound(&mut self) {
        let sound = self.sound();
        if self.told.sound.as_ref() != Some(&sound) {
            self.told.sound = Some(sound.clone());
            self.outputs.push_back(Output::Sound(sound));
        }
    }

    fn settle_calls(&mut self) {
        let shown: BTreeSet<CallIdentity> = self.calls.iter().map(|call| call.identity).collect();
        for call in &self.calls {
            if self.told.calls.get(&call.identity).is_some_and(|told| told.state == CallState::Ended) {
                continue;
            }
            let view = call.view();
            if self.told.calls.get(&call.identity) != Some(&view) {
                self.told.calls.insert(call.identity, view.clone());
                self.outputs.push_back(Output::Call(Box::new(view)));
            }
        }
        let outputs = &mut self.outputs;
        self.told.calls.retain(|identity, _| {
            let stays = shown.contains(identity);
            if !stays {
                outputs.push_back(Output::CallGone(*identity));
            }
            stays
        });
    }

    fn sound(&self) -> SoundWish {
        SoundWish {
            tone: self.tone().map(|name| ToneWish { name, sound: self.tone_settings(name).clone() }),
            ring: self.rings(),
            near: self.desk.near().unwrap_or_default(),
            heard: self.desk_call().filter(|call| call.is_audible()).map(|call| call.identity),
            muted: self.muted,
            digits: self.digits(),
        }
    }

    fn digits(&self) -> BTreeMap<CallIdentity, Vec<crate::interface::Digit>> {
        let waiting = self.calls.iter().filter(|call| !call.digits.is_empty());
        waiting.map(|call| (call.identity, call.digits.clone())).collect()
    }

    fn tone(&self) -> Option<ToneName> {
        match &self.desk {
            Desk::DialTone { line, .. } => self.dial_tone(*line),
            Desk::Tone { tone, .. } => Some(*tone),
            Desk::Call { .. } => match self.desk_call().map(|call| &call.state) {
                Some(State::Ringback { early_media: false }) => Some(ToneName::Ringback),
                _ => None,
            },
            Desk::Closed | Desk::Collecting { .. } | Desk::Silent { .. } => None,
        }
    }

    fn tone_settings(&self, name: ToneName) -> &crate::settings::ToneSettings {
        let tones = &self.settings.tones;
        match name {
            ToneName::Dial => &tones.dial,
            ToneName::Ringback => &tones.ringback,
            ToneName::Busy => &tones.busy,
            ToneName::Reorder => &tones.reorder,
        }
    }

    /// The ringer rings only while nobody is at the phone.
    fn rings(&self) -> bool {
        matches!(self.desk, Desk::Closed) && self.calls.iter().any(Call::wants_answer)
    }

    /// Off-hook only: what is keyed on-hook is nobody's business until it is dialed.
    fn pending_digits(&self) -> &str {
        match &self.desk {
            Desk::Collecting { digits, .. } => digits,
            Desk::Closed | Desk::DialTone { .. } | Desk::Call { .. } | Desk::Tone { .. } | Desk::Silent { .. } => "",
        }
    }

    fn lamps(&self) -> BTreeMap<String, LampPattern> {
        let lit = |on: bool| if on { LampPattern::On } else { LampPattern::Off };
        let near = self.desk.near();
        let ringer = if self.calls.iter().any(Call::wants_answer) { LampPattern::FlashFast } else { LampPattern::Off };
        let mut lamps = BTreeMap::from([
            ("message".to_owned(), lit(self.has_messages())),
            ("ringer".to_owned(), ringer),
            ("speaker".to_owned(), lit(near == Some(Near::Speaker))),
            ("headset".to_owned(), lit(near == Some(Near::Headset))),
            ("mute".to_owned(), lit(self.muted)),
        ]);
        lamps.extend(LineNumber::all().map(|line| (format!("line-{line}"), self.line_lamp(line))));
        lamps
    }

    fn line_lamp(&self, line: LineNumber) -> LampPattern {
        let calls = || self.calls.iter().filter(move |call| call.line == line && call.is_up());
        if calls().any(Call::wants_answer) {
            LampPattern::FlashFast
        } else if calls().any(|call| !call.is_held()) || self.dialing_line() == Some(line) {
            LampPattern::On
        } else if calls().any(Call::is_held) {
            LampPattern::FlashSlow
        } else {
            self.shared_lamp(line)
        }
    }

    pub(super) fn dialing_line(&self) -> Option<LineNumber> {
        match &self.desk {
            Desk::DialTone { line, .. } | Desk::Collecting { line, .. } => Some(*line),
            Desk::Closed | Desk::Call { .. } | Desk::Tone { .. } | Desk::Silent { .. } => None,
        }
    }
}
