//! Identification payload (RFC 7296 section 3.5): the type and the octets; [`crate::identity`] gives them meaning.

use super::ParseError;
use super::codec::Reader;

/// An identity as sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// ID type of the IANA registry.
    pub kind: u8,
    /// Zero from who keeps to section 3.5, ignored and yet part of what AUTH covers.
    pub reserved: [u8; 3],
    /// The identification data.
    pub data: Vec<u8>,
}

impl Id {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Id, ParseError> {
        Ok(Id {
            kind: r.u8()?,
            reserved: r.array()?,
            data: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.body());
    }

    /// The payload's body as it was sent: what the AUTH computation covers (RFC 7296 section 2.15: "IDType | RESERVED | InitIDData").
    pub fn body(&self) -> Vec<u8> {
        let mut out = vec![self.kind];
        out.extend_from_slice(&self.reserved);
        out.extend_from_slice(&self.data);
        out
    }
}
