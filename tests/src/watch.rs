//! `phonectl watch --json`, read as it comes: what a script sees of the phone.

use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};

use crate::phone::Phone;
use crate::{LIMIT, programs};

/// A running watch; ends with this value.
pub struct Watch {
    child: Child,
    lines: Lines<BufReader<tokio::net::unix::pipe::Receiver>>,
    seen: Vec<Value>,
}

impl Watch {
    /// Starts it; nothing that happens after this is missed.
    pub async fn start(phone: &Phone) -> Watch {
        let mut command = Command::new(programs::ours("phonectl"));
        command.args(["watch", "--json"]).env("DESKPHONE_BUS", phone.ready["bus"].as_str().unwrap_or_default());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("phonectl watch");
        let output = child.stdout.take().expect("its output").into();
        let output = tokio::net::unix::pipe::Receiver::from_owned_fd(output).expect("a pipe");
        let mut watch = Watch { child, lines: BufReader::new(output).lines(), seen: Vec::new() };
        watch.event("the beginning", |event| event["event"] == "watching").await;
        watch
    }

    /// The next event that fits, after the one that was waited for last.
    pub async fn event(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else { panic!("phonectl watch does not show {what}; so far: {:#?}", self.seen) };
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if fits(&event) {
                return event;
            }
            self.seen.push(event);
        }
    }

    /// The next change of a property to this value.
    pub async fn property(&mut self, name: &str, value: &Value) {
        self.event(&format!("{name} {value}"), |event| event["event"] == "changed" && event["properties"][name] == *value).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
