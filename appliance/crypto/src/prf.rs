//! The negotiated pseudorandom function and its expansion.
//!
//! RFC 7296 section 2.13 defines prf+; the functions themselves are in `mac.rs`, not truncated and for keys of any length.

use ravelin_types::Prf;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::mac::mac;
use crate::secret::Secret;

/// prf+ counts its blocks in one octet that must not wrap (RFC 7296 section 2.13).
pub const MAX_PRF_PLUS_BLOCKS: usize = 255;

/// `prf(key, parts[0] | parts[1] | ...)`.
///
/// # Errors
/// [`Error::Library`].
pub fn prf(alg: Prf, key: &[u8], parts: &[&[u8]]) -> Result<Secret, Error> {
    mac(alg, key, parts).map(Secret::from)
}

/// `prf+(key, seed_parts[0] | seed_parts[1] | ...)`, the first `out_len` octets.
///
/// ```text
/// T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n)
/// ```
///
/// # Errors
/// [`Error::TooMuchKeymat`] when `out_len` exceeds 255 blocks; [`Error::Library`].
pub fn prf_plus(
    alg: Prf,
    key: &[u8],
    seed_parts: &[&[u8]],
    out_len: usize,
) -> Result<Secret, Error> {
    let block_octets = alg.output_octets();
    let blocks = out_len.div_ceil(block_octets);
    if blocks > MAX_PRF_PLUS_BLOCKS {
        return Err(Error::TooMuchKeymat { octets: out_len });
    }
    // Reserved in full, so that no reallocation leaves a copy behind.
    let mut out = Zeroizing::new(Vec::with_capacity(blocks * block_octets));
    let mut previous = Secret::default();
    for block in 1..=blocks {
        let counter = [u8::try_from(block).map_err(|_| Error::TooMuchKeymat { octets: out_len })?];
        let mut parts: Vec<&[u8]> = Vec::with_capacity(seed_parts.len() + 2);
        parts.push(previous.as_bytes());
        parts.extend_from_slice(seed_parts);
        parts.push(&counter);
        let next = prf(alg, key, &parts)?;
        out.extend_from_slice(next.as_bytes());
        previous = next;
    }
    // Cut by copying into an exact buffer: truncation would leave key octets beyond the length, though zeroize covers the capacity.
    Ok(Secret::from_slice(&out[..out_len]))
}
