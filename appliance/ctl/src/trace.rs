//! Traces of IKE: what the messages of one peer say.
//!
//! It has no nonces or authentication data, and keys only when it was begun with them.

use ravelin_types::{IkeEncr, IkeInteg, SecretBytes};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// What is asked of the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraceOrder {
    /// Trace this peer from now on, and no other; it ends by itself after [`TRACE_LENGTH_S`].
    Start {
        /// Its address.
        peer: IpAddr,
        /// Gather the keys of its IKE SAs too, for [`TraceOrder::Keys`].
        keys: bool,
    },
    /// Trace nobody any more; what was traced stays.
    Stop,
    /// What was traced.
    Show,
    /// The keys that were gathered. They are gone when the trace has ended.
    Keys,
    /// The end of a file of `traceoptions`, [`MAX_SHOWN_OCTETS`] of it.
    Log {
        /// Its name.
        file: String,
    },
}

/// How long a trace runs, in seconds: longer than an engineer watches a peer that does not come up.
pub const TRACE_LENGTH_S: u64 = 3600;

/// Octets of a file that are shown: some thousand lines.
pub const MAX_SHOWN_OCTETS: u64 = 256 << 10;

/// What was traced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Whose messages.
    pub peer: IpAddr,
    /// Seconds until it ends; none when it has ended.
    pub runs_s: Option<u64>,
    /// Oldest first.
    pub entries: Vec<TraceEntry>,
    /// Older ones that had to make room.
    pub forgotten: u64,
}

/// What opens the messages of one IKE SA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceKeys {
    /// SPI of the IKE SA's initiator.
    pub spi_i: u64,
    /// SPI of its responder.
    pub spi_r: u64,
    /// Encryption.
    pub encr: IkeEncr,
    /// Integrity, unless the encryption has it.
    pub integ: Option<IkeInteg>,
    /// SK_ei.
    pub ei: SecretBytes,
    /// SK_er.
    pub er: SecretBytes,
    /// SK_ai.
    pub ai: SecretBytes,
    /// SK_ar.
    pub ar: SecretBytes,
}

/// One message, or what became of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEntry {
    /// Microseconds since 1970.
    pub time_us: u64,
    /// What it is.
    pub kind: TraceKind,
    /// Our address and port; a note has none.
    pub local: Option<SocketAddr>,
    /// The peer's.
    pub remote: SocketAddr,
    /// The message in one line, then a line for each payload.
    pub lines: Vec<String>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraceKind {
    /// A message from the peer.
    Received,
    /// One to the peer.
    Sent,
    /// What became of one.
    Note,
}
