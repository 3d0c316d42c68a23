//! Subscriptions (RFC 6665; B211, B313) against a scripted notifier.

mod asking;
mod ending;
mod failing;
mod failing_over;
mod lasting;
mod notified;
mod packages;

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, Event, Input, StackSettings, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::{Request, Response};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{answer, requests, response_of};

use crate::given::direct;

const SERVER: &str = "10.0.0.9:5060";
const SUMMARY: &str = "Messages-Waiting: yes\r\n";

/// A phone that subscribes, and who notifies it.
struct Lab {
    net: Net,
    server: SocketAddr,
    /// From-tag of the notifier.
    tag: String,
    cseq: u32,
}

fn given() -> StackSettings {
    direct("10.0.0.1", "200", SERVER)
}

fn key() -> SubscriptionKey {
    SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "message-summary".into(), resource: String::new() }
}

fn wish() -> SubscriptionWish {
    SubscriptionWish { accept: vec!["application/simple-message-summary".into()], ..SubscriptionWish::default() }
}

fn subscribe_command() -> Command {
    Command::Subscribe { key: key(), wish: wish(), body: None }
}

impl Lab {
    fn with(settings: StackSettings) -> Lab {
        Lab::on(Net::new(), settings)
    }

    fn on(mut net: Net, settings: StackSettings) -> Lab {
        let server = net.peer(SERVER);
        net.stack(settings);
        net.settle();
        Lab { net, server, tag: "n1".into(), cseq: 1 }
    }

    /// The wish is said.
    fn new() -> Lab {
        let mut lab = Lab::with(given());
        lab.command(subscribe_command());
        lab
    }

    /// A subscription that stands for so long; the SUBSCRIBE that made it.
    fn standing(seconds: u32) -> (Lab, Request) {
        let mut lab = Lab::new();
        let first = lab.subscribe();
        lab.grant(&first, seconds);
        lab.notify(&first, "active", "");
        assert_eq!(lab.codes(), [200]);
        assert_eq!(lab.state(), SubscriptionState::Active);
        (lab, first)
    }

    fn command(&mut self, command: Command) {
        self.net.command(0, command);
        self.net.settle();
    }

    fn configure(&mut self, settings: StackSettings) {
        self.net.input(0, Input::Settings(Box::new(settings)));
        self.net.settle();
    }

    fn seconds(&mut self, seconds: u64) {
        self.net.run_for(Duration::from_secs(seconds));
    }

    /// The only SUBSCRIBE that came, perhaps several times.
    fn subscribe(&mut self) -> Request {
        let got = self.net.received(self.server);
        let found = requests(&got, "SUBSCRIBE");
        assert!(!found.is_empty(), "no SUBSCRIBE\n{}", self.net.story());
        assert!(found.iter().all(|other| *other == found[0]), "{}", self.net.story());
        found[0].clone()
    }

    fn quiet(&mut self) -> bool {
        self.net.titles(self.server).is_empty()
    }

    fn say(&mut self, response: Response) {
        self.net.send(self.server, self.net.nodes[0].ip, response.to_bytes());
        self.net.settle();
    }

    fn grant(&mut self, subscribe: &Request, seconds: u32) {
        let mut ok = answer(subscribe, 200, &self.tag.clone());
        ok.headers.push("Expires", seconds);
        ok.headers.push("Contact", format!("<sip:notifier@{}>", self.server));
        self.say(ok);
    }

    fn refuse(&mut self, subscribe: &Request, code: u16, extra: &[(&str, &str)]) {
        let mut response = answer(subscribe, code, "r");
        for (name, value) in extra {
            response.headers.push(*name, *value);
        }
        self.say(response);
    }

    fn notify_text(&self, subscribe: &Request, state: &str, body: &str) -> String {
        let headers = &subscribe.headers;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/simple-message-summary\r\n" };
        format!(
            "NOTIFY sip:200@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {server};branch=z9hG4bK{tag}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:200@10.0.0.9>;tag={tag}\r\nTo: {from}\r\nCall-ID: {call}\r\nCSeq: {cseq} NOTIFY\r\n\
             Contact: <sip:notifier@{server}>\r\nEvent: message-summary\r\nSubscription-State: {state}\r\n{kind}\
             Content-Length: {length}\r\n\r\n{body}",
            server = self.server,
            tag = self.tag,
            cseq = self.cseq,
            from = headers.get("From").unwrap(),
            call = headers.call_id().unwrap(),
            length = body.len()
        )
    }

    /// A NOTIFY of the subscription that this SUBSCRIBE asks for.
    fn notify(&mut self, subscribe: &Request, state: &str, body: &str) {
        let text = self.notify_text(subscribe, state, body);
        self.send(text);
    }

    fn send(&mut self, text: String) {
        self.cseq += 1;
        self.net.send(self.server, self.net.nodes[0].ip, text.into_bytes());
        self.net.settle();
    }

    /// Status codes that came back.
    fn codes(&mut self) -> Vec<u16> {
        self.net.received(self.server).iter().map(|message| response_of(message).status.code()).collect()
    }

    fn state(&self) -> SubscriptionState {
        let states = self.net.nodes[0].events(|event| match event {
            Event::Subscription { key: of, state } if *of == key() => Some(state.clone()),
            _ => None,
        });
        states.last().expect("nothing was told").clone()
    }

    fn bodies(&self) -> Vec<String> {
        self.net.nodes[0].events(|event| match event {
            Event::Notified { key: of, body, .. } if *of == key() => Some(String::from_utf8(body.clone()).unwrap()),
            _ => None,
        })
    }
}

fn asking(last_error: &str) -> SubscriptionState {
    SubscriptionState::Asking { last_error: last_error.into() }
}
