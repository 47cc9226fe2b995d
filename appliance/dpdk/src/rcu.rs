//! Quiescent-state based reclaim (`rte_rcu_qsbr`): writers learn when every reader has let go of old entries.
//!
//! A worker registers once, calls [`QsbrThread::quiescent`] once per loop (it then holds no reference into any shared
//! table) and goes [`QsbrThread::offline`] before it sleeps. A writer unlinks, takes a [`Token`], and frees or wipes
//! when [`Qsbr::passed`] says so. It needs no running environment.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Errno, Error};

/// Reader threads of one domain: 32 workers, the punt thread and control threads fit well.
pub const MAX_READERS: u32 = 64;
/// Cache line, as `rte_rcu_qsbr` demands.
const ALIGN_OCTETS: usize = 64;

pub(crate) struct Domain {
    rcu: NonNull<dpdk_sys::rte_rcu_qsbr>,
    layout: Layout,
    taken: AtomicU64,
}

// SAFETY: rte_rcu_qsbr is made for concurrent use; a thread's slot is touched through its QsbrThread only.
unsafe impl Send for Domain {}
// SAFETY: as above.
unsafe impl Sync for Domain {}

impl Domain {
    pub(crate) fn as_ptr(&self) -> *mut dpdk_sys::rte_rcu_qsbr {
        self.rcu.as_ptr()
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the last handle.
        unsafe { dealloc(self.rcu.as_ptr().cast(), self.layout) }
    }
}

/// A reclaim domain; clone it for every writer.
#[derive(Clone)]
pub struct Qsbr(pub(crate) Arc<Domain>);

/// A point in time that readers must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(u64);

impl Qsbr {
    /// A domain for up to [`MAX_READERS`] readers.
    ///
    /// # Errors
    /// [`Error::Object`] when DPDK refuses.
    pub fn new() -> Result<Self, Error> {
        let error = |code| Error::Object {
            object: "RCU domain",
            size: MAX_READERS.into(),
            errno: Errno(code),
        };
        // SAFETY: pure computation.
        let octets = unsafe { dpdk_sys::rte_rcu_qsbr_get_memsize(MAX_READERS) };
        let octets = octets.next_multiple_of(ALIGN_OCTETS);
        let layout =
            Layout::from_size_align(octets, ALIGN_OCTETS).map_err(|_| error(libc::EINVAL))?;
        if octets == 0 {
            return Err(error(libc::EINVAL));
        }
        // SAFETY: the layout has a size above 0.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(rcu) = NonNull::new(memory.cast::<dpdk_sys::rte_rcu_qsbr>()) else {
            handle_alloc_error(layout)
        };
        let domain = Domain {
            rcu,
            layout,
            taken: AtomicU64::new(0),
        };
        // SAFETY: the memory has the size DPDK asked for this number of threads.
        let rc = unsafe { dpdk_sys::rte_rcu_qsbr_init(rcu.as_ptr(), MAX_READERS) };
        if rc != 0 {
            return Err(error(Errno::last().0));
        }
        Ok(Qsbr(Arc::new(domain)))
    }

    /// Registers a reader, online at once. Move it into its thread.
    ///
    /// # Errors
    /// [`Error::Object`] when all [`MAX_READERS`] slots are taken.
    pub fn register(&self) -> Result<QsbrThread, Error> {
        let slot = self
            .0
            .taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken != u64::MAX).then(|| taken | 1 << taken.trailing_ones())
            });
        let full = |code| Error::Object {
            object: "RCU readers",
            size: MAX_READERS.into(),
            errno: Errno(code),
        };
        let id = slot.map_err(|_| full(libc::ENOSPC))?.trailing_ones();
        // SAFETY: the slot number is below MAX_READERS and was free.
        let rc = unsafe { dpdk_sys::rte_rcu_qsbr_thread_register(self.0.as_ptr(), id) };
        if rc != 0 {
            self.0.taken.fetch_and(!(1 << id), Ordering::SeqCst);
            return Err(full(Errno::last().0));
        }
        let thread = QsbrThread {
            domain: Arc::clone(&self.0),
            id,
            online: Cell::new(false),
        };
        thread.online();
        Ok(thread)
    }

    /// The point that all present references of readers end before.
    #[must_use]
    pub fn start(&self) -> Token {
        // SAFETY: a valid domain; an atomic increment.
        Token(unsafe { dpdk_sys::rv_rcu_start(self.0.as_ptr()) })
    }

    /// Whether every online reader has been quiescent since `token`. Does not block.
    #[must_use]
    pub fn passed(&self, token: Token) -> bool {
        // SAFETY: a valid domain and a token of `start`.
        unsafe { dpdk_sys::rv_rcu_check(self.0.as_ptr(), token.0) == 1 }
    }
}

impl std::fmt::Debug for Qsbr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let readers = self.0.taken.load(Ordering::Relaxed).count_ones();
        f.debug_struct("Qsbr").field("readers", &readers).finish()
    }
}

/// A registered reader; it belongs to one thread at a time.
pub struct QsbrThread {
    domain: Arc<Domain>,
    id: u32,
    online: Cell<bool>,
}

impl QsbrThread {
    /// Says: this thread holds no reference into shared tables now.
    #[inline]
    pub fn quiescent(&self) {
        if self.online.get() {
            // SAFETY: our own slot, and the reader is online.
            unsafe { dpdk_sys::rv_rcu_quiescent(self.domain.as_ptr(), self.id) }
        }
    }

    /// Begins to be waited for.
    #[inline]
    pub fn online(&self) {
        if !self.online.replace(true) {
            // SAFETY: our own slot; it was offline.
            unsafe { dpdk_sys::rv_rcu_online(self.domain.as_ptr(), self.id) }
        }
    }

    /// Stops being waited for: call it before sleeping, holding no reference.
    pub fn offline(&self) {
        if self.online.replace(false) {
            // SAFETY: our own slot; it was online.
            unsafe { dpdk_sys::rv_rcu_offline(self.domain.as_ptr(), self.id) }
        }
    }

    pub(crate) fn belongs_to(&self, domain: &Arc<Domain>) -> bool {
        Arc::ptr_eq(&self.domain, domain)
    }
}

impl Drop for QsbrThread {
    fn drop(&mut self) {
        self.offline();
        // SAFETY: our own slot, offline.
        unsafe { dpdk_sys::rte_rcu_qsbr_thread_unregister(self.domain.as_ptr(), self.id) };
        self.domain
            .taken
            .fetch_and(!(1 << self.id), Ordering::SeqCst);
    }
}

impl std::fmt::Debug for QsbrThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QsbrThread")
            .field("id", &self.id)
            .field("online", &self.online.get())
            .finish()
    }
}
