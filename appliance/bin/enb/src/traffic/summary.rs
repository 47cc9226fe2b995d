//! What came of the traffic, as text and JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Tally, Traffic};
use crate::arguments::Arguments;
use crate::plan;
use crate::report::Latency;

/// eNodeBs that the text names; JSON names all of them.
const MAX_NAMED: usize = 10;

/// The account of a run.
#[derive(Debug)]
pub struct Summary {
    seconds: f64,
    all: Tally,
    idle: u64,
    round_trip: Option<Latency>,
    refused: BTreeMap<String, u64>,
    /// Which eNodeBs have lost packets, the worst first, by identity.
    losers: Vec<(String, Tally)>,
}

impl Summary {
    /// Of what has happened until now.
    pub fn new(traffic: &Traffic, arguments: &Arguments) -> Self {
        let mut losers = Vec::new();
        for (index, tunnel) in (0..).zip(&traffic.tunnels) {
            let mut tally = Tally::default();
            tunnel.flows.iter().for_each(|f| tally.add(&f.tally()));
            if tally.lost() > 0 {
                let number = plan::number(arguments, index);
                losers.push((plan::numbered(&arguments.identity, number), tally));
            }
        }
        losers.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.lost()));
        let times = &traffic.round_trips;
        let round_trip = |share| times.per_mille(share);
        Self {
            seconds: traffic
                .ended
                .map_or(0.0, |ended| ended.since(traffic.began).as_secs_f64()),
            all: traffic.tally(),
            idle: traffic.idle,
            round_trip: (|| {
                Some(Latency {
                    p50: round_trip(500)?,
                    p90: round_trip(900)?,
                    p99: round_trip(990)?,
                    max: times.max_us(),
                })
            })(),
            refused: traffic.refused.clone(),
            losers,
        }
    }

    fn rate(&self) -> f64 {
        self.all.sent as f64 / self.seconds.max(1e-6)
    }

    /// As lines.
    pub fn text(&self) -> String {
        let all = &self.all;
        // Writing to a String cannot fail.
        let mut text = String::new();
        let _ = writeln!(
            text,
            "traffic: {} packets sent in {:.3} s ({:.0}/s), {} answered, {} doubled, {} late",
            all.sent,
            self.seconds,
            self.rate(),
            all.answered,
            all.duplicated,
            all.reordered
        );
        let _ = writeln!(
            text,
            "lost: {} ({} before the reflector, {} behind it)",
            all.lost(),
            all.lost_there,
            all.lost_back
        );
        if let Some(times) = &self.round_trip {
            let _ = writeln!(text, "time there and back: {times}");
        }
        if self.idle > 0 {
            let _ = writeln!(text, "{:>8} x not sent without a tunnel", self.idle);
        }
        for (reason, count) in &self.refused {
            let _ = writeln!(text, "{count:>8} x {reason}");
        }
        for (name, tally) in self.losers.iter().take(MAX_NAMED) {
            let _ = writeln!(text, "  {name} lost {} of {}", tally.lost(), tally.sent);
        }
        if let Some(more) = self.losers.len().checked_sub(MAX_NAMED).filter(|n| *n > 0) {
            let _ = writeln!(text, "  and {more} more");
        }
        text
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let losers = self.losers.iter().map(|(name, tally)| {
            let mut value = tally_json(tally);
            value["enb"] = name.as_str().into();
            value
        });
        let mut value = tally_json(&self.all);
        value["seconds"] = self.seconds.into();
        value["rate"] = self.rate().into();
        value["round_trip"] = self.round_trip.map_or(Value::Null, Latency::json);
        value["not_sent"] = self.idle.into();
        value["refused"] = json!(self.refused);
        value["losers"] = losers.collect();
        value
    }
}

fn tally_json(tally: &Tally) -> Value {
    json!({
        "sent": tally.sent,
        "answered": tally.answered,
        "lost": tally.lost(),
        "lost_there": tally.lost_there,
        "lost_back": tally.lost_back,
        "duplicated": tally.duplicated,
        "reordered": tally.reordered,
    })
}
