//! Keys of the traced peer's IKE SAs, for who decodes a capture of them. Only when asked for, and no longer than the trace runs.

use std::collections::VecDeque;

use ravelin_types::{IkeSuite, SecretBytes};

use crate::session::Session;

/// IKE SAs whose keys are kept, the last ones: a peer that fails makes a new one each time.
pub const MAX_KEYS: usize = 256;

/// What opens the messages of one IKE SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceKeys {
    /// SPI of the IKE SA's initiator.
    pub spi_i: u64,
    /// SPI of its responder.
    pub spi_r: u64,
    /// What the keys are for.
    pub suite: IkeSuite,
    /// SK_ei: encryption of what the initiator sends.
    pub ei: SecretBytes,
    /// SK_er: of what the responder sends.
    pub er: SecretBytes,
    /// SK_ai: integrity of what the initiator sends; empty with combined ciphers.
    pub ai: SecretBytes,
    /// SK_ar: of what the responder sends.
    pub ar: SecretBytes,
}

/// Notes the keys of the IKE SAs of `session` that are not known yet.
pub(super) fn note(known: &mut VecDeque<TraceKeys>, session: &Session) {
    for sa in &session.ikes {
        let (Some(suite), Some(keys)) = (sa.suite, &sa.keys) else {
            continue;
        };
        let is_known = |row: &TraceKeys| (row.spi_i, row.spi_r) == (sa.spi_i, sa.spi_r);
        if known.iter().any(is_known) {
            continue;
        }
        if known.len() >= MAX_KEYS {
            known.pop_front();
        }
        known.push_back(TraceKeys {
            spi_i: sa.spi_i,
            spi_r: sa.spi_r,
            suite,
            ei: keys.ei.clone(),
            er: keys.er.clone(),
            ai: keys.ai.clone(),
            ar: keys.ar.clone(),
        });
    }
}
