//! TTL, MTU, fragments, neighbours, the host path: each packet ends where it should, under one reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_dataplane::DropReason;
use ravelin_dataplane::control::Notice;
use ravelin_dataplane::link::Inject;
use ravelin_dataplane::punt::PuntClass;
use ravelin_esp::{MemoryBuf, PacketBuf};
use ravelin_types::UnitName;
use ravelin_wire::{ethernet, ip};

#[test]
fn ttl_one_is_answered() {
    for v6 in [false, true] {
        let mut net = Net::new(false, false);
        net.a.receive(
            TRUST,
            &packet(host(1, v6), host(2, v6), 1, false, (7, 8), b"x"),
        );
        let answers = net.a.sent(TRUST);
        assert_eq!(answers.len(), 1, "{:?}", net.a.drops());
        let meta = ip::parse(&answers[0]).unwrap();
        assert_eq!(meta.destination, host(1, v6));
        assert_eq!(meta.source_port >> 8, if v6 { 3 } else { 11 });
        assert_eq!(net.a.drop_count(DropReason::TtlExceeded), 1);
    }
}

#[test]
fn too_big_for_the_tunnel() {
    let mut net = Net::new(false, false);
    // st0.0 has 1,400: with DF an error comes back, without it two fragments cross.
    net.a.receive(
        TRUST,
        &packet(host(1, false), host(2, false), 64, true, (7, 8), &[1; 1400]),
    );
    let answers = net.a.sent(TRUST);
    assert_eq!(answers.len(), 1);
    assert_eq!(ip::parse(&answers[0]).unwrap().source_port, 0x0304);
    assert_eq!(u16::from_be_bytes([answers[0][26], answers[0][27]]), 1400);
    assert!(net.cable().is_empty());
    net.a.receive(
        TRUST,
        &packet(
            host(1, false),
            host(2, false),
            64,
            false,
            (7, 8),
            &[1; 1400],
        ),
    );
    assert_eq!(net.cable().len(), 2);
    let got = net.b.sent(TRUST);
    assert_eq!(got.len(), 2, "{:?}", net.b.drops());
    let [first, second] = [0, 1].map(|at| ip::parse(&got[at]).unwrap().fragment.unwrap());
    assert!(first.more && !second.more && second.offset_octets == 1376);
    net.a.receive(
        TRUST,
        &packet(host(1, true), host(2, true), 64, false, (7, 8), &[1; 1400]),
    );
    let answers = net.a.sent(TRUST);
    assert_eq!(answers[0][40], 2, "packet too big");
    assert_eq!(net.a.drop_count(DropReason::TooBig), 2);
}

#[test]
fn outer_fragments_are_joined_before_decryption() {
    let mut net = Net::new(false, false);
    net.a.receive(
        TRUST,
        &udp(host(1, false), host(2, false), (7, 8), &[9; 1000]),
    );
    let esp = net.a.sent(UNTRUST).pop().unwrap();
    let parts = fragments(&esp, 400);
    assert_eq!(parts.len(), 3);
    // Out of order, one of them twice.
    for at in [2, 0, 0, 1] {
        net.b.receive(UNTRUST, &parts[at]);
    }
    let got = net.b.sent(TRUST);
    assert_eq!(got.len(), 1, "{:?}", net.b.drops());
    assert_eq!(got[0].len(), 1028);
    assert_eq!(net.b.drops(), vec![(DropReason::FragmentOverlap, 1)]);
    // Overlapping ones are refused with all that came before.
    net.b.receive(UNTRUST, &parts[0]);
    let mut overlapping = parts[1].clone();
    let field = u16::from_be_bytes([overlapping[6], overlapping[7]]) - 1;
    overlapping[6..8].copy_from_slice(&field.to_be_bytes());
    refresh(&mut overlapping);
    net.b.receive(UNTRUST, &overlapping);
    net.b.run();
    assert_eq!(net.b.drop_count(DropReason::FragmentOverlap), 3);
    // Incomplete ones time out.
    net.b.receive(UNTRUST, &parts[0]);
    net.b.run();
    net.b.advance(16);
    assert_eq!(net.b.drop_count(DropReason::ReassemblyTimeout), 1);
}

