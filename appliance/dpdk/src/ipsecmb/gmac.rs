//! AES-GMAC (RFC 4543): AES-GCM that encrypts nothing. What it covers comes in pieces, so that the upper half of an extended
//! sequence number can stand where no packet has it.

use super::{Gcm, GcmKey, NONCE_OCTETS, TAG_OCTETS, is_tag, operations, size_index};
use crate::error::Error;

type InitFn = unsafe extern "C" fn(
    *const dpdk_sys::gcm_key_data,
    *mut dpdk_sys::gcm_context_data,
    *const u8,
    u64,
);
type UpdateFn = unsafe extern "C" fn(
    *const dpdk_sys::gcm_key_data,
    *mut dpdk_sys::gcm_context_data,
    *const u8,
    u64,
);
type FinalizeFn = unsafe extern "C" fn(
    *const dpdk_sys::gcm_key_data,
    *mut dpdk_sys::gcm_context_data,
    *mut u8,
    u64,
);

/// The library's AES-GMAC for this CPU.
#[derive(Clone, Copy)]
pub struct Gmac {
    gcm: Gcm,
    sizes: [Functions; 3],
}

#[derive(Clone, Copy)]
struct Functions {
    init: InitFn,
    update: UpdateFn,
    finalize: FinalizeFn,
}

/// An expanded key; wiped when dropped.
pub struct GmacKey {
    key: GcmKey,
    functions: Functions,
}

impl Gmac {
    /// Finds the code for this CPU.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the CPU lacks AES instructions or memory is short.
    pub fn detect() -> Result<Self, Error> {
        let ops = operations()?;
        let complete = |index: usize| {
            let ops = &ops.gcm[index];
            let functions = || {
                Some(Functions {
                    init: ops.gmac_init?,
                    update: ops.gmac_update?,
                    finalize: ops.gmac_finalize?,
                })
            };
            functions().ok_or_else(|| Error::Crypto("no AES-GMAC for this CPU".to_owned()))
        };
        Ok(Self {
            gcm: Gcm::detect()?,
            sizes: [complete(0)?, complete(1)?, complete(2)?],
        })
    }

    /// Expands a key of 16, 24 or 32 octets.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn expand(&self, key: &[u8]) -> Result<GmacKey, Error> {
        Ok(GmacKey {
            functions: self.sizes[size_index(key)?],
            key: self.gcm.expand(key)?,
        })
    }
}

impl GmacKey {
    /// The tag of `pieces`, one after the other.
    #[must_use]
    pub fn tag(&self, nonce: &[u8; NONCE_OCTETS], pieces: &[&[u8]]) -> [u8; TAG_OCTETS] {
        let mut context = std::mem::MaybeUninit::<dpdk_sys::gcm_context_data>::uninit();
        let mut tag = [0; TAG_OCTETS];
        let (key, context) = (&raw const self.key.memory.0, context.as_mut_ptr());
        // SAFETY: the key memory was expanded by the library for this size; `init` fills the context, which the other two use; all
        // slices are readable for their lengths, the tag is writable for its own.
        unsafe {
            (self.functions.init)(key, context, nonce.as_ptr(), NONCE_OCTETS as u64);
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                (self.functions.update)(key, context, piece.as_ptr(), piece.len() as u64);
            }
            (self.functions.finalize)(key, context, tag.as_mut_ptr(), TAG_OCTETS as u64);
        }
        tag
    }

    /// Whether `tag` is that of `pieces`, in constant time.
    #[must_use]
    pub fn verify(&self, nonce: &[u8; NONCE_OCTETS], pieces: &[&[u8]], tag: &[u8]) -> bool {
        is_tag(&self.tag(nonce, pieces), tag)
    }
}
