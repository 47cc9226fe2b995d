//! What the workers do with their processors (`show system cpu`).

use serde::{Deserialize, Serialize};

/// A worker of the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkerCpu {
    /// Its number.
    pub worker: u8,
    /// How it spent the last whole second.
    pub recent: Spent,
    /// How it spent its time since its start.
    pub total: Spent,
    /// Packets that it took in since its start.
    pub packets: u64,
    /// Packets of other workers whose cipher it has run.
    pub helped: u64,
    /// Runs with packets since its start; each takes in a burst per port at most.
    pub busy_runs: u64,
    /// Its stages, in their order, over the runs that were measured.
    pub stages: Vec<StageCost>,
}

/// How time was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Microseconds of runs with packets.
    pub work_us: u64,
    /// Microseconds of runs that found none.
    pub polling_us: u64,
    /// Microseconds asleep.
    pub asleep_us: u64,
}

/// What a stage costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCost {
    /// Its name.
    pub stage: String,
    /// Packets that came by it.
    pub packets: u64,
    /// Cycles that it took, with all that it calls.
    pub cycles: u64,
}
