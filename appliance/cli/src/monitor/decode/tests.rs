use super::*;
use ravelin_ctl::capture::EspLink;
use ravelin_types::{PairId, Spi};
use ravelin_wire::ethernet::Tags;
use ravelin_wire::ip::IpFields;

fn packet(addresses: (&str, &str), protocol: u8, payload: &[u8]) -> Vec<u8> {
    let source: std::net::IpAddr = addresses.0.parse().unwrap();
    let mut packet = vec![0; if source.is_ipv6() { 40 } else { 20 }];
    packet.extend_from_slice(payload);
    let fields = IpFields {
        source,
        destination: addresses.1.parse().unwrap(),
        protocol,
        ttl: 64,
        traffic_class: 0,
        dont_fragment: false,
        id: 1,
        payload_octets: payload.len() as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    packet
}

fn frame(ethertype: u16, tags: Tags, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14 + tags.octets()];
    ethernet::emit(&mut frame, [1; 6], [2; 6], tags, ethertype).unwrap();
    frame.extend_from_slice(packet);
    frame
}

fn captured(data: Vec<u8>) -> Captured {
    Captured {
        time_us: 1_700_000_000_000_042,
        interface: 0,
        outbound: false,
        octets: data.len() as u32,
        esp: None,
        data,
    }
}

fn at_port(data: Vec<u8>) -> String {
    shown(&captured(data), true)
}

fn shown(packet: &Captured, ethernet: bool) -> String {
    let interface = CaptureInterface {
        name: if ethernet { "ge-0/0/0" } else { "st0.3" }.to_owned(),
        ethernet,
    };
    let line = line(packet, &interface);
    let head = "22:13:20.000042 In  ";
    line.strip_prefix(head).unwrap_or(&line).to_owned()
}

const LINK: EspLink = EspLink {
    pair: Some(PairId(7)),
    spi: Spi(0xc000_0001),
    sequence: 42,
};
const ESP: [u8; 16] = [0xc0, 0, 0, 1, 0, 0, 0, 42, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn inner_and_outer_packets_say_the_same_of_esp() {
    let outer = packet(("192.0.2.1", "192.0.2.2"), 50, &ESP);
    let mut seen = captured(frame(TYPE_IPV4, Tags::default(), &outer));
    seen.esp = Some(LINK);
    assert_eq!(
        shown(&seen, true),
        "ge-0/0/0: IP 192.0.2.1 > 192.0.2.2: ESP spi 0xc0000001 seq 42, length 16, pair 7"
    );
    let ping = packet(("10.1.0.1", "10.2.0.1"), 1, &[8, 0, 0, 0, 0, 9, 0, 3, 1, 2]);
    let mut seen = captured(ping);
    (seen.esp, seen.outbound) = (Some(LINK), true);
    assert_eq!(
        shown(&seen, false),
        "22:13:20.000042 Out st0.3: IP 10.1.0.1 > 10.2.0.1: ICMP echo request id 9 seq 3, \
         length 10, pair 7 spi 0xc0000001 seq 42"
    );
}

#[test]
fn upper_layers() {
    let ports = |from: u16, to: u16, rest: &[u8]| {
        let mut out = [from.to_be_bytes(), to.to_be_bytes()].concat();
        out.extend(rest);
        out
    };
    let encapsulated = [&[0, 24, 0, 0], ESP.as_slice()].concat();
    let ike = [&[0, 20, 0, 0], [0; 12].as_slice()].concat();
    let syn = [0, 0, 0, 5, 0, 0, 0, 9, 0x50, 0x12, 0, 0, 0, 0, 0, 0];
    for (protocol, payload, said) in [
        (17, ports(5, 6, &[0, 8, 0, 0]), "a.5 > b.6: UDP, length 8"),
        (
            17,
            ports(500, 9, &[0, 8, 0, 0]),
            "a.500 > b.9: UDP, IKE, length 8",
        ),
        (
            17,
            ports(4500, 9, &encapsulated),
            "a.4500 > b.9: UDP, ESP spi 0xc0000001 seq 42, length 24",
        ),
        (
            17,
            ports(4500, 9, &ike),
            "a.4500 > b.9: UDP, IKE, length 20",
        ),
        (
            17,
            ports(9, 4500, &[0, 9, 0, 0, 0xff]),
            "a.9 > b.4500: UDP, NAT keepalive, length 9",
        ),
        (
            6,
            ports(80, 81, &syn),
            "a.80 > b.81: TCP [S.] seq 5 ack 9, length 20",
        ),
        (
            1,
            vec![11, 0, 0, 0, 0, 0, 0, 0],
            "a > b: ICMP time exceeded 11/0, length 8",
        ),
        (89, vec![1, 2], "a > b: OSPF, length 2"),
        (200, vec![1, 2], "a > b: protocol 200, length 2"),
        (50, vec![1, 2], "a > b: ESP, length 2"),
    ] {
        let data = packet(("192.0.2.1", "192.0.2.2"), protocol, &payload);
        let line = at_port(frame(TYPE_IPV4, Tags::default(), &data));
        let line = line.replace("192.0.2.1", "a").replace("192.0.2.2", "b");
        assert_eq!(line, format!("ge-0/0/0: IP {said}"));
    }
    let six = packet(("2001:db8::1", "2001:db8::2"), 58, &[135, 0, 0, 0]);
    let tags = Tags { outer: 9, inner: 0 };
    assert_eq!(
        at_port(frame(TYPE_IPV6, tags, &six)),
        "ge-0/0/0: vlan 9, IP6 2001:db8::1 > 2001:db8::2: ICMP6 neighbour solicitation 135/0, length 4"
    );
}

#[test]
fn cut_packets_are_read_as_far_as_they_go() {
    let syn = [
        0, 80, 0, 81, 0, 0, 0, 5, 0, 0, 0, 9, 0x50, 2, 0, 0, 0, 0, 0, 0,
    ];
    let whole = packet(
        ("192.0.2.1", "192.0.2.2"),
        6,
        &[&syn[..], &[0; 900]].concat(),
    );
    let mut cut = captured(whole[..96].to_vec());
    cut.octets = whole.len() as u32;
    let line = shown(&cut, false);
    assert_eq!(
        line,
        "st0.3: IP 192.0.2.1.80 > 192.0.2.2.81: TCP [S] seq 5, length 920"
    );
    for kept in 0..whole.len().min(60) {
        cut.data = whole[..kept].to_vec();
        let _ = shown(&cut, false);
        let _ = shown(&cut, true);
    }
}

#[test]
fn what_is_no_ip_is_named() {
    let request = [
        &[0, 1, 8, 0, 6, 4, 0, 1][..],
        &[2; 6],
        &[10, 0, 0, 1],
        &[0; 6],
        &[10, 0, 0, 2],
    ]
    .concat();
    assert_eq!(
        at_port(frame(TYPE_ARP, Tags::default(), &request)),
        "ge-0/0/0: ARP who-has 10.0.0.2 tell 10.0.0.1"
    );
    let lldp = frame(0x88cc, Tags::default(), &[0; 46]);
    assert_eq!(at_port(lldp), "ge-0/0/0: ethertype 0x88cc, length 46");
    assert_eq!(at_port(vec![0; 60]), "ge-0/0/0: no Ethernet II, length 60");
    let bad = frame(TYPE_IPV4, Tags::default(), &[0x45; 20]);
    assert!(at_port(bad).starts_with("ge-0/0/0: IP, "));
}
