//! SA pairs as their owner worker holds them, and how they get there.
//!
//! One worker owns both directions of a pair: its numbers and its window have a single writer and need no lock. The control
//! thread hands over a [`PendingSa`] with expanded keys; what is removed goes back to it, so that wiping costs no packet time.

use std::mem::offset_of;
use std::net::IpAddr;
use std::sync::Arc;

use dpdk_rs::prefetch_part;
use ravelin_esp::{
    Direction, InboundParams, InboundSa, KeyId, OutboundParams, OutboundSa, OuterAddresses,
};
use ravelin_types::{
    IpsecMode, IpsecProtocol, Numbers, PairId, SPI_SLOTS, SPI_TAG_BITS, Time, VrfId,
};
use ravelin_wire::ip::{self, Brief};

use crate::address::{Address, Ends};
use crate::selector::{Child, Sides};
use crate::tables::{IfIndex, NextHop};

/// Slots of both nodes of an HA pair.
pub const MAX_SLOTS: usize = 2 * SPI_SLOTS as usize;

/// The slot of one of our SPIs: its node and slot bits, one array index.
#[inline]
pub const fn slot_of(spi: u32) -> u32 {
    spi >> SPI_TAG_BITS
}

/// What both halves of a pair share and `prepare` / `finish` do not touch.
#[derive(Clone, Debug)]
pub struct PairFacts {
    /// The pair.
    pub pair: PairId,
    /// Its installation.
    pub epoch: u32,
    /// Its slot.
    pub slot: u32,
    /// Selectors, tunnel, owner and counters.
    pub child: Arc<Child>,
    /// Outer addresses.
    pub outer: OuterAddresses,
    /// Routing instance of the outer packets.
    pub outer_vrf: VrfId,
    /// Routing instance of the inner packets.
    pub inner_vrf: VrfId,
    /// Inner MTU in octets, or derived from the path.
    pub tunnel_mtu_octets: Option<u16>,
    /// What the path takes in octets, as routers reported it.
    pub path_mtu_octets: Option<u16>,
    /// Octets that inner packets are padded to, as far as the path takes the outer ones whole; 0 for none.
    pub tfc_octets: u16,
}

/// A pair on its way to its owner.
pub struct PendingSa<K> {
    /// Facts.
    pub facts: PairFacts,
    /// Inbound SA but for its key.
    pub inbound: InboundParams,
    /// Outbound SA but for its key.
    pub outbound: OutboundParams,
    /// Expanded inbound key.
    pub inbound_key: K,
    /// Expanded outbound key.
    pub outbound_key: K,
}

/// The outer route of an SA, looked up once per version of the tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteCache {
    /// Version of the tables it was looked up in; 0 for never.
    pub version: u64,
    /// Next hop of the outer packets.
    pub next_hop: NextHop,
    /// Their routing instance: that of the facts, which are on another cache line.
    pub vrf: VrfId,
    /// Largest inner packet in octets.
    pub inner_mtu_octets: u16,
    /// Largest outer packet in octets.
    pub outer_mtu_octets: u16,
}

/// Outer addresses as the peer's packets carry them.
#[derive(Clone, Copy, Debug)]
enum FromPeer {
    V4(Ends<u32>),
    V6(Ends<u128>),
    /// None as ESP: it is AH.
    Ah,
}

impl FromPeer {
    /// `None` when the families differ.
    fn new(outer: &OuterAddresses, protocol: IpsecProtocol) -> Option<Self> {
        if protocol == IpsecProtocol::Ah {
            return (outer.remote.is_ipv4() == outer.local.is_ipv4()).then_some(FromPeer::Ah);
        }
        match (outer.remote, outer.local) {
            (IpAddr::V4(remote), IpAddr::V4(local)) => Some(FromPeer::V4(Ends {
                source: remote.to_bits(),
                destination: local.to_bits(),
            })),
            (IpAddr::V6(remote), IpAddr::V6(local)) => Some(FromPeer::V6(Ends {
                source: remote.to_bits(),
                destination: local.to_bits(),
            })),
            _ => None,
        }
    }
}

/// Whether a packet to our end of an SA comes from elsewhere than the peer; `None` when it goes to another address.
#[inline]
fn compare<A: Address>(known: Ends<A>, packet: &[u8]) -> Option<bool> {
    let ends = A::ends(packet)?;
    (ends.destination == known.destination).then_some(ends.source != known.source)
}

/// A pair at its owner. What one direction needs lies together: of thousands of SAs each line comes from memory.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Sa {
    /// Outbound half.
    pub outbound: OutboundSa,
    /// Outer route.
    pub route: RouteCache,
    /// Tunnel interface.
    pub tunnel: IfIndex,
    /// Outbound is switched off: the pair only lingers.
    pub inbound_only: bool,
    /// Outbound packets take the long way: it only lingers, or it is in transport mode, AH or padded.
    pub rare: bool,
    /// Near exhaustion was reported.
    pub exhausting: bool,
    /// An authenticated packet has come in.
    pub heard: bool,
    /// The child of the facts, once more for the same reason as the selectors: its counters.
    pub child: Arc<Child>,
    /// The selectors of the child for IPv4, once more where no further cache line must come for them.
    pub(crate) selectors_v4: Sides<u32>,
    /// Inbound half.
    pub inbound: InboundSa,
    from_peer: FromPeer,
    /// Facts.
    pub facts: PairFacts,
    /// The other outer address that was reported last.
    pub moved_to: Option<(IpAddr, u16)>,
    /// When that was.
    pub moved_at: Option<Time>,
}

