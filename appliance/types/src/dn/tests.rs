use super::*;
use crate::Identity;
use proptest::prelude::*;

/// `C=DE,CN=` and this string.
fn name(tag: u8, octets: &[u8]) -> Vec<u8> {
    let length = |more: usize| (octets.len() + more) as u8;
    let mut der = vec![
        0x30,
        length(24),
        0x31,
        11,
        0x30,
        9,
        6,
        3,
        0x55,
        4,
        6,
        0x13,
        2,
    ];
    der.extend(b"DE");
    der.extend([0x31, length(9), 0x30, length(7), 6, 3, 0x55, 4, 3, tag]);
    der.push(length(0));
    der.extend(octets);
    der
}

#[test]
fn an_identity_is_shown_as_its_text() {
    let shown = |tag, octets: &[u8]| Identity::Dn(name(tag, octets)).to_string();
    assert_eq!(shown(0x0c, b"gw1.example.net"), "CN=gw1.example.net,C=DE");
    assert_eq!(shown(0x13, b"a,b\n#"), r"CN=a\,b\0a#,C=DE");
    assert_eq!(shown(0x14, b"Z\xfcrich"), "CN=Zürich,C=DE");
    assert_eq!(shown(0x1e, b"\0a\0b"), "CN=ab,C=DE");
    assert_eq!(shown(0x02, b"\x07"), "CN=#020107,C=DE");
    assert_eq!(
        Identity::Dn(b"\x30\x02\x31".to_vec()).to_string(),
        "dn:0x300231",
        "what is no name is not guessed at"
    );
    assert!(shown(0x0c, b"\xff").starts_with("dn:0x30"));
}

#[test]
fn numbers_of_any_length_are_read() {
    assert_eq!(dotted(&[0x2a, 0x86, 0x48]).unwrap(), "1.2.840");
    assert_eq!(dotted(&[0x88, 0x37, 3]).unwrap(), "2.999.3");
    assert_eq!(dotted(&[0x2a, 0x86]), None, "cut off");
    assert_eq!(dotted(&[]), None);
    let long = [&[0x30, 0x81, 0x80][..], &[0; 0x80]].concat();
    let mut rest = &long[..];
    assert_eq!(next(&mut rest).unwrap().content.len(), 128);
}

proptest! {
    #[test]
    fn no_octets_are_too_odd(octets: Vec<u8>, value: Vec<u8>, tag: u8) {
        text(&octets);
        if let Some(text) = text(&name(tag, &value[..value.len().min(90)])) {
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
