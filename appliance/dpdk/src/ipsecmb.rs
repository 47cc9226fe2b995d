//! Ciphers of intel-ipsec-mb. Here AES-GCM by its direct API, the fastest path on one core; [`gmac`] and [`chacha`] are direct too,
//! [`separate`] keeps the lanes of the multi-buffer code full. The library picks AVX-512/VAES, AVX2 or SSE code at run time. Nonces
//! are the caller's business: the same nonce twice under one key breaks the key.
//!
//! Tags of at most 16 octets, compared in constant time. Packets are processed in place.

mod block;
pub mod chacha;
pub mod gmac;
pub mod separate;

use std::ffi::CStr;
use std::sync::OnceLock;
use zeroize::Zeroize;

use crate::error::Error;

/// Octets of a whole authentication tag; 8 and 12 are allowed too (RFC 4106, section 6).
pub const TAG_OCTETS: usize = 16;
/// Of AES.
const BLOCK_OCTETS: usize = 16;
/// Octets of the round keys that a key's memory starts with.
const ROUND_KEYS_OCTETS: usize = 15 * BLOCK_OCTETS;
/// Powers of the hash key that follow them, descending, and once more multiplied by the polynomial.
const POWERS: usize = 32;
/// Octets of the nonce: 4 of salt and 8 of explicit IV (RFC 4106, section 4).
pub const NONCE_OCTETS: usize = 12;

type EncryptFn = unsafe extern "C" fn(
    *const dpdk_sys::gcm_key_data,
    *mut dpdk_sys::gcm_context_data,
    *mut u8,
    *const u8,
    u64,
    *const u8,
    *const u8,
    u64,
    *mut u8,
    u64,
);
type ExpandFn = unsafe extern "C" fn(*const std::ffi::c_void, *mut dpdk_sys::gcm_key_data);

#[derive(Clone, Copy)]
struct Functions {
    expand: ExpandFn,
    encrypt: EncryptFn,
    decrypt: EncryptFn,
}

impl Functions {
    fn complete(ops: &dpdk_sys::rv_gcm_ops) -> Option<Self> {
        Some(Functions {
            expand: ops.pre?,
            encrypt: ops.enc?,
            decrypt: ops.dec?,
        })
    }
}

/// The library's functions for this CPU.
fn operations() -> Result<dpdk_sys::rv_imb_ops, Error> {
    let mut ops = std::mem::MaybeUninit::<dpdk_sys::rv_imb_ops>::zeroed();
    // SAFETY: writable memory for the result.
    let rc = unsafe { dpdk_sys::rv_imb_ops(ops.as_mut_ptr()) };
    if rc != 0 {
        // SAFETY: the library returns a static string for any number.
        let why = unsafe { CStr::from_ptr(dpdk_sys::imb_get_strerror(rc)) };
        return Err(Error::Crypto(why.to_string_lossy().into_owned()));
    }
    // SAFETY: it was zeroed, which is valid for optional functions and numbers, and filled.
    Ok(unsafe { ops.assume_init() })
}

/// Whether `tag` is the beginning of what was computed; no branch depends on where they differ.
#[inline]
fn is_tag(computed: &[u8; TAG_OCTETS], tag: &[u8]) -> bool {
    match <[u8; TAG_OCTETS]>::try_from(tag) {
        Ok(tag) => u128::from_ne_bytes(*computed) ^ u128::from_ne_bytes(tag) == 0,
        Err(_) => {
            let pairs = computed.iter().zip(tag);
            tag.len() <= TAG_OCTETS && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
        }
    }
}

/// The library's AES-GCM for this CPU: a few function pointers, free to copy and to use from any thread.
#[derive(Clone, Copy)]
pub struct Gcm {
    /// Of keys of 16, 24 and 32 octets.
    sizes: &'static [Functions; 3],
    code: &'static str,
}

