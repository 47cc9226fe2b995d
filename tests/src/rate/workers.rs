//! Two workers beside one, of planed or of the bare cipher: how much more they do.
//!
//! What counts is the CPU time of the one that sends the last packet, from the first frame until it does, without what its ports take,
//! for as many packets as the one worker gets. Waiting for the other is in it, waiting for the CPU is not. A round in which packets got
//! lost, or whose time was not taken, does not count.

use serde_json::{Value, json};

use super::fair::LOSS_MOST;
use super::row::median;

/// One pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// CPU time of the worker that sent the last packet until it did, without its ports'.
    pub until_sent_ns: u64,
    /// Packets that went in.
    pub packets: u64,
    /// Packets that came out.
    pub came: u64,
}

impl Spent {
    /// Of work that cannot lose any.
    pub fn whole(until_sent_ns: u64, packets: u64) -> Self {
        Self {
            until_sent_ns,
            packets,
            came: packets,
        }
    }

    /// Whether it was measured, and lost nothing to speak of.
    pub fn is_whole(&self) -> bool {
        self.until_sent_ns > 0 && self.came + self.packets / LOSS_MOST >= self.packets
    }

    pub fn per_packet_ns(&self) -> f64 {
        self.until_sent_ns as f64 / self.packets as f64
    }
}

/// The rounds of both directions.
#[derive(Debug, Default)]
pub struct Workers {
    rounds: Vec<(&'static str, Spent, Spent)>,
}

impl Workers {
    /// Adds a round: one worker and two.
    pub fn add(&mut self, direction: &'static str, alone: Spent, shared: Spent) {
        self.rounds.push((direction, alone, shared));
    }

    /// How many times the rate of one the rate of two is, in the worse direction; `None` unless half of the rounds count.
    pub fn scaling(&self) -> Option<f64> {
        let of = |direction| -> Option<f64> {
            let all = self.rounds.iter().filter(|round| round.0 == direction);
            let whole: Vec<f64> = (all.clone())
                .filter(|(_, alone, shared)| alone.is_whole() && shared.is_whole())
                .map(|(_, alone, shared)| alone.per_packet_ns() / shared.per_packet_ns())
                .collect();
            (!whole.is_empty() && 2 * whole.len() >= all.count()).then(|| median(&whole))
        };
        Some(of("out")?.min(of("in")?))
    }

    /// All rounds.
    pub fn json(&self) -> Value {
        let spent = |spent: &Spent| json!({ "until_sent_ns": spent.until_sent_ns, "packets": spent.packets, "came": spent.came });
        let round = |(direction, alone, shared): &(&str, Spent, Spent)| json!({ "direction": direction, "one": spent(alone), "two": spent(shared) });
        self.rounds.iter().map(round).collect()
    }
}
