//! The plain values that [`crate::Port`] takes and gives: settings, capabilities, link, counters.

use std::fmt;

use crate::offload::{RxOffloads, TxOffloads};

/// Six octets, as on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a port shall run. Offloads are wishes: what the device lacks is left out, see [`crate::Port::offloads`].
#[derive(Clone, Copy, Debug)]
pub struct PortConfig {
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Descriptors per receive queue; adjusted to the device's limits.
    pub rx_descriptors: u16,
    /// Descriptors per transmit queue; adjusted likewise.
    pub tx_descriptors: u16,
    /// Layer 3 MTU in octets; `None` keeps the device's own.
    pub mtu_octets: Option<u16>,
    /// Receive offloads to use where present.
    pub rx_offloads: RxOffloads,
    /// Transmit offloads to use where present.
    pub tx_offloads: TxOffloads,
}

impl Default for PortConfig {
    fn default() -> Self {
        PortConfig {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu_octets: None,
            rx_offloads: RxOffloads::NONE,
            tx_offloads: TxOffloads::NONE,
        }
    }
}

/// What a device offers.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Name of its driver.
    pub driver: String,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Largest MTU in octets.
    pub max_mtu_octets: u16,
    /// Receive offloads.
    pub rx_offloads: RxOffloads,
    /// Transmit offloads.
    pub tx_offloads: TxOffloads,
    /// Whether it can spread flows over queues.
    pub rss: bool,
    /// Whether it has a security context (inline IPsec).
    pub security: bool,
    /// NUMA node, -1 when any.
    pub socket: i32,
}

/// State of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Carrier.
    pub up: bool,
    /// Speed in Mbit/s; `u32::MAX` when unknown.
    pub speed_mbps: u32,
    /// Full duplex.
    pub full_duplex: bool,
}

/// Counters of a port since start or reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Octets received.
    pub rx_octets: u64,
    /// Octets sent.
    pub tx_octets: u64,
    /// Packets lost because no descriptor was free.
    pub rx_missed: u64,
    /// Packets received with errors.
    pub rx_errors: u64,
    /// Packets that failed to be sent.
    pub tx_errors: u64,
    /// Receptions that failed because the pool was empty.
    pub rx_no_buffer: u64,
}
