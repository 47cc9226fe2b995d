//! planed asks the device holder for TAP and TUN twins that outlive it.

use ravelin_types::UnitName;
use serde::{Deserialize, Serialize};

/// A request to netd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Make the twin if it is absent, and give it these properties; answered by [`Reply::Device`].
    Ensure(Device),
    /// Remove the twin.
    Remove(UnitName),
    /// All twins; answered by [`Reply::Devices`].
    List,
}

/// A twin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Whose twin it is; its kernel name follows from it.
    pub unit: UnitName,
    /// TAP with this MAC, or TUN when `None`.
    pub mac: Option<[u8; 6]>,
    /// MTU in octets, without the Ethernet header.
    pub mtu_octets: u32,
    /// Whether the link behind it is up.
    pub carrier: bool,
}

/// What netd answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The twin exists: its kernel name and interface index.
    Device {
        /// Kernel name.
        name: String,
        /// Interface index.
        ifindex: u32,
    },
    /// All twins.
    Devices(Vec<Device>),
    /// Done.
    Done,
    /// Refused; the text names the device and the reason.
    Failed(String),
}
