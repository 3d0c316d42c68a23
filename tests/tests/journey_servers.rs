//! Journey: the phone knows its servers by their domain only (B210, B314). Two Kamailios stand behind it in SRV records; one is
//! killed, or stands still, while the line registers, rings or talks, and comes back.

use std::time::Duration;

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::name_server::NameServer;
use house_tests::namespace::{FAR, Namespace, REGISTRAR, SECOND_REGISTRAR};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{DOMAIN, FAR_ACCOUNT, PHONE_ACCOUNT, Registrar};
use house_tests::{LIMIT, may_make_namespaces};

/// What the far phone plays.
const FAR_TONE: f64 = 660.0;
/// A server that has failed is asked for the first time after 30 to 38 seconds, and used again up to ten seconds after its answer.
const RETURN: Duration = Duration::from_secs(90);
/// The servers of a story.
const FIRST: usize = 0;
const SECOND: usize = 1;
const ADDRESSES: [&str; 2] = [REGISTRAR, SECOND_REGISTRAR];
/// Priority and weight of each: one after the other.
const IN_TURN: [(u16, u16); 2] = [(10, 0), (20, 0)];
/// Both alike.
const ALIKE: [(u16, u16); 2] = [(10, 50), (10, 50)];
/// A line that is bound for ten seconds and refreshes every three.
const SHORT_BINDING: [&str; 2] = ["REG_EXPIRE_TIME_1=\"10\"", "REG_INTERVAL_RATE_1=\"30\""];

/// Everything around the phone. The far phone is registered at the second server, and the first one knows where it is.
struct House {
    far: FarPhone,
    servers: [Registrar; 2],
    _names: NameServer,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl House {
    async fn new(records: [(u16, u16); 2]) -> House {
        let namespace = Namespace::new();
        let names = NameServer::start(&namespace, &srv(records));
        let servers = [server(&namespace, FIRST).await, server(&namespace, SECOND).await];
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: FAR_TONE };
        let far = FarPhone::start_at(&namespace, setup, SECOND_REGISTRAR).await;
        House { far, servers, _names: names, namespace }
    }

    /// With a phone that knows the domain, gives a silent server eight seconds, which only one that stands still takes, and has
    /// these settings too.
    async fn phone(self, further: &[&str]) -> Story {
        let (registrar, proxy) = (format!("SIP_RGSTR_ADDR_1=\"{DOMAIN}\""), format!("SIP_PRXY_ADDR_1=\"{DOMAIN}\""));
        let own = [registrar.as_str(), &proxy, "SIP_TIMER_B_1=\"8000\"", "SIP_TIMER_F_1=\"8000\""];
        let phone = Phone::start(&self.namespace, &Setup::at_the_registrar(&[&own, further].concat())).await;
        phone.registered().await;
        Story { phone, house: self }
    }

    fn registers(&self, server: usize) -> usize {
        self.servers[server].taken("REGISTER", PHONE_ACCOUNT.0)
    }

    /// The line binds at the server, for the so-manyeth time.
    async fn bound(&self, server: usize, times: usize, limit: Duration) {
        self.servers[server].takes("REGISTER", PHONE_ACCOUNT.0, times, limit).await;
    }

    fn invites(&self, server: usize) -> usize {
        self.servers[server].taken("INVITE", PHONE_ACCOUNT.0)
    }

    /// Starts again after its death; it has forgotten everybody but the far phone.
    async fn returns(&mut self, which: usize) {
        self.servers[which] = server(&self.namespace, which).await;
    }
}

/// SRV records of both servers over both transports.
fn srv(of: [(u16, u16); 2]) -> Vec<String> {
    let servers = [("first", REGISTRAR, of[FIRST]), ("second", SECOND_REGISTRAR, of[SECOND])];
    let lines = servers.into_iter().flat_map(|(name, address, (priority, weight))| {
        let srv = |transport| format!("--srv-host=_sip._{transport}.{DOMAIN},{name}.{DOMAIN},5060,{priority},{weight}");
        [srv("udp"), srv("tcp"), format!("--host-record={name}.{DOMAIN},{address}")]
    });
    lines.collect()
}

async fn server(namespace: &Namespace, which: usize) -> Registrar {
    let server = Registrar::start_at(namespace, ADDRESSES[which]);
    if which == FIRST {
        server.learn(FAR_ACCOUNT.0, &format!("sip:{}@{FAR}:5060", FAR_ACCOUNT.0)).await;
    }
    server
}

