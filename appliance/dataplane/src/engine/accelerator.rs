//! Crypto devices as the control thread sees them: which there are, how they do, and the keys that are put into them.
//!
//! Each worker has a [`Lane`], a queue of a device, in as many devices as have one left for it. A key is made for the worker that will
//! own it, in that one of its devices which has the algorithms and the fewest keys. It comes with the CPU's key in reserve: when the device
//! fails or is retired, nothing but packets that it has is lost, and nobody has to make keys then. Numbers and IVs are the SA's, which
//! the engine does not know; a packet is never submitted twice, so none is used twice.
//!
//! AES-GMAC stays with the CPU: what it authenticates is not contiguous with extended sequence numbers. So do DES and triple DES: nobody
//! has a card for them, and version 2.0 of intel-ipsec-mb, which is behind a software driver, does two of their packets at once wrongly.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dpdk_rs::cryptodev::{Aead, Algorithms, CryptoDevice, CryptoQueue, Session, Suite};
use ravelin_esp::Keys;
use ravelin_esp::engine::{CpuKey, Direction, KeyError, KeyOrder, Service, WhyCpu};
use ravelin_types::{EspEncr, EspTransform};

use super::{Key, separate};
use crate::counters::Counter;
use crate::engine::accelerated::Waiting;

/// Devices at once: each costs every worker a poll, and a card shows as a handful of functions.
pub const MAX_DEVICES: usize = 8;

/// Why a device serves no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was stopped or taken away.
    Stopped,
    /// A packet did not come back in time.
    Silent,
    /// It reported errors, one after the other.
    Errors,
}

impl Failure {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Failure::Stopped => "the device has stopped",
            Failure::Silent => "the device does not answer",
            Failure::Errors => "the device reports errors",
        }
    }
}

/// A device.
pub struct Unit {
    number: u16,
    device: CryptoDevice,
    /// Takes new packets.
    serves: AtomicBool,
    failure: OnceLock<Failure>,
    keys: AtomicU32,
    lanes: OnceLock<Vec<Arc<LaneCounters>>>,
}

/// What a worker counts of its lane.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct LaneCounters {
    /// Packets that came back.
    pub packets: Counter,
    /// Packets that did not come back.
    pub lost: Counter,
    /// Packets that came back with an error of the device.
    pub errors: Counter,
}

/// A worker's queue of a device.
pub struct Lane {
    pub(super) unit: Arc<Unit>,
    /// Until the worker takes it.
    pub(super) queue: Mutex<Option<CryptoQueue<Waiting>>>,
    pub(super) counters: Arc<LaneCounters>,
}

impl Unit {
    #[inline]
    fn serves(&self) -> bool {
        self.serves.load(Ordering::Relaxed)
    }

    /// It serves no more; the first reason counts.
    pub(super) fn fail(&self, why: Failure) {
        let _ = self.failure.set(why);
        self.serves.store(false, Ordering::Relaxed);
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get().copied()
    }
}

/// How a device does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitStatus {
    /// What [`Service::Device`] names.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Takes new packets.
    pub serves: bool,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Queues in use.
    pub queues: usize,
    /// Keys in it, and how many it takes.
    pub keys: (u32, u32),
    /// Packets that came back.
    pub packets: u64,
    /// Packets that it lost.
    pub lost: u64,
    /// Packets that it could not do.
    pub errors: u64,
}

/// The devices of a node.
#[derive(Default)]
pub struct Accelerator {
    units: Vec<Arc<Unit>>,
    /// By worker.
    lanes: Vec<Vec<Arc<Lane>>>,
    next_number: u16,
}

impl Accelerator {
    /// Adds a device for so many workers; false when there are [`MAX_DEVICES`] already. Keys made from now on may go there.
    pub fn add(&mut self, device: CryptoDevice, workers: usize) -> bool {
        self.close_idle();
        if self.units.len() >= MAX_DEVICES {
            return false;
        }
        if self.lanes.len() < workers {
            self.lanes.resize_with(workers, Vec::new);
        }
        let unit = Arc::new(Unit {
            number: self.next_number,
            device,
            serves: AtomicBool::new(true),
            failure: OnceLock::new(),
            keys: AtomicU32::new(0),
            lanes: OnceLock::new(),
        });
        self.next_number = self.next_number.wrapping_add(1);
        // Workers with the fewest lanes first: several small devices reach all of them.
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        order.sort_by_key(|worker| self.lanes[*worker].len());
        let mut counters = Vec::new();
        for worker in order {
            let Some(queue) = unit.device.take_queue() else {
                break;
            };
            let lane = Arc::new(Lane {
                unit: Arc::clone(&unit),
                queue: Mutex::new(Some(queue)),
                counters: Arc::default(),
            });
            counters.push(Arc::clone(&lane.counters));
            self.lanes[worker].push(lane);
        }
        let _ = unit.lanes.set(counters);
        self.units.push(unit);
        true
    }

    /// Devices go on serving only if `wanted` names them; a retired one serves again when it is wanted again.
    pub fn want(&self, wanted: &[String]) {
        for unit in &self.units {
            let wanted = wanted.iter().any(|name| name == unit.device.name());
            let has_lanes = (self.lanes.iter().flatten()).any(|lane| Arc::ptr_eq(&lane.unit, unit));
            if unit.failure().is_none() {
                unit.serves.store(wanted && has_lanes, Ordering::Relaxed);
            }
        }
    }

