//! The door in virtual time.

use super::*;

#[path = "../../tests/support/digest_client.rs"]
mod digest_client;
use digest_client::{Answerer, parameter};

const MINUTE: Duration = Duration::from_secs(60);
const PAGE: &str = "/status/version-information";

fn rules() -> Rules {
    let credentials = |id: &str, password: &str| Credentials { id: id.into(), password: Secret::new(password), factory: false };
    Rules {
        administrator: credentials("admin", "secret-a"),
        user: credentials("user", "secret-u"),
        close_after: 30 * MINUTE,
        stays_open: false,
        enabled: true,
    }
}

/// A door, the time, and what came out of it.
struct House {
    door: Door,
    now: Tick,
    outputs: Vec<Output>,
}

/// A browser at an address.
struct Browser {
    source: IpAddr,
    own_host: bool,
    answerer: Option<Answerer>,
    cookie: Option<String>,
}

impl House {
    fn new(rules: Rules) -> House {
        let mut house = House { door: Door::new([3; 32]), now: Tick(1_000_000_000), outputs: Vec::new() };
        house.apply(rules);
        house
    }
    fn apply(&mut self, rules: Rules) {
        self.door.apply(self.now, rules);
        self.drain();
    }
    fn drain(&mut self) {
        while let Some(output) = self.door.poll_output() {
            self.outputs.push(output);
        }
    }
    fn later(&mut self, by: Duration) {
        self.now = self.now + by;
        if self.door.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.door.timeout(self.now);
        }
        self.drain();
    }
    fn is_open(&self) -> bool {
        let wanted = self.outputs.iter().rev().find_map(|output| match output {
            Output::PortWanted(open) => Some(*open),
            Output::SessionChanged | Output::WriteEnabled(_) => None,
        });
        wanted.unwrap_or(false)
    }
    fn send(&mut self, browser: &Browser, kind: RequestKind, authorization: Option<&str>) -> Verdict {
        let verdict = self.door.knock(
            self.now,
            &Knock {
                source: browser.source,
                from_this_host: browser.own_host,
                method: "GET",
                target: PAGE,
                authorization,
                cookie: browser.cookie.as_deref(),
                kind,
            },
        );
        self.drain();
        verdict
    }
}

impl Browser {
    fn at(last: u8) -> Browser {
        Browser { source: IpAddr::from([192, 168, 0, last]), own_host: false, answerer: None, cookie: None }
    }
    /// One request with what the browser has.
    fn request(&mut self, house: &mut House, kind: RequestKind) -> Verdict {
        let authorization = self.answerer.as_mut().map(|answerer| answerer.answer("GET", PAGE));
        let verdict = house.send(self, kind, authorization.as_deref());
        if let Verdict::Enter(Pass { cookie: Some(cookie), .. }) = &verdict {
            self.cookie = Some(cookie.clone());
        }
        verdict
    }
    fn page(&mut self, house: &mut House) -> Verdict {
        self.request(house, RequestKind::Page)
    }
    /// Answers the challenge in the verdict with these.
    fn take_challenge(&mut self, verdict: &Verdict, id: &str, password: &str) {
        let Verdict::Challenge(headers) = verdict else { panic!("no challenge but {verdict:?}") };
        self.answerer = Some(Answerer::new(&headers[0], id, password));
    }
    /// What a person does: asks for a page, types name and password.
    fn log_in(&mut self, house: &mut House, id: &str, password: &str) -> Verdict {
        self.answerer = None;
        let challenge = self.page(house);
        if !matches!(challenge, Verdict::Challenge(_)) {
            return challenge;
        }
        self.take_challenge(&challenge, id, password);
        self.page(house)
    }
}

fn entered(verdict: &Verdict) -> &Pass {
    let Verdict::Enter(pass) = verdict else { panic!("not let in: {verdict:?}") };
    pass
}

fn stale(verdict: &Verdict) -> bool {
    let Verdict::Challenge(headers) = verdict else { panic!("no challenge but {verdict:?}") };
    headers[0].contains("stale=true")
}

/// B129, B137.
#[test]
fn both_accounts_log_in_with_both_algorithms() {
    for (id, password, account) in [("admin", "secret-a", Account::Administrator), ("user", "secret-u", Account::User)] {
        for algorithm in 0..2 {
            let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
            let Verdict::Challenge(headers) = browser.page(&mut house) else { panic!() };
            browser.answerer = Some(Answerer::new(&headers[algorithm], id, password));
            let pass = entered(&browser.page(&mut house)).clone();
            assert_eq!((pass.account, pass.only_password_of), (account, None));
            assert_eq!(house.door.session().map(|(_, who)| who), Some(account));
        }
    }
}

