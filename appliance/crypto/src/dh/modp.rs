//! Group 14: the 2048-bit MODP group of RFC 3526 section 3, generator 2.
//!
//! OpenSSL recognises the safe prime and draws private values of a length that fits its strength, and exponentiates in constant time.

use openssl::bn::BigNum;
use openssl::derive::Deriver;
use openssl::dh::Dh;
use openssl::pkey::{PKey, Params};
use zeroize::Zeroizing;

use crate::alg::DhGroup;
use crate::error::{Error, library};
use crate::secret::Secret;

const GROUP: DhGroup = DhGroup::Modp2048;
const OCTETS: usize = 256;

pub(super) fn generate() -> Result<(Secret, Vec<u8>), Error> {
    let key = params()?
        .generate_key()
        .map_err(library("MODP key generation"))?;
    let public = padded(key.public_key().to_vec())?;
    Ok((Secret::new(key.private_key().to_vec()), public.to_vec()))
}

pub(super) fn public_of(private: &[u8]) -> Result<Vec<u8>, Error> {
    let x = BigNum::from_slice(private).map_err(library("MODP private value"))?;
    let two = BigNum::from_u32(2).map_err(library("MODP constant"))?;
    if x < two || x.num_bits() >= params()?.prime_p().num_bits() {
        return Err(Error::PrivateInvalid { group: GROUP });
    }
    // g^x is the agreement with the public value g.
    power(private, two).map(|public| public.to_vec())
}

pub(super) fn agree(private: &Secret, peer_public: &[u8]) -> Result<Secret, Error> {
    let y = BigNum::from_slice(peer_public).map_err(library("MODP public value"))?;
    // RFC 6989 section 2.1 (safe primes): 1 < y < p - 1.
    let one = BigNum::from_u32(1).map_err(library("MODP constant"))?;
    let mut p_minus_1 = params()?
        .prime_p()
        .to_owned()
        .map_err(library("MODP constant"))?;
    p_minus_1.sub_word(1).map_err(library("MODP constant"))?;
    if y <= one || y >= p_minus_1 {
        return Err(Error::PeerPublicInvalid { group: GROUP });
    }
    power(private.as_bytes(), y).map(Secret::from)
}

/// `y^x mod p`, padded. Through EVP, because the crate's `Dh::compute_key` returns a result with leading zeros shifted to the front.
fn power(private: &[u8], y: BigNum) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut x = BigNum::from_slice(private).map_err(library("MODP private value"))?;
    x.set_const_time();
    let ours = params()?
        .set_private_key(x)
        .map_err(library("MODP private value"))?;
    let ours = PKey::from_dh(ours).map_err(library("MODP private value"))?;
    let peer = params()?
        .set_public_key(y)
        .map_err(library("MODP public value"))?;
    let peer = PKey::from_dh(peer).map_err(library("MODP public value"))?;
    let mut deriver = Deriver::new(&ours).map_err(library("MODP agreement"))?;
    // The range has been checked; OpenSSL's own check would also raise y to q, which costs several times the agreement itself and
    // tells nothing for a safe prime whose private value serves one exchange.
    deriver
        .set_peer_ex(&peer, false)
        .map_err(library("MODP agreement"))?;
    padded(deriver.derive_to_vec().map_err(library("MODP agreement"))?)
}

fn params() -> Result<Dh<Params>, Error> {
    let p = BigNum::get_rfc3526_prime_2048().map_err(library("MODP constant"))?;
    let g = BigNum::from_u32(2).map_err(library("MODP constant"))?;
    Dh::from_pqg(p, None, g).map_err(library("MODP parameters"))
}

/// RFC 7296 sections 2.14 and 3.4: values are padded with zeros in front to the length of the prime.
fn padded(value: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let value = Zeroizing::new(value);
    let zeros = OCTETS
        .checked_sub(value.len())
        .ok_or(Error::PeerResult { group: GROUP })?;
    let mut out = Zeroizing::new(vec![0; OCTETS]);
    out[zeros..].copy_from_slice(&value);
    Ok(out)
}
