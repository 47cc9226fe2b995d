use super::*;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let pair = |p: &[char]| u8::from_str_radix(&p.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn identifiers_are_those_of_the_rfcs() {
    for (scheme, text) in [
        // RFC 7427 appendix A.1 and A.3.
        (
            Scheme::DigitalRsaPkcs1(Hash::Sha1),
            "300d06092a864886f70d0101050500",
        ),
        (
            Scheme::DigitalRsaPkcs1(Hash::Sha256),
            "300d06092a864886f70d01010b0500",
        ),
        (
            Scheme::DigitalRsaPkcs1(Hash::Sha384),
            "300d06092a864886f70d01010c0500",
        ),
        (
            Scheme::DigitalRsaPkcs1(Hash::Sha512),
            "300d06092a864886f70d01010d0500",
        ),
        (Scheme::DigitalEcdsa(Hash::Sha1), "300906072a8648ce3d0401"),
        (
            Scheme::DigitalEcdsa(Hash::Sha256),
            "300a06082a8648ce3d040302",
        ),
        (
            Scheme::DigitalEcdsa(Hash::Sha384),
            "300a06082a8648ce3d040303",
        ),
        (
            Scheme::DigitalEcdsa(Hash::Sha512),
            "300a06082a8648ce3d040304",
        ),
        // A.4.1.
        (
            Scheme::DigitalRsaPss(Hash::Sha1),
            "300d06092a864886f70d01010a3000",
        ),
        // RFC 8420 appendix A.
        (Scheme::DigitalEd25519, "300506032b6570"),
        (Scheme::DigitalEd448, "300506032b6571"),
    ] {
        assert_eq!(hex(&encode(scheme).unwrap()), text, "{scheme}");
        assert_eq!(parse(&bytes(text)), Some(scheme), "{scheme}");
    }
}

#[test]
fn pss_is_read_with_and_without_defaults() {
    // RFC 7427 appendix A.4.3, with the trailer field.
    let rfc = bytes(
        "3046 0609 2a86 4886 f70d 0101 0a30 39a0 0f30 0d06 0960 8648 0165 0304 0201 0500 a11c 301a 0609 2a86 4886 f70d 0101 \
         0830 0d06 0960 8648 0165 0304 0201 0500 a203 0201 20a3 0302 0101",
    );
    let sha256 = Scheme::DigitalRsaPss(Hash::Sha256);
    assert_eq!(parse(&rfc), Some(sha256));
    // DER, as strongSwan writes it.
    let der = bytes(
        "3041 0609 2a86 4886 f70d 0101 0a30 34a0 0f30 0d06 0960 8648 0165 0304 0201 0500 a11c 301a 0609 2a86 4886 f70d 0101 \
         0830 0d06 0960 8648 0165 0304 0201 0500 a203 0201 20",
    );
    assert_eq!(encode(sha256), Some(der));
    for hash in HASHES {
        for n in 0..8 {
            let null = |bit: usize| if n & bit == 0 { NULL } else { &[] };
            let made = pss(hash, null(1), null(2), n & 4 != 0);
            assert_eq!(parse(&made), Some(Scheme::DigitalRsaPss(hash)), "{n}");
        }
    }
}

#[test]
fn a_salt_or_mask_that_does_not_fit_the_hash_is_refused() {
    let good = pss(Hash::Sha256, NULL, NULL, false);
    for (at, octet) in [
        // The salt, the mask's hash, the hash, a type.
        (good.len() - 1, 0x14),
        (good.len() - 8, 2),
        (29, 2),
        (0, 0x31),
    ] {
        let mut bad = good.clone();
        assert_ne!(bad[at], octet);
        bad[at] = octet;
        assert_eq!(parse(&bad), None, "{}", hex(&bad));
    }
    assert_eq!(parse(&[]), None);
    // What is no signature: RSA encryption itself.
    assert_eq!(parse(&bytes("300d06092a864886f70d0101010500")), None);
}
