//! Streams: RFC 3261 section 18.3 and the keep-alives of RFC 5626 section 3.5.1.

mod support;

use sip_wire::{Frame, FrameError, StreamFramer, limits};
use support::{options_with, wire};

fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
    let mut framer = StreamFramer::new();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece)?;
        while let Some(frame) = framer.next_frame()? {
            out.push(frame);
        }
    }
    Ok(out)
}

fn with_body(body: &str) -> Vec<u8> {
    let mut octets = options_with(&format!("Content-Type: text/plain\nl\t: {}\n", body.len()));
    octets.extend_from_slice(body.as_bytes());
    octets
}

#[test]
fn any_segmentation_gives_the_same_frames() {
    let (first, second) = (with_body("hello\r\n\r\nworld"), options_with("Content-Length: 0\n"));
    let stream = [b"\r\n\r\n", first.as_slice(), second.as_slice(), b"\r\n", first.as_slice()].concat();
    let ends = || [Frame::LineEnd, Frame::LineEnd];
    let [once, again] = [first.clone(), first].map(Frame::Message);
    let expected: Vec<Frame> = ends().into_iter().chain([once, Frame::Message(second), Frame::LineEnd, again]).collect();
    assert_eq!(frames(&[&stream]).unwrap(), expected, "in one piece");
    let octets: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(frames(&octets).unwrap(), expected, "octet by octet");
    for cut in 1..stream.len() {
        let (a, b) = stream.split_at(cut);
        assert_eq!(frames(&[a, b]).unwrap(), expected, "cut at {cut}");
    }
}

/// RFC 5626 3.5.1: one is an answer, two are a question; octets alone do not say which.
#[test]
fn each_line_end_between_messages_is_a_frame() {
    assert_eq!(frames(&[b"\r\n"]).unwrap(), [Frame::LineEnd]);
    assert_eq!(frames(&[b"\r", b"\n", b"\r", b"\n"]).unwrap(), [Frame::LineEnd, Frame::LineEnd]);
    let message = options_with("");
    let between = [b"\r\n", message.as_slice(), b"\r\n"].concat();
    assert_eq!(frames(&[&between]).unwrap(), [Frame::LineEnd, Frame::Message(message), Frame::LineEnd]);
}

#[test]
fn a_folded_content_length_is_found_and_one_in_the_body_is_not() {
    let octets = wire("OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/TCP c\nContent-Length :\n  23\n\nContent-Length: 500\n\n");
    assert_eq!(frames(&[&octets]).unwrap(), [Frame::Message(octets.clone())]);
}

#[test]
fn a_stream_that_lost_its_place_is_an_error() {
    assert_eq!(frames(&[&options_with("Content-Length: x\n")]), Err(FrameError::Length));
    assert_eq!(frames(&[&options_with("Content-Length: -1\n")]), Err(FrameError::Length));
    assert_eq!(frames(&[&options_with("Content-Length: 1\nl: 1\n")]), Err(FrameError::Length));
    assert_eq!(frames(&[&options_with(&format!("Content-Length: {}\n", limits::MESSAGE))]), Err(FrameError::TooLarge));
    assert_eq!(frames(&[&options_with(&format!("Content-Length: {}\n", u64::MAX))]), Err(FrameError::TooLarge));
    let endless = vec![b'x'; 1000];
    assert_eq!(frames(&vec![endless.as_slice(); 70]), Err(FrameError::TooLarge));
    let mut framer = StreamFramer::new();
    assert_eq!(framer.push(&vec![b'x'; 2 * limits::MESSAGE + 1]), Err(FrameError::Full));
}
