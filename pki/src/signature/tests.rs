use super::*;
use crate::sample;
use proptest::prelude::*;
use std::sync::LazyLock;

const OCTETS: &[u8] = b"InitiatorSignedOctets";
const STRICT: Accept = Accept { sha1: false };
const OLD: Accept = Accept { sha1: true };
const RSA: KeyAlgorithm = KeyAlgorithm::Rsa { bits: 2048 };

/// One key of each kind with its certificate: RSA keys take their time.
static KEYS: LazyLock<Vec<(PrivateKey, Certificate)>> = LazyLock::new(|| {
    let kinds = [
        RSA,
        KeyAlgorithm::Ecdsa(Curve::P256),
        KeyAlgorithm::Ecdsa(Curve::P384),
        KeyAlgorithm::Ecdsa(Curve::P521),
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Ed448,
    ];
    let made = kinds.into_iter().map(|kind| {
        let key = PrivateKey::generate(kind).unwrap();
        let certificate = sample::certificate(&key);
        (key, certificate)
    });
    made.collect()
});

fn key(kind: KeyAlgorithm) -> &'static (PrivateKey, Certificate) {
    KEYS.iter()
        .find(|(key, _)| key.algorithm() == kind)
        .unwrap()
}

fn all_schemes() -> Vec<Scheme> {
    let hashes = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    let curves = [Curve::P256, Curve::P384, Curve::P521];
    let mut schemes = vec![Scheme::DigitalEd25519, Scheme::DigitalEd448];
    schemes.extend(curves.map(Scheme::Ecdsa));
    for hash in hashes {
        schemes.extend([
            Scheme::Rsa(hash),
            Scheme::DigitalRsaPkcs1(hash),
            Scheme::DigitalRsaPss(hash),
            Scheme::DigitalEcdsa(hash),
        ]);
    }
    schemes
}

#[test]
fn every_scheme_signs_and_verifies_with_the_keys_that_fit() {
    let mut signed = 0;
    for scheme in all_schemes() {
        for (key, certificate) in KEYS.iter() {
            let kind = key.algorithm();
            let made = AuthSignature::sign(key, scheme, OCTETS);
            if !scheme.fits(kind) {
                let refused = SignatureError::KeyMismatch { scheme, key: kind };
                assert_eq!(made.unwrap_err(), refused);
                continue;
            }
            signed += 1;
            let made = made.unwrap();
            assert_eq!(made.method, scheme.method());
            assert_eq!(made.verify(certificate, OCTETS, OLD), Ok(scheme), "{kind}");
            let strict = made.verify(certificate, OCTETS, STRICT);
            if scheme.hash() == Some(Hash::Sha1) {
                assert_eq!(strict, Err(SignatureError::Sha1(scheme)));
            } else {
                assert_eq!(strict, Ok(scheme));
            }
            let other = made.verify(certificate, b"other octets", OLD);
            assert!(
                matches!(other, Err(SignatureError::Wrong { .. })),
                "{other:?}"
            );
        }
    }
    // 12 of RSA, 4 of method 14 with each of three curves, 3 of RFC 4754, 2 of Ed.
    assert_eq!(signed, 12 + 12 + 3 + 2);
}

