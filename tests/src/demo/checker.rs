//! Judges a run of the demo from the captures on both links and the peers' own words.
//!
//! The gateway's counters are only held against the captures, never believed in place of them. Each fault has one [`Reason`];
//! what may be a consequence of another fault (an incomplete transfer, a counter) is looked at only when there is no other.

use super::provoke::ENB_PROBE;
use super::reason::Reason;
use crate::account::{self, Direction};
use crate::capture::Trace;
use crate::frame::{Frame, Kind};
use crate::site::{Addresses, enb_inner};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What happens in a piece of the captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The tunnel comes up and carries traffic, all of which is accounted for.
    Traffic,
    /// ESP of the traffic phase is sent again.
    Replay,
    /// Child SAs for single hosts of the core come up, with traffic within their selectors.
    Children,
    /// Packets outside their selectors, from both sides.
    Selectors,
    /// The tunnel goes down.
    Closing,
    /// Packets for the tunnel that is gone.
    Gone,
}

/// Frames of both links in one phase.
pub struct Links {
    /// Between eNodeB and gateway.
    pub outer: Trace,
    /// Between gateway and core.
    pub clear: Trace,
}

/// One tunnel from its first packet to what follows its last.
pub struct Round {
    /// Its outer addresses.
    pub outer: Addresses,
    /// What the links saw, in order.
    pub phases: Vec<(Phase, Links)>,
    /// The gateway's counters over the traffic phase: packets encrypted, packets decrypted.
    pub counters: (u64, u64),
    /// Where the tunnel's routes were missing while it was up.
    pub routes_missing: Vec<String>,
    /// Where they were left after its end.
    pub routes_left: Vec<String>,
}

/// Whether each kind of traffic passed, as far as it was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed {
    /// Every exchange of inner IPv4, over all outer families.
    pub inner_v4: Option<bool>,
    /// The same for inner IPv6.
    pub inner_v6: Option<bool>,
    /// Every TCP transfer.
    pub tcp: Option<bool>,
    /// Every UDP stream.
    pub udp: Option<bool>,
}

/// What the steps of the demo gathered.
pub struct Evidence {
    /// The tunnels, one after another.
    pub rounds: Vec<Round>,
    /// IKE SAs that the eNodeB held while the last tunnel was up.
    pub tunnels: usize,
    /// The eNodeB's software version.
    pub peer_version: String,
    /// What the ends of the traffic say.
    pub passed: Passed,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind.
    pub reason: Reason,
    /// What was seen.
    pub text: String,
}

/// What the checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The last line of the demo.
    pub line: String,
    /// Everything that is wrong, gravest first; empty when the demo is ok.
    pub faults: Vec<Fault>,
}

impl Verdict {
    /// The one reason that the last line names.
    pub fn reason(&self) -> Option<Reason> {
        self.faults.first().map(|fault| fault.reason)
    }
}

impl Evidence {
    /// Counts, compares and pronounces.
    pub fn judge(&self) -> Verdict {
        let mut faults: Vec<Fault> = self.rounds.iter().flat_map(Round::faults).collect();
        if faults.is_empty() {
            faults.extend(self.rounds.iter().flat_map(Round::lesser_faults));
            faults.extend(self.failures());
        }
        faults.sort_by_key(|fault| fault.reason);
        let head = faults.first().map_or("ok".to_owned(), |fault| {
            format!("FAILED reason={}", fault.reason.name())
        });
        let sum = |count: fn(&Round) -> usize| self.rounds.iter().map(count).sum::<usize>();
        let loss: i64 = self.rounds.iter().map(Round::loss).sum();
        let word = |passed: Option<bool>| match passed {
            Some(true) => "ok",
            Some(false) => "failed",
            None => "skipped",
        };
        let line = format!(
            "demo: {head} tunnels={} ike=strongswan-{} v4={} v6={} tcp={} udp={} cleartext_packets={} loss={loss} replays_accepted={} outside_selectors={} after_delete={}",
            self.tunnels,
            self.peer_version,
            word(self.passed.inner_v4),
            word(self.passed.inner_v6),
            word(self.passed.tcp),
            word(self.passed.udp),
            sum(Round::cleartext),
            sum(|round| round.replays().1),
            sum(|round| round.outside_selectors().1),
            sum(|round| round.after_delete().1),
        );
        Verdict { line, faults }
    }

