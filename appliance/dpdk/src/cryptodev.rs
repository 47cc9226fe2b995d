//! Symmetric ciphers of a device, by rte_cryptodev: a card's virtual function, or one of DPDK's software drivers.
//!
//! [`CryptoDevice`] is opened, configured and started by one thread. [`Session`]s hold the keys of one direction of an SA and are made
//! on any thread. Each [`CryptoQueue`] belongs to one thread; it owns its packets while the device has them, and gives them back in
//! the order in which they came, whatever order the device has.
//!
//! A packet that a device never gave back must not be used by anybody else, as long as the device may write to it: it is kept until the
//! device is closed, which is when the last session and the last queue are gone.

mod queue;
mod suite;

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::eal::{Eal, c_string, device_name, devices};
use crate::error::{Errno, Error};
use crate::mbuf::Mbuf;

pub use queue::{Completion, CryptoQueue, Fault, Icv, Outcome, Refused, Request};
pub use suite::{AAD_OCTETS, Aead, Algorithms, ICV_OCTETS, IV_OCTETS, Session, Suite};

/// Devices that one process may have: the library's table less its last place, which tells what a device looks like that is stopped.
pub const MAX_DEVICES: usize = 63;
/// Packets that one queue has under way at most: enough to fill a card's pipeline for the time between two polls, few enough that a card
/// that dies costs little.
pub const QUEUE_DEPTH: usize = 512;
/// Descriptors of a device's ring: drivers that keep one free must still take [`QUEUE_DEPTH`].
const DESCRIPTORS: u32 = 2 * QUEUE_DEPTH as u32;

static OPEN: [AtomicBool; MAX_DEVICES] = [const { AtomicBool::new(false) }; MAX_DEVICES];

/// What a device is opened with.
#[derive(Clone, Copy, Debug)]
pub struct CryptoConfig {
    /// Queues to be used, one per thread.
    pub queues: u16,
    /// Sessions at most; fewer when memory does not suffice.
    pub sessions: u32,
}

/// Sessions below which a device is not worth opening.
const MIN_SESSIONS: u32 = 64;

/// A started device; a copy of the handle is cheap.
#[derive(Clone)]
pub struct CryptoDevice(Arc<Inner>);

struct Inner {
    id: u8,
    name: String,
    driver: String,
    bus: String,
    queues: u16,
    next_queue: AtomicU16,
    max_sessions: u32,
    sessions: NonNull<dpdk_sys::rte_mempool>,
    operations: Mutex<Vec<NonNull<dpdk_sys::rte_mempool>>>,
    /// Held while a session comes or goes.
    session_lock: Mutex<()>,
    /// Packets that the device never gave back.
    kept: Mutex<Vec<Mbuf>>,
}

// SAFETY: the raw pools are thread-safe or used under a lock, and freed once, by the last owner.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl std::fmt::Debug for CryptoDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CryptoDevice")
            .field("name", &self.0.name)
            .field("driver", &self.0.driver)
            .finish_non_exhaustive()
    }
}

impl CryptoDevice {
    /// Plugs in a device (`crypto_openssl0`, with arguments behind commas, or a PCI address), opens and starts it. One that is plugged in
    /// already keeps the arguments that it has.
    ///
    /// # Errors
    /// [`Error::Device`] when the driver refuses, [`Error::NoCryptoDevice`] when the device has no symmetric ciphers,
    /// [`Error::CryptoOpen`] when it is open.
    pub fn probe(eal: Eal, arguments: &str, config: CryptoConfig) -> Result<Self, Error> {
        let name = device_name(arguments);
        let known = {
            let _alone = devices();
            find(name).is_ok()
        };
        if !known {
            eal.probe_device(arguments)?;
        }
        let (inner, begun) = {
            let _alone = devices();
            let inner = Inner::open(name, config)?;
            let begun = inner.begin();
            (inner, begun)
        };
        // One that did not begin is closed here, where the lock is free again.
        begun.map(|()| Self(Arc::new(inner)))
    }

