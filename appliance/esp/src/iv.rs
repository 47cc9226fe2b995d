//! The explicit IV: `node(2) | install-epoch(22) | counter(40)`.
//!
//! It need not equal the sequence number (RFC 4106 section 3.1 asks for uniqueness only). The node differs between the two
//! nodes of a pair, and the epoch is new at every install, so that a wrong sequence number can cost drops but never a nonce.

use ravelin_types::NodeId;
use ravelin_types::numbers::{IV_COUNTER_BITS, IV_EPOCH_BITS};

/// The upper 24 bits of the explicit IV of one install of one outbound SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvPrefix(u64);

impl IvPrefix {
    /// `None` when the epoch does not fit: the SA must be rekeyed.
    pub fn new(node: NodeId, epoch: u32) -> Option<Self> {
        if epoch >> IV_EPOCH_BITS != 0 {
            return None;
        }
        let node = u64::from(node.get()) << (IV_EPOCH_BITS + IV_COUNTER_BITS);
        Some(Self(node | u64::from(epoch) << IV_COUNTER_BITS))
    }

    /// The IV of `counter`; `None` when the counter does not fit.
    #[inline]
    pub fn iv(self, counter: u64) -> Option<[u8; 8]> {
        (counter >> IV_COUNTER_BITS == 0).then(|| (self.0 | counter).to_be_bytes())
    }
}
