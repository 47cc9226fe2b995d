//! The kernel's links, addresses, neighbours and routes as the data plane needs them (ARCHITECTURE.md, D3a).
//!
//! [`Mirror`] is a pure state machine: decoded messages in, [`MirrorEvent`]s out. [`MirrorSocket`] feeds it. What the kernel
//! does *not* say is inferred here:
//! * link down: IPv4 routes and nexthop objects out of that link are gone without RTM_DEL*; a hop on a link without
//!   carrier is not usable while the route itself stays;
//! * DELADDR: IPv4 routes with that preferred source are gone; with the last IPv4 address of a link, all its IPv4 routes are
//!   (a multipath route stays and keeps its hop there, which the kernel marks dead, until something changes the route);
//! * DELNEXTHOP: routes that use the object are gone.
//!
//! Losing messages is repaired by mark and sweep, never by a flush: [`Mirror::begin_dump`] opens a new epoch, everything
//! heard since carries it, and [`Mirror::end_dump`] removes what does not. Routes with protocol `ari-ts` are ignored,
//! because the data plane installs selectors itself. Multicast, link-local unicast routes, and routes by type of service
//! are outside the model. One prefix of one table has at most one published route: the local table wins, then the lowest
//! metric, then the kernel's order.
//!
//! ```text
//!            begin_dump          end_dump
//!   (empty) ------------> dump ------------> live --+
//!                          ^   sweep, Synced        | lost messages (ENOBUFS, overrun)
//!                          +------------------------+
//! ```

mod event;
mod nexthops;
mod routes;
mod socket;

pub use event::{Address, Link, MirrorEvent, Neighbour, Route};
pub use socket::MirrorSocket;

use crate::kernel::{END_METRIC, InterfaceAddress, LinkInfo, decode_address, decode_link};
use crate::netlink::{NextHopMessage, RtMessage};
use crate::record::RouteRecord;
use crate::{RTPROT_ARI_TS, RTPROT_SIGNAL, TABLE_MAIN};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::RouteMessage;
use nexthops::NextHops;
use routes::{Cause, Context, Routes};
use std::collections::HashMap;
use std::net::IpAddr;

/// Bounds of the mirror's tables; what does not fit is counted in [`MirrorStats::refused`] and reported once by the log.
pub const MAX_LINKS: usize = 8_192;
/// Addresses of all links.
pub const MAX_ADDRESSES: usize = 65_536;
/// Neighbours of all links, the kernel's own bound (gc_thresh3).
pub const MAX_NEIGHBOURS: usize = 131_072;
/// Prefixes of all tables: a full table of 1,000,000 routes and room.
pub const MAX_PREFIXES: usize = 1_200_000;
/// Nexthop objects.
pub const MAX_NEXTHOPS: usize = 131_072;

/// Counters of a mirror.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MirrorStats {
    /// Entries that did not fit a table.
    pub refused: u64,
    /// Mark-and-sweep passes that ended.
    pub sweeps: u64,
    /// Entries that a sweep removed: each was a lost message.
    pub swept: u64,
}

#[derive(Debug)]
struct Marked<T> {
    value: T,
    epoch: u64,
}

/// The kernel's state, as far as it has been told to us.
#[derive(Debug, Default)]
pub struct Mirror {
    epoch: u64,
    links: HashMap<u32, Marked<LinkInfo>>,
    addresses: HashMap<(u32, InterfaceAddress), u64>,
    neighbours: HashMap<(u32, IpAddr), Marked<Neighbour>>,
    nexthops: NextHops,
    routes: Routes,
    stats: MirrorStats,
}

impl Mirror {
    /// An empty mirror.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counters.
    pub fn stats(&self) -> MirrorStats {
        self.stats
    }

