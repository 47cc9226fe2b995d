//! A kernel route as plain values, decoded from and encoded to RTM_*ROUTE.

use crate::TABLE_MAIN;
use netlink_packet_core::Nla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteProtocol,
    RouteScope, RouteType, RouteVia,
};
use ravelin_types::Prefix;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

const RTA_NH_ID: u16 = 30;

/// One way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NextHop {
    /// The neighbour; absent when the destination itself is on the link. An IPv4 route may have an IPv6 gateway (RFC 8950).
    pub gateway: Option<IpAddr>,
    /// The device.
    pub ifindex: u32,
    /// Share of the flows, from 1.
    pub weight: u32,
}

/// What a route does with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RouteTarget {
    /// Send by one of these; never empty.
    Forward(Arc<[NextHop]>),
    /// To the host: an address of `ifindex`.
    Local {
        /// The device that holds the address.
        ifindex: u32,
    },
    /// A broadcast address of `ifindex`: to the host, never forwarded.
    Broadcast {
        /// The device.
        ifindex: u32,
    },
    /// Discard silently.
    Blackhole,
    /// Discard with ICMP destination unreachable.
    Unreachable,
    /// Discard with ICMP administratively prohibited.
    Prohibit,
}

/// A route as the kernel holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRecord {
    /// The kernel's table number.
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// Who installed it (RTPROT_*).
    pub protocol: u8,
    /// RTA_PRIORITY: lower is better; IPv4's default is 0, IPv6's 1024.
    pub metric: u32,
    /// Type of service; routes with one are outside our model.
    pub tos: u8,
    /// Preferred source address.
    pub pref_source: Option<IpAddr>,
    /// The nexthop object it uses.
    pub nexthop_id: Option<u32>,
    /// What it does, by its own attributes; empty hops when only the object tells.
    pub target: RouteTarget,
}

impl RouteRecord {
    /// A route of ours without the rarer attributes.
    pub fn new(table: u32, prefix: Prefix, protocol: u8, metric: u32, target: RouteTarget) -> Self {
        Self {
            table,
            prefix,
            protocol,
            metric,
            tos: 0,
            pref_source: None,
            nexthop_id: None,
            target,
        }
    }

