//! Counters with one writer each: the worker that owns them adds by plain load and store, anybody may read.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::drop::{DropReason, REASONS};
use crate::laps::{STAGES, Stage};
use crate::tables::{IfIndex, MAX_INTERFACES};

/// A counter that one thread adds to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`. Only the owning thread may call this.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(count),
            Ordering::Relaxed,
        );
    }

    /// Reads the present value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Traffic of one interface as one worker saw it; fills a cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct InterfaceCounters {
    /// Packets received.
    pub in_packets: Counter,
    /// Octets received, from the IP header on.
    pub in_octets: Counter,
    /// Packets sent.
    pub out_packets: Counter,
    /// Octets sent, from the IP header on.
    pub out_octets: Counter,
    /// Packets discarded on arrival at or departure from this interface.
    pub errors: Counter,
}

/// Packets of one interface that came or left in a row, counted at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    index: IfIndex,
    packets: u64,
    octets: u64,
}

impl Tally {
    /// A first packet.
    #[inline]
    pub fn new(index: IfIndex, octets: usize) -> Self {
        Self {
            index,
            packets: 1,
            octets: octets as u64,
        }
    }

    /// Adds a packet; false, and nothing is added, when it belongs to another interface.
    #[inline]
    pub fn add(&mut self, index: IfIndex, octets: usize) -> bool {
        let same = index == self.index;
        self.packets += u64::from(same);
        self.octets += if same { octets as u64 } else { 0 };
        same
    }
}

/// All counters of one worker.
#[derive(Debug)]
#[repr(align(64))]
pub struct WorkerCounters {
    drops: [Counter; REASONS],
    interfaces: Box<[InterfaceCounters]>,
    /// Runs of the loop that found work.
    pub busy_runs: Counter,
    /// Runs of the loop that found none.
    pub idle_runs: Counter,
    /// Counts up while the worker lives: the heartbeat.
    pub heartbeat: Counter,
    /// Packets that came in.
    pub packets: Counter,
    /// Packets of other workers whose cipher it ran.
    pub helped: Counter,
    /// Packets that the worker made: fragments beyond the packet that was cut, and ICMP errors.
    pub made: Counter,
    /// Fragments that went into a whole packet, beyond one for each of these.
    pub joined: Counter,
    /// Microseconds of runs with packets.
    pub work_us: Counter,
    /// Microseconds of runs that found none.
    pub polling_us: Counter,
    /// Microseconds asleep.
    pub asleep_us: Counter,
    stages: [StageCounters; STAGES],
}

/// What the measured runs spent in one stage.
#[derive(Debug, Default)]
pub struct StageCounters {
    /// Cycles.
    pub cycles: Counter,
    /// Packets that came by it.
    pub packets: Counter,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        Self {
            drops: std::array::from_fn(|_| Counter::default()),
            interfaces: (0..MAX_INTERFACES)
                .map(|_| InterfaceCounters::default())
                .collect(),
            busy_runs: Counter::default(),
            idle_runs: Counter::default(),
            heartbeat: Counter::default(),
            packets: Counter::default(),
            helped: Counter::default(),
            made: Counter::default(),
            joined: Counter::default(),
            work_us: Counter::default(),
            polling_us: Counter::default(),
            asleep_us: Counter::default(),
            stages: std::array::from_fn(|_| StageCounters::default()),
        }
    }
}

impl WorkerCounters {
    /// Counts one discarded packet.
    #[inline]
    pub fn drop(&self, reason: DropReason) {
        self.drops[reason as usize].add(1);
    }

    /// Counts packets that came in.
    #[inline]
    pub fn received(&self, tally: Tally) {
        let counters = self.interface(tally.index);
        counters.in_packets.add(tally.packets);
        counters.in_octets.add(tally.octets);
    }

    /// Counts packets that left.
    #[inline]
    pub fn sent(&self, tally: Tally) {
        let counters = self.interface(tally.index);
        counters.out_packets.add(tally.packets);
        counters.out_octets.add(tally.octets);
    }

    /// Discards of one reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize].get()
    }

    /// What the measured runs spent in a stage.
    pub fn stage(&self, stage: Stage) -> &StageCounters {
        &self.stages[stage as usize]
    }

    /// Counters of one interface. Indices beyond the table share the unused entry 0.
    #[inline]
    pub fn interface(&self, index: IfIndex) -> &InterfaceCounters {
        let index = usize::from(index.0);
        &self.interfaces[if index < self.interfaces.len() {
            index
        } else {
            0
        }]
    }
}

/// Traffic of one SA pair, written by its owner worker. What a packet of one direction adds to lies in one cache line.
#[derive(Debug, Default)]
#[repr(C, align(16))]
pub struct PairTraffic {
    /// Packets encrypted.
    pub out_packets: Counter,
    /// Inner octets encrypted, with what pads them against traffic analysis.
    pub out_octets: Counter,
    /// Packets decrypted and accepted.
    pub in_packets: Counter,
    /// Inner octets decrypted.
    pub in_octets: Counter,
    /// Refused by the replay window.
    pub replay_drops: Counter,
    /// Wrong ICV.
    pub auth_drops: Counter,
    /// Outside the selectors.
    pub selector_drops: Counter,
}
