//! Neighbours: the kernel resolves them, the workers use them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ravelin_types::{Prefix, Time, VrfId};
use ravelin_wire::ethernet::Mac;

use super::Controller;
use crate::link::Command;
use crate::platform::Platform;
use crate::tables::{AdjIndex, IfIndex};

/// A neighbour as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The unit.
    pub interface: IfIndex,
    /// Its address.
    pub address: IpAddr,
    /// Its MAC; `None` when it failed or was deleted. Stale, delayed and probed ones count as usable.
    pub mac: Option<Mac>,
}

/// How long an adjacency rests after its neighbour went, before another may have it: packets that wait for it are gone by then, and
/// no table that names it is read any more.
const REST: Duration = Duration::from_secs(10);

/// What is known of an adjacency in use.
#[derive(Clone, Copy, Debug)]
struct Entry {
    interface: IfIndex,
    address: IpAddr,
    /// A route leads through it: it stays, resolved or not.
    pinned: bool,
    /// Its neighbour went; it is free from then on.
    free_at: Option<Time>,
    /// It stands in the queue of those that went.
    queued: bool,
}

/// Adjacencies by neighbour. Those of gateways stay, because routes name them; the others go some time after their neighbour did, so
/// that whoever comes and goes on a link cannot use up the table.
#[derive(Debug)]
pub(super) struct Neighbours {
    by_address: HashMap<(IfIndex, IpAddr), AdjIndex>,
    entries: Vec<Entry>,
    /// Those whose neighbour went and when to look at them, the earliest first; each stands here once.
    leaving: VecDeque<(Time, AdjIndex)>,
    free: Vec<AdjIndex>,
    limit: usize,
    now: Time,
    /// The table was full, and that has been said.
    full: bool,
}

impl Neighbours {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            by_address: HashMap::new(),
            entries: Vec::new(),
            leaving: VecDeque::new(),
            free: Vec::new(),
            limit,
            now: Time::default(),
            full: false,
        }
    }

    pub(super) fn address(&self, index: AdjIndex) -> Option<(IfIndex, IpAddr)> {
        self.entries
            .get(index.0 as usize)
            .map(|entry| (entry.interface, entry.address))
    }

    fn entry(&mut self, index: AdjIndex) -> Option<&mut Entry> {
        self.entries.get_mut(index.0 as usize)
    }

    /// A free index for a new neighbour.
    fn make(&mut self, interface: IfIndex, address: IpAddr) -> Option<AdjIndex> {
        let entry = Entry {
            interface,
            address,
            pinned: false,
            free_at: None,
            queued: false,
        };
        let index = match self.free.pop() {
            Some(index) => {
                *self.entry(index)? = entry;
                index
            }
            None if self.entries.len() < self.limit => {
                self.entries.push(entry);
                AdjIndex(self.entries.len() as u32 - 1)
            }
            None => return None,
        };
        self.by_address.insert((interface, address), index);
        Some(index)
    }

    /// Its neighbour is there, or not.
    fn set_present(&mut self, index: AdjIndex, present: bool) {
        let free_at = self.now + REST;
        let Some(entry) = self.entry(index) else {
            return;
        };
        entry.free_at = (!present && !entry.pinned).then_some(free_at);
        if entry.free_at.is_some() && !entry.queued {
            entry.queued = true;
            self.leaving.push_back((free_at, index));
        }
    }

    /// Lets go of those whose rest is over.
    pub(super) fn expire(&mut self, now: Time) {
        self.now = now;
        while let Some((due, index)) = self.leaving.front().copied() {
            if due > now {
                return;
            }
            self.leaving.pop_front();
            let Some(entry) = self.entries.get_mut(index.0 as usize) else {
                continue;
            };
            match entry.free_at {
                Some(at) if at <= now => {
                    self.by_address.remove(&(entry.interface, entry.address));
                    // Of no interface: nothing concerns it until it is used again.
                    entry.interface = IfIndex::default();
                    self.free.push(index);
                    self.full = false;
                }
                // It went, came back and went again meanwhile.
                Some(at) => self.leaving.push_back((at, index)),
                None => entry.queued = false,
            }
        }
    }
}

