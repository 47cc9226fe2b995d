//! Looking at packets without being in their way: captures, and the flight recorder.
//!
//! What is to be seen is published with the [`Tables`], so a worker that nobody watches tests one pointer
//! per burst. A worker that is watched copies into records that were allocated beforehand and never waits: what finds no record
//! free is counted as lost, and old notes of the recorder give way. Keys are nowhere near here.

pub mod capture;
pub mod filter;
pub mod recorder;

use std::panic::Location;
use std::sync::Arc;

use ravelin_ctl::capture::EspLink;
use ravelin_esp::PacketBuf;
use ravelin_types::Time;

use crate::drop::DropReason;
use crate::platform::Platform;
use crate::sa::PairFacts;
use crate::tables::{IfIndex, Tables};
use crate::worker::Worker;
use capture::Capture;
use recorder::{Done, Recorder};

/// What the workers shall show.
#[derive(Debug, Default)]
pub struct Watch {
    /// Captures.
    pub captures: Vec<Arc<Capture>>,
    /// The flight recorder, while it records.
    pub recorder: Option<Arc<Recorder>>,
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
        tables: &Tables,
        port: u16,
        frames: &[B],
    ) {
        for capture in &self.captures {
            capture.frames(worker, now, port, true, frames);
        }
        if let Some(recorder) = &self.recorder {
            recorder.sent((worker, now, "egress"), tables, port, frames);
        }
    }

    /// An inner packet that is being encrypted.
    #[cold]
    pub(crate) fn encrypting(
        &self,
        worker: u8,
        now: Time,
        facts: &PairFacts,
        inner: &[u8],
        esp: EspLink,
    ) {
        for capture in &self.captures {
            capture.inner(worker, now, facts.child.tunnel, true, inner, esp);
        }
        if let Some(recorder) = &self.recorder {
            let at = (worker, now, "esp_output");
            recorder.inner(at, Done::Encrypted, facts, inner, esp);
        }
    }

    /// An inner packet that is authentic and inside its selectors.
    #[cold]
    pub(crate) fn decrypted(
        &self,
        worker: u8,
        now: Time,
        facts: &PairFacts,
        inner: &[u8],
        esp: EspLink,
    ) {
        for capture in &self.captures {
            capture.inner(worker, now, facts.child.tunnel, false, inner, esp);
        }
        if let Some(recorder) = &self.recorder {
            recorder.inner((worker, now, "crypto"), Done::Decrypted, facts, inner, esp);
        }
    }

    /// An inner packet that is authentic and outside its selectors; it is discarded next.
    #[cold]
    pub(crate) fn outside(
        &self,
        worker: u8,
        now: Time,
        facts: &PairFacts,
        inner: &[u8],
        esp: EspLink,
    ) {
        if let Some(recorder) = &self.recorder {
            let done = Done::Dropped(DropReason::SelectorMismatch);
            recorder.inner((worker, now, "crypto"), done, facts, inner, esp);
        }
    }

    /// A packet that is discarded.
    #[cold]
    pub(crate) fn dropped<P: Platform>(
        &self,
        worker: &Worker<P>,
        reason: DropReason,
        ingress: IfIndex,
        data: &[u8],
        caller: &'static Location<'static>,
    ) {
        if let Some(recorder) = &self.recorder {
            recorder.dropped(worker, reason, ingress, data, caller);
        }
    }
}
