//! What the endpoint tells the daemon, and what it hands it to send and to store.
//!
//! Order: events are to be acted on in order, each after the journal position it carries is durable (design decision D6;
//! for [`EventKind::ChildInstall`] this is what keeps IV epochs from repeating, D17). A datagram leaves when its journal
//! position is durable and, when it names a child SA, that child is installed: the peer may use a child SA as soon as it
//! has our answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ravelin_crypto::{Secret, Zeroizing};
use ravelin_types::{
    ChildId, EspTransform, Identity, IpsecMode, IpsecProtocol, Numbers, Spi, TrafficSelector,
    VolumeLife, VrfId,
};

use crate::error::Failure;

/// Position in the journal; 0 is before the first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalSeq(pub u64);

/// A journal record.
pub struct Record {
    /// Its position.
    pub seq: JournalSeq,
    /// What it is about: a session, or 0 for the endpoint itself.
    pub subject: u64,
    /// What to store.
    pub op: RecordOp,
}

/// What to do with the stored records of a subject.
pub enum RecordOp {
    /// Replace everything by these octets, which hold keys.
    Put(Zeroizing<Vec<u8>>),
    /// Add this behind what is there, so that little is written for little that changed.
    Append(Zeroizing<Vec<u8>>),
    /// Drop everything.
    Remove,
}

/// A datagram that arrived, without its non-ESP marker.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Routing instance it arrived in.
    pub vrf: VrfId,
    /// Where it arrived; the port says whether it carried a non-ESP marker (4500) or not (500).
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
    /// The IKE message.
    pub data: &'a [u8],
}

/// A datagram to send; with local port 4500 a non-ESP marker goes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Leaves when every record up to this one is durable.
    pub after: JournalSeq,
    /// And when this child SA is installed ([`crate::Endpoint::install_done`] has been or could be called), or gone.
    pub after_install: Option<ChildId>,
    /// Routing instance.
    pub vrf: VrfId,
    /// Source.
    pub local: SocketAddr,
    /// Destination.
    pub remote: SocketAddr,
    /// The IKE message.
    pub data: Vec<u8>,
}

/// Names a session: an authenticated peer with its IKE SA and that one's successors by rekeying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Names one IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IkeId(pub u64);

/// Something the daemon must do or may log.
#[derive(Clone, Debug)]
pub struct Event {
    /// Act when every record up to this one is durable.
    pub after: JournalSeq,
    /// What.
    pub kind: EventKind,
}

/// Kinds of events.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A peer is authenticated.
    IkeUp(IkeUp),
    /// The IKE SA was replaced by a new one; children stay.
    IkeRekeyed {
        /// Whose.
        session: SessionId,
        /// The new IKE SA.
        ike: IkeId,
    },
    /// The session ended; its children were removed by events before this one.
    IkeDown {
        /// Which.
        session: SessionId,
        /// Its gateway, if known.
        gateway: Option<Arc<str>>,
        /// The peer's identity, if it was authenticated.
        peer: Option<Identity>,
        /// Routing instance.
        vrf: VrfId,
        /// The peer's address.
        remote: SocketAddr,
        /// Why.
        reason: DownReason,
    },
    /// Install this pair in the data plane, then call [`crate::Endpoint::install_done`] or
    /// [`crate::Endpoint::install_failed`].
    ChildInstall(Box<ChildInstall>),
    /// The pair may use numbers up to these ceilings.
    ChildGrant {
        /// Which.
        child: ChildId,
        /// The ceilings.
        ceilings: Numbers,
    },
    /// Outbound traffic moves to this pair now.
    ChildActivateOutbound(ChildId),
    /// Outbound stops at once; inbound is accepted for `linger_ms` more.
    ChildRemove {
        /// Which.
        child: ChildId,
        /// Milliseconds.
        linger_ms: u32,
    },
    /// The configuration does not allow these child SAs their selectors any more: they are deleted.
    ChildrenForbidden {
        /// Their gateway.
        gateway: Arc<str>,
        /// Their VPN.
        vpn: Arc<str>,
        /// How many.
        children: usize,
        /// Our selectors of the first.
        local_ts: Vec<TrafficSelector>,
        /// The peer's.
        remote_ts: Vec<TrafficSelector>,
    },
    /// The peer has another address or port, authenticated.
    PeerMoved {
        /// Its child SAs.
        children: Vec<ChildId>,
        /// New outer addresses and ports.
        outer: Outer,
    },
    /// Send a NAT keepalive: one octet 0xff in UDP, without non-ESP marker (RFC 3948 section 2.3).
    NatKeepalive {
        /// Routing instance.
        vrf: VrfId,
        /// From here.
        local: SocketAddr,
        /// To the peer.
        remote: SocketAddr,
    },
    /// A negotiation failed; one line for the log.
    Failure(Box<Failure>),
}

