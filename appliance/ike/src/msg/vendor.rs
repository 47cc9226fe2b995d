//! Vendor ID payload (RFC 7296 section 3.12).

use super::codec::Reader;

/// A vendor's announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor(pub Vec<u8>);

impl Vendor {
    pub(super) fn parse(mut r: Reader<'_>) -> Vendor {
        Vendor(r.rest().to_vec())
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
