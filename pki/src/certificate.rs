//! A certificate as IKE needs it: names, key, what the key may be used for, validity.
//!
//! Both x509-parser and OpenSSL have to accept the octets: the first tells what they say, the second builds paths over them
//! (`Certificate::x509`). Refused are other versions than 3, octets behind the end, an extension that comes twice or that does not
//! parse, and names that a text cannot show. Whether the certificate is to be trusted is not judged here.

mod extensions;
mod pem;
pub(crate) mod strength;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use openssl::pkey::{Id, PKey, Public};
use openssl::x509::X509;
use x509_parser::asn1_rs::{FromDer, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::x509::X509Version;

use crate::algorithm::{Curve, KeyAlgorithm};
use crate::error::Error;
use crate::name::DistinguishedName;
use crate::time::WallTime;
use extensions::Extensions;

/// Octets of a certificate that are read at most: far above any of a gateway, small enough for sixteen of them in one exchange.
pub const MAX_CERTIFICATE_OCTETS: usize = 16 << 10;
/// Octets of a PEM file that are read at most.
pub const MAX_PEM_OCTETS: usize = 512 << 10;

/// A subject alternative name (RFC 5280 section 4.2.1.6) of a form that an IKE identity can have.
#[derive(Debug, Clone)]
pub enum AltName {
    /// dNSName.
    Dns(String),
    /// rfc822Name.
    Email(String),
    /// iPAddress.
    Address(IpAddr),
    /// directoryName.
    Directory(DistinguishedName),
}

/// What a key may be used for (RFC 5280 section 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Signatures of protocols, as IKE makes them.
    pub digital_signature: bool,
    /// Signatures that shall not be denied; IKE may use such a key too (RFC 4945 section 5.1.3.2).
    pub non_repudiation: bool,
    /// Signatures of certificates.
    pub key_cert_sign: bool,
    /// Signatures of revocation lists.
    pub crl_sign: bool,
}

/// A parsed certificate; a copy is another handle on it. Two are equal when their octets are.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    x509: X509,
    public_key: PKey<Public>,
    key_algorithm: KeyAlgorithm,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    serial: Vec<u8>,
    not_before: WallTime,
    not_after: WallTime,
    spki_sha1: [u8; 20],
    key_bits: Vec<u8>,
    weak_signature: Option<String>,
    extensions: Extensions,
}

