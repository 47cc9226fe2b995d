use super::*;
use crate::der::{OID, SEQUENCE, element};
use proptest::prelude::*;

#[test]
fn what_is_written_is_read() {
    for length in [0, 1, 127, 128, 255, 256, 70_000] {
        let written = element(SEQUENCE, &vec![7; length]);
        let mut reader = Reader::new(&written);
        assert_eq!(reader.whole(SEQUENCE), Some(written.as_slice()));
        assert!(reader.is_empty());
        let content = Reader::new(&written).element(SEQUENCE);
        assert_eq!(content.map(<[u8]>::len), Some(length));
    }
}

#[test]
fn other_tags_and_lengths_are_refused() {
    for octets in [
        &[][..],
        &[0x30],
        &[0x31, 0],
        &[0x30, 1],
        // Indefinite, five octets, not the least octets.
        &[0x30, 0x80, 0, 0],
        &[0x30, 0x85, 0, 0, 0, 0, 0],
        &[0x30, 0x81, 1, 0],
        &[0x30, 0x82, 0, 0x80],
    ] {
        assert_eq!(Reader::new(octets).element(SEQUENCE), None, "{octets:?}");
    }
}

#[test]
fn an_optional_element_may_be_absent() {
    let octets = element(OID, &[1]);
    let mut reader = Reader::new(&octets);
    assert_eq!(reader.optional(SEQUENCE), Some(None));
    assert_eq!(reader.end(), None);
    assert_eq!(reader.optional(OID), Some(Some(&[1][..])));
    assert_eq!(reader.optional(OID), Some(None));
    assert_eq!(reader.end(), Some(()));
}

proptest! {
    #[test]
    fn any_octets_are_answered(octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut reader = Reader::new(&octets);
        while let Some(first) = reader.rest.first().copied() {
            let before = reader.rest.len();
            match reader.whole(first) {
                Some(whole) => prop_assert_eq!(whole.len(), before - reader.rest.len()),
                None => break,
            }
        }
    }
}
