//! A line over TCP (B325), with real connections: what comes in pieces, what breaks, and a restart of the service.
#![allow(clippy::unwrap_used)]

mod house;

use house::far::header;
use house::{House, LINE_1, LINE_INTERFACE, soon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A registrar that speaks SIP by hand.
struct Registrar {
    listener: TcpListener,
    phone: u16,
}

impl Registrar {
    async fn new() -> (Registrar, House) {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let phone = testbed::ports::free_at([127, 0, 0, 1].into()).unwrap();
        let source = phone.to_string();
        let rows = [
            ("SIP_TRANSPORT_1", "1"),
            ("SIP_SRC_PORT_1", source.as_str()),
            ("SIP_RGSTR_ADDR_1", "127.0.0.2"),
            ("SIP_RGSTR_PORT_1", port.as_str()),
        ];
        let house = House::with(&rows).await;
        (Registrar { listener, phone }, house)
    }

    async fn accept(&self) -> TcpStream {
        soon("a connection", self.listener.accept()).await.unwrap().0
    }
}

/// The next request: none of ours has a body.
async fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    soon("a request", async {
        while !text.ends_with(b"\r\n\r\n") {
            text.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(text).unwrap()
}

/// 200, cut in the middle of its head.
async fn grant(stream: &mut TcpStream, register: &str) {
    assert!(register.starts_with("REGISTER"), "{register}");
    let field = |name: &str| format!("{name}: {}\r\n", header(register, name));
    let fields: String = ["Via", "From", "Call-ID", "CSeq", "Contact"].map(field).concat();
    let answer =
        format!("SIP/2.0 200 OK\r\n{fields}To: {};tag=r\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n", header(register, "To"));
    let (head, rest) = answer.as_bytes().split_at(40);
    stream.write_all(head).await.unwrap();
    stream.flush().await.unwrap();
    stream.write_all(rest).await.unwrap();
}

#[tokio::test]
async fn a_line_registers_over_tcp_and_again_when_its_connection_breaks_or_the_service_starts_again() {
    let (registrar, mut house) = Registrar::new().await;
    house.agent.ready().await;
    let mut stream = registrar.accept().await;
    let register = request(&mut stream).await;
    assert!(header(&register, "Via").starts_with("SIP/2.0/TCP"), "{register}");
    assert!(header(&register, "Contact").contains(";transport=tcp"), "{register}");
    grant(&mut stream, &register).await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    assert_eq!(house.agent.stored(), ["sip-snapshot"], "no connection and no listening socket");
    assert_eq!(house.property(LINE_1, LINE_INTERFACE, "SourcePort").await, Some(registrar.phone.to_string()));

    drop(stream);
    let mut stream = registrar.accept().await;
    let register = request(&mut stream).await;
    grant(&mut stream, &register).await;

    house.agent.crash().await;
    house.agent.ready().await;
    let mut stream = registrar.accept().await;
    let register = request(&mut stream).await;
    grant(&mut stream, &register).await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
}

/// The other end opens the connection: what it asks is answered over it.
#[tokio::test]
async fn a_request_over_a_connection_of_the_other_end_is_answered_over_it() {
    let (registrar, _house) = Registrar::new().await;
    let mut stream = registrar.accept().await;
    let register = request(&mut stream).await;
    grant(&mut stream, &register).await;
    let mut other = soon("a connection", TcpStream::connect(("127.0.0.1", registrar.phone))).await.unwrap();
    let options = "OPTIONS sip:200@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2:9;branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
                   From: <sip:up@127.0.0.2>;tag=1\r\nTo: <sip:200@127.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    other.write_all(options.as_bytes()).await.unwrap();
    let answer = request(&mut other).await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
}
