//! SIGKILL of each process, at random moments of a call that rings, talks, is on hold or is in the middle of a re-INVITE. After
//! each the process is back, the same call is up under the same object path, sound is there again, and hang-up works from both
//! sides. The far end is the lab exchange in this process, so that it can say what it saw.

use std::time::Duration;

use house_tests::far_exchange::FarExchange;
use house_tests::may_make_namespaces;
use house_tests::namespace::{Namespace, PHONE};
use house_tests::phone::{Call, Phone, Setup};
use rustix::process::{Pid, Signal, kill_process};
use testbed::exchange::{CallReport, ExchangeOptions, Progress};

/// Kills of each process.
const ROUNDS: usize = 20;
/// What our microphone hears and, sent back by the exchange, our earpiece plays.
const TONE: f64 = 440.0;
/// A stretch of sound that is long enough to be measured.
const STRETCH: f64 = 0.4;

/// Where a call is when the process dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Ringing,
    Talking,
    OnHold,
    MiddleOfReinvite,
}

const PHASES: [Phase; 4] = [Phase::Ringing, Phase::Talking, Phase::OnHold, Phase::MiddleOfReinvite];

/// The bus name and interface by which a service is seen to be back.
fn face(service: &str) -> (&'static str, &'static str) {
    match service {
        "sip-agent" => ("org.deskphone.Sip1", "org.deskphone.Sip1.Phone"),
        "media-engine" => ("org.deskphone.Media1", "org.deskphone.Media1"),
        "provisioning-agent" => ("org.deskphone.Settings1", "org.deskphone.Settings1"),
        "hal-agent" => ("org.deskphone.Hal1", "org.deskphone.Hal1"),
        "web-ui" => ("org.deskphone.Web1", "org.deskphone.Web1"),
        other => panic!("{other} is no service"),
    }
}

/// Moments between 0 and 30 ms, repeatable by the seed.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> Duration {
        // xorshift: any spread will do.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % 30_000)
    }
}