impl Sa {
    /// Puts a pair together; `None` when the outer families differ.
    pub fn new(
        facts: PairFacts,
        inbound: InboundParams,
        outbound: &OutboundParams,
    ) -> Option<Self> {
        Some(Self {
            outbound: OutboundSa::new(outbound)?,
            route: RouteCache::default(),
            inbound: InboundSa::new(&inbound),
            from_peer: FromPeer::new(&facts.outer, outbound.protocol)?,
            tunnel: facts.child.tunnel,
            selectors_v4: facts.child.v4.clone(),
            child: Arc::clone(&facts.child),
            heard: false,
            inbound_only: false,
            rare: outbound.mode == IpsecMode::Transport
                || outbound.protocol == IpsecProtocol::Ah
                || facts.tfc_octets > 0,
            facts,
            exhausting: false,
            moved_to: None,
            moved_at: None,
        })
    }

    /// Moves the outer addresses; `None` and no change when the families differ.
    pub fn set_outer(&mut self, outer: OuterAddresses) -> Option<()> {
        self.outbound.set_outer(&outer)?;
        self.from_peer = FromPeer::new(&outer, self.outbound.protocol())?;
        self.facts.outer = outer;
        self.route.version = 0;
        self.moved_to = None;
        Some(())
    }

    /// Whether an ESP packet, which starts at its outer header `meta`, comes from another address or port than the peer's; `None` when
    /// it cannot be this SA's, by its destination or its routing instance. RFC 7296 section 2.23: both encapsulations are taken "at any
    /// time"; what comes in the other one than was agreed on says nothing about where the peer is.
    #[inline(always)]
    pub(crate) fn is_strange(
        &self,
        meta: Brief,
        packet: &[u8],
        (vrf, udp): (VrfId, bool),
    ) -> Option<bool> {
        let facts = &self.facts;
        if vrf != facts.outer_vrf {
            return None;
        }
        let elsewhere = match (self.from_peer, meta.is_v6()) {
            (FromPeer::V4(known), false) => compare(known, packet),
            (FromPeer::V6(known), true) => compare(known, packet),
            _ => None,
        }?;
        let otherwise = |(_, remote): (u16, u16)| {
            let ports = meta.ports(packet);
            ports.is_none_or(|(source, _)| source != remote)
        };
        let agreed = udp == facts.outer.udp.is_some();
        Some(agreed && (elsewhere || facts.outer.udp.is_some_and(otherwise)))
    }

    /// Switches outbound off.
    pub fn stop_outbound(&mut self) {
        self.inbound_only = true;
        self.rare = true;
    }

    /// Whether it is of AH.
    pub fn is_ah(&self) -> bool {
        self.outbound.protocol() == IpsecProtocol::Ah
    }

    /// Whether an AH packet, which starts at its outer header, is the peer's. AH covers the addresses: no other source can be authentic.
    pub fn is_from_peer(&self, packet: &[u8], vrf: VrfId) -> bool {
        let OuterAddresses { local, remote, .. } = self.facts.outer;
        self.is_ah()
            && vrf == self.facts.outer_vrf
            && ip::addresses(packet) == Some((remote, local))
    }

    /// Whether its packets keep their IP header.
    pub fn is_transport(&self) -> bool {
        self.outbound.mode() == IpsecMode::Transport
    }

    /// Brings towards the cache what packets of one direction need of it.
    #[inline(always)]
    pub(crate) fn warm(&self, direction: Direction) {
        let octets = match direction {
            Direction::Encrypt => 0..offset_of!(Sa, inbound),
            Direction::Decrypt => offset_of!(Sa, route)..offset_of!(Sa, moved_to),
        };
        prefetch_part(self, octets);
    }

    /// Raises the ceilings; later packets ask for more.
    pub fn grant(&mut self, ceilings: Numbers) {
        self.outbound.grant(ceilings.outbound);
        self.inbound.grant(ceilings.inbound);
    }

    /// Nothing above these numbers is sent or accepted. That the end is near is told by the control thread, which knows the limits.
    pub fn end_at(&mut self, last: Numbers) {
        self.outbound.end_at(last.outbound);
        self.inbound.end_at(last.inbound);
        self.exhausting |= self.outbound.is_ended();
    }

    /// What to ask iked for when a ceiling is near, once per grant: `inbound` is the number that the peer has just used. Looks at both
    /// halves: a packet first looks at its own.
    pub fn ask(&self, inbound: u64) -> Option<Numbers> {
        let wants = self.outbound.wants_ceiling() || self.inbound.wants_ceiling(inbound);
        wants.then(|| Numbers {
            outbound: self.outbound.sequence(),
            inbound: inbound.max(self.inbound.sequence()),
        })
    }

    /// It was asked.
    pub fn asked(&mut self) {
        self.outbound.asked();
        self.inbound.asked();
    }

    /// Both keys in the engine.
    pub fn keys(&self) -> [KeyId; 2] {
        [self.inbound.key(), self.outbound.key()]
    }
}
