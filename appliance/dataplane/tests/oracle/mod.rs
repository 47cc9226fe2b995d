//! ESP composed from OpenSSL's primitives as the RFCs say, independent of the crates under test.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode, decrypt_aead, encrypt_aead};
use ravelin_types::{EspEncr, EspInteg, EspTransform};

/// One direction's keys.
pub struct Oracle {
    pub transform: EspTransform,
    pub material: Vec<u8>,
    pub spi: u32,
    /// With extended sequence numbers.
    pub extended: bool,
}

enum Kind {
    Aead(Cipher),
    Gmac(Cipher),
    Cbc(Cipher),
    Ctr(Cipher),
    Null,
}

fn kind(encr: EspEncr) -> Kind {
    use EspEncr as E;
    match encr {
        // DES is triple DES with the same key three times; OpenSSL keeps the former from us.
        E::DesCbc | E::TripleDesCbc => Kind::Cbc(Cipher::des_ede3_cbc()),
        E::Null => Kind::Null,
        E::Aes128Gmac => Kind::Gmac(Cipher::aes_128_gcm()),
        E::Aes192Gmac => Kind::Gmac(Cipher::aes_192_gcm()),
        E::Aes256Gmac => Kind::Gmac(Cipher::aes_256_gcm()),
        E::Aes128Cbc => Kind::Cbc(Cipher::aes_128_cbc()),
        E::Aes192Cbc => Kind::Cbc(Cipher::aes_192_cbc()),
        E::Aes256Cbc => Kind::Cbc(Cipher::aes_256_cbc()),
        E::Aes128Ctr => Kind::Ctr(Cipher::aes_128_ctr()),
        E::Aes192Ctr => Kind::Ctr(Cipher::aes_192_ctr()),
        E::Aes256Ctr => Kind::Ctr(Cipher::aes_256_ctr()),
        E::Aes128Gcm8 | E::Aes128Gcm12 | E::Aes128Gcm => Kind::Aead(Cipher::aes_128_gcm()),
        E::Aes192Gcm8 | E::Aes192Gcm12 | E::Aes192Gcm => Kind::Aead(Cipher::aes_192_gcm()),
        E::Aes256Gcm8 | E::Aes256Gcm12 | E::Aes256Gcm => Kind::Aead(Cipher::aes_256_gcm()),
        E::ChaCha20Poly1305 => Kind::Aead(Cipher::chacha20_poly1305()),
    }
}

fn digest(integ: EspInteg) -> MessageDigest {
    match integ {
        EspInteg::HmacMd5_96 => MessageDigest::md5(),
        EspInteg::HmacSha1_96 => MessageDigest::sha1(),
        EspInteg::HmacSha256_128 => MessageDigest::sha256(),
        EspInteg::HmacSha384_192 => MessageDigest::sha384(),
        EspInteg::HmacSha512_256 => MessageDigest::sha512(),
    }
}

fn crypt(mode: Mode, cipher: Cipher, key: &[u8], iv: &[u8], text: &[u8]) -> Vec<u8> {
    let mut crypter = Crypter::new(cipher, mode, key, Some(iv)).unwrap();
    crypter.pad(false);
    let mut out = vec![0; text.len() + 32];
    let mut octets = crypter.update(text, &mut out).unwrap();
    octets += crypter.finalize(&mut out[octets..]).unwrap();
    out.truncate(octets);
    out
}

impl Oracle {
    fn key(&self) -> Vec<u8> {
        let key = &self.material[..self.transform.encr().key_octets()];
        match self.transform.encr() {
            EspEncr::DesCbc => key.repeat(3),
            _ => key.to_vec(),
        }
    }

    fn salt(&self) -> &[u8] {
        let at = self.transform.encr().key_octets();
        &self.material[at..at + self.transform.encr().salt_octets()]
    }

    /// SPI and sequence number as the additional authenticated data has them (RFC 4106 section 5).
    fn aad(&self, sequence: u64) -> Vec<u8> {
        let mut aad = self.spi.to_be_bytes().to_vec();
        if self.extended {
            aad.extend(sequence.to_be_bytes());
        } else {
            aad.extend((sequence as u32).to_be_bytes());
        }
        aad
    }

    fn nonce(&self, iv: &[u8]) -> Vec<u8> {
        [self.salt(), iv].concat()
    }

