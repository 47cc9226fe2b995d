//! Configuration payload (RFC 7296 section 3.15).

use super::codec::{Reader, put_len};
use super::{ParseError, ParseErrorKind};

/// Attributes of one payload; peers ask for about ten.
pub const MAX_ATTRIBUTES: usize = 64;

/// Types of a payload.
pub mod cfg {
    #![allow(missing_docs)]
    pub const REQUEST: u8 = 1;
    pub const REPLY: u8 = 2;
    pub const SET: u8 = 3;
    pub const ACK: u8 = 4;
}

/// Types of an attribute (IANA registry "IKEv2 Configuration Payload Attribute Types").
pub mod attribute {
    #![allow(missing_docs)]
    pub const INTERNAL_IP4_ADDRESS: u16 = 1;
    pub const INTERNAL_IP4_DNS: u16 = 3;
    pub const APPLICATION_VERSION: u16 = 7;
    pub const INTERNAL_IP6_ADDRESS: u16 = 8;
    pub const INTERNAL_IP6_DNS: u16 = 10;
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// See [`attribute`]; 15 bits.
    pub kind: u16,
    /// Its value; empty in a request that leaves it to the responder.
    pub value: Vec<u8>,
}

/// A configuration payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cp {
    /// See [`cfg`].
    pub kind: u8,
    /// The attributes.
    pub attributes: Vec<Attribute>,
}

impl Cp {
    /// The first attribute of this type.
    pub fn find(&self, kind: u16) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.kind == kind)
    }

    pub(super) fn parse(mut r: Reader<'_>) -> Result<Cp, ParseError> {
        let kind = r.u8()?;
        r.bytes(3)?;
        let mut attributes = Vec::new();
        while r.left() > 0 {
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(r.error(ParseErrorKind::TooMany));
            }
            // "Reserved (1 bit) - This bit MUST be set to zero and MUST be ignored on receipt."
            let kind = r.u16()? & 0x7fff;
            let length = usize::from(r.u16()?);
            let value = r.bytes(length)?.to_vec();
            attributes.push(Attribute { kind, value });
        }
        Ok(Cp { kind, attributes })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind, 0, 0, 0]);
        for attribute in &self.attributes {
            out.extend_from_slice(&attribute.kind.to_be_bytes());
            put_len(out, attribute.value.len());
            out.extend_from_slice(&attribute.value);
        }
    }
}
