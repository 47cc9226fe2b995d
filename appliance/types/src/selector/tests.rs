//! Selector intersection and the split into prefixes.

use super::*;

fn ts(first: &str, last: &str) -> TrafficSelector {
    TrafficSelector {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        protocol: 0,
        port_first: 0,
        port_last: 65535,
    }
}

#[test]
fn any_is_one_prefix() {
    assert_eq!(TrafficSelector::any(false).to_string(), "0.0.0.0/0");
    assert_eq!(TrafficSelector::any(true).to_string(), "::/0");
}

#[test]
fn range_splits_exactly() {
    let p: Vec<_> = ts("10.0.0.1", "10.0.0.6")
        .prefixes()
        .iter()
        .map(Prefix::to_string)
        .collect();
    assert_eq!(
        p,
        ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]
    );
    assert_eq!(ts("0.0.0.1", "255.255.255.255").prefixes().len(), 32);
    assert_eq!(
        ts("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
            .prefixes()
            .len(),
        128
    );
    assert_eq!(
        ts("255.255.255.255", "255.255.255.255").to_string(),
        "255.255.255.255/32"
    );
}

#[test]
fn every_split_covers_its_range_and_nothing_else() {
    for (a, b) in [(0u32, 9), (7, 300), (255, 256), (1000, 70000)] {
        let range = ts(
            &Ipv4Addr::from(a).to_string(),
            &Ipv4Addr::from(b).to_string(),
        );
        let total: u64 = range
            .prefixes()
            .iter()
            .map(|p| 1u64 << (32 - p.len()))
            .sum();
        assert_eq!(total, u64::from(b - a) + 1);
        assert!(
            range
                .prefixes()
                .iter()
                .all(|p| range.covers(&TrafficSelector::from_prefix(*p)))
        );
    }
}

#[test]
fn intersection() {
    let a = ts("10.0.0.0", "10.0.0.255");
    let udp = TrafficSelector {
        protocol: 17,
        port_first: 500,
        port_last: 500,
        ..ts("10.0.0.9", "10.0.1.9")
    };
    let both = a.intersect(&udp).unwrap();
    assert_eq!(both.to_string(), "10.0.0.9-10.0.0.255[17/500]");
    assert!(a.covers(&both) && udp.covers(&both) && !both.covers(&a));
    assert_eq!(
        a.intersect(&TrafficSelector { protocol: 6, ..udp })
            .unwrap()
            .protocol,
        6
    );
    assert_eq!(udp.intersect(&TrafficSelector { protocol: 6, ..udp }), None);
    assert_eq!(a.intersect(&TrafficSelector::any(true)), None);
    assert!(both.matches("10.0.0.9".parse().unwrap(), 17, 500));
    assert!(!both.matches("10.0.0.9".parse().unwrap(), 17, 501));
}
