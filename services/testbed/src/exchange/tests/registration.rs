//! Registrar and digest: RFC 3261 sections 10.3 and 22, RFC 7616, RFC 8760.

use std::time::Duration;

use sip_wire::{Credentials, Method};
use tokio::time::Instant;

use super::super::authentication::{Authenticator, Verdict};
use super::super::bindings::{Binding, Bindings};
use super::{Phone, exchange, header, options};
use crate::exchange::{Algorithm, Exchange};

/// RFC 8760 section 2.4: the better algorithm comes first, both lead in.
#[tokio::test]
async fn a_phone_registers_with_either_algorithm() {
    let exchange = exchange();
    for (user, password, algorithm) in [("200", "secret", "MD5"), ("201", "other", "SHA-256")] {
        let mut phone = Phone::new(&exchange, user, password).await;
        let contact = format!("<sip:{user}@{};x=1>", phone.address);
        let answer = phone.register(algorithm, &format!("Contact: {contact}\r\nExpires: 60\r\n")).await;
        assert!(answer.starts_with("SIP/2.0 200 OK"), "{answer}");
        assert_eq!(header(&answer, "Contact"), format!("{contact};expires=60"));
        assert!(header(&answer, "Date").ends_with(" GMT") && header(&answer, "To").contains(";tag="));
    }
    let view = exchange.until(|view| view.counters.registrations == 2).await.unwrap();
    assert_eq!(view.bindings.iter().map(|binding| binding.user.as_str()).collect::<Vec<_>>(), ["200", "201"]);
    assert_eq!((view.counters.challenges, view.counters.refused_credentials), (2, 0));
}

#[tokio::test]
async fn both_challenges_are_whole() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let request = phone.request("REGISTER", "sip:deskphone.lab", "<sip:200@deskphone.lab>", "c", "", "");
    phone.send(&request).await;
    let answer = phone.receive().await;
    let challenges: Vec<&str> = answer.lines().filter(|line| line.starts_with("WWW-Authenticate: Digest ")).collect();
    assert_eq!(challenges.len(), 2);
    assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"));
    assert!(
        challenges
            .iter()
            .all(|line| line.contains("realm=\"deskphone.lab\"") && line.contains("qop=\"auth\"") && !line.contains("stale"))
    );
}

#[tokio::test]
async fn an_exchange_can_offer_md5_alone() {
    let exchange = Exchange::start(crate::exchange::ExchangeOptions { algorithms: vec![Algorithm::Md5], ..options() }).unwrap();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let contact = format!("Contact: <sip:200@{}>\r\n", phone.address);
    let refused = phone.register("SHA-256", &contact).await;
    assert!(
        refused.starts_with("SIP/2.0 401 ")
            && refused.matches("WWW-Authenticate").count() == 1
            && refused.contains("algorithm=MD5")
    );
    assert!(phone.register("MD5", &contact).await.starts_with("SIP/2.0 200 "));
}

#[tokio::test]
async fn a_wrong_password_is_challenged_again_and_not_as_stale() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "wrong").await;
    let answer = phone.register("MD5", "Contact: <sip:200@127.0.0.1>\r\n").await;
    assert!(answer.starts_with("SIP/2.0 401 ") && !answer.contains("stale"), "{answer}");
    let view = exchange.until(|view| view.counters.refused_credentials == 1).await.unwrap();
    assert!(view.bindings.is_empty());
}

#[tokio::test]
async fn an_account_cannot_register_another() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let request = phone.request("REGISTER", "sip:deskphone.lab", "<sip:201@deskphone.lab>", "c", "", "");
    phone.send(&request).await;
    let challenge = phone.receive().await;
    let credentials = phone.credentials(&challenge, "MD5", "REGISTER", "sip:deskphone.lab", 1);
    let request = phone.request("REGISTER", "sip:deskphone.lab", "<sip:201@deskphone.lab>", "c", &credentials, "");
    phone.send(&request).await;
    assert!(phone.receive().await.starts_with("SIP/2.0 403 "));
}

/// RFC 7616 section 3.3: a count must not be used twice.
#[tokio::test]
async fn a_replayed_count_is_stale() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let to = "<sip:200@deskphone.lab>";
    let first = phone.request("REGISTER", "sip:deskphone.lab", to, "c", "", "");
    phone.send(&first).await;
    let challenge = phone.receive().await;
    for (count, status) in [(1, "200"), (2, "200"), (2, "401"), (1, "401")] {
        let credentials = phone.credentials(&challenge, "SHA-256", "REGISTER", "sip:deskphone.lab", count);
        let request = phone.request("REGISTER", "sip:deskphone.lab", to, "c", &credentials, "");
        phone.send(&request).await;
        let answer = phone.receive().await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{count}: {answer}");
        assert_eq!(answer.contains("stale=true"), status == "401");
    }
}

