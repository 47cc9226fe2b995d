//! What the run says about the targets: ratios, how the rate holds with more SAs, met or not met.

use std::fmt::Write;

use serde_json::{Value, json};

use super::row::Row;
use super::workers::Workers;

/// What a target is measured on.
const ALGORITHM: &str = "AES-256-GCM";
const FAMILY: &str = "IPv4";
const MIX: &str = "IMIX";
const DIRECTIONS: [&str; 2] = ["out", "in"];

/// The bare cipher's cycles as a part of the peer's on a quiet machine, without the 91 of its ports there: 187 of 530 out, 167 of 534
/// in. A peer far below it was not given a fair chance.
const PEER_TO_LIMIT: [f64; 2] = [187.0 / (530.0 - 91.0), 167.0 / (534.0 - 91.0)];
const PEER_TO_LIMIT_LEAST: f64 = 0.85;

const TO_PEER_LEAST: f64 = 1.5;
const TO_PEER_1000_LEAST: f64 = 1.6;
const TO_LIMIT_MOST: f64 = 1.7;
const SAS_8000_LEAST: f64 = 0.9;
const SAS_65536_LEAST: f64 = 0.75;
/// With fewer than four CPUs a worker shares one with everything else.
const TWO_WORKERS_LEAST: [f64; 2] = [1.6, 1.9];
const TWO_WORKERS_CPUS: usize = 4;
const FAT_TUNNEL_LEAST: f64 = 1.5;
const PAIR_OCTETS_MOST: f64 = 4096.0;
/// The most SA pairs that are measured.
pub const MOST_SAS: u32 = 65_536;
const INSTALL_S_MOST: f64 = 5.0;

/// One target.
struct Target {
    name: &'static str,
    value: Option<f64>,
    wanted: f64,
    /// The value must not be larger; else not smaller.
    most: bool,
    /// The same ratio of the bare cipher, measured in the same run: what caches and CPUs of this machine leave of it.
    cipher: Option<f64>,
}

impl Target {
    fn least(name: &'static str, value: Option<f64>, wanted: f64) -> Self {
        Self {
            name,
            value,
            wanted,
            most: false,
            cipher: None,
        }
    }

    fn met(&self) -> Option<bool> {
        let value = self.value?;
        Some(if self.most {
            value <= self.wanted
        } else {
            value >= self.wanted
        })
    }

    /// Missed, but the bare cipher misses it too, and by no less.
    fn is_out_of_reach(&self) -> bool {
        let holds = |(value, cipher)| value >= cipher;
        self.met() == Some(false) && self.value.zip(self.cipher).is_some_and(holds)
    }

    fn judgement(&self) -> String {
        let judged = match (self.met(), self.cipher) {
            (_, Some(cipher)) if self.is_out_of_reach() => {
                return format!(
                    "out of reach on this machine: the cipher alone reaches {cipher:.2}"
                );
            }
            (None, _) => "not measured",
            (Some(true), _) => "met",
            (Some(false), _) => "NOT MET",
        };
        match self.cipher {
            Some(cipher) => format!("{judged}; the cipher alone: {cipher:.2} here"),
            None => judged.to_owned(),
        }
    }
}

/// A full table on its way from the kernel into planed.
#[derive(Clone, Copy, Debug)]
pub struct RouteLoad {
    /// Routes.
    pub routes: u64,
    /// Seconds that the kernel took for them.
    pub kernel_s: f64,
    /// Seconds from the first one until planed had them all.
    pub planed_s: f64,
    /// What planed's memory grew by.
    pub octets: u64,
}

impl RouteLoad {
    /// For a person.
    pub fn text(&self) -> String {
        format!(
            "{} routes: the kernel took them in {:.1} s, planed had them {:.1} s later, {} MiB, {} octets each\n",
            self.routes,
            self.kernel_s,
            self.planed_s - self.kernel_s,
            self.octets >> 20,
            self.octets / self.routes.max(1),
        )
    }

    /// For the JSON.
    pub fn json(&self) -> Value {
        json!({
            "routes": self.routes,
            "kernel_s": self.kernel_s,
            "planed_s": self.planed_s,
            "octets": self.octets,
        })
    }
}

/// What a run knows beside its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The largest number of SAs that the peer was measured with.
    pub peer_sas: u32,
    /// CPUs of the machine.
    pub cpus: usize,
    /// Two workers beside one.
    pub workers: Option<&'a Workers>,
    /// The same with one SA.
    pub fat_tunnel: Option<&'a Workers>,
    /// The bare cipher on two CPUs beside one.
    pub cipher_workers: Option<&'a Workers>,
    /// Memory of planed for an SA pair without traffic.
    pub octets_per_pair: Option<f64>,
    /// Seconds in which planed has installed [`MOST_SAS`] SA pairs at iked's request.
    pub install_s: Option<f64>,
}

/// The verdict on the rows of a run.
pub struct Verdict {
    targets: Vec<Target>,
    /// Number of SAs that the targets at 1,000 were measured with.
    pub many: u32,
    /// Why the run does not count.
    pub invalid: Option<String>,
}

/// Whether the targets are about this row.
pub(super) fn is_of_targets(row: &Row) -> bool {
    (row.algorithm, row.family, row.mix) == (ALGORITHM, FAMILY, MIX)
}

