use super::*;

/// Names, numbers and sizes as the RFCs and IANA's registry have them.
#[test]
fn every_cipher_has_its_numbers() {
    for (name, id, key, salt, iv, block) in [
        ("des-cbc", (2, None), 8, 0, 8, 8),
        ("3des-cbc", (3, None), 24, 0, 8, 8),
        ("null", (11, None), 0, 0, 0, 4),
        ("aes-128-cbc", (12, Some(128)), 16, 0, 16, 16),
        ("aes-192-cbc", (12, Some(192)), 24, 0, 16, 16),
        ("aes-256-cbc", (12, Some(256)), 32, 0, 16, 16),
        ("aes-192-ctr", (13, Some(192)), 24, 4, 8, 4),
        ("aes-128-gcm-8", (18, Some(128)), 16, 4, 8, 4),
        ("aes-192-gcm-12", (19, Some(192)), 24, 4, 8, 4),
        ("aes-256-gcm", (20, Some(256)), 32, 4, 8, 4),
        ("aes-192-gmac", (21, Some(192)), 24, 4, 8, 4),
        ("chacha20-poly1305", (28, None), 32, 4, 8, 4),
    ] {
        let encr: EspEncr = name.parse().unwrap();
        let integ = (!encr.is_aead()).then_some(EspInteg::HmacSha256_128);
        let transform = EspTransform::new(encr, integ).unwrap();
        assert_eq!(encr.iana(), id, "{name}");
        assert_eq!(
            (encr.key_octets(), encr.salt_octets()),
            (key, salt),
            "{name}"
        );
        assert_eq!(
            (transform.iv_octets(), transform.block_octets()),
            (iv, block),
            "{name}"
        );
    }
}

#[test]
fn numbers_are_unique_and_lead_back() {
    for encr in EspEncr::ALL {
        let (id, bits) = encr.iana();
        assert_eq!(EspEncr::from_iana(id, bits), Some(*encr));
    }
    for integ in EspInteg::ALL {
        assert_eq!(EspInteg::from_iana(integ.iana()), Some(*integ));
    }
    assert_eq!(EspEncr::from_iana(12, None), None);
    assert_eq!(EspEncr::from_iana(28, Some(256)), None);
}

#[test]
fn a_cipher_has_exactly_one_integrity() {
    let hmac = Some(EspInteg::HmacSha256_128);
    assert!(EspTransform::new(EspEncr::Aes256Cbc, None).is_err());
    assert!(EspTransform::new(EspEncr::Aes256Gcm, hmac).is_err());
    assert!(EspTransform::new(EspEncr::Aes128Gmac, hmac).is_err());
    // 9 of GCM, 3 of GMAC, ChaCha20; and 9 others with 5 kinds of HMAC each.
    assert_eq!(EspTransform::all().count(), 13 + 9 * 5);
    let icvs: Vec<usize> = [
        EspEncr::Aes128Gcm8,
        EspEncr::Aes128Gcm12,
        EspEncr::Aes128Gcm,
    ]
    .map(|encr| EspTransform::new(encr, None).unwrap().icv_octets())
    .to_vec();
    assert_eq!(icvs, [8, 12, 16]);
}

#[test]
fn key_material_is_cipher_salt_integrity() {
    let of = |encr, integ| EspTransform::new(encr, integ).unwrap().keymat_octets();
    assert_eq!(of(EspEncr::Aes256Gcm, None), 36);
    assert_eq!(of(EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)), 64);
    assert_eq!(of(EspEncr::Aes128Ctr, Some(EspInteg::HmacSha1_96)), 40);
    assert_eq!(of(EspEncr::Null, Some(EspInteg::HmacSha512_256)), 64);
}
