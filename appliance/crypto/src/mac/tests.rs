//! Known answers of the RFCs. HMAC's are in `tests/vectors.rs`.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn counting(octets: u8) -> Vec<u8> {
    (0..octets).collect()
}

fn code(alg: Prf, key: &[u8], message: &[u8]) -> Vec<u8> {
    let whole = mac(alg, key, &[message]).unwrap().to_vec();
    // However the message is cut.
    for at in 0..=message.len() {
        let (front, back) = message.split_at(at);
        assert_eq!(*mac(alg, key, &[front, back]).unwrap(), whole);
    }
    whole
}

/// RFC 3566 section 4.6 (the same as RFC 4434 section 4 for a key of 16 octets), test cases 1 to 6.
#[test]
fn aes_xcbc() {
    for (octets, wanted) in [
        (0, "75f0251d528ac01c4573dfd584d79f29"),
        (3, "5b376580ae2f19afe7219ceef172756f"),
        (16, "d2a246fa349b68a79998a4394ff7a263"),
        (20, "47f51b4564966215b8985c63055ed308"),
        (32, "f54f0ec8d2b9f3d36807734bd5283fd4"),
        (34, "becbb3bccdb518a30677d5481fb6b4d8"),
    ] {
        let got = code(Prf::Aes128Xcbc, &counting(16), &counting(octets));
        assert_eq!(got, hex(wanted), "{octets} octets");
    }
}

/// RFC 4434 section 4: keys of 10 and of 18 octets.
#[test]
fn aes_xcbc_takes_keys_of_any_length() {
    for (key, wanted) in [
        (10, "0fa087af7d866e7653434e602fdde835"),
        (18, "8cd3c93ae598a9803006ffb67c40e9e4"),
    ] {
        let got = code(Prf::Aes128Xcbc, &with_tail(key), &counting(20));
        assert_eq!(got, hex(wanted), "{key} octets");
    }
}

/// RFC 4615 section 4: keys of 18, 16 and 10 octets.
#[test]
fn aes_cmac_takes_keys_of_any_length() {
    for (key, wanted) in [
        (18, "84a348a4a45d235babfffc0d2b4da09a"),
        (16, "980ae87b5f4c9c5214f5b6a8455e4c2d"),
        (10, "290d9e112edb09ee141fcf64c0b72f3d"),
    ] {
        let got = code(Prf::Aes128Cmac, &with_tail(key), &counting(20));
        assert_eq!(got, hex(wanted), "{key} octets");
    }
}

/// The RFCs' keys count from 0, but for the two octets behind the sixteenth: ED CB.
fn with_tail(octets: u8) -> Vec<u8> {
    let mut key = counting(octets.min(16));
    if octets > 16 {
        key.extend([0xed, 0xcb]);
    }
    key
}
