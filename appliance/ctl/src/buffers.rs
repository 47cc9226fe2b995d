//! Where planed's packets are (`show system buffers`).

use serde::{Deserialize, Serialize};

/// The packet pools, and what the workers made of the packets that they were given.
///
/// Packets that came from ports and from the host, and those that were made, are at any time as many as those that left, were given
/// to the host, were joined into others, were discarded under a reason, and wait for something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Buffers {
    /// The pools.
    pub pools: Vec<PoolLevel>,
    /// Packets that the workers made: fragments beyond the packet that was cut, and ICMP errors.
    pub made: u64,
    /// Fragments that went into a whole packet, beyond one for each of these.
    pub joined: u64,
}

/// A packet pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLevel {
    /// Its name.
    pub name: String,
    /// Buffers that it was made with.
    pub buffers: u32,
    /// Buffers in it. The others hold packets, or lie in the receive rings of NICs.
    pub free: u32,
}
