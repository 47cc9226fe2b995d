//! The MODP groups: safe primes of RFC 2409 (1, 2) and RFC 3526 (5, 14 to 18), and the primes with a smaller subgroup of RFC 5114 (22 to 24).
//!
//! OpenSSL recognises the primes of RFC 3526 and draws private values of a length that fits their strength, and exponentiates in
//! constant time.

use openssl::bn::{BigNum, BigNumRef};
use openssl::derive::Deriver;
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Params};
use ravelin_types::DhGroup;
use zeroize::Zeroizing;

use crate::error::{Error, library};
use crate::secret::Secret;

pub(super) fn generate(group: DhGroup) -> Result<(Secret, Vec<u8>), Error> {
    let key = params(group)?
        .generate_key()
        .map_err(library("MODP key generation"))?;
    let public = padded(group, key.public_key().to_vec())?;
    Ok((Secret::new(key.private_key().to_vec()), public.to_vec()))
}

pub(super) fn public_of(group: DhGroup, private: &[u8]) -> Result<Vec<u8>, Error> {
    let params = params(group)?;
    let x = BigNum::from_slice(private).map_err(library("MODP private value"))?;
    let two = BigNum::from_u32(2).map_err(library("MODP constant"))?;
    if x < two || x.num_bits() >= params.prime_p().num_bits() {
        return Err(Error::PrivateInvalid { group });
    }
    // g^x is the agreement with the public value g.
    let g = copy(params.generator())?;
    power(group, private, g).map(|public| public.to_vec())
}

pub(super) fn agree(group: DhGroup, private: &Secret, peer_public: &[u8]) -> Result<Secret, Error> {
    let y = BigNum::from_slice(peer_public).map_err(library("MODP public value"))?;
    // RFC 6989 section 2.1: 1 < y < p - 1.
    let one = BigNum::from_u32(1).map_err(library("MODP constant"))?;
    let mut p_minus_1 = copy(params(group)?.prime_p())?;
    p_minus_1.sub_word(1).map_err(library("MODP constant"))?;
    if y <= one || y >= p_minus_1 {
        return Err(Error::PeerPublicInvalid { group });
    }
    power(group, private.as_bytes(), y).map(Secret::from)
}

/// `y^x mod p`, padded. Through EVP, because the crate's `Dh::compute_key` returns a result with leading zeros shifted to the front.
fn power(group: DhGroup, private: &[u8], y: BigNum) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut x = BigNum::from_slice(private).map_err(library("MODP private value"))?;
    x.set_const_time();
    let ours = params(group)?
        .set_private_key(x)
        .map_err(library("MODP private value"))?;
    let ours = PKey::from_dh(ours).map_err(library("MODP private value"))?;
    let peer = params(group)?
        .set_public_key(y)
        .map_err(library("MODP public value"))?;
    let peer = PKey::from_dh(peer).map_err(library("MODP public value"))?;
    let mut deriver = Deriver::new(&ours).map_err(library("MODP agreement"))?;
    // The range has been checked, which is all for a safe prime whose private value serves one exchange. In a smaller subgroup y^q must be
    // 1 too (RFC 6989 section 2.2), which OpenSSL's own check computes at several times the cost of the agreement.
    deriver
        .set_peer_ex(&peer, has_small_subgroup(group))
        .map_err(|_| Error::PeerPublicInvalid { group })?;
    padded(
        group,
        deriver.derive_to_vec().map_err(library("MODP agreement"))?,
    )
}

fn has_small_subgroup(group: DhGroup) -> bool {
    matches!(
        group,
        DhGroup::Modp1024s160 | DhGroup::Modp2048s224 | DhGroup::Modp2048s256
    )
}

fn params(group: DhGroup) -> Result<Dh<Params>, Error> {
    let prime: fn() -> Result<BigNum, ErrorStack> = match group {
        DhGroup::Modp1024s160 => return Dh::get_1024_160().map_err(library("MODP parameters")),
        DhGroup::Modp2048s224 => return Dh::get_2048_224().map_err(library("MODP parameters")),
        DhGroup::Modp2048s256 => return Dh::get_2048_256().map_err(library("MODP parameters")),
        DhGroup::Modp768 => BigNum::get_rfc2409_prime_768,
        DhGroup::Modp1024 => BigNum::get_rfc2409_prime_1024,
        DhGroup::Modp1536 => BigNum::get_rfc3526_prime_1536,
        DhGroup::Modp3072 => BigNum::get_rfc3526_prime_3072,
        DhGroup::Modp4096 => BigNum::get_rfc3526_prime_4096,
        DhGroup::Modp6144 => BigNum::get_rfc3526_prime_6144,
        DhGroup::Modp8192 => BigNum::get_rfc3526_prime_8192,
        _ => BigNum::get_rfc3526_prime_2048,
    };
    let p = prime().map_err(library("MODP constant"))?;
    let g = BigNum::from_u32(2).map_err(library("MODP constant"))?;
    Dh::from_pqg(p, None, g).map_err(library("MODP parameters"))
}

fn copy(number: &BigNumRef) -> Result<BigNum, Error> {
    number.to_owned().map_err(library("MODP constant"))
}

/// RFC 7296 sections 2.14 and 3.4: values are padded with zeros in front to the length of the prime.
fn padded(group: DhGroup, value: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let value = Zeroizing::new(value);
    let octets = group.shared_octets();
    let zeros = octets
        .checked_sub(value.len())
        .ok_or(Error::PeerResult { group })?;
    let mut out = Zeroizing::new(vec![0; octets]);
    out[zeros..].copy_from_slice(&value);
    Ok(out)
}
