//! Where a worker's cycles go: the time between the beginnings of two stages belongs to the first of them, and all that it calls.
//!
//! Every [`EVERY`]th run with packets is measured, as a whole: a dozen readings of the counter per 16 bursts cost a packet a fraction
//! of a cycle, and all other runs one predictable branch per stage.

use crate::counters::{StageCounters, WorkerCounters};
use dpdk_rs::cycles;

/// Of so many runs with packets one is measured.
pub const EVERY: u32 = 16;

/// Declares the stages with their operator-visible names.
macro_rules! stages {
    ($($variant:ident $name:literal $meaning:literal,)+) => {
        /// A part of a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Stage { $(#[doc = $meaning] $variant),+ }

        impl Stage {
            /// Every stage, in the order of a run.
            pub const ALL: &'static [Stage] = &[$(Stage::$variant),+];

            /// The row's name.
            pub const fn name(self) -> &'static str {
                match self { $(Stage::$variant => $name),+ }
            }
        }
    };
}

stages! {
    Handoff "handoff" "Packets of other workers and of the host.",
    Receive "receive" "Taking frames from ports.",
    Ethernet "ethernet" "Frames to routed packets: headers, destination, policy and route of what is in transit.",
    Local "local" "Packets for us: ESP, IKE and the host's.",
    EspInput "esp-input" "SA and replay check; for a cipher that works on the spot, all up to forwarding.",
    Decrypt "decrypt" "Decryption that waited for its cipher, inner selectors, inner route and forwarding.",
    Forward "forward" "Packets of the host and of our own.",
    EspOutput "esp-output" "Outer headers and numbers; for a cipher that works on the spot, all up to the port.",
    Encrypt "encrypt" "Encryption that waited for its cipher.",
    Transmit "transmit" "Giving frames to ports.",
    Help "help" "The cipher of packets of other workers.",
}

/// How many stages there are.
pub const STAGES: usize = Stage::ALL.len();

/// The stop watch of one worker.
#[derive(Debug)]
pub(crate) struct Laps {
    on: bool,
    /// Runs with packets until the next one is measured.
    left: u32,
    at: Stage,
    since: u64,
    spent: [(u64, u64); STAGES],
}

impl Default for Laps {
    fn default() -> Self {
        Self {
            on: false,
            left: 0,
            at: Stage::Handoff,
            since: 0,
            spent: [(0, 0); STAGES],
        }
    }
}

impl Laps {
    /// A run begins with [`Stage::Handoff`].
    #[inline]
    pub fn begin(&mut self) {
        self.on = self.left == 0;
        if self.on {
            self.spent = [(0, 0); STAGES];
            self.at = Stage::Handoff;
            self.since = cycles::now();
        }
    }

    /// A stage begins, with so many packets waiting for it.
    #[inline]
    pub fn enter(&mut self, stage: Stage, packets: usize) {
        if self.on {
            self.turn(stage, packets);
        }
    }

    #[cold]
    fn turn(&mut self, stage: Stage, packets: usize) {
        let now = cycles::now();
        self.spent[self.at as usize].0 += now.wrapping_sub(self.since);
        self.spent[stage as usize].1 += packets as u64;
        self.at = stage;
        self.since = now;
    }

    /// So many packets came by a stage that began before they were known.
    #[inline]
    pub fn count(&mut self, stage: Stage, packets: usize) {
        if self.on {
            self.spent[stage as usize].1 += packets as u64;
        }
    }

    /// A run ends that took in so many packets; one without any tells nothing.
    #[inline]
    pub fn end(&mut self, packets: usize, counters: &WorkerCounters) {
        if packets == 0 {
            return;
        }
        if !self.on {
            self.left -= 1;
            return;
        }
        self.turn(Stage::Handoff, 0);
        self.left = EVERY - 1;
        for (stage, (cycles, packets)) in Stage::ALL.iter().zip(self.spent) {
            let StageCounters {
                cycles: all,
                packets: seen,
            } = counters.stage(*stage);
            all.add(cycles);
            seen.add(packets);
        }
    }
}

#[cfg(test)]
mod tests;
