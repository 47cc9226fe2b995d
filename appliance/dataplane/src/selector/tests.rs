use super::*;

const TUNNEL: IfIndex = IfIndex(9);

fn child(pair: u64, local: &str, remote: &str, protocol: u8, port: Option<u16>) -> Arc<Child> {
    let mut selectors =
        [local, remote].map(|text| TrafficSelector::from_prefix(text.parse().unwrap()));
    selectors[1].protocol = protocol;
    if let Some(port) = port {
        (selectors[1].port_first, selectors[1].port_last) = (port, port);
    }
    selectors[0].protocol = protocol;
    let [local, remote] = selectors;
    let place = (pair as u32, 0);
    Arc::new(Child::new(PairId(pair), place, TUNNEL, &[local], &[remote]))
}

type Meta = (Upper, Ends<u32>);

fn meta(source: &str, destination: &str, protocol: u8, port: u16) -> Meta {
    let mut packet = [0u8; 28];
    let fields = ravelin_wire::ip::IpFields {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol,
        ttl: 9,
        traffic_class: 0,
        dont_fragment: false,
        id: 0,
        payload_octets: 8,
    };
    ravelin_wire::ip::emit(&mut packet, &fields).unwrap();
    packet[22..24].copy_from_slice(&port.to_be_bytes());
    let brief = ravelin_wire::ip::parse(&packet).unwrap().brief;
    let header = Header::<u32>::new(brief, &packet, ravelin_types::VrfId::DEFAULT).unwrap();
    (header.into(), header.ends)
}

fn winner(table: &Selectors, (packet, ends): &Meta) -> Option<u64> {
    table
        .search(TUNNEL, *ends, *packet)
        .map(|child| child.pair.0)
}

#[test]
fn longest_prefix_then_newest() {
    let mut table = Selectors::default();
    let wide = child(1, "10.2.0.0/16", "10.1.0.0/16", 0, None);
    let host = child(2, "10.2.0.0/16", "10.1.0.1/32", 0, None);
    let rekeyed = child(3, "10.2.0.0/16", "10.1.0.1/32", 0, None);
    for each in [&host, &wide] {
        table.activate(each).unwrap();
    }
    let packet = meta("10.2.0.9", "10.1.0.1", 17, 53);
    assert_eq!(winner(&table, &packet), Some(2));
    table.activate(&rekeyed).unwrap();
    assert_eq!(winner(&table, &packet), Some(3), "newest activated");
    table.activate(&host).unwrap();
    assert_eq!(winner(&table, &packet), Some(2), "activated again");
    let place = |table: &Selectors| table.place(packet.1.destination);
    assert_eq!(place(&table), Some(host.place()), "by the short way, too");
    table.deactivate(&host);
    assert_eq!(place(&table), Some(rekeyed.place()));
    table.deactivate(&rekeyed);
    assert_eq!(place(&table), Some(wide.place()));
    assert_eq!(winner(&table, &packet), Some(1));
    assert_eq!(
        winner(&table, &meta("10.3.0.9", "10.1.0.1", 17, 53)),
        None,
        "source outside"
    );
    table.deactivate(&wide);
    assert_eq!(winner(&table, &packet), None);
    assert_eq!(place(&table), None);
    assert!(table.v4.prefixes().is_empty());
}

#[test]
fn protocol_and_ports_fall_through_to_the_shorter_prefix() {
    let mut table = Selectors::default();
    table
        .activate(&child(1, "10.2.0.0/16", "10.1.0.0/16", 0, None))
        .unwrap();
    table
        .activate(&child(2, "10.2.0.0/16", "10.1.0.1/32", 17, Some(53)))
        .unwrap();
    assert_eq!(
        winner(&table, &meta("10.2.0.9", "10.1.0.1", 17, 53)),
        Some(2)
    );
    assert_eq!(
        winner(&table, &meta("10.2.0.9", "10.1.0.1", 17, 54)),
        Some(1)
    );
    assert_eq!(
        winner(&table, &meta("10.2.0.9", "10.1.0.1", 6, 53)),
        Some(1)
    );
    let mut later = meta("10.2.0.9", "10.1.0.1", 17, 53);
    later.0.ports = None;
    assert_eq!(
        winner(&table, &later),
        Some(1),
        "no ports, so no fit for a port selector"
    );
}

#[test]
fn other_tunnels_children_do_not_count() {
    let mut table = Selectors::default();
    table
        .activate(&child(1, "10.2.0.0/16", "10.1.0.0/16", 0, None))
        .unwrap();
    let (packet, ends) = meta("10.2.0.9", "10.1.0.1", 17, 53);
    assert!(table.search(IfIndex(8), ends, packet).is_none());
}

#[test]
fn buckets_are_bounded() {
    let mut table = Selectors::default();
    for pair in 0..MAX_CHILDREN_PER_PREFIX as u64 {
        table
            .activate(&child(pair, "10.2.0.0/16", "10.1.0.0/16", 0, None))
            .unwrap();
    }
    assert_eq!(
        table.activate(&child(999, "10.2.0.0/16", "10.1.0.0/16", 0, None)),
        Err(SelectorsFull)
    );
    assert!(
        table
            .activate(&child(3, "10.2.0.0/16", "10.1.0.0/16", 0, None))
            .is_ok()
    );
}

#[test]
fn inbound_is_the_mirror_image() {
    let child = child(1, "10.2.0.0/16", "10.1.0.0/16", 0, None);
    let admits = |(packet, ends): Meta| {
        child
            .v4
            .admit_from_peer(packet.protocol, ends, || packet.ports)
    };
    assert!(admits(meta("10.1.0.1", "10.2.0.1", 17, 53)));
    assert!(!admits(meta("10.2.0.1", "10.1.0.1", 17, 53)));
}
