//! Bounded lock-free rings between threads, over `rte_ring`, for packets and for boxed values.
//!
//! Each item has one owner at a time: the producer, the ring, or the consumer. What is left when both ends are gone
//! is dropped. The rings need no running environment. They do not wake anybody up: they are polled.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::error::{Errno, Error};
use crate::mbuf::Mbuf;
use crate::queue::forget_front;

/// Most items in one ring: a bound against configuration errors, 8 MiB of pointers.
pub const RING_MAX: usize = 1 << 20;
/// DPDK wants its objects on cache lines; two avoid false sharing by the adjacent-line prefetcher.
const ALIGN_OCTETS: usize = 128;

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Mbuf {}
    impl<T> Sealed for Box<T> {}
}

/// What a ring can carry: owned pointers.
///
/// # Safety
/// The type has the size and bit pattern of one non-null pointer.
pub unsafe trait Item: sealed::Sealed + Send + Sized {}

// SAFETY: Mbuf is transparent over NonNull.
unsafe impl Item for Mbuf {}
// SAFETY: Box of a sized type is a non-null pointer.
unsafe impl<T: Send> Item for Box<T> {}

/// Marks an end with one handle.
#[derive(Debug)]
pub enum Single {}
/// Marks an end whose handle can be cloned for more threads.
#[derive(Debug)]
pub enum Multi {}

struct Shared<T: Item> {
    ring: NonNull<dpdk_sys::rte_ring>,
    layout: Layout,
    capacity: usize,
    items: PhantomData<T>,
}

// SAFETY: rte_ring is a concurrent queue; the handles below enforce the single or multi mode it was made for.
unsafe impl<T: Item> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Item> Sync for Shared<T> {}

impl<T: Item> Shared<T> {
    fn create(capacity: usize, flags: u32) -> Result<Arc<Self>, Error> {
        let error = |code| Error::Object {
            object: "ring",
            size: capacity as u64,
            errno: Errno(code),
        };
        if capacity == 0 || capacity > RING_MAX {
            return Err(error(libc::EINVAL));
        }
        let slots =
            u32::try_from((capacity + 1).next_power_of_two()).map_err(|_| error(libc::EINVAL))?;
        let count = u32::try_from(capacity).map_err(|_| error(libc::EINVAL))?;
        // SAFETY: pure computation.
        let octets = unsafe { dpdk_sys::rte_ring_get_memsize(slots) };
        let octets = usize::try_from(octets).map_err(|_| error(libc::EINVAL))?;
        let layout =
            Layout::from_size_align(octets, ALIGN_OCTETS).map_err(|_| error(libc::EINVAL))?;
        // SAFETY: the layout has a size above 0.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(ring) = NonNull::new(memory.cast::<dpdk_sys::rte_ring>()) else {
            handle_alloc_error(layout)
        };
        let shared = Shared {
            ring,
            layout,
            capacity,
            items: PhantomData,
        };
        let flags = flags | dpdk_sys::RV_RING_EXACT;
        // SAFETY: the memory has the size DPDK asked for this number of slots; the name is static.
        let rc =
            unsafe { dpdk_sys::rte_ring_init(ring.as_ptr(), c"ravelin".as_ptr(), count, flags) };
        if rc != 0 {
            return Err(error(rc.saturating_abs()));
        }
        Ok(Arc::new(shared))
    }

    fn push_burst<const N: usize>(&self, items: &mut ArrayVec<T, N>) -> usize {
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        // SAFETY: items are pointers (Item); the ring takes ownership of exactly the first `pushed`.
        let pushed = unsafe {
            let first = items.as_ptr().cast::<*mut c_void>();
            dpdk_sys::rv_ring_enqueue_burst(self.ring.as_ptr(), first, count) as usize
        };
        forget_front(items, pushed);
        pushed
    }

    fn pop_burst<const N: usize>(&self, out: &mut ArrayVec<T, N>) -> usize {
        let len = out.len();
        let room = u32::try_from(out.remaining_capacity()).unwrap_or(u32::MAX);
        // SAFETY: there is room for `room` pointers; each popped pointer was pushed by `push_burst` of the same T.
        unsafe {
            let free = out.as_mut_ptr().add(len).cast::<*mut c_void>();
            let popped = dpdk_sys::rv_ring_dequeue_burst(self.ring.as_ptr(), free, room) as usize;
            out.set_len(len + popped);
            popped
        }
    }

    fn len(&self) -> usize {
        // SAFETY: a valid ring; the count is a snapshot.
        unsafe { dpdk_sys::rv_ring_count(self.ring.as_ptr()) as usize }
    }
}

