//! The path to the peer takes less than the link: routers say so, the gateway believes those that have seen a packet of the tunnel,
//! and tells the sources. What cannot be made smaller is fragmented outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::sa::DfBit;
use ravelin_dataplane::DropReason;
use ravelin_dataplane::link::Inject;
use ravelin_esp::{MemoryBuf, PacketBuf};
use ravelin_types::{PairId, UnitName};
use ravelin_wire::icmp::{self, IcmpError};
use ravelin_wire::ip;
use std::net::IpAddr;

/// A packet with DF from A's host of this length.
fn inner(v6: bool, octets: usize) -> Vec<u8> {
    let header = if v6 { 48 } else { 28 };
    let payload = vec![5; octets - header];
    packet(host(1, v6), host(2, v6), 64, true, (7, 8), &payload)
}

/// What a router in front of a link of `mtu_octets` says about a packet of A.
fn too_big(esp: &[u8], mtu_octets: u16) -> Vec<u8> {
    let meta = ip::parse(esp).unwrap();
    let router: IpAddr = addr(if meta.is_v6() {
        "2001:db8:ff::1"
    } else {
        "203.0.113.1"
    });
    let mut out = vec![0; icmp::MAX_OCTETS];
    let octets = icmp::emit(
        &mut out,
        IcmpError::TooBig { mtu_octets },
        router,
        &meta,
        esp,
    )
    .unwrap();
    out.truncate(octets);
    out
}

/// A's packet of this length as it left, in one or several parts.
fn leaves(net: &mut Net, v6: bool, octets: usize) -> Vec<Vec<u8>> {
    net.a.receive(TRUST, &inner(v6, octets));
    net.a.sent(UNTRUST)
}

/// The MTU that A told its host about a packet that did not leave.
fn told(net: &mut Net, v6: bool, octets: usize) -> u16 {
    assert!(leaves(net, v6, octets).is_empty(), "{octets} left");
    let answers = net.a.sent(TRUST);
    assert_eq!(answers.len(), 1, "{:?}", net.a.drops());
    let at = if v6 { 46 } else { 26 };
    assert_eq!(answers[0][at - 6], if v6 { 2 } else { 3 });
    u16::from_be_bytes([answers[0][at], answers[0][at + 1]])
}

fn learn(net: &mut Net, v6: bool, mtu_octets: u16) {
    let esp = leaves(net, v6, 1350).pop().unwrap();
    net.a.receive(UNTRUST, &too_big(&esp, mtu_octets));
    net.a.run();
}

#[test]
fn a_reported_path_mtu_is_told_to_the_sources_and_used_to_the_last_octet() {
    for outer_v6 in [false, true] {
        for nat in [false, true] {
            let mut net = Net::new(outer_v6, nat);
            learn(&mut net, false, 1280);
            let fits = told(&mut net, false, 1350);
            let parts = leaves(&mut net, false, usize::from(fits));
            assert_eq!(parts.len(), 1);
            assert!(
                (1277..=1280).contains(&parts[0].len()),
                "outer v6 {outer_v6} nat {nat}: {}",
                parts[0].len()
            );
            assert_eq!(told(&mut net, false, usize::from(fits) + 1), fits);
            // Without DF, the inner packet crosses in fragments that fit.
            let whole = packet(
                host(1, false),
                host(2, false),
                64,
                false,
                (7, 8),
                &[5; 1300],
            );
            net.a.receive(TRUST, &whole);
            let parts = net.a.sent(UNTRUST);
            assert_eq!(parts.len(), 2);
            assert!(parts.iter().all(|part| part.len() <= 1280));
        }
    }
}

#[test]
fn an_ipv6_packet_of_1280_octets_crosses_every_path() {
    for outer_v6 in [false, true] {
        for nat in [false, true] {
            let mut net = Net::new(outer_v6, nat);
            let mut set = pair(1, 2, outer_v6, nat);
            set.df_bit = DfBit::Set;
            net.a.install(&[set]);
            net.b.install(&[pair(2, 2, outer_v6, nat)]);
            learn(&mut net, true, 1280);
            assert_eq!(told(&mut net, true, 1281), 1280);
            for round in 0..2u8 {
                let parts = leaves(&mut net, true, 1280);
                assert_eq!(parts.len(), 2, "{:?}", net.a.drops());
                assert!(parts.iter().all(|part| part.len() <= 1280));
                let metas = [0, 1].map(|at| ip::parse(&parts[at]).unwrap());
                assert!(metas[0].dont_fragment == outer_v6, "the DF flag is gone");
                let [first, second] = metas.map(|meta| meta.fragment.unwrap());
                assert_eq!(
                    (first.more, second.more, first.id),
                    (true, false, second.id)
                );
                // In any order.
                let mut parts = parts;
                parts.rotate_left(usize::from(round));
                for part in &parts {
                    net.b.receive(UNTRUST, part);
                }
                let got = net.b.sent(TRUST);
                assert_eq!(got.len(), 1, "{:?}", net.b.drops());
                assert_eq!((got[0].len(), got[0][1279]), (1280, 5));
            }
        }
    }
}

