//! What the workers read: interfaces, routes and selectors, as one immutable value that is replaced as a whole.
//!
//! A worker looks at the published pointer once per burst. All parts share structure between versions, so that a route change
//! copies a path of the tree and not the table. Everything is keyed by [`VrfId`].

use std::net::IpAddr;
use std::sync::Arc;

use ravelin_ctl::plane::MssClamp;
use ravelin_types::{Generation, Prefix, UnitName, VrfId};
use ravelin_wire::ethernet::{Mac, Tags};

use crate::address::Address;
use crate::lpm::Lpm;
use crate::selector::Selectors;
use crate::trie::{Leaf, Trie};
use crate::watch::Watch;

/// Interfaces (units and tunnels): 64 ports of some units each, and the tunnels; the counters of a worker take 64 octets each.
pub const MAX_INTERFACES: usize = 1024;
/// Routing instances of one node.
pub const MAX_VRFS: usize = 64;
/// Ports of one node.
pub const MAX_PORTS: usize = 64;

/// Our index of a logical unit or a tunnel; 0 is none. Stable for the life of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IfIndex(pub u16);

/// Our index of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortIndex(pub u16);

/// Our index of an adjacency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdjIndex(pub u32);

/// What a route says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHop {
    /// No route.
    #[default]
    None,
    /// Ours: the host stack, or ESP.
    Local,
    /// Attached to this unit; the destination is its own neighbour and not resolved yet.
    Glean(IfIndex),
    /// Through this neighbour.
    Adjacency(AdjIndex),
    /// Through several neighbours: `count` adjacencies from this index of the group table on.
    Group {
        /// First index in [`Vrf::groups`].
        first: u16,
        /// How many.
        count: u16,
    },
    /// Into this tunnel, encrypted or not at all.
    Tunnel(IfIndex),
    /// Discarded silently.
    Blackhole,
    /// Discarded with an ICMP error.
    Reject,
}

impl Leaf<NextHop> for NextHop {
    fn of(value: &NextHop) -> Self {
        *value
    }
}

/// What kind of interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// Logical unit of a port.
    Unit {
        /// The port.
        port: PortIndex,
        /// Its VLAN tags.
        tags: Tags,
        /// Its MAC address.
        mac: Mac,
    },
    /// `st0.N`.
    Tunnel,
}

/// A logical unit or a tunnel.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name.
    pub name: UnitName,
    /// Kind.
    pub kind: InterfaceKind,
    /// Routing instance.
    pub vrf: VrfId,
    /// IP MTU in octets.
    pub mtu_octets: u16,
    /// Addresses with subnet lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Tunnels: prefixes that the peers may own.
    pub protected: Vec<Prefix>,
}

impl Interface {
    /// Our address of a family, for errors we send.
    pub fn address(&self, v6: bool) -> Option<IpAddr> {
        self.addresses
            .iter()
            .map(|(address, _)| *address)
            .find(|address| address.is_ipv6() == v6)
    }
}

/// The units of one port, for the first lookup of a frame.
#[derive(Clone, Debug, Default)]
pub struct PortTable {
    /// Name of the port.
    pub name: String,
    /// Tags and unit, few per port in practice; sorted by tags.
    pub units: Vec<(Tags, IfIndex)>,
}

impl PortTable {
    /// The unit of these tags.
    #[inline]
    pub fn unit(&self, tags: Tags) -> Option<IfIndex> {
        match self.units.as_slice() {
            [(only, index)] if *only == tags => Some(*index),
            units => {
                let key = (tags.outer, tags.inner);
                let at = units
                    .binary_search_by_key(&key, |(tags, _)| (tags.outer, tags.inner))
                    .ok()?;
                units.get(at).map(|(_, index)| *index)
            }
        }
    }
}

/// The configuration as the workers see it.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Which commit.
    pub generation: Generation,
    /// By [`IfIndex`]; `None` for removed interfaces and index 0.
    pub interfaces: Vec<Option<Interface>>,
    /// By [`PortIndex`].
    pub ports: Vec<PortTable>,
    /// Addresses where ESP and IKE end.
    pub ike_addresses: Vec<(VrfId, IpAddr)>,
    /// The segment size that TCP connections through tunnels may announce.
    pub tcp_mss: Option<MssClamp>,
}

impl Config {
    /// An interface by index.
    #[inline]
    pub fn interface(&self, index: IfIndex) -> Option<&Interface> {
        self.interfaces.get(usize::from(index.0))?.as_ref()
    }

    /// Whether `address` is a tunnel end of ours in this instance.
    pub fn is_ike_address(&self, vrf: VrfId, address: IpAddr) -> bool {
        self.ike_addresses.contains(&(vrf, address))
    }
}

/// Routes by destination.
pub trait Fib {
    /// The next hop towards `destination`.
    fn next_hop(&self, destination: IpAddr) -> NextHop;
}

/// One routing instance.
#[derive(Clone, Debug, Default)]
pub struct Vrf {
    /// IPv4 routes.
    pub routes_v4: Trie<NextHop, NextHop>,
    /// IPv6 routes.
    pub routes_v6: Lpm<u128, NextHop>,
    /// IPv4 routes that a tunnel hides, with their length: ESP itself may take them.
    pub hidden_v4: Lpm<u32, (u8, NextHop)>,
    /// IPv6 routes that a tunnel hides.
    pub hidden_v6: Lpm<u128, (u8, NextHop)>,
    /// Members of multipath routes.
    pub groups: Arc<Vec<AdjIndex>>,
    /// Traffic selectors of the child SAs whose inner side this is.
    pub selectors: Selectors,
}

