//! What a worker runs on: buffers, a pool, ports, a crypto engine and the cells that survive the process. The product uses DPDK;
//! tests use memory.

use ravelin_esp::{CryptoEngine, PacketBuf};

use crate::packet::Packet;
use crate::state::StateCells;

/// Packets handled at once. Small enough for the burst to stay in L1, large enough to amortise what is done per burst.
pub const BURST: usize = 64;

/// A source of empty buffers.
pub trait Pool<B>: Send {
    /// An empty buffer with headroom, or `None` when the pool is exhausted.
    fn alloc(&mut self) -> Option<B>;
}

/// One queue pair of a port, used by one worker.
pub trait PortIo<B>: Send {
    /// Appends at most [`BURST`] received frames to `out`. One that the port cannot show in one piece comes empty.
    fn receive(&mut self, out: &mut Vec<B>);
    /// Sends frames from the front of `frames` and removes them; what the port did not take stays.
    fn transmit(&mut self, frames: &mut Vec<B>);
}

/// The types of one build of the data plane.
pub trait Platform: Sized + 'static {
    /// Packet buffers.
    type Buf: PacketBuf + 'static;
    /// Where buffers come from.
    type Pool: Pool<Self::Buf>;
    /// Ports.
    type Port: PortIo<Self::Buf>;
    /// The crypto engine of a worker.
    type Engine: CryptoEngine<Packet<Self::Buf>> + Send;
    /// SA state that outlives the process.
    type Cells: StateCells;
}

/// The engine's expanded key.
pub type Key<P> = <<P as Platform>::Engine as CryptoEngine<Packet<<P as Platform>::Buf>>>::Key;

/// What makes the engine's keys.
pub type Maker<P> = <<P as Platform>::Engine as CryptoEngine<Packet<<P as Platform>::Buf>>>::Maker;
