//! What `ravelin-host day0` leaves for itself and for `show system day-0`: `day0.json` beside the configuration.

use serde::{Deserialize, Serialize};

/// Its name, in the folder of the configuration.
pub const RECORD_FILE: &str = "day0.json";

/// The form of a source, the better before the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A volume labelled `cidata`.
    NoCloud,
    /// A volume with `ravelin.conf` in its root.
    File,
    /// The tables of the firmware.
    Smbios,
}

impl Kind {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::NoCloud => "NoCloud seed",
            Kind::File => "disk with ravelin.conf",
            Kind::Smbios => "SMBIOS tables",
        }
    }
}

/// A source, and by what it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its form.
    pub kind: Kind,
    /// Where it was, as `sr0 (ISO 9660 cidata)`.
    pub name: String,
    /// SHA-256 over what is in it, in hexadecimal.
    pub digest: String,
}

/// What came of the last boot's look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// No source, no configuration.
    #[default]
    FactoryDefault,
    /// A source became the configuration at this boot.
    Applied,
    /// A source that is faulty.
    Refused,
    /// A configuration was there already, and nothing else to say.
    Configured,
    /// A source that is not the one that was applied, beside a configuration.
    NotApplied,
    /// A source could not be stored.
    NotStored,
}

impl Outcome {
    /// For people.
    pub fn meaning(self) -> &'static str {
        match self {
            Outcome::FactoryDefault => "no source found: factory default",
            Outcome::Applied => "applied at the last boot",
            Outcome::Refused => "refused: factory default",
            Outcome::Configured => "the stored configuration is used",
            Outcome::NotApplied => "not applied: a configuration is stored already",
            Outcome::NotStored => "could not be stored: factory default",
        }
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// The source that became the configuration, and is not applied again.
    pub applied: Option<Source>,
    /// What came of the last boot's look.
    pub outcome: Outcome,
    /// The source that it found.
    pub found: Option<Source>,
    /// What it told on the consoles.
    pub messages: Vec<String>,
}
