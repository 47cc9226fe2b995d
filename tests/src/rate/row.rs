//! The rows of a run, their table and their JSON.

use std::fmt::Write;

use ravelin_ctl::cpu::StageCost;
use serde_json::{Value, json};

/// The peer's modes, in the order of [`Round::peer`].
pub const PEER_MODES: [&str; 2] = ["secgw-lookaside", "secgw-cpu-crypto"];

/// What one round of a case took, in nanoseconds per packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// The bare cipher.
    pub limit: f64,
    /// The bare loop with bursts as large as ours.
    pub floor: f64,
    /// The bare loop with bursts as large as the peer's.
    pub peer_floor: f64,
    /// planed.
    pub ours: f64,
    /// The peer's modes, where it was measured.
    pub peer: Option<[f64; 2]>,
}

/// One case with its rounds.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Cipher of all SAs.
    pub algorithm: &'static str,
    /// Family of inner and outer packets.
    pub family: &'static str,
    /// Number of SAs.
    pub sas: u32,
    /// Frame size or mix.
    pub mix: &'static str,
    /// `out` or `in`.
    pub direction: &'static str,
    /// Mean octets of an inner packet.
    pub inner_octets: f64,
    /// Packets per pass.
    pub packets: u64,
    /// Packets that did not come out of ours in all passes.
    pub lost: u64,
    /// What the stages of ours spent.
    pub stages: Vec<StageCost>,
    /// What was measured.
    pub rounds: Vec<Round>,
}

impl Row {
    /// The median over the rounds.
    pub fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(of).collect::<Vec<_>>())
    }

    /// The peer's better mode and what it takes, in nanoseconds.
    pub fn peer(&self) -> Option<(&'static str, f64)> {
        let modes = PEER_MODES.into_iter().enumerate();
        let of = |at: usize| {
            let rounds: Vec<f64> = self
                .rounds
                .iter()
                .filter_map(|r| Some(r.peer?[at]))
                .collect();
            (!rounds.is_empty()).then(|| median(&rounds))
        };
        modes
            .filter_map(|(at, mode)| Some((mode, of(at)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// What the bare cipher takes, in nanoseconds.
    pub fn limit(&self) -> f64 {
        self.median(|round| round.limit)
    }

    /// What ours takes without the ports, in nanoseconds.
    pub fn net(&self) -> f64 {
        self.median(|round| round.ours - round.floor)
    }

    /// The peer's better mode without the ports.
    pub fn peer_net(&self) -> Option<f64> {
        Some(self.peer()?.1 - self.median(|round| round.peer_floor))
    }

    /// How many times faster than the peer.
    pub fn to_peer(&self) -> Option<f64> {
        Some(self.peer_net()? / self.net())
    }

    /// How many times the limit's time it takes.
    pub fn to_limit(&self) -> f64 {
        self.net() / self.limit()
    }

    /// Gbps of inner IP packets at so many nanoseconds per packet.
    pub fn gbps(&self, ns: f64) -> f64 {
        self.inner_octets * 8.0 / ns
    }

    fn json(&self, ghz: f64) -> Value {
        let peer = self.peer();
        let limit = self.limit();
        let ours = self.median(|round| round.ours);
        json!({
            "algorithm": self.algorithm,
            "family": self.family,
            "sas": self.sas,
            "frame": self.mix,
            "direction": self.direction,
            "inner_octets": self.inner_octets,
            "packets_per_pass": self.packets,
            "lost": self.lost,
            "cycles": {
                "limit": limit * ghz,
                "floor": self.median(|round| round.floor) * ghz,
                "peer_floor": self.median(|round| round.peer_floor) * ghz,
                "peer": peer.map(|(_, ns)| ns * ghz),
                "ours": ours * ghz,
                "peer_net": self.peer_net().map(|ns| ns * ghz),
                "ours_net": self.net() * ghz,
            },
            "gbps": {
                "limit": self.gbps(limit),
                "peer": peer.map(|(_, ns)| self.gbps(ns)),
                "ours": self.gbps(ours),
                "ours_net": self.gbps(self.net()),
            },
            "peer_mode": peer.map(|(mode, _)| mode),
            "ratio_to_peer": self.to_peer(),
            "ratio_to_limit": self.to_limit(),
            "stages": super::stages::json(&self.stages),
            "rounds_ns": self.rounds.iter().map(|round| json!({
                "limit": round.limit,
                "floor": round.floor,
                "peer_floor": round.peer_floor,
                "ours": round.ours,
                "peer": round.peer.map(|ns| PEER_MODES.iter().zip(ns)
                    .map(|(mode, ns)| ((*mode).to_owned(), json!(ns)))
                    .collect::<serde_json::Map<_, _>>()),
            })).collect::<Vec<_>>(),
        })
    }
}

/// The middle value; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// What a person reads: cycles of the time stamp counter.
pub fn table(rows: &[Row], ghz: f64) -> String {
    let mut text = String::from(
        "cycles per packet (TSC) of the worker's CPU time; net: without the ports; Gbps of inner IP with them\n\n\
         cipher       family    SAs frame     | limit ports |  peer   net  Gbps |  ours   net  Gbps | net/limit  x peer\n",
    );
    for row in rows {
        let peer = match (row.peer(), row.peer_net()) {
            (Some((_, ns)), Some(net)) => {
                format!("{:5.0} {:5.0} {:5.1}", ns * ghz, net * ghz, row.gbps(ns))
            }
            _ => format!("{:>17}", "-"),
        };
        let ratio = row
            .to_peer()
            .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let ours = row.median(|round| round.ours);
        let _ = writeln!(
            text,
            "{:<12} {:<6} {:>6} {:>5} {:<3} | {:5.0} {:5.0} | {peer} | {:5.0} {:5.0} {:5.1} | {:9.2} {ratio:>7}",
            row.algorithm,
            row.family,
            row.sas,
            row.mix,
            row.direction,
            row.limit() * ghz,
            row.median(|round| round.floor) * ghz,
            ours * ghz,
            row.net() * ghz,
            row.gbps(ours),
            row.to_limit(),
        );
    }
    text
}

/// The JSON of all rows.
pub fn rows_json(rows: &[Row], ghz: f64) -> Vec<Value> {
    rows.iter().map(|row| row.json(ghz)).collect()
}
