//! Protection of the Encrypted payload (SK) with SK_e and SK_a.
//!
//! Two shapes:
//! * AES-CBC with HMAC (RFC 7296 section 3.14): ICV = HMAC(SK_a, aad | IV | ciphertext), truncated. The caller pads the plaintext to
//!   the block and gives an unpredictable IV.
//! * AES-GCM (RFC 5282): nonce = salt (last 4 octets of SK_e) | 8-octet IV. The caller guarantees that no IV repeats under one key.
//!
//! `aad` is the message from its first octet up to and including the SK payload's generic header. Padding, Pad Length and their check
//! belong to the message layer.

use openssl::hash::MessageDigest;
use openssl::symm::{Cipher, Crypter, Mode, decrypt_aead, encrypt_aead};
use zeroize::Zeroizing;

use crate::alg::{EncrAlg, IntegAlg};
use crate::error::{Error, library};
use crate::prf::hmac;
use crate::secret::{Secret, ct_eq};

/// GCM's tag, untruncated (ENCR_AES_GCM_16).
const GCM_ICV_OCTETS: usize = 16;

/// One direction's SK protection. Holds its keys, zeroized on drop.
#[derive(Clone, Debug)]
pub struct SkCipher {
    encr: EncrAlg,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    CbcHmac {
        integ: IntegAlg,
        sk_e: Secret,
        sk_a: Secret,
    },
    Gcm {
        key: Secret,
        salt: Secret,
    },
}

impl SkCipher {
    /// Takes SK_e (with the salt for GCM) and SK_a (empty for GCM) of one direction.
    ///
    /// # Errors
    /// [`Error::KeyBits`], [`Error::IntegMismatch`], [`Error::Length`]: the suite or the lengths do not fit together.
    pub fn new(
        encr: EncrAlg,
        integ: Option<IntegAlg>,
        sk_e: &[u8],
        sk_a: &[u8],
    ) -> Result<Self, Error> {
        let key_bits = encr.key_bits();
        if !matches!(key_bits, 128 | 256) {
            return Err(Error::KeyBits { key_bits });
        }
        exact("SK_e", sk_e, encr.key_octets())?;
        exact("SK_a", sk_a, integ.map_or(0, IntegAlg::key_octets))?;
        let shape = match (encr, integ) {
            (EncrAlg::AesCbc { .. }, Some(integ)) => Shape::CbcHmac {
                integ,
                sk_e: Secret::from_slice(sk_e),
                sk_a: Secret::from_slice(sk_a),
            },
            (EncrAlg::AesGcm16 { .. }, None) => {
                let (key, salt) = sk_e.split_at(usize::from(key_bits / 8));
                Shape::Gcm {
                    key: Secret::from_slice(key),
                    salt: Secret::from_slice(salt),
                }
            }
            (encr, integ) => {
                return Err(Error::IntegMismatch {
                    encr,
                    given: integ.is_some(),
                });
            }
        };
        Ok(Self { encr, shape })
    }

    /// The cipher.
    pub fn encr(&self) -> EncrAlg {
        self.encr
    }

    /// Octets of the explicit IV: 16 for CBC, 8 for GCM.
    pub fn iv_len(&self) -> usize {
        self.encr.iv_octets()
    }

    /// Octets of the integrity check value at the end.
    pub fn icv_len(&self) -> usize {
        match &self.shape {
            Shape::CbcHmac { integ, .. } => integ.icv_octets(),
            Shape::Gcm { .. } => GCM_ICV_OCTETS,
        }
    }

    /// Octets that the plaintext (with padding and Pad Length) must be a multiple of: 16 for CBC, 1 for GCM.
    pub fn block_len(&self) -> usize {
        self.encr.block_octets()
    }

