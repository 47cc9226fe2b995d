//! Which driver a NIC or a crypto device gets: decided once per boot, with the reason in words. Pure: what the machine offers comes in.
//!
//! ```text
//!   management NIC ----------------------------------------------> its kernel driver, always
//!   ConnectX ----------------------------------------------------> its kernel driver, shared
//!   other kinds that DPDK drives:
//!     IOMMU group of its own and vfio-pci -----------------------> vfio-pci
//!     on a machine without an IOMMU:
//!       vfio-pci that allows that -------------------------------> vfio-pci without IOMMU
//!       else igb_uio --------------------------------------------> igb_uio
//!       else uio_pci_generic and an interrupt line --------------> uio_pci_generic
//!   what is left, or has `driver kernel` in the configuration ---> packets by AF_PACKET from its kernel interface
//!   crypto device:
//!     IOMMU group of its own and vfio-pci -----------------------> vfio-pci
//!     else ------------------------------------------------------> nothing: the CPU does its work
//! ```
//! Without an IOMMU a NIC is given physical addresses, which only hugepages have. Where there is an IOMMU planed may not know them
//! (its unit then lacks the capabilities) and gives all NICs addresses of the IOMMU's; a NIC that takes those for physical ones, as
//! a virtio NIC may, would write into anybody's memory.

use ravelin_ctl::host::{Alarm, Binding, DriverWish, Severity};

use super::families::{Family, Way};
use super::inventory::Found;

/// What the kernel offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offers {
    /// The driver vfio-pci.
    pub vfio_pci: bool,
    /// It can be told to go without IOMMU.
    pub no_iommu: bool,
    /// The driver igb_uio.
    pub igb_uio: bool,
    /// The driver uio_pci_generic.
    pub uio_pci_generic: bool,
    /// The kernel is locked down: programs may not touch devices directly, except behind an IOMMU.
    pub locked_down: bool,
    /// There are hugepages for the packets.
    pub hugepages: bool,
    /// The machine has an IOMMU.
    pub iommu: bool,
}

/// What was decided for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How it is driven.
    pub binding: Binding,
    /// Why.
    pub reason: String,
    /// What an operator should know.
    pub alarm: Option<Alarm>,
}

/// Decides for the port or crypto device `name`.
pub fn decide(
    name: &str,
    nic: &Found,
    family: Family,
    offers: Offers,
    wish: Option<DriverWish>,
) -> Decision {
    let mut alarm = None;
    if let Some(wish) = wish {
        let bindings = wish.bindings();
        let outcomes: Vec<(Binding, Result<String, String>)> = bindings
            .iter()
            .map(|binding| (*binding, usable(*binding, nic, family, offers)))
            .collect();
        if let Some((binding, Ok(_))) = outcomes.iter().find(|(_, outcome)| outcome.is_ok()) {
            return Decision {
                binding: *binding,
                reason: "as configured".to_owned(),
                alarm: None,
            };
        }
        let why = outcomes.into_iter().find_map(|(_, outcome)| outcome.err());
        let text = format!(
            "the configured driver cannot be used: {}",
            why.unwrap_or_default()
        );
        alarm = Some(of(Severity::Major, name, text));
    }
    let mut decision = choose(name, nic, family, offers);
    decision.alarm = alarm.or(decision.alarm);
    decision
}

