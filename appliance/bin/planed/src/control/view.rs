//! The kernel's state in the data plane's terms: which device is which unit, which table is which routing instance, where a route
//! leads. Events in, calls of the controller out; no socket.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ravelin_dataplane::Controller;
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::platform::Platform;
use ravelin_dataplane::tables::IfIndex;
use ravelin_routing::mirror::{Link, MirrorEvent, Route};
use ravelin_routing::{RouteTarget as KernelTarget, table_of, vrf_of_table};
use ravelin_types::{Prefix, Time, UnitName, VrfId};

/// How often a next hop is repeated for its weight at most.
const MAX_WEIGHT: u32 = 16;
/// Index of `lo`, the same in every network namespace: the addresses of loopback units are there.
const LOOPBACK: u32 = 1;

/// A unit or tunnel as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// The data plane's index.
    pub index: IfIndex,
    /// Routing instance.
    pub vrf: VrfId,
    /// A tunnel, whose twin is a TUN.
    pub tunnel: bool,
}

/// What is known of the kernel.
#[derive(Debug, Default)]
pub struct View {
    units: HashMap<String, Unit>,
    devices: HashMap<u32, Unit>,
    /// Devices with addresses of routing instances that no unit has: `lo`, and VRF devices.
    hosts: HashSet<u32>,
    appeared: HashMap<(u32, Prefix), Time>,
}

impl View {
    /// Sets the units of the configuration, by the kernel's names of their twins; the caller feeds everything anew.
    pub fn set_units(&mut self, units: HashMap<String, Unit>) {
        self.units = units;
        self.devices.clear();
    }

    /// The unit behind a device.
    pub fn unit(&self, ifindex: u32) -> Option<&Unit> {
        self.devices.get(&ifindex)
    }

    /// The device of a unit.
    pub fn ifindex(&self, index: IfIndex) -> Option<u32> {
        let found = self.devices.iter().find(|(_, unit)| unit.index == index);
        found.map(|(ifindex, _)| *ifindex)
    }

    /// Since when a route is there.
    pub fn appeared(&self, table: u32, prefix: Prefix) -> Option<Time> {
        self.appeared.get(&(table, prefix)).copied()
    }

    /// Takes in one event. True when a device became a unit or ceased to be one: routes and neighbours must be fed anew.
    pub fn take<P: Platform>(
        &mut self,
        event: &MirrorEvent,
        controller: &mut Controller<P>,
        now: Time,
    ) -> bool {
        match event {
            MirrorEvent::Link(link) => return self.bind(link),
            MirrorEvent::LinkGone { ifindex } => {
                let host = self.hosts.remove(ifindex);
                return self.devices.remove(ifindex).is_some() || host;
            }
            MirrorEvent::Neighbour(neighbour) => {
                let mac = neighbour.mac.filter(|_| neighbour.usable);
                self.neighbour(controller, neighbour.ifindex, neighbour.address, mac);
            }
            MirrorEvent::NeighbourGone { ifindex, address } => {
                self.neighbour(controller, *ifindex, *address, None);
            }
            MirrorEvent::Route(route) => {
                self.appeared
                    .entry((route.table, route.prefix))
                    .or_insert(now);
                self.route(route, controller);
            }
            MirrorEvent::RouteGone { table, prefix } => {
                self.appeared.remove(&(*table, *prefix));
                if let Some(vrf) = vrf_of_table(*table) {
                    controller.set_route(vrf, *prefix, None);
                }
            }
            // Addresses show as local routes.
            MirrorEvent::Address(_) | MirrorEvent::AddressGone(_) | MirrorEvent::Synced => {}
        }
        false
    }

    /// Learns which unit a link is the twin of. One that is not in the VRF of its unit's routing instance, or not yet, is no unit's: its
    /// routes are in the table of another instance.
    pub fn bind(&mut self, link: &Link) -> bool {
        let is_host = link.ifindex == LOOPBACK || link.vrf_table.and_then(vrf_of_table).is_some();
        if is_host {
            return self.hosts.insert(link.ifindex);
        }
        let unit = self.units.get(&link.name);
        let Some(unit) = unit.filter(|unit| table_of(unit.vrf) == link.table) else {
            return self.devices.remove(&link.ifindex).is_some();
        };
        let device = self.devices.insert(link.ifindex, unit.clone());
        device.as_ref() != Some(unit)
    }

    /// Gives a route to the controller.
    pub fn route<P: Platform>(&self, route: &Route, controller: &mut Controller<P>) {
        if let Some(vrf) = vrf_of_table(route.table) {
            controller.set_route(vrf, route.prefix, Some(self.target(&route.target)));
        }
    }

    /// Gives a neighbour to the controller.
    pub fn neighbour<P: Platform>(
        &self,
        controller: &mut Controller<P>,
        ifindex: u32,
        address: IpAddr,
        mac: Option<[u8; 6]>,
    ) {
        if let Some(unit) = self.devices.get(&ifindex).filter(|unit| !unit.tunnel) {
            controller.set_neighbour(Neighbour {
                interface: unit.index,
                address,
                mac,
            });
        }
    }

    /// Where a route leads. A route by a device that is not ours (the management port) takes no transit packet, and none may follow
    /// a less specific route in its stead: it rejects. So do addresses of such a device: it is a network of its own.
    fn target(&self, target: &KernelTarget) -> RouteTarget {
        match target {
            KernelTarget::Local { ifindex } | KernelTarget::Broadcast { ifindex } => {
                if self.hosts.contains(ifindex) || self.devices.contains_key(ifindex) {
                    RouteTarget::Local
                } else {
                    RouteTarget::Reject
                }
            }
            KernelTarget::Blackhole => RouteTarget::Blackhole,
            KernelTarget::Unreachable | KernelTarget::Prohibit => RouteTarget::Reject,
            KernelTarget::Forward(hops) => {
                let mut units = Vec::new();
                for hop in hops.iter() {
                    match self.devices.get(&hop.ifindex) {
                        Some(unit) if unit.tunnel => return RouteTarget::Tunnel(unit.index),
                        Some(unit) => {
                            let times = if hops.len() == 1 { 1 } else { hop.weight };
                            let times = times.clamp(1, MAX_WEIGHT) as usize;
                            units.extend(std::iter::repeat_n((unit.index, hop.gateway), times));
                        }
                        None => {}
                    }
                }
                if units.is_empty() {
                    RouteTarget::Reject
                } else {
                    RouteTarget::Units(units)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
