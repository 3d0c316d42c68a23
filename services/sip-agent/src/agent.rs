//! The state of sip-agent: stack, telephone, sockets, media plan, what the bus shows, and the snapshot of it all, joined so that
//! outputs of one are inputs of the other. Synchronous: the driver brings an input, then everything that follows from it is done
//! here in this order: state, snapshot, messages, and only then what others shall see and hear.

mod features;
mod outputs;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use agreements::{CallIdentity, Correlation, Hook, LampPattern, LineNumber, Tick};
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::media::DesiredState;
use sip_stack::{Event, FlowId, Input, Stack, Start};
use telephone::{MediaState, Phone, Refusal, Request};

use crate::facts::Facts;
use crate::media::plan::{Outcome, Plan};
use crate::resolve::Question;
use crate::settings::{BoardFacts, Rows};
use crate::snapshot::{Head, Keeper, Legacy};
use crate::sockets::{Received, Sockets};
use crate::streams::{StreamEvent, Streams};

pub use features::{FeatureWrite, WriteOutcome};

/// A message that cannot be sent is an input again; so often in one turn, then the rest waits for the next one.
const ROUNDS_MAX: usize = 8;

/// What is taken from the network in one turn: so much is answered after one snapshot, and so long may a key or the bus wait.
const HEARD_MAX: usize = 16;

/// A start without anything from an earlier life is the unit's own start if it is not longer ago than this; a restart of the
/// service has the sockets of the last life, and one by hand comes later.
const SWITCHED_ON: std::time::Duration = std::time::Duration::from_secs(180);

/// Randomness of one start.
pub struct Seeds {
    /// Of the stack: fresh and secret.
    pub stack: [u8; 32],
    /// Of identities.
    pub identities: u64,
    /// Of the RTP sessions, when there are none yet.
    pub session_epoch: u64,
}

/// What the network brings.
pub enum Heard {
    /// Over UDP.
    Datagram(Received),
    /// Of a TCP connection.
    Stream((FlowId, SocketAddr, StreamEvent)),
}

/// See the module.
pub struct Agent {
    stack: Stack,
    phone: Phone,
    sockets: Sockets,
    streams: Streams,
    keeper: Keeper,
    head: Head,
    plan: Plan,
    facts: Facts,
    lamps: BTreeMap<String, LampPattern>,
    messages: Vec<(FlowId, SocketAddr, Vec<u8>)>,
    questions: Vec<Question>,
    writes: Vec<FeatureWrite>,
    /// Those that are stored, with a revision that is not in effect here yet.
    written: Vec<(LineNumber, u64)>,
    flows: BTreeMap<FlowId, LineNumber>,
    waits: [Option<Tick>; 2],
    /// For the log, which is written after the messages have left.
    happened: Vec<Event>,
    dirty: bool,
    media_differs: bool,
    /// The LAN port has no link.
    unplugged: bool,
    /// All is said after [`Agent::leave`].
    left: bool,
}

impl Agent {
    /// From what the last life left, or cold. Everything that follows from it has been done when this returns.
    pub fn start(now: Tick, epoch: u64, seeds: Seeds, mut fds: Vec<(String, OwnedFd)>) -> Agent {
        let switched_on = is_switched_on(now, &fds);
        let (keeper, legacy) = Keeper::open(&mut fds, now);
        let sockets = Sockets::new(&mut fds);
        let (head, calls) = match legacy {
            Some(Legacy { head, calls: Some(calls) }) => (head, Some(calls)),
            Some(Legacy { mut head, calls: None }) => {
                head.session_epoch = seeds.session_epoch;
                (head, None)
            }
            None => (Head::first(now, seeds.session_epoch), None),
        };
        let (mut stack, start) = Stack::new(now, seeds.stack, calls.as_ref().map(|(_, stack)| stack.as_slice()));
        if switched_on {
            stack.switched_on();
        }
        let restored = calls.filter(|_| start == Start::Restored).map(|(phone, _)| phone);
        tracing::info!(?start, switched_on, calls = stack.calls().len(), revision = head.revision, "sip-agent starts");
        let telephone = Rows::new(&head.values).telephone(LineNumber::FIRST);
        let mut agent = Agent {
            phone: restored.unwrap_or_else(|| Phone::new(telephone.clone(), seeds.identities)),
            plan: Plan::new(head.session_epoch),
            facts: Facts::new(epoch),
            stack,
            sockets,
            streams: Streams::default(),
            keeper,
            head,
            lamps: BTreeMap::new(),
            messages: Vec::new(),
            questions: Vec::new(),
            writes: Vec::new(),
            written: Vec::new(),
            flows: BTreeMap::new(),
            waits: [None; 2],
            happened: Vec::new(),
            dirty: true,
            media_differs: true,
            unplugged: false,
            left: false,
        };
        agent.phone.restored(now, telephone, &agent.stack.calls());
        agent.keeper.replace_head(&agent.head);
        if agent.head.revision > 0 {
            agent.apply_settings(now);
        }
        agent.settle(now);
        agent
    }

