//! The DPDK environment: memory, buses, devices present at start, thread registration, device hot plug.
//!
//! It starts once per process. Workers are our own `std` threads: the environment gets a single lcore, spread over
//! all CPUs of the calling thread, so that its affinity stays as it was and threads made later inherit no pinning.

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Errno, Error};
use crate::log_sink;

static STARTED: AtomicBool = AtomicBool::new(false);

/// Held while devices come and go: DPDK's lists of them have no lock of their own.
static DEVICES: Mutex<()> = Mutex::new(());

/// For whoever lets a device come or go.
pub(crate) fn devices() -> MutexGuard<'static, ()> {
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longest name or argument that we hand to DPDK, octets; its own buffers end at 256 for device arguments.
const ARGUMENT_MAX_OCTETS: usize = 1024;

/// How much DPDK logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// Errors and warnings.
    Warning,
    /// What an operator may want to see; the default.
    Notice,
    /// Progress of probing.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn as_argument(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warning => "warning",
            LogLevel::Notice => "notice",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        }
    }
}

/// Settings of the environment.
#[derive(Clone, Debug)]
pub struct EalBuilder {
    file_prefix: String,
    in_memory: bool,
    no_huge: bool,
    memory_mib: Option<u32>,
    vdevs: Vec<String>,
    pci_allow: Vec<String>,
    log_level: LogLevel,
}

impl Default for EalBuilder {
    fn default() -> Self {
        EalBuilder {
            file_prefix: "ravelin".to_owned(),
            in_memory: true,
            no_huge: false,
            memory_mib: None,
            vdevs: Vec::new(),
            pci_allow: Vec::new(),
            log_level: LogLevel::Notice,
        }
    }
}

impl EalBuilder {
    /// Prefix of DPDK's runtime files; two processes on one host need different ones.
    #[must_use]
    pub fn file_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.file_prefix = prefix.into();
        self
    }

    /// Keep no shared files (default). Ignored without hugepages, where DPDK refuses the combination.
    #[must_use]
    pub fn in_memory(mut self, on: bool) -> Self {
        self.in_memory = on;
        self
    }

    /// Use ordinary pages: slower, no physical NICs, but needs no hugepages.
    #[must_use]
    pub fn no_huge(mut self, on: bool) -> Self {
        self.no_huge = on;
        self
    }

    /// Memory to take at start, MiB.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = Some(mib);
        self
    }

    /// Adds a virtual device, e.g. `net_af_packet0,iface=eth0`.
    #[must_use]
    pub fn vdev(mut self, arguments: impl Into<String>) -> Self {
        self.vdevs.push(arguments.into());
        self
    }

    /// Allows one PCI device by address. Without any, the PCI bus is not scanned at all.
    #[must_use]
    pub fn allow_pci(mut self, address: impl Into<String>) -> Self {
        self.pci_allow.push(address.into());
        self
    }

    /// How much DPDK logs (to the `log` target `dpdk`).
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["ravelin".to_owned(), "--no-telemetry".to_owned()];
        arguments.push(format!("--lcores=0@({})", join(&allowed_cpus())));
        arguments.push(format!("--file-prefix={}", self.file_prefix));
        arguments.push(format!("--log-level={}", self.log_level.as_argument()));
        if self.no_huge {
            arguments.push("--no-huge".to_owned());
        } else if self.in_memory {
            arguments.push("--in-memory".to_owned());
        }
        if let Some(mib) = self.memory_mib {
            arguments.extend(["-m".to_owned(), mib.to_string()]);
        }
        if self.pci_allow.is_empty() {
            arguments.push("--no-pci".to_owned());
        }
        for address in &self.pci_allow {
            arguments.extend(["-a".to_owned(), address.clone()]);
        }
        arguments.extend(self.vdevs.iter().map(|vdev| format!("--vdev={vdev}")));
        arguments
    }

    /// Starts the environment in the calling thread.
    ///
    /// # Errors
    /// [`Error::AlreadyInitialised`] on a second call in one process, [`Error::Eal`] with DPDK's reason.
    pub fn init(self) -> Result<Eal, Error> {
        let arguments = self.arguments();
        let mut owned = arguments
            .iter()
            .map(|a| c_string(a))
            .collect::<Result<Vec<CString>, _>>()?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(Error::AlreadyInitialised);
        }
        log_sink::install();
        let mut argv: Vec<*mut c_char> = owned.drain(..).map(CString::into_raw).collect();
        let argc = i32::try_from(argv.len()).unwrap_or(i32::MAX);
        // SAFETY: argv holds argc writable NUL-terminated strings; they are leaked once, because DPDK may keep
        // pointers into them. The swap above makes this the only call in the process.
        let rc = unsafe { dpdk_sys::rte_eal_init(argc, argv.as_mut_ptr()) };
        if rc < 0 {
            return Err(Error::Eal {
                arguments: arguments[1..].join(" "),
                errno: Errno::last(),
            });
        }
        log_sink::install();
        Ok(Eal(()))
    }
}

