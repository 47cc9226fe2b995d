//! Plain digests.
//!
//! SHA-1 is here for NAT detection only (RFC 7296 section 2.23 fixes it); it protects nothing.

use std::sync::OnceLock;

use openssl::md::Md;
use openssl::md_ctx::MdCtx;

use crate::error::{Error, library};

/// A hash function of OpenSSL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    /// Fetched once: with the constants of its older interface OpenSSL 3 searches its providers at each use, which costs more than the
    /// hash of a short text.
    pub(crate) fn fetched(self) -> Result<&'static Md, Error> {
        static FETCHED: [OnceLock<Md>; 5] = [const { OnceLock::new() }; 5];
        let slot = &FETCHED[self as usize];
        if let Some(md) = slot.get() {
            return Ok(md);
        }
        let name = match self {
            Digest::Md5 => "MD5",
            Digest::Sha1 => "SHA1",
            Digest::Sha256 => "SHA2-256",
            Digest::Sha384 => "SHA2-384",
            Digest::Sha512 => "SHA2-512",
        };
        let md = Md::fetch(None, name, None).map_err(library("digest"))?;
        Ok(slot.get_or_init(|| md))
    }

    /// Octets of the block that HMAC pads its key to (FIPS 180-4, RFC 1321).
    pub(crate) const fn block_octets(self) -> usize {
        match self {
            Digest::Md5 | Digest::Sha1 | Digest::Sha256 => 64,
            Digest::Sha384 | Digest::Sha512 => 128,
        }
    }
}

/// SHA-1 over the concatenation of `parts`: NAT_DETECTION_*_IP is SHA-1(SPIi | SPIr | IP | port).
///
/// # Errors
/// [`Error::Library`].
pub fn sha1(parts: &[&[u8]]) -> Result<[u8; 20], Error> {
    digest(Digest::Sha1, parts)
}

/// SHA2-256 over the concatenation of `parts`.
///
/// # Errors
/// [`Error::Library`].
pub fn sha256(parts: &[&[u8]]) -> Result<[u8; 32], Error> {
    digest(Digest::Sha256, parts)
}

fn digest<const N: usize>(which: Digest, parts: &[&[u8]]) -> Result<[u8; N], Error> {
    let md = which.fetched()?;
    let mut sum = [0; N];
    let mut hashed = || {
        let mut context = MdCtx::new()?;
        context.digest_init(md)?;
        for part in parts {
            context.digest_update(part)?;
        }
        context.digest_final(&mut sum)
    };
    hashed().map_err(library("digest"))?;
    Ok(sum)
}

#[cfg(test)]
mod tests;
