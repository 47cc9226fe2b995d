//! The host path: packets addressed to us leave the workers through bounded rings, one per class, and a punt thread carries them to
//! the TAP and TUN twins in strict order of the classes (design decision D9a). ESP, AH and ESP in UDP never come here.

use crossbeam_queue::ArrayQueue;
use ravelin_types::Time;
use ravelin_wire::esp::{
    IKE_PORT, UDP_ENCAP_PORT, UdpEncap, classify_udp_encap, ike_responder_spi,
};
use ravelin_wire::ip::{IpMeta, UDP_HEADER_OCTETS, protocol};

use crate::drop::DropReason;
use crate::policer::Policer;
use crate::tables::IfIndex;

/// Classes, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PuntClass {
    /// BFD and VRRP: lost ones take links down.
    Liveness,
    /// ARP, neighbour discovery, BGP and OSPF.
    Routing,
    /// IKE with a responder SPI: SAs that exist.
    Ike,
    /// IKE_SA_INIT.
    IkeInit,
    /// Everything else for the host.
    Other,
}

/// How many classes there are.
pub const CLASSES: usize = 5;
/// Packets a ring holds: some milliseconds of the class's rate.
pub const RING_PACKETS: usize = 1024;

/// All classes in order.
pub const ALL_CLASSES: [PuntClass; CLASSES] = [
    PuntClass::Liveness,
    PuntClass::Routing,
    PuntClass::Ike,
    PuntClass::IkeInit,
    PuntClass::Other,
];

impl PuntClass {
    /// The counter of what its policer refuses.
    pub fn policed(self) -> DropReason {
        match self {
            PuntClass::Liveness => DropReason::PuntRouting,
            PuntClass::Routing => DropReason::PuntNeighbour,
            PuntClass::Ike => DropReason::PuntIke,
            PuntClass::IkeInit => DropReason::PuntIkeInit,
            PuntClass::Other => DropReason::PuntOther,
        }
    }

    /// Rate and burst of one worker: sized from the limits (5,000 BFD sessions at 10 per second, rekeys of 65,536 SAs) and from
    /// what the host stack takes (tens of thousands of TAP packets per second).
    const fn policer(self) -> Policer {
        match self {
            PuntClass::Liveness => Policer::new(60_000, 4_096),
            PuntClass::Routing => Policer::new(20_000, 1_024),
            PuntClass::Ike => Policer::new(20_000, 1_024),
            PuntClass::IkeInit => Policer::new(5_000, 512),
            PuntClass::Other => Policer::new(50_000, 1_024),
        }
    }
}

/// The policers of one worker.
#[derive(Debug)]
pub struct Policers([Policer; CLASSES]);

impl Default for Policers {
    fn default() -> Self {
        Self(ALL_CLASSES.map(PuntClass::policer))
    }
}

impl Policers {
    /// Whether one more packet of the class may pass.
    pub fn allow(&mut self, class: PuntClass, now: Time) -> bool {
        self.0[class as usize].allow(now)
    }
}

/// The class of an IP packet addressed to us; `packet` starts at its header. `None` for ESP in UDP and what else must not be punted.
pub fn classify(meta: &IpMeta, packet: &[u8]) -> PuntClass {
    let ports = [meta.source_port, meta.destination_port];
    match meta.protocol {
        protocol::VRRP => PuntClass::Liveness,
        protocol::OSPF => PuntClass::Routing,
        protocol::TCP if ports.contains(&179) => PuntClass::Routing,
        protocol::ICMPV6 if (133..=137).contains(&(meta.source_port >> 8)) => PuntClass::Routing,
        // RFC 5881, 5883, 7130: single hop, echo, multihop, LAG.
        protocol::UDP if matches!(meta.destination_port, 3784 | 3785 | 4784 | 6784) => {
            PuntClass::Liveness
        }
        protocol::UDP if meta.destination_port == IKE_PORT => {
            ike_class(meta.payload(packet), UDP_HEADER_OCTETS)
        }
        protocol::UDP if meta.destination_port == UDP_ENCAP_PORT => {
            ike_class(meta.payload(packet), UDP_HEADER_OCTETS + 4)
        }
        _ => PuntClass::Other,
    }
}

fn ike_class(udp: &[u8], message_at: usize) -> PuntClass {
    match udp.get(message_at..).and_then(ike_responder_spi) {
        Some(0) | None => PuntClass::IkeInit,
        Some(_) => PuntClass::Ike,
    }
}

/// What a datagram to UDP port 4500 is.
pub fn udp_encap(meta: &IpMeta, packet: &[u8]) -> UdpEncap {
    match meta.payload(packet).get(UDP_HEADER_OCTETS..) {
        Some(payload) => classify_udp_encap(payload),
        None => UdpEncap::Malformed,
    }
}

/// A packet for the host.
#[derive(Debug)]
pub struct Punted<B> {
    /// An Ethernet frame without tags for a unit, an IP packet for a tunnel.
    pub buf: B,
    /// The twin it goes to.
    pub interface: IfIndex,
}

/// The rings between the workers and the punt thread.
#[derive(Debug)]
pub struct PuntRings<B>([ArrayQueue<Punted<B>>; CLASSES]);

impl<B> Default for PuntRings<B> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| ArrayQueue::new(RING_PACKETS)))
    }
}

impl<B> PuntRings<B> {
    /// Adds a packet; gives it back when the ring is full.
    pub fn push(&self, class: PuntClass, packet: Punted<B>) -> Result<(), Punted<B>> {
        self.0[class as usize].push(packet)
    }

    /// The next packet of the most urgent class that has one.
    pub fn pop(&self) -> Option<(PuntClass, Punted<B>)> {
        ALL_CLASSES
            .iter()
            .find_map(|class| self.0[*class as usize].pop().map(|packet| (*class, packet)))
    }

    /// Whether all rings are empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(ArrayQueue::is_empty)
    }
}
