//! Which stations of a link are known, so that a flood of strangers' ARP and neighbour discovery leaves those of our neighbours alone,
//! and which addresses the host has just asked for, so that the answers of new ones come through as well.
//!
//! Both are small tables indexed by a hash: a stranger may fall on a place that is taken and is then treated like a neighbour, which
//! happens to one in 65,536 per neighbour. The hash is keyed at random, so that nobody can tell which addresses those are.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use ravelin_types::Time;
use ravelin_wire::ethernet::Mac;

use crate::tables::IfIndex;

/// Places of the table of stations: as many as there are neighbours, so that few strangers fall on one that is taken.
const KNOWN_PLACES: usize = 65_536;
/// Places of the table of questions: more than the host asks in the time an answer may take.
const ASKED_PLACES: usize = 16_384;
/// How long an answer may take: the host's three requests, a second apart.
const ANSWER: Duration = Duration::from_secs(3);

/// The stations of all links. Written by the control thread (stations) and the workers (questions), read by the workers.
#[derive(Debug)]
pub struct Stations {
    /// How many neighbours fall on each place; a place that is full stays taken.
    known: Box<[AtomicU16]>,
    /// When the answers to each place's last question are due, in microseconds.
    asked: Box<[AtomicU64]>,
    key: RandomState,
}

impl Default for Stations {
    fn default() -> Self {
        Self {
            known: (0..KNOWN_PLACES).map(|_| AtomicU16::new(0)).collect(),
            asked: (0..ASKED_PLACES).map(|_| AtomicU64::new(0)).collect(),
            key: RandomState::new(),
        }
    }
}

impl Stations {
    fn hash(&self, key: impl Hash) -> usize {
        self.key.hash_one(key) as usize
    }

    fn place(&self, interface: IfIndex, station: Mac) -> &AtomicU16 {
        &self.known[self.hash((interface, station)) % KNOWN_PLACES]
    }

    fn question(&self, interface: IfIndex, address: IpAddr) -> &AtomicU64 {
        &self.asked[self.hash((interface, address)) % ASKED_PLACES]
    }

    /// A neighbour has this station.
    pub(crate) fn learn(&self, interface: IfIndex, station: Mac) {
        let place = self.place(interface, station);
        let count = place.load(Ordering::Relaxed);
        place.store(count.saturating_add(1), Ordering::Relaxed);
    }

    /// A neighbour does not have it any more.
    pub(crate) fn forget(&self, interface: IfIndex, station: Mac) {
        let place = self.place(interface, station);
        let count = place.load(Ordering::Relaxed);
        if count < u16::MAX {
            place.store(count.saturating_sub(1), Ordering::Relaxed);
        }
    }

    /// Whether it is a neighbour's station.
    pub(crate) fn knows(&self, interface: IfIndex, station: Mac) -> bool {
        self.place(interface, station).load(Ordering::Relaxed) > 0
    }

    /// The host asks who has an address.
    pub(crate) fn ask(&self, interface: IfIndex, address: IpAddr, now: Time) {
        let due = now + ANSWER;
        self.question(interface, address)
            .store(due.0, Ordering::Relaxed);
    }

    /// Whether an answer from this address is awaited.
    pub(crate) fn awaits(&self, interface: IfIndex, address: IpAddr, now: Time) -> bool {
        self.question(interface, address).load(Ordering::Relaxed) > now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_are_known_while_a_neighbour_has_them() {
        let stations = Stations::default();
        let (one, two) = (IfIndex(1), IfIndex(2));
        let mac = [2, 0, 0, 0, 0, 9];
        assert!(!stations.knows(one, mac));
        stations.learn(one, mac);
        stations.learn(one, mac);
        assert!(stations.knows(one, mac) && !stations.knows(two, mac));
        stations.forget(one, mac);
        assert!(stations.knows(one, mac), "two neighbours had it");
        stations.forget(one, mac);
        stations.forget(one, mac);
        assert!(!stations.knows(one, mac));
    }

    #[test]
    fn answers_are_awaited_for_a_while() {
        let stations = Stations::default();
        let (at, now) = (IpAddr::from([192, 0, 2, 9]), Time(5_000_000));
        assert!(!stations.awaits(IfIndex(1), at, now));
        stations.ask(IfIndex(1), at, now);
        assert!(stations.awaits(IfIndex(1), at, Time(now.0 + 2_999_999)));
        assert!(!stations.awaits(IfIndex(2), at, now));
        assert!(!stations.awaits(IfIndex(1), at, Time(now.0 + 3_000_000)));
    }
}
