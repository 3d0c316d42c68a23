//! Import Configuration File over real sockets, with a fake owner of the settings: who may, within which bounds, and what the page says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use agreements::{Diagnosis, Severity};
use phone_proto::settings::RunFile;
use settings::file::MOST_BYTES;
use support::House;
use support::browser::{Browser, Reply};
use web_ui::importing::{FileType, ImportError, ImportReport, Restart};

const PATH: &str = "/maintenance/import-configuration-file";
const BOUNDARY: &str = "----a-boundary";

/// A part of a form; with a file's name where it has one.
fn part(name: &str, file: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = file.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream")).unwrap_or_default();
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// The form as a browser sends it.
fn body(token: &str, kind: &str, file: &str, content: &[u8]) -> Vec<u8> {
    whole(&[part("token", None, token.as_bytes()), part("type", None, kind.as_bytes()), part("file", Some(file), content)])
}

fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

async fn post(browser: &mut Browser, body: &[u8]) -> Reply {
    browser.post_body(PATH, &format!("multipart/form-data; boundary={BOUNDARY}"), body).await
}

async fn logged_in(house: &Arc<House>, address: std::net::SocketAddr) -> (Browser, String) {
    let mut browser = Browser::new(address);
    let form = browser.log_in(PATH, "admin", "adminpass").await;
    assert_eq!(form.status, 200, "{}", form.body);
    house.settle();
    let token = form.hidden("token");
    (browser, token)
}

fn finding(line: u32, severity: Severity, reason: &str) -> Diagnosis {
    Diagnosis {
        file: "phone.cfg".into(),
        line,
        column: 17,
        code: "value.out-of-range".into(),
        name: "SIP_SRC_PORT_1".into(),
        severity,
        reason: reason.into(),
        suggestion: "a port from 1024 to 49151".into(),
        arguments: Default::default(),
    }
}

fn report(outcome: &str, findings: Vec<Diagnosis>, restart: Restart) -> ImportReport {
    let file = RunFile { kind: "product".into(), file: "phone.cfg".into(), outcome: outcome.into(), applied: 12, skipped: 1 };
    ImportReport { files: vec![file], findings, restart }
}

/// B104, B105: type and file are chosen, and the page says per file and per line what was done.
#[tokio::test]
async fn a_file_is_handed_on_as_it_is_and_its_report_is_shown() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let (mut browser, token) = logged_in(&house, port.address).await;
    let form = browser.get(PATH).await.body;
    for text in ["Import and Restart", "enctype=\"multipart/form-data\"", "type=\"file\"", "value=\"standard\" checked", "Master"] {
        assert!(form.contains(text), "{text}: {form}");
    }
    let findings = vec![finding(3, Severity::Error, "99999 <is> more than 49151"), finding(2, Severity::Note, "a note")];
    *house.owner.import_answer.lock().unwrap() = Some(Ok(report("applied", findings, Restart::Soon)));
    let content = [b"\xEF\xBB\xBF# any bytes \r\n--".as_slice(), &[0, 255, 13, 10], &[b'x'; 200_000]].concat();
    let reply = post(&mut browser, &body(&token, "product", "phone.cfg", &content)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    for text in [
        ">Complete<",
        "The unit restarts in a few seconds.",
        "Applied: 12 values, 1 lines skipped",
        "Product (units of this model)",
        "phone.cfg, line 3, column 17",
        "SIP_SRC_PORT_1",
        "99999 &lt;is&gt; more than 49151",
        "a port from 1024 to 49151",
        ">Error<",
        ">Note<",
    ] {
        assert!(reply.body.contains(text), "{text}: {}", reply.body);
    }
    let uploads = house.owner.uploads.lock().unwrap();
    assert_eq!((uploads.len(), uploads[0].kind, uploads[0].name.as_str()), (1, FileType::Product, "phone.cfg"));
    assert!(uploads[0].content == content && uploads[0].account == "web admin");
}

/// A file that was refused as a whole changes nothing, and a call that has begun meanwhile puts the restart off.
#[tokio::test]
async fn what_became_of_the_file_is_told_as_it_is() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let (mut browser, token) = logged_in(&house, port.address).await;
    for (outcome, restart, texts) in [
        ("refused", Restart::None, ["Failed (Parameter Error)", "nothing of it was taken", "The unit does not restart."]),
        ("unchanged", Restart::AfterCall, [">Complete<", "Says nothing new", "the unit restarts when it has ended"]),
        ("failed", Restart::None, ["Failed (Parameter Error)", "Failed (failed)", "The unit does not restart."]),
    ] {
        *house.owner.import_answer.lock().unwrap() = Some(Ok(report(outcome, Vec::new(), restart)));
        let reply = post(&mut browser, &body(&token, "product", "phone.cfg", b"x")).await;
        assert!(texts.iter().all(|text| reply.body.contains(text)), "{outcome}: {}", reply.body);
    }
    let many = (1..=450).map(|line| finding(line, Severity::Error, "wrong")).collect();
    *house.owner.import_answer.lock().unwrap() = Some(Ok(report("applied", many, Restart::Soon)));
    let reply = post(&mut browser, &body(&token, "product", "phone.cfg", b"x")).await;
    assert_eq!(reply.body.matches("<tr data-severity").count(), 200);
    assert!(reply.body.contains("250 more are in the phone"));
}

