//! iked's part of the configuration.

use ravelin_types::{
    AdditionalKe, DhGroup, EspTransform, Identity, IkeSuite, IpsecMode, IpsecProtocol, NodeId,
    Prefix, SecretBytes, Volume, VrfId,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

use crate::instance::{RoutingInstance, bounded};
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
    /// `security pki ca-profile`.
    pub ca_profiles: Vec<CaProfile>,
    /// How long `ari-ts` routes stay without a planed that forwards, in seconds.
    pub hold_s: u32,
    /// `security ike traceoptions`.
    pub trace: Option<TraceOptions>,
    /// The routing instances that gateways and VPNs refer to, the default one left out; at most
    /// [`ravelin_types::MAX_INSTANCES`].
    #[serde(deserialize_with = "bounded")]
    pub instances: Vec<RoutingInstance>,
}

/// `security ike traceoptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceOptions {
    /// Name of the file.
    pub file: String,
    /// Size at which the next one is begun.
    pub size_octets: u32,
    /// Files that are kept, 2 at least.
    pub files: u16,
    /// Messages are traced.
    pub messages: bool,
    /// What became of them is.
    pub notes: bool,
    /// Those at this address of ours.
    pub local: Option<IpAddr>,
    /// Those of these peers.
    pub remote: Option<Prefix>,
}

impl Default for IkeConfig {
    fn default() -> Self {
        Self {
            node: NodeId::default(),
            gateways: Vec::new(),
            ca_profiles: Vec::new(),
            hold_s: DEFAULT_HOLD_S,
            trace: None,
            instances: Vec::new(),
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
    /// Where the one peer is, the place that we try first before the others; `None`: any number of peers at any address.
    pub remote_addresses: Option<Vec<PeerAddress>>,
    /// Who may connect.
    pub remote: RemotePeer,
    /// Who we are.
    pub local_identity: LocalIdentity,
    /// Proposals in order of preference.
    pub proposals: Vec<IkeProposal>,
    /// How both sides prove who they are.
    pub authentication: Authentication,
    /// Dead peer detection.
    pub dead_peer_detection: Option<DeadPeerDetection>,
    /// Seconds between NAT keepalives, 0 for none.
    pub nat_keepalive_s: u16,
    /// Tunnels move with the addresses of their ends (RFC 4555).
    pub mobike: bool,
    /// Requests of a peer that may be under way at once.
    pub request_window: u8,
    /// Each so many-th rekey of an IKE SA is a new authentication; 0: none is.
    pub reauth_frequency: u8,
    /// Each end learns at once that the other has lost an IKE SA (RFC 6290).
    pub quick_crash_detection: bool,
    /// Where peers are sent that know redirects (RFC 5685).
    pub redirect: Option<Redirect>,
    /// Peers at a time.
    pub connections_limit: Option<u32>,
    /// Peers of one address at a time.
    pub connections_per_address: Option<u32>,
    /// Where peers get their addresses from.
    pub pool: Option<AddressPool>,
    /// Tunnels through this gateway.
    pub vpns: Vec<VpnConfig>,
}

/// `security ike address-pool`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPool {
    /// Name.
    pub name: String,
    /// IPv4 addresses.
    pub inet: Option<Prefix>,
    /// IPv6 addresses.
    pub inet6: Option<Prefix>,
    /// DNS servers.
    pub dns: Vec<IpAddr>,
}

/// `redirect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The other gateway.
    pub to: IpAddr,
    /// When.
    pub at: RedirectAt,
}

/// When peers are sent elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedirectAt {
    /// In IKE_SA_INIT.
    Init,
    /// In IKE_AUTH.
    Auth,
    /// When an operator says so.
    Order,
}

/// `local-identity`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LocalIdentity {
    /// Our address.
    #[default]
    Address,
    /// This one.
    Stated(Identity),
    /// The subject of our certificate.
    Subject,
}

