use super::*;

#[test]
fn lengths_take_the_least_octets() {
    for (length, header) in [
        (0, &[4, 0][..]),
        (127, &[4, 127]),
        (128, &[4, 0x81, 128]),
        (256, &[4, 0x82, 1, 0]),
    ] {
        let made = element(4, &vec![0; length]);
        assert_eq!(made.len(), header.len() + length);
        assert!(made.starts_with(header), "{length}");
    }
    assert_eq!(
        constructed(
            SEQUENCE,
            &[&element(INTEGER, &[1]), &element(INTEGER, &[2])]
        ),
        [0x30, 6, 2, 1, 1, 2, 1, 2]
    );
}
