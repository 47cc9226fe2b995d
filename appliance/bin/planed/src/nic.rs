//! Ports and packet buffers: what the data plane's seam is made of in the product.

pub mod buffer;
pub mod cutoff;
pub mod environment;
pub mod ports;

use dpdk_rs::shm::ShmCells;
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::platform::Platform;
use ravelin_dataplane::state::StateCells;
use std::sync::atomic::AtomicU64;

use buffer::{Frame, FramePool, QueuePair};

#[cfg(feature = "misbehave")]
pub use crate::misbehave::Engine;
#[cfg(not(feature = "misbehave"))]
pub use ravelin_dataplane::engine::Accelerated as Engine;

/// The data plane on DPDK.
pub enum Dpdk {}

impl Platform for Dpdk {
    type Buf = Frame;
    type Pool = FramePool;
    type Port = QueuePair;
    type Engine = Engine<Packet<Frame>>;
    type Cells = Cells;
}

/// SA state in shared memory.
pub struct Cells(pub ShmCells);

impl StateCells for Cells {
    #[inline]
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.0.word(index)
    }
}
