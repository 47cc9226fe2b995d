//! The other ends of planed's ports: memif, whose rings lose nothing without saying so, so that every frame can be counted.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use dpdk_rs::{
    BURST, Burst, Eal, Mbuf, Mempool, MempoolConfig, Port, PortConfig, RxQueue, TxQueue,
};
use ravelin_tests::wait::{pause, wait_until};

const CONNECTED: Duration = Duration::from_secs(10);
/// How long a full ring may stay full: planed serves its ports within a second, or is sick.
const STUCK: Duration = Duration::from_secs(10);
const FRAMES: u32 = 8_191;
const MEMORY_MIB: u32 = 64;

/// One for all tests of a process, as DPDK wants it.
static BUFFERS: OnceLock<(Eal, Mempool)> = OnceLock::new();
/// The next port's number, behind those of planed's side.
static NAMES: AtomicU16 = AtomicU16::new(10);

fn buffers() -> (Eal, Mempool) {
    let eal = Eal::builder()
        .file_prefix(format!("churn{}", std::process::id()))
        .no_huge(true)
        .memory_mib(MEMORY_MIB)
        .init()
        .unwrap();
    let pool = Mempool::create(eal, &MempoolConfig::new("churn", FRAMES)).unwrap();
    (eal, pool)
}

/// The device of planed's side.
pub fn device(number: u16, folder: &Path) -> String {
    format!("net_memif{number},role=server,{}", socket(number, folder))
}

fn socket(number: u16, folder: &Path) -> String {
    let path = folder.join(format!("port{number}.sock"));
    format!("id=0,socket={},socket-abstract=no", path.display())
}

/// One port's other end.
pub struct Cable {
    pool: Mempool,
    port: Port,
    /// As many as planed has workers.
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
    /// Frames that the ring took, and that came.
    pub sent: u64,
    pub received: u64,
}

impl Cable {
    /// The other ends of so many ports.
    pub fn connect<const N: usize>(folder: &Path, queues: u16) -> [Self; N] {
        let &(eal, pool) = BUFFERS.get_or_init(buffers);
        let shape = PortConfig {
            rx_queues: queues,
            tx_queues: queues,
            ..PortConfig::default()
        };
        let cables = std::array::from_fn(|number| {
            let number = number as u16;
            let name = NAMES.fetch_add(1, Ordering::Relaxed);
            let name = format!("net_memif{name},role=client,");
            let mut port = Port::probe(eal, &(name + &socket(number, folder))).unwrap();
            port.configure(&shape, pool).unwrap();
            let (rx, tx) = port.start().unwrap();
            Self {
                pool,
                port,
                rx,
                tx,
                sent: 0,
                received: 0,
            }
        });
        for cable in &cables {
            wait_until("a memif port to connect", CONNECTED, || {
                Ok(cable.port.link().unwrap().up.then_some(()))
            })
            .unwrap();
        }
        cables
    }

    /// Takes what has come; true if there was anything.
    pub fn drain(&mut self) -> bool {
        let before = self.received;
        let mut burst = Burst::new();
        for rx in &mut self.rx {
            while rx.rx_burst(&mut burst) > 0 {
                self.received += burst.len() as u64;
                Mbuf::free_burst(&mut burst);
            }
        }
        self.received > before
    }
}

/// Sends frames by one cable, and takes meanwhile what comes by all.
pub fn send<const N: usize>(cables: &mut [Cable; N], by: usize, frames: &[Vec<u8>]) {
    for (turn, chunk) in frames.chunks(BURST).enumerate() {
        let pool = cables[by].pool;
        let mut burst: ArrayVec<Mbuf, BURST> = chunk
            .iter()
            .map(|frame| pool.packet(frame).expect("the test's own buffers"))
            .collect();
        let started = Instant::now();
        while !burst.is_empty() {
            let cable = &mut cables[by];
            // One queue and the other in turns, as a NIC spreads flows.
            let queue = (cable.sent as usize + turn) % cable.tx.len();
            cable.sent += cable.tx[queue].tx_burst(&mut burst) as u64;
            for cable in cables.iter_mut() {
                cable.drain();
            }
            if !burst.is_empty() {
                assert!(started.elapsed() < STUCK, "planed takes no more frames");
                pause(Duration::from_micros(100));
            }
        }
    }
}
