//! SAs as operators see them.

use ravelin_types::{Identity, IpsecMode, IpsecProtocol, PairId, Spi, TrafficSelector, UnitName};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

use crate::sa::PairCounters;

/// An IKE SA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IkeSa {
    /// Index for other commands.
    pub index: u64,
    /// Gateway it was matched to, if known already.
    pub gateway: Option<String>,
    /// Routing instance, unless it is the default one.
    pub instance: Option<String>,
    /// `UP` or the name of the present exchange.
    pub state: String,
    /// Whether we started it.
    pub initiator: bool,
    /// SPIs ("cookies" to Junos users).
    pub initiator_spi: u64,
    /// Responder's SPI.
    pub responder_spi: u64,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Who we are.
    pub local_identity: Option<Identity>,
    /// Who the peer proved to be.
    pub remote_identity: Option<Identity>,
    /// Encryption, integrity, PRF, group, by name.
    pub encryption: String,
    /// Integrity, absent for AEAD.
    pub integrity: Option<String>,
    /// PRF.
    pub prf: String,
    /// Group.
    pub dh_group: String,
    /// The post-quantum pre-shared key in its keys, by its identifier (RFC 8784).
    pub ppk: Option<String>,
    /// Whether a NAT lies between.
    pub nat: bool,
    /// Addresses that the peer has from a pool.
    pub leases: Vec<IpAddr>,
    /// Whether the tunnel moves with the addresses of its ends (RFC 4555).
    pub mobike: bool,
    /// Seconds since it came up.
    pub age_s: u64,
    /// Seconds until rekey.
    pub rekey_s: u64,
    /// Seconds until it expires.
    pub lifetime_s: u64,
    /// Child SAs.
    pub children: u32,
    /// Exchanges handled.
    pub messages_in: u64,
    /// Messages sent.
    pub messages_out: u64,
    /// Retransmissions sent.
    pub retransmissions: u64,
}

/// A child SA pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IpsecSa {
    /// Its identity.
    pub pair: PairId,
    /// Index of its IKE SA.
    pub ike_index: u64,
    /// VPN.
    pub vpn: String,
    /// Gateway.
    pub gateway: String,
    /// Routing instance of the outer packets, unless it is the default one.
    pub outer_instance: Option<String>,
    /// That of the inner ones.
    pub inner_instance: Option<String>,
    /// Its tunnel interface.
    pub tunnel: UnitName,
    /// Our outer address and port.
    pub local: SocketAddr,
    /// The peer's outer address and port.
    pub remote: SocketAddr,
    /// Whether ESP rides in UDP.
    pub udp_encapsulated: bool,
    /// Our SPI.
    pub inbound_spi: Spi,
    /// The peer's SPI.
    pub outbound_spi: Spi,
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Tunnel or transport.
    pub mode: IpsecMode,
    /// Cipher by name.
    pub encryption: String,
    /// Integrity by name; `None` with an AEAD.
    pub integrity: Option<String>,
    /// Extended sequence numbers.
    pub extended_sequence: bool,
    /// Our selectors.
    pub local_ts: Vec<TrafficSelector>,
    /// The peer's selectors.
    pub remote_ts: Vec<TrafficSelector>,
    /// The peer's resource that it is bound to (RFC 9611).
    pub resource: Option<String>,
    /// Whether it encrypts (a rekeyed pair stands by at first).
    pub outbound_active: bool,
    /// Seconds until rekey.
    pub rekey_s: u64,
    /// Seconds until it expires.
    pub lifetime_s: u64,
    /// Octets left to the busier direction until it expires; `None` without a limit.
    pub octets_left: Option<u64>,
    /// Packets likewise.
    pub packets_left: Option<u64>,
    /// Anti-replay window in packets.
    pub replay_window: u32,
    /// Identity the peer proved.
    pub remote_identity: Option<Identity>,
    /// Traffic, when planed answered.
    pub counters: Option<PairCounters>,
}
