//! What is not for the exchange, and what is not SIP.

use super::{Phone, exchange, header};

#[tokio::test]
async fn options_tells_what_it_can() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    for uri in ["sip:deskphone.lab", "sip:100@127.0.0.2"] {
        let request = phone.request("OPTIONS", uri, "<sip:100@deskphone.lab>", "opt", "", "");
        phone.send(&request).await;
        let answer = phone.receive().await;
        assert!(
            answer.starts_with("SIP/2.0 200 ")
                && header(&answer, "Allow").contains("INVITE")
                && header(&answer, "Accept") == "application/sdp"
        );
        assert!(header(&answer, "Via").contains(&format!(";rport={}", phone.address.port())), "RFC 3581");
    }
}

#[tokio::test]
async fn the_unknown_is_refused_by_its_status() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let cases = [
        ("INVITE", "sip:999@deskphone.lab", "", "404"),
        ("INVITE", "sip:201@deskphone.lab", "", "480"),
        ("INVITE", "tel:+123", "", "416"),
        ("INVITE", "sip:100@deskphone.lab", "Require: nothing, known\r\n", "420"),
        ("MESSAGE", "sip:100@deskphone.lab", "", "405"),
        ("NEWMETHOD", "sip:100@deskphone.lab", "", "501"),
        ("BYE", "sip:100@deskphone.lab", "", "481"),
        ("OPTIONS", "sip:100@deskphone.lab", "Content-Length: 5\r\n", "400"),
    ];
    for (method, uri, more, status) in cases {
        let request = phone.request(method, uri, "<sip:x@deskphone.lab>", "unknown", more, "");
        phone.send(&request).await;
        let answer = phone.receive_start("SIP/2.0 ").await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{method} {uri}: {answer}");
        assert!(header(&answer, "To").contains(";tag="));
        if method == "INVITE" {
            phone.send(&super::acknowledgement(&request, &answer)).await;
        }
    }
}

#[tokio::test]
async fn garbage_and_keep_alives_get_no_answer() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    for text in ["\r\n\r\n", "garbage", "SIP/2.0 200 OK\r\n\r\n", "ACK sip:100@x SIP/2.0\r\n\r\n"] {
        phone.send(text).await;
    }
    let request = phone.request("OPTIONS", "sip:deskphone.lab", "<sip:deskphone.lab>", "after", "", "");
    phone.send(&request).await;
    assert!(header(&phone.receive().await, "Call-ID") == "after", "the first answer is that of the first good request");
    let view = exchange.until(|view| view.counters.received == 1).await.unwrap();
    assert_eq!((view.counters.malformed, view.counters.sent), (3, 1));
}
