//! Why a negotiation failed, at whose fault, on one line.

mod sides;

use std::net::{IpAddr, SocketAddr};

use ravelin_types::{Identity, TrafficSelector, VrfId};

use crate::authority::Denial;
use crate::msg::ParseError;
use crate::proposal::Mismatch;
use crate::registry::method_name;
pub use sides::Sides;

/// A failed negotiation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{remote}{} {stage}: {reason}", peer_text(.peer))]
pub struct Failure {
    /// Routing instance.
    pub vrf: VrfId,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Who it says it is, as far as known (not authenticated yet in most failures).
    pub peer: Option<Identity>,
    /// The gateway, when one was chosen.
    pub gateway: Option<String>,
    /// The exchange.
    pub stage: Stage,
    /// What and whose fault.
    pub reason: Reason,
}

fn peer_text(peer: &Option<Identity>) -> String {
    peer.as_ref().map(|p| format!(" ({p})")).unwrap_or_default()
}

/// The exchange that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stage {
    /// IKE_SA_INIT
    #[error("IKE_SA_INIT")]
    Init,
    /// IKE_INTERMEDIATE
    #[error("IKE_INTERMEDIATE")]
    Intermediate,
    /// IKE_AUTH
    #[error("IKE_AUTH")]
    Auth,
    /// CREATE_CHILD_SA for a child
    #[error("CREATE_CHILD_SA")]
    Child,
    /// CREATE_CHILD_SA for the IKE SA
    #[error("IKE rekey")]
    IkeRekey,
    /// INFORMATIONAL
    #[error("INFORMATIONAL")]
    Informational,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No transform in common: peer and configuration do not fit.
    #[error("no proposal chosen: {0}")]
    Proposal(Mismatch),
    /// No gateway for the addresses.
    #[error("no gateway is configured for this peer's address at {0}")]
    NoGateway(SocketAddr),
    /// No gateway for the identity.
    #[error("identity {offered} is not accepted: {accepted}")]
    Identity {
        /// What the peer sent.
        offered: String,
        /// What we accept.
        accepted: String,
    },
    /// The gateway has no key for the identity.
    #[error("gateway {gateway} has no pre-shared key for {identity}")]
    NoKey {
        /// Gateway.
        gateway: String,
        /// Identity.
        identity: Identity,
    },
    /// The gateway has as many peers as it may.
    #[error("gateway {gateway} has {limit} connections{} already, its limit", address_text(.address))]
    Connections {
        /// Gateway.
        gateway: String,
        /// The limit.
        limit: usize,
        /// The peer's address when the limit is for each.
        address: Option<IpAddr>,
    },
    /// The gateway requires a post-quantum pre-shared key (RFC 8784).
    #[error("gateway {gateway} requires a post-quantum pre-shared key, and the peer uses none")]
    NoPpk {
        /// Gateway.
        gateway: String,
    },
    /// The peer names a post-quantum pre-shared key that the gateway has not.
    #[error("post-quantum pre-shared key {offered} of the peer is not known: {accepted}")]
    UnknownPpk {
        /// What the peer named.
        offered: String,
        /// Those of the gateway.
        accepted: String,
    },
    /// The peer's proof without the post-quantum pre-shared key is right, the one with it is not.
    #[error("authentication failed: the post-quantum pre-shared keys {0} differ")]
    WrongPpk(String),
    /// The authentication data is wrong, for one reason or the other.
    #[error(
        "authentication failed: the pre-shared keys or the post-quantum pre-shared keys {0} differ"
    )]
    WrongKeyOrPpk(String),
    /// The responder refused our proof with a post-quantum pre-shared key.
    #[error("the peer answered {name} ({number}) to post-quantum pre-shared key {ppk}")]
    RefusedPpk {
        /// Name of the notification.
        name: &'static str,
        /// Its number.
        number: u16,
        /// What we named.
        ppk: String,
    },
    /// The authentication data is wrong.
    #[error("authentication failed: the pre-shared keys differ")]
    WrongKey,
    /// The authentication data has the wrong length.
    #[error("authentication failed: {got} octets of authentication data, {expected} expected")]
    AuthLength {
        /// Octets received.
        got: usize,
        /// Octets of the negotiated function.
        expected: usize,
    },
    /// A method that the gateway does not accept.
    #[error("authentication method {} is not accepted: {accepted}", method_text(*.offered))]
    AuthMethod {
        /// What came.
        offered: u8,
        /// What the gateway accepts.
        accepted: &'static str,
    },
    /// More certificates than are looked at.
    #[error("the peer sent {0} certificates: {max} at most are taken", max = crate::msg::cert::MAX_CERTIFICATES)]
    TooManyCertificates(usize),
    /// The authority does not accept the peer's certificate or signature.
    #[error("authentication failed: {0}")]
    Certificate(Denial),
    /// The same of a signature that covers a post-quantum pre-shared key.
    #[error("authentication failed with post-quantum pre-shared key {ppk}: {denial}")]
    CertificateWithPpk {
        /// What the authority says.
        denial: Denial,
        /// The key.
        ppk: String,
    },
    /// The authority makes no signature of ours.
    #[error("gateway {gateway} cannot sign: {why}")]
    Unsigned {
        /// Gateway.
        gateway: String,
        /// Why.
        why: Denial,
    },
    /// No common traffic selector.
    #[error("no traffic selector in common: offered {}, accepted {}", pairs_text(.offered_local, .offered_remote), .accepted)]
    Selectors {
        /// What the peer wants on our side.
        offered_local: Vec<TrafficSelector>,
        /// What it wants on its own.
        offered_remote: Vec<TrafficSelector>,
        /// What the configuration allows.
        accepted: String,
    },
    /// The peer refused with this notification.
    #[error("the peer answered {name} ({number})")]
    Refused {
        /// Name of the notification.
        name: &'static str,
        /// Its number.
        number: u16,
    },
    /// A payload that the exchange needs is missing or makes no sense.
    #[error("the peer's message has no usable {0} payload")]
    Missing(&'static str),
    /// The key exchange value is missing, or one of another method came.
    #[error("the peer's message has no key exchange value of {0}")]
    MissingKe(ravelin_types::DhGroup),
    /// The peer did fewer or more additional key exchanges than were agreed on.
    #[error("additional key exchanges: {done} done, {agreed} agreed on")]
    KeyExchanges {
        /// Done so far.
        done: usize,
        /// Agreed on.
        agreed: usize,
    },
    /// A malformed message inside the protected channel.
    #[error("malformed message: {0}")]
    Malformed(ParseError),
    /// An unknown payload that the peer marked critical.
    #[error("unknown critical payload {0}")]
    Critical(u8),
    /// The peer answered with something it was not offered.
    #[error("the peer chose {0}, which was not offered")]
    NotOffered(&'static str),
    /// The peer may not move its tunnel there, or be behind a NAT (RFC 4555).
    #[error("the peer may not be at this address: {0}")]
    Moved(&'static str),
    /// The peer's key exchange value was refused, or a primitive failed.
    #[error("{0}")]
    Crypto(ravelin_crypto::Error),
    /// A resource of ours is missing.
    #[error("{0}")]
    Environment(crate::environment::EnvironmentError),
    /// The peer does not answer.
    #[error("no answer after {0} transmissions")]
    NoAnswer(u32),
    /// More child SAs than one IKE SA may have.
    #[error("the peer has {0} child SAs already")]
    TooManyChildren(usize),
    /// More of them with the same traffic selectors than one IKE SA may have (RFC 9611).
    #[error("the peer has {0} child SAs with these traffic selectors already")]
    TooManyEqual(usize),
    /// The VPN is for transport mode alone.
    #[error("vpn {0} is in transport mode, for which the peer did not ask")]
    TransportOnly(String),
    /// RFC 3948 section 3.1.2, and AH covers the addresses.
    #[error("vpn {0} cannot be used through a NAT, in transport mode or with AH")]
    BehindNat(String),
    /// The gateway gives addresses, and the peer wants none.
    #[error("the peer asks for no address, and its gateway serves only those with one of pool {0}")]
    NoAddressAsked(String),
    /// The pool is empty, or has no address of the family.
    #[error("pool {0} has no address left of the kind that the peer asks for")]
    NoAddress(String),
    /// The data plane did not take the pair.
    #[error("the pair {} of vpn {vpn} could not be installed: {why}", pairs_text(.local, .remote))]
    Install {
        /// The VPN.
        vpn: String,
        /// Our side's selectors.
        local: Vec<TrafficSelector>,
        /// The peer's.
        remote: Vec<TrafficSelector>,
        /// What the data plane says.
        why: String,
    },
}

fn address_text(address: &Option<IpAddr>) -> String {
    address.map_or_else(String::new, |address| format!(" of {address}"))
}

fn method_text(method: u8) -> String {
    method_name(method).map_or_else(|| method.to_string(), |name| format!("{name} ({method})"))
}

fn pairs_text(local: &[TrafficSelector], remote: &[TrafficSelector]) -> String {
    format!("{} === {}", list_text(local), list_text(remote))
}

/// `a, b, c`
pub(crate) fn list_text<T: std::fmt::Display>(items: &[T]) -> String {
    items
        .iter()
        .map(T::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
/// Why handling stopped early inside the endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The message is discarded under this reason.
    #[error("{0:?}")]
    Discard(crate::stats::Discard),
    /// The session cannot go on: a primitive failed.
    #[error(transparent)]
    Crypto(#[from] ravelin_crypto::Error),
    /// The session cannot go on: a resource is missing.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
}

impl Fault {
    pub(crate) fn reason(self) -> Option<Reason> {
        match self {
            Fault::Discard(_) => None,
            Fault::Crypto(e) => Some(Reason::Crypto(e)),
            Fault::Environment(e) => Some(Reason::Environment(e)),
        }
    }
}
