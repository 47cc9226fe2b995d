//! Keyed message authentication: HMAC, AES-XCBC and AES-CMAC, untruncated. [`crate::prf`] and [`crate::SkCipher`] stand on it.

use openssl::error::ErrorStack;
use openssl::md_ctx::MdCtx;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use ravelin_types::Prf;
use zeroize::Zeroizing;

use crate::error::{Error, library};
use crate::hash::Digest;

/// Octets of an AES block, and of the keys of XCBC and CMAC.
const BLOCK_OCTETS: usize = 16;

/// The longest block of a hash function, that of SHA-512.
const MAX_BLOCK_OCTETS: usize = 128;

type Block = Zeroizing<[u8; BLOCK_OCTETS]>;

/// The code over the concatenation of `parts`. Keys of AES functions are brought to 16 octets as RFC 4434 section 2 and RFC 4615 section 3
/// say; HMAC takes any.
pub(crate) fn mac(alg: Prf, key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let digest = match alg {
        Prf::HmacMd5 => Digest::Md5,
        Prf::HmacSha1 => Digest::Sha1,
        Prf::HmacSha256 => Digest::Sha256,
        Prf::HmacSha384 => Digest::Sha384,
        Prf::HmacSha512 => Digest::Sha512,
        Prf::Aes128Xcbc => return xcbc(&*xcbc_key(key)?, parts),
        Prf::Aes128Cmac => return cmac(&*cmac_key(key)?, parts),
    };
    hmac(digest, key, parts)
}

/// RFC 2104 section 2: `H(K ^ opad | H(K ^ ipad | text))`, with K padded by zeros to the block, and hashed before if it is longer. By
/// two plain digests, because OpenSSL takes several times as long to make a key of its own for each code.
fn hmac(digest: Digest, key: &[u8], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    const IPAD: u8 = 0x36;
    const OPAD: u8 = 0x5c;
    let md = digest.fetched()?;
    let coded = || -> Result<_, ErrorStack> {
        let mut context = MdCtx::new()?;
        let mut code = Zeroizing::new(vec![0; md.size()]);
        let mut pad = Zeroizing::new([0; MAX_BLOCK_OCTETS]);
        let pad = &mut pad[..digest.block_octets()];
        if key.len() > pad.len() {
            context.digest_init(md)?;
            context.digest_update(key)?;
            context.digest_final(pad)?;
        } else {
            pad[..key.len()].copy_from_slice(key);
        }
        pad.iter_mut().for_each(|octet| *octet ^= IPAD);
        context.digest_init(md)?;
        context.digest_update(pad)?;
        for part in parts {
            context.digest_update(part)?;
        }
        context.digest_final(&mut code)?;
        pad.iter_mut().for_each(|octet| *octet ^= IPAD ^ OPAD);
        context.digest_init(md)?;
        context.digest_update(pad)?;
        context.digest_update(&code)?;
        context.digest_final(&mut code)?;
        Ok(code)
    };
    coded().map_err(library("HMAC"))
}

fn cmac(key: &[u8; BLOCK_OCTETS], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let key = PKey::cmac(&Cipher::aes_128_cbc(), key).map_err(library("CMAC key"))?;
    let signer = Signer::new_without_digest(&key).map_err(library("CMAC init"))?;
    finish(signer, parts)
}

fn finish(mut signer: Signer<'_>, parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    for part in parts {
        signer.update(part).map_err(library("MAC update"))?;
    }
    let code = signer.sign_to_vec().map_err(library("MAC finish"))?;
    Ok(Zeroizing::new(code))
}

/// RFC 3566 section 4: CBC-MAC under K1, whose last block is masked by K2 when it is whole and by K3 when it had to be padded.
fn xcbc(key: &[u8; BLOCK_OCTETS], parts: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let k1 = cbc_mac(key, &[1; BLOCK_OCTETS])?;
    let mut message = Zeroizing::new(parts.concat());
    let octets = message.len();
    let is_whole = octets > 0 && octets % BLOCK_OCTETS == 0;
    if !is_whole {
        message.push(0x80);
        message.resize(octets / BLOCK_OCTETS * BLOCK_OCTETS + BLOCK_OCTETS, 0);
    }
    let mask = cbc_mac(key, &[if is_whole { 2 } else { 3 }; BLOCK_OCTETS])?;
    let masked = message.iter_mut().rev().zip(mask.iter().rev());
    masked.for_each(|(octet, mask)| *octet ^= mask);
    Ok(Zeroizing::new(cbc_mac(&k1, &message)?.to_vec()))
}

/// RFC 4434 section 2: longer keys are hashed, shorter ones padded.
fn xcbc_key(key: &[u8]) -> Result<Block, Error> {
    if key.len() <= BLOCK_OCTETS {
        return Ok(padded(key));
    }
    let hashed = xcbc(&[0; BLOCK_OCTETS], &[key])?;
    Ok(padded(&hashed))
}

/// RFC 4615 section 3: keys of another length are hashed.
fn cmac_key(key: &[u8]) -> Result<Block, Error> {
    if key.len() == BLOCK_OCTETS {
        return Ok(padded(key));
    }
    let hashed = cmac(&[0; BLOCK_OCTETS], &[key])?;
    Ok(padded(&hashed))
}

fn padded(key: &[u8]) -> Block {
    let mut out = Zeroizing::new([0; BLOCK_OCTETS]);
    out.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    out
}

/// The last block of AES-128-CBC from a zero IV over whole blocks.
fn cbc_mac(key: &[u8; BLOCK_OCTETS], blocks: &[u8]) -> Result<Block, Error> {
    let cipher = Cipher::aes_128_cbc();
    let mut crypter = Crypter::new(cipher, Mode::Encrypt, key, Some(&[0; BLOCK_OCTETS]))
        .map_err(library("XCBC init"))?;
    crypter.pad(false);
    // OpenSSL asks for one spare block.
    let mut out = Zeroizing::new(vec![0; blocks.len() + BLOCK_OCTETS]);
    let done = crypter
        .update(blocks, &mut out)
        .map_err(library("XCBC update"))?;
    Ok(padded(&out[done.saturating_sub(BLOCK_OCTETS)..done]))
}

#[cfg(test)]
mod tests;
