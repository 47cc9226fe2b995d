//! ESP in tunnel mode (RFC 4303) with AES-GCM (RFC 4106), over protocol 50 or UDP (RFC 3948). Sans-IO: no clock, no sockets, no threads.
//!
//! A packet passes in two halves, so that the cipher between them may work on bursts or on another device:
//!
//! ```text
//! outbound:  OutboundSa::prepare -> CryptoEngine::submit ... poll -> outbound::finish  -> outer packet
//! inbound:   InboundSa::prepare  -> CryptoEngine::submit ... poll -> InboundSa::finish -> inner packet
//!            (replay *check*)                                        (replay *commit*)
//! ```
//!
//! This crate finds no SA, knows no routes and checks no selectors: that is the data plane's work. Each refusal is one
//! [`EspDrop`].
#![forbid(unsafe_code)]

mod buf;
mod drop;
pub mod ecn;
pub mod engine;
pub mod fuzzing;
mod inbound;
mod iv;
mod outbound;
mod replay;

pub use buf::{MemoryBuf, PacketBuf};
pub use drop::{EspDrop, Rejected};
pub use engine::{Cipher, CryptoEngine, CryptoOp, Direction, KeyError, KeyId, OpStatus};
pub use inbound::{InboundParams, InboundSa, Inner};
pub use iv::IvPrefix;
pub use outbound::{DfPolicy, OutboundParams, OutboundSa, OuterAddresses, finish};
pub use replay::{MAX_REPLAY_WINDOW, ReplayWindow, Verdict};

/// Octets of the AES-GCM-16 integrity check value.
pub const ICV_OCTETS: usize = 16;
/// Octets of the salt that precedes the explicit IV in the nonce.
pub const SALT_OCTETS: usize = 4;
