//! Names, numbers and sizes as the RFCs and IANA's registry have them.

use super::*;

#[test]
fn every_cipher_has_its_numbers() {
    for (name, id, key, salt, iv, block, icv) in [
        ("des-cbc", (2, None), 8, 0, 8, 8, None),
        ("3des-cbc", (3, None), 24, 0, 8, 8, None),
        ("aes-128-cbc", (12, Some(128)), 16, 0, 16, 16, None),
        ("aes-256-cbc", (12, Some(256)), 32, 0, 16, 16, None),
        ("aes-192-ctr", (13, Some(192)), 24, 4, 8, 1, None),
        ("aes-128-ccm-8", (14, Some(128)), 16, 3, 8, 1, Some(8)),
        ("aes-192-ccm-12", (15, Some(192)), 24, 3, 8, 1, Some(12)),
        ("aes-256-ccm", (16, Some(256)), 32, 3, 8, 1, Some(16)),
        ("aes-128-gcm-8", (18, Some(128)), 16, 4, 8, 1, Some(8)),
        ("aes-192-gcm-12", (19, Some(192)), 24, 4, 8, 1, Some(12)),
        ("aes-256-gcm", (20, Some(256)), 32, 4, 8, 1, Some(16)),
        ("chacha20-poly1305", (28, None), 32, 4, 8, 1, Some(16)),
    ] {
        let encr: IkeEncr = name.parse().unwrap();
        assert_eq!(encr.iana(), id, "{name}");
        assert_eq!(
            (encr.cipher_key_octets(), encr.salt_octets()),
            (key, salt),
            "{name}"
        );
        assert_eq!(
            (encr.iv_octets(), encr.block_octets()),
            (iv, block),
            "{name}"
        );
        assert_eq!(encr.icv_octets(), icv, "{name}");
    }
}

#[test]
fn numbers_are_unique_and_lead_back() {
    for encr in IkeEncr::ALL {
        let (id, bits) = encr.iana();
        assert_eq!(IkeEncr::from_iana(id, bits), Some(*encr));
    }
    for integ in IkeInteg::ALL {
        assert_eq!(IkeInteg::from_iana(integ.iana()), Some(*integ));
    }
    for prf in Prf::ALL {
        assert_eq!(Prf::from_iana(prf.iana()), Some(*prf));
    }
    for group in DhGroup::ALL {
        assert_eq!(DhGroup::from_iana(group.iana()), Some(*group));
        let kem = matches!(group.kind(), DhKind::Kem { .. });
        assert_eq!(group.name().starts_with("ml-kem-"), kem);
        assert!(kem || group.name() == format!("group{}", group.iana()));
    }
    // Ciphers with one key length have no attribute, the others have no default.
    assert_eq!(IkeEncr::from_iana(28, Some(256)), None);
    assert_eq!(IkeEncr::from_iana(20, None), None);
    assert_eq!(IkeEncr::from_iana(20, Some(0)), None);
}

#[test]
fn sizes_of_functions_and_groups() {
    assert_eq!(IkeInteg::HmacSha1_96.key_octets(), 20);
    assert_eq!(IkeInteg::AesXcbc96.key_octets(), 16);
    assert_eq!(IkeInteg::HmacSha384_192.icv_octets(), 24);
    assert_eq!(Prf::HmacSha512.key_octets(), 64);
    assert_eq!(DhGroup::Ecp521.public_octets(), 132);
    assert_eq!(DhGroup::Ecp521.shared_octets(), 66);
    assert_eq!(DhGroup::Curve448.public_octets(), 56);
    assert_eq!(DhGroup::Modp1536.shared_octets(), 192);
}

#[test]
fn a_cipher_has_exactly_one_integrity() {
    let hash = Some(IkeInteg::HmacSha256_128);
    let suite = |encr, integ| IkeSuite::new(encr, integ, Prf::HmacSha256, DhGroup::Ecp256);
    assert!(suite(IkeEncr::Aes256Cbc, hash).is_ok());
    assert!(suite(IkeEncr::Aes256Ctr, None).is_err());
    assert!(suite(IkeEncr::ChaCha20Poly1305, None).is_ok());
    let error = suite(IkeEncr::Aes128Ccm, hash).unwrap_err();
    assert_eq!(error.to_string(), "aes-128-ccm has its own integrity");
}

/// RFC 8247: what is named at commit.
#[test]
fn weak_parts_are_named_once() {
    let old = IkeSuite::new(
        IkeEncr::TripleDesCbc,
        Some(IkeInteg::HmacSha1_96),
        Prf::HmacSha1,
        DhGroup::Modp1024,
    );
    assert_eq!(old.unwrap().weak_parts(), ["3des-cbc", "sha1", "group2"]);
    let new = IkeSuite::new(
        IkeEncr::Aes256Gcm,
        None,
        Prf::HmacSha384,
        DhGroup::Curve25519,
    );
    assert!(new.unwrap().weak_parts().is_empty());
}

/// Records keep numbers, which mean the same in later versions.
#[test]
fn stored_suites_are_numbers() {
    for encr in IkeEncr::ALL {
        let integ = (!encr.is_aead()).then_some(IkeInteg::HmacSha256_128);
        let suite = IkeSuite::new(*encr, integ, Prf::HmacSha512, DhGroup::Curve448).unwrap();
        let stored = StoredSuite::from(suite);
        assert_eq!(IkeSuite::try_from(stored), Ok(suite));
    }
    let known = [12, 256, 12, 5, 14];
    assert!(IkeSuite::try_from(StoredSuite(known, AdditionalKe::NONE)).is_ok());
    for at in 0..known.len() {
        let mut unknown = known;
        unknown[at] = 999;
        assert_eq!(
            IkeSuite::try_from(StoredSuite(unknown, AdditionalKe::NONE)),
            Err(UnknownIkeSuite)
        );
    }
}