    /// Name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its driver.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.0.driver
    }

    /// How many queues it was opened with: as many as were asked for, or as it has.
    #[must_use]
    pub fn queues(&self) -> u16 {
        self.0.queues
    }

    /// How many sessions it takes.
    #[must_use]
    pub fn max_sessions(&self) -> u32 {
        self.0.max_sessions
    }

    /// Whether it has these algorithms, in these sizes.
    #[must_use]
    pub fn supports(&self, suite: &Suite) -> bool {
        // SAFETY: the device is open; the description is read.
        unsafe { dpdk_sys::rv_crypto_supports(self.0.id, &suite.raw()) != 0 }
    }

    /// Puts keys into the device.
    ///
    /// # Errors
    /// [`Error::KeyLength`] when a key is not as long as the suite says, [`Error::Device`] when the driver refuses or all sessions are taken.
    pub fn session(&self, suite: &Suite, key: &[u8], integ: &[u8]) -> Result<Session, Error> {
        Session::new(&self.0, suite, key, integ)
    }

    /// The next queue that nobody has; none when all were taken. A queue that is dropped is not given out again.
    #[must_use]
    pub fn take_queue<X>(&self) -> Option<CryptoQueue<X>> {
        let next = self
            .0
            .next_queue
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |next| {
                (next < self.0.queues).then_some(next + 1)
            });
        CryptoQueue::new(&self.0, next.ok()?)
    }
}

impl Inner {
    fn failed(name: &str, operation: &'static str, errno: Errno) -> Error {
        Error::Device {
            device: name.to_owned(),
            operation,
            errno,
        }
    }

