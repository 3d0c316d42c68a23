//! Journey: for up to ten seconds somebody whom the phone does not know floods its SIP port: garbage, OPTIONS, INVITE, datagrams
//! as large as UDP carries them, TCP connections that ask for nothing. It must cost the phone little while it lasts and nothing after it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::flood::{Flood, Tide};
use house_tests::half_open::HalfOpen;
use house_tests::namespace::{FAR, Namespace, PHONE};
use house_tests::phone::{Phone, Setup};
use house_tests::process_costs::{processor_time, resident_kib};
use house_tests::registrar::{FAR_ACCOUNT, PHONE_ACCOUNT, Registrar};
use house_tests::{LIMIT, may_make_namespaces};
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

const SERVICES: [&str; 5] = ["sip-agent", "hal-agent", "media-engine", "provisioning-agent", "web-ui"];
/// What sip-agent may hold more after the flood than before it, in KiB. It keeps at most 128 requests of one source for 32 seconds
/// (RFC 3261 timers H and J), each at most 64 KiB: 8 MiB. The snapshot writes them into a buffer that doubles as it grows, up to
/// 16 MiB, and copies that once, 8 MiB; the allocator need not give any of it back.
const MORE_MEMORY: u64 = 32 * 1024;
/// How long the phone is looked at after the flood.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Processor time that sip-agent may take in it: it repeats at most 128 refusals, each every four seconds at last, and reads what
/// waits in the socket's buffer. A twentieth of this is usual; a loop that turns without pause would take all of the five seconds.
const REST: Duration = Duration::from_secs(1);

/// Answers to a stranger in a second: a quarter of what asks for one.
const MOST_ANSWERS: f64 = 800.0;

/// Connections of a crowd.
const CROWD: usize = 120;
/// Of them, those that the phone may keep at a time: strangers have half of its connections.
const MOST_HALF_OPEN: usize = 32;

/// Octets that sip-agent may log in all: not a line for each of a stranger's datagrams.
const MOST_LOG: u64 = 256 * 1024;

struct Story {
    phone: Phone,
    far: FarPhone,
    registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

/// What was sent and came back.
struct Sum {
    /// Datagrams, or connections.
    sent: u32,
    octets: u64,
    answers: u32,
    lasted: Duration,
}

/// What the flood cost; memory in KiB.
struct Costs {
    sum: Sum,
    memory_before: u64,
    memory_after: u64,
    time_during: Duration,
    time_after: Duration,
}

impl std::fmt::Display for Costs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sum { sent, octets, answers, lasted } = self.sum;
        let Costs { memory_before, memory_after, time_during, time_after, .. } = self;
        write!(
            out,
            "{sent} datagrams or connections of {octets} octets in {lasted:?}, {answers} answers, memory {memory_before} KiB "
        )?;
        write!(out, "before and {memory_after} KiB after, processor time {time_during:?} during and {time_after:?} after")
    }
}

impl Story {
    async fn begin(preset: &[&str]) -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
        let far = FarPhone::start(&namespace, setup).await;
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(preset)).await;
        phone.registered().await;
        Story { phone, far, registrar, namespace }
    }

    fn pids(&self) -> [i32; SERVICES.len()] {
        SERVICES.map(|service| {
            let pid = self.phone.pid(service);
            assert!(pid > 0, "{service} is not there");
            pid
        })
    }

    /// Where line 1 listens.
    async fn target(&self) -> SocketAddr {
        let port = self.phone.line(1, "SourcePort").await.as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        (PHONE.parse::<std::net::IpAddr>().expect("an address"), port).into()
    }

    /// What something costs that comes from outside, with the five seconds after it, in which no service may come or go. `work` gives
    /// what it is about in its end.
    async fn costs_of<T>(&self, work: impl Future<Output = T>, sum: impl FnOnce(T) -> Sum) -> Costs {
        let pids = self.pids();
        let sip = pids[0];
        let rule = MatchRule::builder().msg_type(Type::Signal).sender("org.freedesktop.DBus").member("NameOwnerChanged");
        let rule = rule.arg0ns("org.deskphone").build().expect("a rule");
        let mut owners = MessageStream::for_match_rule(rule, &self.phone.bus, None).await.expect("the bus");

        let (memory_before, begun) = (resident_kib(sip), processor_time(sip));
        let done = work.await;
        let ended = processor_time(sip);
        let changed = tokio::time::timeout(AFTERWARDS, owners.next()).await;
        assert!(changed.is_err(), "a service came or went: {changed:?}\n{}", self.phone.logs());
        let rested = processor_time(sip);
        assert_eq!(self.pids(), pids, "{}", self.phone.logs());
        let costs = Costs {
            sum: sum(done),
            memory_before,
            memory_after: resident_kib(sip),
            time_during: ended - begun,
            time_after: rested - ended,
        };
        eprintln!("{costs}");
        costs
    }

    async fn flood(&self, tide: Tide) -> Costs {
        let flood = Flood::at(&self.namespace, self.target().await).run(tide);
        let sum = |mut flood: Flood| {
            flood.collect();
            Sum { sent: flood.sent, octets: flood.octets, answers: flood.answers, lasted: flood.lasted }
        };
        self.costs_of(flood, sum).await
    }

    /// As a person declines what rings, until nothing does.
    async fn decline_what_rings(&self) {
        assert!(self.phone.calls().await.iter().any(|call| call.state == "incoming"), "the flood's INVITEs do not ring");
        while self.phone.calls().await.iter().any(|call| call.state == "incoming") {
            self.phone.run(&["hangup"]);
        }
    }

    /// The registrar has lost the line; after this it knows it again, or the call to the phone would find nobody there.
    async fn register_now(&self) {
        self.registrar.forget(PHONE_ACCOUNT.0).await;
        let interface = Some("org.deskphone.Sip1.Line");
        let none = std::collections::HashMap::<&str, zbus::Variant<'_>>::new();
        let line = "/org/deskphone/Sip1/line/1";
        let asked = self.phone.bus.call_method(Some("org.deskphone.Sip1"), line, interface, "Register", &none).await;
        asked.expect("Line.Register");
    }

    async fn call_out(&mut self) {
        self.phone.run(&["call", FAR_ACCOUNT.0]);
        self.far.event("CALL_INCOMING").await;
        self.far.accept().await;
        self.far.event("CALL_ESTABLISHED").await;
        self.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
        self.phone.run(&["hangup"]);
        self.far.event("CALL_CLOSED").await;
        self.phone.call_in("ended").await;
    }

    async fn call_in(&mut self) {
        self.far.dial(PHONE_ACCOUNT.0).await;
        self.phone.call_that("the far phone's call", |call| call.state == "incoming" && call.number == FAR_ACCOUNT.0).await;
        self.phone.run(&["board", "hook", "off"]);
        self.far.event("CALL_ESTABLISHED").await;
        self.far.hangup().await;
        self.far.event("CALL_CLOSED").await;
        self.phone.run(&["board", "hook", "on"]);
        let ended = self.phone.call_in("ended").await;
        assert_eq!((ended.number.as_str(), ended.ended_by.as_str()), (FAR_ACCOUNT.0, "remote"));
    }

    /// The phone is what it was before. The registrar serves one request after the other, so that the call out, which is asked
    /// for after the REGISTER, is not answered before it.
    async fn all_is_well(mut self, costs: &Costs) {
        assert_eq!(self.phone.line(1, "State").await, "registered", "{}", self.phone.logs());
        assert!(costs.memory_after <= costs.memory_before + MORE_MEMORY, "{costs}");
        assert!(costs.time_after <= REST, "{costs}");
        self.register_now().await;
        self.call_out().await;
        self.call_in().await;
        assert_eq!(self.phone.line(1, "State").await, "registered");
        let folder = self.phone.stop().await;
        let log = std::fs::metadata(folder.path().join("state/log/sip-agent.log")).expect("sip-agent's log").len();
        assert!(log <= MOST_LOG, "sip-agent logged {log} octets");
    }
}

