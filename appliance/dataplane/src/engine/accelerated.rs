//! A worker's engine with devices beside the CPU.
//!
//! A key of a device answers [`OpStatus::Pending`], so its packets come as operations, wait in the device, and come back in the order in
//! which they went in. Everything else is the synchronous engine's, and costs what it costs there.
//!
//! A device that has stopped, that keeps a packet longer than [`DEVICE_SILENCE`], or that reports [`ERRORS_IN_A_ROW`] is given up. The
//! packets that it has are lost: it may still write to them. What comes later goes by the CPU's keys that lie in reserve.

use std::sync::Arc;
use std::time::Duration;

use dpdk_rs::Mbuf;
use dpdk_rs::cryptodev::{
    AAD_OCTETS, Completion, CryptoQueue, Fault, ICV_OCTETS, IV_OCTETS, Icv, Outcome, QUEUE_DEPTH,
    Request,
};
use ravelin_esp::engine::{
    CpuKey, CryptoEngine, CryptoOp, Direction, KeyError, KeyId, KeyOrder, OpStatus, Service,
    Synchronous, Task,
};
use ravelin_esp::{Keys, PacketBuf};
use ravelin_types::{EspTransform, Time};

use super::accelerator::{Accelerator, DeviceKey, Failure, Lane};
use super::{Key, WorkerLanes};
use crate::packet::Packet;

/// How long a device may keep a packet. Cards answer within a millisecond; a tunnel must not stand still for longer than a routing
/// protocol bears.
pub const DEVICE_SILENCE: Duration = Duration::from_millis(100);
/// Errors in a row after which a device is given up: one is a packet that it does not like.
pub const ERRORS_IN_A_ROW: u32 = 64;
/// Octets of the upper half of an extended sequence number.
const SEQUENCE_HIGH_OCTETS: usize = 4;

/// A packet buffer that is an mbuf.
pub trait MbufBuf: PacketBuf {
    /// The mbuf.
    fn into_mbuf(self) -> Mbuf;
    /// Back again.
    fn from_mbuf(mbuf: Mbuf) -> Self;
}

/// A packet that can be taken apart into its mbuf, for the device, and the rest.
pub trait Apart: PacketBuf {
    /// Takes it apart.
    fn apart(self) -> (Mbuf, Packet<()>);
    /// Puts it together.
    fn together(mbuf: Mbuf, rest: Packet<()>) -> Self;
}

impl<B: MbufBuf> Apart for Packet<B> {
    #[inline]
    fn apart(self) -> (Mbuf, Packet<()>) {
        let (buf, rest) = self.replace(());
        (buf.into_mbuf(), rest)
    }

    #[inline]
    fn together(mbuf: Mbuf, rest: Packet<()>) -> Self {
        rest.replace(B::from_mbuf(mbuf)).1
    }
}

/// What goes with a packet through a device.
pub struct Waiting {
    rest: Packet<()>,
    task: Task,
    /// Its ICV is made beside it.
    aside: bool,
}

/// A lane that this worker uses. The queue goes before the lane, which tells the control thread that it is gone.
struct Attached {
    queue: CryptoQueue<Waiting>,
    lane: Arc<Lane>,
    /// Since when the oldest packet is the oldest.
    since: Time,
    errors: u32,
}

/// One worker's engine: CPU and devices.
pub struct Accelerated<P> {
    cpu: Synchronous<Key, P>,
    attached: Vec<Attached>,
    /// Makes the IVs of CBC modes; there with the first device.
    ivs: Option<WorkerLanes>,
    /// Vectors that keep their capacity: for the CPU, for the next round, and what no device can do.
    by_cpu: Vec<CryptoOp<P>>,
    staying: Vec<CryptoOp<P>>,
    refused: Vec<CryptoOp<P>>,
    lost: Vec<Task>,
    /// Removed keys that packets in a device hold.
    leaving: Vec<Key>,
    now: Time,
}

