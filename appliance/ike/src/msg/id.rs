//! Identification payload (RFC 7296 section 3.5): the type and the octets; [`crate::identity`] gives them meaning.

use super::ParseError;
use super::codec::Reader;

/// An identity as sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// ID type of the IANA registry.
    pub kind: u8,
    /// The identification data.
    pub data: Vec<u8>,
}

impl Id {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Id, ParseError> {
        let kind = r.u8()?;
        r.bytes(3)?;
        Ok(Id {
            kind,
            data: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.body());
    }

    /// The payload's body with reserved octets zero: what the AUTH computation covers (RFC 7296 section 2.15).
    pub fn body(&self) -> Vec<u8> {
        let mut out = vec![self.kind, 0, 0, 0];
        out.extend_from_slice(&self.data);
        out
    }
}
