//! Which records of the log are live, and where they lie. Holds no content.

use std::collections::HashMap;

use crate::format::{Kind, RECORD_HEADER_OCTETS};

/// A live record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub position: u64,
    pub subject: u64,
    pub payload_at: u64,
    pub payload_octets: u32,
}

impl Extent {
    /// Octets it takes in the log.
    pub(crate) fn octets(&self) -> u64 {
        u64::from(self.payload_octets) + RECORD_HEADER_OCTETS as u64
    }
}

/// Live records by subject.
#[derive(Debug, Default)]
pub(crate) struct Index {
    subjects: HashMap<u64, Vec<Extent>>,
    live_octets: u64,
}

impl Index {
    /// Applies one record; returns those that it supersedes.
    pub(crate) fn apply(&mut self, kind: Kind, extent: Extent) -> Vec<Extent> {
        let mut dead = Vec::new();
        if kind != Kind::Append {
            dead = self.subjects.remove(&extent.subject).unwrap_or_default();
            for old in &dead {
                self.live_octets -= old.octets();
            }
        }
        if kind != Kind::Remove {
            self.live_octets += extent.octets();
            self.subjects
                .entry(extent.subject)
                .or_default()
                .push(extent);
        }
        dead
    }

    /// Whether the subject has live records.
    pub(crate) fn contains(&self, subject: u64) -> bool {
        self.subjects.contains_key(&subject)
    }

    /// Octets of the subject's live records.
    pub(crate) fn subject_octets(&self, subject: u64) -> u64 {
        self.subjects
            .get(&subject)
            .map_or(0, |extents| extents.iter().map(Extent::octets).sum())
    }

    /// Octets of all live records.
    pub(crate) fn live_octets(&self) -> u64 {
        self.live_octets
    }

    /// Number of subjects.
    pub(crate) fn subjects(&self) -> usize {
        self.subjects.len()
    }

    /// All live records in the order they were written.
    pub(crate) fn in_order(&self) -> Vec<Extent> {
        let mut all: Vec<Extent> = self.subjects.values().flatten().copied().collect();
        all.sort_unstable_by_key(|extent| extent.position);
        all
    }
}
