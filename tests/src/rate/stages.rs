//! What each stage of planed costs, by planed's own counters (`show system cpu`): the time stamp counter over every so manieth run of a
//! worker. A run in which the thread lost the CPU is in them, so these are for comparing stages with each other, not with the rows.

use std::fmt::Write;

use ravelin_ctl::cpu::StageCost;
use serde_json::{Value, json};

use super::row::Row;
use super::verdict::is_of_targets;

/// What the stages spent between two readings, in the order of the later one.
pub fn between(before: &[StageCost], after: &[StageCost]) -> Vec<StageCost> {
    let earlier = |name: &str| before.iter().find(|stage| stage.stage == name);
    let difference = |stage: &StageCost| {
        let (packets, cycles) = earlier(&stage.stage).map_or((0, 0), |s| (s.packets, s.cycles));
        StageCost {
            stage: stage.stage.clone(),
            packets: stage.packets.saturating_sub(packets),
            cycles: stage.cycles.saturating_sub(cycles),
        }
    };
    after.iter().map(difference).collect()
}

/// Cycles of each stage per packet that the worker took in: what most packets of any stage were. Stages without any are left out.
fn per_packet(stages: &[StageCost]) -> Vec<(&str, f64)> {
    let packets = stages
        .iter()
        .map(|stage| stage.packets)
        .max()
        .unwrap_or(0)
        .max(1);
    let seen = stages.iter().filter(|stage| stage.packets > 0);
    seen.map(|stage| (stage.stage.as_str(), stage.cycles as f64 / packets as f64))
        .collect()
}

/// The rows that the targets are about, for a person.
pub fn stages_table(rows: &[Row]) -> String {
    let mut text = String::from("cycles per packet by stage of ours\n");
    for row in rows.iter().filter(|row| is_of_targets(row)) {
        let _ = write!(text, "  {:>6} SAs {:<3}:", row.sas, row.direction);
        for (stage, cycles) in per_packet(&row.stages) {
            let _ = write!(text, " {stage} {cycles:.0}");
        }
        text.push('\n');
    }
    text
}

/// For the JSON of a row.
pub(super) fn json(stages: &[StageCost]) -> Value {
    let pairs = per_packet(stages).into_iter();
    pairs
        .map(|(stage, cycles)| (stage.to_owned(), json!(cycles)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
