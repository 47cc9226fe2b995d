//! Algorithms of one direction of an SA, and their keys in a device.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError};

use super::Inner;
use crate::error::{Errno, Error};
use crate::ipsecmb::separate::{Cipher, Hash};

/// Octets of room for an IV.
pub const IV_OCTETS: usize = dpdk_sys::RV_CRYPTO_IV_OCTETS as usize;
/// Octets of room for additional authenticated data.
pub const AAD_OCTETS: usize = dpdk_sys::RV_CRYPTO_AAD_OCTETS as usize;
/// Octets of room for an ICV beside the packet.
pub const ICV_OCTETS: usize = dpdk_sys::RV_CRYPTO_ICV_OCTETS as usize;
/// The IV of the AEADs: salt and explicit IV.
const AEAD_IV_OCTETS: u16 = 12;

/// Ciphers that authenticate by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aead {
    /// AES-GCM.
    AesGcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

/// Algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithms {
    /// One for both.
    Aead {
        /// Which.
        aead: Aead,
        /// Octets of additional authenticated data.
        aad_octets: u8,
    },
    /// A cipher, and an HMAC over what it makes.
    Separate {
        /// Cipher.
        cipher: Cipher,
        /// Hash of the HMAC.
        hash: Hash,
    },
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Algorithms.
    pub algorithms: Algorithms,
    /// Octets of the cipher's key.
    pub key_octets: u8,
    /// Octets of the HMAC's key, 0 without one.
    pub integ_octets: u8,
    /// Octets of the ICV.
    pub icv_octets: u8,
    /// Encrypt, or verify and decrypt.
    pub encrypt: bool,
}

impl Suite {
    pub(super) fn raw(&self) -> dpdk_sys::rv_crypto_suite {
        let mut raw = dpdk_sys::rv_crypto_suite {
            aead: dpdk_sys::RV_CRYPTO_NONE,
            cipher: dpdk_sys::RV_CIPHER_NULL,
            auth: dpdk_sys::RV_CRYPTO_NONE,
            key_octets: u16::from(self.key_octets),
            auth_key_octets: u16::from(self.integ_octets),
            iv_octets: AEAD_IV_OCTETS,
            aad_octets: 0,
            icv_octets: u16::from(self.icv_octets),
            encrypt: u8::from(self.encrypt),
        };
        match self.algorithms {
            Algorithms::Aead { aead, aad_octets } => {
                raw.aad_octets = u16::from(aad_octets);
                raw.aead = match aead {
                    Aead::AesGcm => dpdk_sys::RV_AEAD_AES_GCM,
                    Aead::ChaCha20Poly1305 => dpdk_sys::RV_AEAD_CHACHA20_POLY1305,
                };
            }
            Algorithms::Separate { cipher, hash } => {
                (raw.cipher, raw.iv_octets) = match cipher {
                    Cipher::AesCbc => (dpdk_sys::RV_CIPHER_AES_CBC, 16),
                    Cipher::AesCtr => (dpdk_sys::RV_CIPHER_AES_CTR, 16),
                    Cipher::Des => (dpdk_sys::RV_CIPHER_DES_CBC, 8),
                    Cipher::TripleDes => (dpdk_sys::RV_CIPHER_3DES_CBC, 8),
                    Cipher::Null => (dpdk_sys::RV_CIPHER_NULL, 0),
                };
                raw.auth = match hash {
                    Hash::Md5 => dpdk_sys::RV_AUTH_MD5,
                    Hash::Sha1 => dpdk_sys::RV_AUTH_SHA1,
                    Hash::Sha256 => dpdk_sys::RV_AUTH_SHA256,
                    Hash::Sha384 => dpdk_sys::RV_AUTH_SHA384,
                    Hash::Sha512 => dpdk_sys::RV_AUTH_SHA512,
                };
            }
        }
        raw
    }
}

/// Keys in a device, in the driver's layout. Packets under way hold it too; the last holder frees and wipes it.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Keys>);

pub(super) struct Keys {
    pub(super) raw: NonNull<c_void>,
    pub(super) device: Arc<Inner>,
    pub(super) suite: Suite,
}

// SAFETY: drivers only read a session between its creation and its end, which happen under the device's lock.
unsafe impl Send for Keys {}
// SAFETY: as above.
unsafe impl Sync for Keys {}

impl Session {
    pub(super) fn new(
        device: &Arc<Inner>,
        suite: &Suite,
        key: &[u8],
        integ: &[u8],
    ) -> Result<Self, Error> {
        for (given, wanted) in [(key, suite.key_octets), (integ, suite.integ_octets)] {
            if given.len() != usize::from(wanted) {
                return Err(Error::KeyLength(given.len()));
            }
        }
        let _alone = device
            .session_lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the keys have the lengths that the suite says and are copied; the pool is the device's, and nobody else uses it now.
        let raw = unsafe {
            dpdk_sys::rv_crypto_session(
                device.id,
                &suite.raw(),
                key.as_ptr(),
                integ.as_ptr(),
                device.sessions.as_ptr(),
            )
        };
        let raw = NonNull::new(raw).ok_or_else(|| Error::Device {
            device: device.name.clone(),
            operation: "session",
            errno: Errno::last(),
        })?;
        Ok(Self(Arc::new(Keys {
            raw,
            device: Arc::clone(device),
            suite: *suite,
        })))
    }

    /// Whether packets under way hold it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _alone = self
            .device
            .session_lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no packet under way uses it: each holds a reference.
        let rc = unsafe { dpdk_sys::rv_crypto_session_free(self.device.id, self.raw.as_ptr()) };
        if rc != 0 {
            log::warn!(
                "device `{}`: a session is not freed: {}",
                self.device.name,
                Errno::from_rc(rc)
            );
        }
    }
}
