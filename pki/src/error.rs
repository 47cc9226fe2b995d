//! What can be wrong with a certificate or key, and whose fault it is.

use crate::algorithm::KeyAlgorithm;

/// Why octets are no certificate, name or key of ours. `Library` is our resources; everything else is the fault of who made the octets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More octets than are read.
    #[error("{what} has {octets} octets, at most {limit} are read")]
    TooLarge {
        /// Which input.
        what: &'static str,
        /// Octets given.
        octets: usize,
        /// Octets that are read at most.
        limit: usize,
    },
    /// The octets do not parse, or break a rule of their format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// Which input.
        what: &'static str,
        /// The part or rule.
        why: &'static str,
    },
    /// A text that names no attribute, or none that can be written.
    #[error("`{text}` is not {wanted}")]
    Text {
        /// The offending part.
        text: String,
        /// What was expected, with its article.
        wanted: &'static str,
    },
    /// What is encrypted cannot be opened.
    #[error(
        "{what} cannot be opened: the passphrase is missing or wrong, or its cipher is obsolete"
    )]
    Passphrase {
        /// Which input.
        what: &'static str,
    },
    /// A key of a kind that IKE has no signature for here.
    #[error("the key is none of RSA, ECDSA on P-256, P-384 or P-521, Ed25519 and Ed448")]
    KeyKind,
    /// A key that is too weak, or larger than is worth its cost.
    #[error("a key of {0} is refused: RSA keys of ours have 2048 to 4096 bits")]
    KeyStrength(KeyAlgorithm),
    /// The parts of a private key do not belong together.
    #[error("the private key of {0} is not consistent")]
    KeyInconsistent(KeyAlgorithm),
    /// OpenSSL refused an operation that should have worked.
    #[error("OpenSSL: {operation} failed (code {code:#x})")]
    Library {
        /// The operation.
        operation: &'static str,
        /// OpenSSL's packed error code of the first error on its queue, 0 when it left none.
        code: u64,
    },
}

impl From<ravelin_crypto::Error> for Error {
    fn from(error: ravelin_crypto::Error) -> Self {
        match error {
            ravelin_crypto::Error::Library { operation, code } => {
                Error::Library { operation, code }
            }
            _ => Error::Library {
                operation: "digest",
                code: 0,
            },
        }
    }
}

/// Maps an OpenSSL error stack to [`Error::Library`]. Its texts are dropped, since they may quote inputs.
pub(crate) fn library(operation: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Error {
    move |stack| Error::Library {
        operation,
        code: stack.errors().first().map_or(0, |e| e.code()),
    }
}
