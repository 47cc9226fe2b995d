//! AES-GCM for the workers: intel-ipsec-mb where the CPU can, RustCrypto elsewhere. Synchronous.

use std::sync::OnceLock;

use dpdk_rs::ipsecmb::{Gcm, GcmKey, TAG_OCTETS};
use ravelin_esp::PacketBuf;
use ravelin_esp::engine::{
    Cipher, CryptoEngine, CryptoOp, Direction, KeyError, KeyId, OpStatus, PortableEngine,
    PortableKey,
};

static NATIVE: OnceLock<Option<Gcm>> = OnceLock::new();

/// The library's code for this CPU, looked for once; the outcome is logged.
pub fn native() -> Option<&'static Gcm> {
    let found = NATIVE.get_or_init(|| match Gcm::detect() {
        Ok(gcm) => {
            log::info!("AES-GCM by intel-ipsec-mb, {}", gcm.code());
            Some(gcm)
        }
        Err(error) => {
            log::warn!("{error}: AES-GCM by the portable engine");
            None
        }
    });
    found.as_ref()
}

/// An expanded key; both kinds wipe themselves.
pub enum Key {
    /// For intel-ipsec-mb.
    Native(GcmKey),
    /// For the portable engine.
    Portable(PortableKey),
}

/// One worker's engine.
pub enum Engine<P> {
    /// intel-ipsec-mb.
    Native(Native<P>),
    /// RustCrypto.
    Portable(PortableEngine<P>),
}

/// The keys of one worker, and the operations completed since the last poll.
pub struct Native<P> {
    keys: Vec<Option<GcmKey>>,
    free: Vec<u32>,
    max_keys: usize,
    done: Vec<CryptoOp<P>>,
}

impl<P: PacketBuf> Engine<P> {
    /// The best engine of this machine, for at most `max_keys` keys.
    pub fn new(max_keys: usize) -> Self {
        if native().is_none() {
            return Engine::Portable(PortableEngine::new(max_keys));
        }
        Engine::Native(Native {
            keys: Vec::new(),
            free: Vec::new(),
            max_keys,
            done: Vec::new(),
        })
    }
}

impl<P: PacketBuf> Native<P> {
    fn insert(&mut self, key: GcmKey) -> Result<KeyId, GcmKey> {
        if let Some(index) = self.free.pop() {
            if let Some(place) = self.keys.get_mut(index as usize) {
                *place = Some(key);
                return Ok(KeyId(index));
            }
            return Err(key);
        }
        if self.keys.len() >= self.max_keys {
            return Err(key);
        }
        self.keys.push(Some(key));
        Ok(KeyId(self.keys.len() as u32 - 1))
    }

    fn remove(&mut self, id: KeyId) -> Option<GcmKey> {
        let key = self.keys.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        Some(key)
    }

    #[inline]
    fn run(keys: &[Option<GcmKey>], op: &mut CryptoOp<P>) -> Option<OpStatus> {
        let key = keys.get(op.key.0 as usize)?.as_ref()?;
        let (start, octets) = (usize::from(op.start), usize::from(op.octets));
        let aad = op.aad.get(..usize::from(op.aad_octets))?;
        let range = op
            .packet
            .data_mut()
            .get_mut(start..start + octets + TAG_OCTETS)?;
        let (text, tag) = range.split_last_chunk_mut::<TAG_OCTETS>()?;
        match op.direction {
            Direction::Encrypt => {
                key.seal(&op.nonce, aad, text, tag);
                Some(OpStatus::Done)
            }
            Direction::Decrypt if key.open(&op.nonce, aad, text, tag) => Some(OpStatus::Done),
            Direction::Decrypt => Some(OpStatus::AuthFailed),
        }
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

impl<P: PacketBuf> CryptoEngine<P> for Engine<P> {
    type Key = Key;

    fn expand(cipher: Cipher, key: &[u8]) -> Result<Key, KeyError> {
        // The library would take either length under either name.
        if key.len() != usize::from(cipher.iana().1) / 8 {
            return Err(KeyError::Length);
        }
        match native() {
            Some(gcm) => gcm
                .expand(key)
                .map(Key::Native)
                .map_err(|_| KeyError::Length),
            None => PortableEngine::<P>::expand(cipher, key).map(Key::Portable),
        }
    }

    fn insert(&mut self, key: Key) -> Result<KeyId, Key> {
        match (self, key) {
            (Engine::Native(engine), Key::Native(key)) => engine.insert(key).map_err(Key::Native),
            (Engine::Portable(engine), Key::Portable(key)) => {
                engine.insert(key).map_err(Key::Portable)
            }
            (_, key) => Err(key),
        }
    }

    fn remove(&mut self, id: KeyId) -> Option<Key> {
        match self {
            Engine::Native(engine) => engine.remove(id).map(Key::Native),
            Engine::Portable(engine) => engine.remove(id).map(Key::Portable),
        }
    }

    fn submit(&mut self, ops: &mut Vec<CryptoOp<P>>) {
        match self {
            Engine::Native(engine) => engine.submit(ops),
            Engine::Portable(engine) => engine.submit(ops),
        }
    }

    fn poll(&mut self, done: &mut Vec<CryptoOp<P>>) {
        match self {
            Engine::Native(engine) => engine.poll(done),
            Engine::Portable(engine) => engine.poll(done),
        }
    }
}

#[cfg(test)]
mod tests;
