//! What came of a run, as text and JSON.

use std::fmt::{self, Write as _};

use ravelin_ike::Count;
use ravelin_platform::clock;
use ravelin_types::Time;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::fleet::{Fleet, Outcome};
use crate::traffic::Summary;

/// What all eNodeBs together have counted, with the key in JSON.
const COUNTS: [(Count, &str); 7] = [
    (Count::Retransmitted, "retransmitted"),
    (Count::IkeRekeyed, "ike_rekeyed"),
    (Count::ChildRekeyed, "child_rekeyed"),
    (Count::DpdAnswered, "dpd_answered"),
    (Count::DpdSent, "dpd_sent"),
    (Count::Received, "datagrams_received"),
    (Count::Sent, "datagrams_sent"),
];

/// Percentiles of times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took at most this.
    pub p50: u32,
    /// 90 %.
    pub p90: u32,
    /// 99 %.
    pub p99: u32,
    /// The longest.
    pub max: u32,
}

impl Latency {
    /// Of these times; `None` when there are none.
    pub fn of(times_us: &[u32]) -> Option<Self> {
        let mut sorted = times_us.to_vec();
        sorted.sort_unstable();
        // Nearest rank: the smallest time that so many of a hundred do not exceed.
        let rank = |percent: usize| {
            let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(at).copied()
        };
        Some(Self {
            p50: rank(50)?,
            p90: rank(90)?,
            p99: rank(99)?,
            max: rank(100)?,
        })
    }

    /// As JSON.
    pub fn json(self) -> Value {
        json!({ "p50_us": self.p50, "p90_us": self.p90, "p99_us": self.p99, "max_us": self.max })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [self.p50, self.p90, self.p99, self.max];
        let [p50, p90, p99, max] = all.map(|us| f64::from(us) / 1e3);
        write!(
            f,
            "p50 {p50:.2} ms, p90 {p90:.2} ms, p99 {p99:.2} ms, max {max:.2} ms"
        )
    }
}

/// The report; it grows with the run.
pub struct Report {
    suites: [String; 2],
    began: Time,
    setup_s: f64,
    setup: Outcome,
    latency: Option<Latency>,
    end: Option<End>,
    traffic: Option<Summary>,
}

struct End {
    outcome: Outcome,
    up: usize,
    unsent: u64,
    counts: Vec<(&'static str, u64)>,
}

impl Report {
    /// The run begins.
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            suites: [arguments.ike.to_string(), arguments.esp.to_string()],
            began: clock::now(),
            setup_s: 0.0,
            setup: Outcome::default(),
            latency: None,
            end: None,
            traffic: None,
        }
    }

    /// All are set up or have failed.
    pub fn set_up(&mut self, fleet: &Fleet, now: Time) {
        self.setup_s = now.since(self.began).as_secs_f64();
        self.setup = fleet.outcome().clone();
        self.latency = Latency::of(&self.setup.latencies_us);
    }

    /// The run is over.
    pub fn end(&mut self, fleet: &Fleet, unsent: u64) {
        self.end = Some(End {
            outcome: fleet.outcome().clone(),
            up: fleet.standing().up,
            unsent,
            counts: COUNTS
                .iter()
                .map(|(what, key)| (*key, fleet.count(*what)))
                .collect(),
        });
    }

    /// The traffic is over.
    pub fn traffic(&mut self, summary: Summary) {
        self.traffic = Some(summary);
    }

    fn established(&self) -> usize {
        self.setup.latencies_us.len()
    }

    fn rate(&self) -> f64 {
        self.established() as f64 / self.setup_s.max(1e-6)
    }

    /// Whether all were set up, none was lost, and those to be deleted were.
    pub fn is_success(&self, arguments: &Arguments) -> bool {
        let Some(end) = &self.end else {
            return false;
        };
        let all = self.established() == arguments.count as usize;
        let kept = end.outcome.failed == 0 && end.outcome.lost == 0;
        all && kept && (arguments.leave || end.up == 0 && end.outcome.deleted > 0)
    }

    /// After the set-up.
    pub fn set_up_text(&self) -> String {
        // Writing to a String cannot fail.
        let mut text = String::new();
        let _ = writeln!(
            text,
            "set up: {} established, {} failed in {:.3} s ({:.0}/s), {}, {}",
            self.established(),
            self.setup.failed,
            self.setup_s,
            self.rate(),
            self.suites[0],
            self.suites[1]
        );
        if let Some(latency) = self.latency {
            let _ = writeln!(text, "time of a set-up: {latency}");
        }
        for (reason, count) in &self.setup.reasons {
            let _ = writeln!(text, "{count:>8} x {reason}");
        }
        text
    }

    /// At the end.
    pub fn end_text(&self) -> String {
        let mut text = String::new();
        let Some(end) = &self.end else {
            return text;
        };
        let outcome = &end.outcome;
        let _ = writeln!(
            text,
            "end: {} up, {} deleted, {} lost, {} of {} set-ups failed",
            end.up, outcome.deleted, outcome.lost, outcome.failed, outcome.started
        );
        for (reason, count) in &outcome.reasons {
            let _ = writeln!(text, "{count:>8} x {reason}");
        }
        for (key, count) in end.counts.iter().filter(|(_, count)| *count > 0) {
            let _ = writeln!(text, "{count:>8} {}", key.replace('_', " "));
        }
        text.extend(self.traffic.as_ref().map(Summary::text));
        text
    }

    /// All of it.
    pub fn json(&self) -> Value {
        let mut value = json!({
            "ike": self.suites[0],
            "esp": self.suites[1],
            "established": self.established(),
            "failed": self.setup.failed,
            "seconds": self.setup_s,
            "rate": self.rate(),
            "latency": self.latency.map(Latency::json),
            "reasons": self.setup.reasons,
        });
        if let Some(end) = &self.end {
            let mut over = json!({
                "up": end.up,
                "started": end.outcome.started,
                "failed": end.outcome.failed,
                "lost": end.outcome.lost,
                "deleted": end.outcome.deleted,
                "stray": end.outcome.stray,
                "unsent": end.unsent,
                "reasons": end.outcome.reasons,
            });
            for (key, count) in &end.counts {
                over[*key] = (*count).into();
            }
            value["end"] = over;
        }
        if let Some(traffic) = &self.traffic {
            value["traffic"] = traffic.json();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let times: Vec<u32> = (1..=1000).rev().collect();
        let latency = Latency {
            p50: 500,
            p90: 900,
            p99: 990,
            max: 1000,
        };
        assert_eq!(Latency::of(&times), Some(latency));
        assert_eq!(Latency::of(&[7]).map(|l| (l.p50, l.max)), Some((7, 7)));
        assert_eq!(Latency::of(&[]), None);
    }
}
