//! The large IPv4 FIB: `rte_fib` with DIR-24-8, one or two memory accesses per lookup, next hops of up to 63 bits.
//!
//! One writer, any number of readers at the same time. Tables of 256 entries that a withdrawal frees are reused only
//! after every reader of the RCU domain was quiescent. Each FIB costs 2^24 entries: 64 MB with 4-octet next hops, so
//! it is for the one large table; small VRFs and IPv6 use another structure.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::eal::{Eal, c_string};
use crate::error::{Errno, Error};
use crate::rcu::{Domain, Qsbr, QsbrThread};

/// Routes of the design's largest table, doubled for overlap during churn.
pub const ROUTES_MAX: u32 = 2_000_000;

static NEXT_NAME: AtomicU32 = AtomicU32::new(0);

/// Width of an entry; one bit of it is DPDK's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopWidth {
    /// Next hops up to 2^15 - 1; 32 MB.
    Octets2,
    /// Next hops up to 2^31 - 1; 64 MB.
    Octets4,
    /// Next hops up to 2^63 - 1; 128 MB.
    Octets8,
}

impl NextHopWidth {
    fn octets(self) -> u32 {
        match self {
            NextHopWidth::Octets2 => 2,
            NextHopWidth::Octets4 => 4,
            NextHopWidth::Octets8 => 8,
        }
    }

    /// Largest next hop that fits.
    #[must_use]
    pub fn max_next_hop(self) -> u64 {
        (1 << (self.octets() * 8 - 1)) - 1
    }
}

/// Shape of a FIB.
#[derive(Clone, Copy, Debug)]
pub struct FibConfig {
    /// Most routes.
    pub routes: u32,
    /// Groups of 256 entries for prefixes longer than 24 bits.
    pub long_prefix_groups: u32,
    /// Width of an entry.
    pub width: NextHopWidth,
    /// What a lookup without a route gives.
    pub default_next_hop: u64,
}

struct Table {
    fib: NonNull<dpdk_sys::rte_fib>,
    domain: Arc<Domain>,
}

// SAFETY: rte_fib allows one writer with concurrent lookups; `Fib` is the only writer and is not cloneable.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: the last handle; nobody looks up any more.
        unsafe { dpdk_sys::rte_fib_free(self.fib.as_ptr()) }
    }
}

/// The writer's handle.
pub struct Fib {
    table: Arc<Table>,
    width: NextHopWidth,
}

/// A reader's handle.
#[derive(Clone)]
pub struct FibReader {
    table: Arc<Table>,
}

impl Fib {
    /// An empty FIB whose readers are registered with `rcu`.
    ///
    /// # Errors
    /// [`Error::Object`] when memory does not suffice or the shape is impossible.
    pub fn new(_eal: Eal, config: &FibConfig, rcu: &Qsbr) -> Result<Self, Error> {
        let error = |errno| Error::Object {
            object: "IPv4 FIB",
            size: config.routes.into(),
            errno,
        };
        if config.routes == 0
            || config.routes > ROUTES_MAX
            || config.default_next_hop > config.width.max_next_hop()
        {
            return Err(error(Errno(libc::EINVAL)));
        }
        let name = c_string(&format!(
            "ravelin{}",
            NEXT_NAME.fetch_add(1, Ordering::Relaxed)
        ))?;
        // SAFETY: the environment runs (`_eal`); the name is NUL-terminated, unique and copied.
        let fib = unsafe {
            dpdk_sys::rv_fib_create(
                name.as_ptr(),
                config.routes,
                config.long_prefix_groups,
                config.width.octets(),
                config.default_next_hop,
            )
        };
        let fib = NonNull::new(fib).ok_or_else(|| error(Errno::last()))?;
        let table = Table {
            fib,
            domain: Arc::clone(&rcu.0),
        };
        // SAFETY: both are valid; the table keeps the RCU domain alive longer than the FIB.
        let rc = unsafe { dpdk_sys::rv_fib_use_rcu(fib.as_ptr(), rcu.0.as_ptr()) };
        if rc != 0 {
            return Err(error(Errno::from_rc(rc)));
        }
        Ok(Fib {
            table: Arc::new(table),
            width: config.width,
        })
    }

    /// Adds or replaces a route; the address is in host byte order, bits beyond `depth` are ignored.
    ///
    /// # Errors
    /// [`Error::Route`] for a bad depth or next hop, or when routes or groups are used up (ENOSPC). Freed groups that
    /// a reader may still use count as used, so ENOSPC can pass once the readers were quiescent.
    pub fn add(&mut self, address: u32, depth: u8, next_hop: u64) -> Result<(), Error> {
        if next_hop > self.width.max_next_hop() {
            return Err(Error::Route {
                address,
                depth,
                errno: Errno(libc::ERANGE),
            });
        }
        // SAFETY: valid FIB, and `&mut self` makes this the only writer; DPDK checks the depth.
        let rc =
            unsafe { dpdk_sys::rte_fib_add(self.table.fib.as_ptr(), address, depth, next_hop) };
        outcome(address, depth, rc)
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// [`Error::Route`] when there is none.
    pub fn delete(&mut self, address: u32, depth: u8) -> Result<(), Error> {
        // SAFETY: as in `add`.
        let rc = unsafe { dpdk_sys::rte_fib_delete(self.table.fib.as_ptr(), address, depth) };
        outcome(address, depth, rc)
    }

    /// A handle for lookups in another thread.
    #[must_use]
    pub fn reader(&self) -> FibReader {
        FibReader {
            table: Arc::clone(&self.table),
        }
    }
}

impl FibReader {
    /// Looks up a burst (host byte order) into `next_hops`, as many as the shorter of both holds.
    ///
    /// # Errors
    /// [`Error::ForeignRcu`] when `thread` belongs to another domain than the FIB.
    #[inline]
    pub fn lookup(
        &self,
        thread: &QsbrThread,
        addresses: &[u32],
        next_hops: &mut [u64],
    ) -> Result<usize, Error> {
        if !thread.belongs_to(&self.table.domain) {
            return Err(Error::ForeignRcu);
        }
        thread.online();
        let count = addresses.len().min(next_hops.len()).min(i32::MAX as usize);
        // SAFETY: both slices hold `count` items; DPDK only reads the addresses.
        unsafe {
            dpdk_sys::rte_fib_lookup_bulk(
                self.table.fib.as_ptr(),
                addresses.as_ptr().cast_mut(),
                next_hops.as_mut_ptr(),
                count as i32,
            );
        }
        Ok(count)
    }
}

fn outcome(address: u32, depth: u8, rc: i32) -> Result<(), Error> {
    if rc == 0 {
        Ok(())
    } else {
        Err(Error::Route {
            address,
            depth,
            errno: Errno::from_rc(rc),
        })
    }
}

impl std::fmt::Debug for Fib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fib")
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FibReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FibReader").finish_non_exhaustive()
    }
}
