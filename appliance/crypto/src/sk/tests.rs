//! Round trips, refusals, and AES-GCM against RustCrypto.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use proptest::prelude::*;

use super::*;

const CBC_256: IkeEncr = IkeEncr::Aes256Cbc;
const GCM_128: IkeEncr = IkeEncr::Aes128Gcm;
const GCM_256: IkeEncr = IkeEncr::Aes256Gcm;

/// Every cipher with every integrity that goes with it.
fn suites() -> Vec<SkCipher> {
    let sk_e = |encr: IkeEncr| (0..).take(encr.key_octets()).collect::<Vec<u8>>();
    let sk_a = |integ: IkeInteg| (100..).take(integ.key_octets()).collect::<Vec<u8>>();
    let mut all = Vec::new();
    for encr in IkeEncr::ALL {
        if encr.is_aead() {
            all.push(SkCipher::new(*encr, None, &sk_e(*encr), &[]).unwrap());
            continue;
        }
        for integ in IkeInteg::ALL {
            all.push(SkCipher::new(*encr, Some(*integ), &sk_e(*encr), &sk_a(*integ)).unwrap());
        }
    }
    // 9 of CCM, 9 of GCM, ChaCha20; and 8 others with 7 codes each.
    assert_eq!(all.len(), 19 + 8 * 7);
    all
}

#[test]
fn open_reverses_seal_and_refuses_every_flipped_octet() {
    for sk in suites() {
        let iv = vec![7; sk.iv_len()];
        let aad = b"header of the message".to_vec();
        let plaintext = vec![0x5a; 48];
        let sealed = sk.seal(&iv, &aad, &plaintext).unwrap();
        assert_eq!(sealed.len(), plaintext.len() + sk.icv_len());
        assert_eq!(*sk.open(&iv, &aad, &sealed).unwrap(), plaintext);
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(sk.open(&iv, &aad, &forged).unwrap_err(), Error::Integrity);
        }
        for at in 0..aad.len() {
            let mut forged = aad.clone();
            forged[at] ^= 1;
            assert_eq!(
                sk.open(&iv, &forged, &sealed).unwrap_err(),
                Error::Integrity
            );
        }
        for at in 0..iv.len() {
            let mut forged = iv.clone();
            forged[at] ^= 1;
            assert_eq!(
                sk.open(&forged, &aad, &sealed).unwrap_err(),
                Error::Integrity
            );
        }
        for len in 0..sealed.len() {
            assert_eq!(
                sk.open(&iv, &aad, &sealed[..len]).unwrap_err(),
                Error::Integrity
            );
        }
    }
}

#[test]
fn lengths_are_exact() {
    let length = |what, got, expected| Error::Length {
        what,
        got,
        expected,
    };
    let err = |r: Result<SkCipher, Error>| r.unwrap_err();
    assert_eq!(
        err(SkCipher::new(GCM_128, None, &[0; 16], &[])),
        length("SK_e", 16, 20)
    );
    assert_eq!(
        err(SkCipher::new(GCM_128, None, &[0; 20], &[0])),
        length("SK_a", 1, 0)
    );
    let integ = Some(IkeInteg::HmacSha256_128);
    assert_eq!(
        err(SkCipher::new(CBC_256, integ, &[0; 32], &[0; 31])),
        length("SK_a", 31, 32)
    );
    let mismatch = |encr, given| Error::IntegMismatch { encr, given };
    assert_eq!(
        err(SkCipher::new(CBC_256, None, &[0; 32], &[])),
        mismatch(CBC_256, false)
    );
    assert_eq!(
        err(SkCipher::new(GCM_128, integ, &[0; 20], &[0; 32])),
        mismatch(GCM_128, true)
    );
    for sk in suites() {
        let short = vec![0; sk.iv_len() - 1];
        assert!(matches!(
            sk.seal(&short, &[], &[0; 16]),
            Err(Error::Length { what: "IV", .. })
        ));
        assert!(matches!(
            sk.open(&short, &[], &[0; 64]),
            Err(Error::Length { what: "IV", .. })
        ));
        if sk.block_len() > 1 {
            let ragged = Error::Padding {
                octets: 15,
                block_octets: sk.block_len(),
            };
            assert_eq!(
                sk.seal(&vec![0; sk.iv_len()], &[], &[0; 15]).unwrap_err(),
                ragged
            );
        }
    }
}

#[test]
fn debug_shows_no_key() {
    for sk in suites() {
        let text = format!("{sk:?}");
        assert!(
            text.contains("Secret(..)") && !text.contains("0, 1, 2"),
            "{text}"
        );
    }
}

proptest! {
    /// RFC 5282: nonce = salt | IV, the tag after the ciphertext.
    #[test]
    fn gcm_equals_rustcrypto(
        sk_e in prop::collection::vec(any::<u8>(), 36),
        wide in any::<bool>(),
        iv in any::<[u8; 8]>(),
        aad in prop::collection::vec(any::<u8>(), 0..80),
        plaintext in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let encr = if wide { GCM_256 } else { GCM_128 };
        let sk_e = &sk_e[..encr.key_octets()];
        let (key, salt) = sk_e.split_at(sk_e.len() - 4);
        let nonce = [salt, &iv].concat();
        let nonce = aes_gcm::Nonce::from_slice(&nonce);
        let payload = Payload { msg: &plaintext, aad: &aad };
        let expected = if wide {
            aes_gcm::Aes256Gcm::new_from_slice(key).unwrap().encrypt(nonce, payload).unwrap()
        } else {
            aes_gcm::Aes128Gcm::new_from_slice(key).unwrap().encrypt(nonce, payload).unwrap()
        };
        let sk = SkCipher::new(encr, None, sk_e, &[]).unwrap();
        prop_assert_eq!(&sk.seal(&iv, &aad, &plaintext).unwrap(), &expected);
        prop_assert_eq!(&*sk.open(&iv, &aad, &expected).unwrap(), &plaintext);
    }
}
