//! Receive and transmit queues: the packet path's handles. One worker owns each; a poll needs `&mut`.

use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::mbuf::Mbuf;
use crate::port::Device;

/// A receive queue of a started port.
#[derive(Debug)]
pub struct RxQueue {
    device: Arc<Device>,
    queue: u16,
}

/// A transmit queue of a started port.
#[derive(Debug)]
pub struct TxQueue {
    device: Arc<Device>,
    queue: u16,
}

impl RxQueue {
    pub(crate) fn new(device: Arc<Device>, queue: u16) -> Self {
        RxQueue { device, queue }
    }

    /// DPDK's number of the port.
    #[must_use]
    pub fn port_id(&self) -> u16 {
        self.device.id
    }

    /// Number of this queue on its port.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.queue
    }

    /// Appends what has arrived to `out`, up to its capacity; returns how many packets.
    ///
    /// Vector drivers fetch only multiples of 4 or 8, so call it with an empty `out` where possible.
    #[inline]
    pub fn rx_burst<const N: usize>(&mut self, out: &mut ArrayVec<Mbuf, N>) -> usize {
        let len = out.len();
        let room = u16::try_from(out.remaining_capacity()).unwrap_or(u16::MAX);
        // SAFETY: the port is started while this handle lives, and `&mut self` makes us the queue's only poller;
        // there is room for `room` more pointers, of which DPDK writes `received`, each a packet we now own.
        unsafe {
            let free = out.as_mut_ptr().add(len).cast();
            let received = usize::from(dpdk_sys::rv_eth_rx_burst(
                self.device.id,
                self.queue,
                free,
                room,
            ));
            out.set_len(len + received);
            received
        }
    }
}

impl TxQueue {
    pub(crate) fn new(device: Arc<Device>, queue: u16) -> Self {
        TxQueue { device, queue }
    }

    /// DPDK's number of the port.
    #[must_use]
    pub fn port_id(&self) -> u16 {
        self.device.id
    }

    /// Number of this queue on its port.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.queue
    }

    /// Sends from the front of `packets`; those that found no descriptor stay in it, in order. Returns how many left.
    #[inline]
    pub fn tx_burst<const N: usize>(&mut self, packets: &mut ArrayVec<Mbuf, N>) -> usize {
        let count = u16::try_from(packets.len()).unwrap_or(u16::MAX);
        // SAFETY: the port is started while this handle lives, `&mut self` makes us the queue's only sender; the
        // driver takes ownership of exactly the first `sent` packets.
        let sent = unsafe {
            let first = packets.as_mut_ptr().cast();
            usize::from(dpdk_sys::rv_eth_tx_burst(
                self.device.id,
                self.queue,
                first,
                count,
            ))
        };
        forget_front(packets, sent);
        sent
    }
}

/// Removes the first `count` items, whose ownership went elsewhere, without dropping them.
#[inline]
pub(crate) fn forget_front<T, const N: usize>(items: &mut ArrayVec<T, N>, count: usize) {
    let left = items.len().saturating_sub(count);
    // SAFETY: `count + left` items are initialised; the front is not ours any more, the rest moves down by a copy
    // that may overlap, and the length then covers exactly the moved ones.
    unsafe {
        if left > 0 && count > 0 {
            let start = items.as_mut_ptr();
            std::ptr::copy(start.add(count), start, left);
        }
        items.set_len(left);
    }
}
