//! Groups 31 and 32: Curve25519 and Curve448 (RFC 8031, RFC 7748).

use openssl::derive::Deriver;
use openssl::pkey::{Id, PKey, PKeyRef, Private};
use ravelin_types::DhGroup;

use crate::error::{Error, library};
use crate::secret::Secret;

fn fresh(group: DhGroup) -> Result<PKey<Private>, Error> {
    let key = match group {
        DhGroup::Curve448 => PKey::generate_x448(),
        _ => PKey::generate_x25519(),
    };
    key.map_err(library("X25519 or X448 key generation"))
}

pub(super) fn generate(group: DhGroup) -> Result<(Secret, Vec<u8>), Error> {
    let key = fresh(group)?;
    let private = key.raw_private_key().map_err(library("private value"))?;
    let public = key.raw_public_key().map_err(library("public value"))?;
    Ok((Secret::new(private), public))
}

pub(super) fn public_of(group: DhGroup, private: &[u8]) -> Result<Vec<u8>, Error> {
    PKey::private_key_from_raw_bytes(private, id(group))
        .map_err(|_| Error::PrivateInvalid { group })?
        .raw_public_key()
        .map_err(library("public value"))
}

pub(super) fn agree(group: DhGroup, private: &Secret, peer_public: &[u8]) -> Result<Secret, Error> {
    let ours = PKey::private_key_from_raw_bytes(private.as_bytes(), id(group))
        .map_err(library("private value"))?;
    agree_with(group, &ours, peer_public)
}

/// A fresh public value, and the agreement. OpenSSL multiplies once more when a private value comes back to it as octets: here it
/// stays.
pub(super) fn answer(group: DhGroup, peer_public: &[u8]) -> Result<(Vec<u8>, Secret), Error> {
    let ours = fresh(group)?;
    let shared = agree_with(group, &ours, peer_public)?;
    let public = ours.raw_public_key().map_err(library("public value"))?;
    Ok((public, shared))
}

fn agree_with(
    group: DhGroup,
    ours: &PKeyRef<Private>,
    peer_public: &[u8],
) -> Result<Secret, Error> {
    let peer = PKey::public_key_from_raw_bytes(peer_public, id(group))
        .map_err(|_| Error::PeerPublicInvalid { group })?;
    let mut deriver = Deriver::new(ours).map_err(library("X25519 or X448 agreement"))?;
    deriver
        .set_peer(&peer)
        .map_err(|_| Error::PeerPublicInvalid { group })?;
    let shared = Secret::new(
        deriver
            .derive_to_vec()
            .map_err(|_| Error::PeerResult { group })?,
    );
    // RFC 8031 section 5: an all-zero result means a point of small order.
    if shared.ct_eq(&vec![0; group.shared_octets()]) {
        Err(Error::PeerResult { group })
    } else {
        Ok(shared)
    }
}

fn id(group: DhGroup) -> Id {
    match group {
        DhGroup::Curve448 => Id::X448,
        _ => Id::X25519,
    }
}
