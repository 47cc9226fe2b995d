//! iked installs, moves and removes SA pairs in planed; planed reports what traffic does to them.
//!
//! Order (design decision D4): the pair is in planed before its `ari-ts` route and before the peer may use it, and
//! leaves last. A rekeyed pair is installed with `outbound: Standby`: it decrypts at once and starts to encrypt when the
//! peer is seen using it or [`Request::Activate`] comes.

use ravelin_types::{
    EspTransform, InstanceId, IpsecMode, IpsecProtocol, Numbers, PairId, SecretBytes, Spi,
    TrafficSelector, VolumeLife, VrfId,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// How often planed sends [`Event::State`].
pub const STATE_BEAT: Duration = Duration::from_secs(1);
/// Silence of planed after which iked takes it for dead: six beats, and more than planed waits for netd within one step.
pub const STATE_SILENCE: Duration = Duration::from_secs(6);

/// Most pairs in one [`Request::Install`] or [`Request::Grant`].
pub const MAX_BATCH: usize = 4096;

/// A request of iked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Install pairs; answered by [`Reply::Installed`] with one result each. Installing a pair that is there with the
    /// same generation is a success and changes nothing.
    Install(Vec<SaPair>),
    /// Outbound traffic moves to this pair now.
    Activate(PairId),
    /// Outbound stops at once; inbound is accepted for `linger_ms` more. Answered by [`Reply::Done`].
    Remove {
        /// Which.
        pair: PairId,
        /// How long packets already under way are still accepted.
        linger_ms: u32,
    },
    /// The peer's outer address or port changed (NAT rebinding, authenticated by IKE).
    Move {
        /// Which.
        pair: PairId,
        /// New outer addresses and ports.
        outer: Outer,
    },
    /// What is installed; answered by [`Reply::Pairs`].
    List,
    /// Reconciliation after a (re)connection is complete: traffic may flow (design decision D5).
    SyncDone,
    /// Counters of these pairs, or of all when empty; answered by [`Reply::Counters`].
    Counters(Vec<PairId>),
    /// Numbers up to these ceilings may be used; iked has stored them (design decision D17). At most [`MAX_BATCH`].
    Grant(Vec<(PairId, Numbers)>),
}

/// Outer addresses of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outer {
    /// Routing instance of the outer packets.
    pub vrf: VrfId,
    /// Our address.
    pub local: IpAddr,
    /// The peer's address, of the same family.
    pub remote: IpAddr,
    /// UDP ports (ours, the peer's) when ESP rides in UDP (RFC 3948), else protocol 50.
    pub udp: Option<(u16, u16)>,
}

/// What to do with the DF bit of the outer IPv4 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DfBit {
    /// Copy the inner header's (IPv6 inside counts as set).
    Copy,
    /// Always set.
    Set,
    /// Never set.
    #[default]
    Clear,
}

/// What inner packets are padded to, as far as the path takes the outer ones whole (RFC 4303 section 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TfcPadding {
    /// So many octets.
    Octets(u16),
    /// What the path takes.
    Mtu,
}

/// Whether a pair encrypts from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outbound {
    /// Yes.
    Active,
    /// When the peer is seen using it, or when told.
    Standby,
}

/// One direction's SPI and key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SaHalf {
    /// The SPI: inbound ours, outbound the peer's.
    pub spi: Spi,
    /// Cipher key, salt, integrity key: KEYMAT of this direction.
    pub key: SecretBytes,
}

/// A child SA pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SaPair {
    /// Its identity for life.
    pub pair: PairId,
    /// Counts installs of this pair by iked (design decision D17): the explicit IV's epoch, 22 bits, never used before.
    pub epoch: u32,
    /// Outer addresses.
    pub outer: Outer,
    /// Algorithms; of AH, no cipher and an HMAC, or AES-GMAC.
    pub transform: EspTransform,
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Whether whole packets are protected, or what those between the outer addresses carry.
    pub mode: IpsecMode,
    /// Extended sequence numbers (RFC 4303 section 2.2.1).
    pub extended_sequence: bool,
    /// From the peer.
    pub inbound: SaHalf,
    /// To the peer.
    pub outbound: SaHalf,
    /// Whether it encrypts at once.
    pub state: Outbound,
    /// What each direction may carry.
    pub life: VolumeLife,
    /// No number above these is used; a pair that was installed before and that the shared mapping knows nothing of begins there.
    pub ceilings: Numbers,
    /// Routing instance of the inner packets.
    pub inner_vrf: VrfId,
    /// N of `st0.N`.
    pub tunnel_unit: u32,
    /// Our side's selectors: source of what we encrypt, destination of what we decrypt.
    pub local_ts: Vec<TrafficSelector>,
    /// The peer's side.
    pub remote_ts: Vec<TrafficSelector>,
    /// Anti-replay window in packets, 0 to switch it off.
    pub replay_window: u32,
    /// DF policy.
    pub df_bit: DfBit,
    /// DSCP of the outer header; else the inner packet's.
    pub outer_dscp: Option<u8>,
    /// The outer header's DSCP goes inside at decapsulation (the uniform model of RFC 2983); else the inner packet keeps its own.
    pub copy_outer_dscp: bool,
    /// Padding against traffic analysis, for tunnel mode of ESP.
    pub tfc_padding: Option<TfcPadding>,
    /// Inner MTU in octets, or `None` to derive it from the path.
    pub tunnel_mtu_octets: Option<u16>,
}

