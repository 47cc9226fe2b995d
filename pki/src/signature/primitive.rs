//! The signatures themselves, by OpenSSL.

use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};

use super::Scheme;
use crate::algorithm::Curve;
use crate::error::{Error, library};

/// The signature in the form in which the scheme sends it.
pub(super) fn sign(key: &PKey<Private>, scheme: Scheme, octets: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = || library("signature");
    let Some(hash) = scheme.hash() else {
        let mut signer = Signer::new_without_digest(key).map_err(failed())?;
        return signer.sign_oneshot_to_vec(octets).map_err(failed());
    };
    let mut signer = Signer::new(hash.digest(), key).map_err(failed())?;
    if let Some(padding) = padding(scheme) {
        signer.set_rsa_padding(padding).map_err(failed())?;
    }
    if let Scheme::DigitalRsaPss(hash) = scheme {
        signer.set_rsa_mgf1_md(hash.digest()).map_err(failed())?;
        let salt = RsaPssSaltlen::custom(hash.octets().into());
        signer.set_rsa_pss_saltlen(salt).map_err(failed())?;
    }
    let signature = signer.sign_oneshot_to_vec(octets).map_err(failed())?;
    match scheme {
        Scheme::Ecdsa(curve) => concatenated(curve, &signature),
        _ => Ok(signature),
    }
}

/// Whether the signature is good. What OpenSSL cannot read is not.
pub(super) fn verify(
    key: &PKey<Public>,
    scheme: Scheme,
    octets: &[u8],
    signature: &[u8],
) -> Result<bool, Error> {
    let failed = || library("signature check");
    let Some(hash) = scheme.hash() else {
        let mut verifier = Verifier::new_without_digest(key).map_err(failed())?;
        return Ok(verifier.verify_oneshot(signature, octets).unwrap_or(false));
    };
    let der;
    let signature = match scheme {
        Scheme::Ecdsa(curve) => match separated(curve, signature)? {
            Some(made) => {
                der = made;
                &der
            }
            None => return Ok(false),
        },
        _ => signature,
    };
    let mut verifier = Verifier::new(hash.digest(), key).map_err(failed())?;
    if let Some(padding) = padding(scheme) {
        verifier.set_rsa_padding(padding).map_err(failed())?;
    }
    if let Scheme::DigitalRsaPss(hash) = scheme {
        verifier.set_rsa_mgf1_md(hash.digest()).map_err(failed())?;
        let salt = RsaPssSaltlen::custom(hash.octets().into());
        verifier.set_rsa_pss_saltlen(salt).map_err(failed())?;
    }
    Ok(verifier.verify_oneshot(signature, octets).unwrap_or(false))
}

fn padding(scheme: Scheme) -> Option<Padding> {
    match scheme {
        Scheme::Rsa(_) | Scheme::DigitalRsaPkcs1(_) => Some(Padding::PKCS1),
        Scheme::DigitalRsaPss(_) => Some(Padding::PKCS1_PSS),
        _ => None,
    }
}

/// r | s, each as long as the field (RFC 4754 section 7), of a signature in DER.
fn concatenated(curve: Curve, der: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = || library("ECDSA signature");
    let signature = EcdsaSig::from_der(der).map_err(failed())?;
    // At most 66.
    let octets = curve.octets() as i32;
    let mut out = signature.r().to_vec_padded(octets).map_err(failed())?;
    out.extend(signature.s().to_vec_padded(octets).map_err(failed())?);
    Ok(out)
}

/// The DER of r | s; `None` when there are not exactly two numbers of the field's length.
fn separated(curve: Curve, signature: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let failed = || library("ECDSA signature");
    if signature.len() != 2 * curve.octets() {
        return Ok(None);
    }
    let (r, s) = signature.split_at(curve.octets());
    let r = BigNum::from_slice(r).map_err(failed())?;
    let s = BigNum::from_slice(s).map_err(failed())?;
    let signature = EcdsaSig::from_private_components(r, s).map_err(failed())?;
    signature.to_der().map(Some).map_err(failed())
}