#[test]
fn unresolved_neighbours_hold_four_packets() {
    let mut net = Net::new(false, false);
    let other = addr("10.2.0.77");
    for _ in 0..6 {
        net.a
            .receive(TRUST, &udp(host(1, false), other, (7, 8), b"x"));
    }
    net.cable();
    assert!(net.b.sent(TRUST).is_empty());
    assert_eq!(net.b.drop_count(DropReason::NeighbourQueueFull), 2);
    let wanted = net
        .b
        .notices
        .iter()
        .filter(|n| matches!(n, Notice::NeighbourWanted(_, address) if *address == other))
        .count();
    assert_eq!(wanted, 1);
    net.b.neighbour(TRUST, other, Some(mac(42)));
    assert_eq!(net.b.sent(TRUST).len(), 4);
    net.a
        .receive(TRUST, &udp(host(1, false), other, (7, 8), b"x"));
    net.cable();
    assert_eq!(net.b.sent(TRUST).len(), 1);
    // A neighbour that went away is asked for again; its packets time out.
    net.b.neighbour(TRUST, other, None);
    net.a
        .receive(TRUST, &udp(host(1, false), other, (7, 8), b"x"));
    net.cable();
    net.b.advance(4);
    assert_eq!(net.b.drop_count(DropReason::NeighbourUnresolved), 1);
}

fn punted(gateway: &Gateway) -> Vec<(PuntClass, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((class, packet)) = gateway.controller.shared().punt.pop() {
        all.push((class, packet.buf.data().to_vec()));
    }
    all
}

/// An ARP packet as station `station` sends it to gateway 1.
fn arp(operation: u8, station: u8, sender: &str, target: &str) -> Vec<u8> {
    let mut frame = vec![0u8; 14];
    let kind = ethernet::TYPE_ARP;
    ethernet::emit(
        &mut frame,
        [0xff; 6],
        mac(station),
        Default::default(),
        kind,
    )
    .unwrap();
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(mac(station));
    let octets = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
    frame.extend(octets(sender));
    frame.extend([0; 6]);
    frame.extend(octets(target));
    frame
}

#[test]
fn host_traffic_is_punted_by_class() {
    let mut a = Gateway::new(1);
    a.controller
        .local_address(ravelin_types::VrfId::DEFAULT, outer(1, false), true);
    let arp = arp(1, 2, "192.0.2.2", "192.0.2.1");
    let ike = |responder: u8, marker: usize| {
        let mut message = vec![0; marker + 28];
        message[marker + 15] = responder;
        message
    };
    let to_us = |ports, payload: &[u8]| udp(outer(2, false), outer(1, false), ports, payload);
    let near = |ports, ttl, payload: &[u8]| {
        packet(outer(2, false), outer(1, false), ttl, false, ports, payload)
    };
    a.receive(UNTRUST, &to_us((9, 9), b"other"));
    a.receive(UNTRUST, &to_us((500, 500), &ike(0, 0)));
    a.receive(UNTRUST, &to_us((4500, 4500), &ike(7, 4)));
    a.ports[0][0].push(&arp);
    a.receive(UNTRUST, &near((50000, 3784), 255, &[0; 24]));
    // From beyond a router: not what it says.
    a.receive(UNTRUST, &near((50000, 3784), 254, &[0; 24]));
    a.receive(UNTRUST, &to_us((50000, 4784), &[0; 24]));
    a.receive(UNTRUST, &to_us((4500, 4500), &[0xff]));
    a.run();
    let got = punted(&a);
    let classes: Vec<_> = got.iter().map(|(class, _)| *class).collect();
    use PuntClass::*;
    let expected = [Liveness, Liveness, Neighbour, Ike, IkeInit, Other, Other];
    assert_eq!(classes, expected);
    assert_eq!(got[2].1, arp);
    assert_eq!(got[5].1, frame(mac(1), mac(2), 0, &to_us((9, 9), b"other")));
    assert_eq!(a.drops(), vec![(DropReason::NatKeepalive, 1)]);
}

