//! The numbers of the routing instances, kept beside the configuration.
//!
//! planed's tables, SAs, and the sessions in iked's vault know an instance by its number, so one keeps it as long as it is configured,
//! whatever comes and goes beside it and whoever restarts. A number that was used is the last to be given to another, and never while the
//! running configuration has it. What is given depends only on the file and the text, so a crash between the two changes nothing.

use crate::error::MgmtError;
use crate::store;
use ravelin_types::{MAX_INSTANCES, VrfId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Beside the configuration file.
const FILE_NAME: &str = "instances.json";

/// Numbers of instances by name: 1 to [`MAX_INSTANCES`]; the default instance is 0 and has no name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VrfIds {
    numbers: BTreeMap<String, VrfId>,
    /// The last one given.
    last: u16,
}

impl VrfIds {
    /// The numbers of `names`: the former ones, and new ones for newcomers. None for a newcomer when all are in use.
    pub fn renew(&self, names: &[&str]) -> Self {
        let former = |name: &str| self.numbers.get(name).copied();
        let kept = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), former(name)?)));
        let mut renewed = Self {
            numbers: kept.collect(),
            last: self.last,
        };
        for name in names.iter().filter(|name| former(name).is_none()) {
            let most = MAX_INSTANCES as u16;
            let mut round = (0..most).map(|step| VrfId(1 + renewed.last.wrapping_add(step) % most));
            let is_free = |vrf: &VrfId| {
                let mut used = self.numbers.values().chain(renewed.numbers.values());
                used.all(|other| other != vrf)
            };
            if let Some(vrf) = round.find(is_free) {
                renewed.numbers.insert((*name).to_owned(), vrf);
                renewed.last = vrf.0;
            }
        }
        renewed
    }

    /// The number of an instance.
    pub fn get(&self, name: &str) -> Option<VrfId> {
        self.numbers.get(name).copied()
    }
}

/// The file of the numbers that run.
pub(crate) struct IdStore {
    path: PathBuf,
    runs: VrfIds,
}

impl IdStore {
    /// Reads the file beside the configuration file.
    pub fn new(configuration: &Path) -> Self {
        let path = configuration.with_file_name(FILE_NAME);
        let runs = fs::read(&path).ok().and_then(|text| {
            let read = serde_json::from_slice(&text);
            let warn = |error| log::warn!("{}: {error}; instances get new numbers", path.display());
            read.map_err(warn).ok()
        });
        Self {
            path,
            runs: runs.unwrap_or_default(),
        }
    }

    /// Those of the configuration that runs.
    pub fn runs(&self) -> &VrfIds {
        &self.runs
    }

    /// Keeps the numbers of a configuration that is to run.
    ///
    /// # Errors
    /// When the disk refuses; then the file is the old one.
    pub fn keep(&mut self, ids: &VrfIds) -> Result<(), MgmtError> {
        if *ids == self.runs {
            return Ok(());
        }
        let text = serde_json::to_string(ids)
            .map_err(|error| MgmtError::file("write", &self.path, std::io::Error::other(error)))?;
        store::replace(&self.path, &text)?;
        self.runs = ids.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
