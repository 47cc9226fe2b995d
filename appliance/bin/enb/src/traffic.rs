//! UDP flows in the tunnels: to a STAMP reflector in the core network and back. ESP and time in, ESP and an account out; no socket and no
//! clock.
//!
//! The eNodeBs take turns, and of each its flows, at an even pace. A packet whose eNodeB has no tunnel at its turn is not sent. While a
//! child SA is rekeyed, the old one and the new one both receive.

mod flow;
mod histogram;
mod pair;
mod summary;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ravelin_esp::{MemoryBuf, PacketBuf};
use ravelin_ike::Outer;
use ravelin_types::{ChildId, Time};
use ravelin_wire::esp::EspHeader;

use crate::arguments::{Arguments, Load};
use crate::environment::{MAX_ENBS, owner};
use crate::fleet::Change;
use crate::pace::Pace;
use crate::plan;
use flow::{Flow, Tally};
use histogram::Histogram;
use pair::{Engine, Pair};
pub use summary::Summary;

/// First of the eNodeBs' ports (RFC 6335 section 6: the dynamic ones).
const FIRST_PORT: u16 = 49_152;
/// Packets of a burst, before what has come has its turn.
const MAX_BURST: usize = 256;
/// Keys of all pairs: those of a few children for each eNodeB, old and new.
const MAX_KEYS: usize = MAX_ENBS as usize * 8;

/// The flows of all eNodeBs.
pub struct Traffic {
    tunnels: Vec<Tunnel>,
    engine: Engine,
    sizes: Vec<u16>,
    pps: f64,
    /// Since the traffic began.
    pace: Option<Pace>,
    began: Time,
    ended: Option<Time>,
    /// Turns taken, with and without a packet.
    turns: usize,
    /// Turns of eNodeBs without a tunnel.
    idle: u64,
    round_trips: Histogram,
    /// Why packets were refused, with how often.
    refused: BTreeMap<String, u64>,
}

struct Tunnel {
    /// The youngest last.
    pairs: Vec<Pair>,
    flows: Vec<Flow>,
    next_flow: usize,
}

impl Tunnel {
    fn pair(&mut self, child: ChildId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.child == child)
    }
}

