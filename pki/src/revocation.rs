//! Whether a certificate has been revoked: by lists (`crl.rs`, `cache.rs`) and by answers of OCSP (`ocsp.rs`).
//!
//! Each source tells the [`Status`] of one certificate; [`check`] judges a whole path by the mode of the gateway. Nothing is fetched
//! here: the cache says what is to be fetched and when, octets come in.

pub(crate) mod cache;
pub(crate) mod crl;
pub(crate) mod ocsp;

use std::fmt;

use crate::certificate::Certificate;
use crate::path::Path;
use crate::time::WallTime;

/// How much a gateway wants to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckMode {
    /// A certificate whose status is not known is refused.
    #[default]
    Strict,
    /// Only a certificate that is known to be revoked is refused.
    Soft,
    /// Nobody asks.
    Disable,
}

/// What a source knows about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not revoked, by information that is in force.
    Good,
    /// Revoked.
    Revoked,
    /// Nothing that is in force, and why.
    Unknown(Unknown),
}

/// Why the status of a certificate is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// There is no information from its CA.
    Nothing,
    /// The information is older than its next update.
    Stale(WallTime),
    /// The list of its CA is not about such certificates.
    Scope,
    /// The signature of the list of its CA, or of an answer, can be forged.
    Weak,
}

/// A path with a certificate that is revoked, or may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("certificate `{certificate}` of CA profile {profile}: {}", said(.status))]
pub struct RevocationError {
    /// Its subject.
    pub certificate: String,
    /// The profile of the path's anchor.
    pub profile: String,
    /// What is known, never [`Status::Good`].
    pub status: Status,
}

/// Who knows the status of a certificate, given with that of its issuer.
pub type Source<'a> = dyn Fn(&Certificate, &Certificate) -> Status + 'a;

/// Judges every certificate of a path but the anchor. It is revoked when one of the sources says so, and else good when one does.
///
/// # Errors
/// [`RevocationError`] for the first certificate that the mode does not accept.
pub fn check(path: &Path, mode: CheckMode, sources: &[&Source<'_>]) -> Result<(), RevocationError> {
    if mode == CheckMode::Disable {
        return Ok(());
    }
    for (certificate, issuer) in path.links() {
        let mut status = Status::Unknown(Unknown::Nothing);
        for source in sources {
            status = match (status, source(certificate, issuer)) {
                (Status::Revoked, _) | (_, Status::Revoked) => Status::Revoked,
                (Status::Good, _) | (_, Status::Good) => Status::Good,
                (known, Status::Unknown(Unknown::Nothing)) => known,
                (_, unknown) => unknown,
            };
        }
        let accepted = match status {
            Status::Good => true,
            Status::Revoked => false,
            Status::Unknown(_) => mode == CheckMode::Soft,
        };
        if !accepted {
            return Err(RevocationError {
                certificate: certificate.to_string(),
                profile: path.profile.clone(),
                status,
            });
        }
    }
    Ok(())
}

fn said(status: &Status) -> String {
    match status {
        Status::Good => "it is not revoked".to_owned(),
        Status::Revoked => "it is revoked".to_owned(),
        Status::Unknown(why) => format!("whether it is revoked is not known: {why}"),
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::Nothing => f.write_str("there is no revocation list or answer for its issuer"),
            Unknown::Stale(since) => write!(f, "what its issuer said was good until {since}"),
            Unknown::Weak => {
                f.write_str("what its issuer says about revocation is signed too weakly")
            }
            Unknown::Scope => {
                f.write_str("the revocation list of its issuer is about other certificates")
            }
        }
    }
}

#[cfg(test)]
mod tests;
