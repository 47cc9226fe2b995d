//! A CA for tests: a root, an intermediate CA below it, certificates of gateways and eNodeBs, and certificates with one fault each.
//!
//! ```text
//! Root CA
//!  |- Access CA            may issue dNSNames below its domain only
//!  |   |- gw1, enb1, ...
//!  |   `- most faults
//!  `- CAs that are faulty themselves, each with one certificate below
//! ```
//!
//! The certificates are written by rcgen and signed by OpenSSL, and so by another hand than the one that reads them.

mod authority;
mod fault;
mod folder;
mod key;

use ::time::OffsetDateTime;
use openssl::pkey::{PKey, Private};
use ravelin_types::Identity;
use rcgen::{CertificateRevocationListParams, RevokedCertParams, SerialNumber};
use std::path::PathBuf;

use crate::time::WallTime;
use authority::{Authority, Template, serial};

pub use fault::Fault;
pub use folder::Contents;
pub use key::KeyKind;

const DAY_S: i64 = 86_400;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// rcgen refused, mostly a name that no certificate can hold.
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// OpenSSL refused.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] openssl::error::ErrorStack),
    /// No randomness, or octets of ours that do not parse.
    #[error(transparent)]
    Pki(#[from] crate::Error),
    /// A file cannot be written.
    #[error("{}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// A certificate with its key and the CAs above it, the root excluded.
#[derive(Debug, Clone)]
pub struct Issued {
    /// DER.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: PKey<Private>,
    /// DER of the CAs from the issuer up to the one below the root.
    pub chain: Vec<Vec<u8>>,
}

/// The CAs.
#[derive(Debug)]
pub struct Hierarchy {
    kind: KeyKind,
    now: WallTime,
    domain: String,
    root: Authority,
    access: Authority,
}

impl Hierarchy {
    /// New CAs with keys of one kind, valid from a day before `now`; the certificates that they issue have names below `domain`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(kind: KeyKind, now: WallTime, domain: &str) -> Result<Self, Error> {
        let root = Authority::root("Root CA", kind, now)?;
        let mut template = Template::authority("Access CA", now);
        template.permitted_domain = Some(domain.to_owned());
        let access = root.authority(template, kind)?;
        Ok(Self {
            kind,
            now,
            domain: domain.to_owned(),
            root,
            access,
        })
    }

    /// DER of the root certificate.
    pub fn root(&self) -> &[u8] {
        &self.root.certificate
    }

    /// DER of the certificate of the intermediate CA.
    pub fn access(&self) -> &[u8] {
        &self.access.certificate
    }

    /// A good certificate for `CN=<name>` with the alternative name `<name>.<domain>` and those given.
    ///
    /// # Errors
    /// [`Error`].
    pub fn issue(&self, name: &str, names: &[Identity]) -> Result<Issued, Error> {
        let template = self.template(name, names);
        self.below(&self.access, template)
    }

    /// The same for a key that is there already.
    fn issue_for(&self, name: &str, key: &key::TestKey) -> Result<Issued, Error> {
        Ok(Issued {
            certificate: self.access.issue(&self.template(name, &[]), key)?,
            key: key.clone().into_openssl(),
            chain: vec![self.access.certificate.clone()],
        })
    }

    fn template(&self, name: &str, names: &[Identity]) -> Template {
        let mut template = Template::end_entity(name, self.now);
        let own = Identity::Fqdn(format!("{name}.{}", self.domain));
        template.names = [&[own], names].concat();
        template
    }

    fn below(&self, issuer: &Authority, template: Template) -> Result<Issued, Error> {
        let key = key::TestKey::generate(self.kind)?;
        Ok(Issued {
            certificate: issuer.issue(&template, &key)?,
            key: key.into_openssl(),
            chain: vec![issuer.certificate.clone()],
        })
    }

    /// DER of the revocation list of the intermediate CA: the certificates given are revoked since `this_update`, and the list is good
    /// for a week from then.
    ///
    /// # Errors
    /// [`Error`].
    pub fn revocation_list(
        &self,
        revoked: &[&Issued],
        this_update: WallTime,
    ) -> Result<Vec<u8>, Error> {
        let mut revoked_certs = vec![];
        for issued in revoked {
            let parsed = crate::Certificate::from_der(&issued.certificate)?;
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(parsed.serial()),
                revocation_time: date(this_update)?,
                reason_code: None,
                invalidity_date: None,
            });
        }
        let list = CertificateRevocationListParams {
            this_update: date(this_update)?,
            next_update: date(WallTime(this_update.0 + 7 * DAY_S))?,
            crl_number: serial()?,
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: self.access.key_identifier(),
        };
        Ok(list.signed_by(&self.access.issuer())?.der().to_vec())
    }
}

/// A time as rcgen takes it.
fn date(at: WallTime) -> Result<OffsetDateTime, Error> {
    let date = OffsetDateTime::from_unix_timestamp(at.0);
    Ok(date.map_err(|_| rcgen::Error::Time)?)
}

#[cfg(test)]
mod tests;
