//! The seam between ESP and whatever runs the cipher: a CPU library now, a device queue later.
//!
//! A key that takes each packet by itself does so in [`CryptoEngine::run_now`]. Else an operation owns its packet from
//! [`CryptoEngine::submit`] to [`CryptoEngine::poll`]: an engine of this CPU completes it in `submit`, an asynchronous one may hold operations over several polls and return them in any order per key, and hold at
//! most what its queue takes. Keys live in the engine, in the layout it likes best, and are named by [`KeyId`].

mod portable;
mod synchronous;

use ravelin_types::{EspTransform, Time};
use thiserror::Error;

use crate::{Keys, PacketBuf};

pub use portable::{PortableEngine, PortableKey};
pub use synchronous::{CpuKey, Job, MAX_JOBS, Synchronous};

/// Names a key inside one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub u32);

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The material does not have the algorithms' length.
    #[error("key length does not fit the algorithms")]
    Length,
    /// The engine's key table is full.
    #[error("the engine's key table is full")]
    Full,
    /// The engine does not have the algorithms.
    #[error("the engine does not have the algorithms")]
    Transform,
}

/// What a key is made for.
#[derive(Clone, Copy)]
pub struct KeyOrder<'a> {
    /// Algorithms.
    pub transform: EspTransform,
    /// Which way.
    pub direction: Direction,
    /// Extended sequence numbers.
    pub extended: bool,
    /// Whose engine will have it.
    pub worker: u8,
    /// Its material.
    pub keys: Keys<'a>,
}

/// Where the packets of a key are worked on, as it was decided when the key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// By this CPU.
    Cpu(WhyCpu),
    /// By the device of this number.
    Device(u16),
}

/// Why the CPU works on the packets of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyCpu {
    /// There was no device.
    NoDevice,
    /// No device has the algorithms, or they are not for devices.
    Algorithm,
    /// The devices hold as many keys as they can.
    Sessions,
    /// The devices have fewer queues than there are workers.
    Queues,
}

/// Encrypt or decrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Encrypt and write the ICV.
    Encrypt,
    /// Verify the ICV and decrypt.
    Decrypt,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpStatus {
    /// Not done yet.
    Pending,
    /// Done; for decryption the ICV was right.
    Done,
    /// The ICV was wrong. The packet's content is undefined and must not be used.
    AuthFailed,
    /// The engine could not do it: unknown key, bad range, device error.
    EngineFailed,
}

/// Longest additional authenticated data: SPI and a 64-bit sequence number.
pub const MAX_AAD_OCTETS: usize = 12;

/// What the cipher does to a packet, in place. The text is `start .. start + octets` of the packet; ESP header and IV lie before it, the
/// ICV follows it. An engine writes an IV that must be unpredictable itself, made from the unique one in `nonce`.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The key.
    pub key: KeyId,
    /// Salt, and the explicit IV of the counter modes; outbound, something unique under this key in any case.
    pub nonce: [u8; 12],
    /// SPI and sequence number, `aad_octets` of them: the additional authenticated data of an AEAD (RFC 4106 section 5).
    pub aad: [u8; MAX_AAD_OCTETS],
    /// Used octets of `aad`: 12 with extended sequence numbers, else 8.
    pub aad_octets: u8,
    /// Octets of the ICV.
    pub icv_octets: u8,
    /// Which way.
    pub direction: Direction,
    /// First octet of the text.
    pub start: u16,
    /// Octets of the text.
    pub octets: u16,
    /// The caller's slot of the SA, carried through.
    pub slot: u32,
    /// Sequence number, carried through.
    pub sequence: u64,
}

/// A task with the packet it owns, for an engine that does not do it on the spot.
#[derive(Debug)]
pub struct CryptoOp<P> {
    /// The packet.
    pub packet: P,
    /// What is to be done.
    pub task: Task,
    /// Result.
    pub status: OpStatus,
}

impl<P> CryptoOp<P> {
    /// An operation that waits.
    pub fn new(packet: P, task: Task) -> Self {
        Self {
            packet,
            task,
            status: OpStatus::Pending,
        }
    }
}

/// Runs operations in bursts. Implementations allocate nothing per operation.
pub trait CryptoEngine<P: PacketBuf> {
    /// An expanded key, made on any thread, wiped when dropped.
    type Key: Send + 'static;
    /// What makes keys: the devices there are, for an engine that has some.
    type Maker: Default;

    /// Expands the keys of one direction.
    ///
    /// # Errors
    /// When they do not fit the algorithms, or the engine does not have these.
    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Self::Key, KeyError>;

    /// Makes a key, where it serves best, and tells where that is.
    ///
    /// # Errors
    /// As [`CryptoEngine::expand`].
    fn make(_maker: &Self::Maker, order: &KeyOrder<'_>) -> Result<(Self::Key, Service), KeyError> {
        let key = Self::expand(order.transform, order.keys)?;
        Ok((key, Service::Cpu(WhyCpu::NoDevice)))
    }

    /// Takes a key into the engine; gives it back when the table is full.
    fn insert(&mut self, key: Self::Key) -> Result<KeyId, Self::Key>;

    /// Takes a key out, so that the caller can drop it where that costs nobody time. An engine that still holds operations
    /// of this key finishes them first and returns the key from a later call of [`CryptoEngine::reap`].
    fn remove(&mut self, id: KeyId) -> Option<Self::Key>;

    /// A removed key whose last operation has completed.
    fn reap(&mut self) -> Option<Self::Key> {
        None
    }

    /// Does a task on the spot, if that is how its key works: the packet then need not wait in a vector, nor move.
    /// [`OpStatus::Pending`] when it must be submitted; all tasks of one key are answered alike.
    #[inline]
    fn run_now(&mut self, _packet: &mut [u8], _task: &Task) -> OpStatus {
        OpStatus::Pending
    }

    /// Brings towards the cache where a key is found.
    #[inline]
    fn approach(&self, _key: KeyId) {}

    /// Brings towards the cache what of a key a text of so many octets needs.
    #[inline]
    fn warm(&self, _key: KeyId, _octets: usize) {}

    /// The same key once more, for the engine of another worker; `None` when its packets are not the CPU's.
    fn lend(&mut self, _id: KeyId) -> Option<Self::Key> {
        None
    }

    /// Completes operations whose keys were lent: each task names its key by the place in `keys`.
    fn run_lent(&mut self, _keys: &[Option<Self::Key>], ops: &mut [CryptoOp<P>]) {
        for op in ops {
            op.status = OpStatus::EngineFailed;
        }
    }

    /// Takes operations from `ops`, in order, as many as fit; what stays in `ops` was not accepted.
    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>);

    /// Appends completed operations to `done`.
    fn poll(&mut self, done: &mut Vec<CryptoOp<P>>);

    /// Tells the time, before operations are submitted and completed.
    #[inline]
    fn clock(&mut self, _now: Time) {}

    /// Operations submitted and not completed.
    #[inline]
    fn under_way(&self) -> usize {
        0
    }

    /// An operation that will never be completed: its device failed, and has its packet.
    #[inline]
    fn lost(&mut self) -> Option<Task> {
        None
    }
}

#[cfg(test)]
mod tests;
