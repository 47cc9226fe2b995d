use super::build::Dice;
use super::packets::{DIFFERENT, Target, arp_storm, esp, fragments, sa_init};
use crate::frame::{Frame, Kind};
use std::collections::{BTreeMap, BTreeSet};

fn target() -> Target {
    Target {
        mac: [0x02, 0, 0, 0, 0, 1],
        addresses: [
            "192.0.2.1".parse().unwrap(),
            "2001:db8:a::1".parse().unwrap(),
        ],
    }
}

fn kinds(frames: &[Vec<u8>]) -> BTreeMap<Kind, usize> {
    let mut kinds = BTreeMap::new();
    for frame in frames {
        *kinds.entry(Frame::parse(frame).kind).or_default() += 1;
    }
    kinds
}

#[test]
fn floods_are_of_thousands_of_different_packets_of_their_kind() {
    for (frames, kind) in [
        (sa_init(target()), Kind::Ike),
        (arp_storm(target()), Kind::Neighbour),
    ] {
        assert_eq!(kinds(&frames), BTreeMap::from([(kind, DIFFERENT)]));
        assert_eq!(frames.iter().collect::<BTreeSet<_>>().len(), DIFFERENT);
    }
    let esp = esp(target());
    let half = DIFFERENT / 2;
    assert_eq!(
        kinds(&esp),
        BTreeMap::from([(Kind::Esp, half), (Kind::EspInUdp, half)])
    );
    let later = |frame: &Vec<u8>| Frame::parse(frame).later_fragment;
    let fragments = fragments(target());
    assert_eq!(fragments.len(), DIFFERENT);
    let later = fragments.iter().filter(|frame| later(frame)).count();
    assert!(later > DIFFERENT / 4 && later < DIFFERENT, "{later}");
}

#[test]
fn checksums_are_right() {
    for frame in sa_init(target()).iter().take(10) {
        let packet = &frame[14..];
        let sum = |octets: &[u8]| {
            let mut sum: u32 = octets
                .chunks(2)
                .map(|p| u32::from(p[0]) << 8 | u32::from(*p.get(1).unwrap_or(&0)))
                .sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            sum
        };
        let (addresses, datagram) = if packet[0] >> 4 == 4 {
            assert_eq!(sum(&packet[..20]), 0xffff);
            (&packet[12..20], &packet[20..])
        } else {
            (&packet[8..40], &packet[40..])
        };
        let length = (datagram.len() as u16).to_be_bytes();
        let pseudo = [addresses, &[0, 17], &length, datagram].concat();
        assert_eq!(sum(&pseudo), 0xffff);
    }
}

#[test]
fn dice_repeat_themselves() {
    let roll = || Dice(7).octets(32);
    assert_eq!(roll(), roll());
    assert_ne!(roll(), Dice(8).octets(32));
}
