//! Methods 35 to 37: ML-KEM (FIPS 203) as draft-ietf-ipsecme-ikev2-mlkem has it.
//!
//! The private value is the seed `d | z`, from which FIPS 203 section 7.1 makes the key pair: 64 octets instead of thousands for whoever
//! keeps it. OpenSSL checks an encapsulation key as section 7.2 demands (its modulus) when it takes it up, and a ciphertext that does not
//! belong to the key gives a secret that the peer does not have (implicit rejection), so AUTH fails.

mod sys;

use openssl::pkey::{KeyType, PKey, Private};
use ravelin_types::DhGroup;
use zeroize::Zeroizing;

use crate::error::{Error, library};
use crate::rng::random;
use crate::secret::Secret;

const SEED_OCTETS: usize = 64;

pub(super) fn generate(group: DhGroup) -> Result<(Secret, Vec<u8>), Error> {
    let mut seed = Zeroizing::new(vec![0; SEED_OCTETS]);
    random(&mut seed)?;
    let public = public_of(group, &seed)?;
    Ok((Secret::from(seed), public))
}

pub(super) fn public_of(group: DhGroup, seed: &[u8]) -> Result<Vec<u8>, Error> {
    key(group, seed)?
        .raw_public_key()
        .map_err(library("public value"))
}

/// The ciphertext and the shared secret for an encapsulation key of the right length.
pub(super) fn encapsulate(group: DhGroup, peer: &[u8]) -> Result<(Vec<u8>, Secret), Error> {
    let peer = PKey::public_key_from_raw_bytes_ex(None, algorithm(group), None, peer)
        .map_err(|_| Error::PeerPublicInvalid { group })?;
    let lengths = (group.answer_octets(), group.shared_octets());
    sys::encapsulate(&peer, lengths).map_err(library("encapsulation"))
}

/// The shared secret of a ciphertext of the right length.
pub(super) fn decapsulate(
    group: DhGroup,
    seed: &Secret,
    ciphertext: &[u8],
) -> Result<Secret, Error> {
    let ours = key(group, seed.as_bytes())?;
    sys::decapsulate(&ours, ciphertext, group.shared_octets()).map_err(library("decapsulation"))
}

fn key(group: DhGroup, seed: &[u8]) -> Result<PKey<Private>, Error> {
    PKey::private_key_from_seed(None, algorithm(group), None, seed)
        .map_err(|_| Error::PrivateInvalid { group })
}

fn algorithm(group: DhGroup) -> KeyType {
    match group {
        DhGroup::MlKem512 => KeyType::ML_KEM_512,
        DhGroup::MlKem1024 => KeyType::ML_KEM_1024,
        _ => KeyType::ML_KEM_768,
    }
}