/// The functions are those of this CPU: there is one set of them, so that a key need not carry it.
static SIZES: OnceLock<[Functions; 3]> = OnceLock::new();

/// The library wants its key data on cache lines.
#[repr(C, align(64))]
struct KeyMemory(dpdk_sys::gcm_key_data);

/// An expanded AES key with its GHASH powers; wiped when dropped.
pub struct GcmKey {
    memory: Box<KeyMemory>,
    functions: &'static Functions,
}

// A key's memory is plain octets behind a Box, written only while it is expanded.
const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<GcmKey>();
    assert_send_sync::<Gcm>();
};

/// One packet to encrypt.
pub struct SealJob<'a> {
    /// Its key.
    pub key: &'a GcmKey,
    /// Never used before with this key.
    pub nonce: [u8; NONCE_OCTETS],
    /// Authenticated, not encrypted.
    pub aad: &'a [u8],
    /// Cleartext in, ciphertext out.
    pub text: &'a mut [u8],
    /// Receives the tag.
    pub tag: &'a mut [u8; TAG_OCTETS],
}

/// One packet to decrypt.
pub struct OpenJob<'a> {
    /// Its key.
    pub key: &'a GcmKey,
    /// Taken from the packet.
    pub nonce: [u8; NONCE_OCTETS],
    /// Authenticated, not encrypted.
    pub aad: &'a [u8],
    /// Ciphertext in, cleartext out; worthless unless `authentic`.
    pub text: &'a mut [u8],
    /// The tag that came with the packet.
    pub tag: &'a [u8; TAG_OCTETS],
    /// The result.
    pub authentic: bool,
}

impl Gcm {
    /// Finds the code for this CPU.
    ///
    /// # Errors
    /// [`Error::Crypto`] when the CPU lacks AES instructions or memory is short.
    pub fn detect() -> Result<Self, Error> {
        let ops = operations()?;
        let complete = |index: usize| {
            Functions::complete(&ops.gcm[index])
                .ok_or_else(|| Error::Crypto("no AES-GCM for this CPU".to_owned()))
        };
        let sizes = [complete(0)?, complete(1)?, complete(2)?];
        Ok(Gcm {
            sizes: SIZES.get_or_init(|| sizes),
            code: code_name(ops.arch, ops.features),
        })
    }

    /// Which code runs, for `show`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Expands a key of 16, 24 or 32 octets.
    ///
    /// # Errors
    /// [`Error::KeyLength`].
    pub fn expand(&self, key: &[u8]) -> Result<GcmKey, Error> {
        let functions = &self.sizes[size_index(key)?];
        // SAFETY: a union of byte arrays, for which zero is valid.
        let mut memory: Box<KeyMemory> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: the key has the length of the chosen function, the memory the type and alignment it demands.
        unsafe { (functions.expand)(key.as_ptr().cast(), &raw mut memory.0) }
        Ok(GcmKey { memory, functions })
    }

