//! One certificate revocation list (RFC 5280 section 5).
//!
//! Only complete lists are taken, which the CA itself signs about its own certificates: a delta list, an indirect one, one for some
//! reasons only or for attribute certificates is refused, and so is any critical extension that is not known, since it may change what
//! the entries mean. A list for some distribution points, or for certificates of CAs or of others only, is about those.

use openssl::x509::X509Crl;
use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{
    DistributionPointName, GeneralName, IssuingDistributionPoint, ParsedExtension, X509Extension,
};
use x509_parser::pem::Pem;
use x509_parser::revocation_list::CertificateRevocationList;

use super::{Status, Unknown};
use crate::certificate::{Certificate, strength};
use crate::error::Error;
use crate::name::DistinguishedName;
use crate::time::WallTime;

/// Octets of a list that are read at most: some 200,000 revoked certificates.
pub const MAX_CRL_OCTETS: usize = 8 << 20;
/// Octets of a serial number (RFC 5280 section 4.1.2.2).
const MAX_SERIAL_OCTETS: usize = 20;
/// How far the clock of a CA may be ahead of ours, in seconds.
pub(super) const SKEW_S: i64 = 300;

/// Why a list is not taken. It is the fault of the CA, or of who sent something else in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// It does not parse.
    #[error(transparent)]
    Format(#[from] Error),
    /// A kind of list that is not taken.
    #[error("a revocation list that is {0} is not taken")]
    Kind(&'static str),
    /// An extension that may change its meaning.
    #[error("a revocation list has the critical extension {0}, which is not known")]
    Critical(String),
    /// It does not say when the next one comes.
    #[error("a revocation list has no nextUpdate")]
    NoNextUpdate,
    /// It is another CA's.
    #[error("the revocation list is that of `{list}`, not of `{wanted}`")]
    Issuer {
        /// Who issued it.
        list: String,
        /// Whose list is wanted.
        wanted: String,
    },
    /// The CA must not sign lists.
    #[error("the key usage of `{0}` has no cRLSign")]
    KeyUsage(String),
    /// The signature is not that of the CA.
    #[error("the signature of the revocation list is not that of `{0}`")]
    Signature(String),
    /// The signature can be forged.
    #[error("the revocation list is signed with {0}, which is too weak")]
    WeakSignature(String),
    /// It comes from the future.
    #[error("the revocation list is not in force before {0}")]
    NotYet(WallTime),
    /// A later one is there already.
    #[error("the revocation list is of {got}, there is one of {held} already")]
    Older {
        /// Its thisUpdate.
        got: WallTime,
        /// That of the list that is there.
        held: WallTime,
    },
}

/// A list whose signature has been verified.
#[derive(Debug, Clone)]
pub struct Crl {
    der: Vec<u8>,
    this_update: WallTime,
    next_update: WallTime,
    scope: Scope,
    /// The signature algorithm, if it can be forged.
    weak: Option<String>,
    /// In order.
    serials: Vec<Box<[u8]>>,
}

/// Which certificates of its CA a list is about.
#[derive(Debug, Clone, Default)]
struct Scope {
    /// URLs of its distribution points; none for all of them.
    points: Vec<String>,
    only_users: bool,
    only_authorities: bool,
}

impl Crl {
    /// Reads the DER of a list and verifies that `issuer` has signed it. Whether `issuer` is to be trusted is another question.
    ///
    /// # Errors
    /// [`CrlError`].
    pub fn read(der: &[u8], issuer: &Certificate, allow_weak: bool) -> Result<Self, CrlError> {
        let what = "a revocation list";
        let malformed = |why| CrlError::Format(Error::Malformed { what, why });
        if der.len() > MAX_CRL_OCTETS {
            return Err(CrlError::Format(Error::TooLarge {
                what,
                octets: der.len(),
                limit: MAX_CRL_OCTETS,
            }));
        }
        let (rest, list) =
            CertificateRevocationList::from_der(der).map_err(|_| malformed("no DER"))?;
        if !rest.is_empty() {
            return Err(malformed("octets behind its end"));
        }
        let tbs = &list.tbs_cert_list;
        if tbs.signature != list.signature_algorithm {
            return Err(malformed("its two signature algorithms differ"));
        }
        let name = DistinguishedName::from_der(tbs.issuer.as_raw())?;
        verify(der, &name, issuer)?;
        let weak = strength::weak(&list.signature_algorithm);
        if let Some(weak) = weak.clone().filter(|_| !allow_weak) {
            return Err(CrlError::WeakSignature(weak));
        }
        let scope = Scope::read(tbs.extensions())?;
        let mut serials = vec![];
        for entry in &tbs.revoked_certificates {
            if let Some(unknown) = entry.extensions().iter().find(|e| e.critical) {
                // certificateIssuer, of an indirect list, is always critical.
                return Err(CrlError::Critical(unknown.oid.to_id_string()));
            }
            let serial = entry.raw_serial();
            if serial.is_empty() || serial.len() > MAX_SERIAL_OCTETS {
                return Err(malformed("a serial number"));
            }
            serials.push(Box::from(serial));
        }
        serials.sort();
        let next_update = tbs.next_update.ok_or(CrlError::NoNextUpdate)?;
        Ok(Self {
            der: der.to_vec(),
            this_update: WallTime(tbs.this_update.timestamp()),
            next_update: WallTime(next_update.timestamp()),
            scope,
            weak,
            serials,
        })
    }

    /// The DER of a list in a file, which is DER or PEM (RFC 7468) with one list.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn der_of_file(octets: &[u8]) -> Result<Vec<u8>, Error> {
        if !octets.starts_with(b"-----BEGIN ") {
            return Ok(octets.to_vec());
        }
        let malformed = |why| Error::Malformed {
            what: "a revocation list",
            why,
        };
        let mut blocks = Pem::iter_from_buffer(octets);
        match (blocks.next(), blocks.next()) {
            (Some(Ok(block)), None) if block.label == "X509 CRL" => Ok(block.contents),
            _ => Err(malformed("its PEM is not one X509 CRL")),
        }
    }

    /// The DER, to be kept across restarts.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// When it was made.
    pub fn this_update(&self) -> WallTime {
        self.this_update
    }

    /// When the next one comes at the latest.
    pub fn next_update(&self) -> WallTime {
        self.next_update
    }

    /// By which algorithm it is signed, if that can be forged.
    pub fn weak(&self) -> Option<&str> {
        self.weak.as_deref()
    }

    /// How many certificates it revokes.
    pub fn revoked(&self) -> usize {
        self.serials.len()
    }

    /// What it says about a certificate of its CA. What was revoked once stays it, however old the list.
    pub fn status(&self, certificate: &Certificate, now: WallTime) -> Status {
        let wanted = certificate.serial();
        let found = self
            .serials
            .binary_search_by(|serial| serial.as_ref().cmp(wanted));
        if found.is_ok() {
            return Status::Revoked;
        }
        if now > self.next_update {
            return Status::Unknown(Unknown::Stale(self.next_update));
        }
        if !self.scope.covers(certificate) {
            return Status::Unknown(Unknown::Scope);
        }
        Status::Good
    }
}