/// B132, B133: neither another account nor the same one, from here or elsewhere.
#[test]
fn a_second_login_is_refused_while_somebody_is_logged_in() {
    let (mut house, mut first) = (House::new(rules()), Browser::at(5));
    entered(&first.log_in(&mut house, "admin", "secret-a"));
    for (last, id, password) in [(5, "admin", "secret-a"), (6, "admin", "secret-a"), (6, "user", "secret-u"), (6, "x", "wrong")] {
        assert_eq!(Browser::at(last).log_in(&mut house, id, password), Verdict::InUse, "{id} from {last}");
    }
    entered(&first.page(&mut house));
}

/// B132: a stolen nonce does not work from another address.
#[test]
fn a_session_belongs_to_its_address() {
    let (mut house, mut first) = (House::new(rules()), Browser::at(5));
    entered(&first.log_in(&mut house, "admin", "secret-a"));
    let mut thief = Browser { source: IpAddr::from([192, 168, 0, 6]), answerer: first.answerer.clone(), ..Browser::at(6) };
    thief.cookie = first.cookie.clone();
    assert_eq!(thief.page(&mut house), Verdict::InUse);
}

/// RFC 7616 3.4 and 5.9: a recorded request is worth nothing.
#[test]
fn a_replayed_request_is_challenged() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    let recorded = browser.answerer.as_mut().unwrap().answer("GET", PAGE);
    entered(&house.send(&browser, RequestKind::Page, Some(&recorded)));
    assert!(stale(&house.send(&browser, RequestKind::Page, Some(&recorded))));
    let elsewhere = browser.answerer.as_mut().unwrap().answer("GET", "/telephone/call-control/1");
    assert!(!stale(&house.send(&browser, RequestKind::Page, Some(&elsewhere))), "made for another target");
}

/// RFC 7616 3.3, stale: the browser goes on without asking the person.
#[test]
fn an_old_nonce_is_renewed_within_the_session() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    house.later(NONCE_LIFE);
    let verdict = browser.page(&mut house);
    assert!(stale(&verdict));
    browser.take_challenge(&verdict, "admin", "secret-a");
    assert_eq!(entered(&browser.page(&mut house)).cookie, None, "the same session");
}

/// A dialog may stay on the screen for long before somebody types.
#[test]
fn a_slow_typist_is_let_in_at_the_second_answer() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    let challenge = browser.page(&mut house);
    browser.take_challenge(&challenge, "admin", "secret-a");
    house.later(NONCE_LIFE + MINUTE);
    let verdict = browser.page(&mut house);
    assert!(stale(&verdict));
    browser.take_challenge(&verdict, "admin", "secret-a");
    entered(&browser.page(&mut house));
}

/// A browser that restored two tabs has answered two challenges of different families.
#[test]
fn the_cookie_brings_two_families_of_one_browser_together() {
    let (mut house, mut one, mut other) = (House::new(rules()), Browser::at(5), Browser::at(5));
    let (challenge, second) = (one.page(&mut house), other.page(&mut house));
    one.take_challenge(&challenge, "admin", "secret-a");
    entered(&one.page(&mut house));
    other.take_challenge(&second, "admin", "secret-a");
    assert_eq!(other.page(&mut house), Verdict::InUse, "without the cookie it is another browser");
    other.cookie = one.cookie.clone();
    entered(&other.page(&mut house));
    other.answerer = None;
    let again = other.page(&mut house);
    let family = |challenge: &str| parameter(challenge, "nonce")[..16].to_owned();
    let Verdict::Challenge(headers) = &again else { panic!() };
    assert_eq!(u64::from_str_radix(&family(&headers[0]), 16).unwrap(), house.door.session().unwrap().0);
}

/// B125, B128: minutes without communication; live requests are none.
#[test]
fn the_port_closes_after_idle_time_and_live_requests_do_not_prolong_it() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    house.later(5 * MINUTE);
    entered(&browser.page(&mut house));
    for _ in 0..5 {
        house.later(4 * MINUTE);
        browser.request(&mut house, RequestKind::Live);
    }
    assert!(house.is_open() && house.door.session().is_some(), "20 minutes");
    house.later(10 * MINUTE);
    assert!(!house.is_open() && house.door.session().is_none());
    assert_eq!(house.outputs.last(), Some(&Output::PortWanted(false)));
    assert!(house.outputs.contains(&Output::WriteEnabled(false)), "the phone shall see it");
}

/// B125: also when nobody comes at all; strangers without a password are no communication.
#[test]
fn an_open_port_that_nobody_uses_closes() {
    let mut house = House::new(rules());
    for _ in 0..29 {
        house.later(MINUTE);
        assert!(matches!(Browser::at(9).page(&mut house), Verdict::Challenge(_)));
    }
    assert!(house.is_open());
    house.later(MINUTE);
    assert!(!house.is_open());
    assert_eq!(Browser::at(9).page(&mut house), Verdict::Closed);
}