    /// Encrypts a burst.
    pub fn seal_burst(&self, jobs: &mut [SealJob<'_>]) {
        for job in jobs {
            job.key.seal(&job.nonce, job.aad, job.text, job.tag);
        }
    }

    /// Decrypts a burst and marks what is authentic.
    pub fn open_burst(&self, jobs: &mut [OpenJob<'_>]) {
        for job in jobs {
            job.authentic = job.key.open(&job.nonce, job.aad, job.text, job.tag);
        }
    }
}

/// Which of the three sizes of AES keys this is.
fn size_index(key: &[u8]) -> Result<usize, Error> {
    match key.len() {
        16 => Ok(0),
        24 => Ok(1),
        32 => Ok(2),
        other => Err(Error::KeyLength(other)),
    }
}

impl GcmKey {
    /// Encrypts `text` in place and writes the tag, whole or truncated to the length of `tag`.
    #[inline]
    pub fn seal(&self, nonce: &[u8; NONCE_OCTETS], aad: &[u8], text: &mut [u8], tag: &mut [u8]) {
        self.run(self.functions.encrypt, nonce, aad, text, tag);
    }

    /// Decrypts `text` in place; `false` when the tag is wrong, and `text` must then be discarded unread.
    #[inline]
    #[must_use]
    pub fn open(
        &self,
        nonce: &[u8; NONCE_OCTETS],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8],
    ) -> bool {
        let mut computed = [0u8; TAG_OCTETS];
        self.run(self.functions.decrypt, nonce, aad, text, &mut computed);
        is_tag(&computed, tag)
    }

    #[inline]
    fn run(
        &self,
        function: EncryptFn,
        nonce: &[u8; NONCE_OCTETS],
        aad: &[u8],
        text: &mut [u8],
        tag: &mut [u8],
    ) {
        let mut context = std::mem::MaybeUninit::<dpdk_sys::gcm_context_data>::uninit();
        let at = text.as_mut_ptr();
        let nonce = block::of(nonce);
        let short = (aad.len() <= NONCE_OCTETS).then(|| block::of_short(aad));
        let aad_at = short
            .as_ref()
            .map_or(aad.as_ptr(), |block| block.octets().as_ptr());
        // SAFETY: the key memory was expanded by the same function set; the context is scratch that the library
        // initialises itself; in and out are the same `text.len()` octets, which the library allows; the other
        // slices are readable or writable for the lengths given, the tag for at most the 16 octets that there are of it; the
        // nonce has the 12 octets it reads.
        unsafe {
            function(
                &raw const self.memory.0,
                context.as_mut_ptr(),
                at,
                at,
                text.len() as u64,
                nonce.octets().as_ptr(),
                aad_at,
                aad.len() as u64,
                tag.as_mut_ptr(),
                tag.len().min(TAG_OCTETS) as u64,
            );
        }
    }

    /// Brings towards the cache what of the key a text of so many octets needs: the round keys, and as many powers of the hash key as it
    /// has blocks, with one of the lengths and one of the additional data. That they end the table, where AVX-512 code has it, is known
    /// of the library; with another layout this is a worse hint and nothing else.
    #[inline(always)]
    pub fn prefetch(&self, octets: usize) {
        let blocks = (octets / BLOCK_OCTETS + 3).min(POWERS);
        let powers = blocks * BLOCK_OCTETS;
        let key = &*self.memory;
        let middle = ROUND_KEYS_OCTETS + POWERS * BLOCK_OCTETS;
        crate::prefetch_part(key, 0..ROUND_KEYS_OCTETS);
        crate::prefetch_part(key, middle - powers..middle);
        crate::prefetch_part(key, size_of::<KeyMemory>() - powers..size_of::<KeyMemory>());
    }
}

impl Drop for GcmKey {
    fn drop(&mut self) {
        wipe(&mut self.memory.0);
    }
}

/// Overwrites key memory of the library.
fn wipe<T>(memory: &mut T) {
    // SAFETY: the library's key types are plain octets, numbers and pointers into themselves, zeroed before they were filled, for which
    // zero is valid again; the reference is exclusive.
    let bytes = unsafe {
        std::slice::from_raw_parts_mut(std::ptr::from_mut(memory).cast::<u8>(), size_of::<T>())
    };
    bytes.zeroize();
}

fn code_name(arch: u32, features: u64) -> &'static str {
    let vaes = u64::from(dpdk_sys::IMB_FEATURE_VAES | dpdk_sys::IMB_FEATURE_VPCLMULQDQ);
    match (arch, features & vaes == vaes) {
        (dpdk_sys::IMB_ARCH_AVX512, true) => "AVX-512 with VAES",
        (dpdk_sys::IMB_ARCH_AVX512, false) => "AVX-512",
        (dpdk_sys::IMB_ARCH_AVX2, true) => "AVX2 with VAES",
        (dpdk_sys::IMB_ARCH_AVX2, false) => "AVX2",
        _ => "SSE with AES-NI",
    }
}