    /// The published routes.
    pub fn routes(&self) -> impl Iterator<Item = Route> + '_ {
        self.routes.published()
    }

    /// The links.
    pub fn links(&self) -> impl Iterator<Item = Link> + '_ {
        self.links.values().map(|l| self.link_event(&l.value))
    }

    /// The neighbours.
    pub fn neighbours(&self) -> impl Iterator<Item = &Neighbour> + '_ {
        self.neighbours.values().map(|n| &n.value)
    }

    /// Starts a mark-and-sweep pass: the caller now feeds a full dump, mixed with notifications in the order received.
    pub fn begin_dump(&mut self) {
        self.epoch += 1;
    }

    /// Ends the pass: what was not heard of since [`Self::begin_dump`] is withdrawn.
    pub fn end_dump(&mut self, out: &mut Vec<MirrorEvent>) {
        let epoch = self.epoch;
        let before = out.len();
        let stale: Vec<_> = (self.neighbours.iter())
            .filter(|(_, n)| n.epoch != epoch)
            .map(|(key, _)| *key)
            .collect();
        for key in stale {
            self.drop_neighbour(key, out);
        }
        let stale: Vec<_> = (self.addresses.iter())
            .filter(|(_, e)| **e != epoch)
            .map(|(key, _)| *key)
            .collect();
        for (ifindex, address) in stale {
            self.drop_address(ifindex, address, out);
        }
        let stale: Vec<u32> = (self.links.iter())
            .filter(|(_, l)| l.epoch != epoch)
            .map(|(ifindex, _)| *ifindex)
            .collect();
        for ifindex in stale {
            self.drop_link(ifindex, out);
        }
        self.nexthops.sweep(epoch);
        let context = Context {
            links: &self.links,
            nexthops: &self.nexthops,
        };
        self.routes.sweep(epoch, &context, out);
        self.stats.sweeps += 1;
        if self.stats.sweeps > 1 {
            self.stats.swept += (out.len() - before) as u64;
        }
        out.push(MirrorEvent::Synced);
    }

    /// Takes one message. `flags` are those of its netlink header: NLM_F_REPLACE and NLM_F_APPEND tell what a NEWROUTE does.
    pub fn on_message(&mut self, flags: u16, message: &RtMessage, out: &mut Vec<MirrorEvent>) {
        match message {
            RtMessage::Route(RouteNetlinkMessage::NewLink(m)) => self.new_link(m, out),
            RtMessage::Route(RouteNetlinkMessage::DelLink(m)) => {
                // A bridge port's notice names the device too, but the device stays.
                if u8::from(m.header.interface_family) == 0 {
                    self.drop_link(m.header.index, out);
                }
            }
            RtMessage::Route(RouteNetlinkMessage::NewAddress(m)) => self.new_address(m, out),
            RtMessage::Route(RouteNetlinkMessage::DelAddress(m)) => {
                if let Some(address) = decode_address(m) {
                    self.drop_address(m.header.index, address, out);
                }
            }
            RtMessage::Route(RouteNetlinkMessage::NewNeighbour(m)) => self.new_neighbour(m, out),
            RtMessage::Route(RouteNetlinkMessage::DelNeighbour(m)) => {
                if let Some(neighbour) = decode_neighbour(m) {
                    self.drop_neighbour((neighbour.ifindex, neighbour.address), out);
                }
            }
            RtMessage::Route(RouteNetlinkMessage::NewRoute(m)) => self.new_route(flags, m, out),
            RtMessage::Route(RouteNetlinkMessage::DelRoute(m)) => {
                if let Some(record) = decode_route(m) {
                    let context = Context {
                        links: &self.links,
                        nexthops: &self.nexthops,
                    };
                    self.routes.delete(&record, &context, out);
                }
            }
            RtMessage::NewNextHop(m) => self.new_nexthop(m, out),
            RtMessage::DelNextHop(m) => self.drop_nexthops(vec![m.id], out),
            RtMessage::Route(_) => {}
        }
    }

    fn new_link(&mut self, message: &LinkMessage, out: &mut Vec<MirrorEvent>) {
        if u8::from(message.header.interface_family) != 0 {
            return;
        }
        let Some(link) = decode_link(message) else {
            return;
        };
        let ifindex = link.ifindex;
        if self.links.len() >= MAX_LINKS && !self.links.contains_key(&ifindex) {
            self.refuse("links");
            return;
        }
        let marked = Marked {
            value: link.clone(),
            epoch: self.epoch,
        };
        let old = self.links.insert(ifindex, marked).map(|m| m.value);
        if old.as_ref() == Some(&link) {
            return;
        }
        out.push(MirrorEvent::Link(self.link_event(&link)));
        if old.as_ref().and_then(|l| l.vrf_table) != link.vrf_table {
            // A dump may tell of a device before it tells of its VRF.
            let slaves = self
                .links
                .values()
                .filter(|l| l.value.controller == ifindex);
            out.extend(slaves.map(|l| MirrorEvent::Link(self.link_event(&l.value))));
        }
        let was = old.as_ref().map(|l| (l.admin_up, l.carrier));
        if was == Some((link.admin_up, link.carrier)) {
            return;
        }
        if !link.admin_up || !link.carrier {
            self.drop_nexthops_of_link(ifindex, out);
        }
        if !link.admin_up && was.is_some_and(|(up, _)| up) {
            self.routes.flush_link(ifindex, Cause::Down, &self.links);
        }
        self.reselect(|target| target.uses(ifindex), out);
    }

    fn drop_link(&mut self, ifindex: u32, out: &mut Vec<MirrorEvent>) {
        if self.links.remove(&ifindex).is_none() {
            return;
        }
        let neighbours: Vec<_> = (self.neighbours.keys())
            .filter(|(index, _)| *index == ifindex)
            .copied()
            .collect();
        for key in neighbours {
            self.drop_neighbour(key, out);
        }
        let addresses: Vec<_> = (self.addresses.keys())
            .filter(|(index, _)| *index == ifindex)
            .copied()
            .collect();
        for (_, address) in addresses {
            self.drop_address(ifindex, address, out);
        }
        self.drop_nexthops_of_link(ifindex, out);
        self.routes.flush_link(ifindex, Cause::Gone, &self.links);
        self.reselect(|target| target.uses(ifindex), out);
        out.push(MirrorEvent::LinkGone { ifindex });
    }

    fn new_address(&mut self, message: &AddressMessage, out: &mut Vec<MirrorEvent>) {
        let Some(address) = decode_address(message) else {
            return;
        };
        let key = (message.header.index, address);
        if self.addresses.len() >= MAX_ADDRESSES && !self.addresses.contains_key(&key) {
            self.refuse("addresses");
            return;
        }
        if self.addresses.insert(key, self.epoch).is_none() {
            out.push(MirrorEvent::Address(self.address_event(key.0, address)));
        }
    }

    fn drop_address(
        &mut self,
        ifindex: u32,
        address: InterfaceAddress,
        out: &mut Vec<MirrorEvent>,
    ) {
        if self.addresses.remove(&(ifindex, address)).is_none() {
            return;
        }
        let event = self.address_event(ifindex, address);
        out.push(MirrorEvent::AddressGone(event));
        if address.address.is_ipv6() {
            return;
        }
        let held = |i: u32, a: &InterfaceAddress| {
            a.address == address.address && self.table_of(i) == event.table
        };
        if !self.addresses.keys().any(|(i, a)| held(*i, a)) {
            self.routes.flush_source(event.table, address.address);
        }
        let numbered = |(i, a): &(u32, InterfaceAddress)| *i == ifindex && a.address.is_ipv4();
        if !self.addresses.keys().any(numbered) {
            self.routes
                .flush_link(ifindex, Cause::Unnumbered, &self.links);
        }
        self.reselect(|_| false, out);
    }

    fn new_neighbour(&mut self, message: &NeighbourMessage, out: &mut Vec<MirrorEvent>) {
        let Some(neighbour) = decode_neighbour(message) else {
            return;
        };
        let key = (neighbour.ifindex, neighbour.address);
        if self.neighbours.len() >= MAX_NEIGHBOURS && !self.neighbours.contains_key(&key) {
            self.refuse("neighbours");
            return;
        }
        let marked = Marked {
            value: neighbour,
            epoch: self.epoch,
        };
        let old = self.neighbours.insert(key, marked);
        if old.is_none_or(|old| old.value != neighbour) {
            out.push(MirrorEvent::Neighbour(neighbour));
        }
    }

    fn drop_neighbour(&mut self, (ifindex, address): (u32, IpAddr), out: &mut Vec<MirrorEvent>) {
        if self.neighbours.remove(&(ifindex, address)).is_some() {
            out.push(MirrorEvent::NeighbourGone { ifindex, address });
        }
    }

    fn new_route(&mut self, flags: u16, message: &RouteMessage, out: &mut Vec<MirrorEvent>) {
        let Some(record) = decode_route(message) else {
            return;
        };
        let context = Context {
            links: &self.links,
            nexthops: &self.nexthops,
        };
        if !self.routes.insert(flags, record, self.epoch, &context, out) {
            self.refuse("routes");
        }
    }

    fn new_nexthop(&mut self, message: &NextHopMessage, out: &mut Vec<MirrorEvent>) {
        if self.nexthops.len() >= MAX_NEXTHOPS && !self.nexthops.contains(message.id) {
            self.refuse("nexthop objects");
            return;
        }
        let changed = self.nexthops.insert(message, self.epoch);
        if changed.iter().any(|id| self.routes.uses_object(*id)) {
            self.reselect(
                |target| target.object().is_some_and(|i| changed.contains(&i)),
                out,
            );
        }
    }

    fn drop_nexthops_of_link(&mut self, ifindex: u32, out: &mut Vec<MirrorEvent>) {
        let ids = self.nexthops.of_link(ifindex);
        self.drop_nexthops(ids, out);
    }

    /// Removes objects, groups that become empty, and the routes that use any of them.
    fn drop_nexthops(&mut self, ids: Vec<u32>, out: &mut Vec<MirrorEvent>) {
        if ids.is_empty() {
            return;
        }
        let (removed, changed) = self.nexthops.remove(ids);
        let used = |id: &u32| self.routes.uses_object(*id);
        if !removed.iter().any(used) && !changed.iter().any(used) {
            return;
        }
        self.routes.flush_objects(&removed);
        let touched = |id: u32| removed.contains(&id) || changed.contains(&id);
        self.reselect(|target| target.object().is_some_and(touched), out);
    }

    /// Selects again wherever `touched` says that a candidate or the published route may differ, and where a flush was.
    fn reselect(&mut self, touched: impl Fn(&routes::Entry) -> bool, out: &mut Vec<MirrorEvent>) {
        let context = Context {
            links: &self.links,
            nexthops: &self.nexthops,
        };
        self.routes.publish_touched(touched, &context, out);
    }

    fn table_of(&self, ifindex: u32) -> u32 {
        self.links
            .get(&ifindex)
            .and_then(|l| self.links.get(&l.value.controller))
            .and_then(|c| c.value.vrf_table)
            .unwrap_or(TABLE_MAIN)
    }

    fn link_event(&self, link: &LinkInfo) -> Link {
        Link {
            ifindex: link.ifindex,
            name: link.name.clone(),
            up: link.admin_up && link.carrier,
            admin_up: link.admin_up,
            mac: link.mac,
            mtu_octets: link.mtu_octets,
            table: self.table_of(link.ifindex),
            vrf_table: link.vrf_table,
        }
    }

    fn address_event(&self, ifindex: u32, address: InterfaceAddress) -> Address {
        Address {
            ifindex,
            table: self.table_of(ifindex),
            address: address.address,
            prefix_len: address.prefix_len,
        }
    }

    fn refuse(&mut self, table: &str) {
        if self.stats.refused == 0 {
            log::error!("rtnetlink mirror: table of {table} is full");
        }
        self.stats.refused += 1;
    }
}

