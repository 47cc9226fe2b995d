//! A full table of both families through the controller, against an oracle that knows nothing of tries; time and memory are printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use harness::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use ravelin_dataplane::control::RouteTarget;
use ravelin_dataplane::tables::{Fib, NextHop};
use ravelin_types::{Prefix, VrfId};

/// Of a hundred routes so many are of IPv6.
const V6_PERCENT: usize = 20;
/// Routes between two versions of the tables: what the kernel's dump brings in one round of planed's control thread.
const ROUTES_PER_VERSION: usize = 10_000;

/// What each prefix says, by family, length and value: the longest is found by trying all lengths.
#[derive(Default)]
struct Oracle {
    routes: HashMap<(bool, u8, u128), NextHop>,
}

fn bits(address: IpAddr) -> (bool, u8, u128) {
    match address {
        IpAddr::V4(v4) => (false, 32, v4.to_bits().into()),
        IpAddr::V6(v6) => (true, 128, v6.to_bits()),
    }
}

fn masked(value: u128, width: u8, length: u8) -> u128 {
    let rest = u32::from(width - length);
    value.checked_shr(rest).unwrap_or(0)
}

impl Oracle {
    fn set(&mut self, prefix: Prefix, next_hop: NextHop) -> bool {
        let (v6, width, value) = bits(prefix.addr());
        let key = (v6, prefix.len(), masked(value, width, prefix.len()));
        self.routes.insert(key, next_hop).is_none()
    }

    fn clear(&mut self, prefix: Prefix) {
        let (v6, width, value) = bits(prefix.addr());
        self.routes
            .remove(&(v6, prefix.len(), masked(value, width, prefix.len())));
    }

    fn lookup(&self, address: IpAddr) -> NextHop {
        let (v6, width, value) = bits(address);
        let at = |length| {
            let key = (v6, length, masked(value, width, length));
            self.routes.get(&key).copied()
        };
        (0..=width).rev().find_map(at).unwrap_or(NextHop::None)
    }
}

/// Lengths as in the Internet's tables: most are /24 and /48, some host routes.
fn prefix_of(random: &mut impl FnMut() -> u128, v6: bool) -> Prefix {
    let value = random();
    let pick = (random() % 100) as u8;
    if v6 {
        let length = match pick {
            0..50 => 48,
            50..65 => 32 + pick % 16,
            65..90 => 40 + pick % 9,
            90..97 => 56 + pick % 9,
            _ => 128,
        };
        let address = Ipv6Addr::from_bits(0x2 << 124 | value >> 4);
        return Prefix::new(address.into(), length).unwrap();
    }
    let length = match pick {
        0..60 => 24,
        60..90 => 16 + pick % 8,
        90..93 => 8 + pick % 8,
        93..97 => 25 + pick % 7,
        _ => 32,
    };
    // Unicast addresses besides those of the bench's own networks.
    let address = Ipv4Addr::from_bits(0x1000_0000 + (value as u32) % 0xa000_0000);
    Prefix::new(address.into(), length).unwrap()
}

fn resident_octets() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn a_hundred_thousand_routes_are_held_looked_up_and_taken_away() {
    hold(100_000);
}

#[test]
#[ignore = "soak: a minute without optimisation"]
fn a_million_routes_are_held_looked_up_and_taken_away() {
    hold(1_000_000);
}

/// Loads so many, looks them up, takes half of them away.
fn hold(count: usize) {
    let mut gateway = Gateway::new(1);
    let (untrust, trust) = (gateway.index(UNTRUST), gateway.index(TRUST));
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut random = move || {
        use proptest::prelude::RngCore;
        u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
    };
    let targets = [
        (
            RouteTarget::Units(vec![(untrust, None)]),
            NextHop::Glean(untrust),
        ),
        (
            RouteTarget::Units(vec![(trust, None)]),
            NextHop::Glean(trust),
        ),
        (RouteTarget::Blackhole, NextHop::Blackhole),
        (RouteTarget::Reject, NextHop::Reject),
    ];
    let mut oracle = Oracle::default();
    let mut prefixes = Vec::new();
    let mut wanted = Vec::new();
    while prefixes.len() < count {
        let v6 = prefixes.len() % 100 < V6_PERCENT;
        let prefix = prefix_of(&mut random, v6);
        let (target, next_hop) = &targets[(random() % 4) as usize];
        if oracle.set(prefix, *next_hop) {
            prefixes.push(prefix);
        }
        wanted.push((prefix, target.clone()));
    }
    let (before, start) = (resident_octets(), Instant::now());
    for (at, (prefix, target)) in wanted.into_iter().enumerate() {
        gateway
            .controller
            .set_route(VrfId::DEFAULT, prefix, Some(target));
        // A worker that stands still holds the first version meanwhile.
        if at % ROUTES_PER_VERSION == 0 {
            gateway.controller.publish();
        }
    }
    gateway.controller.publish();
    let (took, grown) = (start.elapsed(), resident_octets() - before);
    println!(
        "{} routes in {} ms, {} octets each",
        prefixes.len(),
        took.as_millis(),
        grown / count as u64
    );
    let check = |gateway: &Gateway, oracle: &Oracle, address: IpAddr| {
        let vrf = gateway.controller.tables().vrf(VrfId::DEFAULT).unwrap();
        assert_eq!(vrf.next_hop(address), oracle.lookup(address), "{address}");
    };
    for at in 0..count / 5 {
        let prefix = prefixes[(random() % prefixes.len() as u128) as usize];
        let address = match at % 3 {
            0 => prefix.addr(),
            1 => prefix.last(),
            _ => prefix_of(&mut random, at % 2 == 0).addr(),
        };
        check(&gateway, &oracle, address);
    }
    // Half of them go.
    for prefix in prefixes.iter().step_by(2) {
        oracle.clear(*prefix);
        gateway.controller.set_route(VrfId::DEFAULT, *prefix, None);
    }
    for prefix in prefixes.iter().step_by(7) {
        check(&gateway, &oracle, prefix.addr());
    }
}
