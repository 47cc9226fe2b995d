//! AES-GCM of intel-ipsec-mb against RustCrypto's `aes-gcm`: every length, both key sizes, both ESP AAD lengths.
#![allow(
    clippy::expect_used,
    reason = "test helpers, not only #[test] functions, may fail loudly"
)]

use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use dpdk_rs::Error;
use dpdk_rs::ipsecmb::{Gcm, GcmKey, NONCE_OCTETS, OpenJob, SealJob, TAG_OCTETS};

const LENGTH_MAX_OCTETS: usize = 2048;

/// A small deterministic generator (xorshift64*), so that failures repeat.
struct Octets(u64);

impl Octets {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
    }
}

fn compare<C: AeadInPlace>(ours: &GcmKey, theirs: &C, random: &mut Octets) {
    let source: [u8; LENGTH_MAX_OCTETS] = random.take();
    for length in 0..=LENGTH_MAX_OCTETS {
        let nonce: [u8; NONCE_OCTETS] = random.take();
        let aad: [u8; 12] = random.take();
        let aad = if length % 2 == 0 { &aad[..8] } else { &aad[..] };
        let mut expected = source[..length].to_vec();
        let expected_tag = theirs
            .encrypt_in_place_detached(GenericArray::from_slice(&nonce), aad, &mut expected)
            .expect("oracle");

        let mut text = source[..length].to_vec();
        let mut tag = [0; TAG_OCTETS];
        ours.seal(&nonce, aad, &mut text, &mut tag);
        assert_eq!(text, expected, "ciphertext of {length} octets");
        assert_eq!(tag, expected_tag.as_slice(), "tag of {length} octets");

        assert!(ours.open(&nonce, aad, &mut text, &tag), "{length} octets");
        assert_eq!(text, source[..length], "cleartext of {length} octets");
    }
}

#[test]
fn matches_the_oracle_at_every_length() {
    let gcm = Gcm::detect().expect("a CPU with AES instructions");
    let mut random = Octets(0x1234_5678_9abc_def1);
    let key: [u8; 16] = random.take();
    compare(
        &gcm.expand(&key).unwrap(),
        &Aes128Gcm::new(&key.into()),
        &mut random,
    );
    let key: [u8; 32] = random.take();
    compare(
        &gcm.expand(&key).unwrap(),
        &Aes256Gcm::new(&key.into()),
        &mut random,
    );
}

#[test]
fn refuses_every_damaged_tag_bit_and_foreign_aad() {
    let gcm = Gcm::detect().unwrap();
    let key = gcm.expand(&[7; 32]).unwrap();
    let (nonce, aad) = ([1; NONCE_OCTETS], [2u8; 8]);
    let mut sealed = *b"a packet of a user";
    let mut tag = [0; TAG_OCTETS];
    key.seal(&nonce, &aad, &mut sealed, &mut tag);
    for bit in 0..TAG_OCTETS * 8 {
        let mut bad = tag;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !key.open(&nonce, &aad, &mut sealed.clone(), &bad),
            "bit {bit}"
        );
    }
    assert!(!key.open(&nonce, &[3; 8], &mut sealed.clone(), &tag));
    assert!(!key.open(&[9; NONCE_OCTETS], &aad, &mut sealed.clone(), &tag));
    assert!(key.open(&nonce, &aad, &mut sealed, &tag));
}

#[test]
fn bursts_mix_keys_and_mark_forgeries() {
    let gcm = Gcm::detect().unwrap();
    let (short, long) = (gcm.expand(&[1; 16]).unwrap(), gcm.expand(&[2; 32]).unwrap());
    let mut texts = [[0x5a_u8; 100], [0xa5; 100]];
    let mut tags = [[0; TAG_OCTETS]; 2];
    let [first, second] = &mut texts;
    let [first_tag, second_tag] = &mut tags;
    let nonce = [4; NONCE_OCTETS];
    gcm.seal_burst(&mut [
        SealJob {
            key: &short,
            nonce,
            aad: b"12345678",
            text: first,
            tag: first_tag,
        },
        SealJob {
            key: &long,
            nonce,
            aad: b"12345678",
            text: second,
            tag: second_tag,
        },
    ]);
    second_tag[15] ^= 1;
    let mut jobs = [
        OpenJob {
            key: &short,
            nonce,
            aad: b"12345678",
            text: first,
            tag: first_tag,
            authentic: false,
        },
        OpenJob {
            key: &long,
            nonce,
            aad: b"12345678",
            text: second,
            tag: second_tag,
            authentic: true,
        },
    ];
    gcm.open_burst(&mut jobs);
    assert!(jobs[0].authentic && !jobs[1].authentic);
    assert_eq!(texts[0], [0x5a; 100]);
}

#[test]
fn refuses_other_key_lengths() {
    let gcm = Gcm::detect().unwrap();
    for octets in [0, 15, 17, 31, 33] {
        assert!(matches!(gcm.expand(&vec![0; octets]), Err(Error::KeyLength(n)) if n == octets));
    }
}