impl Fib for Vrf {
    #[inline]
    fn next_hop(&self, destination: IpAddr) -> NextHop {
        match destination {
            IpAddr::V4(v4) => v4.to_bits().next_hop(self),
            IpAddr::V6(v6) => v6.to_bits().next_hop(self),
        }
    }
}

impl Vrf {
    /// Sets the next hop of a prefix.
    pub fn set(&mut self, prefix: Prefix, next_hop: NextHop) {
        match prefix.addr() {
            IpAddr::V4(v4) => {
                self.routes_v4.insert(v4.to_bits(), prefix.len(), next_hop);
            }
            IpAddr::V6(v6) => {
                self.routes_v6.insert(v6.to_bits(), prefix.len(), next_hop);
            }
        }
    }

    /// Removes a prefix.
    pub fn clear(&mut self, prefix: Prefix) {
        match prefix.addr() {
            IpAddr::V4(v4) => {
                self.routes_v4.remove(v4.to_bits(), prefix.len());
            }
            IpAddr::V6(v6) => {
                self.routes_v6.remove(v6.to_bits(), prefix.len());
            }
        }
    }

    /// Sets or clears what a tunnel hides at a prefix.
    pub fn hide(&mut self, prefix: Prefix, next_hop: Option<NextHop>) {
        let length = prefix.len();
        match (prefix.addr(), next_hop) {
            (IpAddr::V4(v4), Some(next_hop)) => {
                self.hidden_v4
                    .insert(v4.to_bits(), length, (length, next_hop));
            }
            (IpAddr::V4(v4), None) => {
                self.hidden_v4.remove(v4.to_bits(), length);
            }
            (IpAddr::V6(v6), Some(next_hop)) => {
                self.hidden_v6
                    .insert(v6.to_bits(), length, (length, next_hop));
            }
            (IpAddr::V6(v6), None) => {
                self.hidden_v6.remove(v6.to_bits(), length);
            }
        }
    }

    /// Where an encrypted packet goes: as if there were no tunnels (RFC 4301 section 5.1: our own ESP is not protected again).
    /// Slower than [`Fib::next_hop`]; an SA looks once per version of the tables.
    pub fn outer_next_hop(&self, destination: IpAddr) -> NextHop {
        let longest = self.outer_route(destination);
        longest.map_or_else(|| self.next_hop(destination), |(_, next_hop)| next_hop)
    }

    /// The longest route, with its length, as if there were no tunnels.
    pub fn outer_route(&self, destination: IpAddr) -> Option<(u8, NextHop)> {
        let clear = |length: u8, next_hop: &NextHop| {
            (!matches!(next_hop, NextHop::Tunnel(_))).then_some((length, *next_hop))
        };
        let (open, hidden) = match destination {
            IpAddr::V4(v4) => {
                let key = v4.to_bits();
                (
                    self.routes_v4.prefixes().find_map_prefix(key, clear),
                    self.hidden_v4.lookup(key).copied(),
                )
            }
            IpAddr::V6(v6) => {
                let key = v6.to_bits();
                (
                    self.routes_v6.find_map_prefix(key, clear),
                    self.hidden_v6.lookup(key).copied(),
                )
            }
        };
        open.into_iter()
            .chain(hidden)
            .max_by_key(|(length, _)| *length)
    }

    /// The member of a multipath group that a flow uses.
    #[inline]
    pub fn group_member(&self, first: u16, count: u16, flow: u32) -> Option<AdjIndex> {
        let offset = flow.checked_rem(u32::from(count))?;
        self.groups
            .get(usize::from(first) + offset as usize)
            .copied()
    }
}

/// Everything that is published at once.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Counts publications; never 0, so that 0 can mean "no route cached".
    pub version: u64,
    /// Interfaces and ports.
    pub config: Arc<Config>,
    /// By [`VrfId`].
    pub vrfs: Vec<Vrf>,
    /// Whether transit and ESP wait for the end of a start: they are discarded as [`DropReason::NotSynchronised`], and only the
    /// host path works.
    ///
    /// [`DropReason::NotSynchronised`]: crate::DropReason::NotSynchronised
    pub transit_held: bool,
    /// What is to be shown of the packets; nothing as a rule.
    pub watch: Option<Arc<Watch>>,
}

impl Tables {
    /// A routing instance.
    #[inline]
    pub fn vrf(&self, vrf: VrfId) -> Option<&Vrf> {
        self.vrfs.get(usize::from(vrf.0))
    }

    /// As [`Tables::next_hop`], for an address of a known family.
    #[inline]
    pub fn next_hop_of<A: Address>(&self, vrf: VrfId, destination: A) -> NextHop {
        self.vrf(vrf)
            .map_or(NextHop::None, |vrf| destination.next_hop(vrf))
    }

    /// The next hop towards `destination` in `vrf`.
    #[inline]
    pub fn next_hop(&self, vrf: VrfId, destination: IpAddr) -> NextHop {
        self.vrf(vrf)
            .map_or(NextHop::None, |vrf| vrf.next_hop(destination))
    }
}
