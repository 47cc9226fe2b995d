//! Failed negotiations of IKE, as operators see them.

use ravelin_types::Identity;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// What is asked about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureOrder {
    /// Those of one peer, or all.
    Show(Option<IpAddr>),
    /// Forget those of one peer, or all; answered by [`DaemonReply::Done`] with their number.
    ///
    /// [`DaemonReply::Done`]: crate::operator::DaemonReply::Done
    Clear(Option<IpAddr>),
}

/// What iked remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failures {
    /// The newest first.
    pub entries: Vec<FailureEntry>,
    /// Entries that had to make room for others since iked began.
    pub forgotten: u64,
}

/// Negotiations that failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureEntry {
    /// Routing instance, unless it is the default one.
    pub instance: Option<String>,
    /// The peer's address and port, of the last one.
    pub remote: SocketAddr,
    /// Who it says it is, which is not proven in most failures.
    pub identity: Option<Identity>,
    /// The gateway, when one was chosen.
    pub gateway: Option<String>,
    /// The exchange.
    pub stage: String,
    /// What was wrong.
    pub what: String,
    /// What the peer offered, of the last one.
    pub offered: Option<String>,
    /// What is accepted here.
    pub accepted: Option<String>,
    /// How many.
    pub times: u64,
    /// Seconds since the first one.
    pub first_s: u64,
    /// Seconds since the last one.
    pub last_s: u64,
}