#[test]
fn arp_of_neighbours_is_told_from_that_of_strangers() {
    let mut a = Gateway::new(1);
    a.controller
        .local_address(ravelin_types::VrfId::DEFAULT, outer(1, false), true);
    a.run();
    let us = "192.0.2.1";
    let class = |a: &mut Gateway, frame: Vec<u8>| {
        a.ports[0][0].push(&frame);
        a.run();
        punted(a).first().map(|(class, _)| *class)
    };
    let (neighbour, stranger) = (Some(PuntClass::Neighbour), Some(PuntClass::Stranger));
    assert_eq!(class(&mut a, arp(1, 2, "192.0.2.2", us)), neighbour);
    assert_eq!(class(&mut a, arp(1, 77, "192.0.2.77", us)), stranger);
    assert_eq!(
        class(&mut a, arp(1, 77, "0.0.0.0", us)),
        stranger,
        "a probe"
    );
    // A neighbour's announcement may tell of a new station; nobody waits for a stranger's.
    assert_eq!(
        class(&mut a, arp(1, 78, "192.0.2.2", "192.0.2.2")),
        stranger
    );
    for foreign in [
        arp(1, 77, "192.0.2.77", "192.0.2.77"),
        arp(1, 77, "192.0.2.77", "192.0.2.9"),
        arp(1, 77, "203.0.113.7", us),
        arp(1, 77, us, us),
        arp(3, 77, "192.0.2.77", us),
    ] {
        assert_eq!(class(&mut a, foreign), None);
    }
    assert_eq!(a.drops(), vec![(DropReason::ArpForeign, 5)]);
    // An answer that the host waits for passes as a neighbour's.
    assert_eq!(class(&mut a, arp(2, 79, "192.0.2.79", us)), stranger);
    let question = arp(1, 1, us, "192.0.2.79");
    let untrust = a.index(UNTRUST);
    let asked = Inject::Frame(untrust, MemoryBuf::new(&question));
    assert!(a.controller.shared().links[0].injects.push(asked).is_ok());
    a.run();
    assert_eq!(class(&mut a, arp(2, 79, "192.0.2.79", us)), neighbour);
    a.advance(4);
    assert_eq!(class(&mut a, arp(2, 79, "192.0.2.79", us)), stranger);
}

#[test]
fn strangers_cannot_use_up_what_neighbours_need() {
    let mut a = Gateway::new(1);
    a.controller
        .local_address(ravelin_types::VrfId::DEFAULT, outer(1, false), true);
    a.run();
    let mut from_neighbours = 0;
    for round in 0..40 {
        for n in 0..50 {
            let sender = format!("192.0.2.{}", 100 + n);
            a.ports[0][0].push(&arp(1, 100 + n, &sender, "192.0.2.1"));
        }
        a.ports[0][0].push(&arp(1, 2, "192.0.2.2", "192.0.2.1"));
        a.run();
        let got = punted(&a);
        let of = |wanted| got.iter().filter(|(class, _)| *class == wanted).count();
        from_neighbours += of(PuntClass::Neighbour);
        assert!(of(PuntClass::Stranger) <= 50, "round {round}");
    }
    // A stranger may by chance share a neighbour's place among the stations, one in 65,536 for each: two of fifty hardly ever do.
    assert!([40, 80].contains(&from_neighbours), "{from_neighbours}");
    let refused = a.drop_count(DropReason::PuntStranger) + from_neighbours as u64 - 40;
    assert!((1_700..=1_744).contains(&refused), "{refused}");
    assert_eq!(a.drop_count(DropReason::PuntNeighbour), 0);
}

