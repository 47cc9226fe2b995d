//! Kernel interface names, checked once.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Longest name: IFNAMSIZ less the terminator.
pub const NAME_MAX_OCTETS: usize = 15;

/// A name that the kernel accepts for an interface, and that is safe as a path component.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceName(String);

impl DeviceName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // `%` would make the kernel choose a number.
        let legal = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
        let good = (1..=NAME_MAX_OCTETS).contains(&text.len())
            && text.chars().all(legal)
            && !matches!(text, "." | ".." | "all" | "default");
        if good {
            Ok(DeviceName(text.to_owned()))
        } else {
            Err(Error::BadName(text.to_owned()))
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
