//! Nexthop objects (RTM_*NEXTHOP, `struct nhmsg`, linux/nexthop.h), which FRR installs by default.

use netlink_packet_core::NlasIterator;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const RTM_NEWNEXTHOP: u16 = 104;
pub(crate) const RTM_DELNEXTHOP: u16 = 105;
pub(crate) const RTM_GETNEXTHOP: u16 = 106;

const NHMSG_OCTETS: usize = 8;
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_BLACKHOLE: u16 = 4;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;
/// `struct nexthop_grp`: id, weight - 1, high octet of weight, reserved.
const GROUP_ENTRY_OCTETS: usize = 8;

/// What a nexthop object stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHopKind {
    /// Out of `ifindex`, by `gateway` when there is one.
    Single {
        /// The neighbour.
        gateway: Option<IpAddr>,
        /// The device.
        ifindex: u32,
    },
    /// Several objects by id, each with its weight from 1.
    Group(Vec<(u32, u32)>),
    /// Discard.
    Blackhole,
}

/// RTM_NEWNEXTHOP or RTM_DELNEXTHOP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHopMessage {
    /// NHA_ID.
    pub id: u32,
    /// The content; a deletion repeats it.
    pub kind: NextHopKind,
}

impl NextHopMessage {
    /// Decodes what follows `struct nlmsghdr`.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let attributes = payload.get(NHMSG_OCTETS..)?;
        let (mut id, mut ifindex, mut gateway) = (None, None, None);
        let (mut group, mut blackhole) = (None, false);
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute.ok()?;
            let value = attribute.value();
            match attribute.kind() {
                NHA_ID => id = Some(word(value)?),
                NHA_OIF => ifindex = Some(word(value)?),
                NHA_GATEWAY => gateway = Some(address(value)?),
                NHA_GROUP => group = Some(members(value)?),
                NHA_BLACKHOLE => blackhole = true,
                _ => {}
            }
        }
        let kind = match (group, blackhole, ifindex) {
            (Some(members), _, _) => NextHopKind::Group(members),
            (None, true, _) => NextHopKind::Blackhole,
            (None, false, Some(ifindex)) => NextHopKind::Single { gateway, ifindex },
            (None, false, None) => return None,
        };
        Some(Self { id: id?, kind })
    }
}

fn word(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::V4(Ipv4Addr::from(v4)));
    }
    let v6 = <[u8; 16]>::try_from(value).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(v6)))
}

fn members(value: &[u8]) -> Option<Vec<(u32, u32)>> {
    if value.len() % GROUP_ENTRY_OCTETS != 0 {
        return None;
    }
    value
        .chunks_exact(GROUP_ENTRY_OCTETS)
        .map(|entry| {
            let id = word(entry.get(..4)?)?;
            let (low, high) = (*entry.get(4)?, *entry.get(5)?);
            Some((id, u32::from(u16::from_be_bytes([high, low])) + 1))
        })
        .collect()
}