/// The policy.
fn choose(name: &str, nic: &Found, family: Family, offers: Offers) -> Decision {
    let mut refusals = Vec::new();
    for binding in [
        Binding::Bifurcated,
        Binding::VfioPci,
        Binding::VfioNoIommu,
        Binding::IgbUio,
        Binding::UioPciGeneric,
    ] {
        match usable(binding, nic, family, offers) {
            Ok(reason) => {
                return Decision {
                    binding,
                    reason,
                    alarm: None,
                };
            }
            Err(why) if !why.is_empty() && !refusals.contains(&why) => refusals.push(why),
            Err(_) => {}
        }
    }
    let why = refusals.join("; ");
    if family.way == Way::Crypto {
        // Perhaps nobody wants it: whoever configures it is told.
        return Decision {
            binding: Binding::Unusable,
            reason: why,
            alarm: None,
        };
    }
    let (binding, severity, text) = match usable(Binding::AfPacket, nic, family, offers) {
        Ok(_) => (
            Binding::AfPacket,
            Severity::Minor,
            format!("packets take the slow way through the kernel: {why}"),
        ),
        Err(last) => (
            Binding::Unusable,
            Severity::Major,
            format!("the NIC cannot be used: {why}; {last}"),
        ),
    };
    Decision {
        binding,
        alarm: Some(of(severity, name, text.clone())),
        reason: text,
    }
}

/// Whether a device can be driven so: why it is good, or what is missing. An empty refusal goes without saying.
fn usable(binding: Binding, nic: &Found, family: Family, offers: Offers) -> Result<String, String> {
    let because = |reason: &str| Ok(reason.to_owned());
    let missing = |what: &str| Err(what.to_owned());
    if family.way == Way::Crypto && binding != Binding::VfioPci {
        return missing("");
    }
    if binding == Binding::AfPacket {
        return match nic.kernel_device {
            Some(_) => because("the kernel has an interface for it"),
            None => missing("no kernel driver has it"),
        };
    }
    if binding == Binding::Bifurcated {
        return match (family.way, &nic.kernel_device, offers.hugepages) {
            (Way::Bifurcated, Some(_), true) => {
                because("its driver in the kernel lets DPDK work beside it")
            }
            (Way::Bifurcated, Some(_), false) => missing("there are no hugepages"),
            (Way::Bifurcated, None, _) => missing("its driver in the kernel does not run"),
            _ => missing(""),
        };
    }
    match family.way {
        Way::Alone | Way::Crypto => {}
        Way::Bifurcated => return missing(""),
        Way::No => return missing("DPDK has no driver for this NIC"),
    }
    if binding == Binding::VfioPci {
        // A NIC that was bound without an IOMMU has a group too.
        let Some(group) = nic.iommu_group.filter(|_| offers.iommu) else {
            return missing("there is no IOMMU");
        };
        if !offers.vfio_pci {
            return missing("the kernel has no vfio-pci");
        }
        if let Some(user) = nic.group_users.first() {
            return Err(format!("its IOMMU group {group} is shared with {user}"));
        }
        if nic.bypasses_iommu {
            return missing(
                "it goes past the IOMMU, which its host must forbid (QEMU: iommu_platform=on)",
            );
        }
        return Ok(format!("guarded by IOMMU group {group}"));
    }
    if offers.iommu {
        return missing("this machine has an IOMMU, so nothing else is given to programs");
    }
    if !offers.hugepages {
        return missing("there are no hugepages, whose place a NIC without IOMMU must know");
    }
    if offers.locked_down {
        return missing("the kernel is locked down");
    }
    match binding {
        Binding::VfioNoIommu if offers.vfio_pci && offers.no_iommu => {
            because("there is no IOMMU, and the kernel allows vfio without")
        }
        Binding::VfioNoIommu => missing("the kernel has no vfio without IOMMU"),
        Binding::IgbUio if offers.igb_uio => because("no usable IOMMU; igb_uio is there"),
        Binding::IgbUio => missing("there is no igb_uio"),
        Binding::UioPciGeneric if !offers.uio_pci_generic => missing("there is no uio_pci_generic"),
        Binding::UioPciGeneric if !nic.has_line_interrupt => {
            missing("it has no interrupt line for uio_pci_generic")
        }
        Binding::UioPciGeneric => {
            because("no usable IOMMU; it has an interrupt line for uio_pci_generic")
        }
        _ => missing(""),
    }
}

fn of(severity: Severity, subject: &str, text: String) -> Alarm {
    Alarm {
        severity,
        subject: subject.to_owned(),
        text,
    }
}

#[cfg(test)]
mod tests;
