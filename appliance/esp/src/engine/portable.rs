//! The portable engine: AES-GCM by RustCrypto's `aes-gcm`, in every key and ICV length. It has no other algorithm: their keys are
//! refused. Also the oracle of the other engines' tests of AES-GCM.

use std::sync::Arc;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, Nonce, Tag};
use ravelin_types::{EspEncr, EspTransform};

use super::{CpuKey, KeyError, OpStatus, Synchronous};
use crate::Keys;

type Aes192Gcm = AesGcm<Aes192, U12>;

/// An expanded key. The `zeroize` feature of the library wipes it when its last clone is dropped.
#[derive(Clone)]
pub struct PortableKey(Variant);

#[derive(Clone)]
enum Variant {
    Aes128(Arc<Aes128Gcm>),
    Aes192(Arc<Aes192Gcm>),
    Aes256(Arc<Aes256Gcm>),
}

/// The engine of such keys.
pub type PortableEngine<P> = Synchronous<PortableKey, P>;

impl PortableKey {
    /// Encrypts in place; the whole tag.
    fn encrypt(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> Option<Tag> {
        let nonce = Nonce::from_slice(nonce);
        match &self.0 {
            Variant::Aes128(key) => key.encrypt_in_place_detached(nonce, aad, text),
            Variant::Aes192(key) => key.encrypt_in_place_detached(nonce, aad, text),
            Variant::Aes256(key) => key.encrypt_in_place_detached(nonce, aad, text),
        }
        .ok()
    }

    fn decrypt(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], tag: &Tag) -> bool {
        let nonce = Nonce::from_slice(nonce);
        match &self.0 {
            Variant::Aes128(key) => key.decrypt_in_place_detached(nonce, aad, text, tag),
            Variant::Aes192(key) => key.decrypt_in_place_detached(nonce, aad, text, tag),
            Variant::Aes256(key) => key.decrypt_in_place_detached(nonce, aad, text, tag),
        }
        .is_ok()
    }

    /// The library compares whole tags only. The tag belongs to the ciphertext, and the mode is a key stream: encrypting twice gives the
    /// cleartext and then the ciphertext with its tag.
    fn open_truncated(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> bool {
        if self.encrypt(nonce, aad, text).is_none() {
            return false;
        }
        let Some(tag) = self.encrypt(nonce, aad, text) else {
            return false;
        };
        let difference = tag.iter().zip(icv).fold(0, |sum, (a, b)| sum | (a ^ b));
        difference == 0 && self.decrypt(nonce, aad, text, &tag)
    }
}

impl CpuKey for PortableKey {
    type Lanes = ();

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<Self, KeyError> {
        use EspEncr as E;
        let key = keys.cipher;
        let variant = match transform.encr() {
            E::Aes128Gcm | E::Aes128Gcm12 | E::Aes128Gcm8 => {
                Aes128Gcm::new_from_slice(key).map(|k| Variant::Aes128(Arc::new(k)))
            }
            E::Aes192Gcm | E::Aes192Gcm12 | E::Aes192Gcm8 => {
                Aes192Gcm::new_from_slice(key).map(|k| Variant::Aes192(Arc::new(k)))
            }
            E::Aes256Gcm | E::Aes256Gcm12 | E::Aes256Gcm8 => {
                Aes256Gcm::new_from_slice(key).map(|k| Variant::Aes256(Arc::new(k)))
            }
            _ => return Err(KeyError::Transform),
        };
        variant.map(PortableKey).map_err(|_| KeyError::Length)
    }

    fn share(self) -> (Self, Option<Self>) {
        (self.clone(), Some(self))
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &mut [u8]) -> OpStatus {
        let tag = self.encrypt(nonce, aad, text);
        let kept = tag.as_ref().and_then(|tag| tag.get(..icv.len()));
        match kept {
            Some(kept) => {
                icv.copy_from_slice(kept);
                OpStatus::Done
            }
            None => OpStatus::EngineFailed,
        }
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> OpStatus {
        let whole = <[u8; 16]>::try_from(icv).map(Tag::from);
        let authentic = match whole {
            Ok(tag) => self.decrypt(nonce, aad, text, &tag),
            Err(_) => self.open_truncated(nonce, aad, text, icv),
        };
        if authentic {
            OpStatus::Done
        } else {
            OpStatus::AuthFailed
        }
    }
}
