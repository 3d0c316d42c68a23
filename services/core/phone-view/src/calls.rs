//! The calls that are up, as a screen lists them.

use crate::facts::{Peer, Properties, Value};
use crate::fold::PhoneView;
use crate::status::text_of;

const CALL: &str = "org.deskphone.Sip1.Call";

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Outgoing, nothing rings yet.
    Dialing,
    /// Outgoing, the far end rings.
    Ringback,
    /// Incoming, we ring.
    Incoming,
    /// Answered.
    Talking,
    /// Over; still shown for a few seconds.
    Ended,
    /// A state of a newer peer.
    Unknown,
}

/// Who holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// Nobody.
    None,
    /// We.
    Local,
    /// The far end.
    Remote,
    /// Both.
    Both,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The far end.
    Incoming,
    /// We.
    Outgoing,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// Object path; the same over restarts of any service.
    pub path: String,
    /// 1 to 6; 0 when unknown.
    pub line: u8,
    /// Who called.
    pub direction: Direction,
    /// Where it stands.
    pub state: CallState,
    /// Who holds.
    pub hold: HoldState,
    /// The far end's number.
    pub number: String,
    /// The far end's name; empty when it sent none.
    pub name: String,
    /// Agreed codec; empty while there is none.
    pub codec: String,
    /// Why it ended, in words; empty while it is up.
    pub end_reason: String,
    /// Nanoseconds of CLOCK_BOOTTIME at which it was answered; 0 when it has not been.
    pub answered_at: u64,
}

impl PhoneView {
    /// Every call, the oldest first (the last part of the path is a ULID, which sorts by time).
    pub fn calls(&self) -> Vec<CallView> {
        self.with_interface(Peer::Sip, CALL).map(|(path, properties)| call(path, properties)).collect()
    }
}

fn call(path: &str, properties: &Properties) -> CallView {
    CallView {
        path: path.to_owned(),
        line: u8::try_from(number_of(properties, "Line")).unwrap_or(0),
        direction: if text_of(properties, "Direction") == "incoming" { Direction::Incoming } else { Direction::Outgoing },
        state: state(&text_of(properties, "State")),
        hold: hold(&text_of(properties, "Hold")),
        number: text_of(properties, "RemoteNumber"),
        name: text_of(properties, "RemoteName"),
        codec: text_of(properties, "Codec"),
        end_reason: text_of(properties, "EndReason"),
        answered_at: number_of(properties, "AnsweredAt"),
    }
}

fn number_of(properties: &Properties, name: &str) -> u64 {
    match properties.get(name) {
        Some(Value::Number(number)) => *number,
        _ => 0,
    }
}

fn state(state: &str) -> CallState {
    match state {
        "dialing" => CallState::Dialing,
        "ringback" => CallState::Ringback,
        "incoming" => CallState::Incoming,
        "talking" => CallState::Talking,
        "ended" => CallState::Ended,
        _ => CallState::Unknown,
    }
}

fn hold(hold: &str) -> HoldState {
    match hold {
        "local" => HoldState::Local,
        "remote" => HoldState::Remote,
        "both" => HoldState::Both,
        _ => HoldState::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Fact, Objects};

    fn appeared(path: &str, state: &str) -> Fact {
        let text = |text: &str| Value::Text(text.into());
        Fact::Changed {
            peer: Peer::Sip,
            path: path.into(),
            interface: CALL.into(),
            properties: Properties::from([
                ("Line".into(), Value::Number(1)),
                ("State".into(), text(state)),
                ("Direction".into(), text("incoming")),
                ("Hold".into(), text("none")),
                ("RemoteNumber".into(), text("101")),
            ]),
        }
    }

    #[test]
    fn a_call_appears_changes_and_goes() {
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects: Objects::new() });
        view.fold(appeared("/org/deskphone/Sip1/call/B", "incoming"));
        view.fold(appeared("/org/deskphone/Sip1/call/A", "talking"));
        let states: Vec<CallState> = view.calls().iter().map(|call| call.state).collect();
        assert_eq!(states, [CallState::Talking, CallState::Incoming]);
        view.fold(appeared("/org/deskphone/Sip1/call/B", "melting"));
        assert_eq!(view.calls()[1].state, CallState::Unknown);
        view.fold(Fact::Removed { peer: Peer::Sip, path: "/org/deskphone/Sip1/call/B".into() });
        assert_eq!(view.calls().len(), 1);
    }
}
