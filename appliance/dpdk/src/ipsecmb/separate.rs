//! A cipher with a separate HMAC over its ciphertext, several packets at a time: the library fills the lanes of its SIMD code with
//! packets of any keys and lengths.
//!
//! It knows keys, a text within a packet, and octets before and behind it that the HMAC covers too; nothing of ESP.

use std::ptr::NonNull;

use zeroize::Zeroize;

use super::wipe;
use crate::error::Error;

/// Octets of the longest ICV that a key yields.
pub const MAX_ICV_OCTETS: usize = 32;
/// Octets of the longest IV.
pub const IV_OCTETS: usize = 16;
/// Octets of the key that makes IVs.
pub const IV_KEY_OCTETS: usize = 16;
/// Most jobs of one [`Lanes::run`]: twice the lanes of the widest code, so that packets of different lengths keep them full.
pub const MAX_JOBS: usize = 32;

/// Ciphers by the library's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// AES-CBC with a key of 16, 24 or 32 octets.
    AesCbc,
    /// AES in counter mode: the whole counter block is the IV.
    AesCtr,
    /// None.
    Null,
    /// DES-CBC.
    Des,
    /// Triple DES in CBC mode with three keys.
    TripleDes,
}

/// Hashes of HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// MD5, 12 octets of it.
    Md5,
    /// SHA-1, 12 octets of it.
    Sha1,
    /// SHA-256, 16 octets of it.
    Sha256,
    /// SHA-384, 24 octets of it.
    Sha384,
    /// SHA-512, 32 octets of it.
    Sha512,
}

impl Cipher {
    fn number(self) -> u32 {
        match self {
            Cipher::AesCbc => dpdk_sys::RV_IMB_CBC,
            Cipher::AesCtr => dpdk_sys::RV_IMB_CTR,
            Cipher::Null => dpdk_sys::RV_IMB_NULL,
            Cipher::Des => dpdk_sys::RV_IMB_DES,
            Cipher::TripleDes => dpdk_sys::RV_IMB_DES3,
        }
    }

    fn takes(self, key_octets: usize) -> bool {
        match self {
            Cipher::AesCbc | Cipher::AesCtr => matches!(key_octets, 16 | 24 | 32),
            Cipher::Null => key_octets == 0,
            Cipher::Des => key_octets == 8,
            Cipher::TripleDes => key_octets == 24,
        }
    }

    /// What the text must be a multiple of.
    fn block_octets(self) -> usize {
        match self {
            Cipher::AesCbc => 16,
            Cipher::Des | Cipher::TripleDes => 8,
            Cipher::AesCtr | Cipher::Null => 1,
        }
    }
}

impl Hash {
    fn number(self) -> u32 {
        match self {
            Hash::Md5 => dpdk_sys::RV_IMB_MD5,
            Hash::Sha1 => dpdk_sys::RV_IMB_SHA1,
            Hash::Sha256 => dpdk_sys::RV_IMB_SHA256,
            Hash::Sha384 => dpdk_sys::RV_IMB_SHA384,
            Hash::Sha512 => dpdk_sys::RV_IMB_SHA512,
        }
    }

    fn icv_octets(self) -> usize {
        match self {
            Hash::Md5 | Hash::Sha1 => 12,
            Hash::Sha256 => 16,
            Hash::Sha384 => 24,
            Hash::Sha512 => 32,
        }
    }
}

/// Expanded keys; wiped when dropped.
pub struct SeparateKey {
    /// It holds pointers into itself.
    memory: Box<dpdk_sys::rv_imb_key>,
    cipher: Cipher,
}

// SAFETY: the memory is written only while it is expanded and wiped, both with exclusive access; its pointers lead into itself, and it
// stays behind its Box.
unsafe impl Send for SeparateKey {}
// SAFETY: as above.
unsafe impl Sync for SeparateKey {}

/// One packet.
pub struct Job<'a> {
    /// Its keys.
    pub key: &'a SeparateKey,
    /// What the HMAC covers: the text and what lies around it.
    pub packet: &'a mut [u8],
    /// Where the text begins in `packet`.
    pub text_at: usize,
    /// Octets of the text; whole blocks.
    pub text_octets: usize,
    /// Encrypt, then authenticate; else authenticate the text as it is and decrypt it.
    pub encrypt: bool,
    /// The IV, as long as the cipher's.
    pub iv: [u8; IV_OCTETS],
    /// Gets the HMAC, truncated; its end is undefined.
    pub icv: [u8; MAX_ICV_OCTETS],
    /// Result: the library did it.
    pub done: bool,
}

/// The lanes of one thread.
pub struct Lanes {
    manager: NonNull<dpdk_sys::IMB_MGR>,
    jobs: Box<[dpdk_sys::rv_imb_job; MAX_JOBS]>,
}

// SAFETY: the library ties a manager to no thread; exclusive access is by `&mut self`.
unsafe impl Send for Lanes {}