    // Inputs. Each is followed by everything that it brings about.

    /// All that came in at once: it goes into one snapshot.
    pub fn heard(&mut self, now: Tick, all: Vec<Heard>) {
        for heard in all {
            let input = match heard {
                Heard::Datagram(Received { flow, remote, bytes }) => Input::Datagram { flow, remote, bytes },
                Heard::Stream((flow, remote, StreamEvent::Up { accepted })) => Input::StreamUp { flow, remote, accepted },
                Heard::Stream((flow, remote, StreamEvent::Bytes(bytes))) => Input::StreamBytes { flow, remote, bytes },
                Heard::Stream((flow, remote, StreamEvent::Down)) => Input::StreamDown { flow, remote },
            };
            self.stack.handle(now, input);
            self.drain(now);
        }
        self.settle(now);
    }

    /// The deadline has come.
    pub fn timeout(&mut self, now: Tick) {
        self.stack.handle(now, Input::Timeout);
        self.phone.handle(now, telephone::Input::Timeout);
        self.settle(now);
    }

    /// Somebody on the bus wants something.
    pub fn request(&mut self, now: Tick, request: Request, cause: Correlation) -> Result<Option<CallIdentity>, HouseError> {
        if self.head.revision == 0 {
            return Err(HouseError::new(ErrorKind::NotReady, "the settings are not there yet: is provisioning-agent up?"));
        }
        let (what, call) = named(&request);
        tracing::info!(what, call, correlation = cause.as_str(), "asked over the bus");
        let answer = self.phone.request(now, request, cause);
        self.settle(now);
        answer.map_err(refused)
    }

    /// The settings: all of them, or what has changed.
    pub fn settings(&mut self, now: Tick, revision: u64, values: BTreeMap<String, String>, whole: bool) {
        if whole {
            self.head.values = values;
        } else {
            self.head.values.extend(values);
        }
        self.head.revision = revision;
        self.apply_settings(now);
        if whole {
            self.forget_written(now);
        }
        self.tell_written(now);
        self.sockets.drop_kept();
        tracing::info!(revision, "the settings are in effect");
    }

    /// The board's facts; what it does not know (yet) stays as it was, so that hal-agent may start again under a call.
    pub fn board(&mut self, now: Tick, board: BoardFacts, hook: Option<Hook>) {
        let known = &self.head.board;
        let or = |new: String, old: &String| if new.is_empty() { old.clone() } else { new };
        let merged = BoardFacts {
            address: board.address.or(known.address),
            mac: or(board.mac, &known.mac),
            model: or(board.model, &known.model),
            firmware: or(board.firmware, &known.firmware),
        };
        if merged != *known {
            self.head.board = merged;
            self.apply_settings(now);
        }
        self.facts.phone.hook = hook.map_or("unknown", Hook::as_str);
        if let Some(hook) = hook {
            self.phone.handle(now, telephone::Input::Hook(hook));
        }
        self.settle(now);
    }

    /// The LAN port has a link, or has none. What was said without one is lost, and where the cable leads now nobody knows: lines
    /// register as soon as it is back.
    pub fn link(&mut self, now: Tick, up: bool) {
        if std::mem::replace(&mut self.unplugged, !up) && up {
            tracing::info!("the link is back: lines register");
            self.stack.handle(now, Input::LinkUp);
            self.settle(now);
        }
    }

    /// hal-agent is gone: the call goes on, the handset counts as it was.
    pub fn board_away(&mut self) {
        self.facts.phone.hook = "unknown";
    }

    /// A key.
    pub fn key(&mut self, now: Tick, name: String, pressed: bool) {
        self.phone.handle(now, telephone::Input::Key { name, pressed });
        self.settle(now);
    }

    /// What became of a media state.
    pub fn media_outcome(&mut self, now: Tick, generation: u64, outcome: Outcome) {
        // Nothing of the state has come into effect: the others are to be asked for without the call whose port is taken.
        self.media_differs |= matches!(outcome, Outcome::PortTaken(_));
        for ready in self.plan.outcome(generation, outcome) {
            if let Err(refusal) = &ready.result {
                tracing::warn!(call = %ready.call, ?refusal, "no media");
            }
            if matches!(ready.result, Err(sip_stack::MediaRefusal::Failed(_))) {
                self.phone.handle(now, telephone::Input::Media(ready.call, MediaState::Failed));
            }
            let (call, generation, result) = (ready.call, ready.generation, ready.result);
            self.stack.handle(now, Input::MediaReady { call, generation, result });
        }
        self.settle(now);
    }

    /// RTP comes in, or does not.
    pub fn media_flow(&mut self, now: Tick, call: CallIdentity, state: MediaState) {
        if self.plan.has(call) {
            self.phone.handle(now, telephone::Input::Media(call, state));
            self.settle(now);
        }
    }

