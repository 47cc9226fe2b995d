//! The flight recorder tells of each packet of its tunnel what became of it, at which stage and why, and nothing of other tunnels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::flight::FlightChoice;
use ravelin_dataplane::DropReason;
use ravelin_dataplane::watch::Watch;
use ravelin_dataplane::watch::recorder::{Done, Note, Recorder};
use ravelin_types::{PairId, TrafficSelector};
use std::sync::Arc;
use std::time::Duration;

fn arm(gateway: &mut Gateway, choice: FlightChoice) -> Arc<Recorder> {
    let (selection, _) = gateway.controller.selection(choice).unwrap();
    let recorder = Arc::new(Recorder::new(selection, gateway.workers.len()));
    gateway.controller.set_watch(Some(Watch {
        recorder: Some(Arc::clone(&recorder)),
        ..Watch::default()
    }));
    gateway.run();
    recorder
}

fn told(recorder: &Recorder) -> Vec<(&'static str, Done)> {
    recorder.take().map(|n| (n.stage, n.done)).collect()
}

#[test]
fn a_packets_way_is_told_with_its_numbers() {
    for nat in [false, true] {
        let mut net = Net::new(false, nat);
        let a = arm(&mut net.a, FlightChoice::Pair(PairId(1)));
        let b = arm(&mut net.b, FlightChoice::Peer(outer(1, false)));
        let packet = udp(host(1, false), host(2, false), (11, 12), &[1; 30]);
        net.a.receive(TRUST, &packet);
        net.cable();
        net.b.run();
        let sent: Vec<Note> = a.take().collect();
        let received: Vec<Note> = b.take().collect();
        let shape = |notes: &[Note]| -> Vec<_> {
            notes
                .iter()
                .map(|n| (n.stage, n.done, n.interface))
                .collect()
        };
        let tunnel = |g: &Gateway| {
            let name = ravelin_types::UnitName::new("st0", 0);
            g.controller.index_of(&name).unwrap()
        };
        assert_eq!(
            shape(&sent),
            [
                ("esp_output", Done::Encrypted, tunnel(&net.a)),
                ("egress", Done::Sent, net.a.index(UNTRUST))
            ]
        );
        assert_eq!(
            shape(&received),
            [
                ("crypto", Done::Decrypted, tunnel(&net.b)),
                ("egress", Done::Sent, net.b.index(TRUST))
            ]
        );
        let inner = ((host(1, false), Some(11)), (host(2, false), Some(12)));
        for note in [&sent[0], &received[0], &received[1]] {
            assert_eq!((note.source, note.destination), inner);
            assert_eq!((note.octets, note.protocol), (packet.len() as u32, 17));
        }
        let port = nat.then_some(4500);
        assert_eq!(sent[1].source, (outer(1, false), port));
        assert_eq!(sent[1].destination, (outer(2, false), port));
        let numbers = [&sent[0], &sent[1], &received[0]].map(|n| {
            let esp = n.esp.unwrap();
            (esp.spi, esp.sequence)
        });
        assert_eq!(numbers, [(pair(1, 1, false, nat).outbound.spi, 1); 3]);
    }
}