#[test]
fn neighbours_that_come_and_go_do_not_use_up_the_table() {
    // The table of this gateway has 64 places, some of them taken.
    let mut a = Gateway::new(1);
    let route = |a: &Gateway, address| {
        let tables = a.controller.tables();
        tables.next_hop(ravelin_types::VrfId::DEFAULT, address)
    };
    for round in 0..20u8 {
        for n in 0..20u8 {
            let address = addr(&format!("192.0.2.{}", 10 + (round % 10) * 20 + n));
            a.neighbour(UNTRUST, address, Some(mac(100 + n)));
            assert!(
                matches!(
                    route(&a, address),
                    ravelin_dataplane::tables::NextHop::Adjacency(_)
                ),
                "round {round}, neighbour {n}"
            );
            a.run();
            a.neighbour(UNTRUST, address, None);
        }
        a.advance(11);
    }
    // One that comes back at once keeps its place, and the others theirs.
    let back = addr("192.0.2.50");
    a.neighbour(UNTRUST, back, Some(mac(9)));
    let place = route(&a, back);
    a.neighbour(UNTRUST, back, None);
    a.advance(5);
    a.neighbour(UNTRUST, back, Some(mac(9)));
    assert_eq!(route(&a, back), place);
    a.advance(30);
    assert_eq!(route(&a, back), place);
    assert!(matches!(
        route(&a, outer(2, false)),
        ravelin_dataplane::tables::NextHop::Adjacency(_)
    ));
}

#[test]
fn tagged_frames_reach_the_host_without_tags() {
    let mut a = Gateway::new(1);
    let packet = udp(host(1, false), addr("10.1.0.1"), (9, 9), b"other");
    a.receive(TRUST, &packet);
    a.run();
    assert_eq!(punted(&a)[0].1, frame(mac(11), mac(21), 0, &packet));
    // And the host's frames leave with tags.
    let answer = frame(
        mac(21),
        mac(11),
        0,
        &udp(addr("10.1.0.1"), host(1, false), (9, 9), b"answer"),
    );
    let trust = a.index(TRUST);
    assert!(
        a.controller.shared().links[0]
            .injects
            .push(Inject::Frame(trust, MemoryBuf::new(&answer)))
            .is_ok()
    );
    assert_eq!(a.sent(TRUST).len(), 1);
}

#[test]
fn the_gateway_itself_speaks_through_the_tunnel() {
    let mut net = Net::new(false, false);
    // The host behind A talks to B's own inner address.
    net.a.receive(
        TRUST,
        &udp(host(1, false), addr("10.2.0.1"), (9, 9), b"hello"),
    );
    net.cable();
    let got = punted(&net.b);
    assert_eq!(got.len(), 1, "{:?}", net.b.drops());
    assert_eq!(got[0].1[0] >> 4, 4, "an IP packet for the TUN");
    let tunnel = net.b.controller.index_of(&UnitName::new("st0", 0)).unwrap();
    let answer = udp(addr("10.2.0.1"), host(1, false), (9, 9), b"answer");
    assert!(
        net.b.controller.shared().links[0]
            .injects
            .push(Inject::Packet(tunnel, MemoryBuf::new(&answer)))
            .is_ok()
    );
    net.cable();
    assert_eq!(net.a.sent(TRUST).len(), 1);
}

