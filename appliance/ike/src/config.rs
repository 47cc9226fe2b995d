//! What the endpoint may agree to: gateways, proposals, identities, selectors. Plain values, replaced whole.
//!
//! What it does not hold: where the configuration text came from, and anything only the data plane needs (tunnel unit,
//! DF policy, replay window): the daemon finds those by the names of gateway and VPN in the events.

mod authentication;
mod gateways;
mod keys;
mod pattern;
mod ppk;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_types::{
    AdditionalKe, DhGroup, EspTransform, Identity, IkeSuite, IpsecMode, IpsecProtocol, Prefix,
    TrafficSelector, Volume, VrfId,
};

pub use authentication::{
    Credential, LocalProof, MAX_AUTHORITIES, MAX_CHAIN_OCTETS, MAX_NAME_OCTETS, PeerProof,
    ProofError, Trust,
};
pub use gateways::Gateways;
pub use keys::{KeyList, PreSharedKeys, key_of};
pub use pattern::IdentityPattern;
pub use ppk::{Ppk, Ppks};

/// Default of [`Limits::half_open_max`]: 8,192 times some 2 KiB; legitimate set-ups at 3,000/s over a 1 s path need 3,000.
pub const HALF_OPEN_MAX: usize = 8192;
/// Default of [`Limits::cookie_threshold`]: cookies cost a round trip, so they begin when a burst is clearly not usual.
pub const COOKIE_THRESHOLD: usize = 1024;

/// The whole configuration of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// In order: the first that fits a peer is taken.
    pub gateways: Gateways,
    /// Bounds that operators may move.
    pub limits: Limits,
}

/// Bounds that operators may move.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// IKE SAs whose peer is not authenticated yet; further IKE_SA_INIT requests are discarded.
    pub half_open_max: usize,
    /// From this many half-open IKE SAs on, a COOKIE is asked for (RFC 7296 section 2.6).
    pub cookie_threshold: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            half_open_max: HALF_OPEN_MAX,
            cookie_threshold: COOKIE_THRESHOLD,
        }
    }
}

/// One gateway: who the peers are, who we are, what is negotiated.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Unique.
    pub name: String,
    /// Routing instance of the outer packets.
    pub vrf: VrfId,
    /// Addresses we answer on; when we initiate, the first of the peer's family is the source. Empty: any (responder only).
    pub local_addresses: Vec<IpAddr>,
    /// Where the one peer is: the address that we try first, then the others. Empty: not known yet. `None`: any number of peers at any address.
    pub remote_addresses: Option<Vec<IpAddr>>,
    /// Who may connect.
    pub remote: RemotePeer,
    /// Who we are; our address when `None`.
    pub local_identity: Option<Identity>,
    /// In order of preference.
    pub proposals: Vec<IkeProposal>,
    /// How we prove who we are.
    pub local_proof: LocalProof,
    /// How the peer must.
    pub peer_proof: PeerProof,
    /// Pre-shared keys, for each direction that is proven by them.
    pub keys: PreSharedKeys,
    /// Post-quantum pre-shared keys (RFC 8784).
    pub ppks: Ppks,
    /// Dead peer detection.
    pub dpd: Option<Dpd>,
    /// When a NAT lies before us and nothing else was sent for so long, a keepalive is (RFC 3948 section 4); `None`: never.
    pub nat_keepalive: Option<Duration>,
    /// As initiator go to port 4500 after IKE_SA_INIT even without a NAT.
    pub always_port_4500: bool,
    /// Tunnels move with the addresses of either end (RFC 4555).
    pub mobike: bool,
    /// Requests of a peer that may be under way at once (RFC 7296 section 2.3); 1 is no statement.
    pub request_window: u8,
    /// Each so many-th rekey of an IKE SA is a new authentication by a new one, which the initiator makes; 0: none is.
    pub reauth_frequency: u32,
    /// Peers get a token by which they learn at once that we have lost their IKE SA, and give us theirs (RFC 6290).
    pub quick_crash_detection: bool,
    /// Where peers are sent that know redirects (RFC 5685).
    pub redirect: Option<Redirect>,
    /// Where peers get their addresses from; `None`: they have their own.
    pub pool: Option<AddressPool>,
    /// How many may be connected.
    pub connections: ConnectionLimits,
    /// Tunnels.
    pub vpns: Vec<Vpn>,
}

/// How many peers a gateway serves at a time; `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub all: Option<usize>,
    /// At one address of theirs.
    pub per_address: Option<usize>,
}

/// Addresses for peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPool {
    /// Of this name there is one pool, which several gateways may share.
    pub name: String,
    /// IPv4 addresses.
    pub inet: Option<Prefix>,
    /// IPv6 addresses.
    pub inet6: Option<Prefix>,
    /// DNS servers.
    pub dns: Vec<IpAddr>,
}

