//! Names of logical units, and the kernel's names of their TAP and TUN twins.
//!
//! `ge-0/0/0.100` is `ge-0-0-0.100` to the kernel, unit 0 without its suffix: `ge-0-0-0`, `st0-0` for `st0.0`. A name
//! above 15 octets (IFNAMSIZ less the terminator) becomes its first 6 octets, `~` and 8 hexadecimal digits of its FNV-1a hash.
//! The VRF device of a routing instance has the instance's name, which is what FRR calls the VRF, cut by the same rule.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Octets of a kernel interface name, without the terminator.
pub const MAX_KERNEL_NAME_OCTETS: usize = 15;

/// A logical unit: `ge-0/0/0.0`, `ae1.100`, `st0.0`, `lo0.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitName {
    /// The port or pseudo-interface: `ge-0/0/0`, `ae1`, `st0`, `lo0`.
    pub port: String,
    /// The unit number.
    pub unit: u32,
}

impl UnitName {
    /// Names unit `unit` of `port`.
    pub fn new(port: impl Into<String>, unit: u32) -> Self {
        Self {
            port: port.into(),
            unit,
        }
    }

    /// Whether this is a secure tunnel interface `st0.N`.
    pub fn is_tunnel(&self) -> bool {
        self.port == "st0"
    }

    /// Whether this is a loopback unit, whose addresses live on the kernel's `lo`.
    pub fn is_loopback(&self) -> bool {
        self.port == "lo0"
    }

    /// The kernel's name of the twin, at most [`MAX_KERNEL_NAME_OCTETS`] octets.
    pub fn kernel(&self) -> String {
        if self.is_loopback() {
            return "lo".to_owned();
        }
        let port = self.port.replace('/', "-");
        let full = match self.unit {
            unit if self.is_tunnel() => format!("{port}-{unit}"),
            0 => port,
            unit => format!("{port}.{unit}"),
        };
        cut(full)
    }
}

/// The kernel's name of the VRF device of a routing instance, at most [`MAX_KERNEL_NAME_OCTETS`] octets.
pub fn instance_device(name: &str) -> String {
    cut(name.to_owned())
}

fn cut(full: String) -> String {
    if full.len() <= MAX_KERNEL_NAME_OCTETS {
        return full;
    }
    let head: String = full.chars().take(6).collect();
    format!("{head}~{:08x}", fnv1a(full.as_bytes()))
}

/// 32-bit FNV-1a.
fn fnv1a(octets: &[u8]) -> u32 {
    octets.iter().fold(0x811c_9dc5, |hash, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    })
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.port, self.unit)
    }
}

impl FromStr for UnitName {
    type Err = ParseError;

    /// `port.unit`, or `port` alone for its unit 0.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new(text, "an interface name");
        let (port, unit) = match text.split_once('.') {
            Some((port, unit)) => (port, unit.parse().map_err(|_| bad())?),
            None => (text, 0),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '/';
        if port.is_empty()
            || !port.starts_with(|c: char| c.is_ascii_alphabetic())
            || !port.chars().all(legal)
        {
            return Err(bad());
        }
        Ok(Self::new(port, unit))
    }
}

#[cfg(test)]
mod tests;
