//! Traffic selectors: from and to the wire, and narrowing (RFC 7296 section 2.9).
//!
//! A VPN has pairs of selectors (ours, the peer's). As responder one pair of each family decides, which must have something in
//! common with the offer: the first that allows what the offer begins with or, in a rekey, what the child SA in use carries; if none
//! does, the first. The answer is everything that the offer and this pair have in common. Pairs of one family are not joined: their
//! cross product would allow what no pair allows.

use ravelin_types::TrafficSelector;

use crate::config::SelectorPair;
use crate::error::list_text;
use crate::msg::ts::{Range, Selector, Ts};

/// The most selectors of one side of a child SA that are kept; the data plane's tables are sized by it.
pub const MAX_CHILD_SELECTORS: usize = 32;

/// The address ranges of a payload that make sense: one family, ends in order, ports in order.
pub fn from_wire(ts: &Ts) -> Vec<TrafficSelector> {
    let ranges = ts
        .ranges()
        .filter(|r| r.start.is_ipv4() == r.end.is_ipv4() && r.start <= r.end);
    let ordered = ranges.filter(|r| r.port_start <= r.port_end);
    let selectors = ordered.map(|r| TrafficSelector {
        first: r.start,
        last: r.end,
        protocol: r.protocol,
        port_first: r.port_start,
        port_last: r.port_end,
    });
    selectors.take(crate::msg::ts::MAX_SELECTORS).collect()
}

/// The payload for a list.
pub fn to_wire(list: &[TrafficSelector]) -> Ts {
    let ranges = list.iter().map(|s| {
        Selector::Range(Range {
            protocol: s.protocol,
            port_start: s.port_first,
            port_end: s.port_last,
            start: s.first,
            end: s.last,
        })
    });
    Ts {
        selectors: ranges.collect(),
    }
}

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowed {
    /// Our side.
    pub local: Vec<TrafficSelector>,
    /// The peer's side.
    pub remote: Vec<TrafficSelector>,
}

/// Selectors of both sides that an answer is to hold.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Our side.
    pub local: &'a [TrafficSelector],
    /// The peer's side.
    pub remote: &'a [TrafficSelector],
}

impl<'a> Wanted<'a> {
    /// What an offer begins with. RFC 7296 section 2.9: "If the responder's policy allows it to accept the first selector of TSi and
    /// TSr, then the responder MUST narrow the Traffic Selectors to a subset that includes the initiator's first choices."
    pub fn first_of(local: &'a [TrafficSelector], remote: &'a [TrafficSelector]) -> Wanted<'a> {
        Wanted {
            local: local.get(..1).unwrap_or(&[]),
            remote: remote.get(..1).unwrap_or(&[]),
        }
    }

    /// Whether a pair allows all of it that is of the pair's family.
    fn is_allowed_by(&self, pair: &SelectorPair) -> bool {
        let within = |list: &[TrafficSelector], allowed: &TrafficSelector| {
            let mut same = list.iter().filter(|s| s.is_ipv6() == allowed.is_ipv6());
            same.all(|s| allowed.covers(s))
        };
        within(self.local, &pair.local) && within(self.remote, &pair.remote)
    }

    /// Whether one of the pairs allows the first of both sides.
    pub fn begins_within(&self, pairs: &[SelectorPair]) -> bool {
        let covers = |allowed: &TrafficSelector, list: &[TrafficSelector]| {
            list.first().is_some_and(|s| allowed.covers(s))
        };
        let mut pairs = pairs.iter();
        pairs.any(|p| covers(&p.local, self.local) && covers(&p.remote, self.remote))
    }
}

/// Narrows the offer to the configured pairs; `None` when nothing is in common.
pub fn narrow(
    local: &[TrafficSelector],
    remote: &[TrafficSelector],
    pairs: &[SelectorPair],
    wanted: Wanted<'_>,
) -> Option<Narrowed> {
    let mut out = Narrowed {
        local: Vec::new(),
        remote: Vec::new(),
    };
    for ipv6 in [false, true] {
        let family = || {
            let of_family =
                |p: &&SelectorPair| p.local.is_ipv6() == ipv6 && p.remote.is_ipv6() == ipv6;
            pairs.iter().filter(of_family)
        };
        let best = family().filter(|p| wanted.is_allowed_by(p));
        let found = best.chain(family()).find_map(|p| {
            let (ours, theirs) = (common(local, &p.local), common(remote, &p.remote));
            (!ours.is_empty() && !theirs.is_empty()).then_some((ours, theirs))
        });
        if let Some((ours, theirs)) = found {
            out.local.extend(ours);
            out.remote.extend(theirs);
        }
    }
    let fits = |list: &[TrafficSelector]| (1..=MAX_CHILD_SELECTORS).contains(&list.len());
    (fits(&out.local) && fits(&out.remote)).then_some(out)
}

/// Whether an answer leaves what the child SA in use carries of the offer. RFC 7296 section 2.9.2: "The responder MUST NOT narrow
/// down the Traffic Selectors narrower than the scope currently in use."
pub fn keeps(
    answer: &[TrafficSelector],
    offered: &[TrafficSelector],
    used: &[TrafficSelector],
) -> bool {
    let mut parts = used
        .iter()
        .flat_map(|u| offered.iter().filter_map(|o| o.intersect(u)));
    parts.all(|part| answer.iter().any(|a| a.covers(&part)))
}

/// The parts of `offered` within `allowed`, without those that another part covers.
fn common(offered: &[TrafficSelector], allowed: &TrafficSelector) -> Vec<TrafficSelector> {
    let mut out: Vec<TrafficSelector> = Vec::new();
    for part in offered.iter().filter_map(|o| o.intersect(allowed)) {
        if out.len() > MAX_CHILD_SELECTORS {
            break;
        }
        if !out.iter().any(|o| o.covers(&part)) {
            out.retain(|o| !part.covers(o));
            out.push(part);
        }
    }
    out
}

/// True when the answer to our offer stays within it.
pub fn is_within(answer: &[TrafficSelector], offer: &[TrafficSelector]) -> bool {
    !answer.is_empty()
        && answer.len() <= MAX_CHILD_SELECTORS
        && answer.iter().all(|a| offer.iter().any(|o| o.covers(a)))
}

/// The configured pairs on one line.
pub fn pairs_text(pairs: &[SelectorPair]) -> String {
    let items: Vec<String> = pairs
        .iter()
        .map(|p| format!("{} === {}", p.local, p.remote))
        .collect();
    list_text(&items)
}

#[cfg(test)]
mod tests;