struct Story {
    phone: Phone,
    house: House,
}

impl Story {
    /// The line is bound at the first of two servers.
    async fn begin(further: &[&str]) -> Story {
        let story = House::new(IN_TURN).await.phone(further).await;
        // More than one where an answer was late and the request was sent again.
        let registers = [FIRST, SECOND].map(|server| story.house.registers(server));
        assert!(registers[FIRST] >= 1 && registers[SECOND] == 0, "the first one is preferred: {registers:?}");
        story
    }

    /// We call, over this server, and they ring.
    async fn ring_over(&mut self, server: usize) {
        let other = SECOND - server;
        let before = [server, other].map(|server| self.house.invites(server));
        self.phone.run(&["call", FAR_ACCOUNT.0]);
        self.house.far.event("CALL_INCOMING").await;
        self.phone.call_in("ringback").await;
        let now = [server, other].map(|server| self.house.invites(server));
        assert!(now[0] > before[0] && now[1] == before[1], "the call takes another way: {before:?}, {now:?}");
    }

    async fn talk_over(&mut self, server: usize) {
        self.ring_over(server).await;
        self.house.far.accept().await;
        self.talks().await;
    }

    async fn talks(&self) {
        self.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
        self.phone.hears_tone(&[FAR_TONE]).await;
    }

    /// We hang up, and it is over here, whatever they hear of it.
    async fn hang_up(&self) {
        self.phone.run(&["hangup"]);
        assert_eq!(self.phone.call_in("ended").await.ended_by, "local");
    }

    /// An ordinary call and its ordinary end.
    async fn call_over(&mut self, server: usize) {
        self.talk_over(server).await;
        self.hang_up().await;
        self.house.far.event("CALL_CLOSED").await;
    }

    /// The first one has gone for good, and a call has shown it: the line is bound at the second one, where they call us.
    async fn is_called_at_the_second(&mut self) {
        self.house.bound(SECOND, 1, LIMIT).await;
        self.called().await;
    }

    /// They call, over their server, which is the second one.
    async fn called(&mut self) {
        self.house.far.dial(PHONE_ACCOUNT.0).await;
        self.phone.call_in("incoming").await;
        self.phone.run(&["answer"]);
        self.house.far.event("CALL_ESTABLISHED").await;
        self.talks().await;
        self.house.far.hangup().await;
        self.house.far.event("CALL_CLOSED").await;
        assert_eq!(self.phone.call_in("ended").await.ended_by, "remote");
    }

    async fn end(self) {
        assert_eq!(self.phone.line(1, "State").await, "registered");
        self.phone.stop().await;
    }
}

/// B210, RFC 3263 4.3: its host says by ICMP that nobody is there. After its return it has the line again, for good.
#[tokio::test]
async fn a_registrar_that_dies_is_followed_by_the_second_and_taken_back_without_flapping() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&SHORT_BINDING).await;
    story.call_over(FIRST).await;
    story.house.servers[FIRST].kill();
    story.house.bound(SECOND, 1, LIMIT).await;
    assert_eq!(story.phone.line(1, "State").await, "registered");
    story.call_over(SECOND).await;
    story.called().await;
    story.house.returns(FIRST).await;
    story.house.bound(FIRST, 1, RETURN).await;
    let at_the_second = story.house.registers(SECOND);
    story.call_over(FIRST).await;
    story.house.bound(FIRST, 4, LIMIT).await;
    assert_eq!(story.house.registers(SECOND), at_the_second, "it goes to and fro");
    story.end().await;
}

/// RFC 3263 4.3, B210: at power-up the first server is silent, and timer F (SIP_TIMER_F_1) says so.
#[tokio::test]
async fn a_server_that_stands_still_at_power_up_is_followed_by_the_second() {
    if !may_make_namespaces() {
        return;
    }
    let mut house = House::new(IN_TURN).await;
    house.servers[FIRST].freeze();
    let mut story = house.phone(&[]).await;
    assert!(story.house.registers(SECOND) >= 1);
    story.call_over(SECOND).await;
    story.called().await;
    story.end().await;
}

