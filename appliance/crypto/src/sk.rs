//! Protection of the Encrypted payload (SK) with SK_e and SK_a.
//!
//! Two shapes:
//! * a cipher with integrity beside it (RFC 7296 section 3.14; counter mode: RFC 5930): ICV = MAC(SK_a, aad | IV | ciphertext), truncated.
//!   For CBC the caller pads the plaintext to the block and gives an unpredictable IV.
//! * an AEAD (RFC 5282, RFC 7634): nonce = salt (the end of SK_e) | 8-octet IV.
//!
//! But for CBC the caller guarantees that no IV repeats under one key. `aad` is the message from its first octet up to and including the
//! SK payload's generic header. Padding, Pad Length and their check belong to the message layer.

mod aead;

use std::sync::OnceLock;

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::{CipherCtx, CipherCtxRef};
use openssl::error::ErrorStack;
use ravelin_types::{IkeCipherMode, IkeEncr, IkeInteg};
use zeroize::Zeroizing;

use crate::error::{Error, library};
use crate::mac::mac;
use crate::secret::{Secret, ct_eq};

/// One direction's SK protection. Holds its keys, zeroized on drop.
#[derive(Clone, Debug)]
pub struct SkCipher {
    encr: IkeEncr,
    /// SK_e without its salt.
    key: Secret,
    salt: Secret,
    /// None with an AEAD.
    integ: Option<(IkeInteg, Secret)>,
}

/// Sets up a context for one direction.
type Init = fn(
    &mut CipherCtxRef,
    Option<&CipherRef>,
    Option<&[u8]>,
    Option<&[u8]>,
) -> Result<(), ErrorStack>;

impl SkCipher {
    /// Takes SK_e (with its salt) and SK_a (empty for an AEAD) of one direction.
    ///
    /// # Errors
    /// [`Error::IntegMismatch`], [`Error::Length`]: the suite or the lengths do not fit together.
    pub fn new(
        encr: IkeEncr,
        integ: Option<IkeInteg>,
        sk_e: &[u8],
        sk_a: &[u8],
    ) -> Result<Self, Error> {
        if encr.is_aead() == integ.is_some() {
            return Err(Error::IntegMismatch {
                encr,
                given: integ.is_some(),
            });
        }
        exact("SK_e", sk_e, encr.key_octets())?;
        exact("SK_a", sk_a, integ.map_or(0, IkeInteg::key_octets))?;
        let (key, salt) = sk_e.split_at(encr.cipher_key_octets());
        Ok(Self {
            encr,
            key: Secret::new(openssl_key(encr, key)),
            salt: Secret::from_slice(salt),
            integ: integ.map(|integ| (integ, Secret::from_slice(sk_a))),
        })
    }

    /// The cipher.
    pub fn encr(&self) -> IkeEncr {
        self.encr
    }

    /// Octets of the explicit IV: a block for CBC, 8 for the others.
    pub fn iv_len(&self) -> usize {
        self.encr.iv_octets()
    }

    /// Octets of the integrity check value at the end.
    pub fn icv_len(&self) -> usize {
        let separate = self.integ.as_ref().map(|(integ, _)| integ.icv_octets());
        separate.or(self.encr.icv_octets()).unwrap_or(0)
    }

