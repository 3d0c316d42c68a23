//! Servers that misbehave: each gets its own diagnosis, nothing of what they sent is applied, and the settings stay as they were.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use futures_util::StreamExt as _;
use phone_proto::dbus::{ProvisioningProxy, SettingsProxy};
use support::{House, board, configuration};

/// What the server does with one connection after it has read the request.
type Manner = Box<dyn FnOnce(&mut TcpStream) + Send>;

/// A server that treats each connection in the manner that stands next in its queue; it ends with the queue.
fn serve() -> (String, mpsc::Sender<Manner>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/phone.cfg", listener.local_addr().unwrap());
    let (manners, queue) = mpsc::channel::<Manner>();
    std::thread::spawn(move || {
        for manner in queue {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            manner(&mut stream);
        }
    });
    (url, manners)
}

/// Says this and closes the connection.
fn says(text: String) -> Manner {
    // The phone may hang up first.
    Box::new(move |stream| drop(stream.write_all(text.as_bytes())))
}

fn ok(length: usize, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn file(name: &str) -> String {
    configuration(&[&format!("DISPLAY_NAME_1=\"{name}\""), &format!("DISPLAY_NAME_2=\"{name}\"")])
}

/// Five gigabytes with no length, until the phone hangs up; more than a few megabytes never get out.
fn endless() -> Manner {
    Box::new(|stream| {
        let block = "# a line of a file that has no end, as long as it may be\r\n".repeat(1_000);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let all = 5_000_000_000 / block.len();
        let sent = (0..all).take_while(|_| stream.write_all(block.as_bytes()).is_ok()).count();
        assert!(sent * block.len() < 50_000_000, "the phone took {sent} blocks");
    })
}

/// C62: the outcome of each server, and that the values of before are still in effect.
#[tokio::test]
async fn what_a_broken_server_sends_is_never_applied() {
    let house = House::new();
    let (url, manners) = serve();
    let preset = house.preset("dealer.cfg", &[&format!("CFG_STANDARD_FILE_PATH=\"{url}\"")]);
    manners.send(says(ok(file("before").len(), &file("before")))).unwrap();
    let _agent = house.start(&[&preset]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let settings = SettingsProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board(&house, "0080F0111111").await;
    assert_eq!(finished.next().await.unwrap().args().unwrap().outcome, "done");
    let after = file("after");
    let half = &after[..after.len() - 20];
    let redirection = format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let table: Vec<(&str, &str, Vec<Manner>)> = vec![
        ("cut off before its length", "file.cut-off", vec![says(ok(after.len(), half))]),
        ("cut off without a length", "file.cut-off", vec![says(format!("HTTP/1.0 200 OK\r\n\r\n{half}"))]),
        ("a length that is too small", "file.cut-off", vec![says(ok(half.len(), &after))]),
        ("no answer at all", "file.cut-off", vec![says(String::new())]),
        ("a web page with 200", "file.web-page", vec![says(ok(40, "<!DOCTYPE html><html><title>Login</title>"))]),
        ("five announced gigabytes", "file.too-large", vec![says(ok(5_000_000_000, &after))]),
        ("five gigabytes", "file.too-large", vec![endless()]),
        ("redirections in a loop", "file.redirection", (0..6).map(|_| says(redirection.clone())).collect()),
        ("no HTTP", "file.unreachable", vec![says("220 ready\r\n".to_owned())]),
        ("an error of its own", "file.refused", vec![says("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned())]),
        ("something else than a file", "file.no-magic", vec![says(ok(5, "hello"))]),
    ];
    let revision = settings.revision().await.unwrap();
    for (what, code, connections) in table {
        connections.into_iter().for_each(|manner| manners.send(manner).unwrap());
        provisioning.run(HashMap::new()).await.unwrap();
        finished.next().await.unwrap();
        let diagnoses = provisioning.diagnoses().await.unwrap();
        let outcome = provisioning.files().await.unwrap()[0].2.clone();
        assert!(diagnoses.iter().any(|one| one.3 == code && one.5 == "error"), "{what}: {diagnoses:?}");
        assert!(matches!(outcome.as_str(), "failed" | "refused"), "{what}: {outcome}");
        for name in ["DISPLAY_NAME_1", "DISPLAY_NAME_2"] {
            assert_eq!(settings.get(name).await.unwrap(), "before", "{what}");
        }
        assert_eq!(settings.revision().await.unwrap(), revision, "{what}");
    }
}
