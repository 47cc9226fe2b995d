//! planed asks the device holder for TAP and TUN twins that outlive it, and for signal routes that do not: they stand while
//! planed says so, on a connection of their own, and say it again and again.

use ravelin_types::UnitName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How often planed repeats [`Request::Signal`].
pub const SIGNAL_BEAT: Duration = Duration::from_millis(250);
/// Silence after which netd withdraws the signal routes of a connection: six beats, so that a busy host does not flap them, and still
/// within the three seconds in which BFD and BGP peers act by themselves.
pub const SIGNAL_SILENCE: Duration = Duration::from_millis(1_500);
/// Signal routes of one request: two families for each redundancy group and some more.
pub const MAX_SIGNAL_ROUTES: usize = 64;

/// A request to netd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Make the twin if it is absent, and give it these properties; answered by [`Reply::Device`].
    Ensure(Device),
    /// Remove the twin.
    Remove(UnitName),
    /// All twins; answered by [`Reply::Devices`].
    List,
    /// These signal routes, and no others of this connection, stand from now on: until the next such request, the end of the
    /// connection, or [`SIGNAL_SILENCE`]. Answered by [`Reply::Done`].
    Signal(Vec<IpAddr>),
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
