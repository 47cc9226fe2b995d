//! Addresses of hardware: a NIC's station address and its place on the PCI bus.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// An Ethernet station address; `02:00:5e:00:53:01` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether a NIC can own it: neither a group address nor zero.
    pub fn is_station(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new(text, "a MAC address");
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            *octet = hex(parts.next(), 2).ok_or_else(bad)? as u8;
        }
        match parts.next() {
            None => Ok(Mac(octets)),
            Some(_) => Err(bad()),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for Mac {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// A PCI function; `0000:00:04.0` as text. Its order is that of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// Domain; 0 on most machines, 5 digits behind some host bridges.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device on the bus, 0 to 31.
    pub device: u8,
    /// Function of the device, 0 to 7.
    pub function: u8,
}

impl FromStr for PciAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (slot, function) = text.split_once('.')?;
            let mut parts = slot.rsplit(':');
            let device = hex(parts.next(), 2).filter(|d| *d < 32)? as u8;
            let bus = hex(parts.next(), 2)? as u8;
            let domain = match parts.next() {
                None => 0,
                Some(domain) if (4..=8).contains(&domain.len()) => hex(Some(domain), domain.len())?,
                Some(_) => return None,
            };
            let function = hex(Some(function), 1).filter(|f| *f < 8)? as u8;
            let whole = parts.next().is_none();
            whole.then_some(PciAddress {
                domain,
                bus,
                device,
                function,
            })
        };
        parse().ok_or_else(|| ParseError::new(text, "a PCI address, as 0000:00:04.0"))
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PciAddress {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

impl TryFrom<String> for PciAddress {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

/// A number of exactly `digits` hexadecimal digits.
fn hex(text: Option<&str>, digits: usize) -> Option<u32> {
    let text = text.filter(|t| t.len() == digits && t.chars().all(|c| c.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