fn verify(der: &[u8], name: &DistinguishedName, issuer: &Certificate) -> Result<(), CrlError> {
    if !name.matches(issuer.subject()) {
        return Err(CrlError::Issuer {
            list: name.to_string(),
            wanted: issuer.to_string(),
        });
    }
    if issuer.key_usage().is_some_and(|usage| !usage.crl_sign) {
        return Err(CrlError::KeyUsage(issuer.to_string()));
    }
    let verified = X509Crl::from_der(der).and_then(|list| list.verify(issuer.public_key()));
    match verified {
        Ok(true) => Ok(()),
        _ => Err(CrlError::Signature(issuer.to_string())),
    }
}

impl Scope {
    fn read(extensions: &[X509Extension<'_>]) -> Result<Self, CrlError> {
        /// deltaCRLIndicator (RFC 5280 section 5.2.4).
        const DELTA: &str = "2.5.29.27";
        let mut scope = Self::default();
        for (index, extension) in extensions.iter().enumerate() {
            let oid = extension.oid.to_id_string();
            if extensions[..index].iter().any(|e| e.oid == extension.oid) {
                return Err(CrlError::Format(Error::Malformed {
                    what: "a revocation list",
                    why: "an extension comes twice",
                }));
            }
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => scope = Self::of(point)?,
                ParsedExtension::CRLNumber(_) | ParsedExtension::AuthorityKeyIdentifier(_) => {}
                _ if oid == DELTA => return Err(CrlError::Kind("a delta list")),
                _ if extension.critical => return Err(CrlError::Critical(oid)),
                _ => {}
            }
        }
        Ok(scope)
    }

    fn of(point: &IssuingDistributionPoint<'_>) -> Result<Self, CrlError> {
        if point.indirect_crl {
            return Err(CrlError::Kind("about certificates of other CAs"));
        }
        if point.only_some_reasons.is_some() {
            return Err(CrlError::Kind("for some reasons only"));
        }
        if point.only_contains_attribute_certs {
            return Err(CrlError::Kind("about attribute certificates only"));
        }
        let points = match &point.distribution_point {
            None => vec![],
            Some(DistributionPointName::FullName(names)) => {
                let urls = names.iter().filter_map(|name| match name {
                    GeneralName::URI(url) => Some((*url).to_owned()),
                    _ => None,
                });
                let urls: Vec<String> = urls.collect();
                if urls.is_empty() {
                    return Err(CrlError::Kind("for a distribution point without a URL"));
                }
                urls
            }
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => {
                return Err(CrlError::Kind("for a distribution point without a URL"));
            }
        };
        Ok(Self {
            points,
            only_users: point.only_contains_user_certs,
            only_authorities: point.only_contains_ca_certs,
        })
    }

    /// RFC 5280 section 6.3.3 (b)(2).
    fn covers(&self, certificate: &Certificate) -> bool {
        let here = |url: &String| self.points.contains(url);
        let point = self.points.is_empty() || certificate.crl_urls().iter().any(here);
        let kind = match certificate.is_ca() {
            true => !self.only_users,
            false => !self.only_authorities,
        };
        point && kind
    }
}

#[cfg(test)]
mod tests;