    fn open(name: &str, config: CryptoConfig) -> Result<Self, Error> {
        let id = find(name)?;
        let info = info(id).map_err(|errno| Self::failed(name, "describe", errno))?;
        if OPEN[usize::from(id)].swap(true, Ordering::SeqCst) {
            return Err(Error::CryptoOpen(name.to_owned()));
        }
        let (sessions, max_sessions) =
            session_pool(id, &info, config.sessions).map_err(|errno| {
                OPEN[usize::from(id)].store(false, Ordering::SeqCst);
                Self::failed(name, "session pool", errno)
            })?;
        let most = u16::try_from(info.max_queue_pairs).unwrap_or(u16::MAX);
        Ok(Inner {
            id,
            name: name.to_owned(),
            driver: text(&info.driver),
            bus: text(&info.bus),
            queues: config.queues.min(most).max(1),
            next_queue: AtomicU16::new(0),
            max_sessions,
            sessions,
            operations: Mutex::default(),
            session_lock: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    fn begin(&self) -> Result<(), Error> {
        // SAFETY: the device exists, nobody else uses it (`OPEN`), and the pool lives as long as it.
        let rc = unsafe {
            let sessions = self.sessions.as_ptr();
            dpdk_sys::rv_crypto_configure(self.id, self.queues, DESCRIPTORS, sessions)
        };
        if rc < 0 {
            return Err(Self::failed(&self.name, "configure", Errno::from_rc(rc)));
        }
        // SAFETY: a configured device.
        match unsafe { dpdk_sys::rte_cryptodev_start(self.id) } {
            rc if rc < 0 => Err(Self::failed(&self.name, "start", Errno::from_rc(rc))),
            _ => Ok(()),
        }
    }

    #[inline]
    fn is_started(&self) -> bool {
        // SAFETY: reads a word of a table that is there for all devices.
        unsafe { dpdk_sys::rv_crypto_is_started(self.id) != 0 }
    }

    fn keep(&self, packets: impl Iterator<Item = Mbuf>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(packets);
    }

    fn close(&mut self) -> Result<(), Error> {
        let check = |operation, rc: i32| match rc {
            0 => Ok(()),
            rc => Err(Self::failed(&self.name, operation, Errno::from_rc(rc))),
        };
        // SAFETY: queues and sessions hold this value, so none is left.
        unsafe {
            dpdk_sys::rte_cryptodev_stop(self.id);
            check("close", dpdk_sys::rte_cryptodev_close(self.id))?;
        }
        // What its driver made itself is configured anew when it is wanted again. Unplugging a QAT function would unmap it and leave the
        // device: DPDK 24.11 looks for it by another name than it gave it (`qat_get_qat_dev_from_pci_dev`).
        if self.bus.is_empty() {
            return Ok(());
        }
        let (bus, device) = (c_string(&self.bus)?, c_string(&self.name)?);
        // SAFETY: both strings are NUL-terminated; the device is closed.
        let rc = unsafe { dpdk_sys::rte_eal_hotplug_remove(bus.as_ptr(), device.as_ptr()) };
        check("unplug", rc)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _alone = devices();
        if let Err(error) = self.close() {
            // It may still write: neither its memory nor its packets are given to anybody.
            log::warn!("{error}");
            let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(kept).into_iter().for_each(std::mem::forget);
            return;
        }
        let operations = self.operations.get_mut();
        let operations = operations.unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the device is closed and nobody has a session or an operation any more.
        unsafe {
            for pool in operations.drain(..) {
                dpdk_sys::rte_mempool_free(pool.as_ptr());
            }
            dpdk_sys::rv_crypto_sessions_free(self.sessions.as_ptr());
        }
        OPEN[usize::from(self.id)].store(false, Ordering::SeqCst);
    }
}

/// The device with symmetric ciphers that comes of plugging in `name`.
fn find(name: &str) -> Result<u8, Error> {
    let ids = 0..u8::try_from(MAX_DEVICES).unwrap_or(u8::MAX);
    let is_it = |id: &u8| {
        let info = info(*id);
        info.is_ok_and(|info| {
            info.symmetric != 0 && plugged(&text(&info.device), &text(&info.bus)) == name
        })
    };
    let mut found = ids.filter(is_it);
    found
        .next()
        .ok_or_else(|| Error::NoCryptoDevice(name.to_owned()))
}

/// What was plugged in for a device. A QAT function has a device per service, on no bus: `0000:3d:01.0_qat_sym`.
fn plugged<'a>(device: &'a str, bus: &str) -> &'a str {
    match device.split_once("_qat_") {
        Some((function, _)) if bus.is_empty() => function,
        _ => device,
    }
}

fn info(id: u8) -> Result<dpdk_sys::rv_crypto_info, Errno> {
    let mut info = std::mem::MaybeUninit::<dpdk_sys::rv_crypto_info>::zeroed();
    // SAFETY: writable memory for the answer, which zero is valid for.
    let (rc, info) = unsafe {
        let rc = dpdk_sys::rv_crypto_info_get(id, info.as_mut_ptr());
        (rc, info.assume_init())
    };
    if rc == 0 {
        Ok(info)
    } else {
        Err(Errno::from_rc(rc))
    }
}

fn text(octets: &[std::ffi::c_char]) -> String {
    // SAFETY: the shim ends every text with a NUL within its array.
    unsafe { CStr::from_ptr(octets.as_ptr()) }
        .to_string_lossy()
        .into_owned()
}

/// A pool of as many sessions as memory and device allow, at most `wanted`.
fn session_pool(
    id: u8,
    info: &dpdk_sys::rv_crypto_info,
    wanted: u32,
) -> Result<(NonNull<dpdk_sys::rte_mempool>, u32), Errno> {
    let most = match info.max_sessions {
        0 => wanted,
        limit => wanted.min(limit),
    };
    let name = c_string(&format!("crypto{id}s")).map_err(|_| Errno(libc::EINVAL))?;
    let mut count = most.max(MIN_SESSIONS);
    loop {
        // SAFETY: the device exists; the name is NUL-terminated and copied.
        let pool = unsafe {
            let octets = dpdk_sys::rte_cryptodev_sym_get_private_session_size(id);
            dpdk_sys::rte_cryptodev_sym_session_pool_create(
                name.as_ptr(),
                count,
                octets,
                0,
                0,
                dpdk_sys::RV_SOCKET_ID_ANY,
            )
        };
        match NonNull::new(pool) {
            Some(pool) => return Ok((pool, count)),
            None if count / 2 >= MIN_SESSIONS => count /= 2,
            None => return Err(Errno::last()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plugged;

    #[test]
    fn a_service_of_qat_belongs_to_its_function() {
        assert_eq!(plugged("0000:3d:01.0_qat_sym", ""), "0000:3d:01.0");
        assert_eq!(plugged("crypto_openssl0", "vdev"), "crypto_openssl0");
        assert_eq!(plugged("crypto_qat_x", "vdev"), "crypto_qat_x");
        assert_eq!(plugged("0000:00:05.0", "pci"), "0000:00:05.0");
    }
}