/// Where peers go instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The other gateway.
    pub to: IpAddr,
    /// When they hear of it.
    pub at: RedirectAt,
}

/// When peers are sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectAt {
    /// In IKE_SA_INIT, before anything is computed; the identity is not known yet.
    Init,
    /// In IKE_AUTH.
    Auth,
    /// By [`crate::Endpoint::redirect`] alone.
    Order,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq)]
pub enum RemotePeer {
    /// Peers whose FQDN equals the suffix or ends in `.` and the suffix (group-ike-id).
    HostnameSuffix(String),
    /// Peers with exactly one of these identities.
    Identities(Vec<Identity>),
    /// Peers whose identity fits.
    Pattern(Arc<dyn IdentityPattern>),
    /// Whoever can prove the identity that it states.
    Anyone,
}

/// One acceptable suite of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeProposal {
    /// Algorithms.
    pub suite: IkeSuite,
    /// Seconds until the IKE SA expires; it is rekeyed earlier.
    pub lifetime_s: u32,
}

/// One acceptable suite of a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspProposal {
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Encryption and integrity.
    pub transform: EspTransform,
    /// Extended sequence numbers.
    pub extended_sequence: bool,
    /// Seconds until the child SA expires; it is rekeyed earlier.
    pub lifetime_s: u32,
    /// What each direction may carry until then; it is rekeyed earlier.
    pub volume: Volume,
}

/// How long a child SA may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildLife {
    pub(crate) lifetime_s: u32,
    pub(crate) volume: Volume,
}

impl ChildLife {
    /// That of a proposal, which may have left the configuration.
    pub(crate) fn of(proposal: Option<&EspProposal>) -> Self {
        ChildLife {
            lifetime_s: proposal.map_or(ESP_LIFETIME_S, |p| p.lifetime_s),
            volume: proposal.map_or(Volume::UNLIMITED, |p| p.volume),
        }
    }
}

/// When to ask whether the peer is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpdMode {
    /// When traffic went out and none came in ([`crate::Endpoint::children_sent`]).
    Optimized,
    /// When nothing came in.
    ProbeIdle,
    /// In each interval.
    AlwaysSend,
}

/// Dead peer detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dpd {
    /// When.
    pub mode: DpdMode,
    /// Time between probes.
    pub interval: Duration,
    /// The peer is dead after this many intervals without an answer.
    pub threshold: u8,
}

impl Dpd {
    /// How long a peer may be silent while it is asked.
    pub(crate) fn patience(&self) -> Duration {
        self.interval
            .saturating_mul(u32::from(self.threshold.max(1)))
    }
}

/// A tunnel through a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpn {
    /// Unique within the gateway.
    pub name: String,
    /// In order of preference.
    pub proposals: Vec<EspProposal>,
    /// Group of a fresh key exchange in CREATE_CHILD_SA.
    pub pfs: Option<DhGroup>,
    /// Key exchanges after it (RFC 9370); none without it.
    pub additional: AdditionalKe,
    /// Pairs that may be agreed on or narrowed; one child SA each when we initiate.
    pub selectors: Vec<SelectorPair>,
    /// Whether whole packets are protected, or what those between the outer addresses carry.
    pub mode: IpsecMode,
    /// How long packets on a replaced inbound SA are still accepted.
    pub linger: Duration,
    /// Without traffic for so long a child SA ends; `None`: never for that.
    pub idle: Option<Duration>,
    /// We initiate, and again after each loss (static peers only).
    pub establish_immediately: bool,
}

/// Our side and the peer's side of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorPair {
    /// Behind us.
    pub local: TrafficSelector,
    /// Behind the peer.
    pub remote: TrafficSelector,
}

impl Gateway {
    /// The VPN of this name.
    pub fn vpn(&self, name: &str) -> Option<&Vpn> {
        self.vpns.iter().find(|v| v.name == name)
    }

    /// The peer's addresses for which there is one of ours, each behind that address of ours.
    pub fn static_paths(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        let addresses = self.remote_addresses.iter().flatten();
        addresses.filter_map(|address| {
            let ours = &mut self.local_addresses.iter();
            let local = ours.find(|l| l.is_ipv4() == address.is_ipv4())?;
            Some((*local, *address))
        })
    }
}

/// Time between keepalives through a NAT (RFC 3948 section 4: "a default value of 20 seconds").
pub const NAT_KEEPALIVE: Duration = Duration::from_secs(20);
/// Lifetime of an IKE SA whose proposal has left the configuration: that of Junos by default.
pub const IKE_LIFETIME_S: u32 = 28_800;
/// Lifetime of a child SA whose proposal has left the configuration: that of Junos by default.
pub const ESP_LIFETIME_S: u32 = 3_600;
