//! A phone as a configuration makes it, before scripted peers. A value that its row would not take is a defect of the test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use settings::{catalogue, value};
use sip_agent::settings::{BoardFacts, Rows};
use sip_stack::{Command, Input, StackSettings};
use sip_wire::{Message, Request, Response};
use telephone::TelephoneSettings;
use testbed::desk::Desk;
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, body, request_of, requests, with_sdp};

/// Registrar, proxy and the other end of calls, unless a test says otherwise.
pub const FAR: &str = "10.0.0.9:5060";

pub type Rowset<'a> = &'a [(&'a str, &'a str)];

/// A line that registers.
const REGISTERING: Rowset = &[("PHONE_NUMBER_1", "200"), ("SIP_PASS_1", "first1"), ("SIP_RGSTR_ADDR_1", "10.0.0.9")];
/// A line that calls through a proxy and registers nowhere.
const CALLING: Rowset = &[("PHONE_NUMBER_1", "200"), ("SIP_SVCDOMAIN_1", "10.0.0.9"), ("SIP_PRXY_ADDR_1", "10.0.0.9")];

pub fn line(number: u32) -> LineNumber {
    LineNumber::new(number).unwrap()
}

pub fn board() -> BoardFacts {
    BoardFacts { address: "10.0.0.1".parse().ok(), mac: "0080F0ABCDEF".into(), model: "KX-UT670".into(), firmware: "01.070".into() }
}

/// Effective values: what the rows say over the factory defaults.
pub fn values(sets: &[Rowset]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, text) in sets.iter().flat_map(|set| set.iter()) {
        let parameter = catalogue::parameter(name).unwrap_or_else(|| panic!("{name} is in no catalogue"));
        assert!(text.is_empty() || value::check(&parameter, text).is_ok(), "{name} does not take {text:?}");
        values.insert((*name).to_owned(), (*text).to_owned());
    }
    values
}

pub fn stack_settings(values: &BTreeMap<String, String>) -> StackSettings {
    Rows::new(values).stack(&board())
}

pub fn telephone_settings(rows: Rowset) -> TelephoneSettings {
    Rows::new(&values(&[rows])).telephone(line(1))
}

/// A person's phone with line 1 registered.
pub fn desk(rows: Rowset) -> Desk {
    Desk::new(telephone_settings(rows))
}

/// One phone on a virtual net, and the far end.
pub struct Lab {
    pub net: Net,
    pub far: SocketAddr,
    base: Rowset<'static>,
}

impl Lab {
    pub fn registering(rows: Rowset) -> Lab {
        Lab::with(REGISTERING, rows, FAR)
    }

    /// As [`Lab::registering`], with the far end somewhere else.
    pub fn registering_at(rows: Rowset, far: &str) -> Lab {
        Lab::with(REGISTERING, rows, far)
    }

    pub fn calling(rows: Rowset) -> Lab {
        Lab::with(CALLING, rows, FAR)
    }

    /// As [`Lab::calling`], with the far end somewhere else.
    pub fn calling_at(rows: Rowset, far: &str) -> Lab {
        Lab::with(CALLING, rows, far)
    }

    fn with(base: Rowset<'static>, rows: Rowset, far: &str) -> Lab {
        let mut net = Net::new();
        let far = net.peer(far);
        net.stack(stack_settings(&values(&[base, rows])));
        net.settle();
        Lab { net, far, base }
    }

    /// Another configuration.
    pub fn configure(&mut self, rows: Rowset) {
        let settings = stack_settings(&values(&[self.base, rows]));
        self.net.input(0, Input::Settings(Box::new(settings)));
        self.net.settle();
    }

    pub fn got(&mut self) -> Vec<Message> {
        self.net.received(self.far)
    }

    pub fn titles(&mut self) -> Vec<String> {
        self.net.titles(self.far)
    }

    /// The first request of the method among what came.
    pub fn first(&mut self, method: &str) -> Request {
        let got = self.got();
        requests(&got, method)
            .first()
            .map(|request| (*request).clone())
            .unwrap_or_else(|| panic!("no {method}\n{}", self.net.story()))
    }

    pub fn register(&mut self) -> Request {
        self.first("REGISTER")
    }

    pub fn say(&mut self, response: Response) {
        self.net.send(self.far, self.net.nodes[0].ip, response.to_bytes());
        self.net.settle();
    }

    /// The registrar binds the contact for so long.
    pub fn grant(&mut self, register: &Request, seconds: u32) {
        let mut ok = answer(register, 200, "r");
        ok.headers.push("Contact", register.headers.contact().unwrap().first().unwrap().clone().with_param("expires", seconds));
        self.say(ok);
    }

    /// The line is bound for an hour.
    pub fn bind(&mut self) {
        let register = self.register();
        self.grant(&register, 3600);
    }

    /// 401 in the realm "lab", without qop, so that the answer follows from the password alone.
    pub fn challenge(&mut self, register: &Request) {
        let mut refusal = answer(register, 401, "r");
        refusal.headers.push("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"");
        self.say(refusal);
    }

    /// Dials 100; the INVITE.
    pub fn dial(&mut self) -> (CallIdentity, Request) {
        let call = self.net.dial(0, "100");
        self.net.settle();
        (call, self.first("INVITE"))
    }

    /// The SDP that a call is offered with.
    pub fn offer(&mut self) -> String {
        body(&self.dial().1.body)
    }

    /// The far end takes the call with PCMU, and telephone events if they were offered with 101.
    pub fn accept(&mut self, invite: &Request, media: &str) {
        let sdp = format!("v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n{media}");
        self.say(with_sdp(at(answer(invite, 200, "f"), self.far), &sdp));
    }

    /// A call of ours that talks in PCMU.
    pub fn talking(&mut self) -> CallIdentity {
        let (call, invite) = self.dial();
        self.accept(&invite, PCMU);
        assert_eq!(self.titles(), ["ACK"]);
        call
    }

    /// A call of theirs that rings.
    pub fn ringing(&mut self) -> (CallIdentity, Caller) {
        let mut caller = Caller::new(self.far, self.net.nodes[0].ip, "200");
        let got = caller.invite(&mut self.net, PCMU);
        assert_eq!(got.len(), 1, "100 only");
        let call = self.net.nodes[0].incoming();
        self.command(Command::Ring(call));
        caller.learn_tag(&self.got());
        (call, caller)
    }

    pub fn command(&mut self, command: Command) {
        self.net.command(0, command);
        self.net.settle();
    }

    pub fn run_ms(&mut self, milliseconds: u64) {
        self.net.run_for(Duration::from_millis(milliseconds));
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.run_ms(1000 * seconds);
    }

    /// When the phone sent messages of this title, in seconds after the first of them.
    pub fn times(&self, title: &str) -> Vec<f64> {
        let ip = self.net.nodes[0].ip;
        let sent = self.net.log.iter().filter(|sent| sent.from == ip && sent.title() == title);
        let ticks: Vec<_> = sent.map(|sent| sent.at).collect();
        ticks.iter().map(|at| at.since(ticks[0]).as_secs_f64()).collect()
    }
}

/// The only message that came, as a request.
pub fn only(messages: &[Message]) -> &Request {
    assert_eq!(messages.len(), 1, "one message");
    request_of(&messages[0])
}
