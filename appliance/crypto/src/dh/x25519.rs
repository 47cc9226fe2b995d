//! Group 31: Curve25519 (RFC 8031, RFC 7748).

use openssl::derive::Deriver;
use openssl::pkey::{Id, PKey};

use crate::alg::DhGroup;
use crate::error::{Error, library};
use crate::secret::Secret;

const GROUP: DhGroup = DhGroup::Curve25519;

pub(super) fn generate() -> Result<(Secret, Vec<u8>), Error> {
    let key = PKey::generate_x25519().map_err(library("X25519 key generation"))?;
    let private = key
        .raw_private_key()
        .map_err(library("X25519 private value"))?;
    let public = key
        .raw_public_key()
        .map_err(library("X25519 public value"))?;
    Ok((Secret::new(private), public))
}

pub(super) fn public_of(private: &[u8]) -> Result<Vec<u8>, Error> {
    PKey::private_key_from_raw_bytes(private, Id::X25519)
        .map_err(|_| Error::PrivateInvalid { group: GROUP })?
        .raw_public_key()
        .map_err(library("X25519 public value"))
}

pub(super) fn agree(private: &Secret, peer_public: &[u8]) -> Result<Secret, Error> {
    let ours = PKey::private_key_from_raw_bytes(private.as_bytes(), Id::X25519)
        .map_err(library("X25519 private value"))?;
    let peer = PKey::public_key_from_raw_bytes(peer_public, Id::X25519)
        .map_err(|_| Error::PeerPublicInvalid { group: GROUP })?;
    let mut deriver = Deriver::new(&ours).map_err(library("X25519 agreement"))?;
    deriver
        .set_peer(&peer)
        .map_err(|_| Error::PeerPublicInvalid { group: GROUP })?;
    let shared = Secret::new(
        deriver
            .derive_to_vec()
            .map_err(|_| Error::PeerResult { group: GROUP })?,
    );
    // RFC 8031 section 5: an all-zero result means a point of small order.
    if shared.ct_eq(&[0; 32]) {
        Err(Error::PeerResult { group: GROUP })
    } else {
        Ok(shared)
    }
}
