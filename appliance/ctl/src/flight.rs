//! The flight recorder: what became of the last packets of one tunnel.
//!
//! It keeps addresses, ports, SPIs and numbers, and nothing of what packets carry.

use crate::capture::EspLink;
use crate::sa::Outer;
use ravelin_types::PairId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What is asked of the flight recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlightOrder {
    /// Record this tunnel from now on, and no other; answered by [`DaemonReply::Done`] with the number of its SA pairs.
    ///
    /// [`DaemonReply::Done`]: crate::operator::DaemonReply::Done
    Start(FlightChoice),
    /// Record nothing any more; what was recorded stays.
    Stop,
    /// What was recorded.
    Show,
}

/// Which tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlightChoice {
    /// The one of this SA pair.
    Pair(PairId),
    /// Those of this peer.
    Peer(IpAddr),
}

/// What the flight recorder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flight {
    /// Whether it records.
    pub recording: bool,
    /// The tunnel's outer addresses at the start; nothing before the first start.
    pub tunnel: Option<Outer>,
    /// The pairs at the start. Their successors have the same addresses and selectors.
    pub pairs: Vec<PairId>,
    /// Oldest first.
    pub records: Vec<FlightRecord>,
}

/// What was done with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightRecord {
    /// Microseconds since 1970.
    pub time_us: u64,
    /// The stage of the data plane that did it.
    pub stage: String,
    /// What it did.
    pub outcome: Outcome,
    /// The tunnel that encrypts or decrypts, the unit that a packet left by, or the one that a discarded one came in by.
    pub interface: String,
    /// Length in octets.
    pub octets: u32,
    /// Source address and port.
    pub source: (IpAddr, Option<u16>),
    /// Destination address and port.
    pub destination: (IpAddr, Option<u16>),
    /// IP protocol.
    pub protocol: u8,
    /// The ESP packet that it is, or that carries it.
    pub esp: Option<EspLink>,
}

/// What was done with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was encrypted.
    Encrypted,
    /// It was decrypted, is authentic and inside its selectors.
    Decrypted,
    /// It was handed to a port.
    Sent,
    /// It was discarded; the name of the reason.
    Dropped(String),
}