    /// Octets that the plaintext (with padding and Pad Length) must be a multiple of: a block for CBC, 1 for the others.
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
        let Some((integ, sk_a)) = &self.integ else {
            return aead::seal(self.encr, &self.key, &self.nonce(iv), aad, plaintext);
        };
        let mut out = self
            .crypt(CipherCtxRef::encrypt_init, iv, plaintext)?
            .to_vec();
        let icv = icv(*integ, sk_a, aad, iv, &out)?;
        out.extend_from_slice(&icv);
        Ok(out)
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
        let Some((integ, sk_a)) = &self.integ else {
            return aead::open(
                self.encr,
                &self.key,
                &self.nonce(iv),
                aad,
                ciphertext,
                received,
            );
        };
        if !ct_eq(&icv(*integ, sk_a, aad, iv, ciphertext)?, received) {
            return Err(Error::Integrity);
        }
        self.crypt(CipherCtxRef::decrypt_init, iv, ciphertext)
    }

    /// RFC 5282 section 4, RFC 7634 section 2: the nonce is the salt followed by the explicit IV.
    fn nonce(&self, iv: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.salt.as_bytes(), iv].concat())
    }

    /// A cipher that does not authenticate.
    fn crypt(&self, init: Init, iv: &[u8], input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let block_octets = self.block_len();
        if input.len() % block_octets != 0 {
            return Err(Error::Padding {
                octets: input.len(),
                block_octets,
            });
        }
        let start = match self.encr.mode() {
            // RFC 5930 section 3: nonce, IV, and a block counter that begins with one.
            IkeCipherMode::Ctr => {
                Zeroizing::new([self.salt.as_bytes(), iv, &1u32.to_be_bytes()].concat())
            }
            _ => Zeroizing::new(iv.to_vec()),
        };
        let mut context = CipherCtx::new().map_err(library("cipher context"))?;
        let key = Some(self.key.as_bytes());
        cipher(self.encr)
            .and_then(|cipher| init(&mut context, Some(cipher), key, Some(&start)))
            .map_err(library("cipher init"))?;
        context.set_padding(false);
        // OpenSSL asks for one spare block.
        let mut out = Zeroizing::new(vec![0; input.len() + block_octets]);
        let mut done = context
            .cipher_update(input, Some(&mut out))
            .map_err(library("cipher update"))?;
        done += context
            .cipher_final(&mut out[done..])
            .map_err(library("cipher finish"))?;
        out.truncate(done);
        Ok(out)
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

/// DES is Triple DES with the same key three times (FIPS 46-3, keying option 3): OpenSSL has DES alone only in a provider that it does not
/// load by default.
fn openssl_key(encr: IkeEncr, key: &[u8]) -> Vec<u8> {
    match encr {
        IkeEncr::DesCbc => key.repeat(3),
        _ => key.to_vec(),
    }
}

/// Fetched once: with the constants of its older interface OpenSSL 3 searches its providers for each message.
fn cipher(encr: IkeEncr) -> Result<&'static CipherRef, ErrorStack> {
    static FETCHED: [OnceLock<Cipher>; IkeEncr::ALL.len()] =
        [const { OnceLock::new() }; IkeEncr::ALL.len()];
    let slot = &FETCHED[encr as usize];
    if let Some(cipher) = slot.get() {
        return Ok(cipher);
    }
    let cipher = Cipher::fetch(None, name(encr), None)?;
    Ok(slot.get_or_init(|| cipher))
}

/// OpenSSL's name.
fn name(encr: IkeEncr) -> &'static str {
    match (encr.mode(), encr.cipher_key_octets()) {
        (IkeCipherMode::Cbc { block_octets: 8 }, _) => "DES-EDE3-CBC",
        (IkeCipherMode::Cbc { .. }, 16) => "AES-128-CBC",
        (IkeCipherMode::Cbc { .. }, 24) => "AES-192-CBC",
        (IkeCipherMode::Cbc { .. }, _) => "AES-256-CBC",
        (IkeCipherMode::Ctr, 16) => "AES-128-CTR",
        (IkeCipherMode::Ctr, 24) => "AES-192-CTR",
        (IkeCipherMode::Ctr, _) => "AES-256-CTR",
        (IkeCipherMode::Ccm { .. }, 16) => "AES-128-CCM",
        (IkeCipherMode::Ccm { .. }, 24) => "AES-192-CCM",
        (IkeCipherMode::Ccm { .. }, _) => "AES-256-CCM",
        (IkeCipherMode::Gcm { .. }, 16) => "AES-128-GCM",
        (IkeCipherMode::Gcm { .. }, 24) => "AES-192-GCM",
        (IkeCipherMode::Gcm { .. }, _) => "AES-256-GCM",
        (IkeCipherMode::ChaCha20Poly1305, _) => "ChaCha20-Poly1305",
    }
}

/// RFC 7296 section 3.14: the check value covers the message from its first octet through the last octet of padding.
fn icv(
    integ: IkeInteg,
    sk_a: &Secret,
    aad: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, Error> {
    let full = mac(integ.prf(), sk_a.as_bytes(), &[aad, iv, ciphertext])?;
    Ok(full[..integ.icv_octets()].to_vec())
}

#[cfg(test)]
mod tests;
