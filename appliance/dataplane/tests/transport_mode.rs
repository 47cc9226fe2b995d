//! Transport mode between two gateways: what their hosts say to each other goes in ESP under its own IP header, all else between them
//! ends, and IKE and neighbour discovery bypass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::sa::{InstallError, SaPair};
use ravelin_dataplane::DropReason;
use ravelin_dataplane::link::Inject;
use ravelin_esp::{MemoryBuf, PacketBuf};
use ravelin_types::*;
use ravelin_wire::ip;

/// The pair of gateway `n`, for packets between the two gateways of this family.
fn transport(n: u8, v6: bool) -> SaPair {
    let only = |n| vec![TrafficSelector::from_prefix(Prefix::host(outer(n, v6)))];
    SaPair {
        mode: IpsecMode::Transport,
        local_ts: only(n),
        remote_ts: only(3 - n),
        ..pair(n, 1, v6, false)
    }
}

/// Two gateways; their tunnel interfaces may protect anything.
fn net(v6: bool) -> Net {
    let mut net = Net {
        a: Gateway::new(1),
        b: Gateway::new(2),
    };
    for gateway in [&mut net.a, &mut net.b] {
        let mut config = config(gateway.n);
        config.tunnels[0].protected.clear();
        gateway.configure(2, &config);
        gateway.install(&[transport(gateway.n, v6)]);
    }
    net
}

/// The host of a gateway sends a packet by its outer unit.
fn from_host(gateway: &Gateway, packet: &[u8]) {
    let (to, from) = (mac(3 - gateway.n), mac(gateway.n));
    let frame = MemoryBuf::new(&frame(to, from, 0, packet));
    let inject = Inject::Frame(gateway.index(UNTRUST), frame);
    let links = &gateway.controller.shared().links;
    assert!(links[0].injects.push(inject).is_ok());
}

/// What the host of a gateway got since the last call, from the IP header on, with the interface.
fn to_host(gateway: &Gateway) -> Vec<(bool, Vec<u8>)> {
    let unit = gateway.index(UNTRUST);
    let mut packets = Vec::new();
    while let Some((_, packet)) = gateway.controller.shared().punt.pop() {
        let by_unit = packet.interface == unit;
        let header = if by_unit { 14 } else { 0 };
        packets.push((by_unit, packet.buf.data()[header..].to_vec()));
    }
    packets
}

fn hello(n: u8, v6: bool, octets: usize) -> Vec<u8> {
    let (source, destination) = (outer(n, v6), outer(3 - n, v6));
    udp(source, destination, (179, 179), &vec![7; octets])
}

#[test]
fn packets_of_the_hosts_cross_under_their_own_header() {
    for v6 in [false, true] {
        let mut net = net(v6);
        for octets in [0, 1, 900] {
            let (there, back) = (hello(1, v6, octets), hello(2, v6, octets));
            from_host(&net.a, &there);
            from_host(&net.b, &back);
            let seen = net.cable();
            assert_eq!(seen.len(), 2);
            for packet in &seen {
                let meta = ip::parse(packet).unwrap();
                assert_eq!((meta.protocol, meta.ttl), (50, 64));
            }
            assert_eq!(to_host(&net.b), [(false, there)]);
            assert_eq!(to_host(&net.a), [(false, back)]);
        }
        let counters = net.a.controller.pair_counters(&[])[0];
        assert_eq!((counters.out_packets, counters.in_packets), (3, 3));
        assert_eq!(counters.out_octets, counters.in_octets);
        assert_eq!(net.a.drops().iter().map(|(_, n)| n).sum::<u64>(), 0);
    }
}

#[test]
fn clear_packets_between_the_ends_are_refused_but_ike_and_discovery_are_not() {
    let mut net = net(true);
    net.b.receive(UNTRUST, &hello(1, true, 8));
    net.b.run();
    assert_eq!(net.b.drop_count(DropReason::ProtectedSource), 1);
    let ike = udp(outer(1, true), outer(2, true), (500, 500), &[1; 40]);
    let mut solicitation = udp(outer(1, true), outer(2, true), (0, 0), &[0; 16]);
    solicitation[6] = 58;
    solicitation[7] = 255;
    solicitation[40..48].copy_from_slice(&[135, 0, 0, 0, 0, 0, 0, 0]);
    for packet in [ike, solicitation] {
        from_host(&net.a, &packet);
        assert_eq!(net.cable(), std::slice::from_ref(&packet));
        assert_eq!(to_host(&net.b), [(true, packet)]);
    }
    // From afar it is no neighbour discovery.
    let mut far = udp(outer(1, true), outer(2, true), (0, 0), &[0; 16]);
    far[6] = 58;
    far[40] = 135;
    net.b.receive(UNTRUST, &far);
    net.b.run();
    assert_eq!(net.b.drop_count(DropReason::ProtectedSource), 2);
}

#[test]
fn a_narrow_selector_admits_its_protocol_only() {
    let mut net = net(false);
    for gateway in [&mut net.a, &mut net.b] {
        let mut narrow = transport(gateway.n, false);
        narrow.epoch = 2;
        narrow.local_ts[0].protocol = 17;
        narrow.remote_ts[0].protocol = 17;
        gateway.install(&[narrow]);
    }
    let mut gre = hello(1, false, 30);
    gre[9] = 47;
    refresh(&mut gre);
    from_host(&net.a, &gre);
    assert!(net.cable().is_empty());
    assert_eq!(net.a.drop_count(DropReason::NoSa), 1);
    from_host(&net.a, &hello(1, false, 30));
    assert_eq!(net.cable().len(), 1);
    assert_eq!(to_host(&net.b).len(), 1);
}