    /// Encrypts and authenticates: returns ciphertext | ICV (without the IV).
    ///
    /// # Errors
    /// [`Error::Length`] for an IV of the wrong length, [`Error::Padding`] for a plaintext that does not fill its blocks,
    /// [`Error::Library`].
    pub fn seal(&self, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        exact("IV", iv, self.iv_len())?;
        match &self.shape {
            Shape::CbcHmac { integ, sk_e, sk_a } => {
                let ciphertext = cbc(self.encr, Mode::Encrypt, sk_e, iv, plaintext)?;
                let icv = icv(*integ, sk_a, aad, iv, &ciphertext)?;
                let mut out = Vec::with_capacity(ciphertext.len() + icv.len());
                out.extend_from_slice(&ciphertext);
                out.extend_from_slice(&icv);
                Ok(out)
            }
            Shape::Gcm { key, salt } => {
                let mut tag = [0; GCM_ICV_OCTETS];
                let mut out = encrypt_aead(
                    gcm(self.encr),
                    key.as_bytes(),
                    Some(&nonce(salt, iv)),
                    aad,
                    plaintext,
                    &mut tag,
                )
                .map_err(library("GCM seal"))?;
                out.extend_from_slice(&tag);
                Ok(out)
            }
        }
    }

    /// Checks the ICV over its full length and decrypts `ct_and_icv` (ciphertext | ICV). Nothing is decrypted before the check.
    ///
    /// # Errors
    /// [`Error::Integrity`] for anything wrong with what was received; [`Error::Length`] for an IV of the wrong length;
    /// [`Error::Library`].
    pub fn open(
        &self,
        iv: &[u8],
        aad: &[u8],
        ct_and_icv: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        exact("IV", iv, self.iv_len())?;
        let at = ct_and_icv
            .len()
            .checked_sub(self.icv_len())
            .ok_or(Error::Integrity)?;
        let (ciphertext, received) = ct_and_icv.split_at(at);
        if ciphertext.is_empty() || ciphertext.len() % self.block_len() != 0 {
            // The Pad Length octet is always there.
            return Err(Error::Integrity);
        }
        match &self.shape {
            Shape::CbcHmac { integ, sk_e, sk_a } => {
                if !ct_eq(&icv(*integ, sk_a, aad, iv, ciphertext)?, received) {
                    return Err(Error::Integrity);
                }
                cbc(self.encr, Mode::Decrypt, sk_e, iv, ciphertext)
            }
            Shape::Gcm { key, salt } => decrypt_aead(
                gcm(self.encr),
                key.as_bytes(),
                Some(&nonce(salt, iv)),
                aad,
                ciphertext,
                received,
            )
            .map(Zeroizing::new)
            .map_err(|_| Error::Integrity),
        }
    }
}

fn exact(what: &'static str, bytes: &[u8], expected: usize) -> Result<(), Error> {
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(Error::Length {
            what,
            got: bytes.len(),
            expected,
        })
    }
}

fn gcm(encr: EncrAlg) -> Cipher {
    if encr.key_bits() == 128 {
        Cipher::aes_128_gcm()
    } else {
        Cipher::aes_256_gcm()
    }
}

/// RFC 5282 section 4: the nonce is the salt followed by the explicit IV.
fn nonce(salt: &Secret, iv: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([salt.as_bytes(), iv].concat())
}

/// RFC 7296 section 3.14: the check value covers the message from its first octet through the last octet of padding.
fn icv(
    integ: IntegAlg,
    sk_a: &Secret,
    aad: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, Error> {
    let digest = match integ {
        IntegAlg::HmacSha256_128 => MessageDigest::sha256(),
        IntegAlg::HmacSha384_192 => MessageDigest::sha384(),
    };
    let full = hmac(digest, sk_a.as_bytes(), &[aad, iv, ciphertext])?;
    Ok(full[..integ.icv_octets()].to_vec())
}

fn cbc(
    encr: EncrAlg,
    mode: Mode,
    key: &Secret,
    iv: &[u8],
    input: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let cipher = if encr.key_bits() == 128 {
        Cipher::aes_128_cbc()
    } else {
        Cipher::aes_256_cbc()
    };
    let block_octets = encr.block_octets();
    if input.len() % block_octets != 0 {
        return Err(Error::Padding {
            octets: input.len(),
            block_octets,
        });
    }
    let mut crypter =
        Crypter::new(cipher, mode, key.as_bytes(), Some(iv)).map_err(library("CBC init"))?;
    crypter.pad(false);
    // OpenSSL asks for one spare block.
    let mut out = Zeroizing::new(vec![0; input.len() + block_octets]);
    let mut done = crypter
        .update(input, &mut out)
        .map_err(library("CBC update"))?;
    done += crypter
        .finalize(&mut out[done..])
        .map_err(library("CBC finish"))?;
    out.truncate(done);
    Ok(out)
}

#[cfg(test)]
mod tests;
