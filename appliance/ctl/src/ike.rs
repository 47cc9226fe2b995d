//! iked's part of the configuration.

use ravelin_types::{
    DhGroup, EspTransform, Identity, IkeSuite, NodeId, Prefix, SecretBytes, Volume, VrfId,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use crate::sa::{DfBit, TfcPadding};

/// `hold-time` when none is configured.
pub const DEFAULT_HOLD_S: u32 = 10;

/// All that iked needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IkeConfig {
    /// This node of an HA pair.
    pub node: NodeId,
    /// Gateways in the order of the configuration; the first that fits a peer is taken.
    pub gateways: Vec<GatewayConfig>,
    /// How long `ari-ts` routes stay without a planed that forwards, in seconds.
    pub hold_s: u32,
}

impl Default for IkeConfig {
    fn default() -> Self {
        Self {
            node: NodeId::default(),
            gateways: Vec::new(),
            hold_s: DEFAULT_HOLD_S,
        }
    }
}

/// `security ike gateway`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// Name.
    pub name: String,
    /// Routing instance of the outer packets.
    pub vrf: VrfId,
    /// Our addresses, where we listen.
    pub local_addresses: Vec<IpAddr>,
    /// Who may connect.
    pub remote: RemotePeer,
    /// Who we are; our address when `None`.
    pub local_identity: Option<Identity>,
    /// Proposals in order of preference.
    pub proposals: Vec<IkeProposal>,
    /// Pre-shared key.
    pub pre_shared_key: SecretBytes,
    /// Dead peer detection.
    pub dead_peer_detection: Option<DeadPeerDetection>,
    /// Seconds between NAT keepalives, 0 for none.
    pub nat_keepalive_s: u16,
    /// Tunnels through this gateway.
    pub vpns: Vec<VpnConfig>,
}

/// Who may connect to a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RemotePeer {
    /// One peer at a known address, with the identity it must prove (its address when `None`).
    Static {
        /// Its address.
        address: IpAddr,
        /// Its identity.
        identity: Option<Identity>,
    },
    /// Any number of peers whose FQDN ends in `.suffix` or equals it (`dynamic hostname`, `ike-user-type group-ike-id`).
    HostnameSuffix(String),
    /// Any number of peers with exactly this identity (`ike-user-type shared-ike-id`, or one peer of unknown address).
    Identity(Identity),
}

/// `security ike proposal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeProposal {
    /// Algorithms.
    pub suite: IkeSuite,
    /// Lifetime of the IKE SA in seconds.
    pub lifetime_s: u32,
}

/// When to probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DpdMode {
    /// When traffic went out and nothing came in.
    Optimized,
    /// When the tunnel is idle in both directions too.
    ProbeIdleTunnel,
    /// Always.
    AlwaysSend,
}

/// `dead-peer-detection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadPeerDetection {
    /// When.
    pub mode: DpdMode,
    /// Seconds between probes.
    pub interval_s: u16,
    /// Unanswered probes until the peer is dead.
    pub threshold: u8,
}

/// `security ipsec vpn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VpnConfig {
    /// Name.
    pub name: String,
    /// N of `bind-interface st0.N`.
    pub tunnel_unit: u32,
    /// Routing instance of the inner packets.
    pub inner_vrf: VrfId,
    /// ESP proposals in order of preference.
    pub proposals: Vec<EspProposal>,
    /// Group of `perfect-forward-secrecy`.
    pub pfs: Option<DhGroup>,
    /// Traffic selectors; one child SA each when we initiate. Never empty: 0.0.0.0/0 and ::/0 when none is configured.
    pub selectors: Vec<SelectorPair>,
    /// Anti-replay window in packets, 0 for none.
    pub replay_window: u32,
    /// DF policy.
    pub df_bit: DfBit,
    /// DSCP of the outer header; else the inner packet's.
    pub outer_dscp: Option<u8>,
    /// The outer header's DSCP goes inside at decapsulation (the uniform model of RFC 2983); else the inner packet keeps its own.
    pub copy_outer_dscp: bool,
    /// Padding against traffic analysis, for tunnel mode of ESP.
    pub tfc_padding: Option<TfcPadding>,
    /// Inner MTU in octets.
    pub tunnel_mtu_octets: Option<u16>,
    /// Who starts.
    pub establish: Establish,
}

/// `security ipsec proposal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspProposal {
    /// Algorithms.
    pub transform: EspTransform,
    /// Extended sequence numbers.
    pub extended_sequence: bool,
    /// Lifetime in seconds.
    pub lifetime_s: u32,
    /// Lifetime in octets and packets of each direction.
    pub volume: Volume,
}

/// `traffic-selector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectorPair {
    /// Name.
    pub name: String,
    /// Our side.
    pub local: Prefix,
    /// The peer's side.
    pub remote: Prefix,
}

/// `establish-tunnels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Establish {
    /// As soon as the configuration is applied, and again after each loss.
    Immediately,
    /// Never by us.
    ResponderOnly,
}