/// Proof that the environment runs; copy it freely. It never stops before the process does.
#[derive(Clone, Copy, Debug)]
pub struct Eal(());

impl Eal {
    /// Settings to start from.
    #[must_use]
    pub fn builder() -> EalBuilder {
        EalBuilder::default()
    }

    /// Version of the DPDK library in use.
    #[must_use]
    pub fn version(self) -> String {
        // SAFETY: returns a static NUL-terminated string.
        unsafe { CStr::from_ptr(dpdk_sys::rte_version()) }
            .to_string_lossy()
            .into_owned()
    }

    /// Registers the calling thread, which gets its own buffer caches until the guard is dropped. Packet functions
    /// work in other threads too, only slower.
    ///
    /// # Errors
    /// [`Error::Thread`] when all of DPDK's thread slots are taken.
    pub fn register_thread(self) -> Result<RegisteredThread, Error> {
        // SAFETY: the environment runs (`self`); registering twice is answered with success by DPDK, so refuse that.
        let (registered, rc) = unsafe {
            let free = dpdk_sys::rv_lcore_id() == dpdk_sys::RV_LCORE_ID_ANY;
            (
                !free,
                if free {
                    dpdk_sys::rte_thread_register()
                } else {
                    0
                },
            )
        };
        if registered {
            return Err(Error::Thread {
                errno: Errno(libc::EEXIST),
            });
        }
        if rc != 0 {
            return Err(Error::Thread {
                errno: Errno::last(),
            });
        }
        Ok(RegisteredThread(PhantomData))
    }

    /// Probes a device given as `name,arg=value,...` (a virtual device or a PCI address).
    ///
    /// # Errors
    /// [`Error::Device`] with the driver's reason.
    pub fn probe_device(self, arguments: &str) -> Result<(), Error> {
        let c = c_string(arguments)?;
        let _alone = devices();
        // SAFETY: the environment runs; the string is NUL-terminated and copied by DPDK.
        let rc = unsafe { dpdk_sys::rte_dev_probe(c.as_ptr()) };
        if rc != 0 {
            return Err(Error::Device {
                device: device_name(arguments).to_owned(),
                operation: "probe",
                errno: Errno::from_rc(rc),
            });
        }
        Ok(())
    }
}

/// Registration of the current thread with DPDK; it ends when this is dropped.
#[derive(Debug)]
pub struct RegisteredThread(PhantomData<*const ()>);

impl RegisteredThread {
    /// DPDK's number of this thread.
    #[must_use]
    pub fn lcore_id(&self) -> u32 {
        // SAFETY: reads a thread-local integer.
        unsafe { dpdk_sys::rv_lcore_id() }
    }
}

impl Drop for RegisteredThread {
    fn drop(&mut self) {
        // SAFETY: the guard is not `Send`, so this runs in the thread that registered.
        unsafe { dpdk_sys::rte_thread_unregister() }
    }
}

/// The device part of `name,arg=value`.
pub(crate) fn device_name(arguments: &str) -> &str {
    arguments.split(',').next().unwrap_or(arguments)
}

pub(crate) fn c_string(text: &str) -> Result<CString, Error> {
    let bad = || Error::BadName {
        name: text.to_owned(),
        max_octets: ARGUMENT_MAX_OCTETS,
    };
    if text.is_empty() || text.len() > ARGUMENT_MAX_OCTETS {
        return Err(bad());
    }
    CString::new(text).map_err(|_| bad())
}

/// CPUs that the calling thread may run on.
fn allowed_cpus() -> Vec<usize> {
    // SAFETY: cpu_set_t is a plain bit array, all zeroes is a valid value, and the kernel fills at most its size.
    let (rc, set) = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set),
            set,
        )
    };
    let limit = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: cpu is below CPU_SETSIZE, the number of bits in the set.
    let cpus: Vec<usize> = (0..limit)
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) })
        .collect();
    if rc != 0 || cpus.is_empty() {
        vec![0]
    } else {
        cpus
    }
}

fn join(cpus: &[usize]) -> String {
    cpus.iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(",")
}
