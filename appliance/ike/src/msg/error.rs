//! Why a message could not be parsed: which payload, at which octet.

use super::PayloadType;

/// A malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{payload} at octet {offset}: {kind}")]
pub struct ParseError {
    /// The payload in which parsing stopped.
    pub payload: PayloadType,
    /// Octets from the start of the message (for decrypted payloads: as if they stood in the clear in its place).
    pub offset: usize,
    /// What was wrong.
    pub kind: ParseErrorKind,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Fewer octets than the field needs.
    #[error("truncated")]
    Truncated,
    /// More octets than the structure says.
    #[error("octets left over")]
    Trailing,
    /// A length field that contradicts its surroundings.
    #[error("length field is wrong")]
    Length,
    /// The datagram is longer than any message may be.
    #[error("message too long")]
    TooLong,
    /// Major version other than 2.
    #[error("major version is not 2")]
    Version,
    /// More elements than the named bound.
    #[error("too many elements")]
    TooMany,
    /// A value that the RFC does not allow here.
    #[error("value out of range")]
    Value,
    /// An encrypted payload that is not the last, or is inside another.
    #[error("encrypted payload in the wrong place")]
    Misplaced,
    /// The padding of the encrypted payload is longer than its content.
    #[error("padding longer than the content")]
    Padding,
}