/// A packet in transit with our address as its source is somebody else's.
#[test]
fn transit_is_not_ours() {
    let mut net = net(false);
    net.a.receive(TRUST, &hello(1, false, 30));
    assert!(net.cable().is_empty());
    assert_eq!(net.a.drop_count(DropReason::NoSa), 1);
}

#[test]
fn replays_forgeries_and_other_sources_are_refused() {
    let mut net = net(false);
    from_host(&net.a, &hello(1, false, 30));
    let sealed = net.a.sent(UNTRUST).pop().unwrap();
    let mut forged = sealed.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut other = sealed.clone();
    other[15] = 77;
    refresh(&mut other);
    for (packet, reason) in [
        (&forged, DropReason::AuthFailed),
        (&other, DropReason::SelectorMismatch),
        (&sealed, DropReason::ReplayDuplicate),
    ] {
        net.b.receive(UNTRUST, packet);
        net.b.run();
        assert_eq!(net.b.drop_count(reason), 1, "{reason:?}");
    }
    assert!(to_host(&net.b).is_empty());
    // Nobody is told that the peer has moved: the address is the packet's own.
    assert!(net.b.controller.moved().is_empty());
}

#[test]
fn what_is_too_long_is_told_to_the_host_or_goes_in_fragments_of_esp() {
    for v6 in [false, true] {
        let mut net = net(v6);
        let mut long = hello(1, v6, 1450);
        if !v6 {
            long[6] = 0x40;
            refresh(&mut long);
        }
        from_host(&net.a, &long);
        assert!(net.cable().is_empty());
        assert_eq!(net.a.drop_count(DropReason::TooBig), 1);
        let told = to_host(&net.a);
        assert_eq!(told.len(), 1);
        // What the host is told fits indeed.
        let error = ip::parse(&told[0].1).unwrap();
        let body = error.payload(&told[0].1);
        let mtu = usize::from(u16::from_be_bytes([body[6], body[7]]));
        let header = if v6 { 40 } else { 20 };
        for (octets, count) in [(mtu, 1), (mtu + 1, 0)] {
            let mut packet = hello(1, v6, octets - header - 8);
            if !v6 {
                packet[6] = 0x40;
                refresh(&mut packet);
            }
            from_host(&net.a, &packet);
            assert_eq!(net.cable().len(), count, "{octets}");
        }
    }
    let mut net = net(false);
    let long = hello(1, false, 1460);
    from_host(&net.a, &long);
    let parts = net.cable();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part[9] == 50));
    assert_eq!(to_host(&net.b), [(false, long)]);
    // Fragments that the host has made are not whole packets.
    for part in fragments(&hello(1, false, 1000), 512) {
        from_host(&net.a, &part);
    }
    assert!(net.cable().is_empty());
    assert_eq!(net.a.drop_count(DropReason::TransportFragment), 2);
}

#[test]
fn what_neither_transport_mode_nor_ah_can_do_is_refused() {
    let mut a = Gateway::new(1);
    let good = transport(1, false);
    let mut wide = good.clone();
    wide.remote_ts = vec![TrafficSelector::from_prefix(prefix("192.0.2.0/24"))];
    let mut foreign = good.clone();
    foreign.local_ts = vec![TrafficSelector::from_prefix(prefix("10.1.0.1/32"))];
    let mut nat = good.clone();
    nat.outer.udp = Some((4500, 4500));
    let mut vrf = good.clone();
    vrf.outer.vrf = VrfId(1);
    let mut ah_nat = pair(1, 1, false, true);
    ah_nat.protocol = IpsecProtocol::Ah;
    let mut ah_cipher = pair(1, 1, false, false);
    ah_cipher.protocol = IpsecProtocol::Ah;
    for (refused, reason) in [
        (wide, InstallError::TransportEnds),
        (foreign, InstallError::TransportEnds),
        (vrf, InstallError::TransportEnds),
        (nat, InstallError::TransportNat),
        (ah_nat, InstallError::AhNat),
        (ah_cipher, InstallError::AhTransform),
    ] {
        assert_eq!(a.controller.install(&[refused])[0].1, Err(reason));
    }
    // The protected prefixes of the tunnel interface bind it too.
    let results = a.controller.install(&[good]);
    assert_eq!(results[0].1, Err(InstallError::NotProtected));
}

#[test]
fn a_pair_in_transport_mode_stays_where_it_is_and_lingers_like_others() {
    let mut net = net(false);
    let elsewhere = ravelin_ctl::sa::Outer {
        remote: addr("192.0.2.99"),
        ..transport(1, false).outer
    };
    net.a.controller.relocate(PairId(1), elsewhere);
    assert_eq!(net.a.controller.list()[0].outer, transport(1, false).outer);
    let now = net.a.now;
    let linger = std::time::Duration::from_secs(5);
    net.a.controller.remove(PairId(1), linger, now);
    net.a.controller.publish();
    net.a.run();
    from_host(&net.a, &hello(1, false, 8));
    from_host(&net.b, &hello(2, false, 8));
    assert_eq!(net.cable().len(), 1);
    assert_eq!(to_host(&net.a).len(), 1);
    assert_eq!(net.a.drop_count(DropReason::NoSa), 1);
}
