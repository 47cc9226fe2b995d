//! Import of private keys: PEM, PKCS#8, PKCS#12, each with a passphrase or without.

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use ravelin_crypto::Secret;

use super::PrivateKey;
use crate::certificate::Certificate;
use crate::error::{Error, library};

/// Octets of a file with a private key that are read at most: one of RSA 4096 has 3,300, the rest is room for a chain in PKCS#12.
pub const MAX_KEY_OCTETS: usize = 256 << 10;
/// Octets of a passphrase that OpenSSL takes (PEM_BUFSIZE).
const MAX_PASSPHRASE_OCTETS: usize = 1024;

/// What a PKCS#12 file (RFC 7292) holds.
#[derive(Debug)]
pub struct Bundle {
    /// The private key.
    pub key: PrivateKey,
    /// The certificate of the key.
    pub certificate: Certificate,
    /// Certificates of CAs, in the order of the file.
    pub chain: Vec<Certificate>,
}

impl PrivateKey {
    /// Reads a key from PEM (PKCS#8, also encrypted, and the older forms of RSA and EC keys) or from PKCS#8 in DER.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Passphrase`], [`Error::Malformed`], [`Error::KeyKind`], [`Error::KeyStrength`],
    /// [`Error::KeyInconsistent`].
    pub fn import(octets: &[u8], passphrase: &Secret) -> Result<Self, Error> {
        bounded("a private key", octets)?;
        let text = || std::str::from_utf8(octets).ok();
        let pem = text().filter(|text| text.contains("-----BEGIN "));
        // A passphrase is always given: without one OpenSSL would ask on the terminal.
        let give = |room: &mut [u8]| {
            let given = passphrase.as_bytes();
            let fits = given.len() <= room.len().min(MAX_PASSPHRASE_OCTETS);
            let given = if fits { given } else { &[] };
            room[..given.len()].copy_from_slice(given);
            Ok(given.len())
        };
        let (key, encrypted) = match pem {
            Some(text) => (
                PKey::private_key_from_pem_callback(octets, give),
                text.contains("ENCRYPTED"),
            ),
            None => {
                let plain = PKey::private_key_from_pkcs8(octets);
                let encrypted = plain.is_err() && is_encrypted_pkcs8(octets);
                let opened = || PKey::private_key_from_pkcs8_callback(octets, give);
                (if encrypted { opened() } else { plain }, encrypted)
            }
        };
        let what = "a private key";
        let key = key.map_err(|_| match encrypted {
            true => Error::Passphrase { what },
            false => Error::Malformed {
                what,
                why: "neither PEM nor PKCS#8",
            },
        })?;
        Self::checked(key)
    }
}

impl Bundle {
    /// Reads a PKCS#12 file. The key has to belong to its certificate.
    ///
    /// # Errors
    /// As [`PrivateKey::import`] and [`Certificate::from_der`].
    pub fn import(octets: &[u8], passphrase: &Secret) -> Result<Self, Error> {
        let what = "a PKCS#12 file";
        bounded(what, octets)?;
        let malformed = |why| Error::Malformed { what, why };
        let file = Pkcs12::from_der(octets).map_err(|_| malformed("no DER"))?;
        // OpenSSL takes a text that ends with a zero octet.
        let text = std::str::from_utf8(passphrase.as_bytes());
        let text = text.ok().filter(|text| !text.contains('\0'));
        let parsed = file
            .parse2(text.ok_or(Error::Passphrase { what })?)
            .map_err(|_| Error::Passphrase { what })?;
        let key = PrivateKey::checked(parsed.pkey.ok_or(malformed("no private key in it"))?)?;
        let read = |x509: &openssl::x509::X509Ref| {
            Certificate::from_der(&x509.to_der().map_err(library("certificate"))?)
        };
        let certificate = parsed.cert.ok_or(malformed("no certificate in it"))?;
        let certificate = read(&certificate)?;
        let chain = parsed.ca.iter().flatten().map(read);
        let chain = chain.collect::<Result<_, _>>()?;
        if !key.belongs_to(&certificate) {
            return Err(malformed("its key is not that of its certificate"));
        }
        Ok(Self {
            key,
            certificate,
            chain,
        })
    }
}

fn bounded(what: &'static str, octets: &[u8]) -> Result<(), Error> {
    if octets.len() <= MAX_KEY_OCTETS {
        return Ok(());
    }
    Err(Error::TooLarge {
        what,
        octets: octets.len(),
        limit: MAX_KEY_OCTETS,
    })
}

/// EncryptedPrivateKeyInfo is a sequence that begins with one (RFC 5958 section 3), PrivateKeyInfo one that begins with a number.
fn is_encrypted_pkcs8(octets: &[u8]) -> bool {
    use x509_parser::asn1_rs::{FromDer, Sequence};
    let outer = Sequence::from_der(octets);
    outer.is_ok_and(|(rest, outer)| {
        rest.is_empty() && outer.content.first() == Some(&crate::der::SEQUENCE)
    })
}