#[test]
fn frames_that_are_not_for_us() {
    let mut a = Gateway::new(1);
    let packet = udp(host(1, false), host(2, false), (9, 9), b"x");
    a.ports[0][0].push(&frame(mac(99), mac(2), 0, &packet));
    a.ports[0][0].push(&frame(mac(1), mac(2), 5, &packet));
    a.ports[0][0].push(&[0; 9]);
    a.ports[0][0].push(&[]);
    let mut bad = frame(mac(1), mac(2), 0, &packet);
    bad[24] ^= 1;
    a.ports[0][0].push(&bad);
    a.receive(
        UNTRUST,
        &udp(addr("127.0.0.1"), addr("198.51.100.1"), (9, 9), b"x"),
    );
    a.receive(
        UNTRUST,
        &udp(addr("239.1.1.1"), addr("198.51.100.1"), (9, 9), b"x"),
    );
    a.receive(
        UNTRUST,
        &udp(outer(2, false), addr("198.51.100.1"), (9, 9), b"x"),
    );
    a.receive(
        UNTRUST,
        &udp(outer(2, false), addr("239.1.1.1"), (9, 9), b"x"),
    );
    a.run();
    let mut got = a.drops();
    got.sort_by_key(|(reason, _)| *reason as u8);
    use DropReason::*;
    let wanted = [
        BadFrame,
        Segmented,
        NoUnit,
        NotOurMac,
        BadChecksum,
        Multicast,
        NoRoute,
    ];
    let mut wanted: Vec<_> = wanted.into_iter().map(|reason| (reason, 1)).collect();
    // From an address of the host itself, and from a group.
    wanted.push((Martian, 2));
    wanted.sort_by_key(|(reason, _)| *reason as u8);
    assert_eq!(got, wanted);
    assert!(punted(&a).is_empty());
}

#[test]
fn a_port_that_takes_nothing_holds_a_bounded_backlog() {
    let mut a = Gateway::new(1);
    a.ports[0][1].stall(true);
    for _ in 0..10 {
        for _ in 0..64 {
            a.receive(UNTRUST, &udp(outer(2, false), host(1, false), (7, 8), b"x"));
        }
        a.run();
    }
    assert_eq!(a.drops(), vec![(DropReason::TxFull, 640 - 512)]);
    a.ports[0][1].stall(false);
    assert_eq!(a.sent(TRUST).len(), 512);
}

#[test]
fn esp_to_link_addresses_never_reaches_the_host() {
    let mut net = Net::new(false, false);
    let stranger = addr("fe80::77");
    for group in ["fe80::1", "ff02::1"] {
        let mut esp = udp(stranger, addr(group), (1, 2), &[7; 40]);
        esp[6] = 50;
        net.a.receive(UNTRUST, &esp);
        let carried = udp(stranger, addr(group), (4500, 4500), &[7; 40]);
        net.a.receive(UNTRUST, &carried);
    }
    net.a.run();
    assert_eq!(net.a.drops(), vec![(DropReason::UnknownSpi, 4)]);
    assert!(net.a.controller.shared().punt.is_empty());
    net.a
        .receive(UNTRUST, &udp(stranger, addr("ff02::1"), (1, 2), b"x"));
    net.a.run();
    assert!(!net.a.controller.shared().punt.is_empty());
}

#[test]
fn link_local_sources_are_not_behind_a_tunnel() {
    let mut net = Net::new(false, false);
    let mut everything = pair(1, 2, false, false);
    everything.tunnel_unit = 1;
    everything.remote_ts = vec![ravelin_types::TrafficSelector::from_prefix(prefix("::/0"))];
    let mut config = config(1);
    let mut open = config.tunnels[0].clone();
    (open.unit, open.protected) = (1, vec![]);
    config.tunnels.push(open);
    net.a.configure(2, &config);
    net.a.install(&[everything]);
    // A probe of our address, as neighbour discovery sends it, and a packet of somebody who should have encrypted it.
    net.a.receive(
        UNTRUST,
        &udp(addr("fe80::77"), outer(1, true), (1, 2), b"x"),
    );
    net.a.run();
    assert_eq!(net.a.drops(), vec![]);
    assert!(!net.a.controller.shared().punt.is_empty());
    net.a.receive(
        UNTRUST,
        &udp(addr("2001:db8:99::1"), outer(1, true), (1, 2), b"x"),
    );
    net.a.run();
    assert_eq!(net.a.drop_count(DropReason::ProtectedSource), 1);
}

