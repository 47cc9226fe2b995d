//! `interfaces`.

use super::read::{present, text, texts};
use ravelin_types::{ParseError, Prefix, UnitName};
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(super) struct Interfaces {
    #[serde(default)]
    pub interface: Vec<Interface>,
}

/// A port, `fxp0`, `st0` or `lo0`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interface {
    /// `ge-0/0/0`, `fxp0`, `st0`, `lo0`.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// PCI address or virtual device of a port; the NIC of its name when absent.
    pub device: Option<String>,
    /// Driver of that NIC, when the operator chooses it.
    pub driver: Option<String>,
    /// MTU of a port in octets.
    pub mtu: Option<u16>,
    /// Logical units.
    #[serde(default)]
    pub unit: Vec<Unit>,
}

/// A logical unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unit {
    /// Its number.
    pub number: u32,
    /// Text for people.
    pub description: Option<String>,
    /// VLAN tag.
    pub vlan_id: Option<u16>,
    /// Two VLAN tags.
    pub vlan_tags: Option<VlanTags>,
    /// Prefixes that only peers of this tunnel own.
    #[serde(default, deserialize_with = "texts")]
    pub protected_prefix: Vec<Prefix>,
    #[serde(default)]
    family: Families,
}

/// `vlan-tags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct VlanTags {
    /// Outer one.
    pub outer: u16,
    /// Inner one.
    pub inner: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct Families {
    inet: Option<Family>,
    inet6: Option<Family>,
}

/// An address family of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Family {
    /// Its MTU in octets.
    pub mtu: Option<u16>,
    /// Whether addresses come from the network, for `fxp0`.
    #[serde(default, deserialize_with = "present")]
    pub dhcp: bool,
    #[serde(default)]
    address: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Address {
    #[serde(deserialize_with = "text")]
    name: InterfaceAddress,
}

/// An address of this node with the length of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network.
    pub length: u8,
}

impl FromStr for InterfaceAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new(text, "an address with its prefix length");
        let (address, length) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let length: u8 = length.parse().map_err(|_| bad())?;
        match Prefix::new(address, length) {
            Some(_) => Ok(Self { address, length }),
            None => Err(bad()),
        }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Interface {
    /// The name of a unit of this interface.
    pub fn unit_name(&self, unit: &Unit) -> UnitName {
        UnitName::new(self.name.clone(), unit.number)
    }
}

impl Unit {
    /// `family inet`.
    pub fn inet(&self) -> Option<&Family> {
        self.family.inet.as_ref()
    }

    /// `family inet6`.
    pub fn inet6(&self) -> Option<&Family> {
        self.family.inet6.as_ref()
    }

    /// Addresses of both families, IPv4 first, each in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = InterfaceAddress> + '_ {
        let families = [self.inet(), self.inet6()].into_iter().flatten();
        families.flat_map(|f| f.address.iter().map(|a| a.name))
    }

    /// The least MTU that a family of it states, in octets.
    pub fn mtu(&self) -> Option<u16> {
        let families = [self.inet(), self.inet6()].into_iter().flatten();
        families.filter_map(|f| f.mtu).min()
    }
}
