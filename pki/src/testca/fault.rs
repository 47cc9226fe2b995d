//! Certificates with one fault each.

use std::fmt;
use std::str::FromStr;

use ravelin_types::Identity;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use x509_parser::asn1_rs::{Any, FromDer};

use super::authority::{Authority, Template};
use super::key::{KeyKind, TestKey};
use super::{DAY_S, Error, Hierarchy, Issued};
use crate::der;
use crate::time::WallTime;

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Its validity is over.
    Expired,
    /// Its validity begins tomorrow.
    NotYetValid,
    /// For TLS servers only.
    WrongEku,
    /// Its key may encipher keys only.
    WrongKeyUsage,
    /// A key of RSA 1024.
    WeakKey,
    /// Signed with SHA-1.
    Sha1,
    /// A name that the name constraints of its CA do not permit.
    NameConstraint,
    /// On the revocation list of its CA.
    Revoked,
    /// A critical extension that nobody knows.
    UnknownExtension,
    /// Its CA is below another root.
    UnknownCa,
    /// The validity of its CA is over.
    IssuerExpired,
    /// Its issuer is no CA.
    IssuerNoCa,
    /// Its CA is below one that may have no CA below it.
    PathLength,
    /// Its signature is that of another key.
    Forged,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 14] = [
        Fault::Expired,
        Fault::NotYetValid,
        Fault::WrongEku,
        Fault::WrongKeyUsage,
        Fault::WeakKey,
        Fault::Sha1,
        Fault::NameConstraint,
        Fault::Revoked,
        Fault::UnknownExtension,
        Fault::UnknownCa,
        Fault::IssuerExpired,
        Fault::IssuerNoCa,
        Fault::PathLength,
        Fault::Forged,
    ];

    /// What it is, for people.
    pub fn about(self) -> &'static str {
        match self {
            Fault::Expired => "its validity is over",
            Fault::NotYetValid => "its validity begins tomorrow",
            Fault::WrongEku => "extended key usage of TLS servers only",
            Fault::WrongKeyUsage => "key usage keyEncipherment only",
            Fault::WeakKey => "key of RSA 1024",
            Fault::Sha1 => "signed with SHA-1, by a CA of RSA 2048",
            Fault::NameConstraint => "a host name that its CA may not issue",
            Fault::Revoked => "on the revocation list of its CA",
            Fault::UnknownExtension => "a critical extension that nobody knows",
            Fault::UnknownCa => "its CA is below another root",
            Fault::IssuerExpired => "the validity of its CA is over",
            Fault::IssuerNoCa => "its issuer is no CA",
            Fault::PathLength => "its CA is below one that may have none below it",
            Fault::Forged => "its signature is that of another key",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Expired => "expired",
            Fault::NotYetValid => "not-yet-valid",
            Fault::WrongEku => "wrong-eku",
            Fault::WrongKeyUsage => "wrong-key-usage",
            Fault::WeakKey => "weak-key",
            Fault::Sha1 => "sha1",
            Fault::NameConstraint => "name-constraint",
            Fault::Revoked => "revoked",
            Fault::UnknownExtension => "unknown-extension",
            Fault::UnknownCa => "unknown-ca",
            Fault::IssuerExpired => "issuer-expired",
            Fault::IssuerNoCa => "issuer-no-ca",
            Fault::PathLength => "path-length",
            Fault::Forged => "forged",
        })
    }
}

impl FromStr for Fault {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut faults = Fault::ALL.into_iter();
        faults.find(|fault| fault.to_string() == text).ok_or(())
    }
}

