//! A gateway whose data plane stands still loses what its ports cannot hold, counts it at the port, and nothing else: a short halt
//! loses nothing, after a long one every missing packet stands in `show interfaces`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::sys::signal::Signal;
use ravelin_tests::blast::{Blast, BlastSpec, BlastTally};
use ravelin_tests::gateway::Gateway;
use ravelin_tests::pair::{HOSTS, Pair};
use ravelin_tests::wait::wait_until;
use std::net::SocketAddr;
use std::time::Duration;

/// The port towards the hosts.
const INNER_PORT: &str = "ge-0/0/1";
/// The port towards the other gateway.
const OUTER_PORT: &str = "ge-0/0/0";
/// Packets that such a port holds at least: what the product promises.
const PORT_HOLDS: u64 = 8_000;
const RATE_PPS: u32 = 20_000;
const TIME: Duration = Duration::from_secs(3);

/// Sends from left to right while the left gateway's data plane is halted until `waiting` packets are under way.
fn halted(pair: &Pair, gateway: &mut Gateway, waiting: u64, most_under_way: u64) -> BlastTally {
    let spec = BlastSpec {
        from: SocketAddr::new(HOSTS[0], 7001),
        to: SocketAddr::new(HOSTS[1], 7000),
        rate_pps: RATE_PPS,
        time: TIME,
        octets: 100,
        most_under_way,
    };
    let blast = Blast::start(&pair.hosts[0], &pair.hosts[1], spec).unwrap();
    wait_until("packets", Duration::from_secs(20), || {
        Ok((blast.received() > 1_000).then_some(()))
    })
    .unwrap();
    let planed = gateway.daemon("planed").unwrap();
    planed.signal(Signal::SIGSTOP);
    let outcome = wait_until("waiting packets", Duration::from_secs(20), || {
        Ok((blast.under_way() >= waiting).then_some(()))
    });
    planed.signal(Signal::SIGCONT);
    outcome.unwrap();
    blast.finish(Duration::from_secs(5)).unwrap()
}

#[test]
fn a_halted_data_plane_counts_what_it_loses() {
    let folder = ravelin_tests::artifacts("port_ring_losses_are_counted").unwrap();
    let pair = Pair::new().unwrap();
    let mut gateways = pair.start(&folder).unwrap();
    pair.wait_tunnel(&gateways).unwrap();
    let losses = |gateways: &[Gateway; 2]| gateways.each_ref().map(|g| g.losses().unwrap());
    let before = losses(&gateways);

    let short = halted(&pair, &mut gateways[0], PORT_HOLDS, PORT_HOLDS);
    assert_eq!(
        (short.received, short.duplicated),
        (short.sent, 0),
        "{short:?}"
    );
    assert_eq!(losses(&gateways), before);

    let long = halted(&pair, &mut gateways[0], 3 * PORT_HOLDS, u64::MAX);
    let lost = long.sent - long.received;
    let mut after = losses(&gateways);
    println!("{long:?}, {lost} lost; {after:?}");
    // What waited comes out at once: a second gateway that is busy may lose of that, at its outer port.
    let counted = [(0, INNER_PORT), (1, OUTER_PORT)].map(|(at, port)| {
        let count = after[at].insert(port.to_owned(), before[at][port]).unwrap();
        count - before[at][port]
    });
    assert_eq!(counted[0] + counted[1], lost, "{counted:?} {long:?}");
    assert!(counted[0] > PORT_HOLDS, "{counted:?} {long:?}");
    assert_eq!(after, before, "nothing else was lost");
}
