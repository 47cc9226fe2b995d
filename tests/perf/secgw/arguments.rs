//! The command line, and which settings it asks for.

use std::path::PathBuf;

use ravelin_tests::rate::MOST_SAS;

use crate::Failure;
use crate::case::{Algorithm, Case, Family, Setting};
use crate::mix::Mix;

/// Numbers of SAs: everything in cache, a gateway's usual thousand, and far more than a cache holds.
const SAS: [u32; 4] = [1, 1000, 8000, MOST_SAS];
const QUICK_SAS: [u32; 2] = [1, 1000];
/// Rounds that count; one more warms up. More for the rows that the targets are about.
const ROUNDS: usize = 3;
const TARGET_ROUNDS: usize = 15;

/// How much is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Extent {
    /// Everything.
    #[default]
    All,
    /// What the targets need.
    Targets,
    /// What the targets need at up to 1,000 SAs.
    Quick,
    /// Two workers beside one.
    Workers,
    /// How long the most SAs and a full routing table take to get into planed.
    Scale,
}

/// What the command line asks for.
#[derive(Default)]
pub struct Arguments {
    extent: Extent,
    pub json: Option<PathBuf>,
}

impl Arguments {
    /// Cargo adds `--bench`.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = arguments.filter(|argument| argument != "--bench");
        let mut read = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--targets" => read.extent = Extent::Targets,
                "--quick" => read.extent = Extent::Quick,
                "--workers" => read.extent = Extent::Workers,
                "--scale" => read.extent = Extent::Scale,
                "--json" => match arguments.next() {
                    Some(path) => read.json = Some(path.into()),
                    None => return Err(Failure::Argument(argument)),
                },
                _ => return Err(Failure::Argument(argument)),
            }
        }
        Ok(read)
    }

    pub fn settings(&self) -> Vec<Setting> {
        let (algorithms, families, numbers) = match self.extent {
            Extent::All => (&Algorithm::ALL[..], &Family::ALL[..], &SAS[..]),
            Extent::Targets => (&Algorithm::ALL[..1], &Family::ALL[..1], &SAS[..]),
            Extent::Quick => (&Algorithm::ALL[..1], &Family::ALL[..1], &QUICK_SAS[..]),
            Extent::Workers | Extent::Scale => return vec![],
        };
        let mut settings = vec![];
        for &algorithm in algorithms {
            for &family in families {
                settings.extend(numbers.iter().map(|&sas| Setting {
                    algorithm,
                    family,
                    sas,
                }));
            }
        }
        settings
    }

    /// Whether a size is measured.
    pub fn wants(&self, mix: &Mix) -> bool {
        self.extent == Extent::All || mix.name == "IMIX"
    }

    /// Whether two workers are measured.
    pub fn wants_workers(&self) -> bool {
        !matches!(self.extent, Extent::Quick | Extent::Scale)
    }

    /// Whether the installation of SAs and routes is measured by itself.
    pub fn wants_scale(&self) -> bool {
        matches!(self.extent, Extent::All | Extent::Scale)
    }

    pub fn rounds(&self, case: &Case<'_>) -> usize {
        let Setting {
            algorithm, family, ..
        } = case.setting;
        if (algorithm, family, case.mix.name) == (Algorithm::Aes256Gcm, Family::V4, "IMIX") {
            TARGET_ROUNDS
        } else {
            ROUNDS
        }
    }
}