impl Traffic {
    /// No packet leaves before [`Traffic::begin`].
    pub fn new(arguments: &Arguments, load: &Load) -> Self {
        let tunnel = |index| Tunnel {
            pairs: Vec::new(),
            flows: flows(arguments, load, index),
            next_flow: 0,
        };
        Self {
            tunnels: (0..arguments.count).map(tunnel).collect(),
            engine: Engine::new(MAX_KEYS),
            sizes: load.sizes.clone(),
            pps: load.pps,
            pace: None,
            began: Time::default(),
            ended: None,
            turns: 0,
            idle: 0,
            round_trips: Histogram::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Packets leave from now on.
    pub fn begin(&mut self, now: Time) {
        (self.began, self.pace) = (now, Some(Pace::new(Some(self.pps), now)));
    }

    /// No more packets; answers still count.
    pub fn end(&mut self, now: Time) {
        (self.ended, self.pace) = (Some(now), None);
    }

    /// When [`Traffic::send`] has something to do.
    pub fn next_at(&self) -> Option<Time> {
        self.pace.and_then(|pace| pace.next_at())
    }

    /// Packets without an answer so far.
    pub fn unanswered(&self) -> u64 {
        self.tally().lost()
    }

    /// The pairs of an eNodeB changed.
    pub fn apply(&mut self, index: usize, change: Change, now: Time) {
        let Some(tunnel) = self.tunnels.get_mut(index) else {
            return;
        };
        let is_over = |pair: &Pair| pair.ends_at.is_some_and(|at| at <= now);
        for pair in tunnel.pairs.iter().filter(|pair| is_over(pair)) {
            pair.forget(&mut self.engine);
        }
        tunnel.pairs.retain(|pair| !is_over(pair));
        match change {
            Change::Installed(install) => match Pair::new(&mut self.engine, &install) {
                Ok(pair) => tunnel.pairs.push(pair),
                Err(error) => note(&mut self.refused, &error),
            },
            Change::Activated(child) => {
                if let Some(pair) = tunnel.pair(child) {
                    pair.active = true;
                }
            }
            Change::Removed(child, linger) => {
                if let Some(pair) = tunnel.pair(child) {
                    pair.ends_at = Some(now + linger);
                }
            }
            Change::Moved(children, outer) => {
                for child in children {
                    if let Some(pair) = tunnel.pair(child) {
                        pair.move_to(outer);
                    }
                }
            }
        }
    }

    /// Hands over the ESP packets whose turn has come.
    pub fn send(&mut self, clock: impl Fn() -> Time, mut take: impl FnMut(&Outer, &[u8])) {
        let now = clock();
        for _ in 0..MAX_BURST {
            if !self.pace.as_mut().is_some_and(|pace| pace.take(now)) {
                return;
            }
            self.turns += 1;
            match self.packet(clock()) {
                Some((outer, packet)) => take(&outer, packet.data()),
                None => self.idle += 1,
            }
        }
    }

    fn packet(&mut self, now: Time) -> Option<(Outer, MemoryBuf)> {
        let tunnels = self.tunnels.len();
        let tunnel = self.tunnels.get_mut(self.turns % tunnels)?;
        let flows = tunnel.flows.len();
        let flow = tunnel.flows.get_mut(tunnel.next_flow)?;
        tunnel.next_flow = (tunnel.next_flow + 1) % flows;
        let serves =
            |pair: &&mut Pair| pair.active && pair.ends_at.is_none() && pair.carries(flow.local);
        let pair = tunnel.pairs.iter_mut().rev().find(serves)?;
        // All flows get all sizes: an eNodeB's turn comes once in so many turns.
        let round = self.turns / tunnels / flows;
        let octets = *self.sizes.get(round % self.sizes.len())?;
        let mut packet = flow.next_packet(octets, now)?;
        match pair.seal(&mut self.engine, &mut packet) {
            Ok(()) => Some((pair.outer, packet)),
            Err(error) => {
                note(&mut self.refused, &error);
                None
            }
        }
    }

    /// Takes an ESP packet; the eNodeB and the pair that stood by until this packet came in on it.
    pub fn receive(&mut self, esp: &[u8], now: Time) -> Option<(usize, ChildId)> {
        let spi = EspHeader::parse(esp)?.spi;
        let index = owner(spi)?;
        let Tunnel { pairs, flows, .. } = self.tunnels.get_mut(index)?;
        let Some(pair) = pairs.iter_mut().find(|pair| pair.spi() == spi) else {
            note(&mut self.refused, &"no SA of this SPI");
            return None;
        };
        let mut packet = MemoryBuf::new(esp);
        if let Err(error) = pair.open(&mut self.engine, &mut packet) {
            note(&mut self.refused, &error);
            return None;
        }
        match flow::datagram(packet.data()) {
            Some((from, to, payload)) => {
                let at = to.port().checked_sub(FIRST_PORT).map(usize::from);
                let flow = at.and_then(|at| flows.get_mut(at));
                match flow.filter(|flow| (flow.local, flow.remote) == (to, from)) {
                    Some(flow) => {
                        if let Some(time_us) = flow.take(payload, now) {
                            self.round_trips.add(time_us);
                        }
                    }
                    None => note(&mut self.refused, &"of no flow"),
                }
            }
            None => note(&mut self.refused, &"no UDP packet"),
        }
        let used = !std::mem::replace(&mut pair.active, true);
        used.then_some((index, pair.child))
    }

    fn tally(&self) -> Tally {
        let mut all = Tally::default();
        for flow in self.tunnels.iter().flat_map(|tunnel| &tunnel.flows) {
            all.add(&flow.tally());
        }
        all
    }
}

/// Of each of our addresses to the reflector of its family, one port each.
fn flows(arguments: &Arguments, load: &Load, index: u32) -> Vec<Flow> {
    let mut ports = FIRST_PORT..=u16::MAX;
    let mut flows = Vec::new();
    for remote in &load.reflectors {
        let inner = plan::inner(arguments, index);
        let Some(local) = inner.into_iter().find(|a| a.is_ipv4() == remote.is_ipv4()) else {
            continue;
        };
        let ports = ports.by_ref().take(usize::from(load.flows));
        flows.extend(ports.map(|port| Flow::new(SocketAddr::new(local, port), *remote)));
    }
    flows
}

/// Counts a reason; they are words of ours, so there are few.
fn note(reasons: &mut BTreeMap<String, u64>, reason: &dyn std::fmt::Display) {
    *reasons.entry(reason.to_string()).or_default() += 1;
}

#[cfg(test)]
mod tests;
