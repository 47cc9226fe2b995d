//! Which certificates end soon, for alarms and `show` commands.

use crate::certificate::Certificate;
use crate::time::WallTime;

/// A certificate that ends soon, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Its subject.
    pub certificate: String,
    /// When.
    pub at: WallTime,
    /// Whole days until then; negative when it is past.
    pub days_left: i64,
}

/// Those of `certificates` that end within `days` from `now`, the first one to end first.
pub fn expiring<'a>(
    certificates: impl IntoIterator<Item = &'a Certificate>,
    now: WallTime,
    days: i64,
) -> Vec<Expiry> {
    let all = certificates.into_iter().map(|certificate| Expiry {
        certificate: certificate.to_string(),
        at: certificate.not_after(),
        days_left: now.days_until(certificate.not_after()),
    });
    let mut soon: Vec<Expiry> = all.filter(|expiry| expiry.days_left < days).collect();
    soon.sort_by_key(|expiry| expiry.at);
    soon
}

#[cfg(test)]
mod tests;
