use super::*;
use crate::io::memory::MemoryPool;
use crate::tables::{IfIndex, NextHop};
use ravelin_esp::MemoryBuf;

const NOW: Time = Time(1_000_000);

/// Part `at` (of 8 octets each) of a datagram with this identification.
fn part(id: u16, at: u16, more: bool) -> Packet<MemoryBuf> {
    let mut packet = vec![0x45, 0, 0, 28];
    packet.extend(id.to_be_bytes());
    packet.extend((at | if more { 0x2000 } else { 0 }).to_be_bytes());
    packet.extend([64, 17, 0, 0, 192, 0, 2, 9, 192, 0, 2, 1]);
    let sum = checksum::of(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend([7; 8]);
    Packet {
        meta: ip::parse(&packet).unwrap().brief,
        buf: MemoryBuf::new(&packet),
        ingress: IfIndex(1),
        vrf: VrfId::DEFAULT,
        next_hop: NextHop::Local,
        origin: Origin::Port,
        strange_source: false,
    }
}

/// Adds as the stage does; how many fragments gave way, and whether a datagram is complete.
fn add(table: &mut Reassembly<MemoryBuf>, packet: Packet<MemoryBuf>) -> (usize, bool) {
    let mut gone = 0;
    while table.make_room(&packet, |_| gone += 1) {}
    match table.add(packet, NOW, &mut MemoryPool) {
        Outcome::Waiting => (gone, false),
        Outcome::Complete(..) => (gone, true),
        Outcome::Refused(_, reason) => panic!("{reason:?}"),
    }
}

#[test]
fn under_a_flood_a_real_datagram_still_comes_together() {
    let mut table = Reassembly::default();
    let mut gone = 0;
    for id in 1..5000 {
        gone += add(&mut table, part(id, 0, true)).0;
        if id % 1000 == 0 {
            // Its second fragment follows a hundred strangers later.
            gone += add(&mut table, part(60_000, 0, true)).0;
            for other in 0..100 {
                gone += add(&mut table, part(30_000 + other + id, 0, true)).0;
            }
            let (more, complete) = add(&mut table, part(60_000, 1, false));
            assert!(complete, "after {id}");
            gone += more;
        }
    }
    assert_eq!(table.len(), (MAX_DATAGRAMS, MAX_DATAGRAMS));
    assert_eq!(gone, 4999 + 400 - MAX_DATAGRAMS, "each is accounted for");
}

#[test]
fn fragments_in_all_are_bounded() {
    let mut table = Reassembly::default();
    let mut gone = 0;
    for id in 1..=100 {
        for at in 0..10 {
            gone += add(&mut table, part(id, at, true)).0;
            assert!(table.len().1 <= MAX_HELD);
        }
    }
    assert_eq!(gone + table.len().1, 1000);
    assert!(table.len().1 > MAX_HELD - MAX_FRAGMENTS);
    while let Some(packets) = table.expire(NOW + WAIT) {
        gone += packets.len();
    }
    assert_eq!(gone, 1000);
    assert!(table.is_empty());
}
