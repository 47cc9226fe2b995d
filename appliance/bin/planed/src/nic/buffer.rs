//! Packets and queue pairs as the data plane sees them. A packet is one contiguous buffer: ports run without scattering.

use std::sync::{Arc, Mutex, PoisonError};

use arrayvec::ArrayVec;
use dpdk_rs::{BURST, Burst, Mbuf, Mempool, RxQueue, TxQueue};
use ravelin_dataplane::platform::{Pool, PortIo};
use ravelin_esp::PacketBuf;

/// A packet buffer of DPDK.
#[derive(Debug)]
pub struct Frame(Mbuf);

impl Frame {
    /// A copy of `octets`; `None` when the pool is empty or one buffer too small.
    pub fn copy(pool: Mempool, octets: &[u8]) -> Option<Self> {
        pool.packet(octets).map(Frame)
    }
}

impl PacketBuf for Frame {
    #[inline]
    fn data(&self) -> &[u8] {
        self.0.data()
    }

    #[inline]
    fn data_mut(&mut self) -> &mut [u8] {
        self.0.data_mut()
    }

    #[inline]
    fn prepend(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.prepend(octets).is_some())
    }

    #[inline]
    fn append(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.append(octets).is_some())
    }

    #[inline]
    fn adj(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.adj(octets).is_some())
    }

    #[inline]
    fn prefetch(&self) {
        self.0.prefetch();
    }

    #[inline]
    fn trim(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.trim(octets).is_some())
    }
}

/// The pool that workers take empty buffers from.
#[derive(Clone, Copy, Debug)]
pub struct FramePool(pub Mempool);

impl Pool<Frame> for FramePool {
    #[inline]
    fn alloc(&mut self) -> Option<Frame> {
        self.0.alloc().map(Frame)
    }
}

/// A transmit queue: one worker's own, or shared where the device has fewer queues than we have workers. The lock is taken once per
/// burst.
#[derive(Clone, Debug)]
pub struct SharedTx(Arc<Mutex<TxQueue>>);

impl SharedTx {
    /// Makes a queue sharable.
    pub fn new(queue: TxQueue) -> Self {
        Self(Arc::new(Mutex::new(queue)))
    }
}

#[derive(Debug)]
enum Tx {
    Own(TxQueue),
    Shared(SharedTx),
}

impl Tx {
    fn send(&mut self, burst: &mut Burst) -> usize {
        match self {
            Tx::Own(queue) => queue.tx_burst(burst),
            Tx::Shared(queue) => {
                let mut queue = queue.0.lock().unwrap_or_else(PoisonError::into_inner);
                queue.tx_burst(burst)
            }
        }
    }
}

/// One worker's share of a port.
#[derive(Debug)]
pub struct QueuePair {
    rx: Option<RxQueue>,
    tx: Tx,
    received: Burst,
    sending: Burst,
}

impl QueuePair {
    /// With a transmit queue of its own.
    pub fn own(rx: Option<RxQueue>, tx: TxQueue) -> Self {
        Self::new(rx, Tx::Own(tx))
    }

    /// With a shared transmit queue.
    pub fn shared(rx: Option<RxQueue>, tx: SharedTx) -> Self {
        Self::new(rx, Tx::Shared(tx))
    }

    fn new(rx: Option<RxQueue>, tx: Tx) -> Self {
        Self {
            rx,
            tx,
            received: ArrayVec::new(),
            sending: ArrayVec::new(),
        }
    }
}

impl PortIo<Frame> for QueuePair {
    #[inline]
    fn receive(&mut self, out: &mut Vec<Frame>) {
        let Some(rx) = &mut self.rx else { return };
        rx.rx_burst(&mut self.received);
        // A chained packet cannot come without scattering; one that does and does not fit its buffer is cut by the length
        // checks of the first stages.
        out.extend(self.received.drain(..).map(|mut mbuf| {
            let _ = mbuf.is_contiguous() || mbuf.linearize();
            Frame(mbuf)
        }));
    }

    #[inline]
    fn transmit(&mut self, frames: &mut Vec<Frame>) {
        let mut sent = 0;
        while sent < frames.len() || !self.sending.is_empty() {
            // Taken out one burst at a time: what the device refuses goes back in front.
            let count = frames.len().min(BURST);
            self.sending
                .extend(frames.drain(..count).map(|frame| frame.0));
            self.tx.send(&mut self.sending);
            if !self.sending.is_empty() {
                frames.splice(0..0, self.sending.drain(..).map(Frame));
                return;
            }
            sent = 0;
        }
    }
}
