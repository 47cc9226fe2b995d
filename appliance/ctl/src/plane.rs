//! planed's part of the configuration.

use crate::acceleration::CryptoDevice;
use crate::instance::{RoutingInstance, bounded};
use ravelin_types::{Prefix, UnitName, VrfId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// All that planed needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlaneConfig {
    /// Data ports.
    pub ports: Vec<PortConfig>,
    /// Secure tunnel interfaces.
    pub tunnels: Vec<TunnelConfig>,
    /// Addresses where ESP is accepted: the local addresses of the IKE gateways.
    pub ike_addresses: Vec<(VrfId, IpAddr)>,
    /// What tells routers that this node serves.
    pub signals: Vec<SignalGroup>,
    /// What becomes of the segment size that TCP connections through tunnels announce; nothing without it.
    pub tcp_mss: Option<MssClamp>,
    /// Crypto devices.
    pub acceleration: Vec<CryptoDevice>,
    /// The routing instances beside the default one; at most [`ravelin_types::MAX_INSTANCES`].
    #[serde(deserialize_with = "bounded")]
    pub instances: Vec<RoutingInstance>,
}

/// The largest segment size that a TCP connection through a tunnel may announce, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MssClamp {
    /// What crosses the tunnel without fragments, as far as its path is known.
    Tunnel,
    /// Not more than these octets, and not more than what crosses the tunnel.
    Octets(u16),
}

/// The active signal routes of a `services-redundancy-group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalGroup {
    /// Number of the group.
    pub group: u32,
    /// Host routes that stand while planed forwards.
    pub addresses: Vec<IpAddr>,
    /// Ports that must have a link for it; when none is named, any port will do.
    pub monitored: Vec<String>,
}

/// Where a port's NIC is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// PCI address: `0000:00:04.0`.
    Pci(String),
    /// DPDK virtual device with its arguments: `net_af_packet0,iface=x0`.
    Vdev(String),
}

/// A data port: `ge-0/0/0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortConfig {
    /// Name of the port.
    pub name: String,
    /// Its NIC.
    pub device: Device,
    /// IP MTU in octets.
    pub mtu_octets: u16,
    /// Logical units.
    pub units: Vec<UnitConfig>,
}

/// A logical unit of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitConfig {
    /// Its name.
    pub name: UnitName,
    /// VLAN tag, the outer one of two, or untagged.
    pub vlan: Option<u16>,
    /// Inner VLAN tag of two.
    pub inner_vlan: Option<u16>,
    /// Routing instance.
    pub vrf: VrfId,
    /// Addresses with their subnet's length.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// `st0.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelConfig {
    /// N.
    pub unit: u32,
    /// Routing instance of the inner packets.
    pub vrf: VrfId,
    /// Inner MTU in octets.
    pub mtu_octets: u16,
    /// Addresses.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Prefixes that the peers may own: traffic to them leaves encrypted or not at all.
    pub protected: Vec<Prefix>,
}
