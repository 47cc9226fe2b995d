//! What can go wrong in a primitive, and whose fault it is.

use ravelin_types::{DhGroup, IkeEncr};

/// Why a primitive refused. `PeerPublic*`, `PeerResult` and `Integrity` are the peer's doing (or an attacker's); the lengths are ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer's public value has the wrong length for the group.
    #[error("peer's public value for {group} has {got} octets, expected {expected}")]
    PeerPublicLength {
        /// The group.
        group: DhGroup,
        /// Octets received.
        got: usize,
        /// Octets the group requires.
        expected: usize,
    },
    /// The peer's public value is outside its group (RFC 6989).
    #[error("peer's public value for {group} is not a valid element (RFC 6989)")]
    PeerPublicInvalid {
        /// The group.
        group: DhGroup,
    },
    /// The exchange gave a degenerate shared secret (all zero).
    #[error("key exchange with {group} gave a degenerate shared secret")]
    PeerResult {
        /// The group.
        group: DhGroup,
    },
    /// The integrity check value does not match, or the ciphertext is malformed.
    #[error("integrity check failed")]
    Integrity,
    /// A key of ours has the wrong length.
    #[error("{what} has {got} octets, expected {expected}")]
    Length {
        /// Which input.
        what: &'static str,
        /// Octets given.
        got: usize,
        /// Octets required.
        expected: usize,
    },
    /// Plaintext handed to a block cipher is not a multiple of its block.
    #[error(
        "plaintext of {octets} octets is not a multiple of the cipher's block of {block_octets}"
    )]
    Padding {
        /// Octets given.
        octets: usize,
        /// The block.
        block_octets: usize,
    },
    /// PRF+ can give at most 255 blocks (RFC 7296 section 2.13).
    #[error("prf+ cannot give {octets} octets, its limit is 255 blocks")]
    TooMuchKeymat {
        /// Octets asked for.
        octets: usize,
    },
    /// A cipher needs a separate integrity algorithm and has none, or an AEAD was given one.
    #[error("{encr} {}", if *.given { "takes no integrity algorithm" } else { "needs an integrity algorithm" })]
    IntegMismatch {
        /// The cipher.
        encr: IkeEncr,
        /// Whether an integrity algorithm was given.
        given: bool,
    },
    /// A journalled private value does not parse.
    #[error("stored key exchange value is malformed")]
    Stored,
    /// A private value of ours is outside the group.
    #[error("private value for {group} is out of range")]
    PrivateInvalid {
        /// The group.
        group: DhGroup,
    },
    /// OpenSSL refused an operation that should have worked: our resources, or a library that lacks the algorithm.
    #[error("OpenSSL: {operation} failed (code {code:#x})")]
    Library {
        /// The operation.
        operation: &'static str,
        /// OpenSSL's packed error code of the first error on its queue, 0 when it left none.
        code: u64,
    },
}

/// Maps an OpenSSL error stack to [`Error::Library`]. Its texts are dropped, since they may quote inputs.
pub(crate) fn library(operation: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Error {
    move |stack| Error::Library {
        operation,
        code: stack.errors().first().map_or(0, |e| e.code()),
    }
}
