//! What follows from an input: outputs of the stack and of the telephone, each put where it belongs, until neither has anything
//! more to say; then the snapshot, then the messages, then the log.

use std::net::SocketAddr;

use agreements::{Correlation, LineNumber, Tick};
use sip_stack::{Command, Event, FlowId, Input, Output, Transport};
use telephone::MediaState;

use super::{Agent, ROUNDS_MAX};
use crate::journal;
use crate::resolve::Question;
use crate::settings::Rows;

impl Agent {
    pub(super) fn apply_settings(&mut self, now: Tick) {
        let rows = Rows::new(&self.head.values);
        let stack = rows.stack(&self.head.board);
        for line in LineNumber::all() {
            let (Some(shown), Some(settings)) = (self.facts.line_mut(line), stack.lines.get(line.index())) else { continue };
            let configured = !settings.user.is_empty() && !settings.domain.is_empty();
            shown.address_of_record = if configured { format!("sip:{}@{}", settings.user, settings.domain) } else { String::new() };
            shown.phone_number = rows.phone_number(line);
            shown.display_name.clone_from(&settings.display_name);
        }
        let telephone = Box::new(rows.telephone(LineNumber::FIRST));
        self.keeper.replace_head(&self.head);
        self.dirty = true;
        self.media_differs = true;
        self.stack.handle(now, Input::Settings(Box::new(stack)));
        self.phone.handle(now, telephone::Input::Settings(telephone));
        self.facts.phone.applied_revision = self.head.revision;
    }

    pub(super) fn settle(&mut self, now: Tick) {
        for _ in 0..ROUNDS_MAX {
            self.drain(now);
            if std::mem::take(&mut self.dirty) {
                self.keeper.write(&self.phone, &self.stack.snapshot());
            }
            let undelivered = self.transmit();
            self.happened.drain(..).for_each(|event| journal::write(&event));
            if undelivered.is_empty() {
                return;
            }
            for input in undelivered {
                self.stack.handle(now, input);
            }
        }
    }

    /// Until neither stack nor telephone has anything more to say.
    pub(super) fn drain(&mut self, now: Tick) {
        loop {
            match self.stack.poll() {
                Output::Wait(until) => self.waits[0] = until,
                output => {
                    self.on_stack(now, output);
                    continue;
                }
            }
            match self.phone.poll() {
                telephone::Output::Wait(until) => {
                    self.waits[1] = until;
                    return;
                }
                output => self.on_phone(now, output),
            }
        }
    }

    /// What could not be sent, as inputs.
    fn transmit(&mut self) -> Vec<Input> {
        let mut undelivered = Vec::new();
        for (flow, remote, bytes) in self.messages.drain(..) {
            let tcp = self.streams.has(flow);
            let sent = if tcp { self.streams.send(flow, remote, &bytes) } else { self.sockets.send(flow, remote, &bytes) };
            undelivered.extend(self.sockets.take_unreachable().map(|(flow, remote)| Input::Refused { flow, remote }));
            if let Err(error) = sent {
                tracing::info!(%remote, %error, "a message cannot be sent");
                undelivered.push(if tcp { Input::StreamDown { flow, remote } } else { Input::Unreachable { flow, remote } });
            }
        }
        undelivered
    }

    fn on_stack(&mut self, now: Tick, output: Output) {
        match output {
            Output::Transmit { flow, remote, bytes } => self.messages.push((flow, remote, bytes)),
            Output::OpenFlow { flow, line, transport, local, dscp } => self.open(now, flow, line, (transport, local, dscp)),
            Output::MarkFlow { flow, dscp } => {
                self.sockets.mark(flow, dscp);
                self.streams.mark(flow, dscp);
            }
            Output::CloseFlow { flow } => {
                self.sockets.close(flow);
                self.streams.close(flow);
                self.flows.remove(&flow);
                self.show_ports();
            }
            Output::CloseStream { flow, remote } => self.close_stream(flow, remote),
            Output::Resolve { query, host, port, srv, ipv6 } => {
                self.questions.push(Question { query, host, port, srv, ipv6 });
            }
            Output::MediaDesired(media) => {
                let call = media.call;
                let state = if media.legs.is_empty() { MediaState::None } else { MediaState::Starting };
                self.phone.handle(now, telephone::Input::Media(call, state));
                self.plan.want_call(media);
                self.media_differs = true;
            }
            Output::Event(event) => self.on_event(now, event),
            Output::SnapshotDirty => self.dirty = true,
            Output::Wait(_) => {}
        }
    }

