//! An engine whose keys do the work on the spot: every operation is complete when `submit` returns.

use super::{Cipher, CryptoEngine, CryptoOp, Direction, KeyError, KeyId, OpStatus};
use crate::{ICV_OCTETS, PacketBuf};

/// An expanded AEAD key that runs on the calling CPU; wiped when dropped.
pub trait AeadKey: Sized + Send + 'static {
    /// Expands key material without the salt.
    ///
    /// # Errors
    /// When the key does not fit the cipher.
    fn expand(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError>;

    /// Encrypts `text` in place and writes the ICV; false when the implementation refuses.
    fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        icv: &mut [u8; ICV_OCTETS],
    ) -> bool;

    /// Verifies the ICV in constant time and decrypts `text` in place; false when it is wrong.
    fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8; ICV_OCTETS]) -> bool;
}

/// A table of keys, and the operations completed since the last poll.
pub struct Synchronous<K, P> {
    keys: Vec<Option<K>>,
    free: Vec<u32>,
    max_keys: usize,
    done: Vec<CryptoOp<P>>,
}

impl<K: AeadKey, P: PacketBuf> Synchronous<K, P> {
    /// An engine for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            keys: Vec::new(),
            free: Vec::new(),
            max_keys,
            done: Vec::new(),
        }
    }

    /// `None` for an unknown key, a range outside the packet, or a refusal.
    #[inline]
    fn run(keys: &[Option<K>], op: &mut CryptoOp<P>) -> Option<OpStatus> {
        let key = keys.get(op.key.0 as usize)?.as_ref()?;
        let (start, octets) = (usize::from(op.start), usize::from(op.octets));
        let aad = op.aad.get(..usize::from(op.aad_octets))?;
        let range = start..start + octets + ICV_OCTETS;
        let (text, icv) = op
            .packet
            .data_mut()
            .get_mut(range)?
            .split_last_chunk_mut::<ICV_OCTETS>()?;
        match op.direction {
            Direction::Encrypt => key
                .seal(&op.nonce, aad, text, icv)
                .then_some(OpStatus::Done),
            Direction::Decrypt if key.open(&op.nonce, aad, text, icv) => Some(OpStatus::Done),
            Direction::Decrypt => Some(OpStatus::AuthFailed),
        }
    }
}

impl<K: AeadKey, P: PacketBuf> CryptoEngine<P> for Synchronous<K, P> {
    type Key = K;

    fn expand(cipher: Cipher, key: &[u8]) -> Result<K, KeyError> {
        K::expand(cipher, key)
    }

    fn insert(&mut self, key: K) -> Result<KeyId, K> {
        if let Some(index) = self.free.pop() {
            let Some(place) = self.keys.get_mut(index as usize) else {
                return Err(key);
            };
            *place = Some(key);
            return Ok(KeyId(index));
        }
        if self.keys.len() >= self.max_keys {
            return Err(key);
        }
        self.keys.push(Some(key));
        Ok(KeyId(self.keys.len() as u32 - 1))
    }

    fn remove(&mut self, id: KeyId) -> Option<K> {
        let key = self.keys.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        Some(key)
    }

    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        for op in ops.iter_mut() {
            op.status = Self::run(&self.keys, op).unwrap_or(OpStatus::EngineFailed);
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
