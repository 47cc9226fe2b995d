//! Security association payload: proposals, transforms, attributes (RFC 7296 section 3.3).

use super::codec::{Reader, put_len};
use super::{ParseError, ParseErrorKind};

/// The most proposals in one payload. Peers with every suite of the registry stay under 20.
pub const MAX_PROPOSALS: usize = 64;
/// The most transforms in one proposal. The registry has some 90 in all.
pub const MAX_TRANSFORMS: usize = 128;
/// The most attributes of a transform. Only one (key length) is defined.
pub const MAX_ATTRIBUTES: usize = 4;
/// The longest SPI in a proposal: that of an IKE SA.
pub const MAX_SPI_OCTETS: usize = 8;

/// Security protocol numbers.
pub mod protocol {
    /// IKE
    pub const IKE: u8 = 1;
    /// Authentication header
    pub const AH: u8 = 2;
    /// Encapsulating security payload
    pub const ESP: u8 = 3;
}

/// Transform type numbers.
pub mod transform {
    /// Encryption
    pub const ENCR: u8 = 1;
    /// Pseudorandom function
    pub const PRF: u8 = 2;
    /// Integrity
    pub const INTEG: u8 = 3;
    /// Key exchange method
    pub const DH: u8 = 4;
    /// Extended sequence numbers
    pub const ESN: u8 = 5;
    /// The first additional key exchange (RFC 9370)
    pub const ADDKE1: u8 = 6;
    /// The last one
    pub const ADDKE7: u8 = 12;
}

const ATTR_KEY_LENGTH: u16 = 14;
const ATTR_TV: u16 = 0x8000;

/// The payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sa {
    /// Proposals in the sender's order of preference; one in a response.
    pub proposals: Vec<Proposal>,
}

/// One proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The number by which the response refers to it.
    pub number: u8,
    /// See [`protocol`].
    pub protocol: u8,
    /// Empty in IKE_SA_INIT, 8 octets in a rekey of the IKE SA, 4 for ESP and AH.
    pub spi: Vec<u8>,
    /// The transforms.
    pub transforms: Vec<Transform>,
}

/// One transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// See [`transform`].
    pub kind: u8,
    /// The algorithm's number.
    pub id: u16,
    /// Attributes in order.
    pub attributes: Vec<Attribute>,
}

/// A transform attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Key length in bits.
    KeyBits(u16),
    /// Any other attribute in its short form; a transform that has one cannot be chosen.
    Short(u16, u16),
    /// Any other attribute in its long form.
    Long(u16, Vec<u8>),
}

impl Transform {
    /// A transform without attributes.
    pub fn plain(kind: u8, id: u16) -> Transform {
        Transform {
            kind,
            id,
            attributes: Vec::new(),
        }
    }

    /// A transform with a key length.
    pub fn keyed(kind: u8, id: u16, bits: u16) -> Transform {
        Transform {
            kind,
            id,
            attributes: vec![Attribute::KeyBits(bits)],
        }
    }

    /// The key length, when it has exactly that attribute; `None` when it has none.
    /// `Err` for attributes that are not understood: such a transform must not be chosen (RFC 7296 section 3.3.6).
    pub fn key_bits(&self) -> Result<Option<u16>, NotUnderstood> {
        match self.attributes.as_slice() {
            [] => Ok(None),
            [Attribute::KeyBits(bits)] => Ok(Some(*bits)),
            _ => Err(NotUnderstood),
        }
    }
}

/// A transform carries attributes that this implementation does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transform attributes not understood")]
pub struct NotUnderstood;

