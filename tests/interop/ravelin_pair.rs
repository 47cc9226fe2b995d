//! Two Ravelin gateways face each other without a NAT between them: native ESP, IP protocol 50, in both directions.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::frame::Kind;
use ravelin_tests::pair::{GATEWAYS, HOSTS, JUMBO_OCTETS, Pair};
use ravelin_tests::traffic::{Stream, StreamSpec, ping, tcp};
use std::time::Duration;

#[test]
fn native_esp_between_two_gateways() {
    let folder = ravelin_tests::artifacts("ravelin_pair").unwrap();
    let pair = Pair::new().unwrap();
    let [left, right] = &pair.hosts;
    let outer = Capture::start(&pair.middle, "ma", &folder, "outer").unwrap();
    let clear = Capture::start(left, "eth0", &folder, "clear").unwrap();
    let gateways = pair.start(&folder).unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    let ours = gateways[0]
        .cli("show security ipsec security-associations detail")
        .unwrap();
    assert!(ours.contains("Extended-Sequence-Number: Enabled"), "{ours}");

    let [from, to] = HOSTS;
    let spec = |from, to| StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: 2000,
        count: 4000,
        octets: 400,
    };
    let up = Stream::start(left, right, spec(from, to)).unwrap();
    let down = Stream::start(right, left, spec(to, from)).unwrap();
    for tally in [
        up.finish(Duration::from_secs(1)).unwrap(),
        down.finish(Duration::from_secs(1)).unwrap(),
    ] {
        assert_eq!(
            (tally.received, tally.duplicated),
            (tally.sent, 0),
            "{tally:?}"
        );
    }
    assert_eq!(
        tcp(left, right, (to, 5000).into(), 1 << 20).unwrap(),
        1 << 20
    );

    Capture::wait_quiet(&[&outer, &clear]).unwrap();
    let (outer, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    let kinds = outer.kinds();
    assert_eq!(
        (kinds.get(&Kind::EspInUdp), kinds.get(&Kind::Cleartext)),
        (None, None),
        "{kinds:?}"
    );
    // From the left host's link, "uplink" is what the right host sent.
    let tunnels = [(GATEWAYS[1], GATEWAYS[0])];
    let directions = account::directions(&outer, &clear, &tunnels, &[to]);
    assert!(account::faults(&directions).is_empty(), "{directions:?}");
    for gateway in GATEWAYS {
        assert_eq!(outer.repeated_nonces(gateway), vec![]);
    }
}

#[test]
fn jumbo_packets_cross_in_one_piece() {
    const PINGS: u32 = 5;
    const TRANSFER_OCTETS: u64 = 4 << 20;
    let folder = ravelin_tests::artifacts("ravelin_pair_jumbo").unwrap();
    let pair = Pair::new().unwrap();
    let [left, right] = &pair.hosts;
    let gateways = pair.start_jumbo(&folder).unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    // Captures keep what the link takes when they start.
    let outer = Capture::start(&pair.middle, "ma", &folder, "outer").unwrap();
    for (from, source, to) in [(left, HOSTS[0], HOSTS[1]), (right, HOSTS[1], HOSTS[0])] {
        let payload = u32::from(JUMBO_OCTETS) - 28;
        assert_eq!(ping(from, source, to, PINGS, payload).unwrap(), PINGS);
        let (source, sink) = if to == HOSTS[1] {
            (left, right)
        } else {
            (right, left)
        };
        let moved = tcp(source, sink, (to, 5000).into(), TRANSFER_OCTETS);
        assert_eq!(moved.unwrap(), TRANSFER_OCTETS);
    }
    let trace = outer.finish().unwrap();
    assert!(!trace.frames().any(|frame| frame.later_fragment), "cut");
    let longest = trace.frames().map(|frame| frame.payload.len()).max();
    assert!(longest > Some(usize::from(JUMBO_OCTETS)), "{longest:?}");
    for gateway in &gateways {
        for reason in ["segmented", "truncated", "no-room", "too-big"] {
            assert_eq!(gateway.drops(reason).unwrap(), 0, "{reason}");
        }
    }
}