    /// Decodes the kernel's message; `None` for cache entries and for types outside our model (multicast, throw, NAT).
    pub fn decode(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        if header.flags.contains(RouteFlags::Cloned) {
            return None;
        }
        let any = match header.address_family {
            AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return None,
        };
        let mut table = u32::from(header.table);
        let (mut destination, mut metric, mut pref_source) = (any, 0, None);
        let (mut ifindex, mut gateway, mut nexthop_id) = (None, None, None);
        let mut hops = Vec::new();
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(value) => table = *value,
                RouteAttribute::Destination(value) => destination = address(value)?,
                RouteAttribute::Priority(value) => metric = *value,
                RouteAttribute::PrefSource(value) => pref_source = address(value),
                RouteAttribute::Oif(value) => ifindex = Some(*value),
                RouteAttribute::Gateway(value) => gateway = address(value),
                RouteAttribute::Via(value) => gateway = via(value),
                RouteAttribute::MultiPath(list) => hops.extend(list.iter().map(hop)),
                RouteAttribute::Other(nla) if nla.kind() == RTA_NH_ID => {
                    let mut id = [0; 4];
                    if nla.value_len() == id.len() {
                        nla.emit_value(&mut id);
                        nexthop_id = Some(u32::from_ne_bytes(id));
                    }
                }
                _ => {}
            }
        }
        if let Some(ifindex) = ifindex {
            hops.push(NextHop {
                gateway,
                ifindex,
                weight: 1,
            });
        }
        Some(Self {
            table,
            prefix: Prefix::new(destination, header.destination_prefix_length)?,
            protocol: header.protocol.into(),
            metric,
            tos: header.tos,
            pref_source,
            nexthop_id,
            target: target(header.kind, hops, ifindex.unwrap_or(0))?,
        })
    }

    /// The message that adds or deletes this route.
    pub fn encode(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = if self.prefix.addr().is_ipv4() {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        };
        header.destination_prefix_length = self.prefix.len();
        header.tos = self.tos;
        header.table = u8::try_from(self.table).unwrap_or(0);
        header.protocol = RouteProtocol::from(self.protocol);
        header.kind = match self.target {
            RouteTarget::Forward(_) => RouteType::Unicast,
            RouteTarget::Local { .. } => RouteType::Local,
            RouteTarget::Broadcast { .. } => RouteType::Broadcast,
            RouteTarget::Blackhole => RouteType::BlackHole,
            RouteTarget::Unreachable => RouteType::Unreachable,
            RouteTarget::Prohibit => RouteType::Prohibit,
        };
        header.scope = self.scope();
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(self.table));
        attributes.push(RouteAttribute::Destination(self.prefix.addr().into()));
        if self.metric != 0 {
            attributes.push(RouteAttribute::Priority(self.metric));
        }
        if let Some(source) = self.pref_source {
            attributes.push(RouteAttribute::PrefSource(source.into()));
        }
        match &self.target {
            RouteTarget::Forward(hops) => encode_hops(attributes, self.prefix.addr(), hops),
            RouteTarget::Local { ifindex } | RouteTarget::Broadcast { ifindex } => {
                attributes.push(RouteAttribute::Oif(*ifindex));
            }
            _ => {}
        }
        message
    }

    /// As iproute2 chooses it; IPv6 has no scopes.
    fn scope(&self) -> RouteScope {
        let direct = |hops: &[NextHop]| hops.iter().all(|h| h.gateway.is_none());
        match &self.target {
            _ if self.prefix.addr().is_ipv6() => RouteScope::Universe,
            RouteTarget::Local { .. } => RouteScope::Host,
            RouteTarget::Broadcast { .. } => RouteScope::Link,
            RouteTarget::Forward(hops) if direct(hops) => RouteScope::Link,
            _ => RouteScope::Universe,
        }
    }

    /// The table that the mirror shows it in: the local table is part of the main one.
    pub(crate) fn shown_table(&self) -> u32 {
        if self.table == crate::TABLE_LOCAL {
            TABLE_MAIN
        } else {
            self.table
        }
    }
}

fn target(kind: RouteType, hops: Vec<NextHop>, ifindex: u32) -> Option<RouteTarget> {
    Some(match kind {
        RouteType::Unicast => RouteTarget::Forward(hops.into()),
        RouteType::Local | RouteType::Anycast => RouteTarget::Local { ifindex },
        RouteType::Broadcast => RouteTarget::Broadcast { ifindex },
        RouteType::BlackHole => RouteTarget::Blackhole,
        RouteType::Unreachable => RouteTarget::Unreachable,
        RouteType::Prohibit => RouteTarget::Prohibit,
        _ => return None,
    })
}

fn encode_hops(attributes: &mut Vec<RouteAttribute>, destination: IpAddr, hops: &[NextHop]) {
    let gateway = |hop: &NextHop| {
        hop.gateway.map(|g| {
            if g.is_ipv4() == destination.is_ipv4() {
                RouteAttribute::Gateway(g.into())
            } else {
                RouteAttribute::Via(g.into())
            }
        })
    };
    if let [hop] = hops {
        attributes.extend(gateway(hop));
        // 0: let the kernel find the device by the gateway.
        if hop.ifindex != 0 {
            attributes.push(RouteAttribute::Oif(hop.ifindex));
        }
        return;
    }
    let list = hops.iter().map(|hop| {
        let mut out = RouteNextHop::default();
        out.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        out.interface_index = hop.ifindex;
        out.attributes.extend(gateway(hop));
        out
    });
    attributes.push(RouteAttribute::MultiPath(list.collect()));
}

fn hop(hop: &RouteNextHop) -> NextHop {
    NextHop {
        gateway: hop.attributes.iter().find_map(|a| match a {
            RouteAttribute::Gateway(value) => address(value),
            RouteAttribute::Via(value) => via(value),
            _ => None,
        }),
        ifindex: hop.interface_index,
        weight: u32::from(hop.hops) + 1,
    }
}

fn address(value: &RouteAddress) -> Option<IpAddr> {
    match value {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}

fn via(value: &RouteVia) -> Option<IpAddr> {
    match value {
        RouteVia::Inet(a) => Some(IpAddr::V4(*a)),
        RouteVia::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}