/// Why a pair could not be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum InstallError {
    /// The SPI's slot is held by another pair.
    #[error("the slot of the inbound SPI is in use")]
    SlotInUse,
    /// The inbound SPI is reserved or was not made by [`Spi::compose`].
    #[error("the inbound SPI is reserved")]
    BadSpi,
    /// planed has no configuration yet: ask again.
    #[error("planed has no configuration yet")]
    NotConfigured,
    /// `st0.N` is not configured.
    #[error("the tunnel interface is not configured")]
    NoTunnelInterface,
    /// Key of the wrong length.
    #[error("the key does not fit the algorithms")]
    BadKey,
    /// This machine's data plane does not have the algorithms.
    #[error("the data plane does not have the algorithms on this machine")]
    NoAlgorithm,
    /// Families of the outer addresses differ, or a selector list is empty or too long.
    #[error("the outer addresses or selectors are not usable")]
    BadSelectors,
    /// In transport mode a packet keeps its header.
    #[error(
        "transport mode protects packets between its outer addresses only, in their routing instance"
    )]
    TransportEnds,
    /// AH covers the addresses that a NAT changes.
    #[error("no AH behind a NAT: it covers the addresses")]
    AhNat,
    /// AH does not encrypt.
    #[error("AH takes an HMAC or AES-GMAC, and no cipher")]
    AhTransform,
    /// RFC 3948 section 3.1.2.
    #[error("no transport mode behind a NAT: the checksums inside would be of other addresses")]
    TransportNat,
    /// A remote selector lies outside the protected prefixes of `st0.N`.
    #[error("a remote selector lies outside the protected prefixes of the tunnel interface")]
    NotProtected,
    /// A table is full.
    #[error("a table of the data plane is full")]
    TableFull,
    /// The epoch was used before for this pair.
    #[error("the IV epoch was used before")]
    StaleEpoch,
    /// The sequence state was lost and the pair has no ceilings: rekey.
    #[error("the outbound sequence state is lost")]
    SequenceLost,
}

/// What planed answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// One result for each pair of the request, in its order.
    Installed(Vec<(PairId, Result<(), InstallError>)>),
    /// What is installed.
    Pairs(Vec<PairState>),
    /// Counters, for the pairs that exist.
    Counters(Vec<PairCounters>),
    /// Done (also when there was nothing to do).
    Done,
}

/// An installed pair, for reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairState {
    /// Which.
    pub pair: PairId,
    /// Our SPI.
    pub inbound: Spi,
    /// The peer's SPI.
    pub outbound: Spi,
    /// Epoch it was installed with.
    pub epoch: u32,
    /// Outer addresses and ports it uses.
    pub outer: Outer,
    /// Whether it encrypts.
    pub active: bool,
}

/// Traffic of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PairCounters {
    /// Which (0 in sums).
    pub pair: u64,
    /// Packets encrypted.
    pub out_packets: u64,
    /// Octets of inner packets encrypted.
    pub out_octets: u64,
    /// Packets decrypted and accepted.
    pub in_packets: u64,
    /// Octets of inner packets decrypted.
    pub in_octets: u64,
    /// Packets refused by the replay window.
    pub replay_drops: u64,
    /// Packets whose ICV was wrong.
    pub auth_drops: u64,
    /// Packets outside the selectors.
    pub selector_drops: u64,
    /// Last outbound sequence number.
    pub out_sequence: u64,
    /// Highest inbound sequence number.
    pub in_sequence: u64,
}

/// What planed tells iked unasked (envelope number 0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The first authenticated packet arrived on this pair; outbound moved to it if it stood by.
    PeerUses(PairId),
    /// Authenticated packets come from another outer address or port.
    PeerMoved {
        /// Which.
        pair: PairId,
        /// Where they come from.
        outer: Outer,
    },
    /// Sequence or IV counter near exhaustion: rekey.
    Exhausting(PairId),
    /// A direction of these pairs has come to the soft limit of its volume: rekey. Told once for each [`Request::SyncDone`].
    LifeSoft(Vec<PairId>),
    /// A direction of these pairs has come to the hard limit of its volume: they are stopped and to be deleted. Told likewise.
    LifeHard(Vec<PairId>),
    /// Traffic came in on these pairs since the last such event (at most one per pair and 2 s): proof of life for DPD.
    Alive(Vec<PairId>),
    /// Traffic went out on these pairs since the last such event (at most one per pair and 2 s): for DPD by `optimized` and
    /// for NAT keepalives. It comes before [`Event::Alive`] of the same time.
    Sent(Vec<PairId>),
    /// The numbers of these pairs approach their ceilings; iked stores new ones and answers by [`Request::Grant`]. Told again until
    /// it does. The numbers are the last ones used, inbound also one that was refused.
    CeilingWanted(Vec<(PairId, Numbers)>),
    /// The numbers of these pairs were lost, so they have resumed at their ceilings, below which the peer is not heard: rekey.
    Resumed(Vec<PairId>),
    /// A packet for the peers of a tunnel was discarded because no pair admits it. Told of some of them only.
    Wanted {
        /// N of `st0.N`.
        tunnel_unit: u32,
        /// On our side.
        source: IpAddr,
        /// On the peer's.
        destination: IpAddr,
    },
    /// A pair whose installation was answered by success was refused by its worker, and is gone.
    InstallFailed {
        /// Which.
        pair: PairId,
        /// The installation.
        epoch: u32,
        /// Why.
        reason: InstallError,
    },
    /// Sent on each change and every [`STATE_BEAT`].
    State {
        /// Whether transit packets are forwarded.
        forwarding: bool,
    },
}

/// Frames from iked to planed.
pub type ToPlaned = crate::Envelope<Request>;

/// Frames from planed to iked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromPlaned {
    /// Answer.
    Reply(Reply),
    /// Event (envelope number 0).
    Event(Event),
}

/// The instance of planed that a state list belongs to.
pub type PlanedInstance = InstanceId;
