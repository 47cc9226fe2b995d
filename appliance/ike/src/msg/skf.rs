//! Encrypted fragment payload (RFC 7383 section 2.5): parsed so that it is recognised; not reassembled.

use super::codec::Reader;
use super::{ParseError, ParseErrorKind};

/// A fragment of an encrypted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skf {
    /// Type of the first payload inside; 0 in all fragments but the first.
    pub first: u8,
    /// From 1.
    pub number: u16,
    /// How many fragments make up the message.
    pub total: u16,
    /// Initialisation vector, ciphertext and integrity check value.
    pub body: Vec<u8>,
}

impl Skf {
    pub(super) fn parse(first: u8, mut r: Reader<'_>) -> Result<Skf, ParseError> {
        let number = r.u16()?;
        let total = r.u16()?;
        if number == 0 || number > total {
            return Err(r.error(ParseErrorKind::Value));
        }
        Ok(Skf {
            first,
            number,
            total,
            body: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.total.to_be_bytes());
        out.extend_from_slice(&self.body);
    }
}
