//! Why ESP refuses a packet.

use thiserror::Error;

/// The one reason for which a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum EspDrop {
    /// Peer: too short for header, IV, trailer and ICV.
    #[error("ESP packet too short")]
    Malformed,
    /// Peer or network: left of the replay window.
    #[error("sequence number left of the replay window")]
    ReplayOld,
    /// Attack or network: this number was accepted before.
    #[error("sequence number seen before")]
    ReplayDuplicate,
    /// Peer: number 0 is never sent (RFC 4303 section 3.3.3).
    #[error("sequence number zero")]
    SequenceZero,
    /// Attack, corruption or wrong key.
    #[error("integrity check failed")]
    AuthFailed,
    /// Our resources: the crypto engine did not do the operation.
    #[error("crypto engine failed")]
    EngineFailed,
    /// Peer: padding is not 1, 2, 3 ... or longer than the packet.
    #[error("bad ESP padding")]
    BadPadding,
    /// Peer: next header is neither IPv4 nor IPv6, or does not fit the inner packet.
    #[error("bad ESP next header")]
    BadNextHeader,
    /// Traffic-flow confidentiality: next header 59, dropped silently.
    #[error("dummy packet")]
    Dummy,
    /// Network: outer header says congestion, inner transport cannot hear it (RFC 6040 section 4.2).
    #[error("congestion mark on a transport without ECN")]
    EcnInvalid,
    /// Our buffers: no room for the outer headers or the trailer.
    #[error("no room in the buffer")]
    NoRoom,
    /// Inner packet so long that the outer would pass 65,535 octets.
    #[error("packet too long for encapsulation")]
    TooLong,
    /// Our SA: the last sequence number or IV was used; it must be rekeyed.
    #[error("sequence numbers exhausted")]
    SequenceExhausted,
    /// Our SA: its lifetime by volume is over and no rekey has replaced it.
    #[error("lifetime of the SA is over")]
    LifetimeExpired,
    /// Our SA: the number is above the ceiling that was granted; more was asked for.
    #[error("sequence number not granted yet")]
    SequenceUngranted,
    /// Peer: AH cut short, or not as long as its algorithm makes it.
    #[error("malformed AH")]
    AhMalformed,
    /// Ours: the destination changes on the way, which AH would have to foresee.
    #[error("source-routed packet for AH")]
    SourceRouted,
    /// Ours: transport mode takes whole packets only (RFC 4303 section 3.3.4).
    #[error("a fragment in transport mode")]
    Fragment,
    /// Peer: an authentic number above the inbound ceiling, which a restart could not refuse later.
    #[error("inbound sequence number not granted yet")]
    InboundUngranted,
}
