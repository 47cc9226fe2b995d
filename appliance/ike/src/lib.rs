//! Sans-IO IKEv2 (RFC 7296): bytes, times and randomness in; bytes, deadlines, journal records and events out.
//!
//! An [`Endpoint`] holds every IKE SA of a shard. It owns no socket, clock, thread or random source: the daemon feeds it
//! datagrams and the time, runs its [`Work`] (key exchanges, signatures), stores its [`Record`]s, and sends its [`Transmit`]s once the
//! records they depend on are durable (write-ahead: after a crash the restored endpoint repeats itself bit by bit).
//!
//! What it does not do: certificates and signatures themselves (an [`Authority`] of the daemon's does), EAP, the data plane,
//! name resolution.
//!
//! ```text
//!  datagram -> msg -> endpoint (cookie, routing by SPI) -> window -> sa/{init, auth, child, rekey, delete, established}
//!                                                                      |
//!             records, transmits, events, work <- outbox <-------------+
//! ```
#![forbid(unsafe_code)]

pub mod authority;
pub mod config;
mod connections;
pub mod endpoint;
pub mod environment;
pub mod error;
pub mod event;
pub mod fragment;
pub mod identity;
pub mod msg;
pub mod proposal;
pub mod selector;
pub mod stats;
mod text;
pub mod timers;
pub mod trace;
pub mod window;
pub mod work;

mod crash;
mod keymat;
mod lease;
mod outbox;
mod record;
mod registry;
mod sa;
mod session;

pub use authority::{
    Authority, Denial, HASH_ALGORITHMS, NoAuthority, SignRequest, Signature, VerifyRequest,
};
pub use config::Config;
pub use endpoint::{ChildSummary, Endpoint, IkeSummary, RestoreReport, RestoredChild};
pub use environment::{Environment, EnvironmentError, TOKEN_SECRET_OCTETS};
pub use error::{Failure, Reason, Sides, Stage};
pub use event::{
    ChildInstall, Datagram, DownReason, Event, EventKind, Half, IkeId, IkeUp, JournalSeq, Outer,
    Record, RecordOp, SessionId, Transmit,
};
pub use lease::MAX_LEASES;
pub use record::RecordError;
pub use sa::child::MAX_EQUAL_CHILDREN;
pub use stats::{Count, Discard, Stats};
pub use trace::{Direction, Trace, TraceEntry, TraceFilter, TraceKeys};
pub use work::{Job, Work, WorkId, WorkResult};

#[cfg(test)]
mod sim;
