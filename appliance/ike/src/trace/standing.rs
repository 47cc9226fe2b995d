//! A trace that runs as long as the configuration has it: of all peers or those of a filter, for the daemon to write away.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use ravelin_types::Prefix;

use super::{Direction, MAX_ENTRIES, TraceEntry};

/// Whose messages a standing trace has, and what of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFilter {
    /// Our address; `None`: any.
    pub local: Option<IpAddr>,
    /// The peers' addresses; `None`: any.
    pub remote: Option<Prefix>,
    /// The messages.
    pub messages: bool,
    /// What became of them.
    pub notes: bool,
}

/// What was traced and not taken yet.
#[derive(Debug)]
pub(crate) struct Standing {
    filter: TraceFilter,
    entries: VecDeque<TraceEntry>,
    lost: u64,
}

impl Standing {
    pub(crate) fn new(filter: TraceFilter) -> Self {
        Self {
            filter,
            entries: VecDeque::new(),
            lost: 0,
        }
    }

    pub(super) fn wants(
        &self,
        direction: Direction,
        local: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> bool {
        let TraceFilter {
            local: ours,
            remote: theirs,
            messages,
            notes,
        } = self.filter;
        let wanted = match direction {
            Direction::Received | Direction::Sent => messages,
            Direction::Note => notes,
        };
        // A note has no address of ours.
        wanted
            && theirs.is_none_or(|prefix| prefix.contains(remote.ip()))
            && ours.is_none_or(|ours| local.is_none_or(|local| local.ip() == ours))
    }

    pub(super) fn push(&mut self, entry: TraceEntry) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push_back(entry);
        } else {
            self.lost += 1;
        }
    }

    /// What was traced since the last call, and how many entries found no room meanwhile.
    pub(crate) fn take(&mut self) -> (VecDeque<TraceEntry>, u64) {
        (
            std::mem::take(&mut self.entries),
            std::mem::take(&mut self.lost),
        )
    }
}
