//! `security`.

use super::key_manager::KeyManager;
use super::pki::Pki;
use super::read::{SecretText, optional, present, text, texts};
use ravelin_types::{
    DhGroup, EspEncr, EspInteg, Identity, IkeEncr, IkeInteg, Prefix, Prf, UnitName,
};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `security`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Security {
    /// `security pki`.
    #[serde(default, rename = "ravelin-security-pki:pki")]
    pub pki: Pki,
    /// `security key-manager`.
    #[serde(default, rename = "ravelin-security-key-manager:key-manager")]
    pub key_manager: KeyManager,
    /// `security ike`.
    #[serde(default, rename = "ravelin-security-ike:ike")]
    pub ike: Ike,
    /// `security ipsec`.
    #[serde(default, rename = "ravelin-security-ipsec:ipsec")]
    pub ipsec: Ipsec,
    /// `security flow`.
    #[serde(default, rename = "ravelin-security-flow:flow")]
    pub flow: Flow,
}

/// `security flow`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Flow {
    /// `tcp-mss`.
    #[serde(default)]
    pub tcp_mss: TcpMss,
}

/// `security flow tcp-mss`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TcpMss {
    /// Of connections through tunnels.
    pub ipsec_vpn: Option<SegmentSize>,
}

/// `ipsec-vpn`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SegmentSize {
    /// In octets; else what the tunnel takes.
    pub mss: Option<u16>,
}

/// `security ike traceoptions`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TraceOptions {
    /// `file`, at most one.
    #[serde(default)]
    pub file: Vec<TraceFile>,
    /// `flag`; empty: everything.
    #[serde(default)]
    pub flag: Vec<String>,
    /// `gateway-filter`.
    #[serde(default)]
    pub gateway_filter: GatewayFilter,
}

/// `file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TraceFile {
    /// Name.
    pub name: String,
    /// In octets.
    pub size: u32,
    /// How many are kept.
    pub files: u16,
}

/// `gateway-filter`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GatewayFilter {
    /// Ours.
    pub local_address: Option<IpAddr>,
    /// Address or prefix of the peers.
    pub remote_address: Option<String>,
}

/// `security ike`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Ike {
    /// `traceoptions`.
    pub traceoptions: Option<TraceOptions>,
    /// `proposal`.
    #[serde(default)]
    pub proposal: Vec<IkeProposal>,
    /// `policy`.
    #[serde(default)]
    pub policy: Vec<IkePolicy>,
    /// `address-pool`.
    #[serde(default, rename = "address-pool")]
    pub address_pool: Vec<AddressPool>,
    /// `gateway`.
    #[serde(default)]
    pub gateway: Vec<Gateway>,
}

/// `security ike proposal`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IkeProposal {
    /// Name.
    pub name: String,
    /// How both sides prove who they are; else whatever the policy has.
    pub authentication_method: Option<String>,
    /// Key exchange.
    #[serde(deserialize_with = "text")]
    pub dh_group: DhGroup,
    /// Key exchanges after it.
    #[serde(default, deserialize_with = "texts")]
    pub additional_key_exchange: Vec<DhGroup>,
    /// Integrity; for AEAD ciphers only the pseudorandom function that goes with it.
    #[serde(default, deserialize_with = "optional")]
    pub authentication_algorithm: Option<IkeInteg>,
    /// Pseudorandom function, when it is another one than that of the integrity.
    #[serde(default, deserialize_with = "optional")]
    pub pseudorandom_function: Option<Prf>,
    /// Cipher.
    #[serde(deserialize_with = "text")]
    pub encryption_algorithm: IkeEncr,
    /// Lifetime of the IKE SA in seconds.
    pub lifetime_seconds: u32,
}

/// `security ike policy`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IkePolicy {
    /// Name.
    pub name: String,
    /// Names of its proposals, the preferred first.
    #[serde(default)]
    pub proposals: Vec<String>,
    /// Named proposals of ours instead.
    pub proposal_set: Option<String>,
    /// Each so many-th rekey is a new authentication; 0: none is.
    pub reauth_frequency: u8,
    /// Pre-shared key.
    #[serde(default)]
    pub pre_shared_key: PreSharedKey,
    /// Names of profiles with post-quantum pre-shared keys, the preferred first.
    #[serde(default)]
    pub ppk_profile: Vec<String>,
    /// Peers without one of them are served too.
    #[serde(default, deserialize_with = "present")]
    pub ppk_optional: bool,
    /// Proof by certificates.
    #[serde(default)]
    pub certificate: PolicyCertificate,
}

/// `certificate`: proof by certificates, for one direction or both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyCertificate {
    /// Ours, by name.
    pub local_certificate: Option<String>,
    #[serde(default)]
    trusted_ca: TrustedCa,
    /// By name or number; empty: those of IKE.
    #[serde(default)]
    pub extended_key_usage: Vec<String>,
    /// Weak keys and hashes are accepted.
    #[serde(default, deserialize_with = "present")]
    pub allow_weak: bool,
}