/// B127, C36: idle time ends the session; the port stays.
#[test]
fn with_portopen_auto_idle_time_ends_only_the_session() {
    let (mut house, mut browser) = (House::new(Rules { stays_open: true, enabled: false, ..rules() }), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    house.later(30 * MINUTE);
    assert!(house.is_open() && house.door.session().is_none());
    let verdict = browser.page(&mut house);
    assert!(!stale(&verdict), "the person is asked again");
    assert_eq!(house.door.deadline(), None);
}

/// B124.
#[test]
fn web_port_close_logs_out_and_closes() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "user", "secret-u"));
    house.door.close(house.now);
    house.drain();
    assert!(!house.is_open() && house.door.session().is_none());
}

/// B122, B123: the row says N, then Y again.
#[test]
fn the_phone_closes_and_opens_the_port() {
    let mut house = House::new(Rules { enabled: false, ..rules() });
    assert!(!house.is_open());
    house.apply(rules());
    assert!(house.is_open());
    house.door.close(house.now);
    house.drain();
    house.apply(Rules { enabled: false, ..rules() });
    assert!(!house.is_open());
    house.apply(rules());
    assert!(house.is_open(), "closed here, then opened on the phone");
}

/// The row could not be written while provisioning-agent was away: it is asked for again, and the port stays closed.
#[test]
fn a_close_that_was_not_written_is_written_later() {
    let mut house = House::new(rules());
    house.door.close(house.now);
    house.drain();
    house.outputs.retain(|output| *output != Output::WriteEnabled(false));
    house.apply(rules());
    assert!(house.outputs.contains(&Output::WriteEnabled(false)) && !house.is_open());
    house.door.open(house.now);
    house.drain();
    assert!(house.is_open());
}

/// The closing is still being written when somebody opens the port again: it comes back from the settings, and closes nothing.
#[test]
fn a_port_that_is_opened_again_is_not_closed_by_what_was_written_before() {
    let mut house = House::new(rules());
    house.door.close(house.now);
    house.drain();
    house.outputs.clear();
    house.door.open(house.now);
    house.drain();
    assert!(house.is_open() && house.outputs.contains(&Output::WriteEnabled(true)));
    house.apply(Rules { enabled: false, ..rules() });
    assert!(house.is_open());
    house.apply(rules());
    assert!(house.is_open());
    house.apply(Rules { enabled: false, ..rules() });
    assert!(!house.is_open(), "from now on the settings say");
}

/// B126, B141.
#[test]
fn three_wrong_passwords_in_a_row_close_the_port() {
    let mut house = House::new(rules());
    for id in ["admin", "nobody"] {
        assert!(!stale(&Browser::at(5).log_in(&mut house, id, "wrong")));
    }
    assert_eq!(Browser::at(6).log_in(&mut house, "user", "wrong"), Verdict::Unauthorized { port_closes: true });
    assert!(!house.is_open());
}

/// C36: a growing delay per source instead; others come in, polling prolongs nothing.
#[test]
fn with_portopen_auto_wrong_passwords_make_the_source_wait() {
    let (mut house, mut guesser) = (House::new(Rules { stays_open: true, ..rules() }), Browser::at(66));
    for _ in 0..2 {
        guesser.log_in(&mut house, "admin", "wrong");
    }
    assert_eq!(guesser.log_in(&mut house, "admin", "wrong"), Verdict::Unauthorized { port_closes: false });
    for _ in 0..10 {
        assert!(matches!(guesser.log_in(&mut house, "admin", "secret-a"), Verdict::Wait(_)), "even with the right one");
    }
    house.later(Duration::from_secs(2));
    entered(&guesser.log_in(&mut house, "admin", "secret-a"));
    assert!(house.is_open());
}

/// B140, B142, C35: the session ends, the next access asks, two failures give 401 and close nothing.
#[test]
fn a_changed_password_logs_out_and_allows_one_failure_less() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    let mut changed = rules();
    changed.administrator.password = Secret::new("secret-b");
    house.apply(changed);
    assert!(house.door.session().is_none());
    assert!(!stale(&browser.page(&mut house)), "the old password is no failure but a question");
    assert!(matches!(browser.log_in(&mut house, "admin", "wrong"), Verdict::Challenge(_)));
    assert_eq!(browser.log_in(&mut house, "admin", "wrong"), Verdict::Unauthorized { port_closes: false });
    assert!(house.is_open());
    entered(&browser.log_in(&mut house, "admin", "secret-b"));
}