/// RFC 2782: a unit always prefers the same one of two servers alike. When that one stands still the other has the line, and what
/// the first says late, of all that has waited for it, changes nothing.
#[tokio::test]
async fn of_two_servers_alike_the_other_follows_the_one_that_stands_still() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = House::new(ALIKE).await.phone(&SHORT_BINDING).await;
    let preferred = if story.house.registers(FIRST) > 0 { FIRST } else { SECOND };
    let other = SECOND - preferred;
    story.house.bound(preferred, 3, LIMIT).await;
    assert_eq!(story.house.registers(other), 0);
    story.call_over(preferred).await;
    story.house.servers[preferred].freeze();
    story.house.bound(other, 1, LIMIT).await;
    story.call_over(other).await;
    let before = story.house.registers(preferred);
    story.house.servers[preferred].thaw();
    story.house.bound(preferred, before + 1, LIMIT).await;
    story.house.bound(other, story.house.registers(other) + 2, LIMIT).await;
    story.call_over(other).await;
    story.end().await;
}

/// RFC 5626 4.4.1, B325: over TCP the broken connection says at once that the server has gone.
#[tokio::test]
async fn a_line_over_tcp_follows_its_servers_too() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&["SIP_TRANSPORT_1=\"1\""]).await;
    story.call_over(FIRST).await;
    story.house.servers[FIRST].kill();
    story.house.bound(SECOND, 1, LIMIT).await;
    story.call_over(SECOND).await;
    story.called().await;
    story.end().await;
}

/// The server dies while a call rings and comes back before it is answered for good: the 200, which is sent again until it is
/// acknowledged (RFC 3261 13.3.1.4), finds its way by its Via, and the call stands.
#[tokio::test]
async fn a_call_that_rings_outlives_the_death_and_return_of_its_server() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&[]).await;
    story.ring_over(FIRST).await;
    story.house.servers[FIRST].kill();
    story.house.far.accept().await;
    assert_eq!(story.phone.call_in("ringback").await.number, FAR_ACCOUNT.0);
    story.house.returns(FIRST).await;
    story.talks().await;
    story.hang_up().await;
    story.house.far.event("CALL_CLOSED").await;
    story.end().await;
}

/// The server dies while a call rings and stays away: CANCEL reaches nobody, and the call is over here all the same. The next one
/// goes over the second server, and so do calls to us, long before the binding is to be refreshed.
#[tokio::test]
async fn a_call_that_rings_without_its_server_can_be_ended_and_the_next_one_takes_another_way() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&[]).await;
    story.ring_over(FIRST).await;
    story.house.servers[FIRST].kill();
    story.hang_up().await;
    // Nobody tells them: they turn the call away themselves, and nobody hears it.
    story.house.far.hangup().await;
    story.house.far.event("CALL_CLOSED").await;
    story.call_over(SECOND).await;
    story.is_called_at_the_second().await;
    story.end().await;
}

/// RFC 3261 12.2.1.1: what belongs to a call goes the way of its route set, over no other server, and the sound needs none. A
/// server that stood still hears the BYE when it goes on; one that has died and returned relays it, for all it needs is in it.
#[tokio::test]
async fn a_call_that_talks_keeps_its_sound_and_its_way_while_its_server_is_away() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&[]).await;
    story.talk_over(FIRST).await;
    story.house.servers[FIRST].freeze();
    story.phone.hears_tone(&[FAR_TONE]).await;
    story.hang_up().await;
    story.house.servers[FIRST].thaw();
    story.house.far.event("CALL_CLOSED").await;

    story.talk_over(FIRST).await;
    story.house.servers[FIRST].kill();
    story.phone.hears_tone(&[FAR_TONE]).await;
    story.house.returns(FIRST).await;
    story.hang_up().await;
    story.house.far.event("CALL_CLOSED").await;
    story.end().await;
}

/// The server dies while a call talks and stays away: the call goes on, and BYE reaches nobody, but the call is over here. The next
/// one goes over the second server, and they call us there.
#[tokio::test]
async fn a_call_that_talks_without_its_server_is_over_when_we_hang_up() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&[]).await;
    story.talk_over(FIRST).await;
    story.house.servers[FIRST].kill();
    story.phone.hears_tone(&[FAR_TONE]).await;
    story.hang_up().await;
    story.house.far.hangup().await;
    story.house.far.event("CALL_CLOSED").await;
    story.call_over(SECOND).await;
    story.is_called_at_the_second().await;
    story.end().await;
}
