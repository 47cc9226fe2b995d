//! A trace of discarded packets, for an operator who asks: the last of each worker with the reason and the first octets. Off, it
//! costs one load per discarded packet; on, one bounded ring that overwrites its oldest entry.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use ravelin_types::Time;

use crate::drop::DropReason;
use crate::tables::IfIndex;

/// Entries kept per worker.
pub const ENTRIES: usize = 256;
/// Octets kept of each packet: an IPv6 header and the ports behind it, or an IPv4 header with an ESP header.
pub const SNAP_OCTETS: usize = 44;

/// One discarded packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub time: Time,
    /// Why.
    pub reason: DropReason,
    /// The interface it came in by.
    pub ingress: IfIndex,
    /// Its length where it ended.
    pub octets: u32,
    /// Its first octets where it ended, zero-padded.
    pub snap: [u8; SNAP_OCTETS],
}

/// The trace of one worker.
#[derive(Debug)]
pub struct Trace {
    enabled: AtomicBool,
    ring: ArrayQueue<Entry>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            enabled: AtomicBool::new(false),
            ring: ArrayQueue::new(ENTRIES),
        }
    }
}

impl Trace {
    /// Switches it on or off.
    pub fn enable(&self, on: bool) {
        self.enabled.store(on, Ordering::Relaxed);
    }

    /// Records a discarded packet, if the trace is on.
    #[inline]
    pub fn record(&self, time: Time, reason: DropReason, ingress: IfIndex, data: &[u8]) {
        if self.enabled.load(Ordering::Relaxed) {
            let mut snap = [0; SNAP_OCTETS];
            let kept = data.len().min(SNAP_OCTETS);
            snap[..kept].copy_from_slice(&data[..kept]);
            self.ring.force_push(Entry {
                time,
                reason,
                ingress,
                octets: data.len() as u32,
                snap,
            });
        }
    }

    /// Takes what was recorded, oldest first.
    pub fn take(&self) -> Vec<Entry> {
        std::iter::from_fn(|| self.ring.pop())
            .take(ENTRIES)
            .collect()
    }
}
