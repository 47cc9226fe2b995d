//! The host path: packets addressed to us leave the workers through bounded rings, one per class, and a punt thread carries them to
//! the TAP and TUN twins in strict order of the classes (design decision D9a). ESP, AH and ESP in UDP never come here.

use crossbeam_queue::ArrayQueue;
use ravelin_types::Time;
use ravelin_wire::esp::{
    IKE_PORT, UDP_ENCAP_PORT, UdpEncap, classify_udp_encap, ike_responder_spi,
};
use ravelin_wire::ip::{Brief, UDP_HEADER_OCTETS, protocol};

use crate::drop::DropReason;
use crate::policer::{Policer, SharedPolicer};
use crate::tables::IfIndex;

/// Classes, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PuntClass {
    /// BFD and VRRP: lost ones take links down.
    Liveness,
    /// BGP and OSPF.
    Routing,
    /// ARP and neighbour discovery of stations that are neighbours already or were asked for.
    Neighbour,
    /// IKE with a responder SPI: SAs that exist.
    Ike,
    /// IKE_SA_INIT.
    IkeInit,
    /// ARP and neighbour discovery of stations that nobody knows.
    Stranger,
    /// Everything else for the host.
    Other,
}

/// How many classes there are.
pub const CLASSES: usize = 7;
/// Packets a ring holds: some milliseconds of the class's rate.
pub const RING_PACKETS: usize = 1024;

/// All classes in order.
pub const ALL_CLASSES: [PuntClass; CLASSES] = [
    PuntClass::Liveness,
    PuntClass::Routing,
    PuntClass::Neighbour,
    PuntClass::Ike,
    PuntClass::IkeInit,
    PuntClass::Stranger,
    PuntClass::Other,
];

impl PuntClass {
    /// The counter of what its policer refuses.
    pub fn policed(self) -> DropReason {
        match self {
            PuntClass::Liveness => DropReason::PuntLiveness,
            PuntClass::Routing => DropReason::PuntRouting,
            PuntClass::Neighbour => DropReason::PuntNeighbour,
            PuntClass::Ike => DropReason::PuntIke,
            PuntClass::IkeInit => DropReason::PuntIkeInit,
            PuntClass::Stranger => DropReason::PuntStranger,
            PuntClass::Other => DropReason::PuntOther,
        }
    }

    /// Who shares the rate, and rate per second and burst. Those of peers that are known hold for each worker, because one worker may
    /// have all of them: they are sized from the limits (5,000 BFD sessions at 10 per second, 65,536 neighbours and as many SAs).
    /// Those that anybody can use up hold for the node: what the host stack takes beside the others, what iked answers, and, for
    /// strangers, what the kernel's neighbour table forgets as fast (it keeps an entry for at least 5 s and holds 65,536).
    const fn rate(self) -> (Share, u64, u64) {
        match self {
            PuntClass::Liveness => (Share::Worker, 60_000, 4_096),
            PuntClass::Routing => (Share::Worker, 20_000, 1_024),
            PuntClass::Neighbour => (Share::Worker, 10_000, 1_024),
            PuntClass::Ike => (Share::Worker, 20_000, 1_024),
            PuntClass::IkeInit => (Share::Node, 5_000, 512),
            PuntClass::Stranger => (Share::Node, 1_000, 256),
            PuntClass::Other => (Share::Node, 20_000, 512),
        }
    }
}

/// Whom a rate holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Worker,
    Node,
}

/// The policers of one worker.
#[derive(Debug)]
pub struct Policers([Policer; CLASSES]);

impl Default for Policers {
    fn default() -> Self {
        Self(ALL_CLASSES.map(|class| {
            let (_, rate_per_s, burst) = class.rate();
            Policer::new(rate_per_s, burst)
        }))
    }
}

impl Policers {
    /// Whether one more packet of the class may pass; `rings` know what the other workers let pass.
    pub fn allow<B>(&mut self, rings: &PuntRings<B>, class: PuntClass, now: Time) -> bool {
        match class.rate() {
            (Share::Worker, ..) => self.0[class as usize].allow(now),
            (Share::Node, ..) => rings.policers[class as usize].allow(now),
        }
    }
}

/// TTL and hop limit of packets that no router has forwarded.
const FROM_THIS_LINK: u8 = 255;

/// The class of an IP packet addressed to us; `packet` starts at its header. Whether neighbour discovery is a stranger's is for the
/// caller to say.
///
/// Protocols that never cross a router prove it by their TTL (RFC 5881 section 5, RFC 9568 section 5.1.1.3, RFC 4861 section 7.1):
/// without it they are anybody's, and their daemons would not take them either.
pub fn classify(meta: Brief, packet: &[u8]) -> PuntClass {
    let (source_port, destination_port) = meta.ports(packet).unwrap_or_default();
    let near = meta.ttl() == FROM_THIS_LINK;
    match meta.protocol() {
        protocol::VRRP if near => PuntClass::Liveness,
        protocol::OSPF => PuntClass::Routing,
        protocol::TCP if source_port == 179 || destination_port == 179 => PuntClass::Routing,
        protocol::ICMPV6 if near && (133..=137).contains(&(source_port >> 8)) => {
            PuntClass::Neighbour
        }
        // RFC 5881, 7130: single hop, echo, LAG.
        protocol::UDP if near && matches!(destination_port, 3784 | 3785 | 6784) => {
            PuntClass::Liveness
        }
        // RFC 5883: multihop.
        protocol::UDP if destination_port == 4784 => PuntClass::Liveness,
        protocol::UDP if destination_port == IKE_PORT => {
            ike_class(meta.payload(packet), UDP_HEADER_OCTETS)
        }
        protocol::UDP if destination_port == UDP_ENCAP_PORT => {
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
pub fn udp_encap(meta: Brief, packet: &[u8]) -> UdpEncap {
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

/// The rings between the workers and the punt thread, and what the workers share to police them.
#[derive(Debug)]
pub struct PuntRings<B> {
    rings: [ArrayQueue<Punted<B>>; CLASSES],
    policers: [SharedPolicer; CLASSES],
}

impl<B> Default for PuntRings<B> {
    fn default() -> Self {
        Self {
            rings: std::array::from_fn(|_| ArrayQueue::new(RING_PACKETS)),
            policers: ALL_CLASSES.map(|class| {
                let (_, rate_per_s, burst) = class.rate();
                SharedPolicer::new(rate_per_s, burst)
            }),
        }
    }
}

impl<B> PuntRings<B> {
    /// Adds a packet; gives it back when the ring is full.
    pub fn push(&self, class: PuntClass, packet: Punted<B>) -> Result<(), Punted<B>> {
        self.rings[class as usize].push(packet)
    }

    /// The next packet of the most urgent class that has one.
    pub fn pop(&self) -> Option<(PuntClass, Punted<B>)> {
        ALL_CLASSES.iter().find_map(|class| {
            self.rings[*class as usize]
                .pop()
                .map(|packet| (*class, packet))
        })
    }

    /// Whether all rings are empty.
    pub fn is_empty(&self) -> bool {
        self.rings.iter().all(ArrayQueue::is_empty)
    }
}
