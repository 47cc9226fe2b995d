//! The NICs of this boot: found, named, decided, bound.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ravelin_ctl::host::{Alarm, Binding, DriverWish, Nic, Severity, is_userspace};

use super::drivers;
use super::families::{self, Way};
use super::inventory::{self, Found};
use super::pins::{self, MANAGEMENT, Pin, Pins};
use super::policy::{self, Decision};
use super::rights;
use crate::error::Error;
use crate::files;
use crate::root::Root;

/// Where the pins are kept.
const PINS_FILE: &str = "/data/platform/nics.json";
/// How long the kernel's drivers may take until all NICs have their interfaces; one that has no driver costs this once per boot.
const DRIVERS_WAIT: Duration = Duration::from_secs(10);
/// No secrets in it.
const PINS_MODE: u32 = 0o644;

/// Does all of it; returns the NICs in the order of their names.
pub fn settle(
    root: &Root,
    hugepages: bool,
    wishes: &BTreeMap<String, DriverWish>,
    alarms: &mut Vec<Alarm>,
) -> Vec<Nic> {
    let old = old_pins(root, alarms);
    let found = find(root, &old).unwrap_or_else(|error| {
        alarms.push(alarm(Severity::Major, "interfaces", error.to_string()));
        Vec::new()
    });
    if found.is_empty() {
        alarms.push(alarm(
            Severity::Major,
            "interfaces",
            "there is no NIC".to_owned(),
        ));
    }
    let named = pins::name(&old, &found);
    alarms.extend(named.alarms);
    if named.pins != old
        && let Err(error) = files::replace_json(&root.path(PINS_FILE), &named.pins, PINS_MODE)
    {
        let text = format!("names of NICs may change at the next boot: {error}");
        alarms.push(alarm(Severity::Major, "interfaces", text));
    }
    let offers = drivers::offers(root, hugepages);
    let mut nics = Vec::new();
    for pin in &named.pins.nics {
        let at = named.names.iter().find(|(_, name)| **name == pin.name);
        let nic = at.and_then(|(pci, _)| found.iter().find(|nic| nic.pci == *pci));
        let Some(nic) = nic else {
            nics.push(absent(pin));
            continue;
        };
        if pin.name == MANAGEMENT {
            nics.push(management(root, pin, nic, alarms));
            continue;
        }
        let family = families::of(nic, pin.kernel_driver.as_deref());
        let wish = wishes.get(&pin.name).copied();
        let shared = sharing(nic, &found, &named.pins, wishes);
        let decision = policy::decide(&pin.name, &shared, family, offers, wish);
        nics.push(bound(root, pin, nic, decision, alarms));
    }
    nics.sort_by_key(|nic| pins::order(&nic.name));
    nics
}

/// The pins of the last boot; a file that cannot be read is like none, and said.
fn old_pins(root: &Root, alarms: &mut Vec<Alarm>) -> Pins {
    match files::read_json(&root.path(PINS_FILE)) {
        Ok(pins) => pins.unwrap_or_default(),
        Err(error) => {
            let text = format!("names of NICs are given anew: {error}");
            alarms.push(alarm(Severity::Major, "interfaces", text));
            Pins::default()
        }
    }
}

/// The NICs as soon as each has its interface: at an early or busy moment of the boot their drivers are still being loaded.
fn awaited(root: &Root) -> Result<Vec<Found>, Error> {
    let deadline = Instant::now() + DRIVERS_WAIT;
    loop {
        let found = inventory::find(root)?;
        let with_us = |nic: &Found| nic.driver.as_deref().is_some_and(is_userspace);
        let mut bare = found
            .iter()
            .filter(|nic| nic.kernel_device.is_none() && !with_us(nic))
            .peekable();
        if bare.peek().is_none() || !root.is_live() || Instant::now() >= deadline {
            return Ok(found);
        }
        bare.for_each(|nic| drivers::load_for(root, nic.pci));
        std::thread::sleep(drivers::INTERFACE_STEP);
    }
}

/// The NICs. One that is with a driver of user space and has no pin goes back to the kernel, which knows its address.
fn find(root: &Root, old: &Pins) -> Result<Vec<Found>, Error> {
    let found = awaited(root)?;
    let is_pinned = |nic: &Found| old.nics.iter().any(|pin| pin.pci == nic.pci);
    let with_us = |nic: &Found| nic.driver.as_deref().is_some_and(is_userspace);
    let strange: Vec<&Found> = found
        .iter()
        .filter(|nic| with_us(nic) && !is_pinned(nic))
        .collect();
    if strange.is_empty() {
        return Ok(found);
    }
    for nic in strange {
        drivers::release(root, nic.pci)?;
    }
    inventory::find(root)
}

