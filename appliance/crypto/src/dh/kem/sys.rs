//! OpenSSL's EVP_PKEY_encapsulate(3) and EVP_PKEY_decapsulate(3), which the crate `openssl` does not wrap.
#![allow(unsafe_code)]

use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::pkey::{PKeyRef, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl_sys as ffi;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Ciphertext and shared secret, of these lengths.
pub(super) fn encapsulate(
    key: &PKeyRef<Public>,
    (ciphertext_octets, shared_octets): (usize, usize),
) -> Result<(Vec<u8>, Secret), ErrorStack> {
    let ctx = PkeyCtx::new(key)?;
    let mut ciphertext = vec![0; ciphertext_octets];
    let mut shared = Zeroizing::new(vec![0; shared_octets]);
    let (mut written, mut shared_written) = (ciphertext_octets, shared_octets);
    // SAFETY: `ctx` lives to the end of the function; no parameters are given.
    check(unsafe { ffi::EVP_PKEY_encapsulate_init(ctx.as_ptr(), ptr::null()) })?;
    // SAFETY: both pointers are to that many octets, which OpenSSL checks against what it writes.
    check(unsafe {
        ffi::EVP_PKEY_encapsulate(
            ctx.as_ptr(),
            ciphertext.as_mut_ptr(),
            &mut written,
            shared.as_mut_ptr(),
            &mut shared_written,
        )
    })?;
    if (written, shared_written) == (ciphertext_octets, shared_octets) {
        Ok((ciphertext, Secret::from(shared)))
    } else {
        Err(ErrorStack::get())
    }
}

/// The shared secret, of this length.
pub(super) fn decapsulate(
    key: &PKeyRef<Private>,
    ciphertext: &[u8],
    shared_octets: usize,
) -> Result<Secret, ErrorStack> {
    let ctx = PkeyCtx::new(key)?;
    let mut shared = Zeroizing::new(vec![0; shared_octets]);
    let mut written = shared_octets;
    // SAFETY: `ctx` lives to the end of the function; no parameters are given.
    check(unsafe { ffi::EVP_PKEY_decapsulate_init(ctx.as_ptr(), ptr::null()) })?;
    // SAFETY: both pointers are to that many octets, which OpenSSL checks against what it reads and writes.
    check(unsafe {
        ffi::EVP_PKEY_decapsulate(
            ctx.as_ptr(),
            shared.as_mut_ptr(),
            &mut written,
            ciphertext.as_ptr(),
            ciphertext.len(),
        )
    })?;
    if written == shared_octets {
        Ok(Secret::from(shared))
    } else {
        Err(ErrorStack::get())
    }
}

fn check(result: std::ffi::c_int) -> Result<(), ErrorStack> {
    if result > 0 {
        Ok(())
    } else {
        Err(ErrorStack::get())
    }
}