/// An authenticated peer.
#[derive(Clone, Debug)]
pub struct IkeUp {
    /// The session.
    pub session: SessionId,
    /// Its IKE SA.
    pub ike: IkeId,
    /// Gateway.
    pub gateway: Arc<str>,
    /// Who the peer is.
    pub peer: Identity,
    /// Who we are.
    pub local_identity: Identity,
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// We started it.
    pub initiator: bool,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The peer deleted it.
    #[error("deleted by the peer")]
    PeerDeleted,
    /// An operator or the configuration wanted it.
    #[error("closed by us")]
    Closed,
    /// The peer does not answer.
    #[error("the peer does not answer")]
    PeerDead,
    /// The peer has proven that it lost the IKE SA (RFC 6290).
    #[error("the peer has restarted")]
    PeerCrashed,
    /// The lifetime ended before a rekey succeeded.
    #[error("lifetime expired")]
    Expired,
    /// The peer connected anew and said that this is its only contact.
    #[error("replaced by a new contact of the peer")]
    InitialContact,
    /// We have authenticated anew by another session, which has taken over.
    #[error("reauthenticated: a new IKE SA has taken its place")]
    Reauthenticated,
    /// The peer did not authenticate anew in the time that it was given (RFC 4478).
    #[error("the peer did not reauthenticate in time")]
    AuthenticationExpired,
    /// Its VPN ends what has no traffic.
    #[error("no traffic")]
    Idle,
    /// More sessions of one identity than allowed; the oldest goes.
    #[error("too many sessions of one identity")]
    TooManySessions,
    /// The set-up failed; a failure event said why.
    #[error("set-up failed")]
    SetupFailed,
    /// The peer sent nothing after the first exchange.
    #[error("set-up timed out")]
    SetupTimeout,
    /// The peer broke the protocol inside the protected channel.
    #[error("the peer broke the protocol")]
    Protocol,
    /// A resource of ours failed.
    #[error("internal failure")]
    Internal,
}

impl DownReason {
    /// The peer could not be reached there, or not be agreed with: it may be at another of its addresses.
    pub(crate) fn is_of_the_path(self) -> bool {
        use DownReason::{PeerDead, Protocol, SetupFailed, SetupTimeout};
        matches!(self, PeerDead | Protocol | SetupFailed | SetupTimeout)
    }
}

/// Outer addresses of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Routing instance.
    pub vrf: VrfId,
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// UDP ports (ours, the peer's) when ESP rides in UDP, else protocol 50.
    pub udp: Option<(u16, u16)>,
}

/// One direction of a child SA.
#[derive(Clone, Debug)]
pub struct Half {
    /// The SPI.
    pub spi: Spi,
    /// Encryption key, then salt, as KEYMAT yields them.
    pub encr_key: Secret,
    /// Integrity key; empty with an AEAD.
    pub integ_key: Secret,
}

/// A child SA pair to install.
#[derive(Clone, Debug)]
pub struct ChildInstall {
    /// Its identity for life.
    pub child: ChildId,
    /// Its session.
    pub session: SessionId,
    /// Gateway by name.
    pub gateway: Arc<str>,
    /// VPN by name.
    pub vpn: Arc<str>,
    /// Counts installs of this pair (design decision D17), from 1, below 2^22.
    pub epoch: u32,
    /// Numbers that the pair may use before [`EventKind::ChildGrant`].
    pub ceilings: Numbers,
    /// What each direction may carry before [`crate::Endpoint::child_lifetime_soft`] and `hard` are to be called.
    pub life: VolumeLife,
    /// Outer addresses.
    pub outer: Outer,
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Tunnel or transport.
    pub mode: IpsecMode,
    /// Encryption and integrity.
    pub transform: EspTransform,
    /// Extended sequence numbers.
    pub extended_sequence: bool,
    /// From the peer.
    pub inbound: Half,
    /// To the peer.
    pub outbound: Half,
    /// Encrypts at once; else it stands by until the peer is seen using it or
    /// [`EventKind::ChildActivateOutbound`] comes.
    pub outbound_active: bool,
    /// Our side.
    pub local_ts: Vec<TrafficSelector>,
    /// The peer's side.
    pub remote_ts: Vec<TrafficSelector>,
    /// We started the exchange that made it.
    pub initiator: bool,
    /// The pair it replaces.
    pub replaces: Option<ChildId>,
    /// The peer takes no padding against traffic analysis (ESP_TFC_PADDING_NOT_SUPPORTED, RFC 7296 section 1.3.1).
    pub tfc_refused: bool,
}
