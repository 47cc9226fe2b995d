//! Errors of the wrapper: each names the device, pool or file at fault and the errno that DPDK gave.

use std::fmt;

/// A (positive) errno value; DPDK's own two extra values are spelled out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

/// DPDK: operation not allowed in a secondary process.
const E_RTE_SECONDARY: i32 = 1001;
/// DPDK: missing configuration.
const E_RTE_NO_CONFIG: i32 = 1002;

impl Errno {
    /// From a DPDK return code, negative by convention (some functions return the positive value).
    pub(crate) fn from_rc(rc: i32) -> Self {
        Errno(rc.saturating_abs())
    }

    /// From DPDK's per-thread error variable.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local integer, valid in every thread.
        Errno(unsafe { dpdk_sys::rv_errno() }.saturating_abs())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            E_RTE_SECONDARY => f.write_str("not allowed in a secondary process"),
            E_RTE_NO_CONFIG => f.write_str("the DPDK configuration is missing"),
            code => write!(f, "{}", std::io::Error::from_raw_os_error(code)),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What can go wrong outside the packet path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `rte_eal_init` works once per process, even when it failed.
    #[error("the DPDK environment was already initialised in this process")]
    AlreadyInitialised,
    /// The environment refused to start.
    #[error("the DPDK environment does not start with `{arguments}`: {errno}")]
    Eal {
        /// Command line given to `rte_eal_init`.
        arguments: String,
        /// Its reason.
        errno: Errno,
    },
    /// A name that DPDK cannot hold.
    #[error("the name `{name}` is empty, holds a NUL or exceeds {max_octets} octets")]
    BadName {
        /// The offending name.
        name: String,
        /// Longest name allowed.
        max_octets: usize,
    },
    /// A thread could not register with DPDK.
    #[error(
        "this thread cannot register with DPDK (at most {} threads): {errno}",
        dpdk_sys::RV_MAX_LCORE
    )]
    Thread {
        /// Reason.
        errno: Errno,
    },
    /// A packet pool could not be created.
    #[error("packet pool `{name}` of {count} buffers: {errno}")]
    Pool {
        /// Its name.
        name: String,
        /// Buffers asked for.
        count: u32,
        /// Reason.
        errno: Errno,
    },
    /// A device or port operation failed.
    #[error("device `{device}`: {operation}: {errno}")]
    Device {
        /// Name of the device or port.
        device: String,
        /// What was tried.
        operation: &'static str,
        /// Reason.
        errno: Errno,
    },
    /// The kernel does not let a packet socket receive more than what its interface takes anyway.
    #[error("all multicast of interface {interface_index}: {errno}")]
    Membership {
        /// The interface, by the kernel's number.
        interface_index: u32,
        /// Its answer.
        errno: Errno,
    },
    /// No such port, or the probed device made none.
    #[error("there is no port named `{0}`")]
    NoSuchPort(String),
    /// A second handle of one port was asked for.
    #[error("port `{0}` is already open in this process")]
    PortOpen(String),
    /// No such crypto device, or one without symmetric ciphers.
    #[error("device `{0}` has no symmetric ciphers")]
    NoCryptoDevice(String),
    /// A second handle of one crypto device was asked for.
    #[error("device `{0}` is still in use")]
    CryptoOpen(String),
    /// The port cannot do what its configuration asks.
    #[error("port `{port}` (driver {driver}) offers {available} {what}, {wanted} are configured")]
    Capability {
        /// Name of the port.
        port: String,
        /// Its driver.
        driver: String,
        /// Which resource.
        what: &'static str,
        /// What the device has.
        available: u32,
        /// What was asked for.
        wanted: u32,
    },
    /// The operation needs another state of the port.
    #[error("port `{port}` is {state}")]
    PortState {
        /// Name of the port.
        port: String,
        /// The state that forbids the operation.
        state: &'static str,
    },
    /// Workers still hold queue handles of the port.
    #[error("port `{port}`: {held} queue handles are still held by workers")]
    QueuesHeld {
        /// Name of the port.
        port: String,
        /// How many.
        held: usize,
    },
    /// A ring, FIB or RCU object of impossible size or without memory.
    #[error("{object} of size {size}: {errno}")]
    Object {
        /// Which kind of object.
        object: &'static str,
        /// The size asked for.
        size: u64,
        /// Reason.
        errno: Errno,
    },
    /// A route could not be changed.
    #[error("route {address:#010x}/{depth}: {errno}")]
    Route {
        /// IPv4 prefix, host byte order.
        address: u32,
        /// Prefix length in bits.
        depth: u8,
        /// Reason.
        errno: Errno,
    },
    /// A reader of one RCU domain was used with a table of another.
    #[error("the RCU thread belongs to another domain")]
    ForeignRcu,
    /// The crypto library refused to start, normally for a CPU without AES instructions.
    #[error("intel-ipsec-mb: {0}")]
    Crypto(String),
    /// An AES-GCM key that is neither 16 nor 32 octets long.
    #[error("an AES-GCM key has 16 or 32 octets, not {0}")]
    KeyLength(usize),
    /// A file to be mapped.
    #[error("{}: {errno}", path.display())]
    File {
        /// Its path.
        path: std::path::PathBuf,
        /// Reason.
        errno: Errno,
    },
}