/// B142: the administrator changes the user's password and stays logged in.
#[test]
fn the_other_accounts_password_does_not_end_the_session() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    let mut changed = rules();
    changed.user.password = Secret::new("secret-v");
    house.apply(changed);
    entered(&browser.page(&mut house));
}

/// C70.
#[test]
fn a_factory_password_from_another_host_opens_only_the_password_page() {
    let mut factory = rules();
    factory.administrator.factory = true;
    let (mut house, mut browser) = (House::new(factory.clone()), Browser::at(5));
    let verdict = browser.log_in(&mut house, "admin", "secret-a");
    assert_eq!(entered(&verdict).only_password_of, Some(Account::Administrator));
    let (mut house, mut browser) = (House::new(factory), Browser { own_host: true, ..Browser::at(5) });
    assert_eq!(entered(&browser.log_in(&mut house, "admin", "secret-a")).only_password_of, None);
}

/// B134, B135, C34: from wherever.
#[test]
fn a_user_without_a_password_gets_only_the_password_page() {
    let mut blank = rules();
    blank.user.password = Secret::new("");
    blank.user.factory = true;
    let (mut house, mut browser) = (House::new(blank), Browser { own_host: true, ..Browser::at(5) });
    assert_eq!(entered(&browser.log_in(&mut house, "user", "")).only_password_of, Some(Account::User));
}

/// The live stream neither opens a session nor asks for a password, and goes on where the browser has one.
#[test]
fn a_live_request_opens_no_session() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    let challenge = browser.page(&mut house);
    browser.take_challenge(&challenge, "admin", "secret-a");
    assert_eq!(browser.request(&mut house, RequestKind::Live), Verdict::NoSession);
    entered(&browser.page(&mut house));
    entered(&browser.request(&mut house, RequestKind::Live));
    assert_eq!(Browser::at(6).request(&mut house, RequestKind::Live), Verdict::NoSession);
}

#[test]
fn a_form_token_holds_for_its_form_and_session_only() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    let session = entered(&browser.log_in(&mut house, "admin", "secret-a")).session;
    let token = house.door.form_token(session, "call-control/1");
    assert!(house.door.form_token_holds(session, "call-control/1", &token));
    assert!(!house.door.form_token_holds(session, "call-control/2", &token));
    assert!(!house.door.form_token_holds(session + 1, "call-control/1", &token));
    assert!(!house.door.form_token_holds(session, "call-control/1", ""));
    house.door.close(house.now);
    assert!(!house.door.form_token_holds(session, "call-control/1", &token), "logged out");
}

/// An answer from before a restart of this process: right, but with a foreign nonce.
#[test]
fn after_a_restart_the_browser_logs_in_again_by_itself() {
    let (mut house, mut browser) = (House::new(rules()), Browser::at(5));
    entered(&browser.log_in(&mut house, "admin", "secret-a"));
    let mut restarted = House { door: Door::new([4; 32]), ..House::new(rules()) };
    restarted.apply(rules());
    let verdict = browser.page(&mut restarted);
    assert!(stale(&verdict));
    browser.take_challenge(&verdict, "admin", "secret-a");
    entered(&browser.page(&mut restarted));
}

proptest::proptest! {
    /// Whatever people and time do: a closed port lets nobody in and holds no session, an open one has a deadline or stays open, and
    /// nobody is let in without a right password.
    #[test]
    fn a_closed_port_never_holds_a_session(steps in proptest::collection::vec((0_u8..8, 1_u8..4, 0_u64..40), 1..60), auto: bool) {
        let mut house = House::new(Rules { stays_open: auto, ..rules() });
        for (step, who, minutes) in steps {
            let verdict = match step {
                0 => Some(Browser::at(who).log_in(&mut house, "admin", "secret-a")),
                1 => Some(Browser::at(who).log_in(&mut house, "user", "secret-u")),
                2 => {
                    let verdict = Browser::at(who).log_in(&mut house, "admin", "wrong");
                    proptest::prop_assert!(!matches!(verdict, Verdict::Enter(_)));
                    Some(verdict)
                }
                3 => { house.door.close(house.now); None }
                4 => { house.door.open(house.now); None }
                5 => { house.apply(Rules { stays_open: auto, enabled: minutes % 2 == 0, ..rules() }); None }
                _ => { house.later(Duration::from_secs(minutes * 60)); None }
            };
            house.drain();
            if let Some(Verdict::Enter(pass)) = verdict {
                proptest::prop_assert_eq!(house.door.session().map(|(session, _)| session), Some(pass.session));
            }
            proptest::prop_assert!(house.door.open || house.door.session().is_none());
            proptest::prop_assert!(!house.door.open || auto || house.door.deadline().is_some());
            proptest::prop_assert!(!auto || house.door.open);
        }
    }
}
