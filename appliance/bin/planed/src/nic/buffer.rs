//! Packets and queue pairs as the data plane sees them. A packet is one contiguous buffer: what a device delivers in several segments
//! is joined in a buffer of jumbo size.

use std::sync::{Arc, Mutex, PoisonError};

use arrayvec::ArrayVec;
use dpdk_rs::{BURST, Burst, Mbuf, Mempool, RxQueue, TxQueue};
use ravelin_dataplane::engine::accelerated::MbufBuf;
use ravelin_dataplane::platform::{Pool, PortIo};
use ravelin_esp::PacketBuf;
use ravelin_wire::{ethernet, partial};

/// A packet buffer of DPDK.
#[derive(Debug)]
pub struct Frame(Mbuf);

impl Frame {
    /// A copy of `octets`; `None` when the pool is empty or one buffer too small.
    pub fn copy(pool: Mempool, octets: &[u8]) -> Option<Self> {
        pool.packet(octets).map(Frame)
    }

    /// A received packet, in one piece. Virtual devices deliver several segments when a frame is longer than a buffer of their port,
    /// whatever the MTU.
    #[inline]
    fn received(mbuf: Mbuf, jumbo: Mempool) -> Self {
        if mbuf.is_contiguous() {
            Self(mbuf)
        } else {
            Self::join(mbuf, jumbo)
        }
    }

    /// The packet copied into one buffer of jumbo size. One that is longer, or finds no buffer, comes out empty: nothing that looks at
    /// a part of it could tell.
    #[cold]
    fn join(mbuf: Mbuf, jumbo: Mempool) -> Self {
        let joined = jumbo.alloc().and_then(|mut joined| {
            let octets = u16::try_from(mbuf.pkt_len()).ok()?;
            mbuf.copy_out(0, joined.append(octets)?).then_some(joined)
        });
        match joined {
            Some(joined) => Self(joined),
            None => {
                let first = mbuf.data().len();
                let mut cut = Self(mbuf);
                cut.adj(first);
                cut
            }
        }
    }
}

impl PacketBuf for Frame {
    #[inline(always)]
    fn data(&self) -> &[u8] {
        self.0.data()
    }

    #[inline(always)]
    fn data_mut(&mut self) -> &mut [u8] {
        self.0.data_mut()
    }

    #[inline(always)]
    fn prepend(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.prepend(octets).is_some())
    }

    #[inline(always)]
    fn append(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.append(octets).is_some())
    }

    #[inline(always)]
    fn grow(&mut self, front_octets: usize, back_octets: usize) -> bool {
        match (u16::try_from(front_octets), u16::try_from(back_octets)) {
            (Ok(front), Ok(back)) => self.0.grow(front, back),
            _ => false,
        }
    }

    #[inline(always)]
    fn adj(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.adj(octets).is_some())
    }

    #[inline(always)]
    fn prefetch(&self) {
        self.0.prefetch();
    }

    #[inline(always)]
    fn trim(&mut self, octets: usize) -> bool {
        u16::try_from(octets).is_ok_and(|octets| self.0.trim(octets).is_some())
    }
}

impl MbufBuf for Frame {
    #[inline]
    fn into_mbuf(self) -> Mbuf {
        self.0
    }

    #[inline]
    fn from_mbuf(mbuf: Mbuf) -> Self {
        Self(mbuf)
    }
}

/// Fills in the checksum that the packet of a frame lacks, if it lacks one.
fn complete(frame: &mut Frame) {
    if let Some(meta) = ethernet::parse(frame.data())
        && let Some(packet) = frame.data_mut().get_mut(meta.header_octets..)
    {
        partial::complete(packet);
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

/// Whether the senders of what a port receives may have left checksums to a NIC that there is none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// A wire, or a device of ours that promises whole packets.
    Whole,
    /// An interface of the kernel: AF_PACKET hands over what another system of this machine sends as it is, and the driver keeps to
    /// itself that it is not ready (packet(7), `TP_STATUS_CSUMNOTREADY`).
    Partial,
}

/// One worker's share of a port.
#[derive(Debug)]
pub struct QueuePair {
    rx: Option<RxQueue>,
    tx: Tx,
    /// For packets of several segments.
    jumbo: Mempool,
    checksums: Checksums,
    received: Burst,
    sending: Burst,
}

impl QueuePair {
    /// With a transmit queue of its own.
    pub fn own(rx: Option<RxQueue>, tx: TxQueue, jumbo: Mempool, checksums: Checksums) -> Self {
        Self::new(rx, Tx::Own(tx), jumbo, checksums)
    }

    /// With a shared transmit queue.
    pub fn shared(rx: Option<RxQueue>, tx: SharedTx, jumbo: Mempool, checksums: Checksums) -> Self {
        Self::new(rx, Tx::Shared(tx), jumbo, checksums)
    }

    fn new(rx: Option<RxQueue>, tx: Tx, jumbo: Mempool, checksums: Checksums) -> Self {
        Self {
            rx,
            tx,
            jumbo,
            checksums,
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
        let jumbo = self.jumbo;
        let received = self.received.drain(..);
        let before = out.len();
        out.extend(received.map(|mbuf| Frame::received(mbuf, jumbo)));
        if self.checksums == Checksums::Partial {
            out[before..].iter_mut().for_each(complete);
        }
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

#[cfg(test)]
mod tests;
