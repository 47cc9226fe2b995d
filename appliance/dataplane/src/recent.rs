//! Destinations that were looked up before: one cache line tells next hop and SA of an address, and which line that is follows from
//! the address, where a look-up of routes and of selectors touches several that depend on each other. A set-associative table per worker
//! and family, good for one version of the tables; what it does not hold is looked up and takes the place of another.

use dpdk_rs::{LINE_OCTETS, prefetch};
use ravelin_types::VrfId;

use crate::address::{Address, Scope};
use crate::selector::Place;
use crate::tables::{IfIndex, NextHop, Tables};

/// Entries of a set.
const WAYS: usize = 2;
/// Most sets of one table, a power of two: one for each SA pair of a node, in 4 MiB for IPv4.
const MAX_SETS: usize = 1 << 16;
/// Fewest sets, which the first cache has to spare. A table grows with its destinations, so that they lie on few pages.
const MIN_SETS: usize = 64;
/// By how much.
const GROWTH: usize = 4;

/// Where the packets to one address go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Next hop.
    pub next_hop: NextHop,
    /// When that is a tunnel: slot and worker of the SA that encrypts them as a rule.
    slot: u32,
    owner: u8,
    /// How far the address reaches.
    pub scope: Scope,
}

/// The slot where there is no SA.
const NO_SLOT: u32 = u32::MAX;

impl Destination {
    /// What the tables say of an address.
    fn of<A: Address>(tables: &Tables, vrf: VrfId, address: A) -> Self {
        Self::by(tables, vrf, address, tables.next_hop_of(vrf, address))
    }

    /// The same when the next hop is known already.
    #[inline]
    pub fn by<A: Address>(tables: &Tables, vrf: VrfId, address: A, next_hop: NextHop) -> Self {
        let place = match next_hop {
            // Whether the child admits the packet is seen when its SA is at hand.
            NextHop::Tunnel(tunnel) => tables
                .vrf(vrf)
                .and_then(|vrf| vrf.selectors.place(address))
                .filter(|place| place.tunnel == tunnel),
            _ => None,
        };
        Self {
            next_hop,
            slot: place.map_or(NO_SLOT, |place| place.slot),
            owner: place.map_or(0, |place| place.owner),
            scope: address.scope(),
        }
    }

    /// When the next hop is `tunnel`: where packets are encrypted as a rule, if there is an SA.
    #[inline(always)]
    pub fn place(self, tunnel: IfIndex) -> Option<Place> {
        (self.slot != NO_SLOT).then_some(Place {
            slot: self.slot,
            tunnel,
            owner: self.owner,
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry<A> {
    address: A,
    vrf: VrfId,
    /// Of the table; never that of a table in use in an entry that was not filled.
    generation: u32,
    destination: Destination,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Set<A>([Entry<A>; WAYS]);

const _: () = assert!(size_of::<Set<u32>>() == LINE_OCTETS);

/// Recent destinations of one family.
#[derive(Debug)]
pub struct Recent<A> {
    /// Version of the tables.
    version: u64,
    generation: u32,
    /// How many sets there will be at most.
    most: usize,
    /// Destinations that were looked up since the version changed or the table grew.
    looked_up: usize,
    sets: Box<[Set<A>]>,
}

impl<A: Address> Recent<A> {
    fn new(destinations: usize) -> Self {
        Self {
            version: 0,
            generation: 1,
            most: destinations.next_power_of_two().clamp(MIN_SETS, MAX_SETS),
            looked_up: 0,
            sets: Box::default(),
        }
    }

    /// Forgets what another version of the tables said.
    #[inline]
    fn follow(&mut self, tables: &Tables) {
        if self.version != tables.version {
            self.version = tables.version;
            self.looked_up = 0;
            self.generation = self.generation.wrapping_add(1);
            if self.generation == 0 {
                self.sets = Box::default();
                self.generation = 1;
            }
        }
    }

    /// Which set holds an address: the upper bits of its hash, the only ones that all bits of the address count for.
    #[inline(always)]
    fn place_of(&self, address: A) -> usize {
        ((u64::from(address.hash()) * self.sets.len() as u64) >> u32::BITS) as usize
    }

    #[inline(always)]
    fn set_of(&self, address: A) -> Option<&Set<A>> {
        self.sets.get(self.place_of(address))
    }

    /// Where packets to `address` in `vrf` go. `tables` are those that [`RecentDestinations::follow`] saw.
    #[inline(always)]
    pub fn find(&mut self, tables: &Tables, vrf: VrfId, address: A) -> Destination {
        if let Some(Set(entries)) = self.set_of(address) {
            for entry in entries {
                let known = (entry.address, entry.vrf, entry.generation);
                if known == (address, vrf, self.generation) {
                    return entry.destination;
                }
            }
        }
        self.miss(tables, vrf, address)
    }

    /// Starts anew with more sets.
    #[cold]
    fn grow(&mut self) {
        let sets = (self.sets.len() * GROWTH).clamp(MIN_SETS, self.most);
        self.sets = vec![Set([Entry::default(); WAYS]); sets].into();
        self.looked_up = 0;
    }

    /// Whether there are so many destinations that [`Self::warm`] is worth its while.
    #[inline(always)]
    pub fn is_wide(&self) -> bool {
        self.sets.len() > MIN_SETS
    }

    /// Brings towards the cache what `find` will look at for this address.
    #[inline(always)]
    pub fn warm(&self, address: A) {
        if let Some(set) = self.set_of(address) {
            prefetch(set);
        }
    }

    #[inline(never)]
    fn miss(&mut self, tables: &Tables, vrf: VrfId, address: A) -> Destination {
        if self.looked_up >= self.sets.len() && self.sets.len() < self.most {
            self.grow();
        }
        self.looked_up += 1;
        let destination = Destination::of(tables, vrf, address);
        let at = self.place_of(address);
        if let Some(Set(entries)) = self.sets.get_mut(at) {
            entries.rotate_right(1);
            entries[0] = Entry {
                address,
                vrf,
                generation: self.generation,
                destination,
            };
        }
        destination
    }
}

/// Recent destinations of both families.
#[derive(Debug)]
pub struct RecentDestinations {
    /// IPv4.
    pub v4: Recent<u32>,
    /// IPv6.
    pub v6: Recent<u128>,
}

impl RecentDestinations {
    /// For about so many of each family.
    pub fn new(destinations: usize) -> Self {
        Self {
            v4: Recent::new(destinations),
            v6: Recent::new(destinations),
        }
    }

    /// Forgets what another version of the tables said.
    #[inline]
    pub fn follow(&mut self, tables: &Tables) {
        self.v4.follow(tables);
        self.v6.follow(tables);
    }
}

#[cfg(test)]
mod tests;
