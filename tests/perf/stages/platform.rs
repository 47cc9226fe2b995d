//! What the worker runs on here: recycled buffers, ports that are two vectors, and the cipher that does nothing.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{Platform, Pool, PortIo};
use ravelin_esp::{CryptoEngine, CryptoOp, KeyError, KeyId, Keys, OpStatus, PacketBuf, Task};
use ravelin_types::EspTransform;

/// As large as the product's buffers.
const BUFFER_OCTETS: usize = 2048;
/// Room for what a tunnel puts in front.
const HEADROOM_OCTETS: usize = 128;

thread_local! {
    #[expect(clippy::vec_box, reason = "a buffer changes hands without being copied")]
    static FREE: RefCell<Vec<Box<Memory>>> = const { RefCell::new(Vec::new()) };
}

/// Where the packet lies, and its octets.
struct Memory {
    start: usize,
    end: usize,
    storage: [u8; BUFFER_OCTETS],
}

/// A buffer that goes back to a free list, the warmest first. One pointer, as an mbuf is.
pub struct Buf(Option<Box<Memory>>);

impl Buf {
    /// An empty buffer. What an earlier packet wrote is still in it.
    pub fn new() -> Self {
        let recycled = FREE.with_borrow_mut(Vec::pop);
        let mut memory = recycled.unwrap_or_else(|| {
            Box::new(Memory {
                start: 0,
                end: 0,
                storage: [0; BUFFER_OCTETS],
            })
        });
        (memory.start, memory.end) = (HEADROOM_OCTETS, HEADROOM_OCTETS);
        Self(Some(memory))
    }

    #[inline]
    fn change(&mut self, change: impl FnOnce(&mut Memory) -> Option<()>) -> bool {
        self.0.as_deref_mut().and_then(change).is_some()
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        if let Some(memory) = self.0.take() {
            FREE.with_borrow_mut(|free| free.push(memory));
        }
    }
}

impl PacketBuf for Buf {
    #[inline(always)]
    fn data(&self) -> &[u8] {
        match &self.0 {
            Some(memory) => &memory.storage[memory.start..memory.end],
            None => &[],
        }
    }
    #[inline(always)]
    fn data_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Some(memory) => &mut memory.storage[memory.start..memory.end],
            None => &mut [],
        }
    }
    #[inline(always)]
    fn prepend(&mut self, octets: usize) -> bool {
        self.change(|memory| {
            memory.start = memory.start.checked_sub(octets)?;
            Some(())
        })
    }
    #[inline(always)]
    fn append(&mut self, octets: usize) -> bool {
        self.change(|memory| {
            let end = memory.end + octets;
            memory.end = (end <= BUFFER_OCTETS).then_some(end)?;
            Some(())
        })
    }
    #[inline(always)]
    fn grow(&mut self, front_octets: usize, back_octets: usize) -> bool {
        self.change(|memory| {
            let start = memory.start.checked_sub(front_octets)?;
            let end = memory.end + back_octets;
            (memory.start, memory.end) = (end <= BUFFER_OCTETS).then_some((start, end))?;
            Some(())
        })
    }
    #[inline(always)]
    fn adj(&mut self, octets: usize) -> bool {
        self.change(|memory| {
            let start = memory.start + octets;
            memory.start = (start <= memory.end).then_some(start)?;
            Some(())
        })
    }
    #[inline(always)]
    fn trim(&mut self, octets: usize) -> bool {
        self.change(|memory| {
            let end = memory.end.checked_sub(octets)?;
            memory.end = (end >= memory.start).then_some(end)?;
            Some(())
        })
    }
}

/// The pool behind [`Buf::new`].
pub struct Free;

impl Pool<Buf> for Free {
    fn alloc(&mut self) -> Option<Buf> {
        Some(Buf::new())
    }
}

/// What waits in front of a port and what it sent.
#[derive(Default)]
pub struct Queues {
    /// Frames the worker receives next.
    pub waiting: Vec<Buf>,
    /// Frames the worker sent.
    pub sent: Vec<Buf>,
}

/// A port; its clones are the same port.
#[derive(Clone, Default)]
pub struct Port(Arc<Mutex<Queues>>);

impl Port {
    /// The two queues. The lock is free: everything runs on one thread.
    pub fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortIo<Buf> for Port {
    fn receive(&mut self, out: &mut Vec<Buf>) {
        out.append(&mut self.queues().waiting);
    }

    fn transmit(&mut self, frames: &mut Vec<Buf>) {
        self.queues().sent.append(frames);
    }
}

/// The data plane on this memory with the engine `E`.
pub struct Bench<E>(PhantomData<E>);

impl<E: CryptoEngine<Packet<Buf>> + Send + 'static> Platform for Bench<E> {
    type Buf = Buf;
    type Pool = Free;
    type Port = Port;
    type Engine = E;
    type Cells = Box<[AtomicU64]>;
}

/// The cipher that does nothing and finds every packet authentic.
#[derive(Default)]
pub struct Null {
    keys: u32,
    done: Vec<CryptoOp<Packet<Buf>>>,
}

impl CryptoEngine<Packet<Buf>> for Null {
    type Key = ();
    type Maker = ();
    fn expand(_: EspTransform, _: Keys<'_>) -> Result<(), KeyError> {
        Ok(())
    }
    fn insert(&mut self, (): ()) -> Result<KeyId, ()> {
        self.keys += 1;
        Ok(KeyId(self.keys))
    }
    fn remove(&mut self, _: KeyId) -> Option<()> {
        Some(())
    }
    fn run_now(&mut self, _: &mut [u8], _: &Task) -> OpStatus {
        OpStatus::Done
    }
    fn submit(&mut self, ops: &mut Vec<CryptoOp<Packet<Buf>>>) {
        for op in ops.iter_mut() {
            op.status = OpStatus::Done;
        }
        std::mem::swap(&mut self.done, ops);
    }
    fn poll(&mut self, done: &mut Vec<CryptoOp<Packet<Buf>>>) {
        std::mem::swap(&mut self.done, done);
    }
}
