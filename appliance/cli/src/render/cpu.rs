//! `show system cpu`.

use ravelin_ctl::cpu::{Spent, WorkerCpu};
use std::fmt::Write;

/// How the workers spend their time, and what their stages cost.
pub(super) fn text(workers: &[WorkerCpu]) -> String {
    let mut out = format!(
        "{:<8}{:<13}{:>8}{:>10}{:>9}{:>18}{:>13}\n",
        "Worker", "Time", "Work", "Polling", "Asleep", "Packets", "Packets/run"
    );
    for worker in workers {
        let per_run = tenths(worker.packets, worker.busy_runs, 1);
        let _ = writeln!(
            out,
            "{:<8}{:<13}{}",
            worker.worker,
            "last second",
            shares(&worker.recent)
        );
        let _ = writeln!(
            out,
            "{:<8}{:<13}{}{:>18}{:>13}",
            "",
            "since start",
            shares(&worker.total),
            worker.packets,
            per_run
        );
    }
    for worker in workers.iter().filter(|worker| worker.helped > 0) {
        let _ = writeln!(
            out,
            "Worker {} has run the cipher of {} packets of others",
            worker.worker, worker.helped
        );
    }
    for worker in workers {
        out.push_str(&stages(worker));
    }
    out
}

fn shares(spent: &Spent) -> String {
    let all = spent.work_us + spent.polling_us + spent.asleep_us;
    let share = |part| format!("{}%", tenths(part, all, 100));
    format!(
        "{:>8}{:>10}{:>9}",
        share(spent.work_us),
        share(spent.polling_us),
        share(spent.asleep_us)
    )
}

/// `part` times `scale` by `whole` with one decimal; nothing of nothing is `-`.
fn tenths(part: u64, whole: u64, scale: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let value = u128::from(part) * u128::from(scale) * 10 / u128::from(whole);
    format!("{}.{}", value / 10, value % 10)
}

fn stages(worker: &WorkerCpu) -> String {
    let all: u64 = worker.stages.iter().map(|stage| stage.cycles).sum();
    if all == 0 {
        return String::new();
    }
    let mut out = format!(
        "\nWorker {}, measured runs\n  {:<14}{:>14}{:>18}{:>15}{:>9}\n",
        worker.worker, "Stage", "Packets", "Cycles", "Cycles/packet", "Share"
    );
    for stage in &worker.stages {
        let _ = writeln!(
            out,
            "  {:<14}{:>14}{:>18}{:>15}{:>9}",
            stage.stage,
            stage.packets,
            stage.cycles,
            tenths(stage.cycles, stage.packets, 1),
            format!("{}%", tenths(stage.cycles, all, 100))
        );
    }
    out
}
