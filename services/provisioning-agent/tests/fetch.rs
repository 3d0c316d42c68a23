//! The sandboxed child alone: what it asks a server, where it stops, and what it cannot reach.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use provisioning_agent::provisioning::exchange::{Fetch, Request};
use support::child::{child, fetched, request};
use support::configuration;

/// A server for as many connections as there are answers; returns what it was asked.
fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |answer: String| {
        let (mut stream, _) = listener.accept().unwrap();
        let head = head(&mut stream);
        // The client may hang up as soon as it has had enough.
        let _ = stream.write_all(answer.as_bytes());
        head
    };
    (url, std::thread::spawn(move || answers.into_iter().map(answer).collect()))
}

fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn a_file_is_fetched_and_read_inside_the_sandbox() {
    let (url, server) = serve(vec![ok(&configuration(&["DISPLAY_NAME_1=\"Anna\""]))]);
    let reply = fetched(&request(&[&format!("{url}/a.cfg")]));
    let values: Vec<_> =
        reply.files[0].outcome.accepted.iter().map(|one| (one.name.as_str(), one.value.as_str(), one.line)).collect();
    assert_eq!((reply.files[0].fetch, values), (Fetch::Read, vec![("DISPLAY_NAME_1", "Anna", 3)]));
    assert_eq!(reply.sandbox, "full", "this kernel has landlock");
    let asked = server.join().unwrap();
    assert!(asked[0].starts_with("GET /a.cfg HTTP/1.1\r\n") && asked[0].contains("User-Agent: test\r\n"), "{}", asked[0]);
}

#[test]
fn http_1_0_and_the_account_of_the_url_are_used() {
    // HTTP_VER, B58
    let challenge = "HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"files\"\r\nContent-Length: 0\r\n\r\n".to_owned();
    let (url, server) = serve(vec![challenge, ok(&configuration(&[]))]);
    let url = url.replace("http://", "http://joe:secret@");
    let reply = fetched(&Request { http_1_0: true, ..request(&[&format!("{url}/a.cfg")]) });
    let asked = server.join().unwrap();
    assert!(asked[0].starts_with("GET /a.cfg HTTP/1.0\r\n"), "{}", asked[0]);
    assert!(asked[1].contains("Authorization: Basic am9lOnNlY3JldA==\r\n"), "{}", asked[1]);
    assert_eq!(reply.files[0].fetch, Fetch::Read);
}

#[test]
fn a_redirection_is_followed_without_the_account_and_only_so_often() {
    let target = ok(&configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    let (second, other_server) = serve(vec![target]);
    let to = |url: &str| format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let (first, server) = serve(vec![to(&format!("{second}/b.cfg"))]);
    let reply = fetched(&request(&[&format!("{}/a.cfg", first.replace("http://", "http://joe:secret@"))]));
    assert_eq!((reply.files[0].fetch, reply.files[0].outcome.accepted.len()), (Fetch::Read, 1));
    server.join().unwrap();
    assert!(!other_server.join().unwrap()[0].contains("Authorization"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/loop", listener.local_addr().unwrap());
    let (location, rounds) = (to(&url), 6);
    let server = std::thread::spawn(move || {
        for _ in 0..rounds {
            let (mut stream, _) = listener.accept().unwrap();
            head(&mut stream);
            stream.write_all(location.as_bytes()).unwrap();
        }
    });
    let reply = fetched(&request(&[&url]));
    server.join().unwrap();
    assert_eq!((reply.files[0].fetch, reply.files[0].outcome.diagnoses[0].code.as_str()), (Fetch::Failed, "file.redirection"));
}

#[test]
fn a_redirection_to_a_local_file_is_refused() {
    let (url, server) = serve(vec!["HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n".to_owned()]);
    let reply = fetched(&request(&[&url]));
    server.join().unwrap();
    assert_eq!(reply.files[0].outcome.diagnoses[0].code, "file.redirection");
}

#[test]
fn a_file_of_the_own_system_is_out_of_reach() {
    // Even if a URL of this kind came through: landlock shows nothing but what libcurl needs.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.cfg");
    std::fs::write(&file, configuration(&["DISPLAY_NAME_1=\"Anna\""])).unwrap();
    let reply = fetched(&request(&[&format!("file://{}", file.display())]));
    assert_eq!((reply.files[0].fetch, reply.files[0].outcome.accepted.len()), (Fetch::Failed, 0));
}

#[test]
fn a_silent_server_costs_only_the_time_of_its_file() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, server) = serve(vec![ok(&configuration(&["DISPLAY_NAME_1=\"Anna\""]))]);
    let silent_url = format!("http://{}/a.cfg", silent.local_addr().unwrap());
    let reply = fetched(&Request { file_timeout: 300, ..request(&[&silent_url, &url]) });
    server.join().unwrap();
    assert_eq!((reply.files[0].fetch, reply.files[0].outcome.diagnoses[0].code.as_str()), (Fetch::Failed, "file.timed-out"));
    assert_eq!(reply.files[1].fetch, Fetch::Read);
}

#[test]
fn all_files_of_a_run_together_have_one_size_limit() {
    // B67, C47: the standard file, asked for last, goes before the others.
    let comment = "# a comment of about sixty characters, so that the file grows.\r\n".repeat(1_200);
    let large = format!("{}{comment}\r\n", configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    assert!(large.len() > 60 << 10 && large.len() < 120 << 10);
    let (url, server) = serve(vec![ok(&large), ok(&large)]);
    let reply = fetched(&request(&[&format!("{url}/master"), &format!("{url}/standard")]));
    server.join().unwrap();
    let rejected: Vec<bool> = reply.files.iter().map(|file| file.outcome.rejected).collect();
    assert_eq!(rejected, [true, false]);
}

#[test]
fn a_file_without_end_is_cut_off_at_the_limit() {
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "# no end\r\n".repeat(50_000));
    let (url, server) = serve(vec![endless]);
    let reply = fetched(&request(&[&url]));
    server.join().unwrap();
    assert!(reply.files[0].outcome.rejected && reply.files[0].outcome.accepted.is_empty());
}

#[test]
fn an_encrypted_file_is_named_as_such() {
    // B60
    let (url, server) = serve(vec![ok("Salted__........")]);
    let reply = fetched(&request(&[&format!("{url}/phone.e1c")]));
    server.join().unwrap();
    assert_eq!((reply.files[0].outcome.rejected, reply.files[0].outcome.diagnoses[0].code.as_str()), (true, "file.no-key"));
}

#[test]
fn nonsense_as_request_ends_the_child_with_an_error() {
    for input in [b"".to_vec(), b"{".to_vec(), vec![b'x'; 100 << 10]] {
        let output = child(&input);
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}
