//! Cuts a stream into messages by Content-Length (RFC 3261 section 18.3), with the line ends of RFC 5626 between them.
//!
//! It finds ends and keeps bounds; what is in a frame `parse_datagram` says. After an error the stream has lost its place and
//! must be closed.

use thiserror::Error;

use crate::parse::{Unfolded, head_bounds, header};
use crate::text::from_wire;
use crate::views::content_length;
use crate::{HeaderName, limits};

/// What a stream brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message, for `parse_datagram`.
    Message(Vec<u8>),
    /// A line end between messages: the answer to a ping of ours, or half of theirs, which has two (RFC 5626 section 3.5.1).
    /// Which of them says whoever knows what has been asked, and when.
    LineEnd,
}

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// More than [`limits::MESSAGE`] in one message.
    #[error("message too large")]
    TooLarge,
    /// Content-Length is no number, or stands several times.
    #[error("no usable Content-Length")]
    Length,
    /// More was pushed than two messages hold, without taking the frames out.
    #[error("frames are not taken")]
    Full,
}

/// The octets of one stream, in any pieces.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// No head ends before this place of the buffer.
    searched: usize,
}

impl StreamFramer {
    /// At the start of a stream.
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }
    /// Adds what has come in. Take the frames after each piece.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), FrameError> {
        if self.buffer.len().saturating_add(piece.len()) > limits::MESSAGE.saturating_mul(2) {
            return Err(FrameError::Full);
        }
        self.buffer.extend_from_slice(piece);
        Ok(())
    }
    /// The next frame; none until more comes in.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(line_end) = self.leading_line_end() {
            return Ok(line_end);
        }
        let Some((_, body_start)) = self.head_bounds() else {
            return if self.buffer.len() >= limits::MESSAGE { Err(FrameError::TooLarge) } else { Ok(None) };
        };
        let head = from_wire(self.buffer.get(..body_start).unwrap_or_default());
        let end = body_start.saturating_add(body_length(&head)?);
        if end > limits::MESSAGE {
            return Err(FrameError::TooLarge);
        }
        if end > self.buffer.len() {
            return Ok(None);
        }
        Ok(Some(Frame::Message(self.take(end))))
    }
    /// Some(None): it may be the start of a line end, wait.
    fn leading_line_end(&mut self) -> Option<Option<Frame>> {
        let length = match self.buffer.as_slice() {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            [] | [b'\r'] => return Some(None),
            [b'\r', ..] => 1,
            _ => return None,
        };
        self.take(length);
        Some(Some(Frame::LineEnd))
    }
    /// Continues the search where the last one ended, three octets back: an empty line may be cut anywhere.
    fn head_bounds(&mut self) -> Option<(usize, usize)> {
        let from = line_start_before(&self.buffer, self.searched);
        self.searched = self.buffer.len();
        let (head, body) = head_bounds(self.buffer.get(from..)?)?;
        self.searched = 0;
        Some((from.saturating_add(head), from.saturating_add(body)))
    }
    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        self.searched = 0;
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// The start of the line in which `place` lies.
fn line_start_before(buffer: &[u8], place: usize) -> usize {
    let before = buffer.get(..place).unwrap_or_default();
    before.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at.saturating_add(1))
}

/// Content-Length of a head. A stream must have one; where it is missing there is no body.
fn body_length(head: &str) -> Result<usize, FrameError> {
    let mut found = None;
    for line in Unfolded::new(head).skip(1) {
        let Some((name, value)) = header(&line) else { continue };
        if HeaderName::from(name) != HeaderName::CONTENT_LENGTH {
            continue;
        }
        let length = content_length(&value).map_err(|_| FrameError::Length)?;
        if found.replace(length).is_some() {
            return Err(FrameError::Length);
        }
    }
    Ok(found.unwrap_or(0))
}
