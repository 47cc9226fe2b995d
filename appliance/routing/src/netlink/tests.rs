//! Framing of datagrams, nexthop objects, and hostile octets.

use super::*;
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use proptest::prelude::*;

fn header(length: u32, message_type: u16, flags: u16, sequence: u32) -> Vec<u8> {
    let mut out = length.to_ne_bytes().to_vec();
    out.extend(message_type.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend([0; 4]);
    out
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = (4 + value.len() as u16).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().div_ceil(4) * 4, 0);
    out
}

fn nexthop(message_type: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let body: Vec<u8> = [vec![0; 8], attributes.concat()].concat();
    [header(16 + body.len() as u32, message_type, 0, 0), body].concat()
}

#[test]
fn a_datagram_of_several_messages() {
    let mut datagram = header(20, 2, 0, 7);
    datagram.extend((-17_i32).to_ne_bytes());
    datagram.extend(header(16, 4, 0, 0));
    datagram.extend(header(16, 1, 0, 0));
    datagram.extend(header(20, 3, 2, 9));
    datagram.extend(0_i32.to_ne_bytes());
    datagram.extend(header(16, 3, 2, 9));
    let bodies: Vec<Body> = frames(&datagram).into_iter().map(|f| f.body).collect();
    assert_eq!(
        bodies,
        [Body::Ack(-17), Body::Overrun, Body::Done(0), Body::Done(0)]
    );
}

#[test]
fn a_cut_off_rest_is_reported_once() {
    let mut datagram = header(16, 4, 0, 0);
    datagram.extend(header(400, 24, 0, 0));
    let bodies: Vec<Body> = frames(&datagram).into_iter().map(|f| f.body).collect();
    assert_eq!(
        bodies,
        [Body::Overrun, Body::Undecodable { message_type: 0 }]
    );
    let unknown = header(16, 999, 0, 0);
    assert_eq!(
        frames(&unknown)[0].body,
        Body::Undecodable { message_type: 999 }
    );
}

#[test]
fn requests_come_back_as_they_went() {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    let mut datagram = Vec::new();
    for sequence in [5, 6] {
        let message = RouteNetlinkMessage::GetRoute(message.clone());
        encode(&mut datagram, 0x300, sequence, message);
    }
    let decoded = frames(&datagram);
    assert_eq!(decoded.len(), 2);
    assert_eq!((decoded[1].sequence, decoded[1].flags), (6, 0x301));
    let expected = RtMessage::Route(RouteNetlinkMessage::GetRoute(message));
    assert_eq!(decoded[0].body, Body::Message(Box::new(expected)));
}

/// Found by fuzzing: the library reads past the end of a short IFA_CACHEINFO. We have no use for it.
#[test]
fn attributes_of_no_use_are_not_decoded() {
    let mut body = vec![2, 24, 0, 0, 3, 0, 0, 0];
    body.extend(attribute(2, &[10, 0, 0, 1]));
    body.extend(attribute(6, &[1, 2, 3, 4]));
    let mut datagram = header(16 + body.len() as u32, 20, 0, 0);
    datagram.extend(body);
    let Body::Message(message) = frames(&datagram).remove(0).body else {
        panic!("an address");
    };
    let RtMessage::Route(RouteNetlinkMessage::NewAddress(address)) = *message else {
        panic!("an address");
    };
    assert_eq!((address.header.index, address.attributes.len()), (3, 1));
}

/// Found by fuzzing: the library reads past the end of a short RTA_FLOW, here of a hop of a multipath route.
#[test]
fn hops_are_decoded_without_attributes_of_no_use() {
    let hop = |ifindex: u8, attributes: &[Vec<u8>]| {
        let mut hop = vec![0, 0, 0, 0, ifindex, 0, 0, 0];
        hop.extend(attributes.concat());
        hop[0] = hop.len() as u8;
        hop
    };
    let gateway = attribute(5, &[10, 0, 0, 9]);
    let hops = [
        hop(3, &[attribute(11, &[]), gateway.clone()]),
        hop(4, &[gateway]),
    ];
    let mut body = vec![2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    body.extend(attribute(9, &hops.concat()));
    let mut datagram = header(16 + body.len() as u32, 24, 0, 0);
    datagram.extend(body);
    let Body::Message(message) = frames(&datagram).remove(0).body else {
        panic!("a route");
    };
    let RtMessage::Route(RouteNetlinkMessage::NewRoute(route)) = *message else {
        panic!("a route");
    };
    let [RouteAttribute::MultiPath(hops)] = route.attributes.as_slice() else {
        panic!("{route:?}");
    };
    let seen: Vec<_> = hops
        .iter()
        .map(|h| (h.interface_index, h.attributes.len()))
        .collect();
    assert_eq!(seen, [(3, 1), (4, 1)]);
    // A hop of an impossible length makes the whole message undecodable.
    let length_at = 16 + 12 + 4;
    datagram[length_at] = 200;
    assert!(matches!(
        frames(&datagram).remove(0).body,
        Body::Undecodable { .. }
    ));
    datagram[length_at] = 0;
    assert!(matches!(
        frames(&datagram).remove(0).body,
        Body::Undecodable { .. }
    ));
}

#[test]
fn nexthop_objects() {
    let id = attribute(1, &7_u32.to_ne_bytes());
    let single = nexthop(
        104,
        &[
            id.clone(),
            attribute(5, &3_u32.to_ne_bytes()),
            attribute(6, &[10, 0, 0, 2]),
        ],
    );
    let mut members = 1_u32.to_ne_bytes().to_vec();
    members.extend([2, 1, 0, 0]);
    let group = nexthop(105, &[id.clone(), attribute(2, &members)]);
    let message = |body: &[u8]| match frames(body).remove(0).body {
        Body::Message(message) => *message,
        other => panic!("{other:?}"),
    };
    let kind = NextHopKind::Single {
        gateway: Some("10.0.0.2".parse().unwrap()),
        ifindex: 3,
    };
    assert_eq!(
        message(&single),
        RtMessage::NewNextHop(NextHopMessage { id: 7, kind })
    );
    let kind = NextHopKind::Group(vec![(1, 259)]);
    assert_eq!(
        message(&group),
        RtMessage::DelNextHop(NextHopMessage { id: 7, kind })
    );
    for bad in [
        nexthop(104, &[]),
        nexthop(104, std::slice::from_ref(&id)),
        nexthop(104, &[id, attribute(2, &[1, 2, 3])]),
    ] {
        assert_eq!(
            frames(&bad)[0].body,
            Body::Undecodable { message_type: 104 }
        );
    }
}

proptest! {
    #[test]
    fn nexthop_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut datagram = header(16 + octets.len() as u32, 104, 0, 0);
        datagram.extend(octets);
        prop_assert_eq!(frames(&datagram).len(), 1);
    }

    #[test]
    fn framing_always_ends(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        // Types that the library would decode are masked: only the framing is ours.
        let mut octets = octets;
        if octets.len() >= 6 {
            octets[4] = 104;
            octets[5] = 0;
        }
        prop_assert!(frames(&octets).len() <= octets.len());
    }
}