/// Everybody may call; a stranger is answered up to the limit and no further: of 3,200 a second 200 are looked at, each has three
/// answers at most (100, 180 and the last one), and refused INVITEs have theirs again. On a machine that floods
/// more slowly the limit is the same.
#[tokio::test]
async fn a_flood_from_a_stranger_leaves_the_phone_as_it_was() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&[]).await;
    let costs = story.flood(Tide::EVERYTHING).await;
    let most = MOST_ANSWERS * costs.sum.lasted.as_secs_f64();
    assert!(costs.sum.answers > 0 && f64::from(costs.sum.answers) < most, "{costs}, and {most} is the most");
    story.decline_what_rings().await;
    story.all_is_well(&costs).await;
}

/// The requests that the phone keeps are all as large as they can be.
#[tokio::test]
async fn a_flood_of_the_largest_requests_leaves_the_phone_as_it_was() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&[]).await;
    let costs = story.flood(Tide::LARGE).await;
    assert!(costs.sum.answers > 0, "{costs}");
    story.decline_what_rings().await;
    story.all_is_well(&costs).await;
}

/// B212: with SIP_DETECT_SSAF_1 the same flood is not answered at all and rings nowhere.
#[tokio::test]
async fn a_flood_from_outside_the_source_filter_is_not_answered() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&["SIP_DETECT_SSAF_1=\"Y\""]).await;
    let costs = story.flood(Tide::EVERYTHING).await;
    assert_eq!(costs.sum.answers, 0, "{costs}");
    assert!(costs.sum.sent > 0 && story.phone.calls().await.is_empty(), "{costs}");
    story.all_is_well(&costs).await;
}

/// RFC 3261 18 over TCP: connections that ask for nothing have their bound, and one of them its patience; the server's always finds
/// room, so that calls come in while they are there.
#[tokio::test]
async fn half_open_connections_leave_the_phone_as_it_was() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&["SIP_TRANSPORT_1=\"1\""]).await;
    let target = story.target().await;
    let mut crowd = HalfOpen::open(&story.namespace, target, CROWD);
    assert_eq!(crowd.opened(), CROWD);
    assert!(crowd.shrinks_to(MOST_HALF_OPEN, LIMIT).await > 0, "nobody may connect");
    story.call_out().await;
    story.call_in().await;
    crowd.shrinks_to(0, LIMIT).await;
    let again = async {
        let begun = Instant::now();
        let mut crowd = HalfOpen::open(&story.namespace, target, CROWD);
        crowd.shrinks_to(0, LIMIT).await;
        (crowd, begun.elapsed())
    };
    let sum = |(crowd, lasted): (HalfOpen, Duration)| Sum {
        sent: u32::try_from(crowd.opened()).unwrap_or_default(),
        octets: crowd.octets,
        answers: 0,
        lasted,
    };
    let costs = story.costs_of(again, sum).await;
    story.all_is_well(&costs).await;
}
