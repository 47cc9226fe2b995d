//! From the typed configuration to what each process is told: planed, iked and the kernel.
//!
//! What the YANG model can check is checked there; here is what needs arithmetic: addresses that must be ours, families
//! that must agree. An error names the statement path as the operator wrote it.

mod chassis;
mod host;
mod ike;
mod instances;
mod plane;
mod sets;

pub use plane::Unplaced;

use crate::hardware::Missing;
use crate::instances::VrfIds;
use crate::kernel::KernelPlan;
use ravelin_config::Config;
use ravelin_ctl::host::wanted::HostConfig;
use ravelin_ctl::ike::IkeConfig;
use ravelin_ctl::plane::PlaneConfig;
use thiserror::Error;

/// A configuration that is valid by itself but cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("[{path}] {message}")]
pub struct CompileError {
    /// The statement path.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// What the processes are told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compiled {
    /// For planed.
    pub plane: PlaneConfig,
    /// For iked.
    pub ike: IkeConfig,
    /// For the kernel.
    pub kernel: KernelPlan,
    /// For the host side; user ids are not given yet.
    pub host: HostConfig,
    /// Numbers of the routing instances.
    pub instances: VrfIds,
    /// Ports that state no device, until [`crate::hardware::place`] finds theirs.
    pub unplaced: Vec<Unplaced>,
    /// Ports that it found none for.
    pub missing: Vec<Missing>,
    /// What the operator should know but need not change.
    pub warnings: Vec<String>,
}

/// Compiles `config`. Routing instances that `known` has keep their numbers.
///
/// # Errors
/// All statements that cannot be carried out.
pub fn compile(config: &Config, known: &VrfIds) -> Result<Compiled, Vec<CompileError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let instances = instances::compile(config, known, &mut errors);
    let ike = ike::compile(config, &instances, &mut errors, &mut warnings);
    let mut plane = plane::compile(config, &instances, &ike, &mut errors, &mut warnings);
    let unplaced = plane::unplaced(config, &instances);
    plane.signals = chassis::signals(config, &mut errors);
    let kernel = plane::kernel_plan(config, &instances, &mut warnings);
    let mut host = host::compile(config, &mut errors);
    host.drivers = plane::drivers(config);
    if errors.is_empty() {
        Ok(Compiled {
            plane,
            ike,
            kernel,
            host,
            instances: instances.ids,
            unplaced,
            missing: Vec::new(),
            warnings,
        })
    } else {
        Err(errors)
    }
}

#[cfg(test)]
pub(crate) mod tests;
