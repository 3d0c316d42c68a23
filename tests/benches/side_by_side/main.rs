//! The phone and others side by side, in one run on one machine: start to registered, INVITE to 180 and to 200, memory, processor
//! time per call, wake-ups at rest, and how much signalling they take. sipp is no phone: it shows what the machine and the
//! measurement cost. Prints a table for the README; asserts nothing about time.

mod baresip;
mod far_end;
mod linphone;
mod load;
mod peer;
mod processes;
mod sipp;
mod table;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use baresip::Baresip;
use far_end::{Codec, FarEnd, G722, PCMU, RtpSender};
use house_tests::far_exchange::FarExchange;
use house_tests::namespace::{FAR, Namespace, PHONE};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::PHONE_ACCOUNT;
use linphone::Linphone;
use load::Held;
use peer::Extent;
use processes::Processes;
use sipp::AnsweringSipp;

/// Calls whose answer is timed.
const CALLS: usize = 50;
/// Starts that are timed.
const STARTS: usize = 5;
/// How long a load is measured.
const SPAN: Duration = Duration::from_secs(10);

/// One column of the table; nothing where it was not measured.
#[derive(Default)]
struct Figures {
    /// The first start of a new unit.
    registered: Vec<Duration>,
    /// Later ones, with what the last one has left.
    again: Vec<Duration>,
    to_180: Vec<Duration>,
    to_200: Vec<Duration>,
    at_rest: Option<Rest>,
    in_calls: Option<InCalls>,
    held: Option<Held>,
}

/// After the timed calls.
struct Rest {
    pss_kib: u64,
    wake_ups: f64,
}

struct InCalls {
    pss_kib: u64,
    g711_percent: f64,
    g722_percent: f64,
}

fn main() {
    // `cargo bench` and `cargo test --benches` say --bench; other arguments are for harnesses.
    if !house_tests::may_make_namespaces() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let namespace = Namespace::new();
        namespace.enter();
        // baresip reads only the first challenge, and only MD5.
        let exchange = FarExchange::offering(vec![testbed::exchange::Algorithm::Md5]);
        println!("measuring the phone ({STARTS} starts, {CALLS} calls, {} s per load)", SPAN.as_secs());
        let ours = deskphone(&namespace, &exchange).await;
        if loads_only() {
            return table::print(&[("Deskphone", ours)]);
        }
        println!("measuring baresip");
        let baresip = peer::measure::<Baresip>(&exchange, Extent::Sound).await;
        println!("measuring linphonec");
        let linphone = peer::measure::<Linphone>(&exchange, Extent::Registers).await;
        println!("measuring sipp");
        let sipp = peer::measure::<AnsweringSipp>(&exchange, Extent::Answers).await;
        table::print(&[("Deskphone", ours), ("baresip", baresip), ("linphonec", linphone), ("sipp", sipp)]);
    });
}

async fn registered_after(exchange: &FarExchange, seen: u64, begin: Instant) -> Duration {
    exchange.until(|view| view.counters.registrations > seen).await.expect("the exchange");
    begin.elapsed()
}

async fn deskphone(namespace: &Namespace, exchange: &FarExchange) -> Figures {
    let domain = "SIP_SVCDOMAIN_1=\"deskphone.lab\"";
    let mut setup = Setup::at_the_registrar(&[domain, "AUTO_ANSWER_ENABLE=\"Y\"", "AUTO_ANS_RING_TIM=\"0\""]);
    setup.tone = None;
    let mut figures = Figures::default();
    if loads_only() {
        return held(namespace, domain, figures).await;
    }
    let mut phone = None;
    for _ in 0..STARTS {
        drop(phone.take());
        let (seen, begin) = (exchange.counters().registrations, Instant::now());
        let registered = registered_after(exchange, seen, begin);
        let (started, registered) = tokio::join!(Phone::start(namespace, &setup), registered);
        figures.registered.push(registered);
        phone = Some(started);
    }
    let mut phone = phone.expect("a phone");
    for _ in 0..STARTS {
        phone.registered().await;
        let folder = phone.stop().await;
        let (seen, begin) = (exchange.counters().registrations, Instant::now());
        let registered = registered_after(exchange, seen, begin);
        let (started, registered) = tokio::join!(Phone::start_again(namespace, &setup, folder), registered);
        figures.again.push(registered);
        phone = started;
    }
    phone.registered().await;
    let processes = services(&phone);
    answers(&mut figures);
    resting(&mut figures, &processes);
    costs(&mut figures, &processes);
    drop(phone);
    held(namespace, domain, figures).await
}

/// How much signalling it takes.
async fn held(namespace: &Namespace, domain: &str, mut figures: Figures) -> Figures {
    let mut setup = Setup::at_the_registrar(&[domain]);
    setup.tone = None;
    let phone = Phone::start(namespace, &setup).await;
    phone.registered().await;
    figures.held = Some(load::held(&services(&phone), true).expect("sipp"));
    figures
}

/// `cargo bench -p house-tests --bench side_by_side -- loads`: of the phone alone, for whoever makes it faster.
fn loads_only() -> bool {
    std::env::args().any(|argument| argument == "loads")
}

fn services(phone: &Phone) -> Processes {
    let services = phone.ready["services"].as_object().expect("the services");
    Processes(services.values().filter_map(|pid| u32::try_from(pid.as_u64()?).ok()).collect())
}

/// How fast it answers.
fn answers(figures: &mut Figures) {
    let mut far = FarEnd::bind(address(FAR)).expect("a far end");
    for _ in 0..CALLS {
        let rtp = RtpSender::bind(address(FAR), PCMU).expect("a port");
        let call = far.call(phone(), PHONE_ACCOUNT.0, PCMU, rtp.port).expect("an answer");
        figures.to_180.push(call.to_180);
        figures.to_200.push(call.to_200);
        far.hang_up(phone(), &call).expect("the end");
    }
}

/// What it costs when nothing happens.
fn resting(figures: &mut Figures, processes: &Processes) {
    let wake_ups = processes.load_over(SPAN, std::thread::park_timeout).wake_ups_per_second;
    figures.at_rest = Some(Rest { pss_kib: processes.pss_kib(), wake_ups });
}

/// What calls cost.
fn costs(figures: &mut Figures, processes: &Processes) {
    let mut far = FarEnd::bind(address(FAR)).expect("a far end");
    let mut load = |codec: Codec| {
        let rtp = RtpSender::bind(address(FAR), codec).expect("a port");
        let call = far.call(phone(), PHONE_ACCOUNT.0, codec, rtp.port).expect("an answer");
        rtp.send_to(call.rtp);
        let load = processes.load_over(SPAN, std::thread::park_timeout);
        let pss = processes.pss_kib();
        far.hang_up(phone(), &call).expect("the end");
        (load.core_percent, pss)
    };
    let (g711_percent, pss_kib) = load(PCMU);
    let (g722_percent, _) = load(G722);
    figures.in_calls = Some(InCalls { pss_kib, g711_percent, g722_percent });
}

fn phone() -> SocketAddr {
    SocketAddr::new(address(PHONE), 5060)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
