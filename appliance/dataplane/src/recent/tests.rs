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
