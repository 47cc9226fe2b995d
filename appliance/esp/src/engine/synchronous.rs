//! An engine whose keys do the work on the spot: every operation is complete when `submit` returns.

use arrayvec::ArrayVec;
use ravelin_types::EspTransform;

use super::{CryptoEngine, CryptoOp, Direction, KeyError, KeyId, OpStatus, Task};
use crate::{Keys, PacketBuf};

/// Most operations that [`CpuKey::run_jobs`] gets at once: twice the lanes of the widest multi-buffer code, so that packets of
/// different lengths keep the lanes full.
pub const MAX_JOBS: usize = 32;

/// An expanded key that runs on the calling CPU; wiped when dropped. It takes each packet by itself (`seal`, `open`), or several of
/// them at a time (`run_jobs`).
pub trait CpuKey: Sized + Send + 'static {
    /// What one engine needs to run jobs.
    type Lanes: Default + Send;

    /// Expands keys.
    ///
    /// # Errors
    /// When they do not fit the algorithms, or these are unknown.
    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Self, KeyError>;

    /// Encrypts `text` in place and writes the ICV; [`OpStatus::Pending`] when the key runs jobs.
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &mut [u8]) -> OpStatus;

    /// Verifies the ICV in constant time and decrypts `text` in place; [`OpStatus::Pending`] when the key runs jobs.
    fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> OpStatus;

    /// The key, and the same once more; the second is none when its packets are not the CPU's.
    fn share(self) -> (Self, Option<Self>) {
        (self, None)
    }

    /// Brings towards the cache a place of a table of keys.
    #[inline]
    fn approach(_place: &Option<Self>) {}

    /// Brings towards the cache what of the key a text of so many octets needs.
    #[inline]
    fn warm(&self, _octets: usize) {}

    /// Octets of ESP header and IV, for a key that runs jobs.
    fn front_octets(&self) -> usize {
        0
    }

    /// Does jobs of keys whose `seal` and `open` answer [`OpStatus::Pending`], and sets their status.
    fn run_jobs(_lanes: &mut Self::Lanes, _jobs: &mut [Job<'_, Self>]) {}
}

/// One packet for a key that takes several at a time.
pub struct Job<'a, K> {
    /// The key.
    pub key: &'a K,
    /// Which way.
    pub direction: Direction,
    /// Salt and unique IV.
    pub nonce: &'a [u8; 12],
    /// The upper half of an extended sequence number, which the ICV covers behind the text (RFC 4303 section 2.2.1).
    pub sequence_high: Option<[u8; 4]>,
    /// From the ESP header to the end of the ICV.
    pub packet: &'a mut [u8],
    /// Octets of `packet` before the ICV, which the ICV covers.
    pub covered_octets: usize,
    /// Result.
    pub status: &'a mut OpStatus,
}

/// A table of keys, and the operations completed since the last poll.
pub struct Synchronous<K: CpuKey, P> {
    keys: Vec<Option<K>>,
    free: Vec<u32>,
    max_keys: usize,
    done: Vec<CryptoOp<P>>,
    lanes: K::Lanes,
}

