//! Encrypted files from a real web server, made by the real openssl program: each key, what is told when it does not fit, and that
//! nothing of it leaks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::process::Command;

use futures_util::StreamExt as _;
use phone_proto::dbus::{DiagnosisTuple, ProvisioningProxy};
use support::{House, WebServer, board, configuration};

/// 32 characters.
fn key(letter: char) -> String {
    letter.to_string().repeat(32)
}

/// What `openssl enc` makes of a file.
fn encrypted(text: &str, key: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, text).unwrap();
    let output = Command::new("openssl")
        .args(["enc", "-salt", "-pass", &format!("pass:{key}"), "-in"])
        .arg(&path)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

struct Outcome {
    name: Option<String>,
    outcome: String,
    diagnoses: Vec<DiagnosisTuple>,
}

/// One run over a standard file of this name and content.
async fn run(rows: &[&str], name: &str, content: &[u8]) -> Outcome {
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve(name, content);
    let path = format!("CFG_STANDARD_FILE_PATH=\"{}\"", server.url(&format!("/{name}")));
    let rows: Vec<&str> = std::iter::once(path.as_str()).chain(rows.iter().copied()).collect();
    let agent = house.start(&[&house.preset("dealer.cfg", &rows)]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board(&house, "0080F0111111").await;
    finished.next().await.unwrap();
    let files = provisioning.files().await.unwrap();
    let name = agent.value("web-ui", "DISPLAY_NAME_1").await;
    Outcome { name, outcome: files[0].2.clone(), diagnoses: provisioning.diagnoses().await.unwrap() }
}

/// B59, B60, B63, B64, C8: each extension with its own key, in each length and derivation, plain or XML within.
#[tokio::test]
async fn each_file_key_opens_the_files_of_its_extension() {
    let plain = configuration(&["DISPLAY_NAME_1=\"Zoe\""]);
    let xml = "<PANASipPhoneConfig><A DISPLAY_NAME_1=\"Zoe\"/></PANASipPhoneConfig>";
    for (file, parameter, bits, derivation, text) in [
        ("phone.e1c", "CFG_FILE_KEY1", "128", &["-md", "sha256"][..], plain.as_str()),
        ("phone.e2c", "CFG_FILE_KEY2", "192", &["-md", "md5"], xml),
        ("phone.e3c", "CFG_FILE_KEY3", "256", &["-pbkdf2"], plain.as_str()),
    ] {
        let cipher = format!("-aes-{bits}-cbc");
        let content = encrypted(text, &key('k'), &[&[cipher.as_str()], derivation].concat());
        let rows = [format!("{parameter}=\"{}\"", key('k')), format!("CFG_FILE_KEY_LENGTH=\"{bits}\"")];
        let told = run(&[&rows[0], &rows[1]], file, &content).await;
        assert_eq!((told.outcome.as_str(), told.name.as_deref()), ("applied", Some("Zoe")), "{file}: {:?}", told.diagnoses);
    }
}

/// B61, B65, C8: wrong key, no key, wrong extension, not encrypted, cut off: a clear error, and nothing is applied.
#[tokio::test]
async fn a_file_that_cannot_be_opened_is_refused_and_says_why() {
    let text = configuration(&["DISPLAY_NAME_1=\"Zoe\""]);
    let content = encrypted(&text, &key('k'), &["-aes-128-cbc", "-md", "sha256"]);
    let first = format!("CFG_FILE_KEY1=\"{}\"", key('k'));
    let wrong = format!("CFG_FILE_KEY1=\"{}\"", key('w'));
    let second = format!("CFG_FILE_KEY2=\"{}\"", key('x'));
    for (rows, file, content, code) in [
        (vec![wrong.as_str()], "phone.e1c", &content[..], "file.wrong-key"),
        (vec![first.as_str(), second.as_str()], "phone.e2c", &content[..], "file.wrong-key"),
        (vec![first.as_str(), "CFG_FILE_KEY_LENGTH=\"256\""], "phone.e1c", &content[..], "file.wrong-key"),
        (vec![first.as_str()], "phone.e2c", &content[..], "file.no-key"),
        (vec![first.as_str()], "phone.e1c", text.as_bytes(), "file.not-encrypted"),
        (vec![first.as_str()], "phone.e1c", &content[..content.len() - 5], "file.truncated"),
        (vec![first.as_str()], "phone.cfg", &content[..], "file.is-encrypted"),
    ] {
        let told = run(&rows, file, content).await;
        let codes: Vec<&str> = told.diagnoses.iter().filter(|one| one.5 == "error").map(|one| one.3.as_str()).collect();
        assert_eq!((told.outcome.as_str(), told.name.as_deref(), codes), ("refused", Some(""), vec![code]), "{file}");
        let said = format!("{:?}", told.diagnoses);
        assert!(told.diagnoses.iter().any(|one| one.3 == code && !one.7.is_empty()), "{said}");
        assert!(!said.contains(&key('k')) && !said.contains(&key('w')), "{said}");
    }
}