impl<P: Platform> Controller<P> {
    /// The adjacency of a neighbour, made unresolved when new; `None` when the table is full.
    fn adjacency(&mut self, interface: IfIndex, address: IpAddr) -> Option<AdjIndex> {
        if let Some(index) = self.neighbours.by_address.get(&(interface, address)) {
            return Some(*index);
        }
        let Some(index) = self.neighbours.make(interface, address) else {
            if !std::mem::replace(&mut self.neighbours.full, true) {
                log::warn!("adjacency table full: {address} and others stay unresolved");
            }
            return None;
        };
        self.shared.adjacencies.set(index, interface, None);
        self.shared.adjacencies.take_used(index);
        Some(index)
    }

    /// The adjacency of a route's gateway.
    pub(super) fn gateway(&mut self, interface: IfIndex, address: IpAddr) -> Option<AdjIndex> {
        let index = self.adjacency(interface, address)?;
        if let Some(entry) = self.neighbours.entry(index) {
            entry.pinned = true;
            entry.free_at = None;
        }
        Some(index)
    }

    /// Takes in what the kernel says about a neighbour.
    pub fn set_neighbour(&mut self, neighbour: Neighbour) {
        let Neighbour {
            interface,
            address,
            mac,
        } = neighbour;
        // What never answered takes no adjacency: a scan of an attached subnet must not fill the table.
        let known = (self.neighbours.by_address).contains_key(&(interface, address));
        if mac.is_none() && !known {
            return;
        }
        let Some(index) = self.adjacency(interface, address) else {
            return;
        };
        let was_resolved = self.shared.adjacencies.is_resolved(index);
        self.shared.adjacencies.set(index, interface, mac);
        self.neighbours.set_present(index, mac.is_some());
        let Some(vrf) = self
            .working
            .config
            .interface(interface)
            .map(|unit| unit.vrf)
        else {
            return;
        };
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !link_local && let Some((book, table)) = self.book(vrf) {
            book.neighbour(table, Prefix::host(address), mac.map(|_| index));
        }
        if mac.is_some() && !was_resolved {
            self.announce_resolved(index, interface, address);
        }
    }

    /// Withdraws the neighbours of an interface that goes, or moves to another instance: the kernel's news of them would come too
    /// late to be understood.
    pub(super) fn forget_neighbours(&mut self, interface: IfIndex, vrf: VrfId) {
        let gone: Vec<(AdjIndex, IpAddr)> = (0..)
            .zip(&self.neighbours.entries)
            .filter(|(_, entry)| entry.interface == interface)
            .map(|(at, entry)| (AdjIndex(at), entry.address))
            .collect();
        for (index, address) in gone {
            self.shared.adjacencies.set(index, interface, None);
            self.neighbours.set_present(index, false);
            if let Some((book, table)) = self.book(vrf) {
                book.forget_neighbour(table, Prefix::host(address), index);
            }
        }
    }

    /// Lets the workers send what waits for a neighbour. The tables go first: what is held later must already find it.
    fn announce_resolved(&mut self, adjacency: AdjIndex, interface: IfIndex, address: IpAddr) {
        self.publish();
        self.command_all(|| Command::Resolved {
            interface,
            address,
            adjacency,
        });
    }

    /// A worker waits for a neighbour. It may have been resolved between the worker's look at the tables and now; then nobody
    /// would tell it again.
    pub(super) fn wanted(&mut self, interface: IfIndex, address: IpAddr) -> bool {
        let Some(index) = self
            .neighbours
            .by_address
            .get(&(interface, address))
            .copied()
        else {
            return true;
        };
        let resolved = self.shared.adjacencies.is_resolved(index);
        if resolved {
            self.announce_resolved(index, interface, address);
        }
        !resolved
    }

    /// Neighbours that packets used since the last call: the daemon asks the kernel to keep them fresh.
    pub fn used_neighbours(&self) -> Vec<(IfIndex, IpAddr)> {
        (0..)
            .zip(&self.neighbours.entries)
            .filter(|(at, _)| self.shared.adjacencies.take_used(AdjIndex(*at)))
            .map(|(_, entry)| (entry.interface, entry.address))
            .collect()
    }
}