impl<K: CpuKey, P: PacketBuf> Synchronous<K, P> {
    /// An engine for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            keys: Vec::new(),
            free: Vec::new(),
            max_keys,
            done: Vec::new(),
            lanes: K::Lanes::default(),
        }
    }

    /// A key of the table.
    #[inline]
    pub fn key(&self, id: KeyId) -> Option<&K> {
        self.keys.get(id.0 as usize)?.as_ref()
    }

    /// `None` for an unknown key or a range outside the packet.
    #[inline]
    fn run(keys: &[Option<K>], packet: &mut [u8], task: &Task) -> Option<OpStatus> {
        let key = keys.get(task.key.0 as usize)?.as_ref()?;
        let (start, octets) = (usize::from(task.start), usize::from(task.octets));
        let aad = task.aad.get(..usize::from(task.aad_octets))?;
        let range = start..start + octets + usize::from(task.icv_octets);
        let (text, icv) = packet.get_mut(range)?.split_at_mut_checked(octets)?;
        Some(match task.direction {
            Direction::Encrypt => key.seal(&task.nonce, aad, text, icv),
            Direction::Decrypt => key.open(&task.nonce, aad, text, icv),
        })
    }

    /// Completes operations.
    fn run_all(keys: &[Option<K>], lanes: &mut K::Lanes, ops: &mut [CryptoOp<P>]) {
        let mut pending = false;
        for op in ops.iter_mut() {
            op.status =
                Self::run(keys, op.packet.data_mut(), &op.task).unwrap_or(OpStatus::EngineFailed);
            pending |= op.status == OpStatus::Pending;
        }
        if pending {
            Self::run_pending(keys, lanes, ops);
        }
    }

    /// Runs what `run` left pending.
    #[inline(never)]
    fn run_pending(keys: &[Option<K>], lanes: &mut K::Lanes, ops: &mut [CryptoOp<P>]) {
        let mut jobs: ArrayVec<Job<'_, K>, MAX_JOBS> = ArrayVec::new();
        for op in ops.iter_mut().filter(|op| op.status == OpStatus::Pending) {
            op.status = OpStatus::EngineFailed;
            jobs.extend(Self::job(keys, op));
            if jobs.is_full() {
                K::run_jobs(lanes, &mut jobs);
                jobs.clear();
            }
        }
        K::run_jobs(lanes, &mut jobs);
    }

    fn job<'a>(keys: &'a [Option<K>], op: &'a mut CryptoOp<P>) -> Option<Job<'a, K>> {
        let task = &op.task;
        let key = keys.get(task.key.0 as usize)?.as_ref()?;
        let start = usize::from(task.start).checked_sub(key.front_octets())?;
        let text_end = usize::from(task.start) + usize::from(task.octets);
        let end = text_end + usize::from(task.icv_octets);
        let packet = op.packet.data_mut().get_mut(start..end)?;
        let high = (task.sequence >> 32) as u32;
        Some(Job {
            key,
            direction: task.direction,
            nonce: &task.nonce,
            sequence_high: (task.aad_octets > 8).then(|| high.to_be_bytes()),
            packet,
            covered_octets: text_end - start,
            status: &mut op.status,
        })
    }
}

impl<K: CpuKey, P: PacketBuf> CryptoEngine<P> for Synchronous<K, P> {
    type Key = K;
    type Maker = ();

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<K, KeyError> {
        K::expand(transform, keys)
    }

    fn insert(&mut self, key: K) -> Result<KeyId, K> {
        if let Some(index) = self.free.pop() {
            let Some(place) = self.keys.get_mut(index as usize) else {
                return Err(key);
            };
            *place = Some(key);
            return Ok(KeyId(index));
        }
        if self.keys.len() >= self.max_keys {
            return Err(key);
        }
        self.keys.push(Some(key));
        Ok(KeyId(self.keys.len() as u32 - 1))
    }

    fn remove(&mut self, id: KeyId) -> Option<K> {
        let key = self.keys.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        Some(key)
    }

    #[inline]
    fn run_now(&mut self, packet: &mut [u8], task: &Task) -> OpStatus {
        Self::run(&self.keys, packet, task).unwrap_or(OpStatus::EngineFailed)
    }

    #[inline(always)]
    fn approach(&self, key: KeyId) {
        if let Some(place) = self.keys.get(key.0 as usize) {
            K::approach(place);
        }
    }

    #[inline(always)]
    fn warm(&self, key: KeyId, octets: usize) {
        if let Some(Some(key)) = self.keys.get(key.0 as usize) {
            key.warm(octets);
        }
    }

    fn lend(&mut self, id: KeyId) -> Option<K> {
        let place = self.keys.get_mut(id.0 as usize)?;
        let (key, lent) = place.take()?.share();
        *place = Some(key);
        lent
    }

    fn run_lent(&mut self, keys: &[Option<K>], ops: &mut [CryptoOp<P>]) {
        Self::run_all(keys, &mut self.lanes, ops);
    }

    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        Self::run_all(&self.keys, &mut self.lanes, ops);
        if self.done.is_empty() {
            std::mem::swap(&mut self.done, ops);
        } else {
            self.done.append(ops);
        }
    }

    fn poll(&mut self, done: &mut Vec<CryptoOp<P>>) {
        if done.is_empty() {
            std::mem::swap(done, &mut self.done);
        } else {
            done.append(&mut self.done);
        }
    }
}