/// The NIC with those of its IOMMU group that stay with the kernel: such a group cannot be given away.
fn sharing(
    nic: &Found,
    found: &[Found],
    pins: &Pins,
    wishes: &BTreeMap<String, DriverWish>,
) -> Found {
    let mut nic = nic.clone();
    let stays = |other: &Found| {
        let pin = pins.nics.iter().find(|pin| pin.pci == other.pci);
        let pinned = pin.and_then(|pin| pin.kernel_driver.as_deref());
        let name = pin.map_or(MANAGEMENT, |pin| pin.name.as_str());
        name == MANAGEMENT
            || wishes.get(name) == Some(&DriverWish::Kernel)
            || families::of(other, pinned).way != Way::Alone
    };
    let others = found.iter().filter(|other| {
        other.pci != nic.pci && other.iommu_group.is_some() && other.iommu_group == nic.iommu_group
    });
    nic.group_users
        .extend(others.filter(|other| stays(other)).map(|other| other.pci));
    nic
}

/// A name whose NIC is gone.
fn absent(pin: &Pin) -> Nic {
    Nic {
        name: pin.name.clone(),
        pci: None,
        mac: pin.mac,
        vendor: pin.vendor,
        device: pin.device,
        model: String::new(),
        iommu_group: None,
        numa_node: None,
        driver_before: None,
        driver: None,
        kernel_device: None,
        binding: Binding::Absent,
        reason: format!("it was at {} when it was last there", pin.pci),
    }
}

/// The management NIC: with its kernel driver, and called by its name in the kernel too.
fn management(root: &Root, pin: &Pin, nic: &Found, alarms: &mut Vec<Alarm>) -> Nic {
    let mut now = described(pin, nic);
    now.binding = Binding::Management;
    now.reason = "the management NIC stays with the kernel".to_owned();
    if nic.driver.as_deref().is_some_and(is_userspace) {
        let outcome = drivers::release(root, nic.pci).and_then(|()| inventory::find(root));
        match outcome {
            Ok(again) => {
                let again = again.iter().find(|other| other.pci == nic.pci);
                now.driver = again.and_then(|nic| nic.driver.clone());
                now.kernel_device = again.and_then(|nic| nic.kernel_device.clone());
            }
            Err(error) => alarms.push(alarm(Severity::Major, MANAGEMENT, error.to_string())),
        }
    }
    match now.kernel_device.as_deref() {
        Some(MANAGEMENT) => {}
        Some(device) if root.is_live() => match drivers::rename(device, MANAGEMENT) {
            Ok(()) => now.kernel_device = Some(MANAGEMENT.to_owned()),
            Err(error) => alarms.push(alarm(Severity::Major, MANAGEMENT, error.to_string())),
        },
        Some(_) => {}
        None => {
            now.reason = "the kernel has no driver for it".to_owned();
            let text = format!(
                "there is no management interface: the kernel has no driver for the NIC at {}",
                nic.pci
            );
            alarms.push(alarm(Severity::Major, MANAGEMENT, text));
        }
    }
    now
}

/// A port, bound as decided; when that fails, the kernel's interface must do.
fn bound(root: &Root, pin: &Pin, nic: &Found, decision: Decision, alarms: &mut Vec<Alarm>) -> Nic {
    let mut now = described(pin, nic);
    now.binding = decision.binding;
    now.reason = decision.reason;
    alarms.extend(decision.alarm);
    let with_kernel = matches!(
        decision.binding,
        Binding::AfPacket | Binding::Bifurcated | Binding::Unusable
    );
    let outcome = if with_kernel {
        Ok(())
    } else {
        drivers::bind(root, nic.pci, decision.binding).and_then(|()| rights::grant(root, nic.pci))
    };
    // Names and drivers are other ones now.
    if let Ok(again) = inventory::find(root)
        && let Some(again) = again.into_iter().find(|other| other.pci == nic.pci)
    {
        now.driver = again.driver;
        now.kernel_device = again.kernel_device;
    }
    if let Err(error) = outcome {
        now.binding = match now.kernel_device {
            Some(_) => Binding::AfPacket,
            None => Binding::Unusable,
        };
        now.reason = format!("{} was chosen, but {error}", decision.binding);
        alarms.push(alarm(Severity::Major, &pin.name, now.reason.clone()));
    }
    now
}

/// What is known before anything is decided.
fn described(pin: &Pin, nic: &Found) -> Nic {
    Nic {
        name: pin.name.clone(),
        pci: Some(nic.pci),
        mac: nic.mac.or(pin.mac),
        vendor: nic.vendor,
        device: nic.device,
        model: families::of(nic, pin.kernel_driver.as_deref())
            .name
            .to_owned(),
        iommu_group: nic.iommu_group,
        numa_node: nic.numa_node,
        driver_before: nic.driver.clone(),
        driver: nic.driver.clone(),
        kernel_device: nic.kernel_device.clone(),
        binding: Binding::Unusable,
        reason: String::new(),
    }
}

fn alarm(severity: Severity, subject: &str, text: String) -> Alarm {
    Alarm {
        severity,
        subject: subject.to_owned(),
        text,
    }
}
