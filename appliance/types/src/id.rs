//! Numeric identifiers, each a type of its own so that they cannot be mixed up.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A routing instance. Every table key of the data plane carries one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct VrfId(pub u16);

impl VrfId {
    /// The default routing instance (`inet.0`).
    pub const DEFAULT: VrfId = VrfId(0);
}

/// Routing instances beside the default one at most; their numbers are 1 to this.
pub const MAX_INSTANCES: usize = 63;

/// A committed configuration, counted from 1; 0 is the factory-empty configuration.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One run of one daemon: a random number drawn at its start. A changed instance means that its state was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InstanceId(pub u64);

/// The node of an HA pair that allocated an SPI or an IV epoch: 0..=3 (two bits on the wire).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct NodeId(u8);

impl NodeId {
    /// `None` above 3.
    pub const fn new(node: u8) -> Option<Self> {
        if node < 4 { Some(Self(node)) } else { None }
    }

    /// 0..=3.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A child SA pair (one inbound and one outbound SA), unique for one life of the vault; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PairId(pub u64);

/// What `ike` calls a child SA; the data plane calls the same thing a pair.
pub type ChildId = PairId;