    /// What was to leave over it does not open another one.
    fn close_stream(&mut self, flow: FlowId, remote: SocketAddr) {
        self.messages.retain(|(of, to, _)| (*of, *to) != (flow, remote));
        self.streams.close_connection(flow, remote);
    }

    fn open(&mut self, now: Tick, flow: FlowId, line: LineNumber, (transport, local, dscp): (Transport, SocketAddr, u8)) {
        let opened = match transport {
            Transport::Udp => self.sockets.open(flow, line, local, dscp),
            Transport::Tcp => self.streams.listen(flow, local, dscp),
        };
        let input = match opened {
            Ok(local) => {
                self.flows.insert(flow, line);
                Input::FlowUp { flow, local }
            }
            Err(error) => {
                tracing::warn!(%line, %local, %error, "the socket cannot be had");
                Input::FlowDown { flow, reason: format!("{local}: {error}") }
            }
        };
        self.stack.handle(now, input);
        self.show_ports();
    }

    fn show_ports(&mut self) {
        for line in LineNumber::all() {
            let flow = self.flows.iter().find(|(_, of)| **of == line).map(|(flow, _)| *flow);
            let port = flow.and_then(|flow| self.sockets.port(flow).or_else(|| self.streams.port(flow))).unwrap_or(0);
            if let Some(shown) = self.facts.line_mut(line) {
                shown.source_port = port;
            }
        }
    }

    fn on_event(&mut self, now: Tick, event: Event) {
        if let Event::Line(line, state) = &event
            && let Some(shown) = self.facts.line_mut(*line)
        {
            shown.state.clone_from(state);
        }
        self.left |= event == Event::Stopped;
        if let Event::ResyncRequested { .. } = &event {
            self.facts.phone.resync_requests += 1;
        }
        self.happened.push(event.clone());
        self.phone.handle(now, telephone::Input::Sip(event));
    }

    fn on_phone(&mut self, now: Tick, output: telephone::Output) {
        self.dirty = true;
        match output {
            telephone::Output::Stack(command, cause) => self.command(now, command, cause),
            telephone::Output::Sound(sound) => {
                self.plan.want_sound(sound);
                self.media_differs = true;
            }
            telephone::Output::Call(view) => {
                self.facts.calls.insert(view.identity, *view);
            }
            telephone::Output::CallGone(call) => {
                self.facts.calls.remove(&call);
            }
            telephone::Output::Lamps(lamps) => self.lamps = lamps,
            telephone::Output::Messages(line, messages) => {
                if let Some(shown) = self.facts.line_mut(line) {
                    shown.messages = messages;
                }
            }
            telephone::Output::FeatureSync(line, sync) => {
                if let Some(shown) = self.facts.line_mut(line) {
                    shown.feature_sync = sync;
                }
            }
            telephone::Output::WriteFeatures(line, features) => self.write_features(line, &features),
            telephone::Output::Watching(line, watching) => {
                if let Some(shown) = self.facts.line_mut(line) {
                    shown.watching = watching;
                }
            }
            telephone::Output::Shared(line, shared) => {
                if let Some(shown) = self.facts.line_mut(line) {
                    shown.shared = shared;
                }
            }
            telephone::Output::PendingDigits(digits) => self.facts.phone.pending_digits = digits,
            telephone::Output::CallsUp(up) => self.facts.phone.calls_up = up,
            telephone::Output::Wait(_) => {}
        }
    }

    fn command(&mut self, now: Tick, command: Command, cause: Correlation) {
        tracing::debug!(?command, correlation = cause.as_str(), "command");
        self.stack.handle(now, Input::Command(command, cause));
    }
}
