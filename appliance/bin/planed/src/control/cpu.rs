//! What the workers do with their processors: since their start, and over the last second.

use std::time::Duration;

use ravelin_ctl::cpu::{Spent, StageCost, WorkerCpu};
use ravelin_dataplane::counters::WorkerCounters;
use ravelin_dataplane::laps::Stage;
use ravelin_types::Time;

use super::Control;

/// What "recent" means: long enough for a figure that stands still under steady traffic.
const SPAN: Duration = Duration::from_secs(1);

/// The workers' times a while ago.
#[derive(Default)]
pub struct CpuHistory {
    taken: Time,
    last: Vec<Spent>,
    /// Between the last two takes.
    recent: Vec<Spent>,
}

impl Control {
    /// Takes the workers' times once per span.
    pub(super) fn follow_cpu(&mut self, now: Time) {
        if now.since(self.cpu.taken) < SPAN {
            return;
        }
        let present: Vec<Spent> = self.parts.controller.workers().map(spent).collect();
        let last = std::mem::replace(&mut self.cpu.last, present);
        let between = |(now, before): (&Spent, &Spent)| Spent {
            work_us: now.work_us.wrapping_sub(before.work_us),
            polling_us: now.polling_us.wrapping_sub(before.polling_us),
            asleep_us: now.asleep_us.wrapping_sub(before.asleep_us),
        };
        self.cpu.recent = self.cpu.last.iter().zip(&last).map(between).collect();
        self.cpu.taken = now;
    }

    pub(super) fn worker_cpus(&self) -> Vec<WorkerCpu> {
        let of = |(worker, counters): (u8, &WorkerCounters)| WorkerCpu {
            worker,
            recent: (self.cpu.recent.get(usize::from(worker)).copied()).unwrap_or_default(),
            total: spent(counters),
            packets: counters.packets.get(),
            helped: counters.helped.get(),
            busy_runs: counters.busy_runs.get(),
            stages: Stage::ALL.iter().map(|s| cost(counters, *s)).collect(),
        };
        (0..).zip(self.parts.controller.workers()).map(of).collect()
    }
}

fn spent(counters: &WorkerCounters) -> Spent {
    Spent {
        work_us: counters.work_us.get(),
        polling_us: counters.polling_us.get(),
        asleep_us: counters.asleep_us.get(),
    }
}

fn cost(counters: &WorkerCounters, stage: Stage) -> StageCost {
    let seen = counters.stage(stage);
    StageCost {
        stage: stage.name().to_owned(),
        packets: seen.packets.get(),
        cycles: seen.cycles.get(),
    }
}
