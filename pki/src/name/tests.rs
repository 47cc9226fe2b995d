use super::*;
use crate::der;
use proptest::prelude::*;

fn name(text: &str) -> DistinguishedName {
    DistinguishedName::from_text(text).unwrap()
}

/// `CN=` with a string of any kind.
fn common_name(tag: u8, octets: &[u8]) -> Result<DistinguishedName, Error> {
    let attribute = der::constructed(
        der::SEQUENCE,
        &[&[6, 3, 0x55, 4, 3], &der::element(tag, octets)],
    );
    let set = der::element(der::SET, &attribute);
    DistinguishedName::from_der(&der::element(der::SEQUENCE, &set))
}

#[test]
fn text_is_read_and_written_back() {
    for text in [
        "CN=gw1.example.net,OU=Access,O=Example,C=DE",
        r"CN=a\, b\+c\=d\\e,DC=example,DC=net",
        r"CN=\ x\ ",
        r"CN=\#1",
        "CN=x+serialNumber=17,C=DE",
        "emailAddress=noc@example.net,UID=7,ST=B,L=M,STREET=1",
        "CN=Zürich",
    ] {
        assert_eq!(name(text).to_string(), text);
    }
    assert_eq!(name(" cn = a , o= b  c ").to_string(), "CN=a,O=b  c");
    assert_eq!(name(r"CN=Z\c3\bcrich").to_string(), "CN=Zürich");
}

#[test]
fn der_has_the_least_specific_first() {
    assert_eq!(
        name("CN=a,C=DE").der(),
        [
            0x30, 0x19, 0x31, 0x0b, 0x30, 9, 6, 3, 0x55, 4, 6, 0x13, 2, b'D', b'E', 0x31, 0x0a,
            0x30, 8, 6, 3, 0x55, 4, 3, 0x0c, 1, b'a'
        ]
    );
}

#[test]
fn bad_text_is_named() {
    for (text, part) in [
        ("CN", "CN"),
        ("CN=a,XY=b", "XY=b"),
        ("C=DEU", "C=DEU"),
        ("C=D_", "C=D_"),
        ("CN=", "CN="),
        (r"CN=a\", r"CN=a\"),
        ("DC=ü", "DC=ü"),
        ("CN=a,", ""),
    ] {
        let error = DistinguishedName::from_text(text).unwrap_err();
        assert!(
            matches!(&error, Error::Text { text, .. } if text == part),
            "{text}: {error}"
        );
    }
}

#[test]
fn strings_are_compared_without_case_spaces_and_kind() {
    let utf8 = common_name(der::UTF8_STRING, "Gw  1 Ä".as_bytes()).unwrap();
    let bmp: Vec<u8> = " gW 1 ä"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert!(utf8.matches(&common_name(30, &bmp).unwrap()));
    assert!(utf8.matches(&common_name(20, b"GW 1 \xe4").unwrap()));
    assert!(!utf8.matches(&common_name(der::UTF8_STRING, "Gw1 Ä".as_bytes()).unwrap()));
    assert!(!name("CN=a").matches(&name("OU=a")));
    assert!(!name("CN=a,O=b").matches(&name("O=b,CN=a")));
    assert!(!name("CN=a,O=b").matches(&name("CN=a")));
    assert!(name("CN=x+serialNumber=17").matches(&name("serialNumber=17+CN=X")));
    assert!(!name("CN=x+CN=x").matches(&name("CN=x+CN=y")));
}

#[test]
fn what_is_no_string_is_compared_by_octets() {
    let number = common_name(der::INTEGER, &[5]).unwrap();
    assert_eq!(number.to_string(), "CN=#020105");
    assert!(number.matches(&number.clone()));
    assert!(!number.matches(&common_name(der::INTEGER, &[6]).unwrap()));
}

#[test]
fn control_characters_are_escaped() {
    let name = common_name(der::UTF8_STRING, b"a\nb\x1b").unwrap();
    assert_eq!(name.to_string(), r"CN=a\0ab\1b");
}

#[test]
fn strings_with_foreign_octets_are_refused() {
    for (tag, octets) in [
        (der::UTF8_STRING, &b"\xff"[..]),
        (der::PRINTABLE_STRING, b"\xe4"),
        (30, b"a"),
        (30, b"\xd8\x00"),
        (28, b"\x00\x11\x00\x00"),
    ] {
        assert!(common_name(tag, octets).is_err(), "{tag} {octets:?}");
    }
}

#[test]
fn more_than_a_name_is_refused() {
    let good = name("CN=a").der().to_vec();
    let mut longer = good.clone();
    longer.push(0);
    assert!(DistinguishedName::from_der(&longer).is_err());
    for cut in 0..good.len() {
        assert!(DistinguishedName::from_der(&good[..cut]).is_err(), "{cut}");
    }
    assert!(matches!(
        common_name(der::UTF8_STRING, &[b'a'; MAX_NAME_OCTETS]),
        Err(Error::TooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn any_value_survives_text(value in "\\PC{1,40}") {
        prop_assume!(!value.trim().is_empty());
        let made = common_name(der::UTF8_STRING, value.as_bytes()).unwrap();
        let read = name(&made.to_string());
        prop_assert_eq!(read.der(), made.der());
        prop_assert!(read.matches(&made));
    }

    #[test]
    fn any_octets_are_answered(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(name) = DistinguishedName::from_der(&octets) {
            prop_assert!(name.matches(&name));
        }
    }
}
