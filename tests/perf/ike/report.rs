//! Medians, targets, text and JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::generator::Round;
use crate::method::Method;
use crate::scale::{DPD_S, Scale, TUNNELS};

/// Of each method: times strongSwan's tunnels per second of CPU time, and tunnels per second of CPU time.
const WANTED: [(Method, Option<f64>, Option<f64>); 3] = [
    (Method::Psk, Some(3.0), Some(3000.0)),
    (Method::Ecdsa, None, Some(2000.0)),
    (Method::Rsa, Some(1.5), None),
];
const SECONDS_TO_ALL: f64 = 45.0;
const OCTETS_PER_TUNNEL: f64 = 8192.0;
/// CPU time over wall time at each of [`DPD_S`].
const IDLE: [f64; 2] = [0.05, 0.20];
const RESTART_S: f64 = 3.0;

/// One side of a comparison: medians of its rounds.
#[derive(Clone, Copy)]
struct Side {
    per_cpu_s: f64,
    /// The best round: other work on the machine makes caches cold, and nothing makes them warmer.
    best_per_cpu_s: f64,
    per_wall_s: f64,
    latency_ms: [f64; 4],
    octets: f64,
}

struct Row {
    method: Method,
    /// Of the suite.
    suite: String,
    ours: Side,
    peer: Side,
    /// Of the medians of tunnels per second of CPU time.
    ratio: f64,
}

/// All that was measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    scale: Option<Scale>,
}

impl Report {
    /// Adds a comparison: our rounds and the peer's.
    pub fn compared(&mut self, method: Method, suite: &str, rounds: &[Vec<Round>; 2]) {
        let [ours, peer] = [0, 1].map(|side| Side::of(&rounds[side]));
        self.rows.push(Row {
            method,
            suite: suite.to_owned(),
            ours,
            peer,
            ratio: ours.per_cpu_s / peer.per_cpu_s,
        });
    }

    /// Adds 65,536 tunnels.
    pub fn scaled(&mut self, scale: Scale) {
        self.scale = Some(scale);
    }

    /// The row of a method with the best ratio: the targets leave the group to us.
    fn best(&self, method: Method) -> Option<&Row> {
        let rows = self.rows.iter().filter(|row| row.method == method);
        rows.max_by(|a, b| a.ratio.total_cmp(&b.ratio))
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if !self.rows.is_empty() {
            let _ = writeln!(
                text,
                "{:<12} {:<10} {:>11} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>6}",
                "",
                "",
                "/CPU second",
                "/second",
                "p50 ms",
                "p90 ms",
                "p99 ms",
                "max ms",
                "oct/tunnel",
                "ratio"
            );
        }
        for row in &self.rows {
            for (name, side, ratio) in [
                ("ravelin", &row.ours, Some(row.ratio)),
                ("strongSwan", &row.peer, None),
            ] {
                let [p50, p90, p99, max] = side.latency_ms;
                let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
                let _ = writeln!(
                    text,
                    "{:<12} {name:<10} {:>11.0} {:>8.0} {p50:>8.2} {p90:>8.2} {p99:>8.2} {max:>8.2} {:>9.0} {ratio:>6}",
                    row.name(),
                    side.per_cpu_s,
                    side.per_wall_s,
                    side.octets
                );
            }
        }
        if let Some(scale) = &self.scale {
            let _ = writeln!(
                text,
                "{TUNNELS} tunnels: up in {:.1} s ({:.1} s of CPU time), {:.0} octets each in memory and {:.0} in the vault, idle with probes \
                 every {} s {:.1} % and every {} s {:.1} % of the CPU, restart in {:.2} s ({:.2} s of CPU time, {:.0} octets each)",
                scale.wall_s,
                scale.cpu_s,
                scale.octets / f64::from(TUNNELS),
                scale.vault_octets / f64::from(TUNNELS),
                DPD_S[0],
                scale.idle[0] * 100.0,
                DPD_S[1],
                scale.idle[1] * 100.0,
                scale.restart_s,
                scale.restart_cpu_s,
                scale.restarted_octets / f64::from(TUNNELS),
            );
        }
        for (name, met) in self.targets() {
            let _ = writeln!(text, "{} {name}", if met { "met    " } else { "not met" });
        }
        text
    }