#[test]
fn the_scheme_is_the_best_that_the_peer_takes() {
    for (kind, offered, accept, expected) in [
        (
            RSA,
            Some(&[1, 2, 3, 4, 5][..]),
            STRICT,
            Some(Scheme::DigitalRsaPss(Hash::Sha256)),
        ),
        (
            RSA,
            Some(&[4, 3]),
            STRICT,
            Some(Scheme::DigitalRsaPss(Hash::Sha384)),
        ),
        (RSA, Some(&[1, 5]), STRICT, None),
        (RSA, Some(&[1, 5]), OLD, Some(Scheme::Rsa(Hash::Sha1))),
        (RSA, None, STRICT, None),
        (RSA, None, OLD, Some(Scheme::Rsa(Hash::Sha1))),
        (
            KeyAlgorithm::Ecdsa(Curve::P384),
            Some(&[2, 3]),
            STRICT,
            Some(Scheme::DigitalEcdsa(Hash::Sha384)),
        ),
        (
            KeyAlgorithm::Ecdsa(Curve::P384),
            Some(&[4]),
            STRICT,
            Some(Scheme::DigitalEcdsa(Hash::Sha512)),
        ),
        (
            KeyAlgorithm::Ecdsa(Curve::P384),
            Some(&[1]),
            STRICT,
            Some(Scheme::Ecdsa(Curve::P384)),
        ),
        (
            KeyAlgorithm::Ecdsa(Curve::P521),
            None,
            STRICT,
            Some(Scheme::Ecdsa(Curve::P521)),
        ),
        (
            KeyAlgorithm::Ed25519,
            Some(&[2, 5]),
            STRICT,
            Some(Scheme::DigitalEd25519),
        ),
        (
            KeyAlgorithm::Ed448,
            Some(&[5]),
            STRICT,
            Some(Scheme::DigitalEd448),
        ),
        (KeyAlgorithm::Ed25519, Some(&[2]), OLD, None),
        (KeyAlgorithm::Ed25519, None, OLD, None),
    ] {
        let chosen = Scheme::choose(&key(kind).0, offered, accept);
        assert_eq!(chosen.ok(), expected, "{kind} {offered:?}");
    }
    let refused = |offered| {
        Scheme::choose(&key(RSA).0, offered, STRICT)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(Some(&[1, 5, 77])),
        "our key of RSA 2048 makes no signature that the peer takes: it takes SHA-1, Identity, 77"
    );
    assert_eq!(
        refused(None),
        "our key of RSA 2048 makes no signature that the peer takes: it sent no SIGNATURE_HASH_ALGORITHMS"
    );
}

#[test]
fn signatures_of_rfc_4754_have_the_length_of_two_field_elements() {
    for (curve, method, octets) in [
        (Curve::P256, 9, 64),
        (Curve::P384, 10, 96),
        (Curve::P521, 11, 132),
    ] {
        let (key, certificate) = key(KeyAlgorithm::Ecdsa(curve));
        let made = AuthSignature::sign(key, Scheme::Ecdsa(curve), OCTETS).unwrap();
        assert_eq!((made.method, made.data.len()), (method, octets));
        for length in [0, octets - 1, octets + 1] {
            let mut bad = made.clone();
            bad.data.resize(length, 0);
            let refused = bad.verify(certificate, OCTETS, STRICT);
            assert!(matches!(refused, Err(SignatureError::Wrong { .. })));
        }
        // r = s = 0.
        let zero = AuthSignature {
            method,
            data: vec![0; octets],
        };
        let refused = zero.verify(certificate, OCTETS, STRICT);
        assert!(matches!(refused, Err(SignatureError::Wrong { .. })));
    }
}

#[test]
fn the_example_of_rfc_4754_verifies() {
    // Section 8.1: ECDSA-256, the text "abc".
    let number = |hex: &str| openssl::bn::BigNum::from_hex_str(hex).unwrap();
    let group = openssl::ec::EcGroup::from_curve_name(Curve::P256.nid()).unwrap();
    let x = number("2442A5CC0ECD015FA3CA31DC8E2BBC70BF42D60CBCA20085E0822CB04235E970");
    let y = number("6FC98BD7E50211A4A27102FA3549DF79EBCB4BF246B80945CDDFE7D509BBFD7D");
    let key = openssl::ec::EcKey::from_public_key_affine_coordinates(&group, &x, &y).unwrap();
    let key = openssl::pkey::PKey::from_ec_key(key).unwrap();
    let r = number("CB28E0999B9C7715FD0A80D8E47A77079716CBBF917DD72E97566EA1C066957C");
    let s = number("86FA3BB4E26CAD5BF90B7F81899256CE7594BB1EA0C89212748BFF3B3D5B0315");
    let signature = [r.to_vec(), s.to_vec()].concat();
    let scheme = Scheme::Ecdsa(Curve::P256);
    assert_eq!(
        primitive::verify(&key, scheme, b"abc", &signature),
        Ok(true)
    );
    assert_eq!(
        primitive::verify(&key, scheme, b"abd", &signature),
        Ok(false)
    );
}

