use super::*;
use ravelin_ctl::capture::Step::{And, Not, Or, Test as Ask};
use ravelin_wire::ip::IpFields;

fn packet(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let source: IpAddr = source.parse().unwrap();
    let header = if source.is_ipv6() { 40 } else { 20 };
    let mut packet = vec![0; header];
    let fields = IpFields {
        source,
        destination: destination.parse().unwrap(),
        protocol,
        ttl: 64,
        traffic_class: 0,
        dont_fragment: false,
        id: 1,
        payload_octets: payload.len() as u16,
    };
    packet.extend_from_slice(payload);
    ip::emit(&mut packet, &fields).unwrap();
    packet
}

fn ports(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let head = [source, destination, length, 0];
    let mut out: Vec<u8> = head.iter().flat_map(|v| v.to_be_bytes()).collect();
    out.extend_from_slice(payload);
    out
}

fn net(text: &str) -> Test {
    Test::Net(End::Either, text.parse().unwrap())
}

fn is(test: Test, packet: &[u8]) -> bool {
    wants(&Filter(vec![Ask(test)]), &View::of_packet(packet))
}

const ESP_HEAD: [u8; 12] = [0xc0, 0, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4];

#[test]
fn each_test_asks_its_field() {
    let dns = packet("10.0.0.1", "10.9.0.2", 17, &ports(4000, 53, b"abc"));
    for (test, holds) in [
        (net("10.0.0.0/24"), true),
        (net("10.9.0.2/32"), true),
        (net("10.8.0.0/16"), false),
        (
            Test::Net(End::Source, "10.9.0.0/16".parse().unwrap()),
            false,
        ),
        (
            Test::Net(End::Destination, "10.9.0.0/16".parse().unwrap()),
            true,
        ),
        (net("::/0"), false),
        (Test::Port(End::Either, 53), true),
        (Test::Port(End::Source, 53), false),
        (Test::Port(End::Source, 4000), true),
        (Test::Protocol(17), true),
        (Test::Protocol(6), false),
        (Test::Ipv4, true),
        (Test::Ipv6, false),
        (Test::Arp, false),
        (Test::Esp, false),
    ] {
        assert_eq!(is(test, &dns), holds, "{test:?}");
    }
    let ping = packet(
        "2001:db8::1",
        "2001:db8::2",
        58,
        &[128, 0, 0, 0, 0, 35, 0, 1],
    );
    assert!(is(Test::Ipv6, &ping) && is(net("2001:db8::/64"), &ping));
    assert!(
        !is(Test::Port(End::Either, 128 << 8), &ping),
        "a type is no port"
    );
}

#[test]
fn esp_is_found_native_and_in_udp_and_not_in_ike() {
    let spi = Test::Spi(Spi(0xc000_0001));
    let native = packet("192.0.2.1", "192.0.2.2", PROTOCOL_ESP, &ESP_HEAD);
    assert!(is(Test::Esp, &native) && is(spi, &native));
    assert!(!is(Test::Spi(Spi(1)), &native));
    let in_udp = packet("192.0.2.1", "192.0.2.2", 17, &ports(4500, 61000, &ESP_HEAD));
    assert!(is(Test::Esp, &in_udp) && is(spi, &in_udp));
    let elsewhere = packet("192.0.2.1", "192.0.2.2", 17, &ports(4501, 4502, &ESP_HEAD));
    assert!(!is(Test::Esp, &elsewhere));
    let ike = packet("192.0.2.1", "192.0.2.2", 17, &ports(4500, 4500, &[0; 40]));
    assert!(!is(Test::Esp, &ike));
    let keepalive = packet("192.0.2.1", "192.0.2.2", 17, &ports(4500, 4500, &[0xff]));
    assert!(!is(Test::Esp, &keepalive));
}

#[test]
fn frames_are_seen_behind_their_tags() {
    let inner = packet("10.0.0.1", "10.9.0.2", 17, &ports(4000, 53, b"abc"));
    let tags = Tags { outer: 7, inner: 0 };
    let mut frame = vec![0; 18];
    ethernet::emit(&mut frame, [1; 6], [2; 6], tags, TYPE_IPV4).unwrap();
    frame.extend_from_slice(&inner);
    let view = View::of_frame(&frame);
    assert_eq!(view.tags, tags);
    assert!(wants(
        &Filter(vec![Ask(Test::Port(End::Either, 53))]),
        &view
    ));
    let mut arp = vec![0; 60];
    ethernet::emit(&mut arp, [1; 6], [2; 6], Tags::default(), TYPE_ARP).unwrap();
    assert!(wants(&Filter(vec![Ask(Test::Arp)]), &View::of_frame(&arp)));
    for cut in 0..frame.len() {
        let view = View::of_frame(&frame[..cut]);
        assert_eq!(view.meta, None, "{cut}");
    }
}

#[test]
fn inner_packets_are_known_by_the_spi_that_carries_them() {
    let inner = packet("10.0.0.1", "10.9.0.2", 17, &ports(4000, 53, b"abc"));
    let link = EspLink {
        pair: None,
        spi: Spi(9),
        sequence: 3,
    };
    let view = View::of_inner(&inner, link);
    assert!(wants(&Filter(vec![Ask(Test::Spi(Spi(9)))]), &view));
    assert!(!wants(&Filter(vec![Ask(Test::Spi(Spi(8)))]), &view));
    assert!(
        !wants(&Filter(vec![Ask(Test::Esp)]), &view),
        "not itself ESP"
    );
}

#[test]
fn operators_combine_and_unsound_filters_want_nothing() {
    let dns = View::of_packet(&packet(
        "10.0.0.1",
        "10.9.0.2",
        17,
        &ports(4000, 53, b"abc"),
    ));
    let (yes, no) = (Ask(Test::Ipv4), Ask(Test::Ipv6));
    let says = |steps: &[Step]| {
        let filter = Filter(steps.to_vec());
        assert!(filter.is_sound(), "{steps:?}");
        wants(&filter, &dns)
    };
    assert!(says(&[]));
    assert!(says(&[yes, yes, And]) && !says(&[yes, no, And]) && !says(&[no, no, Or]));
    assert!(says(&[yes, no, Or]) && says(&[no, Not]) && !says(&[yes, Not]));
    assert!(says(&[yes, no, And, yes, Or]) && !says(&[yes, no, yes, Or, Not, And]));
    let too_many = [vec![yes; MAX_FILTER_STEPS], vec![And; MAX_FILTER_STEPS]].concat();
    for unsound in [
        vec![And],
        vec![Not],
        vec![yes, Or],
        vec![yes, yes],
        too_many,
    ] {
        let filter = Filter(unsound);
        assert!(!filter.is_sound());
        wants(&filter, &dns);
    }
    assert!(!wants(&Filter(vec![yes, And]), &dns));
}
