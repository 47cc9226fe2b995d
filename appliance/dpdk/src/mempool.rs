//! Pools of packet buffers.
//!
//! A pool lives as long as the process: drivers and packets in flight keep raw pointers into it, and the appliance
//! makes a handful of pools at start. Every buffer carries [`crate::META_WORDS`] words of metadata for its owner.

use arrayvec::ArrayVec;
use std::ptr::NonNull;

use crate::eal::{Eal, c_string};
use crate::error::{Errno, Error};
use crate::mbuf::{META_OCTETS, Mbuf};

/// Longest pool name, octets (RTE_MEMPOOL_NAMESIZE less its prefix).
const NAME_MAX_OCTETS: usize = 24;

/// Shape of a pool.
#[derive(Clone, Debug)]
pub struct MempoolConfig {
    /// Unique name, at most 24 octets.
    pub name: String,
    /// Number of buffers; 2^n - 1 wastes least memory.
    pub count: u32,
    /// Buffers cached per registered thread; at most 512 and at most `count / 1.5`.
    pub cache: u32,
    /// Data room of a buffer in octets, headroom of 128 included.
    pub data_room_octets: u16,
}

impl MempoolConfig {
    /// A pool with the common 2 KiB buffers and 256 cached per thread.
    #[must_use]
    pub fn new(name: impl Into<String>, count: u32) -> Self {
        MempoolConfig {
            name: name.into(),
            count,
            cache: 256.min(count / 2),
            data_room_octets: 2048 + 128,
        }
    }
}

/// The pool is exhausted. Not an [`Error`]: it happens on the packet path, where it is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet pool is exhausted")]
pub struct PoolEmpty;

/// A pool of packet buffers; a copyable handle.
#[derive(Clone, Copy, Debug)]
pub struct Mempool {
    pool: NonNull<dpdk_sys::rte_mempool>,
    size: u32,
}

// SAFETY: rte_mempool is thread-safe for get and put from any thread (caches are per lcore id, and threads without
// one go to the multi-producer ring), and the pool is never freed.
unsafe impl Send for Mempool {}
// SAFETY: as above.
unsafe impl Sync for Mempool {}

impl Mempool {
    /// Creates a pool that stays until the process ends.
    ///
    /// # Errors
    /// [`Error::BadName`], or [`Error::Pool`] when memory does not suffice, the name exists or the cache is too large.
    pub fn create(_eal: Eal, config: &MempoolConfig) -> Result<Self, Error> {
        if config.name.len() > NAME_MAX_OCTETS {
            return Err(Error::BadName {
                name: config.name.clone(),
                max_octets: NAME_MAX_OCTETS,
            });
        }
        let name = c_string(&config.name)?;
        // SAFETY: the environment runs (`_eal`); the name is NUL-terminated and copied by DPDK.
        let pool = unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(
                name.as_ptr(),
                config.count,
                config.cache,
                META_OCTETS,
                config.data_room_octets,
                dpdk_sys::RV_SOCKET_ID_ANY,
            )
        };
        NonNull::new(pool)
            .map(|pool| Mempool {
                pool,
                size: config.count,
            })
            .ok_or_else(|| Error::Pool {
                name: config.name.clone(),
                count: config.count,
                errno: Errno::last(),
            })
    }

    pub(crate) fn as_ptr(self) -> *mut dpdk_sys::rte_mempool {
        self.pool.as_ptr()
    }

    /// Takes one empty buffer; its metadata holds what the last owner left.
    #[must_use]
    pub fn alloc(self) -> Option<Mbuf> {
        let mut one = ArrayVec::<Mbuf, 1>::new();
        self.alloc_bulk(&mut one, 1).ok()?;
        one.pop()
    }

    /// Appends exactly `count` empty buffers to `out`, or none.
    ///
    /// # Errors
    /// [`PoolEmpty`] when the pool holds fewer, or `out` has no room for them.
    pub fn alloc_bulk<const N: usize>(
        self,
        out: &mut ArrayVec<Mbuf, N>,
        count: usize,
    ) -> Result<(), PoolEmpty> {
        if count > out.remaining_capacity() {
            return Err(PoolEmpty);
        }
        let wanted = u32::try_from(count).map_err(|_| PoolEmpty)?;
        let len = out.len();
        // SAFETY: `out` has room for `count` more pointers; Mbuf is transparent over a non-null pointer; on success
        // DPDK wrote `count` pointers to buffers that nobody else owns.
        unsafe {
            let room = out.as_mut_ptr().add(len).cast();
            if dpdk_sys::rv_pktmbuf_alloc_bulk(self.as_ptr(), room, wanted) != 0 {
                return Err(PoolEmpty);
            }
            out.set_len(len + count);
        }
        Ok(())
    }

    /// A packet holding a copy of `bytes`; `None` when the pool is empty or one buffer is too small.
    #[must_use]
    pub fn packet(self, bytes: &[u8]) -> Option<Mbuf> {
        let mut mbuf = self.alloc()?;
        mbuf.append(u16::try_from(bytes.len()).ok()?)?
            .copy_from_slice(bytes);
        Some(mbuf)
    }

    /// Buffers that it was made with.
    #[must_use]
    pub fn size(self) -> u32 {
        self.size
    }

    /// Free buffers, those in caches included. Walks the caches: for `show`, not for the packet path.
    #[must_use]
    pub fn available(self) -> u32 {
        // SAFETY: the pool is valid for the life of the process; the count is a snapshot.
        unsafe { dpdk_sys::rv_mempool_avail(self.as_ptr()) }
    }
}