#[test]
fn the_claimed_scheme_must_fit_the_key_and_the_signature() {
    let (rsa, certificate) = key(RSA);
    let pss = AuthSignature::sign(rsa, Scheme::DigitalRsaPss(Hash::Sha256), OCTETS).unwrap();
    let pkcs1 = AuthSignature::sign(rsa, Scheme::DigitalRsaPkcs1(Hash::Sha256), OCTETS).unwrap();
    // The identifier of one with the signature of the other.
    let (_, signature) = pss.data.split_at(1 + usize::from(pss.data[0]));
    let (head, _) = pkcs1.data.split_at(1 + usize::from(pkcs1.data[0]));
    let mixed = AuthSignature {
        method: 14,
        data: [head, signature].concat(),
    };
    assert_eq!(
        mixed
            .verify(certificate, OCTETS, STRICT)
            .unwrap_err()
            .to_string(),
        "RSASSA-PKCS1-v1_5 with SHA2-256 does not verify with the key of RSA 2048 of the peer's certificate"
    );
    let (_, ec) = key(KeyAlgorithm::Ecdsa(Curve::P256));
    assert_eq!(
        pss.verify(ec, OCTETS, STRICT).unwrap_err().to_string(),
        "RSASSA-PSS with SHA2-256 cannot be made by the key of ECDSA P-256 of the peer's certificate"
    );
}

#[test]
fn a_salt_of_another_length_is_refused() {
    use openssl::rsa::Padding;
    use openssl::sign::{RsaPssSaltlen, Signer};
    let (rsa, certificate) = key(RSA);
    let scheme = Scheme::DigitalRsaPss(Hash::Sha256);
    for (salt, good) in [(32, true), (20, false), (0, false), (64, false)] {
        let mut signer = Signer::new(Hash::Sha256.digest(), rsa.openssl()).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer
            .set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))
            .unwrap();
        let signature = signer.sign_oneshot_to_vec(OCTETS).unwrap();
        let verified = primitive::verify(certificate.public_key(), scheme, OCTETS, &signature);
        assert_eq!(verified, Ok(good), "salt of {salt} octets");
    }
}

#[test]
fn methods_and_data_that_are_no_signature_are_refused() {
    let (_, certificate) = key(RSA);
    let refused = |method, data: &[u8]| {
        let data = data.to_vec();
        AuthSignature { method, data }
            .verify(certificate, OCTETS, OLD)
            .unwrap_err()
    };
    // A shared key, DSS, null.
    for method in [0, 2, 3, 12, 13, 255] {
        assert_eq!(refused(method, &[1]), SignatureError::Method(method));
    }
    assert_eq!(refused(14, &[]), SignatureError::Length { octets: 0 });
    assert_eq!(refused(14, &[9, 1]), SignatureError::Length { octets: 2 });
    assert_eq!(
        refused(14, &[1, 0x30, 7]),
        SignatureError::Identifier("30".into())
    );
    let octets = MAX_SIGNATURE_OCTETS + 1;
    assert_eq!(
        refused(1, &vec![0; octets]),
        SignatureError::Length { octets }
    );
}

proptest! {
    #[test]
    fn any_data_is_answered(
        method in prop::sample::select(&[1, 9, 10, 11, 14][..]),
        which in 0..6usize,
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let made = AuthSignature { method, data };
        prop_assert!(made.verify(&KEYS[which].1, OCTETS, OLD).is_err());
    }

    #[test]
    fn a_changed_octet_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let (key, certificate) = key(KeyAlgorithm::Ecdsa(Curve::P256));
        let mut made = AuthSignature::sign(key, Scheme::DigitalEcdsa(Hash::Sha256), OCTETS).unwrap();
        let at = at.index(made.data.len());
        made.data[at] ^= 1u8 << bit;
        prop_assert!(made.verify(certificate, OCTETS, STRICT).is_err());
    }
}
