//! What executes a guest: the machine's virtualisation where it works, else QEMU's translator.

use crate::kvm;
use crate::{Result, VmError};
use std::fmt;

/// Overrides the choice: `kvm` or `tcg`.
const VARIABLE: &str = "RAVELIN_ACCEL";

/// An accelerator of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The kernel's.
    Kvm,
    /// Translation, a thread a processor. About twenty times slower.
    Tcg,
}

impl Accel {
    /// KVM if a guest has run under it ([`kvm::probe`]), else TCG; or what `RAVELIN_ACCEL` says.
    ///
    /// # Errors
    /// When the variable says something else.
    pub fn choose() -> Result<Self> {
        match std::env::var(VARIABLE).ok().as_deref() {
            None | Some("") => Ok(Self::of(kvm::probe())),
            Some("kvm") => Ok(Self::Kvm),
            Some("tcg") => Ok(Self::Tcg),
            Some(other) => Err(VmError::Unexpected(format!(
                "{VARIABLE}={other}: it is kvm or tcg"
            ))),
        }
    }

    fn of(probe: &kvm::Probe) -> Self {
        match probe {
            kvm::Probe::Usable => Self::Kvm,
            kvm::Probe::Unusable(_) => Self::Tcg,
        }
    }

    /// Arguments of QEMU.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }

    /// Properties of the machine that go with it: interrupt remapping needs the I/O APIC outside of the kernel.
    pub fn machine(self) -> &'static str {
        match self {
            Self::Kvm => ",kernel-irqchip=split",
            Self::Tcg => "",
        }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}