/// How both sides prove who they are, each direction by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Authentication {
    /// For the directions without certificates.
    pub pre_shared_key: Option<SecretBytes>,
    /// Likewise, a key for each peer: the list's name in the store.
    pub key_list: Option<String>,
    /// Our certificate, by its name in the store; else we have the pre-shared key.
    pub local_certificate: Option<String>,
    /// CA profiles that say who the peers are; when empty, peers have the pre-shared key.
    pub trusted_cas: Vec<String>,
    /// Kinds of keys that certificates of both sides may have; empty: any.
    pub key_kinds: Vec<KeyKind>,
    /// Extended key usages of peers' certificates of which one suffices, in dotted decimal; empty: those of IKE.
    pub extended_key_usages: Vec<String>,
    /// Post-quantum pre-shared keys (RFC 8784), the preferred first.
    pub ppks: Vec<Ppk>,
    /// Peers that share none of them are refused.
    pub ppk_required: bool,
    /// RSA below 2048 bits and signatures with SHA-1 are accepted.
    pub allow_weak: bool,
}

impl Authentication {
    /// By one key in both directions.
    pub fn pre_shared(key: SecretBytes) -> Self {
        Self {
            pre_shared_key: Some(key),
            ..Self::default()
        }
    }
}

/// A post-quantum pre-shared key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ppk {
    /// By which both ends know it.
    pub id: Vec<u8>,
    /// The secret.
    pub key: SecretBytes,
}

/// A kind of key that `authentication-method` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// `rsa-signatures`.
    Rsa,
    /// `ecdsa-signatures-256`.
    EcdsaP256,
    /// `ecdsa-signatures-384`.
    EcdsaP384,
    /// `ecdsa-signatures-521`.
    EcdsaP521,
}

/// `security pki ca-profile`. The certificates of the CA are in the store of iked, under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaProfile {
    /// Name.
    pub name: String,
    /// Whether certificates of peers have been revoked.
    pub revocation: Revocation,
}

/// `revocation-check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// How much is wanted.
    pub mode: RevocationMode,
    /// OCSP responders are asked too.
    pub ocsp: bool,
    /// Where the revocation list of the CA is, beside the places that certificates name.
    pub crl_urls: Vec<String>,
    /// Seconds between fetches at most; else the list says when the next one is due.
    pub crl_refresh_s: Option<u32>,
    /// The responder of the CA; else the one that the certificate names.
    pub ocsp_url: Option<String>,
    /// Responders are asked with a nonce.
    pub ocsp_nonce: bool,
}

/// What becomes of a certificate whose status is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevocationMode {
    /// It is refused.
    Strict,
    /// It is accepted; only what is known to be revoked is refused.
    Soft,
    /// Nobody asks.
    Disable,
}

/// Attributes that the subject of a peer's certificate must have, in the text of RFC 4514; without either, any subject fits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SubjectPattern {
    /// In this order.
    pub container: Option<String>,
    /// In any order.
    pub wildcard: Option<String>,
}

/// Where a peer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerAddress {
    /// Its address.
    Address(IpAddr),
    /// Its host name, which iked looks up.
    Name(String),
}

impl PeerAddress {
    /// The identity of whoever is there and has no other.
    pub fn identity(self) -> Identity {
        match self {
            PeerAddress::Address(IpAddr::V4(address)) => Identity::Ipv4(address),
            PeerAddress::Address(IpAddr::V6(address)) => Identity::Ipv6(address),
            PeerAddress::Name(name) => Identity::Fqdn(name),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Address(address) => address.fmt(f),
            PeerAddress::Name(name) => f.write_str(name),
        }
    }
}

/// Who may connect to a gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RemotePeer {
    /// Peers whose FQDN ends in `.suffix` or equals it (`dynamic hostname`, `ike-user-type group-ike-id`).
    HostnameSuffix(String),
    /// Peers with exactly one of these identities.
    Identities(Vec<Identity>),
    /// Peers whose identity is the subject of their certificate, which fits a pattern.
    Subject(SubjectPattern),
    /// Whoever can prove the identity that it states.
    Anyone,
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
    /// Tunnel or transport mode.
    pub mode: IpsecMode,
    /// Proposals in order of preference.
    pub proposals: Vec<EspProposal>,
    /// Group of `perfect-forward-secrecy`.
    pub pfs: Option<DhGroup>,
    /// Key exchanges after it.
    pub additional: AdditionalKe,
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
    /// Seconds without traffic after which a pair ends.
    pub idle_s: Option<u32>,
    /// Who starts.
    pub establish: Establish,
}

/// `security ipsec proposal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspProposal {
    /// ESP or AH.
    pub protocol: IpsecProtocol,
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
    /// When packets for the peer have no tunnel, and again after each loss.
    OnTraffic,
    /// Never by us.
    ResponderOnly,
}
