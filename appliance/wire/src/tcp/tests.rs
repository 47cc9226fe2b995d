use proptest::prelude::*;

use super::*;

const PSEUDO: u64 = 0x1_2345;

fn sum(segment: &[u8]) -> u16 {
    checksum::finish(checksum::add(PSEUDO, segment))
}

/// A segment with these flags and options, and its checksum.
fn segment(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; HEADER_OCTETS];
    segment[..4].copy_from_slice(&[0x12, 0x34, 0, 80]);
    segment[13] = flags;
    segment.extend_from_slice(options);
    segment.resize(segment.len().next_multiple_of(4), END);
    segment[12] = ((segment.len() / 4) << 4) as u8;
    segment.extend_from_slice(payload);
    let sum = sum(&segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// Options before the one that matters: each takes a place of its own parity.
fn before() -> impl Strategy<Value = Vec<u8>> {
    let option = prop_oneof![
        Just(vec![NO_OPERATION]),
        Just(vec![3, 3, 7]),
        Just(vec![4, 2]),
        proptest::array::uniform8(any::<u8>()).prop_map(|octets| {
            let mut option = vec![8, 10];
            option.extend_from_slice(&octets);
            option
        }),
    ];
    proptest::collection::vec(option, 0..4).prop_map(|options| {
        let mut options: Vec<u8> = options.concat();
        options.truncate(36);
        options
    })
}

proptest! {
    #[test]
    fn the_size_is_lowered_wherever_it_stands(
        before in before(),
        announced: u16,
        most in 64u16..,
        payload in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        // Options cut off in the middle would swallow the one that matters.
        let before = if mss_at(&segment(SYN, &[&before[..], &[2, 4, 0, 0]].concat(), &[])).is_some() {
            before
        } else {
            Vec::new()
        };
        let options = |mss: u16| {
            let [high, low] = mss.to_be_bytes();
            [&before[..], &[MAXIMUM_SEGMENT_SIZE, 4, high, low]].concat()
        };
        let mut clamped = segment(SYN, &options(announced), &payload);
        prop_assert_eq!(clamp_mss(&mut clamped, most), announced > most);
        let wanted = segment(SYN, &options(announced.min(most)), &payload);
        prop_assert_eq!(sum(&clamped), 0);
        clamped[16..18].copy_from_slice(&wanted[16..18]);
        prop_assert_eq!(clamped, wanted);
    }

    #[test]
    fn whatever_comes_keeps_its_length_and_sum(mut segment in proptest::collection::vec(any::<u8>(), 0..80), most: u16) {
        let (octets, before) = (segment.len(), sum(&segment));
        clamp_mss(&mut segment, most);
        prop_assert_eq!((segment.len(), sum(&segment)), (octets, before));
    }
}

#[test]
fn broken_options_are_left_alone() {
    for options in [
        &[2, 3, 5, 0xb4][..],
        &[1, 2, 4, 5],
        &[3, 0, 2, 4, 5, 0xb4],
        &[0, 2, 4, 5, 0xb4],
        &[1, 1, 1, 2],
        &[],
    ] {
        let mut segment = segment(SYN, options, b"x");
        let before = segment.clone();
        assert!(!clamp_mss(&mut segment, 1200), "{options:?}");
        assert_eq!(segment, before);
    }
}

#[test]
fn only_a_syn_opens_a_connection() {
    assert!(is_syn(&segment(SYN, &[], b"")));
    assert!(is_syn(&segment(SYN | 0x10, &[], b"")));
    assert!(!is_syn(&segment(0x10, &[], b"")));
    assert!(!is_syn(&segment(SYN, &[], b"")[..13]));
}
