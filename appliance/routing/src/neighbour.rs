//! Keeps next hops of the fast path resolved in the kernel's neighbour table.
//!
//! The kernel sees no transit, so its entries would age out under traffic. An entry with NTF_EXT_MANAGED is probed by the
//! kernel for as long as we want it; a kernel without that flag is asked anew by NTF_USE at each [`NeighbourKeeper::refresh`].
//! NTF_EXT_LEARNED keeps it out of the garbage collection by which strangers' entries would push it out of a full table.

use crate::RoutingError;
use crate::netlink::Requester;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
    NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::collections::HashSet;
use std::net::IpAddr;
use std::{fs, io};

/// Next hops that we keep resolved at most; the neighbour table of the data plane has the same bound.
pub const MAX_MANAGED: usize = 65_536;

/// Broadcast questions, a second apart, for a neighbour that did not answer the three to its own station address, before it is given
/// up. The kernel asks none: three seconds are less than an answer may take through a gateway whose cores are busy, and a neighbour
/// that moved to another station address would be given up first and then looked for.
pub const REPROBES: u32 = 7;

/// A next hop: device and address.
type Hop = (u32, IpAddr);

/// The set of next hops that the kernel shall keep resolved.
#[derive(Debug)]
pub struct NeighbourKeeper {
    requester: Requester,
    managed: HashSet<Hop>,
}

impl NeighbourKeeper {
    /// Opens the socket with an empty set.
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> Result<Self, RoutingError> {
        Ok(Self {
            requester: Requester::open()?,
            managed: HashSet::new(),
        })
    }

    /// Asks the kernel to resolve `address` on device `ifindex` and to keep it resolved. Again for a known one: asks again.
    ///
    /// # Errors
    /// The kernel's refusal (no such device, device down), or [`RoutingError::Full`].
    pub fn request(&mut self, ifindex: u32, address: IpAddr) -> Result<(), RoutingError> {
        if self.managed.len() >= MAX_MANAGED && !self.managed.contains(&(ifindex, address)) {
            return Err(RoutingError::Full {
                table: "managed neighbours",
                bound: MAX_MANAGED,
            });
        }
        self.send((ifindex, address), true)?;
        self.managed.insert((ifindex, address));
        Ok(())
    }

    /// Lets the kernel age the entry again.
    ///
    /// # Errors
    /// The kernel's refusal; a vanished device is none.
    pub fn release(&mut self, ifindex: u32, address: IpAddr) -> Result<(), RoutingError> {
        if !self.managed.remove(&(ifindex, address)) {
            return Ok(());
        }
        match self.send((ifindex, address), false) {
            Err(RoutingError::Refused { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Makes `wanted` the set: requests the new ones, releases the others. Returns those that the kernel refused.
    ///
    /// # Errors
    /// The socket's, or [`RoutingError::Full`].
    pub fn set(&mut self, wanted: &HashSet<Hop>) -> Result<Vec<(Hop, RoutingError)>, RoutingError> {
        let gone: Vec<Hop> = self.managed.difference(wanted).copied().collect();
        for (ifindex, address) in gone {
            self.release(ifindex, address)?;
        }
        let new: Vec<Hop> = wanted.difference(&self.managed).copied().collect();
        let mut refused = Vec::new();
        for hop in new {
            match self.request(hop.0, hop.1) {
                Ok(()) => {}
                Err(e @ RoutingError::Refused { .. }) => refused.push((hop, e)),
                Err(e) => return Err(e),
            }
        }
        Ok(refused)
    }

    /// Asks again for the whole set: after a link came back, or in place of NTF_EXT_MANAGED.
    ///
    /// # Errors
    /// The socket's.
    pub fn refresh(&mut self) -> Result<(), RoutingError> {
        let requests = (self.managed.iter())
            .map(|hop| (NLM_F_CREATE | NLM_F_REPLACE, message(*hop, true)))
            .collect();
        self.requester.transact(requests).map(|_| ())
    }

    fn send(&mut self, hop: Hop, managed: bool) -> Result<(), RoutingError> {
        self.requester
            .request(NLM_F_CREATE | NLM_F_REPLACE, message(hop, managed), || {
                format!("resolve neighbour {} on device {}", hop.1, hop.0)
            })
    }
}

fn message((ifindex, address): Hop, managed: bool) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    message.header.ifindex = ifindex;
    message.header.state = NeighbourState::None;
    message.header.flags = NeighbourFlags::Use;
    if managed {
        message.header.flags |= NeighbourFlags::ExtLearned;
    }
    let attributes = &mut message.attributes;
    attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(
        address,
    )));
    if managed {
        attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
    }
    RouteNetlinkMessage::NewNeighbour(message)
}

/// Bounds of the kernel's neighbour table per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcThresholds {
    /// Below this many entries nothing is collected.
    pub keep: u32,
    /// Above this many entries collection starts after 5 s.
    pub soft: u32,
    /// Never more than this.
    pub hard: u32,
}

impl GcThresholds {
    /// The thresholds for a table of `hard` entries.
    pub const fn for_table(hard: u32) -> Self {
        Self {
            keep: hard / 4,
            soft: hard / 2,
            hard,
        }
    }
}

/// Sets gc_thresh1..3 of both families. Returns false where the namespace has none: only the initial one does.
///
/// # Errors
/// [`RoutingError::Sysctl`] names the file.
pub fn set_gc_thresholds(thresholds: GcThresholds) -> Result<bool, RoutingError> {
    let mut found = true;
    for family in ["ipv4", "ipv6"] {
        // Largest first, so that the three stay in order at each step when they rise.
        for (name, value) in [
            ("gc_thresh3", thresholds.hard),
            ("gc_thresh2", thresholds.soft),
            ("gc_thresh1", thresholds.keep),
        ] {
            let path = format!("/proc/sys/net/{family}/neigh/default/{name}");
            match fs::write(&path, value.to_string()) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => found = false,
                Err(source) => return Err(RoutingError::Sysctl { path, source }),
            }
        }
    }
    Ok(found)
}

/// Makes the kernel ask [`REPROBES`] times more before it gives up a neighbour behind `device`. A family that the device has not is
/// left out.
///
/// # Errors
/// [`RoutingError::Sysctl`] names the file.
pub fn set_reprobes(device: &str) -> Result<(), RoutingError> {
    for family in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{family}/neigh/{device}/mcast_resolicit");
        match fs::write(&path, REPROBES.to_string()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RoutingError::Sysctl { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
