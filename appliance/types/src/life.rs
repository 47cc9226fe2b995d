//! How much an SA may carry in its life (RFC 4301 section 4.4.2.1). iked decides it, planed counts; time is iked's alone.

use serde::{Deserialize, Serialize};

/// A kilobyte of a lifetime (RFC 2407 section 4.5: units of 1,024 octets).
pub const LIFE_KILOBYTE_OCTETS: u64 = 1024;

/// Traffic of one direction of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Octets that the cipher has worked on; `u64::MAX` for no limit.
    pub octets: u64,
    /// Packets; `u64::MAX` for no limit.
    pub packets: u64,
}

impl Volume {
    /// No limit.
    pub const UNLIMITED: Volume = Volume {
        octets: u64::MAX,
        packets: u64::MAX,
    };

    /// Whether a direction that has carried `used` has come to this limit.
    pub fn is_reached(self, used: Volume) -> bool {
        used.octets >= self.octets || used.packets >= self.packets
    }
}

impl Default for Volume {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// The limits of each direction of an SA pair: at the soft one it is rekeyed, at the hard one it stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeLife {
    /// Time for a rekey.
    pub soft: Volume,
    /// The end.
    pub hard: Volume,
}

impl VolumeLife {
    /// Whether there is anything to watch.
    pub fn is_limited(&self) -> bool {
        self.hard != Volume::UNLIMITED
    }
}

#[cfg(test)]
mod tests;
