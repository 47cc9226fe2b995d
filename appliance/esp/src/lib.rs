//! ESP (RFC 4303) in tunnel and transport mode with the algorithms of [`ravelin_types::EspTransform`], over protocol 50 or UDP (RFC 3948). Sans-IO:
//! no clock, no sockets, no threads.
//!
//! A packet passes in two halves, so that the cipher between them may work on bursts or on another device:
//!
//! ```text
//! outbound:  OutboundSa::prepare -> CryptoEngine::run_now, or submit ... poll -> outbound::finish  -> outer packet
//! inbound:   InboundSa::prepare  -> CryptoEngine::run_now, or submit ... poll -> InboundSa::finish -> inner packet
//!            (replay *check*)                                                    (replay *commit*)
//! ```
//!
//! AH (RFC 4302) has the same two halves (`prepare_ah`, `finish_ah`), numbers, window and engine.
//!
//! This crate finds no SA, knows no routes and checks no selectors: that is the data plane's work. Each refusal is one
//! [`EspDrop`].
#![forbid(unsafe_code)]

mod ah;
mod buf;
mod drop;
pub mod ecn;
pub mod engine;
pub mod fuzzing;
mod inbound;
mod iv;
mod keys;
mod layout;
mod outbound;
mod replay;
mod transport;

pub use ah::{MAX_AH_FRONT_OCTETS, covered_behind_ah, finish_ah};
pub use buf::{MemoryBuf, PacketBuf};
pub use drop::EspDrop;
pub use engine::{CryptoEngine, CryptoOp, Direction, KeyError, KeyId, OpStatus, Task};
pub use inbound::{InboundParams, InboundSa};
pub use iv::IvPrefix;
pub use keys::{Keys, SALT_OCTETS};
pub use outbound::{DfPolicy, OutboundParams, OutboundSa, OuterAddresses, finish};
pub use replay::{MAX_REPLAY_WINDOW, ReplayWindow, Verdict};
