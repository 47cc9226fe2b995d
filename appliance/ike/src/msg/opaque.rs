//! Payloads that are carried whole: known ones that this crate does not interpret, and unknown ones.

use super::codec::Reader;

/// CP or EAP: understood as payload types (so their critical bit is ignored), content kept as is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The payload's number.
    pub kind: u8,
    /// Its body.
    pub data: Vec<u8>,
}

impl Opaque {
    pub(super) fn parse(kind: u8, mut r: Reader<'_>) -> Opaque {
        Opaque {
            kind,
            data: r.rest().to_vec(),
        }
    }
}

/// A payload type that is not in RFC 7296.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The payload's number.
    pub kind: u8,
    /// The sender wants the message refused when the type is not understood.
    pub critical: bool,
    /// Its body.
    pub data: Vec<u8>,
}
