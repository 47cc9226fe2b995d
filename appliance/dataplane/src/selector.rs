//! The selector table: which child SA a clear packet belongs to (RFC 4301 section 4.4.1, design decision D4).
//!
//! Longest prefix over the remote selectors, then source, protocol and ports. Of several children with one prefix the one
//! activated last wins; a child whose prefix is longer wins over all with shorter ones, if the packet fits it.

use std::net::IpAddr;
use std::sync::Arc;

use ravelin_types::{PairId, Prefix, TrafficSelector};
use ravelin_wire::ip::IpMeta;

use crate::address::{Address, Ends};
use crate::counters::PairTraffic;
use crate::lpm::Lpm;
use crate::packet::Header;
use crate::tables::IfIndex;
use crate::trie::{Leaf, Trie};

/// Selectors of one side of a child: what one proposal can hold with room (RFC 7296 allows 255).
pub const MAX_SELECTORS: usize = 32;
/// Children that may share one remote prefix: rekeys overlapping with peers behind one prefix.
pub const MAX_CHILDREN_PER_PREFIX: usize = 64;

/// The selectors and counters of one child pair, shared by the table, the control thread and the SA itself.
#[derive(Debug)]
#[repr(C)]
pub struct Child {
    /// Its counters, which start with its installation.
    pub traffic: PairTraffic,
    /// The pair.
    pub pair: PairId,
    /// Where its SA is: index of the slot table.
    pub slot: u32,
    /// Worker that owns it.
    pub owner: u8,
    /// Its tunnel interface.
    pub tunnel: IfIndex,
    pub(crate) v4: Sides<u32>,
    pub(crate) v6: Sides<u128>,
}

/// The selectors of one family, in the order of an outbound packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides<A> {
    local: Ranges<A>,
    remote: Ranges<A>,
}

/// The selectors of one side. One is the rule and lies in place, so that looking at it costs no further cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ranges<A> {
    /// One.
    One(Range<A>),
    /// Another number.
    Many(Box<[Range<A>]>),
}

/// A traffic selector with its addresses as numbers. Both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range<A> {
    first: A,
    last: A,
    port_first: u16,
    port_last: u16,
    /// 0 for any.
    protocol: u8,
    /// Addresses decide alone: any protocol, any port.
    open: bool,
}

impl<A: Address> Range<A> {
    fn prefixes(&self) -> Vec<Prefix> {
        let selector = TrafficSelector {
            first: self.first.ip(),
            last: self.last.ip(),
            protocol: self.protocol,
            port_first: self.port_first,
            port_last: self.port_last,
        };
        selector.prefixes()
    }

    #[inline(always)]
    fn holds(&self, address: A, protocol: u8, port: impl Fn() -> Option<u16>) -> bool {
        self.first <= address && address <= self.last && (self.open || self.takes(protocol, port()))
    }

    /// Packets without ports (later fragments, protocols without any) fit only selectors for all ports.
    #[inline(never)]
    fn takes(&self, protocol: u8, port: Option<u16>) -> bool {
        let all_ports = self.port_first == 0 && self.port_last == u16::MAX;
        (self.protocol == 0 || self.protocol == protocol)
            && (all_ports
                || port.is_some_and(|port| self.port_first <= port && port <= self.port_last))
    }
}

impl<A: Address> Ranges<A> {
    fn new(selectors: &[TrafficSelector], number: impl Fn(IpAddr) -> Option<A>) -> Self {
        let ranges: Vec<Range<A>> = selectors
            .iter()
            .filter_map(|selector| {
                Some(Range {
                    first: number(selector.first)?,
                    last: number(selector.last)?,
                    port_first: selector.port_first,
                    port_last: selector.port_last,
                    protocol: selector.protocol,
                    open: selector.protocol == 0
                        && (selector.port_first, selector.port_last) == (0, u16::MAX),
                })
            })
            .collect();
        match ranges.as_slice() {
            [one] => Ranges::One(*one),
            _ => Ranges::Many(ranges.into()),
        }
    }

    fn as_slice(&self) -> &[Range<A>] {
        match self {
            Ranges::One(one) => std::slice::from_ref(one),
            Ranges::Many(many) => many,
        }
    }

    #[inline(always)]
    fn hold(&self, address: A, protocol: u8, port: impl Fn() -> Option<u16>) -> bool {
        match self {
            Ranges::One(one) => one.holds(address, protocol, port),
            Ranges::Many(many) => any_holds(many, address, protocol, port()),
        }
    }
}

#[inline(never)]
fn any_holds<A: Address>(many: &[Range<A>], address: A, protocol: u8, port: Option<u16>) -> bool {
    many.iter().any(|one| one.holds(address, protocol, || port))
}