/// A unicast neighbour with an Ethernet address or none; `None` for proxies, bridge entries and multicast.
fn decode_neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => {
                address = Some(IpAddr::V4(*a));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => {
                address = Some(IpAddr::V6(*a));
            }
            NeighbourAttribute::LinkLocalAddress(octets) => mac = octets.as_slice().try_into().ok(),
            _ => {}
        }
    }
    let address = address.filter(|a| !a.is_multicast())?;
    // A stale entry is still right most of the time; the kernel verifies it by probing, we need not stop.
    let usable = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp
    );
    Some(Neighbour {
        ifindex: message.header.ifindex,
        address,
        mac: mac.filter(|_| usable),
        usable,
    })
}

/// A route within the model.
fn decode_route(message: &RouteMessage) -> Option<RouteRecord> {
    let record = RouteRecord::decode(message)?;
    let forwards = matches!(record.target, crate::RouteTarget::Forward(_));
    let outside = match record.prefix.addr() {
        IpAddr::V4(a) => a.is_multicast() && record.prefix.len() >= 4,
        IpAddr::V6(a) => {
            (a.is_multicast() && record.prefix.len() >= 8)
                || (forwards && a.is_unicast_link_local())
        }
    };
    // Ours, for others to redistribute: neither says where a packet goes.
    let ours = matches!(record.protocol, RTPROT_ARI_TS | RTPROT_SIGNAL);
    // The end of an instance's table, which is there for the host's own packets.
    let end =
        record.metric == END_METRIC && matches!(record.target, crate::RouteTarget::Unreachable);
    let ignored = ours || end || record.tos != 0 || outside;
    (!ignored).then_some(record)
}

#[cfg(test)]
mod tests;
