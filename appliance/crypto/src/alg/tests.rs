//! Numbers and lengths against the IANA registry.

use super::*;

#[test]
fn ids_round_trip_and_unknown_ids_are_unsupported() {
    for id in 0..=u16::from(u8::MAX) {
        assert!(PrfAlg::from_id(id).is_none_or(|alg| alg.to_id() == id));
        assert!(IntegAlg::from_id(id).is_none_or(|alg| alg.to_id() == id));
        assert!(DhGroup::from_id(id).is_none_or(|alg| alg.to_id() == id));
        for bits in [128, 256] {
            let alg = EncrAlg::from_id(id, Some(bits));
            assert!(alg.is_none_or(|alg| alg.to_id() == id && alg.key_bits() == bits));
        }
        assert!(EncrAlg::from_id(id, None).is_none());
        assert!(EncrAlg::from_id(id, Some(0)).is_none());
    }
    let ids = |f: fn(u16) -> bool| (0..256).filter(|&id| f(id)).collect::<Vec<_>>();
    assert_eq!(ids(|id| PrfAlg::from_id(id).is_some()), [5, 6]);
    assert_eq!(ids(|id| IntegAlg::from_id(id).is_some()), [12, 13]);
    assert_eq!(ids(|id| DhGroup::from_id(id).is_some()), [14, 19, 20, 31]);
    assert_eq!(
        ids(|id| EncrAlg::from_id(id, Some(256)).is_some()),
        [12, 20]
    );
}

#[test]
fn lengths() {
    assert_eq!(EncrAlg::AesGcm16 { key_bits: 128 }.key_octets(), 20);
    assert_eq!(EncrAlg::AesGcm16 { key_bits: 256 }.key_octets(), 36);
    assert_eq!(EncrAlg::AesCbc { key_bits: 256 }.key_octets(), 32);
    assert_eq!(IntegAlg::HmacSha256_128.icv_octets(), 16);
    assert_eq!(IntegAlg::HmacSha384_192.icv_octets(), 24);
    assert_eq!(PrfAlg::HmacSha384.key_octets(), 48);
}