/// Source and destination port of a packet. They are looked for when a selector asks for them.
type Ports = Option<(u16, u16)>;

/// What selectors ask of a packet beside its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Protocol.
    pub protocol: u8,
    /// Ports, as [`Brief::ports`](ravelin_wire::ip::Brief::ports).
    pub ports: Ports,
}

impl<A> From<Header<'_, A>> for Upper {
    fn from(header: Header<'_, A>) -> Self {
        Self {
            protocol: header.meta.protocol(),
            ports: header.meta.ports(header.packet),
        }
    }
}

impl<A: Address> Sides<A> {
    /// Whether a clear packet may be encrypted under these selectors.
    #[inline(always)]
    pub fn admit_outbound(&self, header: Header<'_, A>) -> bool {
        let ports = || header.meta.ports(header.packet);
        self.admit_to_peer(header.meta.protocol(), header.ends, ports)
    }

    /// Whether a decrypted packet may have come through them.
    #[inline(always)]
    pub fn admit_inbound(&self, header: Header<'_, A>) -> bool {
        let ports = || header.meta.ports(header.packet);
        self.admit_from_peer(header.meta.protocol(), header.ends, ports)
    }

    #[inline(always)]
    fn admit_to_peer(&self, protocol: u8, ends: Ends<A>, ports: impl Fn() -> Ports) -> bool {
        let destination = || ports().map(|(_, destination)| destination);
        let source = || ports().map(|(source, _)| source);
        self.remote.hold(ends.destination, protocol, destination)
            && self.local.hold(ends.source, protocol, source)
    }

    #[inline(always)]
    fn admit_from_peer(&self, protocol: u8, ends: Ends<A>, ports: impl Fn() -> Ports) -> bool {
        let destination = || ports().map(|(_, destination)| destination);
        let source = || ports().map(|(source, _)| source);
        self.remote.hold(ends.source, protocol, source)
            && self.local.hold(ends.destination, protocol, destination)
    }

    fn admit_either(&self, packet: &IpMeta, ends: Ends<A>) -> bool {
        self.admit_from_peer(packet.protocol, ends, || packet.ports())
            || self.admit_to_peer(packet.protocol, ends, || packet.ports())
    }
}

fn number_v4(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(v4) => Some(v4.to_bits()),
        IpAddr::V6(_) => None,
    }
}

fn number_v6(address: IpAddr) -> Option<u128> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6.to_bits()),
    }
}

impl Child {
    /// The child of `pair` at `slot` of worker `owner`, with our selectors and the peer's.
    pub fn new(
        pair: PairId,
        (slot, owner): (u32, u8),
        tunnel: IfIndex,
        local: &[TrafficSelector],
        remote: &[TrafficSelector],
    ) -> Self {
        Self {
            traffic: PairTraffic::default(),
            pair,
            slot,
            owner,
            tunnel,
            v4: Sides {
                local: Ranges::new(local, number_v4),
                remote: Ranges::new(remote, number_v4),
            },
            v6: Sides {
                local: Ranges::new(local, number_v6),
                remote: Ranges::new(remote, number_v6),
            },
        }
    }

    /// Whether a packet may belong to this child in either direction.
    pub fn admits_either(&self, packet: &IpMeta) -> bool {
        match (packet.source, packet.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.to_bits(), destination.to_bits());
                let ends = Ends {
                    source,
                    destination,
                };
                self.v4.admit_either(packet, ends)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (source, destination) = (source.to_bits(), destination.to_bits());
                let ends = Ends {
                    source,
                    destination,
                };
                self.v6.admit_either(packet, ends)
            }
            _ => false,
        }
    }

    /// Where its SA is.
    pub fn place(&self) -> Place {
        Place {
            slot: self.slot,
            tunnel: self.tunnel,
            owner: self.owner,
        }
    }

    /// The prefixes under which the table holds it.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let (v4, v6) = (self.v4.remote.as_slice(), self.v6.remote.as_slice());
        let mut prefixes: Vec<Prefix> = (v4.iter().flat_map(Range::prefixes))
            .chain(v6.iter().flat_map(Range::prefixes))
            .collect();
        prefixes.sort();
        prefixes.dedup();
        prefixes
    }
}

/// The children of one prefix, activated last first. One is the rule outside of rekeys.
#[derive(Clone, Debug)]
pub enum Bucket {
    /// One.
    One(Arc<Child>),
    /// Several, behind one thin pointer, so that the table's entries stay small.
    Many(Arc<Vec<Arc<Child>>>),
}

impl Bucket {
    fn new(children: Vec<Arc<Child>>) -> Option<Self> {
        let mut children = children;
        match children.len() {
            0 => None,
            1 => children.pop().map(Bucket::One),
            _ => Some(Bucket::Many(Arc::new(children))),
        }
    }

