//! Why a description of theirs cannot be used: in words for people, and as a warning for who has sent it.

/// See the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MediaMismatch {
    #[error("the session description cannot be read: {0}")]
    Unreadable(#[from] sip_wire::sdp::SdpError),
    #[error("no audio over plain RTP is offered")]
    NoAudio,
    #[error("an answer without an offer")]
    NoOffer,
    /// Of another network than the Internet; its name.
    #[error("the audio is in a network of the kind {0}")]
    OtherNetwork(String),
    /// None, a name, or one of the family that the line does not use; as it was written.
    #[error("the audio cannot be sent to the address {0}")]
    UnusableAddress(String),
    #[error("{0}")]
    NoCommonCodec(String),
}

impl MediaMismatch {
    /// The code of its Warning (RFC 3261 20.43).
    pub(crate) fn warning(&self) -> u16 {
        match self {
            MediaMismatch::OtherNetwork(_) => 300,
            MediaMismatch::UnusableAddress(_) => 301,
            MediaMismatch::Unreadable(_) | MediaMismatch::NoAudio | MediaMismatch::NoOffer | MediaMismatch::NoCommonCodec(_) => 305,
        }
    }
}