struct Story {
    phone: Phone,
    exchange: FarExchange,
    moments: Moments,
    // Last: it ends what is still there.
    _namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        namespace.enter();
        let exchange = FarExchange::start();
        let domain = format!("SIP_SVCDOMAIN_1=\"{}\"", ExchangeOptions::default().realm);
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[&domain])).await;
        assert_eq!(phone.address(), PHONE);
        phone.registered().await;
        Story { phone, exchange, moments: Moments(0x2545_F491_4F6C_DD1D), _namespace: namespace }
    }

    /// One call, brought to its phase, the kill there, and everything that must be true after it.
    async fn round(&mut self, service: &str, phase: Phase, far_hangs_up: bool) {
        let (call, number) = self.reach(phase).await;
        let before = self.epoch(service).await;
        let reinvites = self.far(number).await.reinvites;
        tokio::time::sleep(self.moments.next()).await;
        if phase == Phase::MiddleOfReinvite {
            // The kill may meet the request on its way: then nobody answers it.
            self.phone.begin(&["hold"]);
            tokio::time::sleep(self.moments.next() / 10).await;
        }
        self.kill(service);
        self.back(service, before).await;
        let same = self.phone.call_that("the same call", |now| now.path == call.path && now.state != "ended").await;
        self.talk_again(phase, &same).await;
        self.hang_up(&call, number, far_hangs_up).await;
        let far = self.far(number).await;
        if service == "media-engine" && matches!(phase, Phase::Ringing | Phase::Talking) {
            assert_eq!(far.reinvites, reinvites, "media-engine is back without a re-INVITE");
        }
        if service != "media-engine" {
            assert_eq!(far.missing, 0, "{service} killed: the far end misses RTP packets");
        }
    }

    /// A call in its phase, and its number at the exchange.
    async fn reach(&mut self, phase: Phase) -> (Call, u64) {
        if phase == Phase::Ringing {
            let number = self.exchange.call("200").await.unwrap();
            return (self.phone.call_in("incoming").await, number);
        }
        self.phone.run(&["call", "100"]);
        let call = self.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
        let number = self.exchange.view().calls.last().unwrap().number;
        if phase == Phase::OnHold {
            self.phone.run(&["hold"]);
            self.phone.call_that("on hold", |call| call.hold == "local").await;
        }
        (call, number)
    }

    /// From any phase to a talk with sound, on the same call.
    async fn talk_again(&mut self, phase: Phase, call: &Call) {
        match phase {
            Phase::Ringing => self.phone.run(&["answer"]),
            Phase::Talking => {}
            // Whether the hold came through or not, resume ends in a talk.
            Phase::OnHold | Phase::MiddleOfReinvite => self.resume(&call.path).await,
        }
        let talking = |now: &Call| now.path == call.path && now.state == "talking" && now.hold == "none" && now.media == "flowing";
        self.phone.call_that("talking again with sound", talking).await;
        self.hear_ourselves().await;
    }

    /// Resumes as often as it takes: a re-INVITE that was under way ends first.
    async fn resume(&mut self, path: &str) {
        self.phone
            .until("resumed", async |phone| {
                let call = phone.calls().await.into_iter().find(|call| call.path == path)?;
                match call.hold.as_str() {
                    "none" => Some(()),
                    _ => {
                        phone.phonectl(&["resume"]);
                        None
                    }
                }
            })
            .await;
    }

    /// The echo of our own tone: sound both ways.
    async fn hear_ourselves(&self) {
        let wait = async {
            loop {
                let (begin, end) = self.phone.hear(STRETCH).await;
                if self.phone.heard().is_tone(&[TONE], begin + 0.1..end - 0.05) {
                    return;
                }
            }
        };
        let heard = tokio::time::timeout(house_tests::LIMIT, wait).await;
        heard.unwrap_or_else(|_| panic!("the sound does not come back\n{}", self.phone.logs()));
    }

    async fn hang_up(&self, call: &Call, number: u64, far_hangs_up: bool) {
        if far_hangs_up {
            self.exchange.hang_up(number).await.unwrap();
        } else {
            self.phone.run(&["hangup"]);
        }
        let by = if far_hangs_up { "remote" } else { "local" };
        let ended = self.phone.call_that("the end", |now| now.path == call.path && now.state == "ended").await;
        assert_eq!(ended.ended_by, by);
        self.exchange.until(|view| view.calls.iter().any(|one| one.number == number && is_over(one))).await.unwrap();
        self.phone
            .until("no call is up", async |phone| phone.calls().await.iter().all(|call| call.state == "ended").then_some(()))
            .await;
    }

    async fn far(&self, number: u64) -> CallReport {
        let view = self.exchange.view();
        view.calls.into_iter().find(|call| call.number == number).unwrap()
    }

    fn kill(&self, service: &str) {
        let pid = Pid::from_raw(self.phone.pid(service)).unwrap_or_else(|| panic!("{service} is not running"));
        kill_process(pid, Signal::KILL).unwrap();
    }

    async fn epoch(&self, service: &str) -> u64 {
        let (name, interface) = face(service);
        self.phone.facts(name, interface).await["Epoch"].as_u64().unwrap_or_default()
    }

    async fn back(&self, service: &str, before: u64) {
        let (name, interface) = face(service);
        self.phone
            .until(&format!("{service} back"), async |phone| {
                phone.facts(name, interface).await["Epoch"].as_u64().filter(|epoch| *epoch != before)
            })
            .await;
    }
}

fn is_over(call: &CallReport) -> bool {
    matches!(call.progress, Progress::Ended(_))
}

async fn killed_at_every_phase(service: &str) {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    for round in 0..ROUNDS {
        let phase = PHASES[round % PHASES.len()];
        println!("{service}, round {round}: {phase:?}");
        story.round(service, phase, (round / PHASES.len()).is_multiple_of(2)).await;
    }
    story.phone.stop().await;
}

#[tokio::test]
async fn a_call_outlives_sip_agent_and_the_far_end_misses_no_packet() {
    killed_at_every_phase("sip-agent").await;
}

#[tokio::test]
async fn a_call_outlives_media_engine_without_a_reinvite() {
    killed_at_every_phase("media-engine").await;
}

#[tokio::test]
async fn a_call_outlives_provisioning_agent() {
    killed_at_every_phase("provisioning-agent").await;
}

#[tokio::test]
async fn a_call_outlives_hal_agent() {
    killed_at_every_phase("hal-agent").await;
}

#[tokio::test]
async fn a_call_outlives_web_ui() {
    killed_at_every_phase("web-ui").await;
}

#[tokio::test]
async fn all_five_killed_at_once_come_back_registered() {
    if !may_make_namespaces() {
        return;
    }
    let services = ["sip-agent", "media-engine", "provisioning-agent", "hal-agent", "web-ui"];
    let story = Story::begin().await;
    let mut epochs = Vec::new();
    for service in services {
        epochs.push(story.epoch(service).await);
    }
    for service in services {
        story.kill(service);
    }
    for (service, epoch) in services.into_iter().zip(epochs) {
        story.back(service, epoch).await;
    }
    story.phone.registered().await;
    story.phone.run(&["call", "100"]);
    story.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    story.hear_ourselves().await;
    story.phone.run(&["hangup"]);
    story.phone.call_in("ended").await;
    story.phone.stop().await;
}