impl PolicyCertificate {
    /// CA profiles that say who the peers are; empty when peers have no certificates.
    pub fn trusted(&self) -> &[String] {
        &self.trusted_ca.ca_profile
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TrustedCa {
    #[serde(default)]
    ca_profile: Vec<String>,
}

/// `pre-shared-key`: one form or none.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PreSharedKey {
    /// As text.
    pub ascii_text: Option<SecretText>,
    /// In hexadecimal.
    pub hexadecimal: Option<SecretText>,
    /// The name of a list that has one for each peer.
    pub list: Option<String>,
}

/// `security ike gateway`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gateway {
    /// Name.
    pub name: String,
    /// Name of its policy, unless it has an access profile.
    pub ike_policy: Option<String>,
    /// Name of its access profile.
    #[serde(rename = "ravelin-access:access-profile")]
    pub access_profile: Option<String>,
    /// Addresses and host names of a static peer, the first that we try before the others.
    #[serde(default)]
    pub address: Vec<String>,
    /// A group of peers.
    pub dynamic: Option<Dynamic>,
    /// Interface of the local address.
    #[serde(deserialize_with = "text")]
    pub external_interface: UnitName,
    /// Local address.
    pub local_address: Option<IpAddr>,
    /// Who we are.
    #[serde(default)]
    pub local_identity: LocalIdentity,
    /// Who the peer must be.
    #[serde(default)]
    pub remote_identity: RemoteIdentity,
    /// Probing.
    pub dead_peer_detection: Option<DeadPeerDetection>,
    /// Seconds between NAT keepalives, 0 for none.
    pub nat_keepalive: u16,
    /// Tunnels move with the addresses of their ends.
    #[serde(default, deserialize_with = "present")]
    pub mobike: bool,
    /// Requests of a peer that may be under way at once.
    pub request_window: u8,
    /// Each end learns at once that the other has lost an IKE SA.
    #[serde(default, deserialize_with = "present")]
    pub quick_crash_detection: bool,
    /// Peers at a time.
    pub connections_limit: Option<u32>,
    /// Peers of one address at a time.
    pub connections_per_address: Option<u32>,
    /// Name of the pool of its peers' addresses.
    pub address_pool: Option<String>,
    /// Where peers are sent.
    pub redirect: Option<Redirect>,
}

/// `security ike address-pool`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AddressPool {
    /// Name.
    pub name: String,
    /// IPv4 addresses.
    #[serde(default, deserialize_with = "optional")]
    pub inet: Option<Prefix>,
    /// IPv6 addresses.
    #[serde(default, deserialize_with = "optional")]
    pub inet6: Option<Prefix>,
    /// DNS servers.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
}

/// `redirect`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Redirect {
    /// The other gateway.
    pub address: IpAddr,
    /// `ike-sa-init`, `ike-auth` or `request`.
    pub at: String,
}

/// `dynamic`: one identity and how it denotes the peers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dynamic {
    /// The identity, or its suffix.
    #[serde(flatten)]
    pub identity: RemoteIdentity,
    /// `group-ike-id` or `shared-ike-id`.
    pub ike_user_type: String,
}

/// `local-identity`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LocalIdentity {
    /// Stated.
    #[serde(flatten)]
    pub stated: IdentityChoice,
    /// The subject of our certificate.
    #[serde(default, deserialize_with = "present")]
    pub distinguished_name: bool,
}

/// `remote-identity`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RemoteIdentity {
    /// Stated.
    #[serde(flatten)]
    pub stated: IdentityChoice,
    /// The subject of the peer's certificate.
    pub distinguished_name: Option<Subject>,
    /// Any that the peer can prove.
    #[serde(default, deserialize_with = "present")]
    pub general_ikeid: bool,
}

/// `distinguished-name` of peers: attributes of their subjects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// In this order.
    pub container: Option<String>,
    /// In any order.
    pub wildcard: Option<String>,
}

/// At most one identity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IdentityChoice {
    /// Domain name.
    pub hostname: Option<String>,
    /// IPv4 address.
    pub inet: Option<Ipv4Addr>,
    /// IPv6 address.
    pub inet6: Option<Ipv6Addr>,
    /// E-mail address.
    pub user_at_hostname: Option<String>,
    /// Opaque.
    pub key_id: Option<String>,
}

impl IdentityChoice {
    /// The identity, if one is stated.
    pub fn identity(&self) -> Option<Identity> {
        let key_id = |k: &String| Identity::KeyId(k.as_bytes().to_vec());
        None.or_else(|| self.hostname.clone().map(Identity::Fqdn))
            .or_else(|| self.inet.map(Identity::Ipv4))
            .or_else(|| self.inet6.map(Identity::Ipv6))
            .or_else(|| self.user_at_hostname.clone().map(Identity::Email))
            .or_else(|| self.key_id.as_ref().map(key_id))
    }
}

