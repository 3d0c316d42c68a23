//! A line whose server keeps its features, and who changes its rows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]

use sip_stack::{Command, Event, SubscriptionKey, SubscriptionState};
use telephone::{FeatureSync, Input, LineFeatures, TelephoneSettings, Written};
use testbed::desk::{Desk, factory, line};

pub const FEATURES: &str = "application/x-as-feature-event+xml";
const BOUNDARY: &str = "UniqueBroadWorksBoundary";

pub fn key() -> SubscriptionKey {
    SubscriptionKey { line: line(1), event: "as-feature-event".into(), resource: String::new() }
}

pub fn dnd(on: bool) -> String {
    format!("<DoNotDisturbEvent><device/><doNotDisturbOn>{on}</doNotDisturbOn></DoNotDisturbEvent>")
}

pub fn forward(kind: &str, active: bool, to: &str, rings: Option<u32>) -> String {
    let rings = rings.map(|rings| format!("<ringCount>{rings}</ringCount>")).unwrap_or_default();
    format!(
        "<ForwardingEvent><device/><forwardingType>{kind}</forwardingType><forwardStatus>{active}</forwardStatus>\
         <forwardTo>{to}</forwardTo>{rings}</ForwardingEvent>"
    )
}

/// Several documents in one body.
pub fn multipart(documents: &[String]) -> String {
    let part = |document: &String| format!("--{BOUNDARY}\r\nContent-Type: {FEATURES}\r\n\r\n{document}\r\n");
    format!("{}--{BOUNDARY}--\r\n", documents.iter().map(part).collect::<String>())
}

/// What a SUBSCRIBE sets, in short.
pub fn in_short(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let element = |name: &str| {
        let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inner.map_or("-", |(inner, _)| inner)
    };
    if text.contains("<SetDoNotDisturb ") {
        return format!("SetDoNotDisturb {}", element("doNotDisturbOn"));
    }
    let elements = ["forwardingType", "activateForward", "forwardDN", "ringCount"].map(element);
    format!("SetForwarding {}", elements.join(" "))
}

pub struct Story {
    pub desk: Desk,
    pub settings: TelephoneSettings,
}

impl Story {
    /// The line is registered and has asked.
    pub fn new() -> Story {
        let mut settings = factory();
        settings.feature_sync[0] = true;
        Story { desk: Desk::new(settings.clone()), settings }
    }

    /// The server holds the subscription and has said this.
    pub fn active(documents: &[String]) -> Story {
        let mut story = Story::new();
        story.desk.commands();
        story.notified(&multipart(documents));
        story.state(SubscriptionState::Active);
        story
    }

    pub fn configure(&mut self) {
        self.desk.input(Input::Settings(Box::new(self.settings.clone())));
    }

    /// Line 1's rows as they are stored.
    pub fn rows(&self) -> LineFeatures {
        let do_not_disturb = self.settings.screening.lines[0].do_not_disturb;
        LineFeatures { do_not_disturb, forwarding: self.settings.forwarding[0].clone() }
    }

    /// A save.
    pub fn change(&mut self, change: impl FnOnce(&mut LineFeatures)) {
        let mut rows = self.rows();
        change(&mut rows);
        self.settings.screening.lines[0].do_not_disturb = rows.do_not_disturb;
        self.settings.forwarding[0] = rows.forwarding;
        self.configure();
    }

    pub fn answer(&mut self, outcome: Written) {
        self.desk.input(Input::FeaturesWritten(line(1), outcome));
    }

    /// The rows that are to be written, which are.
    pub fn written(&mut self) -> LineFeatures {
        let mut writes = self.desk.writes();
        assert_eq!(writes.len(), 1, "{writes:?}");
        let (of, rows) = writes.remove(0);
        assert_eq!(of, line(1));
        self.change(|own| own.clone_from(&rows));
        self.answer(Written::Done);
        rows
    }

    pub fn state(&mut self, state: SubscriptionState) {
        self.desk.sip(Event::Subscription { key: key(), state });
    }

    pub fn notified(&mut self, body: &str) {
        let multipart = body.starts_with("--").then(|| format!("multipart/mixed;boundary={BOUNDARY}"));
        self.notified_as(&multipart.unwrap_or_else(|| FEATURES.to_owned()), body);
    }

    pub fn notified_as(&mut self, content_type: &str, body: &str) {
        let (content_type, body) = (content_type.to_owned(), body.as_bytes().to_vec());
        self.desk.sip(Event::Notified { key: key(), content_type, body });
    }

    /// What the server is asked for since the last look.
    pub fn sent(&mut self) -> Vec<String> {
        let bodies = self.desk.commands().into_iter().filter_map(|command| match command {
            Command::Subscribe { key: of, body: Some(body), .. } if of == key() => Some(in_short(&body.bytes)),
            _ => None,
        });
        bodies.collect()
    }

    pub fn sync(&self) -> FeatureSync {
        self.desk.feature_sync[&line(1)].clone()
    }
}