impl Lanes {
    /// Lanes for this CPU.
    ///
    /// # Errors
    /// [`Error::Crypto`] when memory is short or the CPU lacks AES instructions.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: no preconditions.
        let manager = unsafe { dpdk_sys::rv_imb_new() };
        let manager = NonNull::new(manager)
            .ok_or_else(|| Error::Crypto("no multi-buffer code for this CPU".to_owned()))?;
        // SAFETY: plain numbers, octets and pointers, for which zero is valid.
        let jobs = Box::new(unsafe { std::mem::zeroed() });
        Ok(Self { manager, jobs })
    }

    /// Expands keys; `iv_key` is for [`Lanes::iv`].
    ///
    /// # Errors
    /// [`Error::KeyLength`], [`Error::Crypto`].
    pub fn expand(
        &mut self,
        (cipher, cipher_key): (Cipher, &[u8]),
        (hash, hash_key): (Hash, &[u8]),
        iv_key: &[u8; IV_KEY_OCTETS],
    ) -> Result<SeparateKey, Error> {
        if !cipher.takes(cipher_key.len()) {
            return Err(Error::KeyLength(cipher_key.len()));
        }
        // SAFETY: plain numbers, octets and pointers, for which zero is valid.
        let memory: Box<dpdk_sys::rv_imb_key> = Box::new(unsafe { std::mem::zeroed() });
        let mut key = SeparateKey { memory, cipher };
        key.memory.cipher = cipher.number();
        key.memory.hash = hash.number();
        key.memory.key_octets = cipher_key.len() as u32;
        key.memory.icv_octets = hash.icv_octets() as u32;
        // SAFETY: a live manager that only we use; the key memory stays behind its Box; the key has the length that the cipher takes, the
        // others the lengths given or fixed.
        let rc = unsafe {
            dpdk_sys::rv_imb_expand(
                self.manager.as_ptr(),
                &raw mut *key.memory,
                cipher_key.as_ptr(),
                hash_key.as_ptr(),
                hash_key.len() as u32,
                iv_key.as_ptr(),
            )
        };
        if rc == 0 {
            Ok(key)
        } else {
            Err(Error::Crypto(format!("intel-ipsec-mb refused a key: {rc}")))
        }
    }

    /// Encrypts one block by the key's IV key: an unpredictable IV from a unique one.
    #[must_use]
    pub fn iv(&mut self, key: &SeparateKey, unique: &[u8; IV_OCTETS]) -> [u8; IV_OCTETS] {
        let mut iv = [0; IV_OCTETS];
        // SAFETY: a live manager, an expanded key, and 16 octets each.
        unsafe {
            dpdk_sys::rv_imb_iv(
                self.manager.as_ptr(),
                &raw const *key.memory,
                unique.as_ptr(),
                iv.as_mut_ptr(),
            );
        }
        iv
    }

    /// Does at most [`MAX_JOBS`] jobs; one whose text lies outside its packet, is empty or does not fill its blocks
    /// is not done.
    pub fn run(&mut self, jobs: &mut [Job<'_>]) {
        let mut count = 0;
        let mut placed = [0usize; MAX_JOBS];
        for (index, job) in jobs.iter_mut().enumerate().take(MAX_JOBS) {
            job.done = false;
            let fits = job.text_at.saturating_add(job.text_octets) <= job.packet.len()
                && job.packet.len() <= usize::from(u16::MAX)
                && job.text_octets % job.key.cipher.block_octets() == 0
                && (job.text_octets > 0 || job.key.cipher == Cipher::Null);
            if fits {
                let raw = &mut self.jobs[count];
                raw.key = &raw const *job.key.memory;
                raw.packet = job.packet.as_mut_ptr();
                raw.text_at = job.text_at as u32;
                raw.text = job.text_octets as u32;
                raw.covered = job.packet.len() as u32;
                raw.encrypt = u32::from(job.encrypt);
                raw.iv = job.iv;
                placed[count] = index;
                count += 1;
            }
        }
        // SAFETY: a live manager that only we use; the first `count` jobs name live keys and packets, each of them borrowed until the
        // library has finished with all of them, and ranges within the packets.
        unsafe {
            dpdk_sys::rv_imb_run(self.manager.as_ptr(), self.jobs.as_mut_ptr(), count as u32);
        }
        for (raw, index) in self.jobs[..count].iter_mut().zip(placed) {
            jobs[index].done = raw.done != 0;
            jobs[index].icv.copy_from_slice(&raw.icv[..MAX_ICV_OCTETS]);
            // An HMAC may become a key.
            raw.icv.zeroize();
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // SAFETY: it came from the library, nothing is under way in it, and it is not used again.
        unsafe { dpdk_sys::free_mb_mgr(self.manager.as_ptr()) }
    }
}

impl Drop for SeparateKey {
    fn drop(&mut self) {
        wipe(&mut *self.memory);
    }
}
