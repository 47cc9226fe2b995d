//! What a capture sees of packets on their way between two gateways: inner and outer ones say the same of the ESP that joins them, and
//! watching changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::capture::{EspLink, Filter};
use ravelin_dataplane::laps::{EVERY, Stage};
use ravelin_dataplane::watch::Watch;
use ravelin_dataplane::watch::capture::{Capture, Tap};
use ravelin_types::{PairId, Time, UnitName};
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Debug)]
struct Seen {
    time: Time,
    tap: u16,
    outbound: bool,
    esp: Option<EspLink>,
    data: Vec<u8>,
}

/// Listens to untrust (0), trust (1) and the tunnel (2).
fn listen(gateway: &mut Gateway) -> Arc<Capture> {
    let tunnel = gateway.controller.index_of(&UnitName::new("st0", 0));
    let taps = [
        Tap::Port(UNTRUST, None),
        Tap::Port(TRUST, None),
        Tap::Tunnel(tunnel.unwrap()),
    ];
    let workers = gateway.workers.len();
    let capture = Arc::new(Capture::new(&taps, Filter::default(), 9_216, workers));
    gateway.controller.set_watch(Some(Watch {
        captures: vec![Arc::clone(&capture)],
        ..Watch::default()
    }));
    gateway.run();
    capture
}

fn seen(capture: &Capture) -> Vec<Seen> {
    let mut seen = Vec::new();
    capture.take(usize::MAX, |r| {
        seen.push(Seen {
            time: r.time,
            tap: r.tap,
            outbound: r.outbound,
            esp: r.esp,
            data: r.data.clone(),
        });
    });
    seen
}

/// The tap and direction of each, in order.
fn way(seen: &[Seen]) -> Vec<(u16, bool)> {
    seen.iter().map(|s| (s.tap, s.outbound)).collect()
}

#[test]
fn inner_and_outer_packets_are_joined_by_spi_and_sequence() {
    for (outer_v6, nat) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut net = Net::new(outer_v6, nat);
        let (a, b) = (listen(&mut net.a), listen(&mut net.b));
        for number in 0..3 {
            let packet = udp(host(1, false), host(2, false), (1, 2), &[number; 30]);
            net.a.receive(TRUST, &packet);
            net.cable();
            assert_eq!(net.b.sent(TRUST).len(), 1);
            let (sent, received) = (seen(&a), seen(&b));
            assert_eq!(way(&sent), [(1, false), (2, true), (0, true)]);
            assert_eq!(way(&received), [(0, false), (2, false), (1, true)]);
            // The TTL went down on the way into the tunnel.
            assert_eq!(sent[1].data[20..], packet[20..]);
            assert_eq!(received[1].data[20..], packet[20..]);
            assert_eq!(sent[2].data[14..], received[0].data[14..]);
            let links = [&sent[1], &sent[2], &received[0], &received[1]].map(|s| s.esp.unwrap());
            let joined: HashSet<_> = links.iter().map(|l| (l.spi, l.sequence)).collect();
            assert_eq!(joined.len(), 1, "{links:?}");
            assert_eq!(links[0].sequence, u32::from(number) + 1);
            let spi = pair(1, 1, outer_v6, nat).outbound.spi;
            assert_eq!(links[0].spi, spi);
            assert_eq!(
                (links[0].pair, links[3].pair),
                (Some(PairId(1)), Some(PairId(1)))
            );
            assert!(sent.iter().all(|s| s.time <= net.a.now));

            let named = |gateway: &Gateway, mut link: EspLink, peer| {
                gateway.controller.name_pairs(&mut [(&mut link, peer)]);
                link.pair
            };
            let (left, came) = (links[1], links[2]);
            let peer = Some(outer(2, outer_v6));
            let stranger = Some(outer(1, outer_v6));
            assert_eq!((left.pair, came.pair), (None, None));
            assert_eq!(named(&net.a, left, peer), Some(PairId(1)));
            assert_eq!(named(&net.a, left, stranger), None);
            assert_eq!(named(&net.a, left, None), None, "not an SPI of ours");
            assert_eq!(named(&net.b, came, None), Some(PairId(1)));
        }
    }
}

#[test]
fn a_frame_that_waits_for_its_port_is_seen_once() {
    let mut net = Net::new(false, false);
    let capture = listen(&mut net.a);
    net.a.ports[0][usize::from(UNTRUST)].stall(true);
    for number in 0..5 {
        let packet = udp(host(1, false), host(2, false), (1, 2), &[number; 30]);
        net.a.receive(TRUST, &packet);
        net.a.run();
    }
    net.a.ports[0][usize::from(UNTRUST)].stall(false);
    assert_eq!(net.a.sent(UNTRUST).len(), 5);
    let left = seen(&capture).iter().filter(|s| s.tap == 0).count();
    assert_eq!(left, 5);
}

#[test]
fn measured_runs_tell_which_stages_packets_passed() {
    let mut net = Net::new(false, false);
    let passed = |gateway: &Gateway| -> Vec<Stage> {
        let counters = gateway.workers[0].counters();
        let stages = Stage::ALL.iter().copied();
        stages
            .filter(|s| counters.stage(*s).packets.get() > 0)
            .collect()
    };
    // More runs with packets than one in EVERY is measured.
    for number in 0..3 * EVERY {
        let packet = udp(host(1, false), host(2, false), (1, 2), &[number as u8; 30]);
        net.a.receive(TRUST, &packet);
        net.a.run();
        net.cable();
        net.b.run();
    }
    let sends = [
        Stage::Receive,
        Stage::Ethernet,
        Stage::EspOutput,
        Stage::Transmit,
    ];
    assert_eq!(passed(&net.a), sends);
    let counters = net.a.workers[0].counters();
    assert_eq!(counters.packets.get(), u64::from(3 * EVERY));
    assert_eq!(counters.stage(Stage::EspOutput).packets.get(), 3);
    for stage in Stage::ALL {
        let told = counters.stage(*stage);
        assert!(
            told.packets.get() == 0 || told.cycles.get() > 0,
            "{stage:?}"
        );
    }
    let receives = [Stage::Ethernet, Stage::EspInput];
    assert!(receives.iter().all(|stage| passed(&net.b).contains(stage)));
}

#[test]
fn nothing_is_seen_any_more_when_the_watch_ends() {
    let mut net = Net::new(false, false);
    let capture = listen(&mut net.a);
    net.a.controller.set_watch(None);
    net.a.run();
    let packet = udp(host(1, false), host(2, false), (1, 2), &[1; 30]);
    net.a.receive(TRUST, &packet);
    assert_eq!(net.cable().len(), 1);
    assert!(seen(&capture).is_empty());
    assert_eq!(Arc::strong_count(&capture), 1, "the tables let go of it");
}
