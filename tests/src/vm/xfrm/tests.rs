use super::{algorithms, statistics};
use ravelin_types::{EspEncr, EspInteg, EspTransform, IpsecProtocol};

#[test]
fn keys_are_split_as_keymat_has_them() {
    let words = |protocol, encr, integ| {
        let transform = EspTransform::new(encr, integ).unwrap();
        let material: Vec<u8> = (0..transform.keymat_octets() as u8).collect();
        algorithms(protocol, transform, &material)
    };
    let gcm = words(IpsecProtocol::Esp, EspEncr::Aes128Gcm12, None);
    let key = "0x000102030405060708090a0b0c0d0e0f10111213";
    assert_eq!(gcm, Some(format!("aead rfc4106(gcm(aes)) {key} 96")));
    let (null, md5) = (EspEncr::Null, Some(EspInteg::HmacMd5_96));
    let auth = "auth-trunc hmac(md5) 0x000102030405060708090a0b0c0d0e0f 96";
    let esp = words(IpsecProtocol::Esp, null, md5);
    assert_eq!(esp, Some(format!("enc ecb(cipher_null) \"\" {auth}")));
    assert_eq!(
        words(IpsecProtocol::Ah, null, md5),
        Some(auth.to_owned()),
        "no cipher"
    );
    assert_eq!(words(IpsecProtocol::Ah, EspEncr::Aes256Gmac, None), None);
}

#[test]
fn counters_of_nothing_are_left_out() {
    let text = "XfrmInError             \t0\nXfrmInStateProtoError   \t12\n";
    let counters: Vec<_> = statistics(text).into_iter().collect();
    assert_eq!(counters, [("XfrmInStateProtoError", 12)]);
}
