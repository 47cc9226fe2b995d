//! Child SA SPIs: `node(2) | slot(18) | tag(12)`, never below 256 (RFC 4303 section 2.1 reserves 0..=255).
//!
//! The slot is an index into the data plane's SA array; the tag changes at each reuse of a slot, so that a late packet of
//! the slot's former SA does not find the new one.

use crate::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bits of the allocating node.
pub const SPI_NODE_BITS: u32 = 2;
/// Bits of the slot.
pub const SPI_SLOT_BITS: u32 = 18;
/// Bits of the tag.
pub const SPI_TAG_BITS: u32 = 12;
/// Slots per node: 131,072 pairs, twice, so that freed slots can rest.
pub const SPI_SLOTS: u32 = 1 << SPI_SLOT_BITS;
/// The lowest SPI that may be used.
pub const SPI_MIN: u32 = 256;

/// A security parameters index of ESP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spi(pub u32);

impl Spi {
    /// Puts an SPI of ours together; `None` when slot or tag is out of range or the result is reserved.
    pub fn compose(node: NodeId, slot: u32, tag: u32) -> Option<Self> {
        if slot >= SPI_SLOTS || tag >= 1 << SPI_TAG_BITS {
            return None;
        }
        let spi =
            u32::from(node.get()) << (SPI_SLOT_BITS + SPI_TAG_BITS) | slot << SPI_TAG_BITS | tag;
        (spi >= SPI_MIN).then_some(Self(spi))
    }

    /// The node that allocated it.
    pub fn node(self) -> NodeId {
        NodeId::new((self.0 >> (SPI_SLOT_BITS + SPI_TAG_BITS)) as u8).unwrap_or_default()
    }

    /// The index of the SA array, below [`SPI_SLOTS`].
    pub fn slot(self) -> u32 {
        self.0 >> SPI_TAG_BITS & (SPI_SLOTS - 1)
    }

    /// The tag of this use of the slot.
    pub fn tag(self) -> u32 {
        self.0 & ((1 << SPI_TAG_BITS) - 1)
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spi({:08x})", self.0)
    }
}

#[cfg(test)]
mod tests;
