//! What the DHCP server says about provisioning. The address itself is the network's business; once the unit has one, the server is
//! asked for the options that lead to configuration files (DHCPINFORM, RFC 2131 3.4). What they mean is provisioning-agent's
//! business, which is told over its socket and not by a property: a URL may hold a password.

mod message;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use message::Options;

/// Ports of RFC 2131 4.1.
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// How long an answer is waited for before the question is repeated; then the server is silent. RFC 2131 4.1 begins with four
/// seconds and doubles; here an address has just been got, so the server is awake, and somebody waits for the phone.
const PATIENCE: [Duration; 4] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// Longest answer that is read (RFC 2131 2: option 57 asks for no more).
const LONGEST: usize = message::LONGEST as usize;

/// On whose behalf a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The link that leads to the server.
    pub interface: String,
    /// The address that the unit has there.
    pub address: Ipv4Addr,
    /// Its MAC address.
    pub mac: [u8; 6],
}

/// What is known of the server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody is asked: a static address, or none yet.
    Off,
    /// Asked.
    Awaited,
    /// Answered; it may have none of the options.
    Heard(Options),
    /// Nobody has answered.
    Silent,
    /// Nobody could be asked.
    Failed,
}

impl Answer {
    /// As on the bus.
    pub fn as_str(&self) -> &'static str {
        match self {
            Answer::Off => "off",
            Answer::Awaited => "asking",
            Answer::Heard(_) => "answered",
            Answer::Silent => "silent",
            Answer::Failed => "failed",
        }
    }
}

/// The question under way and the newest answer.
pub struct Client {
    asker: Option<Asker>,
    answer: Answer,
    question: Option<JoinHandle<Answer>>,
}

impl Client {
    /// Nobody is asked.
    pub fn new() -> Client {
        Client { asker: None, answer: Answer::Off, question: None }
    }

    /// Asks on behalf of somebody else from now on, or of nobody. The same as before changes nothing.
    pub fn set_asker(&mut self, asker: Option<Asker>) {
        if asker == self.asker {
            return;
        }
        if let Some(question) = self.question.take() {
            question.abort();
        }
        self.answer = if asker.is_some() { Answer::Awaited } else { Answer::Off };
        self.question = asker.clone().map(|asker| tokio::spawn(question(asker)));
        self.asker = asker;
    }

    /// What is known.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Waits until a question has its answer, or none. Dropping it half way loses nothing.
    pub async fn answered(&mut self) -> &Answer {
        match &mut self.question {
            Some(question) => {
                // It panics never and is not aborted while it stands here.
                self.answer = question.await.unwrap_or(Answer::Failed);
                self.question = None;
                &self.answer
            }
            None => std::future::pending().await,
        }
    }
}

async fn question(asker: Asker) -> Answer {
    match ask(&asker).await {
        Ok(Some(options)) => {
            tracing::info!(codes = ?options.keys().collect::<Vec<_>>(), "the DHCP server has answered");
            Answer::Heard(options)
        }
        Ok(None) => {
            tracing::info!(interface = asker.interface, "no DHCP server answers");
            Answer::Silent
        }
        Err(error) => {
            tracing::warn!(%error, interface = asker.interface, "no DHCP server can be asked");
            Answer::Failed
        }
    }
}

async fn ask(asker: &Asker) -> std::io::Result<Option<Options>> {
    let server = SocketAddr::from((Ipv4Addr::BROADCAST, SERVER));
    // Different for each question; nobody else's answer shall count.
    #[allow(clippy::cast_possible_truncation)]
    let transaction = service_kit::epoch() as u32;
    let begin = Instant::now();
    for patience in PATIENCE {
        // A new one each time: who holds the lease may have opened its own anew meanwhile, and gets everything since then.
        let socket = socket(asker)?;
        let seconds = u16::try_from(begin.elapsed().as_secs()).unwrap_or(u16::MAX);
        socket.send_to(&message::inform(asker, transaction, seconds), server).await?;
        let until = Instant::now() + patience;
        let mut buffer = [0; LONGEST];
        while let Ok(received) = timeout_at(until, socket.recv(&mut buffer)).await {
            let length = received?;
            if let Some(options) = message::options(buffer.get(..length).unwrap_or_default(), asker, transaction) {
                return Ok(Some(options));
            }
        }
    }
    Ok(None)
}

/// Bound to the unit's own address, for servers answer to it (RFC 2131 4.3.5), and shared with the client that holds the lease: on
/// the one link both are right, and the newest socket gets what comes.
fn socket(asker: &Asker) -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(asker.interface.as_bytes()))?;
    socket.bind(&SocketAddrV4::new(asker.address, CLIENT).into())?;
    UdpSocket::from_std(socket.into())
}
