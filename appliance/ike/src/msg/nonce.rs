//! Nonce payload (RFC 7296 section 3.9).

use super::codec::Reader;
use super::{ParseError, ParseErrorKind};

/// RFC 7296 section 3.9: "The size of the Nonce Data MUST be between 16 and 256 octets, inclusive."
pub const MIN_NONCE_OCTETS: usize = 16;
/// The upper limit of the same sentence.
pub const MAX_NONCE_OCTETS: usize = 256;

/// A nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(pub Vec<u8>);

impl Nonce {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Nonce, ParseError> {
        if !(MIN_NONCE_OCTETS..=MAX_NONCE_OCTETS).contains(&r.left()) {
            return Err(r.error(ParseErrorKind::Length));
        }
        Ok(Nonce(r.rest().to_vec()))
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
