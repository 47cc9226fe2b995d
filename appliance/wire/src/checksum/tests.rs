use super::*;
use proptest::prelude::*;

#[test]
fn rfc1071_example() {
    // RFC 1071 section 3: the sum of these octets is ddf2.
    assert_eq!(
        of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
        !0xddf2
    );
}

proptest! {
    #[test]
    fn agrees_with_the_plain_definition(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut sum = 0u32;
        for pair in data.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        prop_assert_eq!(of(&data), !(sum as u16));
    }

    #[test]
    fn incremental_update_equals_full_computation(mut data in proptest::collection::vec(any::<u8>(), 20..=20), at in 0usize..5, new: u16) {
        data[10] = 0;
        data[11] = 0;
        data[0] = 0x45; // a header is never all zero
        let before = of(&data);
        let old = u16::from_be_bytes([data[2 * at], data[2 * at + 1]]);
        prop_assume!(at != 0);
        data[2 * at..2 * at + 2].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(update(before, old, new), of(&data));
    }
}

proptest! {
    #[test]
    fn a_header_by_words_equals_the_plain_sum(header: [u8; 20]) {
        prop_assert_eq!(of_ipv4_header(&header), of(&header));
    }
}