impl<P: Apart> Accelerated<P> {
    /// An engine for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            cpu: Synchronous::new(max_keys),
            attached: Vec::new(),
            ivs: None,
            by_cpu: Vec::new(),
            staying: Vec::new(),
            refused: Vec::new(),
            lost: Vec::new(),
            leaving: Vec::new(),
            now: Time::default(),
        }
    }

    /// Takes the queue of a key's lane, when it is the first key of it.
    fn attach(&mut self, key: &Key) {
        let Key::Device(key) = key else { return };
        let Some(queue) = key.lane.take() else { return };
        self.ivs.get_or_insert_default();
        self.lost.reserve(QUEUE_DEPTH);
        self.attached.push(Attached {
            queue,
            lane: Arc::clone(&key.lane),
            since: self.now,
            errors: 0,
        });
    }

    /// Lets a device of this worker fail, for tests; false when there is none, or it cannot fail so.
    pub fn break_down(&mut self, fault: Fault) -> bool {
        (self.attached.first_mut()).is_some_and(|attached| attached.queue.break_down(fault))
    }

    /// Hands an operation to the device of its key; gives it back when there is no room.
    fn hand(&mut self, mut op: CryptoOp<P>) -> Option<CryptoOp<P>> {
        let key = self.cpu.key(op.task.key);
        let Some(key) = key.and_then(|key| match key {
            Key::Device(key) if key.serves() => Some(key),
            _ => None,
        }) else {
            self.by_cpu.push(op);
            return None;
        };
        let mut attached = self.attached.iter_mut();
        let lane = attached.find(|attached| Arc::ptr_eq(&attached.lane, &key.lane));
        // Before anything is written into the packet: what waits is looked at anew.
        if lane
            .as_ref()
            .is_some_and(|attached| attached.queue.is_full())
        {
            return Some(op);
        }
        let request = lane.and_then(|attached| {
            let ivs = self.ivs.as_mut()?;
            Some((attached, request(key, ivs, &mut op)?))
        });
        let Some((attached, request)) = request else {
            op.status = OpStatus::EngineFailed;
            self.refused.push(op);
            return None;
        };
        if attached.queue.under_way() == 0 {
            attached.since = self.now;
        }
        let aside = matches!(request.icv, Icv::Aside(_)) && op.task.direction == Direction::Encrypt;
        let CryptoOp { packet, task, .. } = op;
        let (mbuf, rest) = packet.apart();
        let waiting = Waiting { rest, task, aside };
        let refused = (attached.queue)
            .submit(mbuf, waiting, &key.session, &request)
            .err()?;
        let Waiting { rest, task, .. } = refused.payload;
        let mut op = CryptoOp::new(P::together(refused.mbuf, rest), task);
        op.status = OpStatus::EngineFailed;
        self.refused.push(op);
        None
    }
}

/// What the device is to do.
fn request<P: PacketBuf>(
    key: &DeviceKey,
    ivs: &mut WorkerLanes,
    op: &mut CryptoOp<P>,
) -> Option<Request> {
    let task = &op.task;
    let end = task.start.checked_add(task.octets)?;
    let mut request = Request {
        text_at: task.start,
        text_octets: task.octets,
        covered: (0, 0),
        icv: Icv::InPacket(end),
        iv: [0; IV_OCTETS],
        aad: [0; AAD_OCTETS],
    };
    let Key::Separate(separate) = key.reserve() else {
        request.iv[..task.nonce.len()].copy_from_slice(&task.nonce);
        request.aad[..task.aad.len()].copy_from_slice(&task.aad);
        return Some(request);
    };
    let front = separate.front_octets();
    let at = usize::from(task.start).checked_sub(front)?;
    let packet = op.packet.data_mut().get_mut(at..)?;
    request.iv = ivs.iv(separate, &task.nonce, packet, task.direction)?;
    let mut covered = front + usize::from(task.octets);
    if task.aad_octets > 8 {
        // The upper half of the number is covered behind the text, where the ICV lies (RFC 4303 section 2.2.1).
        let mut received = [0; ICV_OCTETS];
        let icv_octets = usize::from(task.icv_octets);
        let place = packet.get_mut(covered..covered + icv_octets)?;
        received.get_mut(..icv_octets)?.copy_from_slice(place);
        let high = ((task.sequence >> 32) as u32).to_be_bytes();
        place
            .get_mut(..SEQUENCE_HIGH_OCTETS)?
            .copy_from_slice(&high);
        request.icv = Icv::Aside(received);
        covered += SEQUENCE_HIGH_OCTETS;
    }
    request.covered = (at as u16, covered as u16);
    Some(request)
}

/// The operation of a packet that came back.
fn completed<P: Apart>(completion: Completion<'_, Waiting>) -> CryptoOp<P> {
    let Completion {
        mbuf,
        payload: waiting,
        outcome,
        aside,
    } = completion;
    let Waiting { rest, task, .. } = waiting;
    let mut op = CryptoOp::new(P::together(mbuf, rest), task);
    op.status = match outcome {
        Outcome::Done => OpStatus::Done,
        Outcome::Forged => OpStatus::AuthFailed,
        Outcome::Failed => OpStatus::EngineFailed,
    };
    let task = &op.task;
    if waiting.aside {
        let at = usize::from(task.start) + usize::from(task.octets);
        let icv_octets = usize::from(task.icv_octets);
        let range = at..at + icv_octets;
        if let Some(place) = op.packet.data_mut().get_mut(range) {
            place.copy_from_slice(&aside[..icv_octets]);
        }
    }
    op
}

