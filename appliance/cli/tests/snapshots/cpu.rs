//! What workers may have done.

use ravelin_ctl::cpu::{Spent, StageCost, WorkerCpu};
use ravelin_ctl::operator::{DaemonReply, Reply};

pub fn cpu() -> Reply {
    let spent = |work_us, polling_us, asleep_us| Spent {
        work_us,
        polling_us,
        asleep_us,
    };
    let stage = |stage: &str, packets, cycles| StageCost {
        stage: stage.to_owned(),
        packets,
        cycles,
    };
    let stages = vec![
        stage("handoff", 0, 12_345),
        stage("receive", 1_000_000, 98_765_432),
        stage("ethernet", 1_000_000, 150_250_000),
        stage("esp-input", 999_999_999_999, 9_999_999_999_999_999),
    ];
    Reply::Daemon(DaemonReply::Cpu(vec![
        WorkerCpu {
            worker: 0,
            recent: spent(123_456, 500_000, 376_544),
            total: spent(1_000_000, 0, 0),
            packets: 16_000_000_000_000_000,
            helped: 0,
            busy_runs: 500_000_000_000_000,
            stages,
        },
        WorkerCpu {
            worker: 31,
            helped: 999_999_999_999,
            ..WorkerCpu::default()
        },
    ]))
}
