//! AES-GCM for the workers: intel-ipsec-mb where the CPU can, RustCrypto elsewhere. Synchronous.

use std::sync::OnceLock;

use dpdk_rs::ipsecmb::{Gcm, GcmKey, TAG_OCTETS};
use ravelin_esp::engine::{AeadKey, Cipher, KeyError, PortableKey, Synchronous};

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

/// One worker's engine: the best of this machine.
pub type Engine<P> = Synchronous<Key, P>;

impl AeadKey for Key {
    fn expand(cipher: Cipher, key: &[u8]) -> Result<Self, KeyError> {
        // The library would take either length under either name.
        if key.len() != usize::from(cipher.iana().1) / 8 {
            return Err(KeyError::Length);
        }
        match native() {
            Some(gcm) => gcm
                .expand(key)
                .map(Key::Native)
                .map_err(|_| KeyError::Length),
            None => PortableKey::expand(cipher, key).map(Key::Portable),
        }
    }

    #[inline]
    fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        icv: &mut [u8; TAG_OCTETS],
    ) -> bool {
        match self {
            Key::Native(key) => {
                key.seal(nonce, aad, text, icv);
                true
            }
            Key::Portable(key) => key.seal(nonce, aad, text, icv),
        }
    }

    #[inline]
    fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], icv: &[u8; TAG_OCTETS]) -> bool {
        match self {
            Key::Native(key) => key.open(nonce, aad, text, icv),
            Key::Portable(key) => key.open(nonce, aad, text, icv),
        }
    }
}

#[cfg(test)]
mod tests;
