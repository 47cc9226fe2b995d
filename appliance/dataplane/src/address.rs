//! The two families, as the stages see them: from its header on a packet is followed by code of its own family, with addresses as
//! numbers. What does not hurry uses [`IpAddr`] and looks at the family each time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ravelin_wire::ip::{IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS};

use crate::lpm::LpmKey;
use crate::recent::{Recent, RecentDestinations};
use crate::sa::Sa;
use crate::selector::{Bucket, Child, Place, Selectors, Sides};
use crate::tables::{NextHop, Vrf};
use crate::trie::Leaf;

/// How far a destination address reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// By the routing table.
    #[default]
    Routed,
    /// This link only: neighbour discovery, VRRP, OSPF and the like.
    Link,
    /// A group beyond this link, which we do not route.
    Group,
    /// Never on a wire.
    Nowhere,
}

/// Source and destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends<A> {
    /// Source.
    pub source: A,
    /// Destination.
    pub destination: A,
}

/// An address of one family, as a number, most significant bit first.
pub trait Address: LpmKey + Ord + Default {
    /// The addresses in the header that `packet` starts with.
    fn ends(packet: &[u8]) -> Option<Ends<Self>>;

    /// As an address of either family.
    fn ip(self) -> IpAddr;

    /// How far it reaches as a destination.
    fn scope(self) -> Scope;

    /// Whether it never appears in a packet that is forwarded.
    fn is_martian(self) -> bool;

    /// Whether it is a group.
    fn is_multicast(self) -> bool;

    /// Whether it means something on its own link only, and is used there for neighbour discovery.
    fn is_link_local(self) -> bool;

    /// A number whose upper bits differ between addresses that differ anywhere, and lie evenly for those in a row.
    fn hash(self) -> u32;

    /// The recent destinations of this family.
    fn recent(recent: &mut RecentDestinations) -> &mut Recent<Self>;

    /// What the routes of an instance say.
    fn next_hop(self, vrf: &Vrf) -> NextHop;

    /// Where a packet to it is encrypted as a rule.
    fn place(self, selectors: &Selectors) -> Option<Place>;

    /// Offers the children of all remote prefixes that hold it, the longest first, until `f` takes one.
    fn find_map<'a>(
        self,
        selectors: &'a Selectors,
        f: impl FnMut(&'a Bucket) -> Option<&'a Child>,
    ) -> Option<&'a Child>;

    /// A child's selectors of this family.
    fn sides(child: &Child) -> &Sides<Self>;

    /// An SA's selectors of this family.
    fn sides_of(sa: &Sa) -> &Sides<Self>;
}

/// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4).
#[inline(always)]
fn hash(number: u64) -> u32 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl Address for u32 {
    #[inline]
    fn ends(packet: &[u8]) -> Option<Ends<u32>> {
        let header: &[u8; IPV4_HEADER_OCTETS] = packet.first_chunk()?;
        let at = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        Some(Ends {
            source: at(12),
            destination: at(16),
        })
    }

    fn ip(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }

    #[inline]
    fn scope(self) -> Scope {
        match self >> 24 {
            1..=126 | 128..=223 => Scope::Routed,
            224 if self >> 8 == 0xe0_0000 => Scope::Link,
            224..=239 => Scope::Group,
            _ if self == u32::MAX => Scope::Link,
            _ => Scope::Nowhere,
        }
    }

    #[inline]
    fn is_martian(self) -> bool {
        !matches!(self >> 24, 1..=126 | 128..=239)
    }

    #[inline]
    fn is_multicast(self) -> bool {
        self >> 28 == 0xe
    }

    #[inline]
    fn is_link_local(self) -> bool {
        false
    }

    #[inline]
    fn hash(self) -> u32 {
        hash(u64::from(self))
    }

    #[inline]
    fn recent(recent: &mut RecentDestinations) -> &mut Recent<u32> {
        &mut recent.v4
    }

    #[inline]
    fn next_hop(self, vrf: &Vrf) -> NextHop {
        vrf.routes_v4.lookup(self).copied().unwrap_or_default()
    }

    #[inline]
    fn place(self, selectors: &Selectors) -> Option<Place> {
        selectors.v4.lookup(self).copied()
    }

    fn find_map<'a>(
        self,
        selectors: &'a Selectors,
        f: impl FnMut(&'a Bucket) -> Option<&'a Child>,
    ) -> Option<&'a Child> {
        selectors.v4.prefixes().find_map(self, f)
    }

    #[inline]
    fn sides(child: &Child) -> &Sides<u32> {
        &child.v4
    }

    #[inline]
    fn sides_of(sa: &Sa) -> &Sides<u32> {
        &sa.selectors_v4
    }
}

impl Address for u128 {
    #[inline]
    fn ends(packet: &[u8]) -> Option<Ends<u128>> {
        let header: &[u8; IPV6_HEADER_OCTETS] = packet.first_chunk()?;
        let at = |at: usize| {
            header[at..]
                .first_chunk()
                .map(|octets| u128::from_be_bytes(*octets))
        };
        Some(Ends {
            source: at(8)?,
            destination: at(24)?,
        })
    }

    fn ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self).into()
    }

    #[inline]
    fn scope(self) -> Scope {
        match (self >> 112) as u16 {
            group @ 0xff00..=0xffff if group & 0x0f <= 2 => Scope::Link,
            0xff00..=0xffff => Scope::Group,
            0xfe80..=0xfebf => Scope::Link,
            _ if self <= 1 => Scope::Nowhere,
            _ => Scope::Routed,
        }
    }

    #[inline]
    fn is_martian(self) -> bool {
        self <= 1 || self.is_link_local()
    }

    #[inline]
    fn is_multicast(self) -> bool {
        self >> 120 == 0xff
    }

    #[inline]
    fn is_link_local(self) -> bool {
        self >> 118 == 0xfe80 >> 6
    }

    #[inline]
    fn hash(self) -> u32 {
        hash((self ^ (self >> 64).rotate_left(32)) as u64)
    }

    #[inline]
    fn recent(recent: &mut RecentDestinations) -> &mut Recent<u128> {
        &mut recent.v6
    }

    #[inline]
    fn next_hop(self, vrf: &Vrf) -> NextHop {
        vrf.routes_v6.lookup(self).copied().unwrap_or_default()
    }

    #[inline]
    fn place(self, selectors: &Selectors) -> Option<Place> {
        selectors.v6.lookup(self).map(Leaf::of)
    }

    fn find_map<'a>(
        self,
        selectors: &'a Selectors,
        f: impl FnMut(&'a Bucket) -> Option<&'a Child>,
    ) -> Option<&'a Child> {
        selectors.v6.find_map(self, f)
    }

    #[inline]
    fn sides(child: &Child) -> &Sides<u128> {
        &child.v6
    }

    #[inline]
    fn sides_of(sa: &Sa) -> &Sides<u128> {
        &sa.facts.child.v6
    }
}

#[cfg(test)]
mod tests;
