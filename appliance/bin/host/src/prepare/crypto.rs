//! The crypto devices of this boot: found, decided, bound. They have no names but their places.
//!
//! One that cannot be used is no alarm: nobody may want it. When the configuration does, mgmtd says so.

use ravelin_ctl::host::{Binding, CryptoFunction, Nic};

use super::inventory::{self, Found};
use super::{drivers, families, policy, rights};
use crate::root::Root;

/// Does all of it, when the NICs are settled; returns the devices in the order of the bus.
pub fn settle(root: &Root, hugepages: bool, nics: &[Nic]) -> Vec<CryptoFunction> {
    let offers = drivers::offers(root, hugepages);
    // A bus that cannot be read is an alarm of the NICs.
    let found = inventory::find_crypto(root).unwrap_or_default();
    let mut devices: Vec<CryptoFunction> = found
        .iter()
        .filter_map(|device| {
            let family = families::of_crypto(device.vendor, device.device)?;
            let name = device.pci.to_string();
            let decision = policy::decide(&name, &beside(device, nics), family, offers, None);
            Some(bound(root, device, family.name, decision))
        })
        .collect();
    // Drivers are other ones now.
    for now in inventory::find_crypto(root).unwrap_or_default() {
        let device = devices.iter_mut().find(|device| device.pci == now.pci);
        if let Some(device) = device {
            device.driver = now.driver;
        }
    }
    devices
}

/// The device with those NICs of its IOMMU group that stay with the kernel: such a group cannot be given away.
fn beside(device: &Found, nics: &[Nic]) -> Found {
    let stays = |nic: &&Nic| nic.binding != Binding::VfioPci && nic.driver.is_some();
    let others = nics.iter().filter(stays);
    let in_group = others
        .filter(|nic| nic.iommu_group.is_some() && nic.iommu_group == device.iommu_group)
        .filter_map(|nic| nic.pci);
    let mut device = device.clone();
    device.group_users.extend(in_group);
    device
}

/// A device, bound as decided; when that fails, planed does without.
fn bound(root: &Root, device: &Found, model: &str, decision: policy::Decision) -> CryptoFunction {
    let policy::Decision {
        mut binding,
        mut reason,
        ..
    } = decision;
    if binding == Binding::VfioPci {
        let outcome = drivers::bind(root, device.pci, binding);
        if let Err(error) = outcome.and_then(|()| rights::grant(root, device.pci)) {
            reason = format!("{binding} was chosen, but {error}");
            binding = Binding::Unusable;
        }
    }
    CryptoFunction {
        pci: device.pci,
        vendor: device.vendor,
        device: device.device,
        model: model.to_owned(),
        iommu_group: device.iommu_group,
        numa_node: device.numa_node,
        driver_before: device.driver.clone(),
        driver: device.driver.clone(),
        binding,
        reason,
    }
}
