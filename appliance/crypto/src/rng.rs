//! Randomness from OpenSSL's seeded generator (reseeded across fork, per-thread instances).

use openssl::rand::rand_bytes;

use crate::error::{Error, library};

/// Fills `buf` with random octets fit for nonces, SPIs, IVs and keys.
///
/// # Errors
/// [`Error::Library`] when the generator cannot be seeded.
pub fn random(buf: &mut [u8]) -> Result<(), Error> {
    rand_bytes(buf).map_err(library("random"))
}
