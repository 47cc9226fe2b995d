//! Headers that are not the plain ones: options and extension headers outside and inside, padding and dummies against traffic analysis,
//! congestion marks, and errors about packets of tunnels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
mod oracle;

use harness::*;
use oracle::Oracle;
use proptest::prelude::*;
use ravelin_ctl::sa::TfcPadding;
use ravelin_dataplane::DropReason;
use ravelin_types::EspTransform;
use ravelin_wire::ip::{self, IpFields, protocol};
use ravelin_wire::{checksum, esp};

/// What the links and the tunnel of the harness take.
const LINK_OCTETS: usize = 1_500;
const TUNNEL_OCTETS: usize = 1_400;

/// A peer of gateway B in A's place that pads, marks and cuts as it likes.
struct Peer {
    oracle: Oracle,
    sequence: u64,
    outer_v6: bool,
    nat: bool,
    /// TOS or traffic class of its outer headers.
    traffic_class: u8,
    /// Options or extension headers of its outer headers.
    extra: Vec<u8>,
}

fn peer(outer_v6: bool, nat: bool) -> (Peer, Gateway) {
    let pair = pair(2, 1, outer_v6, nat);
    let peer = Peer {
        oracle: Oracle {
            transform: EspTransform::AES_256_GCM,
            material: pair.inbound.key.expose().to_vec(),
            spi: pair.inbound.spi.0,
            extended: false,
        },
        sequence: 0,
        outer_v6,
        nat,
        traffic_class: 0,
        extra: Vec::new(),
    };
    let mut b = Gateway::new(2);
    b.install(&[pair]);
    (peer, b)
}

impl Peer {
    /// An ESP packet with this payload, behind which stand some octets more, then padding and trailer.
    fn seal(&mut self, payload: &[u8], more: usize, next_header: u8) -> Vec<u8> {
        self.sequence += 1;
        let mut text = payload.to_vec();
        text.extend(vec![0x5a; more]);
        let padding = (4 - (text.len() + 2) % 4) % 4;
        text.extend(1..=padding as u8);
        text.extend([padding as u8, next_header]);
        let iv = self.sequence.to_be_bytes();
        let esp = self.oracle.seal(self.sequence, &iv, &text);
        self.wrap(&esp)
    }

    /// The outer headers.
    fn wrap(&self, esp: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        if self.nat {
            let ports = [4500u16, 4500, (esp.len() + 8) as u16, 0];
            payload.extend(ports.into_iter().flat_map(u16::to_be_bytes));
        }
        payload.extend_from_slice(esp);
        let number = if self.nat { protocol::UDP } else { 50 };
        let (source, destination) = (outer(1, self.outer_v6), outer(2, self.outer_v6));
        with_extra(
            IpFields {
                source,
                destination,
                protocol: number,
                ttl: 64,
                traffic_class: self.traffic_class,
                dont_fragment: false,
                id: self.sequence as u16,
                payload_octets: 0,
            },
            &self.extra,
            &payload,
        )
    }
}

/// An IP packet with IPv4 options, or with IPv6 extension headers of 8 octets each, the first of them hop-by-hop options.
fn with_extra(mut fields: IpFields, extra: &[u8], payload: &[u8]) -> Vec<u8> {
    let v6 = fields.source.is_ipv6();
    let header = if v6 { 40 } else { 20 };
    let mut packet = vec![0; header];
    fields.payload_octets = (extra.len() + payload.len()) as u16;
    let upper = fields.protocol;
    if v6 && !extra.is_empty() {
        fields.protocol = EXTENSIONS[0];
    }
    ip::emit(&mut packet, &fields).unwrap();
    packet.extend_from_slice(extra);
    if v6 {
        if let Some(last) = extra.len().checked_sub(8) {
            packet[40 + last] = upper;
        }
    } else {
        packet[0] = 0x40 | ((20 + extra.len()) / 4) as u8;
        packet.extend_from_slice(payload);
        refresh_with_options(&mut packet);
        return packet;
    }
    packet.extend_from_slice(payload);
    packet
}