    /// Whether a device is known, serving or not. One that is being closed may have to be waited for.
    pub fn has(&self, name: &str) -> bool {
        self.units.iter().any(|unit| unit.device.name() == name)
    }

    /// Lets go of devices that serve no more and hold no key. They are closed here, when their workers have let go of them too.
    pub fn close_idle(&mut self) {
        let idle = |unit: &Unit| !unit.serves() && unit.keys.load(Ordering::Relaxed) == 0;
        for lanes in &mut self.lanes {
            lanes.retain(|lane| !idle(&lane.unit));
        }
        // A lane holds its device, and a worker drops its queue before its lane.
        self.units
            .retain(|unit| !idle(unit) || Arc::strong_count(unit) > 1);
    }

    /// All devices.
    pub fn status(&self) -> Vec<UnitStatus> {
        self.units.iter().map(|unit| status(unit)).collect()
    }

    pub(super) fn make(&self, order: &KeyOrder<'_>) -> Result<(Key, Service), KeyError> {
        let cpu = Key::expand(order.transform, order.keys)?;
        let by_cpu = |cpu, why| Ok((cpu, Service::Cpu(why)));
        if !self.units.iter().any(|unit| unit.serves()) {
            return by_cpu(cpu, WhyCpu::NoDevice);
        }
        let Some(suite) = suite(order) else {
            return by_cpu(cpu, WhyCpu::Algorithm);
        };
        let able = |unit: &Unit| unit.serves() && unit.device.supports(&suite);
        if !self.units.iter().any(|unit| able(unit)) {
            return by_cpu(cpu, WhyCpu::Algorithm);
        }
        let lanes = self.lanes.get(usize::from(order.worker));
        let mut lanes: Vec<&Arc<Lane>> = (lanes.into_iter().flatten())
            .filter(|lane| able(&lane.unit))
            .collect();
        if lanes.is_empty() {
            return by_cpu(cpu, WhyCpu::Queues);
        }
        lanes.sort_by_key(|lane| lane.unit.keys.load(Ordering::Relaxed));
        for lane in lanes {
            let Keys { cipher, integ } = order.keys;
            if let Ok(session) = lane.unit.device.session(&suite, cipher, integ) {
                lane.unit.keys.fetch_add(1, Ordering::Relaxed);
                let number = lane.unit.number;
                let key = DeviceKey {
                    reserve: cpu,
                    session,
                    lane: Arc::clone(lane),
                };
                return Ok((Key::Device(Box::new(key)), Service::Device(number)));
            }
        }
        by_cpu(cpu, WhyCpu::Sessions)
    }
}

fn status(unit: &Unit) -> UnitStatus {
    let lanes = unit.lanes.get().map_or(&[][..], Vec::as_slice);
    let sum = |of: fn(&LaneCounters) -> &Counter| lanes.iter().map(|lane| of(lane).get()).sum();
    UnitStatus {
        number: unit.number,
        name: unit.device.name().to_owned(),
        driver: unit.device.driver().to_owned(),
        serves: unit.serves(),
        failure: unit.failure(),
        queues: lanes.len(),
        keys: (
            unit.keys.load(Ordering::Relaxed),
            unit.device.max_sessions(),
        ),
        packets: sum(|lane| &lane.packets),
        lost: sum(|lane| &lane.lost),
        errors: sum(|lane| &lane.errors),
    }
}

/// A key in a device, for the worker of its lane. The driver wipes its own when it goes.
pub struct DeviceKey {
    reserve: Key,
    pub(super) session: Session,
    pub(super) lane: Arc<Lane>,
}

impl DeviceKey {
    /// Whether the device takes packets.
    #[inline]
    pub(super) fn serves(&self) -> bool {
        self.lane.unit.serves()
    }

    /// The CPU's key.
    #[inline]
    pub(super) fn reserve(&self) -> &Key {
        &self.reserve
    }
}

impl Drop for DeviceKey {
    fn drop(&mut self) {
        self.lane.unit.keys.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    /// The queue, once.
    pub(super) fn take(&self) -> Option<CryptoQueue<Waiting>> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// What a device must have for a key.
fn suite(order: &KeyOrder<'_>) -> Option<Suite> {
    let transform = order.transform;
    Some(Suite {
        algorithms: algorithms(transform, order.extended)?,
        key_octets: transform.encr().key_octets() as u8,
        integ_octets: transform.integ().map_or(0, |integ| integ.key_octets()) as u8,
        icv_octets: transform.icv_octets() as u8,
        encrypt: order.direction == Direction::Encrypt,
    })
}

fn algorithms(transform: EspTransform, extended: bool) -> Option<Algorithms> {
    use EspEncr as E;
    let aead = |aead| Algorithms::Aead {
        aead,
        // SPI and sequence number (RFC 4106 section 5).
        aad_octets: if extended { 12 } else { 8 },
    };
    match transform.encr() {
        E::Aes128Gcm8 | E::Aes128Gcm12 | E::Aes128Gcm => Some(aead(Aead::AesGcm)),
        E::Aes192Gcm8 | E::Aes192Gcm12 | E::Aes192Gcm => Some(aead(Aead::AesGcm)),
        E::Aes256Gcm8 | E::Aes256Gcm12 | E::Aes256Gcm => Some(aead(Aead::AesGcm)),
        E::ChaCha20Poly1305 => Some(aead(Aead::ChaCha20Poly1305)),
        E::DesCbc | E::TripleDesCbc => None,
        _ => separate::parts(transform).map(|(cipher, hash)| Algorithms::Separate { cipher, hash }),
    }
}
