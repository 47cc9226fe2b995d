//! Addresses of a device.

use super::link::index_of;
use super::{Kernel, Reconciled};
use crate::RoutingError;
use crate::netlink::RtMessage;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// An address with the length of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Bits of its network prefix.
    pub prefix_len: u8,
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl Kernel {
    /// The addresses of a device, those of the kernel's own making included.
    ///
    /// # Errors
    /// [`RoutingError::NoSuchDevice`], or the dump's.
    pub fn addresses(&mut self, device: &str) -> Result<Vec<InterfaceAddress>, RoutingError> {
        let ifindex = index_of(device)?;
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        Ok(self
            .requester
            .dump(request)?
            .iter()
            .filter_map(|m| match m {
                RtMessage::Route(RouteNetlinkMessage::NewAddress(a))
                    if a.header.index == ifindex =>
                {
                    decode_address(a)
                }
                _ => None,
            })
            .collect())
    }

    /// Makes `wanted` the addresses of `device`. Unwanted ones go first, because a removed primary IPv4 address may take
    /// its secondaries along; then the missing ones are added in the given order.
    ///
    /// # Errors
    /// [`RoutingError::NoSuchDevice`], or the socket's; single refusals are in the result.
    pub fn reconcile_addresses(
        &mut self,
        device: &str,
        wanted: &[InterfaceAddress],
    ) -> Result<Reconciled<InterfaceAddress>, RoutingError> {
        let ifindex = index_of(device)?;
        let keep: HashSet<_> = wanted.iter().copied().collect();
        let mut result = Reconciled::new();
        for address in self.addresses(device)? {
            if !keep.contains(&address) && !is_kernels_own(&address) {
                let message = RouteNetlinkMessage::DelAddress(encode(ifindex, &address));
                let subject = || format!("remove address {address} from {device}");
                match self.requester.request(0, message, subject) {
                    Ok(()) => result.removed.push(address),
                    Err(e @ RoutingError::Refused { .. }) => result.failed.push((address, e)),
                    Err(e) => return Err(e),
                }
            }
        }
        let present: HashSet<_> = self.addresses(device)?.into_iter().collect();
        for address in wanted.iter().filter(|a| !present.contains(a)) {
            let message = RouteNetlinkMessage::NewAddress(encode(ifindex, address));
            let subject = || format!("add address {address} to {device}");
            match (self.requester).request(NLM_F_CREATE | NLM_F_REPLACE, message, subject) {
                Ok(()) => result.added.push(*address),
                Err(e @ RoutingError::Refused { .. }) => result.failed.push((*address, e)),
                Err(e) => return Err(e),
            }
        }
        Ok(result)
    }
}

/// The address of a message: IFA_LOCAL where there is one, because IFA_ADDRESS is the peer's on a point-to-point link.
pub(crate) fn decode_address(message: &AddressMessage) -> Option<InterfaceAddress> {
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    Some(InterfaceAddress {
        address,
        prefix_len: message.header.prefix_len,
    })
}

fn is_kernels_own(address: &InterfaceAddress) -> bool {
    match address.address {
        IpAddr::V4(a) => a.is_loopback(),
        IpAddr::V6(a) => a.is_loopback() || a.is_unicast_link_local(),
    }
}

fn encode(ifindex: u32, address: &InterfaceAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if address.address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    message.header.index = ifindex;
    message.header.prefix_len = address.prefix_len;
    message.header.flags = AddressHeaderFlags::Permanent;
    message.header.scope = AddressScope::Universe;
    let attributes = &mut message.attributes;
    attributes.push(AddressAttribute::Local(address.address));
    attributes.push(AddressAttribute::Address(address.address));
    if let IpAddr::V4(v4) = address.address {
        // A /31 or /32 has no broadcast address (RFC 3021).
        if address.prefix_len < 31 {
            let host = u32::MAX.checked_shr(address.prefix_len.into()).unwrap_or(0);
            attributes.push(AddressAttribute::Broadcast(Ipv4Addr::from(
                u32::from(v4) | host,
            )));
        }
    }
    message
}
