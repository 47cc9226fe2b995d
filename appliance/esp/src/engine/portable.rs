//! The portable engine: RustCrypto's `aes-gcm`. Synchronous; also the oracle of the other engines' tests.

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce, Tag};

use super::{Cipher, CryptoEngine, CryptoOp, Direction, KeyError, KeyId, OpStatus};
use crate::{ICV_OCTETS, PacketBuf};

/// An expanded key. The `zeroize` feature of the library wipes it on drop.
pub struct PortableKey(Variant);

enum Variant {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
}

/// A table of keys and the operations completed since the last poll.
pub struct PortableEngine<P> {
    keys: Vec<Option<PortableKey>>,
    free: Vec<u32>,
    max_keys: usize,
    done: Vec<CryptoOp<P>>,
}

impl<P: PacketBuf> PortableEngine<P> {
    /// An engine for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            keys: Vec::new(),
            free: Vec::new(),
            max_keys,
            done: Vec::new(),
        }
    }

    fn run(keys: &[Option<PortableKey>], op: &mut CryptoOp<P>) -> OpStatus {
        let Some(Some(key)) = keys.get(op.key.0 as usize) else {
            return OpStatus::EngineFailed;
        };
        let (start, octets) = (usize::from(op.start), usize::from(op.octets));
        let Some(aad) = op.aad.get(..usize::from(op.aad_octets)) else {
            return OpStatus::EngineFailed;
        };
        let Some(range) = op
            .packet
            .data_mut()
            .get_mut(start..start + octets + ICV_OCTETS)
        else {
            return OpStatus::EngineFailed;
        };
        let (text, icv) = range.split_at_mut(octets);
        match op.direction {
            Direction::Encrypt => match key.encrypt(&op.nonce, aad, text) {
                Some(tag) => {
                    icv.copy_from_slice(&tag);
                    OpStatus::Done
                }
                None => OpStatus::EngineFailed,
            },
            Direction::Decrypt if key.decrypt(&op.nonce, aad, text, icv) => OpStatus::Done,
            Direction::Decrypt => OpStatus::AuthFailed,
        }
    }
}

impl PortableKey {
    fn encrypt(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> Option<Tag> {
        let nonce = Nonce::from_slice(nonce);
        match &self.0 {
            Variant::Aes128(key) => key.encrypt_in_place_detached(nonce, aad, text).ok(),
            Variant::Aes256(key) => key.encrypt_in_place_detached(nonce, aad, text).ok(),
        }
    }

    fn decrypt(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8]) -> bool {
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(icv));
        match &self.0 {
            Variant::Aes128(key) => key.decrypt_in_place_detached(nonce, aad, text, tag).is_ok(),
            Variant::Aes256(key) => key.decrypt_in_place_detached(nonce, aad, text, tag).is_ok(),
        }
    }
}

impl<P: PacketBuf> CryptoEngine<P> for PortableEngine<P> {
    type Key = PortableKey;

    fn expand(cipher: Cipher, key: &[u8]) -> Result<PortableKey, KeyError> {
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

    fn insert(&mut self, key: PortableKey) -> Result<KeyId, PortableKey> {
        if let Some(index) = self.free.pop() {
            self.keys[index as usize] = Some(key);
            return Ok(KeyId(index));
        }
        if self.keys.len() >= self.max_keys {
            return Err(key);
        }
        self.keys.push(Some(key));
        Ok(KeyId(self.keys.len() as u32 - 1))
    }

    fn remove(&mut self, id: KeyId) -> Option<PortableKey> {
        let key = self.keys.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        Some(key)
    }

    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        for op in ops.iter_mut() {
            op.status = Self::run(&self.keys, op);
        }
        if self.done.is_empty() {
            std::mem::swap(&mut self.done, ops);
        } else {
            self.done.append(ops);
        }
    }

    fn poll(&mut self, done: &mut Vec<CryptoOp<P>>) {
        if done.is_empty() {
            std::mem::swap(done, &mut self.done);
        } else {
            done.append(&mut self.done);
        }
    }
}