impl<T: Item> Drop for Shared<T> {
    fn drop(&mut self) {
        let mut rest = ArrayVec::<T, 64>::new();
        while self.pop_burst(&mut rest) > 0 {
            rest.clear();
        }
        // SAFETY: allocated with this layout, and this is the last handle.
        unsafe { dealloc(self.ring.as_ptr().cast(), self.layout) }
    }
}

/// The end that gives.
pub struct Producer<T: Item, M = Single> {
    shared: Arc<Shared<T>>,
    mode: PhantomData<fn() -> M>,
}

/// The end that takes.
pub struct Consumer<T: Item, M = Single> {
    shared: Arc<Shared<T>>,
    mode: PhantomData<fn() -> M>,
}

impl<T: Item, M> Producer<T, M> {
    /// Pushes one item; gives it back when the ring is full.
    ///
    /// # Errors
    /// The item.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        let mut one = ArrayVec::<T, 1>::from([item]);
        self.shared.push_burst(&mut one);
        one.pop().map_or(Ok(()), Err)
    }

    /// Pushes from the front of `items`; what found no room stays in it, in order. Returns how many went.
    #[inline]
    pub fn push_burst<const N: usize>(&mut self, items: &mut ArrayVec<T, N>) -> usize {
        self.shared.push_burst(items)
    }

    /// Items in the ring now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether the ring is empty now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Most items the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }
}

impl<T: Item, M> Consumer<T, M> {
    /// Takes one item.
    pub fn pop(&mut self) -> Option<T> {
        let mut one = ArrayVec::<T, 1>::new();
        self.shared.pop_burst(&mut one);
        one.pop()
    }

    /// Appends what is there to `out`, up to its capacity; returns how many.
    #[inline]
    pub fn pop_burst<const N: usize>(&mut self, out: &mut ArrayVec<T, N>) -> usize {
        self.shared.pop_burst(out)
    }

    /// Items in the ring now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether the ring is empty now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Item> Clone for Producer<T, Multi> {
    fn clone(&self) -> Self {
        Producer {
            shared: Arc::clone(&self.shared),
            mode: PhantomData,
        }
    }
}

impl<T: Item> Clone for Consumer<T, Multi> {
    fn clone(&self) -> Self {
        Consumer {
            shared: Arc::clone(&self.shared),
            mode: PhantomData,
        }
    }
}

/// Both ends of a ring.
pub type Ends<T, P, C> = (Producer<T, P>, Consumer<T, C>);

fn ends<T: Item, P, C>(shared: Arc<Shared<T>>) -> Ends<T, P, C> {
    let producer = Producer {
        shared: Arc::clone(&shared),
        mode: PhantomData,
    };
    (
        producer,
        Consumer {
            shared,
            mode: PhantomData,
        },
    )
}

/// A ring with one producer and one consumer.
///
/// # Errors
/// [`Error::Object`] for a capacity of 0 or above [`RING_MAX`].
pub fn spsc<T: Item>(capacity: usize) -> Result<Ends<T, Single, Single>, Error> {
    Shared::create(capacity, dpdk_sys::RV_RING_SP | dpdk_sys::RV_RING_SC).map(ends)
}

/// A ring with many producers and one consumer.
///
/// # Errors
/// [`Error::Object`] for a capacity of 0 or above [`RING_MAX`].
pub fn mpsc<T: Item>(capacity: usize) -> Result<Ends<T, Multi, Single>, Error> {
    Shared::create(capacity, dpdk_sys::RV_RING_SC).map(ends)
}

/// A ring with many producers and many consumers.
///
/// # Errors
/// [`Error::Object`] for a capacity of 0 or above [`RING_MAX`].
pub fn mpmc<T: Item>(capacity: usize) -> Result<Ends<T, Multi, Multi>, Error> {
    Shared::create(capacity, 0).map(ends)
}

impl<T: Item, M> std::fmt::Debug for Producer<T, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl<T: Item, M> std::fmt::Debug for Consumer<T, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("len", &self.len())
            .finish()
    }
}
