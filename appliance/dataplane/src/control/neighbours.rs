//! Neighbours: the kernel resolves them, the workers use them.

use std::collections::HashMap;
use std::net::IpAddr;

use ravelin_types::{Prefix, VrfId};
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

/// Adjacencies by neighbour. An adjacency once made stays: routes may refer to it, and the table is as large as the kernel's.
#[derive(Debug)]
pub(super) struct Neighbours {
    by_address: HashMap<(IfIndex, IpAddr), AdjIndex>,
    by_index: Vec<(IfIndex, IpAddr)>,
    limit: usize,
}

impl Neighbours {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            by_address: HashMap::new(),
            by_index: Vec::new(),
            limit,
        }
    }

    pub(super) fn address(&self, index: AdjIndex) -> Option<(IfIndex, IpAddr)> {
        self.by_index.get(index.0 as usize).copied()
    }
}

impl<P: Platform> Controller<P> {
    /// The adjacency of a neighbour, made unresolved when new; `None` when the table is full.
    pub(super) fn adjacency(&mut self, interface: IfIndex, address: IpAddr) -> Option<AdjIndex> {
        if let Some(index) = self.neighbours.by_address.get(&(interface, address)) {
            return Some(*index);
        }
        if self.neighbours.by_index.len() >= self.neighbours.limit {
            log::warn!("adjacency table full: {address} stays unresolved");
            return None;
        }
        let index = AdjIndex(self.neighbours.by_index.len() as u32);
        self.neighbours.by_index.push((interface, address));
        self.neighbours
            .by_address
            .insert((interface, address), index);
        self.shared.adjacencies.set(index, interface, None);
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
            .zip(&self.neighbours.by_index)
            .filter(|(_, (of, _))| *of == interface)
            .map(|(at, (_, address))| (AdjIndex(at), *address))
            .collect();
        for (index, address) in gone {
            self.shared.adjacencies.set(index, interface, None);
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
        let used = |(at, _): &(usize, &(IfIndex, IpAddr))| {
            self.shared.adjacencies.take_used(AdjIndex(*at as u32))
        };
        self.neighbours
            .by_index
            .iter()
            .enumerate()
            .filter(used)
            .map(|(_, neighbour)| *neighbour)
            .collect()
    }
}