    /// Digits are out.
    pub fn digits_sent(&mut self, now: Tick, call: CallIdentity, number: u64) {
        self.phone.handle(now, telephone::Input::DigitsSent { call, number });
        self.settle(now);
    }

    /// A name was looked up.
    pub fn resolved(&mut self, now: Tick, found: crate::resolve::Found) {
        self.stack.handle(now, Input::Resolved { query: found.query, targets: found.targets });
        self.settle(now);
    }

    /// The unit goes down: calls end, lines say goodbye where they shall. Until [`Agent::has_left`] answers are waited for.
    pub fn leave(&mut self, now: Tick) {
        self.stack.handle(now, Input::Command(sip_stack::Command::Stop, Correlation::default()));
        self.settle(now);
    }

    /// After [`Agent::leave`]: whether all is said.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// What has been ended shall not be gone on with, if another life follows all the same: it begins with the settings alone.
    pub fn bequeath_nothing(&mut self) {
        self.keeper.write(&self.phone, &[]);
    }

    // What the driver takes away.

    /// What has come from the network by now, to wait for. Safe to drop half way.
    pub fn poll_network(&mut self, context: &mut Context<'_>) -> Poll<Vec<Heard>> {
        let mut all = Vec::new();
        while all.len() < HEARD_MAX
            && let Poll::Ready(heard) = self.poll_next(context)
        {
            all.push(heard);
        }
        if all.is_empty() { Poll::Pending } else { Poll::Ready(all) }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        if let Poll::Ready(received) = self.sockets.poll_receive(context) {
            return Poll::Ready(Heard::Datagram(received));
        }
        self.streams.poll(context).map(Heard::Stream)
    }

    /// When [`Agent::timeout`] is due.
    pub fn deadline(&self) -> Option<Tick> {
        self.waits.into_iter().flatten().min()
    }

    /// What the bus shows.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The lamps.
    pub fn lamps(&self) -> &BTreeMap<String, LampPattern> {
        &self.lamps
    }

    /// The media state, when it differs from the last one taken.
    pub fn take_media(&mut self, now: Tick) -> Option<DesiredState> {
        if !std::mem::take(&mut self.media_differs) {
            return None;
        }
        let rows = Rows::new(&self.head.values);
        self.plan.compose(now, |line| rows.media(line))
    }

    /// Random per unit, and the same over restarts of the service: which of several servers of one weight it prefers.
    pub fn preference(&self) -> u64 {
        self.head.session_epoch
    }

    /// Names to look up.
    pub fn take_questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }
}

/// Whether the unit starts, not the service alone (see [`SWITCHED_ON`]); `kept`: what the supervisor has kept of an earlier life.
fn is_switched_on(now: Tick, kept: &[(String, OwnedFd)]) -> bool {
    kept.is_empty() && now < Tick(0) + SWITCHED_ON
}

/// For the log: what is asked for and of which call. Digits may be somebody's PIN and stay out.
fn named(request: &Request) -> (&'static str, String) {
    match request {
        Request::Dial { .. } => ("dial", String::new()),
        Request::CallMailbox { .. } => ("call mailbox", String::new()),
        Request::Answer(call) => ("answer", call.to_string()),
        Request::Reject(call) => ("reject", call.to_string()),
        Request::Hangup(call) => ("hangup", call.to_string()),
        Request::Hold(call) => ("hold", call.to_string()),
        Request::Resume(call) => ("resume", call.to_string()),
        Request::SendDigits(call, _) => ("send digits", call.to_string()),
        Request::SendFlashHook(call) => ("send flash hook", call.to_string()),
        Request::Transfer(call, _) => ("transfer", call.to_string()),
        Request::TransferTo { call, .. } => ("transfer to a call", call.to_string()),
        Request::Register(_) => ("register", String::new()),
    }
}

fn refused(refusal: Refusal) -> HouseError {
    let kind = match &refusal {
        Refusal::InvalidArgument(_) => ErrorKind::InvalidArgument,
        Refusal::NoSuchCall(_) => ErrorKind::NoSuchObject,
        Refusal::WrongState(_) => ErrorKind::WrongState,
        Refusal::NumberDenied(_) => ErrorKind::NumberDenied,
        Refusal::LineUnavailable(_) => ErrorKind::LineUnavailable,
        Refusal::Busy(_) => ErrorKind::Busy,
    };
    HouseError::new(kind, refusal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_finds_sockets_or_comes_late_is_one_of_the_service_alone() {
        let after = |seconds: u64| Tick(0) + std::time::Duration::from_secs(seconds);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(is_switched_on(after(20), &[]));
        assert!(!is_switched_on(after(20), &[("sip-line-1".to_owned(), socket.into())]));
        assert!(!is_switched_on(after(181), &[]));
    }
}
