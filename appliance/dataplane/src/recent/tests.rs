use ravelin_types::Prefix;

use super::*;
use crate::tables::{AdjIndex, Vrf};

fn tables(version: u64, routes: &[(&str, u32)]) -> Tables {
    let mut vrf = Vrf::default();
    for (prefix, adjacency) in routes {
        let prefix: Prefix = prefix.parse().expect("a prefix");
        vrf.set(prefix, NextHop::Adjacency(AdjIndex(*adjacency)));
    }
    Tables {
        version,
        vrfs: vec![vrf, Vrf::default()],
        ..Tables::default()
    }
}

#[test]
fn says_what_the_tables_say_whatever_was_asked_before() {
    let first = tables(1, &[("10.0.0.0/8", 1), ("10.0.1.0/24", 2)]);
    let second = tables(2, &[("10.0.0.0/8", 3)]);
    let mut routes = RecentDestinations::new(64);
    for tables in [&first, &second, &first] {
        routes.follow(tables);
        for round in 0..3 {
            // Neighbours in the table of entries, and addresses that share one.
            for address in (0x0a00_00ff..0x0a00_0300).step_by(7).chain(0..9) {
                for vrf in [0, 1, 7].map(VrfId) {
                    let expected = Destination::of(tables, vrf, address);
                    assert_eq!(
                        routes.v4.find(tables, vrf, address),
                        expected,
                        "{address:x} of {vrf:?} in round {round}"
                    );
                }
            }
        }
    }
    assert_eq!(
        routes.v6.find(&first, VrfId(0), 1 << 127).next_hop,
        NextHop::None
    );
}

/// A table with as many sets as there are peers keeps them all, however their addresses were dealt out.
#[test]
fn addresses_in_a_row_find_room() {
    const PEERS: u32 = MAX_SETS as u32;
    let tables = tables(1, &[("0.0.0.0/0", 1)]);
    for apart in [1, 2, 4, 16, 256] {
        let v4 = |peer: u32| 0x0a00_0000 + peer * apart;
        let in_prefix = |peer: u32| 0x2001_0db8 << 96 | u128::from(peer * apart);
        let by_prefix = |peer: u32| 0x2001_0db8 << 96 | u128::from(peer * apart) << 64 | 1;
        let forgotten = [
            forgotten(&tables, (0..PEERS).map(v4)),
            forgotten(&tables, (0..PEERS).map(in_prefix)),
            forgotten(&tables, (0..PEERS).map(by_prefix)),
        ];
        for forgotten in forgotten {
            assert!(
                forgotten < PEERS as usize / 100,
                "{forgotten}, {apart} apart"
            );
        }
    }
}

/// How many of these addresses must be looked up again and again.
fn forgotten<A: Address>(tables: &Tables, addresses: impl Iterator<Item = A> + Clone) -> usize {
    let mut recent = Recent::new(MAX_SETS);
    let mut round = || {
        let before = recent.looked_up;
        for address in addresses.clone() {
            recent.find(tables, VrfId(0), address);
        }
        recent.looked_up.wrapping_sub(before)
    };
    (0..4).map(|_| round()).last().unwrap_or_default()
}
