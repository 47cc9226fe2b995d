//! The table and its JSON.

use std::fmt::Write;

use ravelin_esp::Direction;
use serde_json::{Value, json};

use crate::mix::Mix;

/// One case and its rounds: nanoseconds per packet of the primitive, the pipeline and the stages.
pub struct Row {
    mix: &'static str,
    mean_octets: f64,
    sas: u32,
    direction: &'static str,
    rounds: Vec<[f64; 3]>,
}

impl Row {
    pub fn new(mix: &Mix, sas: u32, direction: Direction) -> Self {
        Self {
            mix: mix.name,
            mean_octets: mix.inner_octets.iter().sum::<usize>() as f64
                / mix.inner_octets.len() as f64,
            sas,
            direction: match direction {
                Direction::Encrypt => "out",
                Direction::Decrypt => "in",
            },
            rounds: vec![],
        }
    }

    pub fn add(&mut self, round: [f64; 3]) {
        self.rounds.push(round);
    }

    fn median_ns(&self, which: usize) -> f64 {
        median(
            &mut self
                .rounds
                .iter()
                .map(|round| round[which])
                .collect::<Vec<_>>(),
        )
    }

    fn gbps(&self, ns: f64) -> f64 {
        self.mean_octets * 8.0 / ns
    }

    /// The pipeline's speed as a part of the primitive's: the median of what each round saw.
    fn ratio(&self) -> f64 {
        median(&mut self.rounds.iter().map(|r| r[0] / r[1]).collect::<Vec<_>>())
    }
}

/// The middle value; 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// What a person reads.
pub fn table(code: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "AES-256-GCM by intel-ipsec-mb ({code}), one thread, no I/O; ns per packet, Gbps of inner IP\n\n\
         {:>5} {:>5} {:>3} | {:>9} {:>6} | {:>9} {:>6} | {:>9} | {:>9}\n",
        "frame", "SAs", "", "primitive", "Gbps", "pipeline", "Gbps", "null", "pipeline/"
    );
    let _ = writeln!(
        text,
        "{:>5} {:>5} {:>3} | {:>9} {:>6} | {:>9} {:>6} | {:>9} | {:>9}",
        "", "", "", "ns", "", "ns", "", "cipher ns", "primitive"
    );
    for row in rows {
        let [primitive, pipeline, stages] = [0, 1, 2].map(|which| row.median_ns(which));
        let _ = writeln!(
            text,
            "{:>5} {:>5} {:>3} | {:>9.1} {:>6.1} | {:>9.1} {:>6.1} | {:>9.1} | {:>9.2}",
            row.mix,
            row.sas,
            row.direction,
            primitive,
            row.gbps(primitive),
            pipeline,
            row.gbps(pipeline),
            stages,
            row.ratio()
        );
    }
    text
}

/// What a program reads; every round is in it.
pub fn json(code: &str, rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "frame": row.mix,
                "inner_octets": row.mean_octets,
                "sas": row.sas,
                "direction": row.direction,
                "primitive_ns": row.median_ns(0),
                "pipeline_ns": row.median_ns(1),
                "null_cipher_ns": row.median_ns(2),
                "primitive_gbps": row.gbps(row.median_ns(0)),
                "pipeline_gbps": row.gbps(row.median_ns(1)),
                "pipeline_to_primitive": row.ratio(),
                "rounds_ns": row.rounds,
            })
        })
        .collect();
    json!({ "cipher": "AES-256-GCM", "code": code, "rows": rows })
}