    fn as_slice(&self) -> &[Arc<Child>] {
        match self {
            Bucket::One(child) => std::slice::from_ref(child),
            Bucket::Many(children) => children,
        }
    }
}

/// Where the packets of a prefix are encrypted as a rule: by its child that was activated last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Slot of its SA.
    pub slot: u32,
    /// Its tunnel interface.
    pub tunnel: IfIndex,
    /// Worker that owns it.
    pub owner: u8,
}

impl Leaf<Bucket> for Place {
    fn of(bucket: &Bucket) -> Self {
        // Buckets are never empty; a place without an SA drops what comes by it.
        bucket.as_slice().first().map_or(
            Place {
                slot: u32::MAX,
                tunnel: IfIndex(0),
                owner: 0,
            },
            |child| child.place(),
        )
    }
}

/// The selector table of one routing instance.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    pub(crate) v4: Trie<Bucket, Place>,
    pub(crate) v6: Lpm<u128, Bucket>,
}

/// A bucket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many child SAs share a remote prefix")]
pub struct SelectorsFull;

impl Selectors {
    /// Where a packet to this destination is encrypted, if the selectors of that child admit it: the rest is for
    /// [`Selectors::search`].
    #[inline]
    pub fn place<A: Address>(&self, destination: A) -> Option<Place> {
        destination.place(self)
    }

    /// The child that encrypts this packet into `tunnel`.
    #[cold]
    pub fn search<A: Address>(
        &self,
        tunnel: IfIndex,
        ends: Ends<A>,
        upper: Upper,
    ) -> Option<&Child> {
        (ends.destination).find_map(self, |bucket| admitting(bucket, tunnel, ends, upper))
    }

    fn bucket(&self, prefix: Prefix) -> Option<&Bucket> {
        match prefix.addr() {
            IpAddr::V4(v4) => self.v4.prefixes().get(v4.to_bits(), prefix.len()),
            IpAddr::V6(v6) => self.v6.get(v6.to_bits(), prefix.len()),
        }
    }

    fn set_bucket(&mut self, prefix: Prefix, children: Vec<Arc<Child>>) {
        let length = prefix.len();
        match (prefix.addr(), Bucket::new(children)) {
            (IpAddr::V4(v4), Some(bucket)) => {
                self.v4.insert(v4.to_bits(), length, bucket);
            }
            (IpAddr::V6(v6), Some(bucket)) => {
                self.v6.insert(v6.to_bits(), length, bucket);
            }
            (IpAddr::V4(v4), None) => {
                self.v4.remove(v4.to_bits(), length);
            }
            (IpAddr::V6(v6), None) => {
                self.v6.remove(v6.to_bits(), length);
            }
        }
    }

    /// Activates a child: from now on it wins over all others with its prefixes. Activating it again moves it to the front.
    ///
    /// # Errors
    /// When too many children share one of its prefixes; then nothing changed.
    pub fn activate(&mut self, child: &Arc<Child>) -> Result<(), SelectorsFull> {
        let prefixes = child.prefixes();
        let others = |prefix: &Prefix| -> Vec<Arc<Child>> {
            let bucket = self
                .bucket(*prefix)
                .map(Bucket::as_slice)
                .unwrap_or_default();
            bucket
                .iter()
                .filter(|other| other.pair != child.pair)
                .cloned()
                .collect()
        };
        let buckets: Vec<_> = prefixes
            .iter()
            .map(|prefix| (*prefix, others(prefix)))
            .collect();
        if buckets
            .iter()
            .any(|(_, others)| others.len() >= MAX_CHILDREN_PER_PREFIX)
        {
            return Err(SelectorsFull);
        }
        for (prefix, mut children) in buckets {
            children.insert(0, Arc::clone(child));
            self.set_bucket(prefix, children);
        }
        Ok(())
    }

    /// Removes a child.
    pub fn deactivate(&mut self, child: &Child) {
        for prefix in child.prefixes() {
            let Some(bucket) = self.bucket(prefix) else {
                continue;
            };
            let left = bucket
                .as_slice()
                .iter()
                .filter(|other| other.pair != child.pair)
                .cloned()
                .collect();
            self.set_bucket(prefix, left);
        }
    }
}

fn admitting<A: Address>(
    bucket: &Bucket,
    tunnel: IfIndex,
    ends: Ends<A>,
    upper: Upper,
) -> Option<&Child> {
    bucket
        .as_slice()
        .iter()
        .map(Arc::as_ref)
        .filter(|child| child.tunnel == tunnel)
        .find(|child| A::sides(child).admit_to_peer(upper.protocol, ends, || upper.ports))
}

#[cfg(test)]
mod tests;
