//! The command line.

use std::path::PathBuf;

use crate::Failure;

/// How much is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Extent {
    /// Everything.
    #[default]
    All,
    /// The comparison, short.
    Quick,
    /// 65,536 tunnels only.
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
                "--quick" => read.extent = Extent::Quick,
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

    pub fn wants_comparison(&self) -> bool {
        self.extent != Extent::Scale
    }

    pub fn wants_scale(&self) -> bool {
        self.extent != Extent::Quick
    }

    pub fn rounds(&self) -> u32 {
        if self.extent == Extent::Quick { 1 } else { 5 }
    }

    /// Of one round: a second or more of CPU time.
    pub fn tunnels(&self) -> u32 {
        if self.extent == Extent::Quick {
            1000
        } else {
            3000
        }
    }
}