#[tokio::test]
async fn a_nonce_ends_and_a_forged_one_never_begins() {
    let now = Instant::now();
    let options = crate::exchange::ExchangeOptions { realm: "r".into(), ..options() };
    let mut authenticator = Authenticator::new(&options, [7; 16], now);
    let challenge = authenticator.challenges(false, now).remove(0);
    let respond = |nonce: &str| {
        let hash = |text: &str| super::hash("SHA-256", text);
        let response = hash(&format!("{}:{nonce}:00000001:c:auth:{}", hash("200:r:secret"), hash("REGISTER:sip:r")));
        [Credentials::digest("200", "r", nonce, "sip:r", &response).with_algorithm("SHA-256").with_qop("auth", "c", 1)]
    };
    let good = respond(challenge.nonce().unwrap());
    let later = now + Duration::from_secs(301);
    assert_eq!(authenticator.judge(&Method::REGISTER, &good, later), Verdict::Stale);
    assert_eq!(authenticator.judge(&Method::REGISTER, &good, now + Duration::from_secs(299)), Verdict::Accepted("200".into()));
    assert_eq!(authenticator.judge(&Method::REGISTER, &respond("0.1.00"), now), Verdict::Stale, "not ours");
    assert_eq!(authenticator.judge(&Method::INVITE, &good, now), Verdict::Wrong, "made for another method");
    assert_eq!(authenticator.judge(&Method::REGISTER, &[], now), Verdict::Missing);
}

#[tokio::test]
async fn lifetimes_are_granted_cut_or_refused() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let answer = phone.register("MD5", "Contact: <sip:200@127.0.0.1:9>;expires=5\r\n").await;
    assert!(answer.starts_with("SIP/2.0 423 "));
    assert_eq!(header(&answer, "Min-Expires"), "10");
    let answer = phone.register("MD5", "Contact: <sip:200@127.0.0.1:9>\r\nExpires: 99999\r\n").await;
    assert!(header(&answer, "Contact").ends_with(";expires=7200"));
    let answer = phone.register("MD5", "").await;
    assert!(header(&answer, "Contact").starts_with("<sip:200@127.0.0.1:9>;expires="), "a query");
    let answer = phone.register("MD5", "Contact: <sip:200@127.0.0.1:9>;expires=0\r\n").await;
    assert!(answer.starts_with("SIP/2.0 200 ") && !answer.contains("\r\nContact"));
    let answer = phone.register("MD5", "Contact: *\r\nExpires: 60\r\n").await;
    assert!(answer.starts_with("SIP/2.0 400 "));
}

/// RFC 3261 section 10.2.2.
#[tokio::test]
async fn a_star_takes_all_contacts_away() {
    let exchange = exchange();
    let mut phone = Phone::registered(&exchange, "200", "secret").await;
    phone.register("MD5", "Contact: <sip:200@127.0.0.1:7>, <sip:200@127.0.0.1:8>\r\n").await;
    exchange.until(|view| view.bindings.len() == 3).await.unwrap();
    let answer = phone.register("MD5", "Contact: *\r\nExpires: 0\r\n").await;
    assert!(answer.starts_with("SIP/2.0 200 "));
    assert!(exchange.until(|view| view.bindings.is_empty()).await.is_ok());
}

#[tokio::test]
async fn bindings_end_by_themselves_and_are_bounded() {
    let now = Instant::now();
    let mut bindings = Bindings::default();
    let binding = |port: u16, seconds| Binding {
        user: "200".into(),
        contact: format!("sip:200@127.0.0.1:{port}").parse().unwrap(),
        source: "127.0.0.1:9".parse().unwrap(),
        until: now + Duration::from_secs(seconds),
    };
    assert!((1..=8).all(|port| bindings.put(binding(port, u64::from(port)))));
    assert!(!bindings.put(binding(9, 1)), "a ninth");
    assert!(bindings.put(binding(8, 20)), "the eighth again");
    assert_eq!(bindings.next_expiry(), Some(now + Duration::from_secs(1)));
    assert!(bindings.expire(now + Duration::from_secs(5)) && !bindings.expire(now));
    assert_eq!(bindings.all().len(), 3);
}

#[tokio::test]
async fn a_taken_address_is_said_plainly() {
    let exchange = exchange();
    let again = crate::exchange::ExchangeOptions { address: exchange.address(), ..options() };
    let error = Exchange::start(again).unwrap_err().to_string();
    assert!(error.starts_with(&format!("the exchange cannot listen on {}: ", exchange.address())), "{error}");
    let address = exchange.address();
    exchange.stop().await;
    let freed = crate::exchange::ExchangeOptions { address, ..options() };
    assert!(Exchange::start(freed).is_ok(), "stopped, it lets the address go");
}
