//! The portable engine: RustCrypto's `aes-gcm`. Also the oracle of the other engines' tests.

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce, Tag};

use super::{AeadKey, Cipher, KeyError, Synchronous};
use crate::ICV_OCTETS;

/// An expanded key. The `zeroize` feature of the library wipes it on drop.
pub struct PortableKey(Variant);

enum Variant {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
}

/// The engine of such keys.
pub type PortableEngine<P> = Synchronous<PortableKey, P>;

impl AeadKey for PortableKey {
    fn expand(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        let variant = match cipher {
            Cipher::Aes128Gcm => {
                Aes128Gcm::new_from_slice(key).map(|k| Variant::Aes128(Box::new(k)))
            }
            Cipher::Aes256Gcm => {
                Aes256Gcm::new_from_slice(key).map(|k| Variant::Aes256(Box::new(k)))
            }
        };
        variant.map(PortableKey).map_err(|_| KeyError::Length)
    }

    fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        icv: &mut [u8; ICV_OCTETS],
    ) -> bool {
        let nonce = Nonce::from_slice(nonce);
        let tag = match &self.0 {
            Variant::Aes128(key) => key.encrypt_in_place_detached(nonce, aad, text),
            Variant::Aes256(key) => key.encrypt_in_place_detached(nonce, aad, text),
        };
        tag.map(|tag| icv.copy_from_slice(&tag)).is_ok()
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8; ICV_OCTETS]) -> bool {
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(icv));
        match &self.0 {
            Variant::Aes128(key) => key.decrypt_in_place_detached(nonce, aad, text, tag).is_ok(),
            Variant::Aes256(key) => key.decrypt_in_place_detached(nonce, aad, text, tag).is_ok(),
        }
    }
}
