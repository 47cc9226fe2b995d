//! Known answers: the IKEv2 key schedule and every group against `vectors/ikev2_vectors.txt` (made by
//! the script beside it, which shares no code with OpenSSL; the ECP and Curve25519 inputs are those of
//! RFC 5903 and RFC 7748), RFC 4231 for HMAC, NIST SP 800-38A for CBC.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::HashMap;

use ravelin_crypto::{DhPrivate, Error, SkCipher, prf, prf_plus};
use ravelin_types::{DhGroup, IkeEncr, IkeInteg, Prf};

type Fields = HashMap<&'static str, &'static str>;

fn blocks(test: &str) -> Vec<Fields> {
    let all: Vec<Fields> = include_str!("vectors/ikev2_vectors.txt")
        .split("\n\n")
        .map(|block| {
            block
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .collect::<Fields>()
        })
        .filter(|fields| fields.get("test") == Some(&test))
        .collect();
    assert!(!all.is_empty());
    all
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len() % 2 == 0);
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn ikev2_key_schedule() {
    for fields in blocks("kdf") {
        let bytes = |name: &str| unhex(fields[name]);
        let alg = Prf::from_iana(fields["prf"].parse().unwrap()).unwrap();
        let (ni, nr) = (bytes("ni"), bytes("nr"));
        let skeyseed = prf(alg, &[ni.clone(), nr.clone()].concat(), &[&bytes("g_ir")]).unwrap();
        assert_eq!(skeyseed.as_bytes(), bytes("skeyseed"));
        let seed = [&*ni, &nr, &bytes("spi_i"), &bytes("spi_r")].map(<[u8]>::to_vec);
        let seed: Vec<&[u8]> = seed.iter().map(Vec::as_slice).collect();
        let dkm = prf_plus(alg, skeyseed.as_bytes(), &seed, bytes("dkm").len()).unwrap();
        assert_eq!(dkm.as_bytes(), bytes("dkm"));

        let [sk_d] = dkm.split([alg.key_octets()]).unwrap();
        let child_octets = bytes("child").len();
        let child = prf_plus(alg, sk_d.as_bytes(), &[&ni, &nr], child_octets).unwrap();
        assert_eq!(child.as_bytes(), bytes("child"));
        let g_ir_new = bytes("g_ir_new");
        let pfs = prf_plus(alg, sk_d.as_bytes(), &[&g_ir_new, &ni, &nr], child_octets).unwrap();
        assert_eq!(pfs.as_bytes(), bytes("child_pfs"));
        let rekey = prf(alg, sk_d.as_bytes(), &[&g_ir_new, &ni, &nr]).unwrap();
        assert_eq!(rekey.as_bytes(), bytes("skeyseed_rekey"));
    }
}

#[test]
fn groups() {
    for fields in blocks("dh") {
        let bytes = |name: &str| unhex(fields[name]);
        let group = DhGroup::from_iana(fields["group"].parse().unwrap()).unwrap();
        let i = DhPrivate::from_private(group, &bytes("private_i")).unwrap();
        let r = DhPrivate::from_private(group, &bytes("private_r")).unwrap();
        assert_eq!(i.public(), bytes("public_i"), "{group}");
        assert_eq!(r.public(), bytes("public_r"), "{group}");
        assert_eq!(
            i.agree(r.public()).unwrap().as_bytes(),
            bytes("shared"),
            "{group}"
        );
        assert_eq!(
            r.agree(i.public()).unwrap().as_bytes(),
            bytes("shared"),
            "{group}"
        );
    }
}

/// A shared secret with leading zeros keeps the length of the prime (RFC 7296 section 2.14).
#[test]
fn modp_shared_secret_keeps_its_leading_zeros() {
    // g^1 is refused as a private value, so take x = 2 and the peer value 2: the result is 4.
    let x = DhPrivate::from_private(DhGroup::Modp2048, &[2]).unwrap();
    let mut two = vec![0; 256];
    two[255] = 2;
    let mut four = vec![0; 256];
    four[255] = 4;
    assert_eq!(x.public(), four);
    assert_eq!(x.agree(&two).unwrap().as_bytes(), four);
}

#[test]
fn prf_takes_keys_of_any_length() {
    // RFC 4231 test cases 1, 2 and 6: keys of 20, 4 and 131 octets.
    let cases: [(&[u8], &[u8], &str, &str); 3] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c\
             faea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
             8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6\
             0c2ef6ab4030fe8296248df163f44952",
        ),
    ];
    for (key, data, sha256, sha384) in cases {
        let (head, tail) = data.split_at(3);
        for (alg, expected) in [(Prf::HmacSha256, sha256), (Prf::HmacSha384, sha384)] {
            assert_eq!(
                prf(alg, key, &[head, &[], tail]).unwrap().as_bytes(),
                unhex(expected)
            );
        }
    }
    // No key and no data is a defined HMAC too; a short or empty key must not be an error.
    let empty = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
    assert_eq!(
        prf(Prf::HmacSha256, &[], &[]).unwrap().as_bytes(),
        unhex(empty)
    );
}

#[test]
fn prf_plus_ends_at_255_blocks() {
    let alg = Prf::HmacSha256;
    let longest = prf_plus(alg, b"key", &[b"seed"], 255 * 32).unwrap();
    assert_eq!(longest.len(), 255 * 32);
    let too_long = prf_plus(alg, b"key", &[b"seed"], 255 * 32 + 1).unwrap_err();
    assert_eq!(
        too_long,
        Error::TooMuchKeymat {
            octets: 255 * 32 + 1
        }
    );
    assert!(prf_plus(alg, b"key", &[b"seed"], 0).unwrap().is_empty());
    for len in [1, 31, 32, 33, 100] {
        let prefix = prf_plus(alg, b"key", &[b"se", b"ed"], len).unwrap();
        assert_eq!(prefix.as_bytes(), &longest.as_bytes()[..len]);
    }
}

#[test]
fn cbc_of_sp_800_38a() {
    let iv: Vec<u8> = (0..16).collect();
    let plaintext = unhex("6bc1bee22e409f96e93d7e117393172a");
    let cases = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "7649abac8119b246cee98e9b12e9197d",
        ),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
        ),
    ];
    for (key, ciphertext) in cases {
        let key = unhex(key);
        let encr = IkeEncr::from_iana(12, Some(u16::try_from(key.len() * 8).unwrap())).unwrap();
        let sk_a = [0x11; 32];
        let sk = SkCipher::new(encr, Some(IkeInteg::HmacSha256_128), &key, &sk_a).unwrap();
        let sealed = sk.seal(&iv, b"header", &plaintext).unwrap();
        assert_eq!(&sealed[..16], unhex(ciphertext));
        // RFC 7296 section 3.14: the check value covers header, IV and ciphertext.
        let icv = prf(
            Prf::HmacSha256,
            &sk_a,
            &[b"header", &iv, &unhex(ciphertext)],
        )
        .unwrap();
        assert_eq!(&sealed[16..], &icv.as_bytes()[..16]);
    }
}