#[test]
fn each_discard_is_told_with_stage_and_reason() {
    let mut net = Net::new(false, false);
    let packet = udp(host(1, false), host(2, false), (1, 2), &[1; 30]);
    net.a.receive(TRUST, &packet);
    let esp = net.cable().pop().unwrap();
    net.b.sent(TRUST);
    let recorder = arm(&mut net.b, FlightChoice::Pair(PairId(1)));
    let dropped = |net: &mut Net, packet: &[u8]| {
        net.b.receive(UNTRUST, packet);
        net.b.run();
        let mut told = told(&recorder);
        assert_eq!(told.len(), 1, "{told:?}");
        told.pop().unwrap()
    };
    let replay = dropped(&mut net, &esp);
    assert_eq!(
        replay,
        ("esp_input", Done::Dropped(DropReason::ReplayDuplicate))
    );
    let mut forged = esp.clone();
    forged[24..28].copy_from_slice(&9u32.to_be_bytes());
    let forged = dropped(&mut net, &forged);
    assert_eq!(forged, ("crypto", Done::Dropped(DropReason::AuthFailed)));
    let mut unknown = esp.clone();
    unknown[20..24].copy_from_slice(&0x0000_3001u32.to_be_bytes());
    let unknown = dropped(&mut net, &unknown);
    assert_eq!(
        unknown,
        ("esp_input", Done::Dropped(DropReason::UnknownSpi))
    );
    let mut broken = esp.clone();
    broken[8] ^= 1;
    net.b.receive(UNTRUST, &broken);
    net.b.run();
    assert_eq!(told(&recorder), [], "its addresses are not to be believed");

    // Without its SA the packet is still known by its selectors.
    net.b
        .controller
        .remove(PairId(1), Duration::ZERO, net.b.now);
    net.b.run();
    let back = udp(host(2, false), host(1, false), (2, 1), &[1; 30]);
    net.b.receive(TRUST, &back);
    net.b.run();
    let notes: Vec<Note> = recorder.take().collect();
    let [note] = notes.as_slice() else {
        panic!("{notes:?}");
    };
    assert_eq!(
        (note.stage, note.done),
        ("esp_output", Done::Dropped(DropReason::NoSa))
    );
    assert_eq!(
        (note.source, note.destination),
        ((host(2, false), Some(2)), (host(1, false), Some(1)))
    );
}

#[test]
fn an_inner_packet_outside_its_selectors_is_told_once() {
    let mut net = Net::new(false, false);
    let mut narrow = pair(2, 1, false, false);
    narrow.remote_ts = vec![TrafficSelector::from_prefix(prefix("10.1.0.128/25"))];
    net.b
        .controller
        .remove(PairId(1), Duration::ZERO, net.b.now);
    net.b.install(&[narrow]);
    let recorder = arm(&mut net.b, FlightChoice::Pair(PairId(1)));
    net.a.receive(
        TRUST,
        &udp(host(1, false), host(2, false), (1, 2), &[1; 30]),
    );
    net.cable();
    let notes: Vec<Note> = recorder.take().collect();
    let [note] = notes.as_slice() else {
        panic!("{notes:?}");
    };
    let expected = ("crypto", Done::Dropped(DropReason::SelectorMismatch));
    assert_eq!((note.stage, note.done), expected);
    assert_eq!(note.esp.unwrap().pair, Some(PairId(1)));
    assert_eq!(note.source.0, host(1, false));
}

#[test]
fn a_successor_is_followed_and_strangers_are_not_told() {
    let mut net = Net::new(false, false);
    let recorder = arm(&mut net.a, FlightChoice::Pair(PairId(1)));
    for gateway in [&mut net.a, &mut net.b] {
        let now = gateway.now;
        let successor = pair(gateway.n, 2, false, false);
        gateway.install(&[successor]);
        gateway.controller.remove(PairId(1), Duration::ZERO, now);
        gateway.run();
    }
    net.a.receive(
        TRUST,
        &udp(host(1, false), host(2, false), (1, 2), &[1; 30]),
    );
    assert_eq!(net.cable().len(), 1);
    let notes: Vec<Note> = recorder.take().collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert_eq!(notes[0].esp.unwrap().pair, Some(PairId(2)));

    // To the host, from somebody else, and to nowhere.
    let elsewhere = addr("203.0.113.9");
    net.a
        .receive(UNTRUST, &udp(elsewhere, outer(1, false), (1, 2), &[1; 30]));
    net.a
        .receive(TRUST, &udp(host(1, false), elsewhere, (1, 2), &[1; 30]));
    net.a.run();
    assert!(net.a.drop_count(DropReason::NoRoute) > 0);
    assert_eq!(told(&recorder), []);
    assert!(
        net.a
            .controller
            .selection(FlightChoice::Pair(PairId(77)))
            .is_none()
    );
    assert!(
        net.a
            .controller
            .selection(FlightChoice::Peer(elsewhere))
            .is_none()
    );
}
