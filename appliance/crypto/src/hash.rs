//! Plain digests.
//!
//! SHA-1 is here for NAT detection only (RFC 7296 section 2.23 fixes it); it protects nothing.

use openssl::hash::{Hasher, MessageDigest};

use crate::error::{Error, library};

/// SHA-1 over the concatenation of `parts`: NAT_DETECTION_*_IP is SHA-1(SPIi | SPIr | IP | port).
///
/// # Errors
/// [`Error::Library`].
pub fn sha1(parts: &[&[u8]]) -> Result<[u8; 20], Error> {
    digest(MessageDigest::sha1(), parts)
}

/// SHA2-256 over the concatenation of `parts`.
///
/// # Errors
/// [`Error::Library`].
pub fn sha256(parts: &[&[u8]]) -> Result<[u8; 32], Error> {
    digest(MessageDigest::sha256(), parts)
}

fn digest<const N: usize>(md: MessageDigest, parts: &[&[u8]]) -> Result<[u8; N], Error> {
    let mut hasher = Hasher::new(md).map_err(library("digest init"))?;
    for part in parts {
        hasher.update(part).map_err(library("digest update"))?;
    }
    let sum = hasher.finish().map_err(library("digest finish"))?;
    (*sum).try_into().map_err(|_| Error::Length {
        what: "digest",
        got: sum.len(),
        expected: N,
    })
}

#[cfg(test)]
mod tests;
