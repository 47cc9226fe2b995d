use super::*;
use ravelin_types::{DhGroup, EspEncr, EspInteg, EspTransform, IkeEncr, IkeInteg};

fn suite(gcm: bool) -> IkeSuite {
    let (encr, integ) = if gcm {
        (IkeEncr::Aes256Gcm, None)
    } else {
        (IkeEncr::Aes256Cbc, Some(IkeInteg::HmacSha256_128))
    };
    IkeSuite::new(encr, integ, Prf::HmacSha256, DhGroup::Curve25519).unwrap()
}

const SEEDS: Seeds<'static> = Seeds {
    nonce_i: &[1; 32],
    nonce_r: &[2; 32],
    spi_i: 3,
    spi_r: 4,
};

#[test]
fn lengths_follow_the_suite() {
    let shared = Secret::new(vec![5; 32]);
    let keys = IkeKeys::initial(suite(true), &shared, &SEEDS).unwrap();
    assert_eq!(
        (keys.d.len(), keys.ai.len(), keys.ei.len(), keys.pi.len()),
        (32, 0, 36, 32)
    );
    keys.ciphers(suite(true)).unwrap();
    let keys = IkeKeys::initial(suite(false), &shared, &SEEDS).unwrap();
    assert_eq!(
        (keys.d.len(), keys.ai.len(), keys.ei.len(), keys.pi.len()),
        (32, 32, 32, 32)
    );
    keys.ciphers(suite(false)).unwrap();
}

/// RFC 7296 section 2.14, of functions with keys of one length: "only the first 64 bits of Ni and the first 64 bits of Nr are used".
#[test]
fn a_function_of_fixed_key_takes_half_of_it_from_each_nonce() {
    let (encr, dh) = (IkeEncr::Aes256Gcm, DhGroup::Curve25519);
    for function in [Prf::Aes128Xcbc, Prf::Aes128Cmac] {
        let suite = IkeSuite::new(encr, None, function, dh).unwrap();
        let shared = Secret::new(vec![5; 32]);
        let keys = IkeKeys::initial(suite, &shared, &SEEDS).unwrap();
        let key = [[1; 8], [2; 8]].concat();
        let skeyseed = prf(function, &key, &[shared.as_bytes()]).unwrap();
        let seed: [&[u8]; 4] = [
            SEEDS.nonce_i,
            SEEDS.nonce_r,
            &3u64.to_be_bytes(),
            &4u64.to_be_bytes(),
        ];
        let d = prf_plus(function, skeyseed.as_bytes(), &seed, 16).unwrap();
        assert_eq!(keys.d.expose(), d.as_bytes());
        assert_eq!((keys.pi.len(), keys.ei.len()), (16, 36));
    }
}

#[test]
fn the_expansion_is_prf_plus_in_the_order_of_the_rfc() {
    let shared = Secret::new(vec![5; 32]);
    let keys = IkeKeys::initial(suite(false), &shared, &SEEDS).unwrap();
    let nonces = [[1u8; 32], [2; 32]].concat();
    let skeyseed = prf(Prf::HmacSha256, &nonces, &[&[5; 32]]).unwrap();
    let mut seed = nonces;
    seed.extend_from_slice(&3u64.to_be_bytes());
    seed.extend_from_slice(&4u64.to_be_bytes());
    let mut previous: Vec<u8> = Vec::new();
    let expected = [
        &keys.d, &keys.ai, &keys.ar, &keys.ei, &keys.er, &keys.pi, &keys.pr,
    ];
    for (n, key) in (1u8..).zip(expected) {
        let t = prf(
            Prf::HmacSha256,
            skeyseed.as_bytes(),
            &[&previous, &seed, &[n]],
        )
        .unwrap();
        assert_eq!(t.as_bytes(), key.expose());
        previous = t.as_bytes().to_vec();
    }
}