impl Sa {
    pub(super) fn parse(mut r: Reader<'_>) -> Result<Sa, ParseError> {
        let mut proposals = Vec::new();
        loop {
            if proposals.len() == MAX_PROPOSALS {
                return Err(r.error(ParseErrorKind::TooMany));
            }
            let more = r.u8()?;
            r.u8()?;
            let length = usize::from(r.u16()?);
            let Some(length) = length.checked_sub(4) else {
                return Err(r.error(ParseErrorKind::Length));
            };
            proposals.push(Proposal::parse(r.sub(length)?)?);
            match more {
                0 => break,
                2 => {}
                _ => return Err(r.error(ParseErrorKind::Value)),
            }
        }
        r.end()?;
        Ok(Sa { proposals })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let last = self.proposals.len().saturating_sub(1);
        for (index, proposal) in self.proposals.iter().enumerate() {
            let body = proposal.emit();
            out.extend_from_slice(&[if index == last { 0 } else { 2 }, 0]);
            put_len(out, body.len() + 4);
            out.extend_from_slice(&body);
        }
    }
}

impl Proposal {
    /// Parses what follows the proposal's length field.
    fn parse(mut r: Reader<'_>) -> Result<Proposal, ParseError> {
        let number = r.u8()?;
        let protocol = r.u8()?;
        let spi_octets = usize::from(r.u8()?);
        let count = usize::from(r.u8()?);
        if spi_octets > MAX_SPI_OCTETS {
            return Err(r.error(ParseErrorKind::Length));
        }
        if count > MAX_TRANSFORMS {
            return Err(r.error(ParseErrorKind::TooMany));
        }
        let spi = r.bytes(spi_octets)?.to_vec();
        let mut transforms = Vec::with_capacity(count);
        for index in 0..count {
            let more = r.u8()?;
            r.u8()?;
            let length = usize::from(r.u16()?);
            let Some(length) = length.checked_sub(4) else {
                return Err(r.error(ParseErrorKind::Length));
            };
            if more != if index + 1 == count { 0 } else { 3 } {
                return Err(r.error(ParseErrorKind::Value));
            }
            transforms.push(Transform::parse(r.sub(length)?)?);
        }
        r.end()?;
        Ok(Proposal {
            number,
            protocol,
            spi,
            transforms,
        })
    }

    fn emit(&self) -> Vec<u8> {
        let count = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let mut out = vec![
            self.number,
            self.protocol,
            count(self.spi.len()),
            count(self.transforms.len()),
        ];
        out.extend_from_slice(&self.spi);
        let last = self.transforms.len().saturating_sub(1);
        for (index, t) in self.transforms.iter().enumerate() {
            let body = t.emit();
            out.extend_from_slice(&[if index == last { 0 } else { 3 }, 0]);
            put_len(&mut out, body.len() + 4);
            out.extend_from_slice(&body);
        }
        out
    }
}

impl Transform {
    fn parse(mut r: Reader<'_>) -> Result<Transform, ParseError> {
        let kind = r.u8()?;
        r.u8()?;
        let id = r.u16()?;
        let mut attributes = Vec::new();
        while r.left() > 0 {
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(r.error(ParseErrorKind::TooMany));
            }
            let head = r.u16()?;
            let value = r.u16()?;
            let number = head & !ATTR_TV;
            attributes.push(match (head & ATTR_TV != 0, number) {
                (true, ATTR_KEY_LENGTH) => Attribute::KeyBits(value),
                (true, _) => Attribute::Short(number, value),
                (false, _) => Attribute::Long(number, r.bytes(usize::from(value))?.to_vec()),
            });
        }
        Ok(Transform {
            kind,
            id,
            attributes,
        })
    }

    fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.kind, 0];
        out.extend_from_slice(&self.id.to_be_bytes());
        for attribute in &self.attributes {
            match attribute {
                Attribute::KeyBits(bits) => {
                    out.extend_from_slice(&(ATTR_TV | ATTR_KEY_LENGTH).to_be_bytes());
                    out.extend_from_slice(&bits.to_be_bytes());
                }
                Attribute::Short(number, value) => {
                    out.extend_from_slice(&(ATTR_TV | number).to_be_bytes());
                    out.extend_from_slice(&value.to_be_bytes());
                }
                Attribute::Long(number, value) => {
                    out.extend_from_slice(&(number & !ATTR_TV).to_be_bytes());
                    put_len(&mut out, value.len());
                    out.extend_from_slice(value);
                }
            }
        }
        out
    }
}
