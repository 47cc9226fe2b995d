//! Traffic selectors (RFC 7296 section 3.13.1).

use crate::Prefix;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses of one family, with an optional protocol and port range. Both ends are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrafficSelector {
    /// First address.
    pub first: IpAddr,
    /// Last address, of the same family and not before `first`.
    pub last: IpAddr,
    /// IP protocol, or 0 for any.
    pub protocol: u8,
    /// First port; for ICMP type << 8 | code.
    pub port_first: u16,
    /// Last port.
    pub port_last: u16,
}

impl TrafficSelector {
    /// All protocols and ports of `prefix`.
    pub fn from_prefix(prefix: Prefix) -> Self {
        Self {
            first: prefix.addr(),
            last: prefix.last(),
            protocol: 0,
            port_first: 0,
            port_last: u16::MAX,
        }
    }

    /// Everything of one family: 0.0.0.0/0 or ::/0.
    pub fn any(ipv6: bool) -> Self {
        let (first, last) = if ipv6 {
            (
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                IpAddr::V6(Ipv6Addr::from(u128::MAX)),
            )
        } else {
            (
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V4(Ipv4Addr::BROADCAST),
            )
        };
        Self {
            first,
            last,
            protocol: 0,
            port_first: 0,
            port_last: u16::MAX,
        }
    }

    /// Whether the family is IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.first.is_ipv6()
    }

    /// Whether a packet's address, protocol and port (0 where it has none) lie within.
    #[inline]
    pub fn matches(&self, addr: IpAddr, protocol: u8, port: u16) -> bool {
        let within = match (self.first, addr, self.last) {
            (IpAddr::V4(first), IpAddr::V4(addr), IpAddr::V4(last)) => {
                (first.to_bits()..=last.to_bits()).contains(&addr.to_bits())
            }
            (IpAddr::V6(first), IpAddr::V6(addr), IpAddr::V6(last)) => {
                (first.to_bits()..=last.to_bits()).contains(&addr.to_bits())
            }
            _ => false,
        };
        within
            && (self.protocol == 0 || self.protocol == protocol)
            && self.port_first <= port
            && port <= self.port_last
    }

    /// The common part of two selectors, or `None`.
    pub fn intersect(&self, other: &TrafficSelector) -> Option<TrafficSelector> {
        if self.is_ipv6() != other.is_ipv6() {
            return None;
        }
        let protocol = match (self.protocol, other.protocol) {
            (0, p) | (p, 0) => p,
            (a, b) if a == b => a,
            _ => return None,
        };
        let both = TrafficSelector {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
            protocol,
            port_first: self.port_first.max(other.port_first),
            port_last: self.port_last.min(other.port_last),
        };
        (both.first <= both.last && both.port_first <= both.port_last).then_some(both)
    }

    /// Whether the whole of `other` lies within.
    pub fn covers(&self, other: &TrafficSelector) -> bool {
        self.intersect(other) == Some(*other)
    }

    /// The fewest prefixes that hold exactly this address range: at most 62 (IPv4) or 254 (IPv6).
    pub fn prefixes(&self) -> Vec<Prefix> {
        let bits: u8 = if self.is_ipv6() { 128 } else { 32 };
        let (mut at, end) = (
            number(self.first),
            number(self.last).max(number(self.first)),
        );
        let mut out = Vec::new();
        loop {
            let aligned = if at == 0 {
                bits
            } else {
                (at.trailing_zeros() as u8).min(bits)
            };
            let mut free = aligned;
            while free > 0 && at | host_bits(free) > end {
                free -= 1;
            }
            out.extend(Prefix::new(address(at, self.is_ipv6()), bits - free));
            match (at | host_bits(free)).checked_add(1) {
                Some(next) if next <= end => at = next,
                _ => return out,
            }
        }
    }

    /// The single prefix this range equals, if it is one.
    pub fn as_prefix(&self) -> Option<Prefix> {
        let all = self.prefixes();
        if all.len() == 1 {
            all.first().copied()
        } else {
            None
        }
    }
}

/// The `count` lowest bits.
fn host_bits(count: u8) -> u128 {
    if count == 0 {
        0
    } else {
        u128::MAX >> (128 - u32::from(count))
    }
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

fn address(value: u128, ipv6: bool) -> IpAddr {
    if ipv6 {
        IpAddr::V6(Ipv6Addr::from(value))
    } else {
        IpAddr::V4(Ipv4Addr::from(value as u32))
    }
}

impl fmt::Display for TrafficSelector {
    /// As Junos and strongSwan users read it: `10.0.0.0/24`, `10.0.0.1-10.0.0.9[17/500]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_prefix() {
            Some(prefix) => write!(f, "{prefix}")?,
            None => write!(f, "{}-{}", self.first, self.last)?,
        }
        if self.protocol == 0 && (self.port_first, self.port_last) == (0, u16::MAX) {
            return Ok(());
        }
        match (self.port_first, self.port_last) {
            (0, u16::MAX) => write!(f, "[{}]", self.protocol),
            (a, b) if a == b => write!(f, "[{}/{a}]", self.protocol),
            (a, b) => write!(f, "[{}/{a}-{b}]", self.protocol),
        }
    }
}

#[cfg(test)]
mod tests;