    /// What the ends of the traffic miss although the links saw every packet through.
    fn failures(&self) -> Vec<Fault> {
        let Passed {
            inner_v4,
            inner_v6,
            tcp,
            udp,
        } = self.passed;
        let named = [
            ("inner IPv4", inner_v4),
            ("inner IPv6", inner_v6),
            ("TCP", tcp),
            ("UDP", udp),
        ];
        let failed = named
            .into_iter()
            .filter(|(_, passed)| *passed == Some(false));
        let mut faults: Vec<Fault> = failed
            .map(|(name, _)| fault(Reason::Traffic, format!("{name} failed")))
            .collect();
        if self.tunnels != 1 {
            faults.push(fault(Reason::Traffic, format!("{} tunnels", self.tunnels)));
        }
        faults
    }
}

fn fault(reason: Reason, text: String) -> Fault {
    Fault { reason, text }
}

impl Round {
    fn links(&self, phase: Phase) -> impl Iterator<Item = &Links> {
        let of_phase = self.phases.iter().filter(move |(p, _)| *p == phase);
        of_phase.map(|(_, links)| links)
    }

    /// Packets of `phase` on the clear link, from (`up`) or to the eNodeB's inner addresses.
    fn clear_packets(&self, phase: Phase, up: bool) -> usize {
        let inner: Vec<IpAddr> = enb_inner().into_iter().chain([ENB_PROBE]).collect();
        let of_enb = |frame: &Frame<'_>| {
            frame.addresses.is_some_and(|(source, destination)| {
                inner.contains(if up { &source } else { &destination })
            })
        };
        let frames = self.links(phase).flat_map(|links| links.clear.frames());
        frames
            .filter(|f| f.kind == Kind::Cleartext && of_enb(f))
            .count()
    }

    /// ESP of `phase` from the eNodeB (`up`) or to it: SPI, sequence number.
    fn esp(&self, phase: Phase, up: bool) -> Vec<(u32, u32)> {
        let (enb, gateway) = (self.outer.enb_outer, self.outer.gateway_outer);
        let ends = if up { (enb, gateway) } else { (gateway, enb) };
        let frames = self.links(phase).flat_map(|links| links.outer.frames());
        frames
            .filter(|f| f.addresses == Some(ends))
            .filter_map(|f| f.esp())
            .collect()
    }

    /// Packets outside tunnels on the outer link, in all phases.
    fn cleartext(&self) -> usize {
        let all = self.phases.iter();
        all.map(|(_, links)| links.outer.cleartext().len()).sum()
    }

    /// What each direction of the traffic phase took in and gave out. A packet that left in clear is not lost.
    fn directions(&self) -> Vec<Direction> {
        let ends = [(self.outer.enb_outer, self.outer.gateway_outer)];
        let inner = enb_inner();
        let mut found = vec![];
        for links in self.links(Phase::Traffic) {
            let [up, mut down] = account::directions(&links.outer, &links.clear, &ends, &inner);
            let leaked = links.outer.cleartext();
            let to_enb = |f: &&Frame<'_>| f.addresses.is_some_and(|(_, to)| inner.contains(&to));
            down.esp += leaked.iter().filter(to_enb).count() as u64;
            found.extend([up, down]);
        }
        found
    }

    fn loss(&self) -> i64 {
        self.directions().iter().map(Direction::loss).sum()
    }

    /// Packets sent again, and packets that reached the core thereupon.
    fn replays(&self) -> (usize, usize) {
        let known: BTreeSet<_> = self.esp(Phase::Traffic, true).into_iter().collect();
        let again = self.esp(Phase::Replay, true);
        let again = again.iter().filter(|number| known.contains(number));
        let accepted = self.clear_packets(Phase::Replay, true);
        (again.count(), accepted)
    }

    /// Packets outside the selectors that the gateway was given, and those that it let through. Nothing is proven by one side, nor
    /// by child SAs that carry nothing.
    fn outside_selectors(&self) -> (usize, usize) {
        let within = self.clear_packets(Phase::Children, true);
        let given = [
            self.esp(Phase::Selectors, true).len(),
            self.clear_packets(Phase::Selectors, false),
        ];
        let through_up = self.clear_packets(Phase::Selectors, true);
        let through_down = self.esp(Phase::Selectors, false).len();
        let proven = within > 0 && !given.contains(&0);
        let given = if proven { given[0] + given[1] } else { 0 };
        (given, through_up + through_down)
    }

    /// Packets for the tunnel after its end, and those that were sent into it all the same.
    fn after_delete(&self) -> (usize, usize) {
        let given = self.clear_packets(Phase::Gone, false);
        (given, self.esp(Phase::Gone, false).len())
    }

    /// Explicit IVs, then sequence numbers, that the gateway used twice under one SPI.
    fn repeated_numbers(&self) -> [Vec<(u32, u64)>; 2] {
        let mut seen = [BTreeSet::new(), BTreeSet::new()];
        let mut repeated = [vec![], vec![]];
        let frames = self.phases.iter().flat_map(|(_, l)| l.outer.frames());
        let ends = (self.outer.gateway_outer, self.outer.enb_outer);
        for frame in frames.filter(|f| f.addresses == Some(ends)) {
            let (Some((spi, sequence)), Some(iv)) = (frame.esp(), frame.esp_iv()) else {
                continue;
            };
            for (kind, number) in [iv, sequence.into()].into_iter().enumerate() {
                if !seen[kind].insert((spi, number)) {
                    repeated[kind].push((spi, number));
                }
            }
        }
        repeated
    }

    /// The grave faults: each stands for itself.
    fn faults(&self) -> Vec<Fault> {
        let gateway = self.outer.gateway_outer;
        let mut faults = vec![];
        let mut check = |fine: bool, reason: Reason, text: String| {
            if !fine {
                faults.push(fault(reason, format!("{gateway}: {text}")));
            }
        };
        let cleartext = self.cleartext();
        let outer = self.phases.iter().map(|(_, links)| &links.outer);
        let first = outer.flat_map(Trace::cleartext).next();
        let first = first
            .and_then(|frame| frame.addresses)
            .map_or(String::new(), |(from, to)| {
                format!(", the first from {from} to {to}")
            });
        let text = format!("{cleartext} cleartext packets on the outer link{first}");
        check(cleartext == 0, Reason::Clear, text);
        for (name, repeated) in ["explicit IVs", "sequence numbers"]
            .into_iter()
            .zip(self.repeated_numbers())
        {
            let count = repeated.len();
            let first = repeated.first().map_or(String::new(), |(spi, number)| {
                format!(", the first under SPI {spi:08x}: {number:x}")
            });
            let text = format!("{count} {name} were used twice{first}");
            check(count == 0, Reason::Nonce, text);
        }
        let (again, accepted) = self.replays();
        let text = format!("{again} packets were sent again, and {accepted} reached the core");
        check(accepted == 0, Reason::Replay, text);
        let (given, through) = self.outside_selectors();
        let text = format!("of {given} packets outside the selectors {through} got through");
        check(through == 0, Reason::Selector, text);
        let (given, sent) = self.after_delete();
        let text = format!("{sent} of {given} packets followed a tunnel that is gone");
        check(sent == 0, Reason::Route, text);
        for (places, state) in [
            (&self.routes_missing, "missing while the tunnel is up"),
            (&self.routes_left, "left after its end"),
        ] {
            let text = format!("routes {state}: {}", places.join(", "));
            check(places.is_empty(), Reason::Route, text);
        }
        for d in self.directions() {
            let text = format!(
                "{}: {} ESP frames on the outer link, {} packets on the clear link",
                d.name, d.esp, d.clear
            );
            check(d.loss() == 0, Reason::Loss, text);
        }
        faults
    }

    /// Faults that mean something only when there is no grave one.
    fn lesser_faults(&self) -> Vec<Fault> {
        let gateway = self.outer.gateway_outer;
        let mut faults = vec![];
        let mut unproven = |given: usize, what: &str| {
            if given == 0 {
                let text = format!("{gateway}: {what}");
                faults.push(fault(Reason::Unproven, text));
            }
        };
        let was_tried = |phase: Phase| self.links(phase).next().is_some();
        for d in self.directions() {
            unproven(d.esp as usize, &format!("no {} traffic was seen", d.name));
        }
        if was_tried(Phase::Replay) {
            unproven(self.replays().0, "nothing was sent again");
        }
        if was_tried(Phase::Selectors) {
            let given = self.outside_selectors().0;
            unproven(given, "nothing outside the selectors was tried");
        }
        unproven(self.after_delete().0, "nothing was sent after the end");
        let (encrypted, decrypted) = self.counters;
        for (word, counted, clear) in self
            .directions()
            .iter()
            .zip([("decrypted", decrypted), ("encrypted", encrypted)])
            .map(|(d, (word, counted))| (word, counted, d.clear))
        {
            if counted != clear {
                let text = format!("{gateway} counts {counted} {word}, the clear link {clear}");
                faults.push(fault(Reason::Counters, text));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests;
