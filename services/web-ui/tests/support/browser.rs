//! A browser on a bare socket: digest, cookie, forms. One connection per request.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::digest_client::Answerer;

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
    pub fn challenges(&self) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == "www-authenticate").map(|(_, value)| value.as_str()).collect()
    }
    /// The value of a hidden field of the form.
    pub fn hidden(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\"")).expect("the page has this field");
        rest.split('"').next().unwrap().to_owned()
    }
    pub fn parse(bytes: &[u8]) -> Reply {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(key, value)| (key.to_lowercase(), value.to_owned())).collect();
        Reply { status, headers, body: body.to_owned() }
    }
}

/// Sends bytes, reads until the server closes.
pub async fn raw(address: SocketAddr, request: &str) -> Reply {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Reply::parse(&bytes)
}

#[derive(Clone)]
pub struct Browser {
    pub address: SocketAddr,
    pub answerer: Option<Answerer>,
    pub cookie: Option<String>,
    pub extra: String,
}

impl Browser {
    pub fn new(address: SocketAddr) -> Browser {
        Browser { address, answerer: None, cookie: None, extra: String::new() }
    }

    /// As a browser logs in: asks, is challenged, answers.
    pub async fn log_in(&mut self, path: &str, id: &str, password: &str) -> Reply {
        self.answerer = None;
        let asked = self.get(path).await;
        let Some(challenge) = asked.challenges().first().map(ToString::to_string) else { return asked };
        self.answerer = Some(Answerer::new(&challenge, id, password));
        self.get(path).await
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let head = self.head("GET", path);
        let reply = raw(self.address, &format!("{head}Connection: close\r\n\r\n")).await;
        self.keep_cookie(&reply);
        reply
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let body = body.join("&");
        let head = self.head("POST", path);
        let form = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
        raw(self.address, &format!("{head}{form}Connection: close\r\n\r\n{body}")).await
    }

    /// Sends a body of any type, as it is.
    pub async fn post_body(&mut self, path: &str, kind: &str, body: &[u8]) -> Reply {
        let head = self.head("POST", path);
        let form = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}{form}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        for chunk in body.chunks(1024) {
            stream.write_all(chunk).await.unwrap();
            // Whoever answers before the end has the time to do it, and to close.
            tokio::task::yield_now().await;
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Reply::parse(&bytes)
    }

    /// Opens a page's form and sends it with these fields changed.
    pub async fn save(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let token = page.hidden("token");
        let mut all = BTreeMap::from([("token", token.as_str())]);
        let revision = if page.body.contains("name=\"revision\"") { page.hidden("revision") } else { "0".to_owned() };
        all.insert("revision", &revision);
        all.extend(fields.iter().copied());
        let all: Vec<(&str, &str)> = all.into_iter().collect();
        self.post(path, &all).await
    }

    /// A live stream: the reader stands behind the head.
    pub async fn live(&mut self) -> (Reply, BufReader<TcpStream>) {
        use tokio::io::AsyncBufReadExt as _;
        let request = self.head("GET", "/live") + "\r\n";
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        (Reply::parse(head.as_bytes()), stream)
    }

    pub fn head(&mut self, method: &str, path: &str) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{}", self.address, self.extra);
        if let Some(answerer) = &mut self.answerer {
            head += &format!("Authorization: {}\r\n", answerer.answer(method, path));
        }
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: other=1; {cookie}\r\n");
        }
        head
    }

    fn keep_cookie(&mut self, reply: &Reply) {
        if let Some(cookie) = reply.header("set-cookie").split(';').next().filter(|cookie| !cookie.is_empty()) {
            self.cookie = Some(cookie.to_owned());
        }
    }
}

/// Waits for the next event of a live stream: (name, data).
pub async fn next_event(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    use tokio::io::AsyncBufReadExt as _;
    let mut event = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        if let Some(name) = line.strip_prefix("event: ") {
            event.0 = name.trim().to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            event.1 = data.trim().to_owned();
        } else if line.trim().is_empty() && !event.0.is_empty() {
            return Some(event);
        }
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |byte| if byte.is_ascii_alphanumeric() || byte == b'_' { char::from(byte).to_string() } else { format!("%{byte:02X}") },
        )
        .collect()
}
