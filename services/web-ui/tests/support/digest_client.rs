//! The client's half of RFC 7616, for tests: answers a challenge as a browser does. Written apart from the server's half, so that
//! one checks the other.

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// A browser's memory of one challenge.
#[derive(Clone, Debug)]
pub struct Answerer {
    challenge: String,
    username: String,
    password: String,
    count: u32,
}

impl Answerer {
    pub fn new(challenge: &str, username: &str, password: &str) -> Answerer {
        Answerer { challenge: challenge.into(), username: username.into(), password: password.into(), count: 0 }
    }

    /// The Authorization header for the next request with this nonce.
    pub fn answer(&mut self, method: &str, uri: &str) -> String {
        self.count += 1;
        self.answer_with_count(method, uri, self.count)
    }

    pub fn answer_with_count(&self, method: &str, uri: &str, count: u32) -> String {
        let [realm, nonce, opaque] = ["realm", "nonce", "opaque"].map(|name| parameter(&self.challenge, name));
        let algorithm = parameter(&self.challenge, "algorithm");
        let h = |text: String| if algorithm == "MD5" { hex(&Md5::digest(text)) } else { hex(&Sha256::digest(text)) };
        let (user, password, nc, cnonce) = (&self.username, &self.password, format!("{count:08x}"), "0a4f113b");
        let ha1 = h(format!("{user}:{realm}:{password}"));
        let ha2 = h(format!("{method}:{uri}"));
        let response = h(format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"));
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, \
             response=\"{response}\", opaque=\"{opaque}\", qop=auth, nc={nc}, cnonce=\"{cnonce}\""
        )
    }
}

/// The value of a challenge's parameter, with or without quotes.
pub fn parameter(challenge: &str, name: &str) -> String {
    let (_, rest) = challenge.split_once(&format!("{name}=")).expect("the challenge has this parameter");
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => rest.split(',').next().unwrap_or_default().trim().to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
