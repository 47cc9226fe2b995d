//! The in-memory twin: a port is two queues of octets, so that the whole pipeline runs in unit tests, packets in, packets out.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use ravelin_esp::engine::PortableEngine;
use ravelin_esp::{MemoryBuf, PacketBuf};

use crate::packet::Packet;
use crate::platform::{BURST, Platform, Pool, PortIo};

/// Room of a buffer from the pool.
const CAPACITY_OCTETS: usize = 9_600;

/// The platform of the tests.
#[derive(Debug)]
pub enum Memory {}

impl Platform for Memory {
    type Buf = MemoryBuf;
    type Pool = MemoryPool;
    type Port = MemoryPort;
    type Engine = PortableEngine<Packet<MemoryBuf>>;
    type Cells = Box<[AtomicU64]>;
}

/// A pool without an end.
#[derive(Debug, Default)]
pub struct MemoryPool;

impl Pool<MemoryBuf> for MemoryPool {
    fn alloc(&mut self) -> Option<MemoryBuf> {
        Some(MemoryBuf::with_capacity(CAPACITY_OCTETS))
    }
}

#[derive(Debug, Default)]
struct Queues {
    to_worker: VecDeque<Vec<u8>>,
    from_worker: VecDeque<Vec<u8>>,
    stalled: bool,
}

/// A port; the tester keeps a clone of it as the other end of the cable.
#[derive(Clone, Debug, Default)]
pub struct MemoryPort(Arc<Mutex<Queues>>);

impl MemoryPort {
    /// Puts a frame on the wire towards the worker.
    pub fn push(&self, frame: &[u8]) {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.to_worker.push_back(frame.to_vec());
    }

    /// Makes the port refuse frames, or take them again.
    pub fn stall(&self, on: bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stalled = on;
    }

    /// Takes the oldest frame the worker sent.
    pub fn pop(&self) -> Option<Vec<u8>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .from_worker
            .pop_front()
    }
}

impl PortIo<MemoryBuf> for MemoryPort {
    fn receive(&mut self, out: &mut Vec<MemoryBuf>) {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queues.to_worker.len().min(BURST);
        out.extend(
            queues
                .to_worker
                .drain(..count)
                .map(|frame| MemoryBuf::new(&frame)),
        );
    }

    fn transmit(&mut self, frames: &mut Vec<MemoryBuf>) {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.stalled {
            return;
        }
        queues
            .from_worker
            .extend(frames.drain(..).map(|frame| frame.data().to_vec()));
    }
}

/// Cells in ordinary memory for `slots` SAs.
pub fn cells(slots: usize) -> Box<[AtomicU64]> {
    (0..crate::state::words(slots))
        .map(|_| AtomicU64::new(0))
        .collect()
}
