//! What the mirror tells its reader.

use crate::record::RouteTarget;
use ravelin_types::Prefix;
use std::net::IpAddr;

/// A link, new or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index.
    pub ifindex: u32,
    /// The kernel's name.
    pub name: String,
    /// Whether packets can leave: administratively up and with carrier.
    pub up: bool,
    /// Administratively up.
    pub admin_up: bool,
    /// Its Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Largest packet in octets.
    pub mtu_octets: u32,
    /// The table of its VRF; [`crate::TABLE_MAIN`] without one.
    pub table: u32,
    /// Its own table, when it is a VRF device.
    pub vrf_table: Option<u32>,
}

/// An address of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// The link that holds it.
    pub ifindex: u32,
    /// The table of that link's VRF.
    pub table: u32,
    /// The address.
    pub address: IpAddr,
    /// Bits of its network prefix.
    pub prefix_len: u8,
}

/// A neighbour, new or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Neighbour {
    /// The link it is on.
    pub ifindex: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address; absent while not usable, and on links that need none.
    pub mac: Option<[u8; 6]>,
    /// Whether packets may be sent to it: reachable, stale, delay, probe, permanent or no ARP.
    pub usable: bool,
}

/// The best route of a prefix, new or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The table; the local table's routes appear in [`crate::TABLE_MAIN`].
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// What to do. Hops on links that are down are left out; a route without any hop is not published.
    pub target: RouteTarget,
    /// Who installed it (RTPROT_*).
    pub protocol: u8,
    /// The kernel's metric.
    pub metric: u32,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorEvent {
    /// A link appeared or changed.
    Link(Link),
    /// A link is gone; its addresses, neighbours and routes went before.
    LinkGone {
        /// Its index.
        ifindex: u32,
    },
    /// An address appeared.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// A neighbour appeared or changed.
    Neighbour(Neighbour),
    /// A neighbour is gone.
    NeighbourGone {
        /// The link it was on.
        ifindex: u32,
        /// Its address.
        address: IpAddr,
    },
    /// The best route of a prefix appeared or changed.
    Route(Route),
    /// A prefix has no route any more.
    RouteGone {
        /// The table.
        table: u32,
        /// The destination.
        prefix: Prefix,
    },
    /// The mirror is complete: everything before this is the kernel's state.
    Synced,
}
