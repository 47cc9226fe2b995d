//! Names of NICs, pinned: a NIC keeps its name whatever is added, removed or moved.
//!
//! The pin is the station address. The PCI address is kept beside it, for NICs whose address is not known (a driver of user space
//! has them already, or the kernel made the address up) or not their own alone. The first NIC ever seen is `fxp0`; the others are
//! ports by the order of the bus. A new NIC takes the next free number; a NIC that is gone leaves its name reserved. Only when none
//! of the pinned NICs is there (a copy of another machine's disk) the naming begins anew.

use std::collections::BTreeMap;

use ravelin_ctl::host::{Alarm, Severity};
use ravelin_types::{Mac, PciAddress};
use serde::{Deserialize, Serialize};

use super::inventory::Found;

/// Name of the management NIC.
pub const MANAGEMENT: &str = "fxp0";
/// Ports that get a name, as many as the data plane has.
const MAX_PINNED_PORTS: u32 = 64;

/// All names, as kept on the data partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pins {
    /// One per name.
    pub nics: Vec<Pin>,
}

/// A name and its NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// `fxp0` or `ge-0/0/N`.
    pub name: String,
    /// The NIC's station address, when it has a lasting one.
    pub mac: Option<Mac>,
    /// Where the NIC was last.
    pub pci: PciAddress,
    /// Vendor number.
    #[serde(default)]
    pub vendor: u16,
    /// Device number.
    #[serde(default)]
    pub device: u16,
    /// Its driver in the kernel.
    #[serde(default)]
    pub kernel_driver: Option<String>,
}

/// Names for the NICs of this boot.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Name by place. NICs beyond the bound have none.
    pub names: BTreeMap<PciAddress, String>,
    /// What to keep.
    pub pins: Pins,
    /// What an operator should know.
    pub alarms: Vec<Alarm>,
}

/// Gives every NIC its name.
pub fn name(old: &Pins, found: &[Found]) -> Named {
    let mut alarms = Vec::new();
    let mut matched = matched(old, found);
    let kept: &[Pin] = if matched.is_empty() && !found.is_empty() {
        if !old.nics.is_empty() {
            alarms.push(alarm(
                Severity::Minor,
                "interfaces",
                "none of the NICs of the last boot is there: all names are given anew".to_owned(),
            ));
        }
        &[]
    } else {
        &old.nics
    };
    for pin in kept
        .iter()
        .filter(|pin| !matched.values().any(|name| *name == pin.name))
    {
        alarms.push(gone(pin));
    }
    shared_addresses(found, &mut alarms);
    let mut taken: Vec<String> = kept.iter().map(|pin| pin.name.clone()).collect();
    for nic in found {
        if matched.contains_key(&nic.pci) {
            continue;
        }
        let Some(name) = free(&taken) else {
            let text = format!(
                "the NIC at {} has no name: there are {MAX_PINNED_PORTS} ports",
                nic.pci
            );
            alarms.push(alarm(Severity::Major, "interfaces", text));
            continue;
        };
        if !kept.is_empty() {
            let text = format!("a NIC was added at {}: it is {name} from now on", nic.pci);
            alarms.push(alarm(Severity::Minor, &name, text));
        }
        taken.push(name.clone());
        matched.insert(nic.pci, name);
    }
    Named {
        pins: renewed(kept, found, &matched),
        names: matched,
        alarms,
    }
}

/// The names of NICs that are known.
fn matched(old: &Pins, found: &[Found]) -> BTreeMap<PciAddress, String> {
    let mut names: BTreeMap<PciAddress, String> = BTreeMap::new();
    // By address first, where it is one NIC's alone on both sides.
    for nic in found {
        let Some(mac) = nic.mac.filter(|mac| is_unique(found, *mac)) else {
            continue;
        };
        let mut pins = old.nics.iter().filter(|pin| pin.mac == Some(mac));
        if let (Some(pin), None) = (pins.next(), pins.next()) {
            names.insert(nic.pci, pin.name.clone());
        }
    }
    // Then by place, unless the addresses contradict.
    for nic in found {
        let taken = |name: &String| names.values().any(|other| other == name);
        let place = old
            .nics
            .iter()
            .find(|pin| pin.pci == nic.pci && !taken(&pin.name));
        let Some(pin) = place else { continue };
        let agrees = match (nic.mac, pin.mac) {
            (Some(now), Some(then)) => now == then,
            (None, _) | (_, None) => true,
        };
        let same_kind = pin.vendor == 0 || (pin.vendor, pin.device) == (nic.vendor, nic.device);
        if agrees && same_kind && !names.contains_key(&nic.pci) {
            names.insert(nic.pci, pin.name.clone());
        }
    }
    names
}

fn is_unique(found: &[Found], mac: Mac) -> bool {
    found.iter().filter(|nic| nic.mac == Some(mac)).count() == 1
}

/// The management NIC first, then the lowest free port.
fn free(taken: &[String]) -> Option<String> {
    let ports = (0..MAX_PINNED_PORTS).map(|number| format!("ge-0/0/{number}"));
    let mut all = [MANAGEMENT.to_owned()].into_iter().chain(ports);
    all.find(|name| !taken.contains(name))
}

/// What is kept: old pins with what is known now, and new ones, in the order of names.
fn renewed(kept: &[Pin], found: &[Found], names: &BTreeMap<PciAddress, String>) -> Pins {
    let mut pins: Vec<Pin> = kept.to_vec();
    for nic in found {
        let Some(name) = names.get(&nic.pci) else {
            continue;
        };
        let old = pins
            .iter()
            .position(|pin| pin.name == *name)
            .map(|at| pins.swap_remove(at));
        let of_kernel = nic
            .driver
            .as_deref()
            .filter(|_| nic.kernel_device.is_some());
        pins.push(Pin {
            name: name.clone(),
            mac: nic.mac.or(old.as_ref().and_then(|pin| pin.mac)),
            pci: nic.pci,
            vendor: nic.vendor,
            device: nic.device,
            kernel_driver: of_kernel
                .map(str::to_owned)
                .or(old.and_then(|pin| pin.kernel_driver)),
        });
    }
    pins.sort_by_key(|pin| order(&pin.name));
    Pins { nics: pins }
}

/// The management NIC, then ports by number.
pub fn order(name: &str) -> u32 {
    let number = name.rsplit('/').next().and_then(|n| n.parse::<u32>().ok());
    number.map_or(0, |number| number + 1)
}

fn gone(pin: &Pin) -> Alarm {
    let which = match pin.mac {
        Some(mac) => format!("MAC {mac}, last at {}", pin.pci),
        None => format!("at {}", pin.pci),
    };
    let text = format!("the NIC is gone ({which}); its name stays reserved");
    alarm(Severity::Major, &pin.name, text)
}

/// One alarm for each address that several NICs have.
fn shared_addresses(found: &[Found], alarms: &mut Vec<Alarm>) {
    let mut owners: BTreeMap<Mac, Vec<String>> = BTreeMap::new();
    for nic in found {
        if let Some(mac) = nic.mac {
            owners.entry(mac).or_default().push(nic.pci.to_string());
        }
    }
    for (mac, owners) in owners.iter().filter(|(_, owners)| owners.len() > 1) {
        let text = format!(
            "the NICs at {} all have the MAC {mac}: they are told apart by their place only",
            owners.join(", ")
        );
        alarms.push(alarm(Severity::Major, "interfaces", text));
    }
}

fn alarm(severity: Severity, subject: &str, text: String) -> Alarm {
    Alarm {
        severity,
        subject: subject.to_owned(),
        text,
    }
}

#[cfg(test)]
mod tests;
