use super::*;

fn flow(family: &str) -> Flow {
    let (local, remote) = match family {
        "4" => ("10.0.0.1:50000", "198.51.100.10:862"),
        _ => ("[2001:db8::1]:50000", "[2001:db8:b::1]:862"),
    };
    Flow::new(local.parse().unwrap(), remote.parse().unwrap())
}

/// Payloads of the answers of a reflector that counts, to these of so many packets, in this order.
fn answers(flow: &mut Flow, sent: u32, order: &[usize]) -> Vec<Vec<u8>> {
    let payload = |number: u32| {
        let packet = flow.next_packet(200, Time(number.into())).unwrap();
        let (_, _, payload) = datagram(packet.data()).unwrap();
        payload.to_vec()
    };
    let payloads: Vec<_> = (0..sent).map(payload).collect();
    let mut count = 0;
    let reflect = |at: &usize| {
        let mut payload = payloads[*at].clone();
        assert!(stamp::reflect(&mut payload, Time(0), |_| count));
        count += 1;
        payload
    };
    order.iter().map(reflect).collect()
}

#[test]
fn packets_are_what_others_read() {
    for family in ["4", "6"] {
        let mut flow = flow(family);
        let packet = flow.next_packet(121, Time(5)).unwrap();
        assert_eq!(packet.data().len(), 121);
        let (from, to, payload) = datagram(packet.data()).unwrap();
        assert_eq!((from, to), (flow.local, flow.remote));
        let meta = ip::parse(packet.data()).unwrap();
        let udp = meta.payload(packet.data());
        assert_eq!(payload.len(), udp.len() - UDP_HEADER_OCTETS);
        let sum = checksum::pseudo_header(from.ip(), to.ip(), 17, udp.len() as u32);
        assert_eq!(checksum::finish(checksum::add(sum, udp)), 0);
        assert_eq!(flow.next_packet(20, Time(5)).map(|p| p.data().len()), None);
    }
}

#[test]
fn losses_doubles_and_late_ones_are_told_apart() {
    let mut flow = flow("4");
    // Number 2 is lost on its way, 5 is overtaken by 6; the last one has no answer yet.
    let back = answers(&mut flow, 9, &[0, 1, 3, 4, 6, 5, 7]);
    for (place, payload) in back.iter().enumerate() {
        // The answer to number 3 is lost.
        if place != 2 {
            assert!(flow.take(payload, Time(1000)).is_some());
        }
    }
    assert_eq!(flow.take(&back[0], Time(1000)), None);
    let wanted = Tally {
        sent: 9,
        answered: 6,
        duplicated: 1,
        reordered: 1,
        lost_there: 1,
        lost_back: 1,
    };
    assert_eq!(flow.tally(), wanted);
    assert_eq!(flow.tally().lost(), 3);
}

#[test]
fn answers_to_what_was_not_sent_do_not_count() {
    let mut flow = flow("6");
    let mut other = self::flow("6");
    let back = answers(&mut other, 3, &[0, 1, 2]);
    assert_eq!(flow.take(&back[2], Time(9)), None);
    assert_eq!(flow.take(&back[2][..20], Time(9)), None);
    assert_eq!(flow.tally(), Tally::default());
}

#[test]
fn a_reflector_with_an_old_count_tells_nothing_of_ways() {
    let mut flow = flow("4");
    let mut payload = answers(&mut flow, 2, &[1]).remove(0);
    payload[..4].copy_from_slice(&70_000u32.to_be_bytes());
    assert!(flow.take(&payload, Time(9)).is_some());
    let tally = flow.tally();
    assert_eq!((tally.sent, tally.lost()), (2, 1));
    assert_eq!((tally.lost_there, tally.lost_back), (0, 1));
}
