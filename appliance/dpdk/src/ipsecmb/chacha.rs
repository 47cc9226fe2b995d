//! ChaCha20-Poly1305 (RFC 8439, for ESP RFC 7634).

use zeroize::Zeroizing;

use super::{NONCE_OCTETS, TAG_OCTETS, is_tag, operations};
use crate::error::Error;

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

type Context = dpdk_sys::chacha20_poly1305_context_data;
type Void = std::ffi::c_void;
type InitFn = unsafe extern "C" fn(*const Void, *mut Context, *const Void, *const Void, u64);
type UpdateFn = unsafe extern "C" fn(*const Void, *mut Context, *mut Void, *const Void, u64);
type FinalizeFn = unsafe extern "C" fn(*mut Context, *mut Void, u64);

/// The library's ChaCha20-Poly1305 for this CPU.
#[derive(Clone, Copy)]
pub struct ChaCha {
    init: InitFn,
    encrypt: UpdateFn,
    decrypt: UpdateFn,
    finalize: FinalizeFn,
}

/// A key; wiped when dropped.
pub struct ChaChaKey {
    octets: Zeroizing<[u8; KEY_OCTETS]>,
    functions: ChaCha,
}

impl ChaCha {
    /// Finds the code for this CPU.
    ///
    /// # Errors
    /// [`Error::Crypto`] when memory is short or the library does not run on this CPU.
    pub fn detect() -> Result<Self, Error> {
        let ops = operations()?;
        let complete = || {
            Some(Self {
                init: ops.chacha_init?,
                encrypt: ops.chacha_enc?,
                decrypt: ops.chacha_dec?,
                finalize: ops.chacha_finalize?,
            })
        };
        complete().ok_or_else(|| Error::Crypto("no ChaCha20-Poly1305 for this CPU".to_owned()))
    }

    /// Takes a key of 32 octets.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn expand(&self, key: &[u8]) -> Result<ChaChaKey, Error> {
        let mut octets = Zeroizing::new([0; KEY_OCTETS]);
        if key.len() != KEY_OCTETS {
            return Err(Error::KeyLength(key.len()));
        }
        octets.copy_from_slice(key);
        Ok(ChaChaKey {
            octets,
            functions: *self,
        })
    }
}

impl ChaChaKey {
    /// Encrypts `text` in place and returns the tag.
    #[must_use]
    pub fn seal(
        &self,
        nonce: &[u8; NONCE_OCTETS],
        aad: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG_OCTETS] {
        self.run(self.functions.encrypt, nonce, aad, text)
    }

    /// Decrypts `text` in place; `false` when the tag is wrong, and `text` must then be discarded unread.
    #[must_use]
    pub fn open(
        &self,
        nonce: &[u8; NONCE_OCTETS],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8],
    ) -> bool {
        let computed = self.run(self.functions.decrypt, nonce, aad, text);
        is_tag(&computed, tag)
    }

    fn run(
        &self,
        update: UpdateFn,
        nonce: &[u8; NONCE_OCTETS],
        aad: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG_OCTETS] {
        let mut context = std::mem::MaybeUninit::<Context>::uninit();
        let mut tag = [0; TAG_OCTETS];
        let (key, at) = (
            self.octets.as_ptr().cast(),
            text.as_mut_ptr().cast::<Void>(),
        );
        // SAFETY: the key has 32 octets, the nonce 12, as the library reads; `init` fills the context, which the other two use; in and
        // out are the same `text.len()` octets, which the library allows; the tag has the length given.
        unsafe {
            let context = context.as_mut_ptr();
            let (nonce, aad_at) = (nonce.as_ptr().cast(), aad.as_ptr().cast());
            (self.functions.init)(key, context, nonce, aad_at, aad.len() as u64);
            update(key, context, at, at, text.len() as u64);
            (self.functions.finalize)(context, tag.as_mut_ptr().cast(), TAG_OCTETS as u64);
        }
        tag
    }
}
