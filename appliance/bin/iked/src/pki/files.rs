//! What the files of operators hold: certificates and keys in PEM or DER, and both in PKCS#12.

use ravelin_crypto::Secret;
use ravelin_pki::{Bundle, CaProfile, Certificate, Error, PrivateKey};

use super::desk::OrderError;

/// Of a file, or of two.
#[derive(Debug)]
pub(super) struct Found {
    /// The private key, if there is one.
    pub key: Option<PrivateKey>,
    /// In the order of the file.
    pub certificates: Vec<Certificate>,
}

/// Reads a local certificate, with its key in the same file, in one of its own, or without.
pub(super) fn local(
    file: &[u8],
    key: Option<&[u8]>,
    passphrase: &[u8],
) -> Result<Found, OrderError> {
    let given = !passphrase.is_empty();
    let passphrase = Secret::new(passphrase.to_vec());
    let read = || match key {
        Some(key) => {
            let key = PrivateKey::import(key, &passphrase)?;
            let certificates = Certificate::from_file(file)?;
            Ok((Some(key), certificates))
        }
        None if has(file, b"PRIVATE KEY-----") => {
            let key = PrivateKey::import(file, &passphrase)?;
            Ok((Some(key), Certificate::from_file(file)?))
        }
        None => Certificate::from_file(file)
            .map(|found| (None, found))
            .or_else(|error| {
                if has(file, b"-----BEGIN ") {
                    return Err(error);
                }
                let bundle = Bundle::import(file, &passphrase)?;
                let own = std::iter::once(bundle.certificate);
                Ok((Some(bundle.key), own.chain(bundle.chain).collect()))
            }),
    };
    match read() {
        Ok((key, certificates)) => Ok(Found { key, certificates }),
        Err(Error::Passphrase { .. }) if !given => Err(OrderError::PassphraseWanted),
        Err(error) => Err(error.into()),
    }
}

/// Reads the certificates of a CA profile.
pub(super) fn authorities(name: &str, file: &[u8]) -> Result<CaProfile, OrderError> {
    let anchors = Certificate::from_file(file)?;
    if let Some(other) = anchors.iter().find(|anchor| !anchor.is_ca()) {
        return Err(OrderError::NoAuthority(other.to_string()));
    }
    let name = name.to_owned();
    Ok(CaProfile { name, anchors })
}

fn has(file: &[u8], marker: &[u8]) -> bool {
    file.windows(marker.len()).any(|window| window == marker)
}
