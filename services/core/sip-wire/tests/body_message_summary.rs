//! application/simple-message-summary (RFC 3842).
#![allow(clippy::unwrap_used)]

use sip_wire::body::{MessageCounts, MessageSummary};

fn read(text: &str) -> Option<MessageSummary> {
    MessageSummary::parse(text.as_bytes()).ok()
}

/// The example of RFC 3842 section 4.
#[test]
fn the_example_of_the_rfc_is_read() {
    let text = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n";
    let voice = MessageCounts { new: 2, old: 8, urgent_new: 0, urgent_old: 2 };
    let expected = MessageSummary { waiting: true, account: "sip:alice@vmail.example.com".into(), voice: Some(voice) };
    assert_eq!(read(text), Some(expected));
}

#[test]
fn a_mailbox_without_a_voice_line_says_only_whether_messages_wait() {
    for (text, waiting) in [("Messages-Waiting: yes\r\n", true), ("Messages-Waiting: no", false)] {
        assert_eq!(read(text), Some(MessageSummary { waiting, account: String::new(), voice: None }));
    }
}

/// Seen in the field: other line ends and case, no blanks, another order, no urgent counts, headers of the messages after it.
#[test]
fn what_servers_send_is_taken() {
    let text =
        "message-account:sip:200@h\nVOICE-MESSAGE:3/0\nFax-Message: 1/1\nmessages-waiting:YES\n\nTo: x\nVoice-Message: 9/9\n";
    let summary = read(text).unwrap();
    assert!(summary.waiting);
    assert_eq!(summary.voice, Some(MessageCounts { new: 3, ..MessageCounts::default() }));
}

#[test]
fn counts_that_are_none_count_as_no_voice_line() {
    for line in ["Voice-Message: many", "Voice-Message: 1", "Voice-Message: -1/2", "Voice-Message: /", "Voice-Message:"] {
        assert_eq!(read(&format!("Messages-Waiting: yes\r\n{line}\r\n")).unwrap().voice, None, "{line}");
    }
    let large = read("Messages-Waiting: yes\r\nVoice-Message: 99999999999/1 (x)\r\n").unwrap();
    assert_eq!(large.voice, Some(MessageCounts { new: u32::MAX, old: 1, ..MessageCounts::default() }));
}

#[test]
fn what_does_not_say_whether_messages_wait_is_none() {
    for text in ["", "Voice-Message: 1/2\r\n", "Messages-Waiting: perhaps\r\n", "\0\u{ff}"] {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert!(MessageSummary::parse(&[b'x'; 70_000]).is_err());
    let late = format!("{}Messages-Waiting: yes\r\n", "X: y\r\n".repeat(100));
    assert_eq!(read(&late), None, "lines are bounded");
}
