//! The life of SAs by volume (RFC 4301 section 4.4.2.1): at the soft limit iked hears that a rekey is due, at the hard one the pair stops.
//!
//! ```text
//!   carries ---soft limit---> iked rekeys it ---hard limit, no rekey yet---> stopped: drops `lifetime-expired`; iked deletes it
//! ```
//! It costs the workers nothing: the counters that they keep anyway are read every [`PACE`], and the stop is a lowered ceiling of the
//! sequence numbers. So outbound packets stop exactly at their limit, which is a sequence number; inbound ones, and octets of both
//! directions, stop at most [`PACE`] and a turn over the pairs later. What a planed that died had counted is known to the next one by the
//! kept record: packets by their numbers, octets as of the last look.
//! What this does not do: time, which is iked's alone.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::sa::{Event as SaEvent, SaPair};
use ravelin_types::numbers::Resumption;
use ravelin_types::{Numbers, PairId, Time, Volume, VolumeLife};

use super::Controller;
use crate::link::Command;
use crate::platform::Platform;
use crate::selector::Child;
use crate::state;

/// How often each pair is looked at.
const PACE: Duration = Duration::from_millis(100);
/// Pairs looked at in one round of the control thread: a fraction of a millisecond.
const PAIRS_PER_ROUND: usize = 2048;
/// What the cipher works on besides the inner packet, at most: 15 octets of padding and the two of the trailer. RFC 4301 wants padding
/// counted; counting the most that it can be ends a life early rather than late.
const PADDING_OCTETS: u64 = 17;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Young,
    Soft,
    Hard,
}

/// What a pair had carried before it was installed, and where its numbers begin.
#[derive(Clone, Copy)]
pub(super) struct Carried {
    pub(super) resumed: Resumption,
    /// Out and in.
    pub(super) octets: [u64; 2],
}

/// The life of one pair.
struct Life {
    limits: VolumeLife,
    before: Carried,
    child: Arc<Child>,
    /// What iked has been told of.
    told: Stage,
}

impl Life {
    /// What the directions have carried, out and in.
    fn volumes(&self) -> [Volume; 2] {
        let (traffic, before) = (&self.child.traffic, &self.before);
        let volume = |packets: u64, octets: u64, packets_before: u64, octets_before: u64| Volume {
            octets: octets
                .saturating_add(packets.saturating_mul(PADDING_OCTETS))
                .saturating_add(octets_before),
            packets: packets.saturating_add(packets_before),
        };
        let used = before.resumed.used;
        let [octets_out, octets_in] = before.octets;
        [
            volume(
                traffic.out_packets.get(),
                traffic.out_octets.get(),
                used.outbound,
                octets_out,
            ),
            volume(
                traffic.in_packets.get(),
                traffic.in_octets.get(),
                used.inbound,
                octets_in,
            ),
        ]
    }

    fn stage(&self, sides: [Volume; 2]) -> Stage {
        let reached = |limit: Volume| sides.iter().any(|side| limit.is_reached(*side));
        if reached(self.limits.hard) {
            Stage::Hard
        } else if reached(self.limits.soft) {
            Stage::Soft
        } else {
            Stage::Young
        }
    }
}

/// The pairs whose volume is limited.
#[derive(Default)]
pub(super) struct Lives {
    lives: BTreeMap<PairId, Life>,
    /// The pair that was looked at last; none between two turns over all.
    last: Option<PairId>,
    next_turn: Time,
}

impl Lives {
    /// A pair is installed. The last numbers that it may use, if its packets are limited.
    pub(super) fn enter(
        &mut self,
        limits: VolumeLife,
        before: Carried,
        child: &Arc<Child>,
    ) -> Option<Numbers> {
        if !limits.is_limited() {
            return None;
        }
        let life = Life {
            limits,
            before,
            child: Arc::clone(child),
            told: Stage::Young,
        };
        self.lives.insert(child.pair, life);
        let resumed = before.resumed;
        let left = limits.hard.packets.saturating_sub(resumed.used.outbound);
        let outbound = resumed.last.outbound.saturating_add(left);
        let inbound = u64::MAX;
        (outbound < u64::MAX).then_some(Numbers { outbound, inbound })
    }

    pub(super) fn leave(&mut self, pair: PairId) {
        self.lives.remove(&pair);
    }

    /// iked is here (again): it hears of all limits that are reached.
    pub(super) fn tell_again(&mut self) {
        for life in self.lives.values_mut() {
            life.told = Stage::Young;
        }
    }

    /// Looks at some pairs; those that have come to their soft and to their hard limits. `keep` gets the octets of each, out and in.
    fn look(
        &mut self,
        now: Time,
        mut keep: impl FnMut(u32, [u64; 2]),
    ) -> (Vec<PairId>, Vec<PairId>) {
        let (mut soft, mut hard) = (Vec::new(), Vec::new());
        let from = match self.last {
            Some(last) => Bound::Excluded(last),
            None if now < self.next_turn => return (soft, hard),
            None => {
                self.next_turn = now + PACE;
                Bound::Unbounded
            }
        };
        self.last = None;
        let some = self.lives.range_mut((from, Bound::Unbounded));
        for (place, (pair, life)) in some.take(PAIRS_PER_ROUND).enumerate() {
            let sides = life.volumes();
            keep(life.child.slot, sides.map(|side| side.octets));
            let stage = life.stage(sides);
            if stage > life.told {
                life.told = stage;
                match stage {
                    Stage::Hard => hard.push(*pair),
                    _ => soft.push(*pair),
                }
            }
            self.last = (place + 1 == PAIRS_PER_ROUND).then_some(*pair);
        }
        (soft, hard)
    }
}

impl<P: Platform> Controller<P> {
    /// What counts against the life of a pair that resumes like this.
    pub(super) fn carried(&self, sa: &SaPair, slot: u32, resumed: Resumption) -> Carried {
        let cells = &self.shared.cells;
        let known = state::recall(cells, slot, sa.inbound.spi.0, sa.outbound.spi.0);
        Carried {
            resumed,
            octets: known.map_or([0; 2], |_| state::recall_octets(cells, slot)),
        }
    }

    /// A pair was installed: it is watched, if its volume is limited, and its packets end where they shall.
    pub(super) fn begin_life(&mut self, sa: &SaPair, carried: Carried, child: &Arc<Child>) {
        let last = (self.pairs.lives).enter(sa.life, carried, child);
        if let Some(last) = last {
            let slot = child.slot;
            self.command(child.owner, Command::EndAt { slot, last });
        }
    }

    /// Looks after lives by volume; what iked should hear.
    pub(super) fn follow_lives(&mut self, now: Time) -> impl Iterator<Item = SaEvent> {
        let shared = Arc::clone(&self.shared);
        let keep = |slot, octets| state::store_octets(&shared.cells, slot, octets);
        let (soft, hard) = self.pairs.lives.look(now, keep);
        for pair in &hard {
            log::warn!(
                "pair {} has come to the end of its life by volume and stops",
                pair.0
            );
            if let Some((slot, owner)) = self.pairs.place(*pair) {
                let last = Numbers::default();
                self.command(owner, Command::EndAt { slot, last });
            }
        }
        let soft = (!soft.is_empty()).then_some(SaEvent::LifeSoft(soft));
        let hard = (!hard.is_empty()).then_some(SaEvent::LifeHard(hard));
        soft.into_iter().chain(hard)
    }
}

#[cfg(test)]
mod tests;
