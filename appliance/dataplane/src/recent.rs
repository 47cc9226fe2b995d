//! Routes that were looked up a moment ago: the few servers of the core are one end of nearly every packet, and packets of one flow
//! come in trains. A direct-mapped table per worker and family, good for one version of the tables.

use ravelin_types::VrfId;

use crate::address::Address;
use crate::tables::{NextHop, Tables};

/// Entries, a power of two: a few KiB of the nearest cache.
const ENTRIES: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry<A> {
    address: A,
    vrf: VrfId,
    next_hop: NextHop,
}

/// Recently used routes of one family.
#[derive(Debug)]
pub struct Recent<A> {
    /// Of the tables.
    version: u64,
    entries: [Option<Entry<A>>; ENTRIES],
}

impl<A: Address> Default for Recent<A> {
    fn default() -> Self {
        Self {
            version: 0,
            entries: [None; ENTRIES],
        }
    }
}

impl<A: Address> Recent<A> {
    /// Forgets what another version of the tables said.
    #[inline]
    pub fn follow(&mut self, tables: &Tables) {
        if self.version != tables.version {
            self.version = tables.version;
            self.entries = [None; ENTRIES];
        }
    }

    /// The next hop towards `address` in `vrf`. `tables` are those that [`Recent::follow`] saw.
    #[inline(always)]
    pub fn next_hop(&mut self, tables: &Tables, vrf: VrfId, address: A) -> NextHop {
        let entry = &mut self.entries[address.spread() % ENTRIES];
        match entry {
            Some(known) if known.address == address && known.vrf == vrf => known.next_hop,
            _ => {
                let next_hop = tables.next_hop_of(vrf, address);
                *entry = Some(Entry {
                    address,
                    vrf,
                    next_hop,
                });
                next_hop
            }
        }
    }
}

/// Recently used routes of both families.
#[derive(Debug, Default)]
pub struct RecentRoutes {
    /// IPv4.
    pub v4: Recent<u32>,
    /// IPv6.
    pub v6: Recent<u128>,
}

impl RecentRoutes {
    /// Forgets what another version of the tables said.
    #[inline]
    pub fn follow(&mut self, tables: &Tables) {
        self.v4.follow(tables);
        self.v6.follow(tables);
    }
}

#[cfg(test)]
mod tests;