/// Hop-by-hop options, destination options and a used-up routing header, in this order (RFC 8200 section 4.1).
const EXTENSIONS: [u8; 3] = [0, 60, 43];

/// The first `count` of them, 8 octets each; the last one's next header is still to be set.
fn extensions(count: usize) -> Vec<u8> {
    let one = |at: usize| -> [u8; 8] {
        let next = EXTENSIONS.get(at + 1).copied().unwrap_or(59);
        match EXTENSIONS[at] {
            43 => [next, 0, 3, 0, 0, 0, 0, 0],
            // PadN.
            _ => [next, 0, 1, 4, 0, 0, 0, 0],
        }
    };
    (0..count).flat_map(one).collect()
}

/// Options of IPv4: router alert, which goes along with every fragment, and record route, which does not.
const OPTIONS: [u8; 12] = [148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0];

fn refresh_with_options(packet: &mut [u8]) {
    let header = usize::from(packet[0] & 15) * 4;
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..header]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// A UDP packet from A's host to B's with options or extension headers.
fn inner(v6: bool, extra: &[u8], octets: usize, dont_fragment: bool) -> Vec<u8> {
    let mut udp = vec![0, 7, 0, 8];
    udp.extend(((8 + octets) as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend((0..octets).map(|at| at as u8));
    let fields = IpFields {
        source: host(1, v6),
        destination: host(2, v6),
        protocol: protocol::UDP,
        ttl: 64,
        traffic_class: 0,
        dont_fragment,
        id: 9,
        payload_octets: 0,
    };
    with_extra(fields, extra, &udp)
}

fn shapes() -> impl Iterator<Item = (bool, bool)> {
    (0..4).map(|bits| (bits & 1 != 0, bits & 2 != 0))
}

/// Everything but TTL and header checksum.
fn assert_same(got: &[u8], sent: &[u8]) {
    let (from, ttl_at) = if sent[0] >> 4 == 6 { (8, 7) } else { (12, 8) };
    assert_eq!(got.len(), sent.len());
    assert!(got[from..] == sent[from..]);
    assert!(got[..ttl_at] == sent[..ttl_at]);
}

#[test]
fn padding_against_traffic_analysis_is_taken_off() {
    // RFC 4303 section 2.7: the inner packet's own length says where it ends.
    for (outer_v6, nat) in shapes() {
        let (mut peer, mut b) = peer(outer_v6, nat);
        for v6 in [false, true] {
            for more in [0, 1, 2, 3, 4, 100, 1300] {
                let packet = inner(v6, &[], 40, false);
                let number = if v6 {
                    esp::NEXT_HEADER_IPV6
                } else {
                    esp::NEXT_HEADER_IPV4
                };
                b.receive(UNTRUST, &peer.seal(&packet, more, number));
                let got = b.sent(TRUST);
                assert_eq!(got.len(), 1, "{more} {:?}", b.drops());
                assert_same(&got[0], &packet);
            }
        }
        assert!(b.drops().is_empty());
        // A payload that ends before its packet does is broken.
        let packet = inner(false, &[], 40, false);
        b.receive(UNTRUST, &peer.seal(&packet[..60], 0, 4));
        b.run();
        assert_eq!(b.drops(), [(DropReason::Truncated, 1)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]
    #[test]
    fn padding_against_traffic_analysis_is_put_on(
        (outer_v6, nat, v6) in (any::<bool>(), any::<bool>(), any::<bool>()),
        padding in prop_oneof![
            Just(TfcPadding::Mtu),
            (64u16..=1_500).prop_map(TfcPadding::Octets)
        ],
        octets in 0usize..1_500,
        traffic_class in (0u8..64).prop_map(|dscp| dscp << 2 | 1),
    ) {
        let mut padded = pair(1, 2, outer_v6, nat);
        padded.tfc_padding = Some(padding);
        let oracle = Oracle {
            transform: padded.transform,
            material: padded.outbound.key.expose().to_vec(),
            spi: padded.outbound.spi.0,
            extended: false,
        };
        let mut net = Net::new(outer_v6, nat);
        net.a.install(&[padded]);
        net.b.install(&[pair(2, 2, outer_v6, nat)]);
        let mut packet = inner(v6, &[], octets, false);
        set_traffic_class(&mut packet, traffic_class);
        net.a.receive(TRUST, &packet);
        let sent = net.a.sent(UNTRUST);
        // Header, ports, SPI, number and IV; trailer and ICV.
        let front = if outer_v6 { 40 } else { 20 } + if nat { 8 } else { 0 };
        let most = (LINK_OCTETS - front - 16 - 16) / 4 * 4 - 2;
        let wanted = match padding {
            TfcPadding::Octets(octets) => most.min(octets.into()),
            TfcPadding::Mtu => most,
        };
        // What is too long for the tunnel is cut, and each part padded.
        let parts = match packet.len() {
            ..=TUNNEL_OCTETS => 1,
            _ if v6 => 0,
            _ => 2,
        };
        prop_assert_eq!(sent.len(), parts);
        for (sequence, outside) in (1..).zip(&sent) {
            prop_assert!(outside.len() <= LINK_OCTETS);
            prop_assert_eq!(ip::parse(outside).unwrap().traffic_class, traffic_class);
            let (_, text) = oracle.open(sequence, &outside[front..]).unwrap();
            let [.., filler, _] = text[..] else { panic!() };
            let payload = &text[..text.len() - 2 - usize::from(filler)];
            let own = usize::from(ip::parse(payload).unwrap().brief.total_octets());
            prop_assert_eq!(payload.len(), own.max(wanted));
            prop_assert!(payload[own..].iter().all(|octet| *octet == 0));
            net.b.receive(UNTRUST, outside);
        }
        if let [_] = sent[..] {
            let got = net.b.sent(TRUST);
            prop_assert_eq!(got.len(), 1);
            assert_same(&got[0], &packet);
        }
        prop_assert!(net.b.drops().is_empty() && (parts == 0 || net.a.drops().is_empty()));
    }
}

#[test]
fn dummy_packets_end_quietly_and_take_their_number() {
    // RFC 4303 section 2.6: whatever they hold.
    for (outer_v6, nat) in shapes() {
        let (mut peer, mut b) = peer(outer_v6, nat);
        for payload in [0, 1, 19, 20, 64, 1400] {
            let dummy = peer.seal(&vec![0xa5; payload], 0, esp::NEXT_HEADER_DUMMY);
            b.receive(UNTRUST, &dummy);
            b.receive(UNTRUST, &dummy);
            b.run();
        }
        assert!(b.sent(TRUST).is_empty() && b.sent(UNTRUST).is_empty());
        let wanted = [(DropReason::ReplayDuplicate, 6), (DropReason::Dummy, 6)];
        assert_eq!(b.drops(), wanted);
        let packet = inner(false, &[], 40, false);
        b.receive(UNTRUST, &peer.seal(&packet, 0, 4));
        assert_eq!(b.sent(TRUST).len(), 1);
    }
}

#[test]
fn outer_options_and_extension_headers_are_passed_over() {
    for (outer_v6, nat) in shapes() {
        let (mut peer, mut b) = peer(outer_v6, nat);
        let extras = if outer_v6 {
            [extensions(1), extensions(2), extensions(3)]
        } else {
            [vec![1, 1, 1, 1], OPTIONS.to_vec(), vec![1; 40]]
        };
        for extra in extras {
            peer.extra = extra;
            let packet = inner(false, &[], 40, false);
            b.receive(UNTRUST, &peer.seal(&packet, 0, 4));
            let got = b.sent(TRUST);
            assert_eq!(got.len(), 1, "{:?}", b.drops());
            assert_same(&got[0], &packet);
        }
        assert!(b.drops().is_empty());
    }
}

#[test]
fn inner_options_and_extension_headers_cross() {
    for (outer_v6, nat) in shapes() {
        let mut net = Net::new(outer_v6, nat);
        let mut all: Vec<_> = (1..=3).map(|count| (true, extensions(count))).collect();
        all.push((false, OPTIONS.to_vec()));
        all.push((false, vec![1; 40]));
        for (v6, extra) in all {
            let packet = inner(v6, &extra, 40, false);
            net.a.receive(TRUST, &packet);
            net.cable();
            let got = net.b.sent(TRUST);
            assert_eq!(got.len(), 1, "{:?} {:?}", net.a.drops(), net.b.drops());
            let (from, ttl_at) = if v6 { (8, 7) } else { (12, 8) };
            assert!(got[0][from..] == packet[from..]);
            assert_eq!(got[0][ttl_at], 62);
        }
        // More than anybody needs: refused where it comes in.
        let endless: Vec<u8> = [60, 0, 1, 4, 0, 0, 0, 0].repeat(9);
        let mut packet = inner(true, &endless, 40, false);
        packet[6] = 60;
        net.a.receive(TRUST, &packet);
        net.a.run();
        assert_eq!(net.a.drops(), [(DropReason::TooManyExtensions, 1)]);
    }
}

#[test]
fn packets_with_options_are_cut_and_keep_what_they_must() {
    // Before encryption, and on a link that takes less.
    for narrow_link in [false, true] {
        let mut net = Net::new(false, false);
        if narrow_link {
            let mut small = config(2);
            small.ports[1].mtu_octets = 576;
            net.b.configure(2, &small);
        }
        let octets = if narrow_link { 1300 } else { 1440 };
        let packet = inner(false, &OPTIONS, octets, false);
        net.a.receive(TRUST, &packet);
        net.cable();
        let got = net.b.sent(TRUST);
        let mut payload = Vec::new();
        for part in &got {
            let meta = ip::parse(part).unwrap();
            let fragment = meta.fragment.unwrap();
            assert_eq!(usize::from(fragment.offset_octets), payload.len());
            assert_eq!(meta.payload_at, 32);
            let options = if payload.is_empty() {
                OPTIONS
            } else {
                [148, 4, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]
            };
            assert_eq!(part[20..32], options);
            payload.extend_from_slice(meta.payload(part));
        }
        assert_eq!(got.len(), if narrow_link { 3 } else { 2 });
        assert!(payload == packet[32..]);
    }
}

#[test]
fn dscp_and_ecn_go_outside_and_congestion_comes_inside() {
    for (outer_v6, nat) in shapes() {
        let mut net = Net::new(outer_v6, nat);
        for v6 in [false, true] {
            for traffic_class in [0u8, 0xb8, 0xb9, 0x2a, 0xff] {
                let mut packet = inner(v6, &[], 40, false);
                set_traffic_class(&mut packet, traffic_class);
                net.a.receive(TRUST, &packet);
                let mut esp = net.a.sent(UNTRUST).pop().unwrap();
                assert_eq!(ip::parse(&esp).unwrap().traffic_class, traffic_class);
                // A router on the way is congested, and another one marks down.
                set_traffic_class(&mut esp, 0x28 | 3);
                net.b.receive(UNTRUST, &esp);
                let got = net.b.sent(TRUST);
                if traffic_class & 3 == 0 {
                    assert!(got.is_empty());
                } else {
                    let meta = ip::parse(&got[0]).unwrap();
                    assert_eq!(meta.traffic_class, traffic_class | 3);
                }
            }
        }
        assert_eq!(net.b.drops(), [(DropReason::EcnInvalid, 4)]);
    }
}

#[test]
fn a_configured_dscp_marks_the_outer_packets_and_no_others() {
    for (outer_v6, nat) in shapes() {
        let mut marked = pair(1, 2, outer_v6, nat);
        marked.outer_dscp = Some(46);
        let mut net = Net::new(outer_v6, nat);
        net.a.install(&[marked]);
        net.b.install(&[pair(2, 2, outer_v6, nat)]);
        for v6 in [false, true] {
            for traffic_class in [0u8, 0x29, 0xfe, 0xff] {
                let mut packet = inner(v6, &[], 40, false);
                set_traffic_class(&mut packet, traffic_class);
                net.a.receive(TRUST, &packet);
                let esp = net.a.sent(UNTRUST).pop().unwrap();
                let outside = ip::parse(&esp).unwrap().traffic_class;
                assert_eq!(outside, 46 << 2 | traffic_class & 3);
                net.b.receive(UNTRUST, &esp);
                let got = net.b.sent(TRUST);
                assert_eq!(ip::parse(&got[0]).unwrap().traffic_class, traffic_class);
            }
        }
        assert!(net.b.drops().is_empty());
    }
}

#[test]
fn dscp_comes_inside_when_that_is_configured() {
    // RFC 2983 section 3: the uniform model. ECN is RFC 6040's as ever.
    for (outer_v6, nat) in shapes() {
        let mut uniform = pair(2, 2, outer_v6, nat);
        uniform.copy_outer_dscp = true;
        let mut net = Net::new(outer_v6, nat);
        net.a.install(&[pair(1, 2, outer_v6, nat)]);
        net.b.install(&[uniform]);
        for v6 in [false, true] {
            for (inside, outside, wanted) in [
                (0x00, 0xb8, Some(0xb8)),
                (0xfd, 0x29, Some(0x29)),
                (0x2a, 0x03, Some(0x03)),
                (0xb9, 0x88, Some(0x89)),
                (0x28, 0x2b, None),
            ] {
                let mut packet = inner(v6, &[], 40, false);
                set_traffic_class(&mut packet, inside);
                net.a.receive(TRUST, &packet);
                let mut esp = net.a.sent(UNTRUST).pop().unwrap();
                set_traffic_class(&mut esp, outside);
                net.b.receive(UNTRUST, &esp);
                let got = net.b.sent(TRUST);
                let got = got.first();
                let came = got.map(|got| ip::parse(got).unwrap().traffic_class);
                assert_eq!(came, wanted);
                if let (Some(got), Some(wanted)) = (got, wanted) {
                    set_traffic_class(&mut packet, wanted);
                    assert_same(got, &packet);
                    assert!(v6 || checksum::of(&got[..20]) == 0);
                }
            }
        }
        assert_eq!(net.b.drops(), [(DropReason::EcnInvalid, 2)]);
    }
}

#[test]
fn with_the_dscp_of_outside_nothing_else_comes_in() {
    let mut uniform = pair(2, 1, false, false);
    uniform.copy_outer_dscp = true;
    uniform.epoch = 2;
    let (mut peer, mut b) = peer(false, false);
    b.install(&[uniform]);
    let packet = inner(false, &[], 40, false);
    for (payload, next_header) in [
        (&packet[..], esp::NEXT_HEADER_IPV6),
        (&packet[..], protocol::UDP),
        (&packet[..10], esp::NEXT_HEADER_IPV4),
        (&packet[..], esp::NEXT_HEADER_DUMMY),
    ] {
        b.receive(UNTRUST, &peer.seal(payload, 0, next_header));
    }
    assert!(b.sent(TRUST).is_empty());
    let refused = b.drop_count(DropReason::BadNextHeader);
    assert_eq!((refused, b.drop_count(DropReason::Dummy)), (3, 1));
}

fn set_traffic_class(packet: &mut [u8], traffic_class: u8) {
    if packet[0] >> 4 == 6 {
        packet[0] = 0x60 | traffic_class >> 4;
        packet[1] = packet[1] & 0x0f | traffic_class << 4;
    } else {
        packet[1] = traffic_class;
        refresh_with_options(packet);
    }
}

#[test]
fn congestion_that_one_fragment_met_is_not_lost() {
    // RFC 3168 section 5.3.
    for (marks, wanted) in [
        ([2, 2, 2], Some(2)),
        ([2, 3, 2], Some(3)),
        ([1, 2, 3], Some(3)),
        ([0, 0, 0], Some(0)),
        ([0, 3, 0], None),
        ([3, 0, 3], None),
    ] {
        let (mut peer, mut b) = peer(false, false);
        let mut packet = inner(false, &[], 1000, false);
        set_traffic_class(&mut packet, if wanted == Some(0) { 0 } else { 2 });
        let esp = peer.seal(&packet, 0, 4);
        for (mut part, mark) in fragments(&esp, 400).into_iter().zip(marks) {
            set_traffic_class(&mut part, mark);
            b.receive(UNTRUST, &part);
        }
        let got = b.sent(TRUST);
        let inside = got.first().map(|got| ip::parse(got).unwrap().traffic_class);
        assert_eq!(inside, wanted, "{marks:?} {:?}", b.drops());
        let dropped = b.drop_count(DropReason::EcnInvalid);
        assert_eq!(dropped, if wanted.is_none() { 3 } else { 0 });
    }
}

/// Type and code of the ICMP error that A's host gets.
fn error_at_a(net: &mut Net, v6: bool) -> (u8, u8, std::net::IpAddr) {
    net.cable();
    let answers = net.a.sent(TRUST);
    assert_eq!(answers.len(), 1, "{:?} {:?}", net.a.drops(), net.b.drops());
    let meta = ip::parse(&answers[0]).unwrap();
    assert_eq!(meta.destination, host(1, v6));
    let payload = meta.payload(&answers[0]);
    (payload[0], payload[1], meta.source)
}

#[test]
fn errors_about_packets_of_a_tunnel_go_back_through_it() {
    for v6 in [false, true] {
        let mut net = Net::new(false, true);
        // B speaks with the one address of its that the selectors admit.
        let of_b = addr(if v6 { "2001:db8:2::1" } else { "10.2.0.1" });
        let ports = (7, 8);
        let short_lived = packet(host(1, v6), host(2, v6), 2, false, ports, b"x");
        net.a.receive(TRUST, &short_lived);
        let exceeded = if v6 { (3, 0) } else { (11, 0) };
        assert_eq!(error_at_a(&mut net, v6), (exceeded.0, exceeded.1, of_b));
        let nobody = addr(if v6 { "2001:db8:2::66" } else { "10.2.0.66" });
        net.a.receive(TRUST, &udp(host(1, v6), nobody, ports, b"x"));
        net.cable();
        net.b.advance(4);
        let unreachable = if v6 { (1, 3) } else { (3, 1) };
        assert_eq!(
            error_at_a(&mut net, v6),
            (unreachable.0, unreachable.1, of_b)
        );
        let mut small = config(2);
        small.ports[1].mtu_octets = 1280;
        net.b.configure(2, &small);
        let large = packet(host(1, v6), host(2, v6), 64, true, ports, &[1; 1300]);
        net.a.receive(TRUST, &large);
        let too_big = if v6 { (2, 0) } else { (3, 4) };
        assert_eq!(error_at_a(&mut net, v6), (too_big.0, too_big.1, of_b));
        let mut drops = net.b.drops();
        drops.sort_by_key(|(reason, _)| *reason as u8);
        let mut wanted = [
            (DropReason::TtlExceeded, 1),
            (DropReason::TooBig, 1),
            (DropReason::NeighbourUnresolved, 1),
        ];
        wanted.sort_by_key(|(reason, _)| *reason as u8);
        assert_eq!(drops, wanted);
    }
}
