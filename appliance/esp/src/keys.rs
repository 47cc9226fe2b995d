//! Key material of one direction of an SA, as IKE yields it (RFC 7296 section 2.17): cipher key, salt, integrity key.

use ravelin_types::EspTransform;

use crate::engine::KeyError;

/// Octets of the salt that precedes the explicit IV in the nonce.
pub const SALT_OCTETS: usize = 4;

/// The keys that an engine expands, borrowed from the material.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// Of the cipher, without salt.
    pub cipher: &'a [u8],
    /// Of the integrity algorithm; empty with an AEAD.
    pub integ: &'a [u8],
}

impl<'a> Keys<'a> {
    /// Splits `material` into keys and salt. Ciphers without a salt get zeros, which nobody reads.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn split(
        transform: EspTransform,
        material: &'a [u8],
    ) -> Result<(Self, [u8; SALT_OCTETS]), KeyError> {
        if material.len() != transform.keymat_octets() {
            return Err(KeyError::Length);
        }
        let encr = transform.encr();
        let (cipher, rest) = material.split_at(encr.key_octets());
        let (salt_octets, integ) = rest.split_at(encr.salt_octets());
        let mut salt = [0; SALT_OCTETS];
        salt[..salt_octets.len()].copy_from_slice(salt_octets);
        Ok((Self { cipher, integ }, salt))
    }
}
