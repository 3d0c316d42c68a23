//! A crowd of TCP connections that ask for nothing: some say nothing at all, some begin a request, some announce a body that never
//! comes. They are opened as fast as they are accepted, and stay open as long as the other end lets them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::flood::FLOODER;
use crate::namespace::{LINK, Namespace};

/// More addresses that it comes from, beside [`FLOODER`].
const OTHERS: [&str; 5] = ["10.77.0.67", "10.77.0.68", "10.77.0.69", "10.77.0.70", "10.77.0.71"];
/// How long one connection is tried for.
const PATIENCE: Duration = Duration::from_secs(5);

/// All that were opened.
pub struct HalfOpen {
    connections: Vec<TcpStream>,
    /// Octets that left.
    pub octets: u64,
}

impl HalfOpen {
    /// So many, from six addresses in turn.
    pub fn open(namespace: &Namespace, target: SocketAddr, count: usize) -> HalfOpen {
        for address in [FLOODER].iter().chain(&OTHERS) {
            let added = namespace.command("ip").args(["addr", "replace", &format!("{address}/24"), "dev", LINK]).status();
            assert!(added.is_ok_and(|status| status.success()), "{address} could not be added");
        }
        let sources: Vec<&str> = [FLOODER].into_iter().chain(OTHERS).collect();
        let all = || (0..count).filter_map(|turn| connect(sources[turn % sources.len()], target)).collect();
        let mut crowd = HalfOpen { connections: namespace.inside(all), octets: 0 };
        crowd.begin(target);
        crowd
    }

    fn begin(&mut self, target: SocketAddr) {
        let head = format!("INVITE sip:200@{target} SIP/2.0\r\nVia: SIP/2.0/TCP {FLOODER};branch=z9hG4bKhalf\r\n");
        let announced = format!("{head}Content-Type: application/sdp\r\nContent-Length: 60000\r\n\r\nv=0\r\n");
        for (turn, stream) in self.connections.iter_mut().enumerate() {
            let words = ["", &head, &announced][turn % 3];
            // Whoever was turned away at once cannot say anything.
            if stream.write_all(words.as_bytes()).is_ok() {
                self.octets += u64::try_from(words.len()).unwrap_or_default();
            }
        }
    }

    /// How many there were.
    pub fn opened(&self) -> usize {
        self.connections.len()
    }

    /// How many the other end has not closed.
    pub fn still_open(&mut self) -> usize {
        let open =
            |stream: &mut TcpStream| matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.connections.iter_mut().filter_map(|stream| open(stream).then_some(())).count()
    }

    /// Waits until no more than so many are open, and says how many.
    pub async fn shrinks_to(&mut self, most: usize, limit: Duration) -> usize {
        let mut tick = crate::looks(Duration::from_millis(50));
        let shrunk = async {
            loop {
                let open = self.still_open();
                if open <= most {
                    return open;
                }
                tick.tick().await;
            }
        };
        let shrunk = tokio::time::timeout(limit, shrunk).await;
        shrunk.unwrap_or_else(|_| panic!("{} of {} are still open", self.still_open(), self.opened()))
    }
}

fn connect(source: &str, target: SocketAddr) -> Option<TcpStream> {
    let source: std::net::IpAddr = source.parse().ok()?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(source, 0).into()).expect("its address");
    socket.connect_timeout(&target.into(), PATIENCE).ok()?;
    socket.set_nonblocking(true).expect("a socket that does not wait");
    Some(socket.into())
}