/// B107, B108, C49: each refusal in words, with the form kept.
#[tokio::test]
async fn every_refusal_has_its_words_and_leaves_the_form() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let (mut browser, token) = logged_in(&house, port.address).await;
    let failures = [
        (ImportError::InCall, 409, "Failed (Busy)", "A call is up"),
        (ImportError::Busy, 503, "Failed (Busy)", "Choose it again in a moment"),
        (ImportError::Invalid("it ends with .cfg".into()), 422, "Failed (Parameter Error)", "it ends with .cfg"),
        (ImportError::Unavailable("not known yet".into()), 503, "Failed (Transfer Failure)", "not known yet"),
        (ImportError::NoReport(7), 504, "Failed (Transfer Failure)", "what it did is not known"),
    ];
    for (failure, status, message, detail) in failures {
        *house.owner.import_answer.lock().unwrap() = Some(Err(failure));
        let reply = post(&mut browser, &body(&token, "master", "phone.cfg", b"x")).await;
        assert_eq!(reply.status, status, "{message}");
        assert!(reply.body.contains(message) && reply.body.contains(detail), "{detail}: {}", reply.body);
        assert!(reply.body.contains("value=\"master\" checked"), "the type stays chosen");
        assert_eq!(reply.hidden("token"), token, "and the form can be sent again");
    }
    let asked = house.owner.uploads.lock().unwrap().len();
    for (kind, file, detail) in [("dealer", "phone.cfg", "Choose the type"), ("standard", "", "Choose a file")] {
        let reply = post(&mut browser, &body(&token, kind, file, b"x")).await;
        assert_eq!(reply.status, 422);
        assert!(reply.body.contains(detail), "{detail}: {}", reply.body);
    }
    assert_eq!(house.owner.uploads.lock().unwrap().len(), asked, "nobody was asked");
}

/// B148: without this form's token nothing is handed on; the token comes before the file, so that a file without one is not even kept.
#[tokio::test]
async fn a_file_without_the_forms_token_is_forbidden() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let (mut browser, token) = logged_in(&house, port.address).await;
    let other = browser.get("/maintenance/provisioning-maintenance").await.hidden("token");
    for wrong in ["", "0", other.as_str()] {
        let reply = post(&mut browser, &body(wrong, "standard", "phone.cfg", &[b'x'; 200_000])).await;
        assert_eq!(reply.status, 403, "{}", reply.body);
    }
    let without = whole(&[part("type", None, b"standard"), part("file", Some("phone.cfg"), b"x")]);
    assert_eq!(post(&mut browser, &without).await.status, 403);
    let late = [part("type", None, b"standard"), part("file", Some("phone.cfg"), b"x"), part("token", None, token.as_bytes())];
    assert_eq!(post(&mut browser, &whole(&late)).await.status, 422, "the file is not there");
    browser.extra = "Origin: http://evil.example\r\n".into();
    assert_eq!(post(&mut browser, &body(&token, "standard", "phone.cfg", b"x")).await.status, 403);
    assert!(house.owner.uploads.lock().unwrap().is_empty());
}

