//! Referrals in both roles and calls that take the place of others (RFC 3515, 3891, 3892, 4488, 4538, 5589) against a scripted far
//! end, and among stacks.

mod among;
mod ending;
mod replaced;
mod sending;
mod taking;

use agreements::CallIdentity;
use sip_stack::{Command, Event, Load, ReferProgress, ReferTarget, ReferralId, StackSettings};
use sip_wire::{Message, Request, Response};
use testbed::virtual_net::peer::{PCMU, answer, requests, response_of};

use crate::given::direct;
use crate::incoming::Called;

const FAR: &str = "10.0.0.9:5060";

/// The phone 200 at 10.0.0.1 in a call with the far end at 10.0.0.9, which is its proxy as well.
struct Lab {
    called: Called,
    call: CallIdentity,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(direct("10.0.0.1", "200", FAR))
    }

    fn with(settings: StackSettings) -> Lab {
        let mut called = Called::with(settings);
        called.invite(PCMU);
        called.command(Command::Answer);
        let got = called.got();
        called.caller.learn_tag(&got);
        called.caller.ack(&mut called.net, "");
        called.titles();
        let call = called.net.nodes[0].incoming();
        Lab { called, call }
    }

    fn command(&mut self, command: Command) {
        self.called.net.command(0, command);
        self.called.net.settle();
    }

    fn refer_to(&mut self, target: &str) {
        self.command(Command::Refer { call: self.call, target: ReferTarget::Address(target.into()) });
    }

    /// The REFER that the phone sends for this number.
    fn refer(&mut self, target: &str) -> Request {
        self.refer_to(target);
        self.request("REFER")
    }

    /// The one request of a method that came, repetitions aside.
    fn request(&mut self, method: &str) -> Request {
        let got = self.called.got();
        let found = requests(&got, method);
        assert!(!found.is_empty() && found.iter().all(|other| *other == found[0]), "{method}\n{}", self.called.net.story());
        let found = found[0].clone();
        self.put_aside(&got);
        found
    }

    /// As [`Lab::request`]; NOTIFYs that came stay unanswered.
    fn request_unanswered(&mut self, method: &str) -> Request {
        let got = self.called.got();
        requests(&got, method).last().map(|request| (*request).clone()).unwrap_or_else(|| panic!("{}", self.called.net.story()))
    }

    fn say(&mut self, response: &Response) {
        let (from, to) = (self.called.caller.address, self.called.net.nodes[0].ip);
        self.called.net.send(from, to, response.to_bytes());
        self.called.net.settle();
    }

    fn reply(&mut self, request: &Request, code: u16, extra: &[(&str, &str)]) {
        let mut response = answer(request, code, "f");
        for (name, value) in extra {
            response.headers.push(*name, *value);
        }
        self.say(&response);
    }

    /// A request of the far end in the call's dialog, with these header lines; the codes that come back.
    fn ask(&mut self, method: &str, extra: &str, body: &str) -> Vec<u16> {
        let responses = self.ask_for(method, extra, body);
        responses.iter().map(|response| response.status.code()).collect()
    }

    fn ask_for(&mut self, method: &str, extra: &str, body: &str) -> Vec<Response> {
        let caller = &mut self.called.caller;
        caller.cseq += 1;
        let bytes = caller.request(method, &format!("q{}", caller.cseq), extra, body);
        let text = String::from_utf8(bytes).unwrap().replace("application/sdp", "message/sipfrag;version=2.0");
        let (from, to) = (caller.address, caller.target);
        self.called.net.send(from, to, text.into_bytes());
        self.called.net.settle();
        let own = |message: &&Message| matches!(message, Message::Response(_));
        let got = self.called.got();
        self.put_aside(&got);
        got.iter().filter(own).map(|message| response_of(message).clone()).collect()
    }

    /// Answers the phone's NOTIFYs, so that stories need not.
    fn put_aside(&mut self, got: &[Message]) {
        for notify in requests(got, "NOTIFY") {
            self.reply(notify, 200, &[]);
        }
    }

    /// A NOTIFY about a REFER of the phone.
    fn notify(&mut self, state: &str, line: &str) -> Vec<u16> {
        self.notify_about("refer", state, line)
    }

    fn notify_about(&mut self, event: &str, state: &str, line: &str) -> Vec<u16> {
        let body = if line.is_empty() { String::new() } else { format!("SIP/2.0 {line}\r\n") };
        self.ask("NOTIFY", &format!("Event: {event}\r\nSubscription-State: {state}\r\n"), &body)
    }

    fn progress(&self) -> Vec<ReferProgress> {
        self.called.net.nodes[0].events(|event| match event {
            Event::Refer { progress, .. } => Some(progress.clone()),
            _ => None,
        })
    }

    /// What the phone's NOTIFYs have said, each once: the status line, and Subscription-State.
    fn told(&self) -> Vec<(String, String)> {
        let phone = self.called.net.nodes[0].ip;
        let sent = self.called.net.log.iter().filter(|sent| sent.from == phone && sent.title() == "NOTIFY");
        let mut told: Vec<(u32, String, String)> = Vec::new();
        for sent in sent {
            let message = sip_wire::parse_datagram(&sent.bytes).unwrap();
            let notify = testbed::virtual_net::peer::request_of(&message);
            let number = notify.headers.cseq().unwrap().number;
            if told.iter().all(|(known, ..)| *known != number) {
                let state = notify.headers.get("Subscription-State").unwrap().to_owned();
                let line = String::from_utf8_lossy(&notify.body).trim_end().trim_start_matches("SIP/2.0 ").to_owned();
                told.push((number, line, state));
            }
        }
        told.into_iter().map(|(_, line, state)| (line, state)).collect()
    }

    /// As [`Lab::told`], without the states.
    fn lines(&self) -> Vec<String> {
        self.told().into_iter().map(|(line, _)| line).collect()
    }

    /// Follows the newest referral; the new call.
    fn accept(&mut self) -> CallIdentity {
        let (referral, call) = (self.referral(), self.called.net.fresh_call());
        self.command(Command::AcceptReferral { referral, call });
        call
    }

    fn referral(&self) -> ReferralId {
        let picked = self.called.net.nodes[0].events(|event| match event {
            Event::Referred { referral, .. } => Some(*referral),
            _ => None,
        });
        *picked.last().unwrap_or_else(|| panic!("nobody refers\n{}", self.called.net.story()))
    }

    fn is_referred(&self) -> bool {
        self.called.net.nodes[0].events.iter().any(|event| matches!(event, Event::Referred { .. }))
    }

    fn load(&self) -> Load {
        self.called.net.nodes[0].stack.load()
    }

    fn seconds(&mut self, seconds: u64) {
        self.called.net.run_for(std::time::Duration::from_secs(seconds));
    }

    fn goes_on(&self) -> bool {
        self.called.net.calls(0).iter().any(|view| view.call == self.call && view.stage == sip_stack::CallStage::Talking)
    }
}

fn accepted() -> ReferProgress {
    ReferProgress::Accepted { followed: true }
}

fn failed(status: u16, reason: &str) -> ReferProgress {
    ReferProgress::Failed { status, reason: reason.into() }
}
