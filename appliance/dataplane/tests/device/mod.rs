//! A data plane on mbufs, with DPDK's software crypto devices, and engines that can be broken.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use dpdk_rs::cryptodev::{CryptoConfig, CryptoDevice, Fault};
use dpdk_rs::{Eal, Mbuf, Mempool, MempoolConfig};
use ravelin_dataplane::engine::accelerated::MbufBuf;
use ravelin_dataplane::engine::{Accelerated, Accelerator, Key};
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{BURST, Platform, Pool, PortIo};
use ravelin_esp::engine::{KeyOrder, Service};
use ravelin_esp::{CryptoEngine, CryptoOp, KeyError, KeyId, Keys, OpStatus, PacketBuf, Task};
use ravelin_types::{EspTransform, Time};

/// The environment and its packets; once per process.
pub fn environment() -> (Eal, Mempool) {
    static STARTED: OnceLock<(Eal, Mempool)> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let eal = Eal::builder()
            .file_prefix(format!("rvd{}", std::process::id()))
            .no_huge(true)
            .memory_mib(512)
            .init()
            .unwrap();
        let pool = Mempool::create(eal, &MempoolConfig::new("frames", 8191)).unwrap();
        (eal, pool)
    })
}

/// Opens a device for one worker.
pub fn device(arguments: &str) -> CryptoDevice {
    let config = CryptoConfig {
        queues: 1,
        sessions: 1024,
    };
    CryptoDevice::probe(environment().0, arguments, config).unwrap()
}

#[derive(Debug)]
pub struct Frame(pub Mbuf);

impl Frame {
    pub fn new(octets: &[u8]) -> Self {
        Self(environment().1.packet(octets).unwrap())
    }
}

impl PacketBuf for Frame {
    fn data(&self) -> &[u8] {
        self.0.data()
    }
    fn data_mut(&mut self) -> &mut [u8] {
        self.0.data_mut()
    }
    fn prepend(&mut self, octets: usize) -> bool {
        self.0.prepend(octets as u16).is_some()
    }
    fn append(&mut self, octets: usize) -> bool {
        self.0.append(octets as u16).is_some()
    }
    fn adj(&mut self, octets: usize) -> bool {
        self.0.adj(octets as u16).is_some()
    }
    fn trim(&mut self, octets: usize) -> bool {
        self.0.trim(octets as u16).is_some()
    }
}

impl MbufBuf for Frame {
    fn into_mbuf(self) -> Mbuf {
        self.0
    }
    fn from_mbuf(mbuf: Mbuf) -> Self {
        Self(mbuf)
    }
}

pub struct Frames;

impl Pool<Frame> for Frames {
    fn alloc(&mut self) -> Option<Frame> {
        environment().1.alloc().map(Frame)
    }
}

/// Both directions of a port.
#[derive(Clone, Default)]
pub struct Port(Arc<Mutex<[VecDeque<Vec<u8>>; 2]>>);

impl Port {
    pub fn push(&self, frame: &[u8]) {
        self.0.lock().unwrap()[0].push_back(frame.to_vec());
    }
    pub fn pop(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap()[1].pop_front()
    }
}

impl PortIo<Frame> for Port {
    fn receive(&mut self, out: &mut Vec<Frame>) {
        let mut queues = self.0.lock().unwrap();
        let count = queues[0].len().min(BURST);
        out.extend(queues[0].drain(..count).map(|octets| Frame::new(&octets)));
    }
    fn transmit(&mut self, frames: &mut Vec<Frame>) {
        let mut queues = self.0.lock().unwrap();
        queues[1].extend(frames.drain(..).map(|frame| frame.data().to_vec()));
    }
}

/// The product's engine behind one that breaks its device when it is told to.
pub struct Breaking {
    right: Accelerated<Packet<Frame>>,
    pub order: Arc<Mutex<Option<Fault>>>,
}

impl Breaking {
    pub fn new(order: &Arc<Mutex<Option<Fault>>>) -> Self {
        Self {
            right: Accelerated::new(64),
            order: Arc::clone(order),
        }
    }
}

impl CryptoEngine<Packet<Frame>> for Breaking {
    type Key = Key;
    type Maker = Accelerator;

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Key, KeyError> {
        <Accelerated<Packet<Frame>> as CryptoEngine<_>>::expand(transform, keys)
    }
    fn make(maker: &Accelerator, order: &KeyOrder<'_>) -> Result<(Key, Service), KeyError> {
        <Accelerated<Packet<Frame>> as CryptoEngine<_>>::make(maker, order)
    }
    fn insert(&mut self, key: Key) -> Result<KeyId, Key> {
        self.right.insert(key)
    }
    fn remove(&mut self, id: KeyId) -> Option<Key> {
        self.right.remove(id)
    }
    fn reap(&mut self) -> Option<Key> {
        self.right.reap()
    }
    fn run_now(&mut self, packet: &mut [u8], task: &Task) -> OpStatus {
        self.right.run_now(packet, task)
    }
    fn submit(&mut self, ops: &mut Vec<CryptoOp<Packet<Frame>>>) {
        self.right.submit(ops);
        // The fault comes when packets are in the device.
        if !ops.is_empty() || self.right.under_way() > 0 {
            let fault = self.order.lock().unwrap().take();
            assert!(fault.is_none_or(|fault| self.right.break_down(fault)));
        }
    }
    fn poll(&mut self, done: &mut Vec<CryptoOp<Packet<Frame>>>) {
        self.right.poll(done);
    }
    fn clock(&mut self, now: Time) {
        self.right.clock(now);
    }
    fn under_way(&self) -> usize {
        self.right.under_way()
    }
    fn lost(&mut self) -> Option<Task> {
        self.right.lost()
    }
}

/// The data plane on all that.
pub enum Accelerating {}

impl Platform for Accelerating {
    type Buf = Frame;
    type Pool = Frames;
    type Port = Port;
    type Engine = Breaking;
    type Cells = Box<[std::sync::atomic::AtomicU64]>;
}
