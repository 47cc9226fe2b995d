use super::*;
use proptest::prelude::*;

const A: Mac = [2, 0, 0, 0, 0, 1];
const B: Mac = [2, 0, 0, 0, 0, 2];

#[test]
fn tags_round_trip() {
    for tags in [
        Tags::default(),
        Tags {
            outer: 100,
            inner: 0,
        },
        Tags {
            outer: 7,
            inner: 4094,
        },
    ] {
        let mut frame = [0u8; 64];
        emit(&mut frame, A, B, tags, TYPE_IPV4).unwrap();
        let meta = parse(&frame).unwrap();
        assert_eq!(meta.tags, tags);
        assert_eq!(meta.ethertype, TYPE_IPV4);
        assert_eq!(meta.header_octets, HEADER_OCTETS + tags.octets());
        close_up_tags(&mut frame, meta.header_octets);
        let plain = &frame[tags.octets()..];
        assert_eq!(&plain[..6], &A);
        assert_eq!(&plain[6..12], &B);
        assert_eq!(parse(plain).unwrap().tags, Tags::default());
    }
}

#[test]
fn refuses_three_tags_and_length_frames() {
    let mut frame = [0u8; 64];
    for at in [12, 16, 20] {
        frame[at..at + 2].copy_from_slice(&TPID_CTAG.to_be_bytes());
    }
    assert_eq!(parse(&frame), None);
    frame[12..14].copy_from_slice(&64u16.to_be_bytes());
    assert_eq!(parse(&frame), None);
}

proptest! {
    #[test]
    fn never_panics(frame in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = parse(&frame);
    }
}
