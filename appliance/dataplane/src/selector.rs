//! The selector table: which child SA a clear packet belongs to (RFC 4301 section 4.4.1, design decision D4).
//!
//! Longest prefix over the remote selectors, then source, protocol and ports. Of several children with one prefix the one
//! activated last wins; a child whose prefix is longer wins over all with shorter ones, if the packet fits it.

use std::net::IpAddr;
use std::sync::Arc;

use ravelin_types::{PairId, Prefix, TrafficSelector};
use ravelin_wire::ip::IpMeta;

use crate::lpm::Lpm;
use crate::tables::IfIndex;
use crate::trie::Trie;

/// Selectors of one side of a child: what one proposal can hold with room (RFC 7296 allows 255).
pub const MAX_SELECTORS: usize = 32;
/// Children that may share one remote prefix: rekeys overlapping with peers behind one prefix.
pub const MAX_CHILDREN_PER_PREFIX: usize = 64;

/// The selectors of one child pair, shared by the table and by the SA itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The pair.
    pub pair: PairId,
    /// Where its SA is: index of the slot table.
    pub slot: u32,
    /// Worker that owns it.
    pub owner: u8,
    /// Its tunnel interface.
    pub tunnel: IfIndex,
    /// Our side.
    pub local: SelectorList,
    /// The peer's side.
    pub remote: SelectorList,
}

/// The selectors of one side. One is the rule and lies in place, so that looking at it costs no further cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorList {
    /// One.
    One(TrafficSelector),
    /// Another number.
    Many(Box<[TrafficSelector]>),
}

impl From<&[TrafficSelector]> for SelectorList {
    fn from(selectors: &[TrafficSelector]) -> Self {
        match selectors {
            [one] => SelectorList::One(*one),
            many => SelectorList::Many(many.into()),
        }
    }
}

impl std::ops::Deref for SelectorList {
    type Target = [TrafficSelector];

    #[inline]
    fn deref(&self) -> &[TrafficSelector] {
        match self {
            SelectorList::One(one) => std::slice::from_ref(one),
            SelectorList::Many(many) => many,
        }
    }
}

/// Whether one side of a packet fits. Packets without ports (later fragments, protocols without any) fit only selectors for all ports.
#[inline]
fn fits(
    selectors: &[TrafficSelector],
    address: IpAddr,
    protocol: u8,
    port: u16,
    has_ports: bool,
) -> bool {
    selectors.iter().any(|selector| {
        selector.matches(address, protocol, port)
            && (has_ports || (selector.port_first == 0 && selector.port_last == u16::MAX))
    })
}

impl Child {
    /// Whether a clear packet may be encrypted under this child.
    #[inline]
    pub fn admits_outbound(&self, meta: &IpMeta) -> bool {
        fits(
            &self.remote,
            meta.destination,
            meta.protocol,
            meta.destination_port,
            meta.has_ports,
        ) && fits(
            &self.local,
            meta.source,
            meta.protocol,
            meta.source_port,
            meta.has_ports,
        )
    }

    /// Whether a decrypted packet may have come through this child.
    #[inline]
    pub fn admits_inbound(&self, meta: &IpMeta) -> bool {
        fits(
            &self.remote,
            meta.source,
            meta.protocol,
            meta.source_port,
            meta.has_ports,
        ) && fits(
            &self.local,
            meta.destination,
            meta.protocol,
            meta.destination_port,
            meta.has_ports,
        )
    }

    /// The prefixes under which the table holds it.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> = self
            .remote
            .iter()
            .flat_map(TrafficSelector::prefixes)
            .collect();
        prefixes.sort();
        prefixes.dedup();
        prefixes
    }
}

/// The children of one prefix, activated last first. One is the rule outside of rekeys.
#[derive(Clone, Debug)]
enum Bucket {
    One(Arc<Child>),
    /// Behind one thin pointer, so that the table's entries stay small.
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

    #[inline]
    fn as_slice(&self) -> &[Arc<Child>] {
        match self {
            Bucket::One(child) => std::slice::from_ref(child),
            Bucket::Many(children) => children,
        }
    }
}

/// The selector table of one routing instance.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    v4: Trie<Bucket>,
    v6: Lpm<u128, Bucket>,
}

/// A bucket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many child SAs share a remote prefix")]
pub struct SelectorsFull;

impl Selectors {
    /// The child that encrypts this packet into `tunnel`.
    #[inline]
    pub fn lookup(&self, tunnel: IfIndex, meta: &IpMeta) -> Option<&Child> {
        let admit = |bucket| admitting(bucket, tunnel, meta);
        // The longest prefix is nearly always the answer; the walk over all that hold the address is for what is left.
        match meta.destination {
            IpAddr::V4(v4) => {
                let key = v4.to_bits();
                self.v4
                    .lookup(key)
                    .and_then(admit)
                    .or_else(|| self.v4.prefixes().find_map(key, admit))
            }
            IpAddr::V6(v6) => {
                let key = v6.to_bits();
                self.v6
                    .lookup(key)
                    .and_then(admit)
                    .or_else(|| self.v6.find_map(key, admit))
            }
        }
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

#[inline]
fn admitting<'a>(bucket: &'a Bucket, tunnel: IfIndex, meta: &IpMeta) -> Option<&'a Child> {
    bucket
        .as_slice()
        .iter()
        .map(Arc::as_ref)
        .find(|child| child.tunnel == tunnel && child.admits_outbound(meta))
}

#[cfg(test)]
mod tests;
