//! Looking at packets without being in their way: captures.
//!
//! What is to be seen is published with the [`Tables`](crate::tables::Tables), so a worker that nobody watches tests one pointer
//! per burst. A worker that is watched copies into records that were allocated beforehand and never waits: what finds no record
//! free is counted as lost. Keys are nowhere near here.

pub mod capture;
pub mod filter;

use std::sync::Arc;

use ravelin_ctl::capture::EspLink;
use ravelin_esp::PacketBuf;
use ravelin_types::Time;

use crate::tables::IfIndex;
use capture::Capture;

/// What the workers shall show.
#[derive(Debug, Default)]
pub struct Watch {
    /// Captures.
    pub captures: Vec<Arc<Capture>>,
}

impl Watch {
    /// Frames that came in by a port.
    #[cold]
    pub(crate) fn received<B: PacketBuf>(&self, worker: u8, now: Time, port: u16, frames: &[B]) {
        for capture in &self.captures {
            capture.frames(worker, now, port, false, frames);
        }
    }

    /// Frames that are handed to a port for the first time.
    #[cold]
    pub(crate) fn transmitting<B: PacketBuf>(
        &self,
        worker: u8,
        now: Time,
        port: u16,
        frames: &[B],
    ) {
        for capture in &self.captures {
            capture.frames(worker, now, port, true, frames);
        }
    }

    /// An inner packet that is being encrypted.
    #[cold]
    pub(crate) fn encrypting(
        &self,
        worker: u8,
        now: Time,
        tunnel: IfIndex,
        inner: &[u8],
        esp: EspLink,
    ) {
        for capture in &self.captures {
            capture.inner(worker, now, tunnel, true, inner, esp);
        }
    }

    /// An inner packet that is authentic and inside its selectors.
    #[cold]
    pub(crate) fn decrypted(
        &self,
        worker: u8,
        now: Time,
        tunnel: IfIndex,
        inner: &[u8],
        esp: EspLink,
    ) {
        for capture in &self.captures {
            capture.inner(worker, now, tunnel, false, inner, esp);
        }
    }
}
