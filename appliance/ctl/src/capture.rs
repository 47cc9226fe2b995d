//! Captures of packets (`monitor traffic`), as the CLI asks for them and planed answers.
//!
//! A capture is begun, taken from until it has given enough, and ended. It ends by itself when nobody takes from it: so a client that
//! has gone needs no message. Nothing here holds a key.

use ravelin_types::{PairId, Prefix, Spi};
use serde::{Deserialize, Serialize};

/// Steps of a filter: far more than anybody types, and no work for a worker.
pub const MAX_FILTER_STEPS: usize = 64;
/// Least octets kept of a packet: Ethernet with two tags, IPv6, UDP and the head of ESP.
pub const MIN_CAPTURE_OCTETS: u32 = 96;
/// Most octets kept of a packet: a jumbo frame.
pub const MAX_CAPTURE_OCTETS: u32 = 9_216;
/// Octets kept of a packet when nothing is said: headers, and the beginning of what they carry.
pub const CAPTURE_OCTETS: u32 = 256;
/// Name that stands for every port and every tunnel.
pub const ALL_INTERFACES: &str = "all";

/// Number of a capture, unique in one life of planed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureId(pub u64);

/// What is asked of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaptureOrder {
    /// Begin one; answered by [`CaptureReply::Begun`].
    Begin(CaptureSpec),
    /// What it has caught since the last time; answered by [`CaptureReply::Taken`].
    Take(CaptureId),
    /// End it; answered by [`CaptureReply::Taken`] with what is left.
    End(CaptureId),
}

/// What to catch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureSpec {
    /// Ports, units and tunnels by name, or [`ALL_INTERFACES`].
    pub interfaces: Vec<String>,
    /// Which packets; all when it is empty.
    pub filter: Filter,
    /// Octets kept of each packet.
    pub size_octets: u32,
}

/// A filter in postfix order: tests push, `and`, `or` and `not` take what was pushed last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter(pub Vec<Step>);

impl Filter {
    /// Whether every operator finds what it needs and one verdict is left, or there is no step at all.
    pub fn is_sound(&self) -> bool {
        let depth = self.0.iter().try_fold(0_usize, |depth, step| match step {
            Step::Test(_) => Some(depth + 1),
            Step::Not => (depth >= 1).then_some(depth),
            Step::And | Step::Or => (depth >= 2).then(|| depth - 1),
        });
        self.0.len() <= MAX_FILTER_STEPS && (depth == Some(1) || self.0.is_empty())
    }
}

/// A step of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Asks the packet.
    Test(Test),
    /// Both of the last two.
    And,
    /// One of the last two.
    Or,
    /// Not the last one.
    Not,
}

/// A question to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Test {
    /// An address lies in this prefix.
    Net(End, Prefix),
    /// A port.
    Port(End, u16),
    /// IP protocol.
    Protocol(u8),
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// ARP.
    Arp,
    /// ESP, also in UDP.
    Esp,
    /// ESP with this SPI; an inner packet that goes or came under it.
    Spi(Spi),
}

/// Which end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Its source.
    Source,
    /// Its destination.
    Destination,
    /// One of them.
    Either,
}

/// Answers about a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaptureReply {
    /// It runs.
    Begun {
        /// Its number.
        id: CaptureId,
        /// What it listens to; packets name these by their place.
        interfaces: Vec<CaptureInterface>,
    },
    /// Packets in the order of their time.
    Taken(Taken),
}

/// An interface of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureInterface {
    /// Its name.
    pub name: String,
    /// Whether packets start with an Ethernet header; else with an IP header.
    pub ethernet: bool,
}

/// What was caught.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Taken {
    /// Packets.
    pub packets: Vec<Captured>,
    /// Packets that the filter chose and the rings had no room for, since the beginning.
    pub lost: u64,
    /// There is more, at once.
    pub more: bool,
    /// It has ended by itself: its time is up.
    pub ended: bool,
}

/// A packet that was caught.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Microseconds since 1970.
    pub time_us: u64,
    /// Place of its interface in the list of the capture.
    pub interface: u16,
    /// Whether it left.
    pub outbound: bool,
    /// Its length; more than `data` when that was cut.
    pub octets: u32,
    /// The ESP packet that it is, or that carries it.
    pub esp: Option<EspLink>,
    /// Its first octets.
    pub data: Vec<u8>,
}

/// What an inner packet and its ESP packet have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspLink {
    /// The SA pair, when the SPI is one of ours or of a peer of ours.
    pub pair: Option<PairId>,
    /// SPI as on the wire.
    pub spi: Spi,
    /// Sequence number as on the wire: its low 32 bits.
    pub sequence: u32,
}
