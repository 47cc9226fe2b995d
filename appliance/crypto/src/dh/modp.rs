//! Group 14: the 2048-bit MODP group of RFC 3526 section 3, generator 2.
//!
//! OpenSSL recognises the safe prime and draws private values of a length that fits its strength, and exponentiates in constant time.

use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::pkey::{Params, Private};
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
    let params = params()?;
    if x < two || x.num_bits() >= params.prime_p().num_bits() {
        return Err(Error::PrivateInvalid { group: GROUP });
    }
    // g^x is the agreement with the public value g.
    let key = set_private(params, private)?;
    Ok(padded(
        key.compute_key(&two)
            .map_err(library("MODP public value"))?,
    )?
    .to_vec())
}

pub(super) fn agree(private: &Secret, peer_public: &[u8]) -> Result<Secret, Error> {
    let params = params()?;
    let y = BigNum::from_slice(peer_public).map_err(library("MODP public value"))?;
    // RFC 6989 section 2.1 (safe primes): 1 < y < p - 1.
    let one = BigNum::from_u32(1).map_err(library("MODP constant"))?;
    let mut p_minus_1 = params
        .prime_p()
        .to_owned()
        .map_err(library("MODP constant"))?;
    p_minus_1.sub_word(1).map_err(library("MODP constant"))?;
    if y <= one || y >= p_minus_1 {
        return Err(Error::PeerPublicInvalid { group: GROUP });
    }
    let key = set_private(params, private.as_bytes())?;
    let shared = Zeroizing::new(key.compute_key(&y).map_err(library("MODP agreement"))?);
    padded(shared.to_vec()).map(Secret::from)
}

fn params() -> Result<Dh<Params>, Error> {
    let p = BigNum::get_rfc3526_prime_2048().map_err(library("MODP constant"))?;
    let g = BigNum::from_u32(2).map_err(library("MODP constant"))?;
    Dh::from_pqg(p, None, g).map_err(library("MODP parameters"))
}

fn set_private(params: Dh<Params>, private: &[u8]) -> Result<Dh<Private>, Error> {
    let mut x = BigNum::from_slice(private).map_err(library("MODP private value"))?;
    x.set_const_time();
    params
        .set_private_key(x)
        .map_err(library("MODP private value"))
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
