//! At a first boot only: sees to it that the disks have appeared that the machine has. A machine with a configuration waits for
//! nothing.
//!
//! The drivers of storage are loaded here as udev would, for udev may be half a minute behind on a busy host. A disk behind a bus
//! appears after its bus, so that is repeated until nothing new comes, and a little longer as long as there is a USB storage
//! interface without a disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::root::Root;

/// For all of it: a USB disk comes a second or two after its driver.
const PATIENCE: Duration = Duration::from_secs(8);
const STEP: Duration = Duration::from_millis(250);
/// Buses whose devices say what drives them.
const BUSES: &[&str] = &["pci", "usb", "scsi", "virtio"];
const USB: &str = "/sys/bus/usb/devices";
/// The class of storage interfaces, as sysfs writes it.
const STORAGE: &str = "08";
/// Names of drivers that storage may need: PCI storage and USB controllers, USB storage and hubs, SCSI, virtio disks.
const WANTED: &[(&str, &str)] = &[
    ("pci:", "bc01"),
    ("pci:", "bc0Csc03"),
    ("usb:", "ic08"),
    ("scsi:", ""),
    ("virtio:", "d00000002"),
    ("virtio:", "d00000008"),
];
/// From an interface to its disks: `host0/target0:0:0/0:0:0:0/block`.
const DEPTH: u32 = 4;

/// Waits. Recorded machines are as they are.
pub fn wait(root: &Root) {
    if root.path("/") != Path::new("/") {
        return;
    }
    let until = Instant::now() + PATIENCE;
    let mut loaded = BTreeSet::new();
    loop {
        let fresh: Vec<String> = drivers(root).difference(&loaded).cloned().collect();
        if !fresh.is_empty() {
            load(&fresh);
            loaded.extend(fresh);
        } else if !awaits_disk(root) {
            return;
        }
        if Instant::now() >= until {
            return;
        }
        thread::sleep(STEP);
    }
}

/// Loads drivers; what has none, or one in the kernel, is passed over.
fn load(aliases: &[String]) {
    let status = Command::new("modprobe").arg("-abq").args(aliases).status();
    if let Err(error) = status {
        log::warn!("modprobe: {error}");
    }
}

/// What the devices of storage are driven by.
fn drivers(root: &Root) -> BTreeSet<String> {
    let wanted = |alias: &String| {
        let mut kinds = WANTED.iter();
        kinds.any(|(bus, class)| alias.starts_with(bus) && alias.contains(class))
    };
    let folders = BUSES
        .iter()
        .map(|bus| root.path(format!("/sys/bus/{bus}/devices")));
    let devices = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let aliases = devices.filter_map(|device| {
        let alias = fs::read_to_string(device.path().join("modalias")).ok()?;
        Some(alias.trim().to_owned())
    });
    aliases.filter(wanted).collect()
}

/// Whether a USB storage interface has no disk yet.
fn awaits_disk(root: &Root) -> bool {
    let interfaces = fs::read_dir(root.path(USB)).into_iter().flatten().flatten();
    interfaces.map(|entry| entry.path()).any(|interface| {
        let class = fs::read_to_string(interface.join("bInterfaceClass"));
        class.is_ok_and(|class| class.trim() == STORAGE) && !has_disk(&interface, DEPTH)
    })
}

fn has_disk(folder: &Path, depth: u32) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.any(|entry| {
        entry.file_name() == "block" || (depth > 1 && has_disk(&entry.path(), depth - 1))
    })
}

#[cfg(test)]
mod tests;
