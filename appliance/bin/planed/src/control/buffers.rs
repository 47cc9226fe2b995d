//! The packet pools, and the packets that the workers made and joined, for operators.

use dpdk_rs::Mempool;
use ravelin_ctl::buffers::{Buffers, PoolLevel};
use ravelin_dataplane::counters::{Counter, WorkerCounters};

use super::Control;

impl Control {
    pub(super) fn buffers(&self) -> Buffers {
        let sum = |of: fn(&WorkerCounters) -> &Counter| {
            let workers = self.parts.controller.workers();
            workers.map(|counters| of(counters).get()).sum()
        };
        let level = |name: &str, pool: Mempool| PoolLevel {
            name: name.to_owned(),
            buffers: pool.size(),
            free: pool.available(),
        };
        let environment = &self.parts.environment;
        Buffers {
            pools: vec![
                level("frames", environment.pool),
                level("jumbo", environment.jumbo),
            ],
            made: sum(|counters| &counters.made),
            joined: sum(|counters| &counters.joined),
        }
    }
}