/// The gate: nobody without a login and no User; and a browser that has to log in anew while it sends a file sees the question.
#[tokio::test]
async fn only_an_administrator_brings_files() {
    let house = House::new(&[("USER_PASS", "userpass1")]);
    let port = house.serve().await;
    let mut stranger = Browser::new(port.address);
    assert_eq!(stranger.get(PATH).await.status, 401);
    let reply = post(&mut stranger, &body("0", "standard", "phone.cfg", &vec![b'x'; 700_000])).await;
    assert_eq!((reply.status, reply.challenges().len()), (401, 2), "the whole answer is there");
    let mut user = Browser::new(port.address);
    assert_eq!(user.log_in("/status/voip-status", "user", "userpass1").await.status, 200);
    house.settle();
    assert_eq!(user.get(PATH).await.status, 404);
    assert_eq!(post(&mut user, &body("0", "standard", "phone.cfg", b"x")).await.status, 404);
    assert!(house.owner.uploads.lock().unwrap().is_empty());
}

/// Bounds: of a file, of a body, of the number of parts, and one file at a time.
#[tokio::test]
async fn files_and_forms_are_bounded() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let (mut browser, token) = logged_in(&house, port.address).await;
    let longest = vec![b'x'; MOST_BYTES];
    assert_eq!(post(&mut browser, &body(&token, "standard", "phone.cfg", &longest)).await.status, 200);
    assert_eq!(house.owner.uploads.lock().unwrap()[0].content.len(), MOST_BYTES);
    let reply = post(&mut browser, &body(&token, "standard", "phone.cfg", &vec![b'x'; MOST_BYTES + 1])).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("larger than any configuration file") && reply.body.contains("type=\"file\""), "{}", reply.body);
    // The bound lies within the last boundary, so that all was sent when it is met.
    let too_long = vec![b'x'; (1 << 20) + 20 - body(&token, "standard", "phone.cfg", b"").len()];
    let reply = post(&mut browser, &body(&token, "standard", "phone.cfg", &too_long)).await;
    assert_eq!(reply.status, 413);
    let many = vec![part("token", None, token.as_bytes()); 9];
    assert_eq!(post(&mut browser, &whole(&many)).await.status, 400);
    let cut = body(&token, "standard", "phone.cfg", b"x");
    assert_eq!(post(&mut browser, &cut[..cut.len() - 10]).await.status, 400, "a body that ends in the middle");
    let reply = browser.post(PATH, &[("token", &token), ("type", "standard")]).await;
    assert_eq!(reply.status, 400, "no multipart");
    assert_eq!(house.owner.uploads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn two_files_at_once_are_one_too_many() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let (mut browser, token) = logged_in(&house, port.address).await;
    let held = Arc::new(tokio::sync::Notify::new());
    *house.owner.import_held.lock().unwrap() = Some(held.clone());
    let (mut other, form) = (browser.clone(), body(&token, "standard", "first.cfg", b"x"));
    // Each count of a nonce is good once: the next one is the first sender's.
    browser.answerer.as_mut().unwrap().answer("POST", PATH);
    let first = tokio::spawn(async move { post(&mut other, &form).await });
    while house.owner.uploads.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let reply = post(&mut browser, &body(&token, "standard", "second.cfg", b"x")).await;
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("Failed (Busy)"));
    held.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(house.owner.uploads.lock().unwrap().len(), 1);
}
