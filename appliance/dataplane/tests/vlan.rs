//! Units with one tag and with two: what comes with their tags is theirs, what leaves carries them, and the host sees none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::plane::PlaneConfig;
use ravelin_dataplane::DropReason;
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::link::Inject;
use ravelin_dataplane::tables::IfIndex;
use ravelin_esp::{MemoryBuf, PacketBuf};
use ravelin_types::{UnitName, VrfId};
use ravelin_wire::ethernet::{self, TPID_CTAG, TPID_STAG, Tags};

const TWO: Tags = Tags {
    outer: 100,
    inner: 200,
};

/// A's configuration with two tags on the core's port, and a second unit with the same outer one.
fn two_tags() -> PlaneConfig {
    let mut configuration = config(1);
    let units = &mut configuration.ports[1].units;
    units[0].inner_vlan = Some(TWO.inner);
    let mut other = units[0].clone();
    other.name = UnitName::new("ge-0/0/1", 1);
    other.inner_vlan = Some(201);
    other.addresses = vec![(addr("10.1.1.1"), 24)];
    units.push(other);
    configuration
}

fn net() -> Net {
    let mut net = Net::new(false, false);
    net.a.configure(2, &two_tags());
    net
}

fn tagged(tags: Tags, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14 + tags.octets()];
    let ethertype = if packet[0] >> 4 == 6 { 0x86dd } else { 0x0800 };
    ethernet::emit(&mut frame, mac(11), mac(21), tags, ethertype).unwrap();
    frame.extend_from_slice(packet);
    frame
}

fn second(net: &Net) -> IfIndex {
    let name = UnitName::new("ge-0/0/1", 1);
    net.a.controller.index_of(&name).unwrap()
}

#[test]
fn frames_with_two_tags_enter_and_leave_a_tunnel() {
    for v6 in [false, true] {
        let mut net = net();
        let port = net.a.ports[0][usize::from(TRUST)].clone();
        let there = udp(host(1, v6), host(2, v6), (7, 8), b"there");
        // The type of either tag does not matter.
        for types in [[TPID_STAG, TPID_CTAG], [TPID_CTAG; 2], [TPID_STAG; 2]] {
            let mut frame = tagged(TWO, &there);
            frame[12..14].copy_from_slice(&types[0].to_be_bytes());
            frame[16..18].copy_from_slice(&types[1].to_be_bytes());
            // Priorities are none of the VLAN.
            frame[14] |= 0xe0;
            frame[18] |= 0xf0;
            port.push(&frame);
        }
        net.cable();
        assert_eq!(net.b.sent(TRUST).len(), 3, "{:?}", net.a.drops());
        let back = udp(host(2, v6), host(1, v6), (8, 7), b"back");
        net.b.receive(TRUST, &back);
        net.cable();
        net.a.run();
        let frame = port.pop().unwrap();
        let header = ethernet::parse(&frame).unwrap();
        assert_eq!((header.tags, header.header_octets), (TWO, 22));
        assert_eq!(frame[12..14], TPID_STAG.to_be_bytes());
        assert_eq!(frame[16..18], TPID_CTAG.to_be_bytes());
        assert_eq!(frame.len() - 22, back.len());
        assert!(net.a.drops().is_empty());
    }
}

#[test]
fn the_inner_tag_tells_units_apart() {
    let mut net = net();
    let unit = second(&net);
    net.a.controller.set_route(
        VrfId::DEFAULT,
        prefix("10.1.1.0/24"),
        Some(RouteTarget::Units(vec![(unit, None)])),
    );
    net.a.controller.set_neighbour(Neighbour {
        interface: unit,
        address: addr("10.1.1.9"),
        mac: Some(mac(22)),
    });
    net.a.run();
    let port = net.a.ports[0][usize::from(TRUST)].clone();
    let other = Tags { inner: 201, ..TWO };
    // From one unit to the other: neither tag stays.
    port.push(&tagged(
        TWO,
        &udp(host(1, false), addr("10.1.1.9"), (7, 8), b"x"),
    ));
    net.a.run();
    let frame = port.pop().unwrap();
    assert_eq!(ethernet::parse(&frame).unwrap().tags, other);
    let strangers = [
        Tags { inner: 202, ..TWO },
        Tags { inner: 0, ..TWO },
        Tags {
            outer: 200,
            inner: 100,
        },
        Tags {
            outer: 101,
            inner: 200,
        },
        Tags::default(),
    ];
    let packet = udp(host(1, false), host(2, false), (7, 8), b"x");
    for tags in strangers {
        port.push(&tagged(tags, &packet));
    }
    // A third tag is nobody's.
    let mut three = tagged(TWO, &packet);
    three.splice(12..12, [0x88, 0xa8, 0, 100]);
    port.push(&three);
    net.a.run();
    let mut drops = net.a.drops();
    drops.sort_by_key(|(reason, _)| *reason as u8);
    assert_eq!(drops, [(DropReason::BadFrame, 1), (DropReason::NoUnit, 5)]);
}

#[test]
fn the_host_sees_no_tags_and_its_frames_leave_with_both() {
    let mut net = net();
    let port = net.a.ports[0][usize::from(TRUST)].clone();
    let packet = udp(host(1, false), addr("10.1.0.1"), (9, 9), b"for us");
    port.push(&tagged(TWO, &packet));
    net.a.run();
    let shared = net.a.controller.shared().clone();
    let (_, punted) = shared.punt.pop().unwrap();
    assert_eq!(punted.buf.data(), frame(mac(11), mac(21), 0, &packet));
    let answer = udp(addr("10.1.0.1"), host(1, false), (9, 9), b"answer");
    let from_host = frame(mac(21), mac(11), 0, &answer);
    let inject = Inject::Frame(net.a.index(TRUST), MemoryBuf::new(&from_host));
    assert!(shared.links[0].injects.push(inject).is_ok());
    net.a.run();
    let sent = port.pop().unwrap();
    assert_eq!(ethernet::parse(&sent).unwrap().tags, TWO);
    assert_eq!(sent[22..], answer);
}

#[test]
fn two_units_cannot_have_the_same_tags() {
    let mut configuration = two_tags();
    configuration.ports[1].units[1].inner_vlan = Some(TWO.inner);
    let macs = [("ge-0/0/0", mac(1)), ("ge-0/0/1", mac(11))];
    let macs = macs.map(|(name, mac)| (name.to_owned(), mac)).into();
    let gateway = Gateway::new(1);
    let refused =
        gateway
            .controller
            .prepare_config(ravelin_types::Generation(2), &configuration, &macs);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "units ge-0/0/1.0 and ge-0/0/1.1 carry the same VLAN tags"
    );
}