#[test]
fn a_fragment_beyond_the_longest_packet_is_not_split() {
    let mut net = Net::new(false, false);
    let whole = udp(host(1, false), host(2, false), (7, 8), &[1; 1400]);
    let mut last = whole.clone();
    last[6..8].copy_from_slice(&0x1fffu16.to_be_bytes());
    refresh(&mut last);
    net.a.receive(TRUST, &last);
    assert!(net.cable().is_empty());
    assert_eq!(net.a.drops(), vec![(DropReason::FragmentFailed, 1)]);
}

#[test]
fn a_pair_resumed_beyond_its_last_number_asks_for_a_rekey() {
    let mut net = Net::new(false, false);
    let mut again = pair(1, 1, false, false);
    again.epoch = 2;
    again.pair = ravelin_types::PairId(9);
    net.a.controller.remove(
        ravelin_types::PairId(1),
        std::time::Duration::ZERO,
        net.a.now,
    );
    again.ceilings.outbound = u64::from(u32::MAX) + 5;
    net.a.install(&[again]);
    for _ in 0..2 {
        net.a
            .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    }
    assert!(net.a.sent(UNTRUST).is_empty());
    assert_eq!(net.a.drop_count(DropReason::SequenceExhausted), 2);
    let asked = |notice: &&Notice<_>| matches!(notice, Notice::Sa(ravelin_ctl::sa::Event::Exhausting(pair)) if pair.0 == 9);
    assert_eq!(net.a.notices.iter().filter(asked).count(), 1);
    let resumed = |notice: &&Notice<_>| matches!(notice, Notice::Sa(ravelin_ctl::sa::Event::Resumed(pairs)) if pairs.len() == 1);
    assert_eq!(net.a.notices.iter().filter(resumed).count(), 1);
}

#[test]
fn a_pair_installed_again_does_not_linger() {
    let mut net = Net::new(false, false);
    let linger = std::time::Duration::from_secs(5);
    let now = net.a.now;
    net.a
        .controller
        .remove(ravelin_types::PairId(1), linger, now);
    let mut again = pair(1, 1, false, false);
    again.epoch = 2;
    net.a.install(&[again]);
    net.a.advance(10);
    assert_eq!(net.a.controller.list().len(), 1);
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    assert_eq!(net.a.sent(UNTRUST).len(), 1, "{:?}", net.a.drops());
}

#[test]
fn a_removed_unit_takes_its_neighbours_along() {
    let mut net = Net::new(false, false);
    let old = host(1, false);
    let next = |net: &Net| {
        let tables = net.a.controller.tables();
        tables.next_hop(ravelin_types::VrfId::DEFAULT, old)
    };
    let known = next(&net);
    assert!(matches!(
        known,
        ravelin_dataplane::tables::NextHop::Adjacency(_)
    ));
    net.a.configure(2, &config(1));
    assert_eq!(next(&net), known, "nothing changed");
    let mut without = config(1);
    without.ports[1].units.clear();
    net.a.configure(3, &without);
    assert!(!matches!(
        next(&net),
        ravelin_dataplane::tables::NextHop::Adjacency(_)
    ));
}

#[test]
fn who_never_answers_takes_no_adjacency() {
    let mut net = Net::new(false, false);
    for n in 0..200 {
        net.a.neighbour(TRUST, addr(&format!("10.1.0.{n}")), None);
    }
    let late = addr("10.1.0.250");
    net.a.neighbour(TRUST, late, Some(mac(99)));
    let tables = net.a.controller.tables();
    assert!(matches!(
        tables.next_hop(ravelin_types::VrfId::DEFAULT, late),
        ravelin_dataplane::tables::NextHop::Adjacency(_)
    ));
}