    /// The whole HMAC's beginning over the packet, and the high half of the number (RFC 4303 section 2.2.1).
    pub fn hmac(&self, integ: EspInteg, sequence: u64, packet: &[u8]) -> Vec<u8> {
        let key = &self.material[self.transform.encr().keymat_octets()..];
        let key = PKey::hmac(key).unwrap();
        let mut signer = Signer::new(digest(integ), &key).unwrap();
        signer.update(packet).unwrap();
        if self.extended {
            signer
                .update(&((sequence >> 32) as u32).to_be_bytes())
                .unwrap();
        }
        let mut icv = signer.sign_to_vec().unwrap();
        icv.truncate(self.transform.icv_octets());
        icv
    }

    /// The AES-GMAC over a packet of AH, and the upper half of an extended number (RFC 4543 section 4).
    pub fn gmac(&self, sequence: u64, iv: &[u8], packet: &[u8]) -> Vec<u8> {
        let Kind::Gmac(cipher) = kind(self.transform.encr()) else {
            panic!("{} is no AES-GMAC", self.transform);
        };
        let mut covered = packet.to_vec();
        if self.extended {
            covered.extend(((sequence >> 32) as u32).to_be_bytes());
        }
        let (nonce, mut tag) = (self.nonce(iv), vec![0; 16]);
        encrypt_aead(cipher, &self.key(), Some(&nonce), &covered, &[], &mut tag).unwrap();
        tag
    }

    /// The ESP packet of a text, from SPI to ICV.
    pub fn seal(&self, sequence: u64, iv: &[u8], text: &[u8]) -> Vec<u8> {
        let mut packet = self.spi.to_be_bytes().to_vec();
        packet.extend((sequence as u32).to_be_bytes());
        packet.extend(iv);
        let (aad, key) = (self.aad(sequence), self.key());
        let mut tag = vec![0; 16];
        match kind(self.transform.encr()) {
            Kind::Aead(cipher) => {
                let nonce = self.nonce(iv);
                let sealed = encrypt_aead(cipher, &key, Some(&nonce), &aad, text, &mut tag);
                packet.extend(sealed.unwrap());
            }
            Kind::Gmac(cipher) => {
                let covered = [&aad, iv, text].concat();
                let nonce = self.nonce(iv);
                encrypt_aead(cipher, &key, Some(&nonce), &covered, &[], &mut tag).unwrap();
                packet.extend(text);
            }
            Kind::Cbc(cipher) => packet.extend(crypt(Mode::Encrypt, cipher, &key, iv, text)),
            Kind::Ctr(cipher) => {
                let block = [self.salt(), iv, &[0, 0, 0, 1]].concat();
                packet.extend(crypt(Mode::Encrypt, cipher, &key, &block, text));
            }
            Kind::Null => packet.extend(text),
        }
        tag.truncate(self.transform.icv_octets());
        let icv = match self.transform.integ() {
            Some(integ) => self.hmac(integ, sequence, &packet),
            None => tag,
        };
        packet.extend(icv);
        packet
    }

    /// IV and text of an ESP packet; `None` when it is not authentic.
    pub fn open(&self, sequence: u64, packet: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (covered, icv) = packet.split_at(packet.len() - self.transform.icv_octets());
        let (header, rest) = covered.split_at(8);
        let (iv, text) = rest.split_at(self.transform.iv_octets());
        assert_eq!(header[..4], self.spi.to_be_bytes());
        assert_eq!(header[4..], (sequence as u32).to_be_bytes());
        let (aad, key) = (self.aad(sequence), self.key());
        if let Some(integ) = self.transform.integ()
            && self.hmac(integ, sequence, covered) != icv
        {
            return None;
        }
        let text = match kind(self.transform.encr()) {
            Kind::Aead(cipher) => {
                decrypt_aead(cipher, &key, Some(&self.nonce(iv)), &aad, text, icv).ok()?
            }
            Kind::Gmac(cipher) => {
                let seen = [&aad, iv, text].concat();
                decrypt_aead(cipher, &key, Some(&self.nonce(iv)), &seen, &[], icv).ok()?;
                text.to_vec()
            }
            Kind::Cbc(cipher) => crypt(Mode::Decrypt, cipher, &key, iv, text),
            Kind::Ctr(cipher) => {
                let block = [self.salt(), iv, &[0, 0, 0, 1]].concat();
                crypt(Mode::Decrypt, cipher, &key, &block, text)
            }
            Kind::Null => text.to_vec(),
        };
        Some((iv.to_vec(), text))
    }
}