#[test]
fn child_keys_come_initiator_first_and_a_key_exchange_changes_them() {
    let d = SecretBytes::new(vec![8; 32]);
    let esp = EspSuite {
        protocol: ravelin_types::IpsecProtocol::Esp,
        transform: EspTransform::AES_128_GCM,
        extended_sequence: false,
    };
    let plain = ChildKeys::derive(suite(true), &d, esp, None, &[1; 32], &[2; 32]).unwrap();
    let all = prf_plus(Prf::HmacSha256, d.expose(), &[&[1; 32], &[2; 32]], 40).unwrap();
    assert_eq!(
        [plain.encr_i.expose(), plain.encr_r.expose()].concat(),
        all.as_bytes()
    );
    let mut shared = Shared::from(Secret::new(vec![5; 32]));
    let pfs = ChildKeys::derive(suite(true), &d, esp, Some(&shared), &[1; 32], &[2; 32]).unwrap();
    let all = prf_plus(
        Prf::HmacSha256,
        d.expose(),
        &[&[5; 32], &[1; 32], &[2; 32]],
        40,
    )
    .unwrap();
    assert_eq!(pfs.encr_i.expose(), &all.as_bytes()[..20]);
    // RFC 9370 section 2.2.4: KEYMAT = prf+ (SK_d, SK(0) | Ni | Nr | SK(1) | ... SK(n)).
    shared.mix(&Secret::new(vec![6; 48]));
    shared.mix(&Secret::new(vec![7; 32]));
    let hybrid = ChildKeys::derive(suite(true), &d, esp, Some(&shared), &[1; 32], &[2; 32]);
    let seed: [&[u8]; 5] = [&[5; 32], &[1; 32], &[2; 32], &[6; 48], &[7; 32]];
    let all = prf_plus(Prf::HmacSha256, d.expose(), &seed, 40).unwrap();
    assert_eq!(hybrid.unwrap().encr_i.expose(), &all.as_bytes()[..20]);
    let cbc = EspSuite {
        protocol: ravelin_types::IpsecProtocol::Esp,
        transform: EspTransform::new(EspEncr::Aes256Cbc, Some(EspInteg::HmacSha256_128)).unwrap(),
        extended_sequence: false,
    };
    let keys = ChildKeys::derive(suite(true), &d, cbc, None, &[1; 32], &[2; 32]).unwrap();
    assert_eq!(
        (
            keys.encr_i.len(),
            keys.integ_i.len(),
            keys.encr_r.len(),
            keys.integ_r.len()
        ),
        (32, 32, 32, 32)
    );
}

/// RFC 8784 section 3, worked out by Python's hmac: prf+ (PPK, SK_d'), and nothing else changes.
#[test]
fn a_post_quantum_pre_shared_key_is_mixed_into_three_of_the_keys() {
    let stored = |octets: Vec<u8>| SecretBytes::new(octets);
    let keys = IkeKeys {
        d: stored((0..32).collect()),
        pi: stored((0..64).collect()),
        ..IkeKeys::initial(suite(true), &Secret::new(vec![5; 32]), &SEEDS).unwrap()
    };
    let ppk = stored(
        0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128
            .to_be_bytes()
            .repeat(2),
    );
    let mixed = keys.with_ppk(Prf::HmacSha256, &ppk).unwrap();
    let hex = |key: &SecretBytes| -> String {
        key.expose()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect()
    };
    let d = "ab49327cbe60505db600cc20b03288f5b3916fc65f14c134f6ba3bcc94380c38";
    let pi = "faf54561a9929b789bab579c82d63b1cc75caef8f56c62a91a6dde4972ae341072acc05a612466475530606c623fda741aa4fb8b62687225a4ac143d9e83fc07";
    assert_eq!((hex(&mixed.d).as_str(), hex(&mixed.pi).as_str()), (d, pi));
    assert_ne!(hex(&mixed.pr), hex(&keys.pr));
    for (before, after) in [
        (&keys.ai, &mixed.ai),
        (&keys.ar, &mixed.ar),
        (&keys.ei, &mixed.ei),
        (&keys.er, &mixed.er),
    ] {
        assert_eq!(hex(before), hex(after));
    }
}
