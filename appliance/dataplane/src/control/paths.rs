//! Paths to the peers: the MTU that routers on the way reported (RFC 4301 section 8.2, RFC 1191, RFC 8201).
//!
//! A path is a pair of outer addresses with their ports. It lives as long as a pair uses it, so that a rekeyed pair starts with
//! what its predecessor learned. A report counts only if its quotation names addresses, ports and SPI of an outbound SA; it can
//! only lower the MTU, not below the floor, and is forgotten after a while, so that a path that has become wider is found again.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ravelin_ctl::sa::Outer;
use ravelin_types::{PairId, Spi, Time};

use super::Controller;
use crate::few::Few;
use crate::link::Command;
use crate::platform::Platform;

/// Smallest path MTU that is believed over IPv4: what every host must take (RFC 791).
pub const MIN_PATH_MTU_OCTETS: u16 = 576;
/// Smallest over IPv6 (RFC 8200 section 5).
const MIN_PATH_MTU_V6_OCTETS: u16 = ravelin_wire::ip::IPV6_MIN_MTU_OCTETS as u16;
/// How long a reported MTU holds (RFC 1191 section 6.3 and RFC 8201 section 5.3 recommend ten minutes).
pub const PATH_MTU_LIFE: Duration = Duration::from_secs(600);
/// How often reported MTUs are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// What links carry, for routers that do not say (RFC 1191 section 7.1).
const PLATEAUS: [u16; 6] = [17_914, 8_166, 4_352, 2_002, 1_492, 1_006];

/// A worker's report that a packet of ours was too big for its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// Outer addresses and ports of the packet.
    pub outer: Outer,
    /// Its SPI.
    pub spi: Spi,
    /// MTU in octets that was reported, 0 for none.
    pub mtu_octets: u16,
    /// Octets of the packet.
    pub packet_octets: u16,
}

/// The paths in use, at most one per pair.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Who uses each, by outbound SPI.
    users: HashMap<Outer, Few<(Spi, PairId)>>,
    /// What was reported of some, and until when it counts.
    learned: HashMap<Outer, (u16, Time)>,
    /// These in the order in which they are forgotten.
    ends: BTreeSet<(Time, PathKey)>,
    next_look: Time,
}

/// A path in the order of its addresses.
type PathKey = (u16, std::net::IpAddr, std::net::IpAddr, Option<(u16, u16)>);

fn key(outer: &Outer) -> PathKey {
    (outer.vrf.0, outer.local, outer.remote, outer.udp)
}

fn outer((vrf, local, remote, udp): PathKey) -> Outer {
    Outer {
        vrf: ravelin_types::VrfId(vrf),
        local,
        remote,
        udp,
    }
}

/// The MTU to believe: within the floor, and the next plateau when the router does not say.
fn usable(report: &PathReport) -> u16 {
    let floor = if report.outer.remote.is_ipv6() {
        MIN_PATH_MTU_V6_OCTETS
    } else {
        MIN_PATH_MTU_OCTETS
    };
    let below = || PLATEAUS.into_iter().find(|mtu| *mtu < report.packet_octets);
    match report.mtu_octets {
        0 => below().unwrap_or(floor),
        mtu => mtu,
    }
    .max(floor)
}

impl Paths {
    /// The MTU reported for a path.
    pub(super) fn mtu(&self, outer: &Outer) -> Option<u16> {
        self.learned.get(outer).map(|(mtu, _)| *mtu)
    }

    pub(super) fn enter(&mut self, outer: Outer, spi: Spi, pair: PairId) {
        self.users.entry(outer).or_default().push((spi, pair));
    }

    pub(super) fn leave(&mut self, outer: &Outer, pair: PairId) {
        let Some(users) = self.users.get_mut(outer) else {
            return;
        };
        users.retain(|(_, other)| *other != pair);
        if users.as_slice().is_empty() {
            self.users.remove(outer);
            if let Some((_, until)) = self.learned.remove(outer) {
                self.ends.remove(&(until, key(outer)));
            }
        }
    }

    /// Takes in a report; true when the path's MTU became smaller.
    fn report(&mut self, report: &PathReport, now: Time) -> bool {
        let outer = &report.outer;
        if !self.pairs(outer).iter().any(|(spi, _)| *spi == report.spi) {
            return false;
        }
        let (mtu, known) = (usable(report), self.learned.get(outer).copied());
        if known.is_some_and(|(known, _)| known < mtu) {
            return false;
        }
        if let Some((_, until)) = known {
            self.ends.remove(&(until, key(outer)));
        }
        let until = now + PATH_MTU_LIFE;
        self.learned.insert(*outer, (mtu, until));
        self.ends.insert((until, key(outer)));
        known.is_none_or(|(known, _)| mtu < known)
    }

    /// Forgets one MTU whose time is over; the path it was of.
    fn expire(&mut self, now: Time) -> Option<Outer> {
        let (until, at) = *self.ends.first()?;
        if until > now {
            return None;
        }
        self.ends.pop_first();
        let outer = outer(at);
        self.learned.remove(&outer);
        Some(outer)
    }

    fn pairs(&self, outer: &Outer) -> &[(Spi, PairId)] {
        self.users.get(outer).map_or(&[], Few::as_slice)
    }
}

impl<P: Platform> Controller<P> {
    pub(super) fn path_report(&mut self, report: &PathReport, now: Time) {
        if self.paths.report(report, now) {
            let mtu_octets = self.paths.mtu(&report.outer);
            log::info!(
                "path to {}: MTU {} octets, reported for SPI {:#010x}",
                report.outer.remote,
                mtu_octets.unwrap_or_default(),
                report.spi.0
            );
            self.path_changed(&report.outer);
        }
    }

    pub(super) fn expire_paths(&mut self, now: Time) {
        if now < self.paths.next_look {
            return;
        }
        self.paths.next_look = now + LOOK;
        while let Some(outer) = self.paths.expire(now) {
            self.path_changed(&outer);
        }
    }

    fn path_changed(&mut self, outer: &Outer) {
        for (_, pair) in self.paths.pairs(outer).to_vec() {
            self.tell_path(pair, outer);
        }
    }

    /// Tells the owner of a pair what its path takes.
    pub(super) fn tell_path(&mut self, pair: PairId, outer: &Outer) {
        let mtu_octets = self.paths.mtu(outer);
        if let Some((slot, owner)) = self.pairs.place(pair) {
            self.command(owner, Command::PathMtu { slot, mtu_octets });
        }
    }
}

#[cfg(test)]
mod tests;
