//! The phone and baresip side by side, in one run on one machine: start to registered, INVITE to 180 and to 200, memory, processor
//! time per call, wake-ups at rest. Prints a table for the README; asserts nothing about time.

mod baresip;
mod far_end;
mod processes;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use baresip::Baresip;
use far_end::{Codec, FarEnd, G722, PCMU, RtpSender};
use house_tests::far_exchange::FarExchange;
use house_tests::namespace::{FAR, Namespace, PHONE, REGISTRAR};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::PHONE_ACCOUNT;
use processes::Processes;

/// Calls whose answer is timed.
const CALLS: usize = 50;
/// Starts that are timed.
const STARTS: usize = 5;
/// How long a load is measured.
const SPAN: Duration = Duration::from_secs(10);

/// One column of the table.
#[derive(Default)]
struct Figures {
    registered: Vec<Duration>,
    to_180: Vec<Duration>,
    to_200: Vec<Duration>,
    pss_idle: u64,
    pss_call: u64,
    g711_percent: f64,
    g722_percent: f64,
    idle_wake_ups: f64,
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
        println!("measuring baresip");
        let theirs = baresip(&exchange).await;
        table(&ours, &theirs);
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
    let mut phone = None;
    for _ in 0..STARTS {
        drop(phone.take());
        let (seen, begin) = (exchange.counters().registrations, Instant::now());
        let registered = registered_after(exchange, seen, begin);
        let (started, registered) = tokio::join!(Phone::start(namespace, &setup), registered);
        figures.registered.push(registered);
        phone = Some(started);
    }
    let phone = phone.expect("a phone");
    phone.registered().await;
    let services = phone.ready["services"].as_object().expect("the services");
    let pids = services.values().filter_map(|pid| u32::try_from(pid.as_u64()?).ok()).collect();
    measure(&mut figures, &Processes(pids)).await;
    figures
}

async fn baresip(exchange: &FarExchange) -> Figures {
    let local = SocketAddr::new(address(PHONE), 5060);
    let registrar = SocketAddr::new(address(REGISTRAR), 5060);
    let (user, password) = PHONE_ACCOUNT;
    let mut figures = Figures::default();
    let mut running = None;
    for _ in 0..STARTS {
        drop(running.take());
        let folder = tempfile::tempdir().expect("a folder");
        let (seen, begin) = (exchange.counters().registrations, Instant::now());
        let started = Baresip::start(folder.path(), local, registrar, user, password).expect("baresip");
        figures.registered.push(registered_after(exchange, seen, begin).await);
        running = Some((started, folder));
    }
    let (running, _folder) = running.expect("baresip");
    measure(&mut figures, &Processes::with_descendants(&[running.pid()])).await;
    figures
}

/// Everything that is the same for both.
async fn measure(figures: &mut Figures, processes: &Processes) {
    let phone = SocketAddr::new(address(PHONE), 5060);
    let rest = |span| std::thread::park_timeout(span);
    let mut far = FarEnd::bind(address(FAR)).expect("a far end");
    for _ in 0..CALLS {
        let rtp = RtpSender::bind(address(FAR), PCMU).expect("a port");
        let call = far.call(phone, PHONE_ACCOUNT.0, PCMU, rtp.port).expect("an answer");
        figures.to_180.push(call.to_180);
        figures.to_200.push(call.to_200);
        far.hang_up(phone, &call).expect("the end");
    }
    figures.idle_wake_ups = processes.load_over(SPAN, rest).wake_ups_per_second;
    figures.pss_idle = processes.pss_kib();
    let mut load = |codec: Codec| {
        let rtp = RtpSender::bind(address(FAR), codec).expect("a port");
        let call = far.call(phone, PHONE_ACCOUNT.0, codec, rtp.port).expect("an answer");
        rtp.send_to(call.rtp);
        let load = processes.load_over(SPAN, rest);
        let pss = processes.pss_kib();
        far.hang_up(phone, &call).expect("the end");
        (load.core_percent, pss)
    };
    (figures.g711_percent, figures.pss_call) = load(PCMU);
    (figures.g722_percent, _) = load(G722);
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

fn table(ours: &Figures, theirs: &Figures) {
    let rows: [(&str, f64, f64); 8] = [
        ("start to registered, ms (median)", median(&ours.registered), median(&theirs.registered)),
        ("INVITE to 180, ms (median)", median(&ours.to_180), median(&theirs.to_180)),
        ("INVITE to 200, answered by itself, ms (median)", median(&ours.to_200), median(&theirs.to_200)),
        ("memory of all processes at rest, PSS MB", ours.pss_idle as f64 / 1024.0, theirs.pss_idle as f64 / 1024.0),
        ("memory of all processes in a call, PSS MB", ours.pss_call as f64 / 1024.0, theirs.pss_call as f64 / 1024.0),
        ("processor per G.711 call, % of a core", ours.g711_percent, theirs.g711_percent),
        ("processor per G.722 call, % of a core", ours.g722_percent, theirs.g722_percent),
        ("wake-ups at rest, per second", ours.idle_wake_ups, theirs.idle_wake_ups),
    ];
    println!("\n| | Deskphone | baresip | ratio |\n|---|---|---|---|");
    for (what, ours, theirs) in rows {
        println!("| {what} | {ours:.2} | {theirs:.2} | {:.2} |", ours / theirs);
    }
}