/// `dead-peer-detection`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeadPeerDetection {
    /// Probe idle tunnels too.
    #[serde(default, deserialize_with = "present")]
    pub probe_idle_tunnel: bool,
    /// Probe at each interval.
    #[serde(default, deserialize_with = "present")]
    pub always_send: bool,
    /// Seconds between probes.
    pub interval: u16,
    /// Unanswered probes until the peer is dead.
    pub threshold: u8,
}

/// `security ipsec`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ipsec {
    /// `proposal`.
    #[serde(default)]
    pub proposal: Vec<IpsecProposal>,
    /// `policy`.
    #[serde(default)]
    pub policy: Vec<IpsecPolicy>,
    /// `vpn`.
    #[serde(default)]
    pub vpn: Vec<Vpn>,
    /// Window of VPNs that state none, in packets.
    #[serde(default)]
    pub anti_replay_window_size: u16,
    /// `acceleration`.
    #[serde(default)]
    pub acceleration: Acceleration,
}

/// `security ipsec acceleration`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Acceleration {
    /// `device`.
    #[serde(default)]
    pub device: Vec<CryptoDevice>,
}

/// `security ipsec acceleration device`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CryptoDevice {
    /// PCI address, or the name of a software device.
    pub name: String,
    /// Of a software device.
    pub arguments: Option<String>,
}

/// `security ipsec proposal`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IpsecProposal {
    /// Name.
    pub name: String,
    /// `esp` or `ah`.
    pub protocol: String,
    /// Cipher; AH needs none.
    #[serde(default, deserialize_with = "optional")]
    pub encryption_algorithm: Option<EspEncr>,
    /// Integrity, unless the cipher is an AEAD.
    #[serde(default, deserialize_with = "optional")]
    pub authentication_algorithm: Option<EspInteg>,
    /// 64-bit sequence numbers.
    #[serde(default, deserialize_with = "present")]
    pub extended_sequence_number: bool,
    /// Lifetime in seconds.
    pub lifetime_seconds: u32,
    /// Lifetime in kilobytes.
    pub lifetime_kilobytes: Option<u32>,
    /// Lifetime in packets.
    pub lifetime_packets: Option<u32>,
}

/// `security ipsec policy`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IpsecPolicy {
    /// Name.
    pub name: String,
    #[serde(default)]
    perfect_forward_secrecy: Pfs,
    /// Names of its proposals, the preferred first.
    #[serde(default)]
    pub proposals: Vec<String>,
    /// Named proposals of ours instead.
    pub proposal_set: Option<String>,
}

impl IpsecPolicy {
    /// The group of `perfect-forward-secrecy`.
    pub fn pfs(&self) -> Option<DhGroup> {
        self.perfect_forward_secrecy.keys
    }

    /// The key exchanges after it.
    pub fn additional(&self) -> &[DhGroup] {
        &self.perfect_forward_secrecy.additional_key_exchange
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pfs {
    #[serde(default, deserialize_with = "optional")]
    keys: Option<DhGroup>,
    #[serde(default, deserialize_with = "texts")]
    additional_key_exchange: Vec<DhGroup>,
}

/// `security ipsec vpn`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Vpn {
    /// Name.
    pub name: String,
    /// Tunnel interface.
    #[serde(deserialize_with = "text")]
    pub bind_interface: UnitName,
    /// `tunnel` or `transport`.
    pub mode: String,
    /// `clear`, `copy` or `set`.
    pub df_bit: String,
    /// DSCP of the outer header; else the inner packet's.
    pub outer_dscp: Option<u8>,
    /// The outer header's DSCP goes inside.
    #[serde(default, deserialize_with = "present")]
    pub copy_outer_dscp: bool,
    /// Padding against traffic analysis.
    pub tfc_padding: Option<TfcPadding>,
    /// Inner MTU in octets.
    pub tunnel_mtu: Option<u16>,
    /// Key exchange.
    pub ike: VpnIke,
    /// Selectors.
    #[serde(default)]
    pub traffic_selector: Vec<TrafficSelector>,
    /// `immediately`, `on-traffic` or `responder-only`.
    pub establish_tunnels: Option<String>,
}

/// `tfc-padding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TfcPadding {
    /// Octets of the inner packet.
    Octets(u16),
    /// What the path takes.
    Path(PathMtu),
}

/// `mtu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathMtu {
    /// `mtu`.
    Mtu,
}

/// `security ipsec vpn ike`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VpnIke {
    /// Name of the gateway.
    pub gateway: String,
    /// Name of the IPsec policy.
    pub ipsec_policy: String,
    /// Window of this VPN, in packets.
    pub anti_replay_window_size: Option<u16>,
    /// Seconds without traffic after which its SAs end.
    pub idle_time: Option<u32>,
    /// No window at all.
    #[serde(default, deserialize_with = "present")]
    pub no_anti_replay: bool,
}

/// `traffic-selector`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrafficSelector {
    /// Name.
    pub name: String,
    /// Our side.
    #[serde(deserialize_with = "text")]
    pub local_ip: Prefix,
    /// The peer's side.
    #[serde(deserialize_with = "text")]
    pub remote_ip: Prefix,
}
