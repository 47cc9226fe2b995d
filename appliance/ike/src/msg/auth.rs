//! Authentication payload (RFC 7296 section 3.8).

use super::ParseError;
use super::codec::Reader;

/// Authentication data; secret-derived but not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Method of the IANA registry.
    pub method: u8,
    /// The data; may be empty on the wire, which no verifier accepts.
    pub data: Vec<u8>,
}

/// Shared key message integrity code.
pub const METHOD_PSK: u8 = 2;

/// Whether a method is a signature by the key of a certificate: RSA (1, RFC 7296), ECDSA (9 to 11, RFC 4754), any (14, RFC 7427).
pub fn is_signature(method: u8) -> bool {
    matches!(method, 1 | 9..=11 | 14)
}

impl Auth {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Auth, ParseError> {
        let method = r.u8()?;
        r.bytes(3)?;
        Ok(Auth {
            method,
            data: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.method, 0, 0, 0]);
        out.extend_from_slice(&self.data);
    }
}
