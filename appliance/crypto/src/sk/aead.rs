//! The AEADs. Through OpenSSL's contexts, because the crate's one-call functions give CCM's sizes after its key, where they come too late.

use openssl::cipher_ctx::{CipherCtx, CipherCtxRef};
use openssl::error::ErrorStack;
use ravelin_types::{IkeCipherMode, IkeEncr};
use zeroize::Zeroizing;

use super::{Init, cipher};
use crate::error::{Error, library};
use crate::secret::Secret;

/// Returns ciphertext | check value.
pub(super) fn seal(
    encr: IkeEncr,
    key: &Secret,
    nonce: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let tag_octets = encr.icv_octets().unwrap_or(0);
    let sealed = || -> Result<_, ErrorStack> {
        let mut context = CipherCtx::new()?;
        let init: Init = CipherCtxRef::encrypt_init;
        init(&mut context, Some(cipher(encr)?), None, None)?;
        context.set_iv_length(nonce.len())?;
        if is_ccm(encr) {
            context.set_tag_length(tag_octets)?;
        }
        init(&mut context, None, Some(key.as_bytes()), Some(nonce))?;
        if is_ccm(encr) {
            context.set_data_len(plaintext.len())?;
        }
        context.cipher_update(aad, None)?;
        // OpenSSL asks for one spare octet, which the check value's are.
        let mut out = vec![0; plaintext.len() + tag_octets];
        let mut done = context.cipher_update(plaintext, Some(&mut out))?;
        done += context.cipher_final(&mut out[done..])?;
        out.truncate(done + tag_octets);
        context.tag(&mut out[done..])?;
        Ok(out)
    };
    sealed().map_err(library("AEAD seal"))
}

/// Checks and decrypts; any fault is one of integrity.
pub(super) fn open(
    encr: IkeEncr,
    key: &Secret,
    nonce: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let opened = || -> Result<_, ErrorStack> {
        let mut context = CipherCtx::new()?;
        let init: Init = CipherCtxRef::decrypt_init;
        init(&mut context, Some(cipher(encr)?), None, None)?;
        context.set_iv_length(nonce.len())?;
        if is_ccm(encr) {
            context.set_tag(tag)?;
        }
        init(&mut context, None, Some(key.as_bytes()), Some(nonce))?;
        if is_ccm(encr) {
            context.set_data_len(ciphertext.len())?;
        } else {
            context.set_tag(tag)?;
        }
        context.cipher_update(aad, None)?;
        let mut out = Zeroizing::new(vec![0; ciphertext.len() + 1]);
        // CCM tells here whether the check value is right, the others at the end.
        let mut done = context.cipher_update(ciphertext, Some(&mut out))?;
        if !is_ccm(encr) {
            done += context.cipher_final(&mut out[done..])?;
        }
        out.truncate(done);
        Ok(out)
    };
    opened().map_err(|_| Error::Integrity)
}

fn is_ccm(encr: IkeEncr) -> bool {
    matches!(encr.mode(), IkeCipherMode::Ccm { .. })
}
