//! The sandboxed child alone, asked as the agent asks it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use provisioning_agent::provisioning::exchange::{Fetched, Reply, Request, Verification, Wanted};

pub fn request(urls: &[&str]) -> Request {
    let wanted = |url: &&str| Wanted { url: (*url).to_owned(), shown: "shown".to_owned(), known: None, key: None, content: None };
    Request {
        user_agent: "test".into(),
        http_1_0: false,
        verification: Verification::None,
        root_certificate: None,
        account: None,
        proxy: None,
        connect_timeout: 10_000,
        file_timeout: 20_000,
        files: urls.iter().map(wanted).collect(),
    }
}

pub fn child(input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_provisioning-fetch"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

pub fn fetched(request: &Request) -> Reply {
    let output = child(&serde_json::to_vec(request).unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The values of one file.
pub fn values(file: &Fetched) -> Vec<(&str, &str)> {
    file.outcome.accepted.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect()
}

/// The code of its first diagnosis, or nothing.
pub fn code(file: &Fetched) -> &str {
    file.outcome.diagnoses.first().map_or("", |diagnosis| diagnosis.code.as_str())
}
