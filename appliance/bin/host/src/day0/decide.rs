//! Whether a source is applied, as a function of what is there.
//!
//! ```text
//!                       | no source        | the source that was applied | another source
//!  nothing stored       | factory default  | factory default, told       | applied, if it is good
//!  a configuration      | used             | used                        | used, told
//!  a configuration that |                  |                             |
//!  is what the source   |                  |                             | noted as applied: the power went away between
//!  says                 |                  |                             | the two files
//! ```
//!
//! The factory default is never stored: as long as nobody has committed anything there is no configuration, and a source may come.

use ravelin_ctl::day0::Source;

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Nothing,
    /// A configuration.
    Configuration,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is stored, nothing is found.
    FactoryDefault,
    /// The source that was applied is there, and its configuration is not: somebody has removed it.
    WasRemoved,
    /// The source becomes the configuration, if it is good.
    Apply,
    /// What is stored is used.
    Keep,
    /// What is stored is used, and the source is told, unless it says what is stored.
    Compare,
}

/// Decides.
pub fn decide(stored: Stored, applied: Option<&Source>, found: Option<&Source>) -> Decision {
    let Some(found) = found else {
        return match stored {
            Stored::Nothing => Decision::FactoryDefault,
            Stored::Configuration => Decision::Keep,
        };
    };
    let again = applied.is_some_and(|applied| applied.digest == found.digest);
    match (stored, again) {
        (Stored::Nothing, true) => Decision::WasRemoved,
        (Stored::Nothing, false) => Decision::Apply,
        (Stored::Configuration, true) => Decision::Keep,
        (Stored::Configuration, false) => Decision::Compare,
    }
}

#[cfg(test)]
mod tests;
