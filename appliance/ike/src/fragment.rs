//! Messages in fragments (RFC 7383): how long a datagram of ours may be, and joining what the peer cut.
//!
//! Each fragment is authentic before it comes here; a forged one never takes the place of a genuine one. What is held is bounded
//! per IKE SA and direction, belongs to one message ID, and is forgotten by a crash: the peer repeats its message.

use std::collections::BTreeMap;

use ravelin_crypto::Zeroizing;

use crate::msg::skf::Skf;
use crate::stats::Discard;

/// A message of ours that would be longer is cut: RFC 7383 section 2.5.1 asks for IP packets of 1,280 octets at most over IPv6,
/// and backhaul paths carry those over IPv4 too. Less IPv6 header (40), UDP (8) and non-ESP marker (4).
pub const MAX_DATAGRAM_OCTETS: usize = 1_228;
/// Fragments of one message: [`MAX_JOINED_OCTETS`] in the smallest packets a peer may choose (576 octets, section 2.5.1).
pub const MAX_FRAGMENTS: u16 = 64;
/// A joined message: IKE_AUTH with a chain of certificates stays below half of it, and a table full of half-open IKE SAs that
/// each hold so much stays within 128 MiB.
pub const MAX_JOINED_OCTETS: usize = 16_384;

/// The type of the first payload of a joined chain, and its octets.
pub(crate) type Chain = (u8, Zeroizing<Vec<u8>>);

/// The fragments of one message that have come so far.
#[derive(Default)]
pub(crate) struct Joining {
    id: u32,
    total: u16,
    /// Type of the first payload, from the first fragment.
    first: u8,
    octets: usize,
    pieces: BTreeMap<u16, Zeroizing<Vec<u8>>>,
}

impl Joining {
    /// Adds a piece of message `id`; the chain when it was the last one missing.
    pub(crate) fn add(
        &mut self,
        id: u32,
        skf: &Skf,
        piece: Zeroizing<Vec<u8>>,
    ) -> Result<Option<Chain>, Discard> {
        if skf.total > MAX_FRAGMENTS {
            return Err(Discard::FragmentRefused);
        }
        // Section 2.6: a larger total is a finer cut, which replaces the coarser one, and "discard this message" otherwise.
        if id != self.id || skf.total > self.total {
            *self = Joining {
                id,
                total: skf.total,
                ..Joining::default()
            };
        } else if skf.total < self.total {
            return Err(Discard::FragmentRefused);
        }
        if self.pieces.contains_key(&skf.number) {
            return Err(Discard::FragmentRepeated);
        }
        if self.octets + piece.len() > MAX_JOINED_OCTETS {
            return Err(Discard::FragmentRefused);
        }
        if skf.number == 1 {
            self.first = skf.first;
        }
        self.octets += piece.len();
        self.pieces.insert(skf.number, piece);
        if self.pieces.len() < usize::from(self.total) {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        let mut chain = Zeroizing::new(Vec::with_capacity(whole.octets));
        for piece in whole.pieces.values() {
            chain.extend_from_slice(piece);
        }
        Ok(Some((whole.first, chain)))
    }
}

#[cfg(test)]
mod tests;