    fn targets(&self) -> Vec<(String, bool)> {
        let mut targets = vec![];
        for (method, ratio, rate) in WANTED {
            let Some(row) = self.best(method) else {
                continue;
            };
            if let Some(wanted) = ratio {
                let text = format!(
                    "{method}: {:.2} times strongSwan, {wanted} wanted",
                    row.ratio
                );
                targets.push((text, row.ratio >= wanted));
            }
            if let Some(wanted) = rate {
                let is = row.ours.best_per_cpu_s;
                let text = format!(
                    "{method}: {is:.0} tunnels per CPU second (best round), {wanted} wanted"
                );
                targets.push((text, is >= wanted));
            }
        }
        if let Some(scale) = &self.scale {
            let each = scale.octets / f64::from(TUNNELS);
            let mut most = |what: &str, is: f64, wanted: f64| {
                targets.push((
                    format!("{what}: {is:.3}, at most {wanted} wanted"),
                    is <= wanted,
                ));
            };
            most("seconds to 65,536 tunnels", scale.wall_s, SECONDS_TO_ALL);
            most("octets per tunnel", each, OCTETS_PER_TUNNEL);
            most("idle, probes every 30 s", scale.idle[0], IDLE[0]);
            most("idle, probes every 10 s", scale.idle[1], IDLE[1]);
            most("seconds of a restart", scale.restart_s, RESTART_S);
        }
        targets
    }

    pub fn json(&self) -> Value {
        let mut value = json!({
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "targets": self.targets().into_iter().map(|(what, met)| json!({ "what": what, "met": met })).collect::<Vec<_>>(),
        });
        let mut rates = Map::new();
        for (method, ..) in WANTED {
            if let Some(row) = self.best(method) {
                value[format!("ratio_{method}_vs_strongswan")] = row.ratio.into();
                rates.insert(method.to_string(), row.ours.best_per_cpu_s.into());
            }
        }
        value["tunnels_per_core_second"] = rates.into();
        if let Some(scale) = &self.scale {
            let each = |octets: f64| octets / f64::from(TUNNELS);
            value["seconds_to_65536"] = scale.wall_s.into();
            value["cpu_seconds_to_65536"] = scale.cpu_s.into();
            value["bytes_per_tunnel"] = each(scale.octets).into();
            value["vault_bytes_per_tunnel"] = each(scale.vault_octets).into();
            value["idle_share_dpd_30_s"] = scale.idle[0].into();
            value["idle_share_dpd_10_s"] = scale.idle[1].into();
            value["restart_seconds_65536"] = scale.restart_s.into();
            value["restart_cpu_seconds_65536"] = scale.restart_cpu_s.into();
        }
        value
    }
}

impl Side {
    fn of(rounds: &[Round]) -> Self {
        let over = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let per_cpu_s = |round: &Round| round.tunnels / round.cpu_s.max(1e-9);
        Self {
            per_cpu_s: over(&per_cpu_s),
            best_per_cpu_s: rounds.iter().map(per_cpu_s).fold(0.0, f64::max),
            per_wall_s: over(&|round| round.tunnels / round.wall_s.max(1e-9)),
            latency_ms: [0, 1, 2, 3].map(|at: usize| over(&|round| round.latency_ms[at])),
            // Later rounds use what the first one left free.
            octets: rounds
                .first()
                .map_or(0.0, |first| first.octets / first.tunnels),
        }
    }

    fn json(&self) -> Value {
        let [p50, p90, p99, max] = self.latency_ms;
        json!({
            "tunnels_per_cpu_second": self.per_cpu_s,
            "best_tunnels_per_cpu_second": self.best_per_cpu_s,
            "tunnels_per_second": self.per_wall_s,
            "latency_ms": { "p50": p50, "p90": p90, "p99": p99, "max": max },
            "bytes_per_tunnel": self.octets,
        })
    }
}

impl Row {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.suite)
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name(),
            "ravelin": self.ours.json(),
            "strongswan": self.peer.json(),
            "ratio": self.ratio,
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