impl Attached {
    /// Takes back what is done; the reason to give the device up, if there is one.
    fn poll<P: Apart>(&mut self, done: &mut Vec<CryptoOp<P>>, now: Time) -> Option<Failure> {
        let (counters, errors) = (&self.lane.counters, &mut self.errors);
        let came = self.queue.poll(|completion| {
            if completion.outcome == Outcome::Failed {
                *errors += 1;
                counters.errors.add(1);
            } else {
                *errors = 0;
            }
            done.push(completed(completion));
        });
        self.lane.counters.packets.add(came as u64);
        if came > 0 {
            self.since = now;
        }
        if self.errors >= ERRORS_IN_A_ROW {
            return Some(Failure::Errors);
        }
        if self.queue.under_way() == 0 {
            // Another worker may have found out that it fails.
            return self.lane.unit.failure();
        }
        if !self.queue.is_started() {
            return Some(Failure::Stopped);
        }
        let silence = now.0.saturating_sub(self.since.0);
        let silent = silence > DEVICE_SILENCE.as_micros() as u64;
        (silent.then_some(Failure::Silent)).or(self.lane.unit.failure())
    }
}

impl<P: Apart> CryptoEngine<P> for Accelerated<P> {
    type Key = Key;
    type Maker = Accelerator;

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Key, KeyError> {
        Key::expand(transform, keys)
    }

    fn make(maker: &Accelerator, order: &KeyOrder<'_>) -> Result<(Key, Service), KeyError> {
        maker.make(order)
    }

    fn insert(&mut self, key: Key) -> Result<KeyId, Key> {
        self.attach(&key);
        self.cpu.insert(key)
    }

    fn remove(&mut self, id: KeyId) -> Option<Key> {
        let key = self.cpu.remove(id)?;
        if matches!(&key, Key::Device(key) if key.session.is_in_use()) {
            self.leaving.push(key);
            return None;
        }
        Some(key)
    }

    fn reap(&mut self) -> Option<Key> {
        let free = |key: &Key| !matches!(key, Key::Device(key) if key.session.is_in_use());
        let Some(at) = self.leaving.iter().position(free) else {
            // A lane that nobody else has, neither keys nor the control thread, is of a device that was retired.
            self.attached.retain(|attached| {
                attached.queue.under_way() > 0 || Arc::strong_count(&attached.lane) > 1
            });
            return None;
        };
        Some(self.leaving.swap_remove(at))
    }

    #[inline]
    fn run_now(&mut self, packet: &mut [u8], task: &Task) -> OpStatus {
        self.cpu.run_now(packet, task)
    }

    #[inline(always)]
    fn approach(&self, key: KeyId) {
        self.cpu.approach(key);
    }

    #[inline(always)]
    fn warm(&self, key: KeyId, octets: usize) {
        self.cpu.warm(key, octets);
    }

    fn lend(&mut self, id: KeyId) -> Option<Key> {
        self.cpu.lend(id)
    }

    fn run_lent(&mut self, keys: &[Option<Key>], ops: &mut [CryptoOp<P>]) {
        self.cpu.run_lent(keys, ops);
    }

    #[inline]
    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        if self.attached.is_empty() {
            return self.cpu.submit(ops);
        }
        let mut given = std::mem::replace(ops, std::mem::take(&mut self.staying));
        for op in given.drain(..) {
            ops.extend(self.hand(op));
        }
        self.staying = given;
        let mut by_cpu = std::mem::take(&mut self.by_cpu);
        self.cpu.submit(&mut by_cpu);
        by_cpu.clear();
        self.by_cpu = by_cpu;
    }

    fn poll(&mut self, done: &mut Vec<CryptoOp<P>>) {
        self.cpu.poll(done);
        done.append(&mut self.refused);
        let (now, lost) = (self.now, &mut self.lost);
        let mut at = 0;
        while let Some(attached) = self.attached.get_mut(at) {
            let Some(why) = attached.poll(done, now) else {
                at += 1;
                continue;
            };
            let Attached { queue, lane, .. } = self.attached.swap_remove(at);
            lane.unit.fail(why);
            lane.counters.lost.add(queue.under_way() as u64);
            queue.give_up(|waiting| lost.push(waiting.task));
        }
    }

    #[inline]
    fn clock(&mut self, now: Time) {
        self.now = now;
    }

    #[inline]
    fn under_way(&self) -> usize {
        let queues = self.attached.iter();
        queues.map(|attached| attached.queue.under_way()).sum()
    }

    #[inline]
    fn lost(&mut self) -> Option<Task> {
        self.lost.pop()
    }
}
