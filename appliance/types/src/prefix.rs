//! IP prefixes of both families.

use crate::ParseError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 or IPv6 prefix in canonical form: the host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix {
    addr: IpAddr,
    len: u8,
}

impl Prefix {
    /// The prefix of `len` bits that holds `addr`; `None` when `len` exceeds the family's 32 or 128.
    pub fn new(addr: IpAddr, len: u8) -> Option<Self> {
        if len > width(addr) {
            return None;
        }
        let addr = match addr {
            IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from(u32::from(a) & mask(len, 32) as u32)),
            IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) & mask(len, 128))),
        };
        Some(Self { addr, len })
    }

    /// The /32 or /128 of one address.
    pub fn host(addr: IpAddr) -> Self {
        Self {
            addr,
            len: width(addr),
        }
    }

    /// The first address.
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The length in bits.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether this is 0.0.0.0/0 or ::/0.
    pub fn is_default(&self) -> bool {
        self.len == 0
    }

    /// Always false: a prefix holds at least one address. (Pairs with [`Prefix::len`].)
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The last address.
    pub fn last(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(a) => {
                IpAddr::V4(Ipv4Addr::from(u32::from(a) | !(mask(self.len, 32) as u32)))
            }
            IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from(u128::from(a) | !mask(self.len, 128))),
        }
    }

    /// Whether `addr` lies within.
    pub fn contains(&self, addr: IpAddr) -> bool {
        Prefix::new(addr, self.len).is_some_and(|p| p == *self)
    }

    /// Whether the whole of `other` lies within.
    pub fn covers(&self, other: &Prefix) -> bool {
        self.len <= other.len && self.contains(other.addr)
    }
}

fn width(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

/// The mask of `len` leading bits within `width` bits.
fn mask(len: u8, width: u8) -> u128 {
    if len == 0 {
        return 0;
    }
    let ones = u128::MAX >> (128 - u32::from(width));
    (ones << (width - len)) & ones
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl FromStr for Prefix {
    type Err = ParseError;

    /// Parses `addr/len` with zero host bits, or a bare address as its host prefix.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new(text, "an IP prefix");
        let Some((addr, len)) = text.split_once('/') else {
            return text.parse().map(Prefix::host).map_err(|_| bad());
        };
        let addr: IpAddr = addr.parse().map_err(|_| bad())?;
        let prefix = Prefix::new(addr, len.parse().map_err(|_| bad())?).ok_or_else(bad)?;
        if prefix.addr == addr {
            Ok(prefix)
        } else {
            Err(ParseError::new(text, "an IP prefix without host bits"))
        }
    }
}

#[cfg(test)]
mod tests;