impl Hierarchy {
    /// A certificate for `CN=<name>` with the fault. One that is to be revoked is good until the list says so.
    ///
    /// # Errors
    /// [`Error`].
    pub fn faulty(&self, name: &str, fault: Fault) -> Result<Issued, Error> {
        let mut template = self.template(name, &[]);
        let day = |days| WallTime(self.now.0 + days * DAY_S);
        match fault {
            Fault::Expired => template.validity = (day(-30), day(-1)),
            Fault::NotYetValid => template.validity = (day(1), day(30)),
            Fault::WrongEku => {
                template.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            Fault::WrongKeyUsage => template.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
            Fault::NameConstraint => {
                template.names = vec![Identity::Fqdn(format!("{name}.invalid"))];
            }
            Fault::UnknownExtension => template.unknown_extension = true,
            Fault::Revoked => {}
            Fault::WeakKey => {
                let key = TestKey::generate(KeyKind::Rsa(1024))?;
                return Ok(Issued {
                    certificate: self.access.issue(&template, &key)?,
                    key: key.into_openssl(),
                    chain: vec![self.access.certificate.clone()],
                });
            }
            Fault::Sha1 => {
                let issuer = Template::authority("RSA CA", self.now);
                let issuer = self.root.authority(issuer, KeyKind::Rsa(2048))?;
                let mut issued = self.below(&issuer, template)?;
                issued.certificate = with_sha1(&issued.certificate, issuer.key())?;
                return Ok(issued);
            }
            Fault::UnknownCa => {
                let root = Authority::root("Other Root CA", self.kind, self.now)?;
                let issuer = Template::authority("Access CA", self.now);
                return self.below(&root.authority(issuer, self.kind)?, template);
            }
            Fault::IssuerExpired => {
                let mut issuer = Template::authority("Expired CA", self.now);
                issuer.validity = (day(-30), day(-1));
                return self.below(&self.root.authority(issuer, self.kind)?, template);
            }
            Fault::IssuerNoCa => {
                let issuer = self.template("enb-as-ca", &[]);
                let issuer = self.access.authority(issuer, self.kind)?;
                let mut issued = self.below(&issuer, template)?;
                issued.chain.push(self.access.certificate.clone());
                return Ok(issued);
            }
            Fault::PathLength => {
                let mut upper = Template::authority("Lowest CA", self.now);
                upper.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
                let upper = self.root.authority(upper, self.kind)?;
                let lower = Template::authority("Too Low CA", self.now);
                let mut issued = self.below(&upper.authority(lower, self.kind)?, template)?;
                issued.chain.push(upper.certificate.clone());
                return Ok(issued);
            }
            Fault::Forged => {
                let mut issued = self.below(&self.access, template)?;
                // The last octets are those of the signature, and one of a number of it at any rate.
                if let Some(last) = issued.certificate.last_mut() {
                    *last ^= 1;
                }
                return Ok(issued);
            }
        }
        self.below(&self.access, template)
    }
}

/// The certificate with a signature of sha1WithRSAEncryption in place of its own.
fn with_sha1(certificate: &[u8], issuer: &TestKey) -> Result<Vec<u8>, Error> {
    let broken = || crate::Error::Malformed {
        what: "a certificate",
        why: "no DER",
    };
    let content = |octets| {
        let (_, any) = Any::from_der(octets).map_err(|_| broken())?;
        Ok::<_, crate::Error>(any.data)
    };
    let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
    let algorithm = der::constructed(der::SEQUENCE, &[&der::element(der::OID, &oid), &[5, 0]]);
    // Version, serial number, signature algorithm, and what follows.
    let fields = content(content(certificate)?)?;
    let (after_version, _) = Any::from_der(fields).map_err(|_| broken())?;
    let (after_serial, _) = Any::from_der(after_version).map_err(|_| broken())?;
    let (rest, _) = Any::from_der(after_serial).map_err(|_| broken())?;
    let head = &fields[..fields.len() - after_serial.len()];
    let to_sign = der::constructed(der::SEQUENCE, &[head, &algorithm, rest]);
    let signature = [&[0], issuer.sign_sha1(&to_sign)?.as_slice()].concat();
    let signature = der::element(der::BIT_STRING, &signature);
    Ok(der::constructed(
        der::SEQUENCE,
        &[&to_sign, &algorithm, &signature],
    ))
}