impl Certificate {
    /// Reads the DER of one certificate, of nothing more than it.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Malformed`], [`Error::KeyKind`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_CERTIFICATE_OCTETS {
            return Err(Error::TooLarge {
                what: "a certificate",
                octets: der.len(),
                limit: MAX_CERTIFICATE_OCTETS,
            });
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| malformed("no DER"))?;
        if !rest.is_empty() {
            return Err(malformed("octets behind its end"));
        }
        let tbs = &parsed.tbs_certificate;
        if tbs.version != X509Version::V3 {
            return Err(malformed("its version is not 3"));
        }
        if tbs.signature != parsed.signature_algorithm {
            return Err(malformed("its two signature algorithms differ"));
        }
        let x509 = X509::from_der(der).map_err(|_| malformed("OpenSSL does not read it"))?;
        let public_key = x509.public_key().map_err(|_| Error::KeyKind)?;
        let key_algorithm = match public_key.id() {
            // RFC 5480 section 2.1.1: a curve that is spelled out must not be taken for the one that has its name.
            Id::EC => {
                let parameters = tbs.subject_pki.algorithm.parameters.as_ref();
                let name = parameters.filter(|p| p.tag() == Tag::Oid).map(|p| p.data);
                let curve = name.and_then(Curve::named).ok_or(Error::KeyKind)?;
                KeyAlgorithm::Ecdsa(curve)
            }
            _ => KeyAlgorithm::of(&public_key)?,
        };
        let subject = DistinguishedName::from_der(tbs.subject.as_raw())?;
        let extensions = Extensions::read(&parsed)?;
        if subject.is_empty() && extensions.names.is_empty() {
            return Err(malformed("it names nobody"));
        }
        Ok(Self(Arc::new(Parsed {
            der: der.to_vec(),
            public_key,
            key_algorithm,
            subject,
            issuer: DistinguishedName::from_der(tbs.issuer.as_raw())?,
            serial: tbs.raw_serial().to_vec(),
            not_before: WallTime(tbs.validity.not_before.timestamp()),
            not_after: WallTime(tbs.validity.not_after.timestamp()),
            spki_sha1: ravelin_crypto::sha1(&[tbs.subject_pki.raw])?,
            key_bits: tbs.subject_pki.subject_public_key.data.to_vec(),
            weak_signature: strength::weak(&parsed.signature_algorithm),
            extensions,
            x509,
        })))
    }

    /// The DER, as a CERT payload carries it (encoding 4, RFC 7296 section 3.6).
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Whom it is for.
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// Who signed it.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// The content octets of the serial number, big-endian.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// First second of its validity.
    pub fn not_before(&self) -> WallTime {
        self.0.not_before
    }

    /// Last second of its validity; OpenSSL takes it for past.
    pub fn not_after(&self) -> WallTime {
        self.0.not_after
    }

    /// The kind of its key.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        self.0.key_algorithm
    }

    /// Subject alternative names of the forms that an IKE identity can have.
    pub fn alt_names(&self) -> &[AltName] {
        &self.0.extensions.names
    }

    /// What its key may be used for; `None` when the certificate does not say.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.extensions.key_usage
    }

    /// Extended key usages in dotted decimal; `None` when the certificate does not say.
    pub fn extended_key_usage(&self) -> Option<&[String]> {
        self.0.extensions.extended_key_usage.as_deref()
    }

    /// Whether it may sign certificates, by its basic constraints.
    pub fn is_ca(&self) -> bool {
        self.0.extensions.is_ca
    }

    /// Where its CA publishes a revocation list, by HTTP.
    pub fn crl_urls(&self) -> &[String] {
        &self.0.extensions.crl_urls
    }

    /// Where its CA answers questions by OCSP, by HTTP.
    pub fn ocsp_urls(&self) -> &[String] {
        &self.0.extensions.ocsp_urls
    }

    /// SHA-1 of its SubjectPublicKeyInfo, by which a CERTREQ payload names a CA (RFC 7296 section 3.7). It protects nothing.
    pub fn spki_sha1(&self) -> &[u8; 20] {
        &self.0.spki_sha1
    }

    /// The algorithm of the signature on it by name or number, if the signature can be forged or is not known to be strong.
    pub fn weak_signature(&self) -> Option<&str> {
        self.0.weak_signature.as_deref()
    }

    /// The content of the bit string of its SubjectPublicKeyInfo, by which OCSP names a CA.
    pub(crate) fn key_bits(&self) -> &[u8] {
        &self.0.key_bits
    }

    /// Whether it says which names may be below it.
    pub(crate) fn constrains_names(&self) -> bool {
        self.0.extensions.constrains_names
    }

    /// It as OpenSSL has it.
    pub(crate) fn x509(&self) -> &X509 {
        &self.0.x509
    }

    /// Its public key.
    pub(crate) fn public_key(&self) -> &PKey<Public> {
        &self.0.public_key
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({self})")
    }
}

/// The subject; of a certificate without one, its first alternative name.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.extensions.names.first() {
            Some(name) if self.0.subject.is_empty() => name.fmt(f),
            _ => self.0.subject.fmt(f),
        }
    }
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AltName::Dns(name) | AltName::Email(name) => f.write_str(name),
            AltName::Address(address) => address.fmt(f),
            AltName::Directory(name) => name.fmt(f),
        }
    }
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed {
        what: "a certificate",
        why,
    }
}

#[cfg(test)]
mod tests;