#[test]
fn a_link_of_1280_octets_carries_ipv6_too() {
    for outer_v6 in [false, true] {
        let mut net = Net::new(outer_v6, false);
        let mut small = config(1);
        small.ports[0].mtu_octets = 1280;
        net.a.configure(2, &small);
        assert_eq!(told(&mut net, true, 1300), 1280);
        let parts = leaves(&mut net, true, 1280);
        assert_eq!(parts.len(), 2, "{:?}", net.a.drops());
        for part in &parts {
            assert!(part.len() <= 1280);
            net.b.receive(UNTRUST, part);
        }
        assert_eq!(net.b.sent(TRUST).len(), 1, "{:?}", net.b.drops());
        assert_eq!(net.a.drops(), vec![(DropReason::TooBig, 1)]);
    }
}

#[test]
fn who_has_not_seen_a_packet_of_the_tunnel_is_not_believed() {
    for outer_v6 in [false, true] {
        for nat in [false, true] {
            let mut net = Net::new(outer_v6, nat);
            let esp = leaves(&mut net, false, 1350).pop().unwrap();
            let spi_at = if outer_v6 { 40 } else { 20 } + if nat { 8 } else { 0 };
            let mut guessed = esp.clone();
            guessed[spi_at + 3] ^= 1;
            net.a.receive(UNTRUST, &too_big(&guessed, 1280));
            // About a packet to somebody else.
            let mut elsewhere = esp.clone();
            elsewhere[if outer_v6 { 39 } else { 19 }] ^= 8;
            if !outer_v6 {
                elsewhere[10..12].copy_from_slice(&[0, 0]);
                let sum = ravelin_wire::checksum::of(&elsewhere[..20]);
                elsewhere[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            net.a.receive(UNTRUST, &too_big(&elsewhere, 1280));
            net.a.run();
            assert_eq!(leaves(&mut net, false, 1350).len(), 1);
            // The host hears of all of them: its own packets take the same path.
            let mut punted = 0;
            while net.a.controller.shared().punt.pop().is_some() {
                punted += 1;
            }
            assert_eq!(punted, 2, "{:?}", net.a.drops());
        }
    }
}

#[test]
fn a_successor_inherits_the_path_and_ten_minutes_end_it() {
    let mut net = Net::new(false, true);
    learn(&mut net, false, 1280);
    let fits = told(&mut net, false, 1350);
    net.a.install(&[pair(1, 2, false, true)]);
    net.a
        .controller
        .remove(PairId(1), std::time::Duration::from_secs(5), net.a.now);
    net.a.advance(300);
    assert_eq!(net.a.controller.list().len(), 1);
    assert_eq!(told(&mut net, false, 1350), fits);
    net.a.advance(310);
    assert_eq!(leaves(&mut net, false, 1350).len(), 1, "wide again");
}

#[test]
fn a_peer_that_moved_has_another_path() {
    let mut net = Net::new(false, true);
    learn(&mut net, false, 1280);
    told(&mut net, false, 1350);
    let mut moved = pair(1, 1, false, true).outer;
    moved.udp = Some((4500, 1024));
    net.a.controller.relocate(PairId(1), moved);
    assert_eq!(leaves(&mut net, false, 1350).len(), 1);
}

#[test]
fn a_flood_of_reports_is_bounded() {
    let mut net = Net::new(false, false);
    let esp = leaves(&mut net, false, 1350).pop().unwrap();
    let mut guessed = esp.clone();
    guessed[23] ^= 1;
    for _ in 0..1000 {
        net.a.receive(UNTRUST, &too_big(&guessed, 1280));
    }
    for worker in &mut net.a.workers {
        for _ in 0..20 {
            worker.run_once(net.a.now);
        }
    }
    let waiting = net.a.controller.shared().links[0].events.len();
    assert!(waiting <= 100, "{waiting} reports wait");
    net.a.advance(1);
    net.a.receive(UNTRUST, &too_big(&esp, 1280));
    net.a.run();
    told(&mut net, false, 1350);
}

#[test]
fn the_host_is_told_about_its_own_packets_too() {
    for v6 in [false, true] {
        let mut net = Net::new(false, false);
        let tunnel = net.a.controller.index_of(&UnitName::new("st0", 0)).unwrap();
        let ours = addr(if v6 { "2001:db8:1::1" } else { "10.1.0.1" });
        let large = packet(ours, host(2, v6), 64, true, (7, 8), &[5; 1400]);
        let inject = Inject::Packet(tunnel, MemoryBuf::new(&large));
        let shared = net.a.controller.shared().clone();
        assert!(shared.links[0].injects.push(inject).is_ok());
        assert!(net.a.sent(UNTRUST).is_empty() && net.a.sent(TRUST).is_empty());
        assert_eq!(net.a.drops(), vec![(DropReason::TooBig, 1)]);
        let (_, told) = shared.punt.pop().unwrap();
        assert_eq!(told.interface, tunnel);
        let meta = ip::parse(told.buf.data()).unwrap();
        assert_eq!((meta.source, meta.destination), (host(2, v6), ours));
        let at = if v6 { 46 } else { 26 };
        let mtu = &told.buf.data()[at..at + 2];
        assert_eq!(mtu, 1400u16.to_be_bytes());
    }
}
