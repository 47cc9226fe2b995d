//! Key exchange payload (RFC 7296 section 3.4).

use super::codec::Reader;
use super::{ParseError, ParseErrorKind};

/// A key exchange value of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ke {
    /// Group number of the IANA registry.
    pub group: u16,
    /// The public value.
    pub public: Vec<u8>,
}

impl Ke {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Ke, ParseError> {
        let group = r.u16()?;
        r.u16()?;
        if r.left() == 0 {
            return Err(r.error(ParseErrorKind::Truncated));
        }
        Ok(Ke {
            group,
            public: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.group.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.public);
    }
}
