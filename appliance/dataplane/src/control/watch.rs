//! What the workers shall show, and whose packets they saw.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ravelin_ctl::capture::EspLink;
use ravelin_ctl::flight::FlightChoice;
use ravelin_ctl::sa::Outer;
use ravelin_types::{PairId, Spi};

use super::Controller;
use crate::platform::Platform;
use crate::sa::slot_of;
use crate::watch::Watch;
use crate::watch::recorder::{MAX_RECORDED_PAIRS, Selection};

impl<P: Platform> Controller<P> {
    /// What the workers shall show from the next [`Controller::publish`] on.
    pub fn set_watch(&mut self, watch: Option<Watch>) {
        self.working.watch = watch.map(Arc::new);
        self.dirty = true;
    }

    /// Names the pairs of what ports saw: of each link with the address that its packet goes to when it leaves. Looks at every
    /// pair once, however many links there are.
    pub fn name_pairs(&self, links: &mut [(&mut EspLink, Option<IpAddr>)]) {
        let key = |(link, peer): &(&mut EspLink, Option<IpAddr>)| {
            let unnamed = link.pair.is_none();
            peer.filter(|_| unnamed).map(|peer| (peer, link.spi))
        };
        let wanted: HashSet<_> = links.iter().filter_map(key).collect();
        let mut known = HashMap::new();
        if !wanted.is_empty() {
            let all = self.pairs.records.iter();
            let named = all.map(|(pair, of)| ((of.outer.remote, of.outbound), *pair));
            known.extend(named.filter(|(key, _)| wanted.contains(key)));
        }
        for (link, peer) in links.iter_mut().filter(|(link, _)| link.pair.is_none()) {
            link.pair = match peer {
                Some(peer) => known.get(&(*peer, link.spi)).copied(),
                None => self.pair_of(link.spi),
            };
        }
    }

    /// The pair that an SPI of ours belongs to.
    fn pair_of(&self, spi: Spi) -> Option<PairId> {
        let pair = self.pairs.slots.get(&slot_of(spi.0))?;
        let record = self.pairs.records.get(pair)?;
        (record.inbound == spi).then_some(*pair)
    }

    /// What tells the packets of a tunnel, and one of its outer addresses; `None` when nothing of it is installed.
    pub fn selection(&self, choice: FlightChoice) -> Option<(Selection, Outer)> {
        let records = &self.pairs.records;
        let mut chosen: Vec<_> = match choice {
            FlightChoice::Pair(pair) => records.get_key_value(&pair).into_iter().collect(),
            FlightChoice::Peer(peer) => {
                let of_peer = records.iter().filter(|(_, of)| of.outer.remote == peer);
                of_peer.collect()
            }
        };
        // The newest are those that live.
        chosen.sort_by_key(|(pair, _)| std::cmp::Reverse(**pair));
        chosen.truncate(MAX_RECORDED_PAIRS);
        let mut selection = Selection::default();
        for (pair, of) in &chosen {
            selection.pairs.push(**pair);
            let child = (of.inner_vrf, Arc::clone(&of.child));
            selection.children.push(child);
            let ends = (of.outer.local, of.outer.remote);
            if !selection.outer.contains(&ends) {
                selection.outer.push(ends);
            }
        }
        let (_, newest) = chosen.first()?;
        Some((selection, newest.outer))
    }
}
