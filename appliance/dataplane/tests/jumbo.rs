//! Ports with jumbo frames: inner packets of 9,000 octets both ways, and over links that take less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_dataplane::DropReason;
use ravelin_wire::ip;

const JUMBO_OCTETS: usize = 9_000;

/// Two gateways whose ports take `port_mtu_octets` and whose tunnel takes `tunnel_mtu_octets`.
fn net(outer_v6: bool, nat: bool, port_mtu_octets: [u16; 2], tunnel_mtu_octets: u16) -> Net {
    let mut net = Net::new(outer_v6, nat);
    for gateway in [&mut net.a, &mut net.b] {
        let mut configuration = config(gateway.n);
        for (port, mtu_octets) in configuration.ports.iter_mut().zip(port_mtu_octets) {
            port.mtu_octets = mtu_octets;
        }
        configuration.tunnels[0].mtu_octets = tunnel_mtu_octets;
        gateway.configure(2, &configuration);
    }
    net
}

/// A packet of this length from the host behind gateway `from`.
fn inner(from: u8, v6: bool, octets: usize, dont_fragment: bool) -> Vec<u8> {
    let payload: Vec<u8> = (0..octets - if v6 { 48 } else { 28 })
        .map(|at| (at * 7 + at / 251) as u8)
        .collect();
    let (source, destination) = (host(from, v6), host(3 - from, v6));
    packet(source, destination, 64, dont_fragment, (7, 8), &payload)
}

fn shapes() -> impl Iterator<Item = (bool, bool, bool)> {
    (0..8).map(|bits| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0))
}

#[test]
fn packets_of_9000_octets_cross_both_ways_in_one_piece() {
    for (outer_v6, nat, v6) in shapes() {
        let mut net = net(outer_v6, nat, [9_192; 2], 9_000);
        for from in [1, 2] {
            let packet = inner(from, v6, JUMBO_OCTETS, true);
            let sender = if from == 1 { &mut net.a } else { &mut net.b };
            sender.receive(TRUST, &packet);
            assert_eq!(net.cable().len(), 1);
            let receiver = if from == 1 { &mut net.b } else { &mut net.a };
            let got = receiver.sent(TRUST);
            assert_eq!(got.len(), 1);
            assert_eq!(got[0][12..], packet[12..], "{outer_v6} {nat} {v6}");
        }
        assert!(net.a.drops().is_empty() && net.b.drops().is_empty());
    }
}

#[test]
fn a_tunnel_over_a_jumbo_link_takes_what_fits_to_the_last_octet() {
    for (outer_v6, nat, v6) in shapes() {
        let mut net = net(outer_v6, nat, [9_000, 9_192], 9_192);
        net.a.receive(TRUST, &inner(1, v6, 9_192, true));
        let answers = net.a.sent(TRUST);
        let at = if v6 { 46 } else { 26 };
        let fits = usize::from(u16::from_be_bytes([answers[0][at], answers[0][at + 1]]));
        net.a.receive(TRUST, &inner(1, v6, fits, true));
        let sent = net.a.sent(UNTRUST);
        assert!(
            (8_997..=9_000).contains(&sent[0].len()),
            "{}",
            sent[0].len()
        );
        net.a.receive(TRUST, &inner(1, v6, fits + 1, true));
        assert!(net.a.sent(UNTRUST).is_empty());
        assert_eq!(net.a.drops(), [(DropReason::TooBig, 2)]);
    }
}

#[test]
fn a_jumbo_packet_crosses_an_ordinary_link_in_fragments() {
    // Cut before encryption, so that each fragment is a packet of its own to the peer.
    for (outer_v6, nat) in [(false, false), (true, true)] {
        let mut net = net(outer_v6, nat, [1_500, 9_192], 9_192);
        let whole = inner(1, false, JUMBO_OCTETS, false);
        net.a.receive(TRUST, &whole);
        assert!(net.cable().iter().all(|packet| packet.len() <= 1_500));
        let got = net.b.sent(TRUST);
        let mut payload = Vec::new();
        for part in &got {
            let meta = ip::parse(part).unwrap();
            assert_eq!(
                usize::from(meta.fragment.unwrap().offset_octets),
                payload.len()
            );
            payload.extend_from_slice(meta.payload(part));
        }
        assert!(payload == whole[20..], "{} parts", got.len());
    }
}

#[test]
fn a_jumbo_esp_packet_that_came_in_fragments_is_joined() {
    let mut net = net(false, false, [9_192; 2], 9_000);
    net.a.receive(TRUST, &inner(1, false, JUMBO_OCTETS, true));
    let esp = net.a.sent(UNTRUST).pop().unwrap();
    for part in fragments(&esp, 1_256) {
        net.b.receive(UNTRUST, &part);
    }
    let got = net.b.sent(TRUST);
    assert_eq!(got.len(), 1, "{:?}", net.b.drops());
    assert_eq!(got[0].len(), JUMBO_OCTETS);
}
