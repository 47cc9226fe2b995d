//! The vault: one append log of opaque records on tmpfs, so that a daemon that dies comes back with what it had promised.
//!
//! Design decision D6: a datagram leaves only after the record that explains it is in the vault. The vault lives on a
//! tmpfs that is not swapped; `write(2)` to it survives the death of the process, which is what "durable" means here. It
//! does not survive the machine, and it must not: it holds keys.
//!
//! A record belongs to a *subject* (a local id of an IKE SA). [`Op::Append`] adds to the subject's records,
//! [`Op::Replace`] supersedes all of them, [`Op::Remove`] ends the subject. [`Vault::open`] gives back the live records in
//! the order they were written.
//!
//! ```text
//!            append_batch            garbage > live, or the bound is near
//!   open -----------------> log ------------------------------------> compact: copy the live records to a new file,
//!     ^                      |                                                   rename it over the log
//!     +---- process dies ----+   a torn last record is cut off at the next open
//! ```
//!
//! What is superseded or ended is overwritten in place as soon as what takes its place is written, so the keys of an SA do not outlive
//! it (RFC 7296 section 2.12); a death before that is made good for at the next open.
//!
//! Not here: what records mean, replication to an HA peer, and the decision when a datagram may leave.
#![forbid(unsafe_code)]

mod error;
pub mod format;
mod index;
mod log;

pub use error::{Error, FormatError};
pub use log::{Limits, Live, Op, Replay, Vault};

/// Position of a record: counts operations written in this life of the vault, from 1. Never reused, never decreasing, also
/// across restarts and compactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);