fn find<'a>(rows: &'a [Row], sas: u32, direction: &str) -> Option<&'a Row> {
    let mut rows = rows.iter().filter(|row| is_of_targets(row));
    rows.find(|row| (row.sas, row.direction) == (sas, direction))
}

/// The rate at so many SAs as a part of that at one, of the worse direction, by what a packet of a row takes.
fn holds(rows: &[Row], sas: u32, takes_ns: impl Fn(&Row) -> f64) -> Option<f64> {
    let of = |sas, direction| Some(takes_ns(find(rows, sas, direction)?));
    let part = |direction| Some(of(1, direction)? / of(sas, direction)?);
    Some(part("out")?.min(part("in")?))
}

fn invalid(rows: &[Row]) -> Option<String> {
    for (direction, usual) in DIRECTIONS.into_iter().zip(PEER_TO_LIMIT) {
        let row = find(rows, 1, direction)?;
        let (mode, _) = row.peer()?;
        let part = row.limit() / row.peer_net()?;
        if part < PEER_TO_LIMIT_LEAST * usual {
            return Some(format!(
                "{mode} reached {part:.2} of the cipher's speed {direction}, on a quiet machine {usual:.2}"
            ));
        }
    }
    None
}

impl Verdict {
    /// Judges the rows.
    pub fn new(rows: &[Row], facts: &Facts<'_>) -> Self {
        let many = facts.peer_sas;
        let two_least = TWO_WORKERS_LEAST[usize::from(facts.cpus >= TWO_WORKERS_CPUS)];
        let to_peer = |name, (sas, direction), wanted| {
            let row = find(rows, sas, direction);
            Target {
                cipher: row.and_then(|row| Some(row.peer_net()? / row.limit())),
                ..Target::least(name, row.and_then(Row::to_peer), wanted)
            }
        };
        let to_limit = |direction| Some(find(rows, 1, direction)?.to_limit());
        let limit = |name, direction| Target {
            most: true,
            ..Target::least(name, to_limit(direction), TO_LIMIT_MOST)
        };
        let many_sas = |name, sas, wanted| Target {
            cipher: holds(rows, sas, Row::limit),
            ..Target::least(name, holds(rows, sas, Row::net), wanted)
        };
        let by_two = |name, workers: Option<&Workers>, wanted| Target {
            cipher: facts.cipher_workers.and_then(Workers::scaling),
            ..Target::least(name, workers.and_then(Workers::scaling), wanted)
        };
        let targets = vec![
            to_peer("ratios.outbound_vs_ipsec_secgw", (1, "out"), TO_PEER_LEAST),
            to_peer("ratios.inbound_vs_ipsec_secgw", (1, "in"), TO_PEER_LEAST),
            to_peer(
                "ratios.outbound_1000_vs_ipsec_secgw",
                (many, "out"),
                TO_PEER_1000_LEAST,
            ),
            to_peer(
                "ratios.inbound_1000_vs_ipsec_secgw",
                (many, "in"),
                TO_PEER_1000_LEAST,
            ),
            limit("ratios.outbound_vs_limit", "out"),
            limit("ratios.inbound_vs_limit", "in"),
            many_sas("scaling.sas_8000", 8000, SAS_8000_LEAST),
            many_sas("scaling.sas_65536", MOST_SAS, SAS_65536_LEAST),
            by_two("scaling.two_workers", facts.workers, two_least),
            by_two("scaling.fat_tunnel", facts.fat_tunnel, FAT_TUNNEL_LEAST),
            Target {
                most: true,
                ..Target::least(
                    "memory.octets_per_sa_pair",
                    facts.octets_per_pair,
                    PAIR_OCTETS_MOST,
                )
            },
            Target {
                most: true,
                ..Target::least("scaling.install_65536_s", facts.install_s, INSTALL_S_MOST)
            },
        ];
        Self {
            targets,
            many,
            invalid: invalid(rows),
        }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let mut text = format!("targets: {ALGORITHM}, {FAMILY}, {MIX}, ports subtracted\n");
        for target in &self.targets {
            let sign = if target.most { "at most" } else { "at least" };
            let value = target.value;
            let value = value.map_or("-".to_owned(), |value| format!("{value:.2}"));
            let _ = writeln!(
                text,
                "  {:<38} {value:>6}  {sign} {:<4}  {}",
                target.name,
                target.wanted,
                target.judgement()
            );
        }
        if let Some(why) = &self.invalid {
            let _ = writeln!(text, "INVALID: the peer was slower than it is: {why}");
        }
        text
    }

    /// `ratios` and `scaling` of the JSON, the latter with the bare cipher's below `cipher`, and the targets themselves.
    pub fn json(&self) -> Value {
        let mut groups = json!({ "ratios": {}, "scaling": {}, "memory": {} });
        for target in &self.targets {
            if let Some((group, name)) = target.name.split_once('.') {
                groups[group][name] = json!(target.value);
                if let Some(cipher) = target.cipher {
                    groups[group]["cipher"][name] = json!(cipher);
                }
            }
        }
        groups["targets"] = self
            .targets
            .iter()
            .map(|target| {
                json!({
                    "name": target.name,
                    "value": target.value,
                    if target.most { "at_most" } else { "at_least" }: target.wanted,
                    "met": target.met(),
                    "cipher": target.cipher,
                    "out_of_reach": target.is_out_of_reach(),
                })
            })
            .collect();
        groups["peer_sas"] = json!(self.many);
        groups["invalid"] = json!(self.invalid);
        groups
    }
}
