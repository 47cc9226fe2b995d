//! At a first boot only: waits until the disks have appeared that the machine has. A machine with a configuration waits for nothing.
//!
//! Drivers are loaded by udev, so its queue is waited for. A USB disk comes a second after its driver: as long as there is a storage
//! interface without a disk, a little longer.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::root::Root;

/// For drivers: a machine with many controllers takes ten seconds; the unit may take a minute.
const UDEV_PATIENCE_S: u32 = 30;
/// For disks behind a USB interface.
const USB_PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(250);
const USB: &str = "/sys/bus/usb/devices";
/// The class of storage interfaces, as sysfs writes it.
const STORAGE: &str = "08";
/// From an interface to its disks: `host0/target0:0:0/0:0:0:0/block`.
const DEPTH: u32 = 4;

/// Waits. Recorded machines are as they are.
pub fn wait(root: &Root) {
    if root.path("/") != Path::new("/") {
        return;
    }
    let timeout = format!("--timeout={UDEV_PATIENCE_S}");
    match Command::new("udevadm").args(["settle", &timeout]).status() {
        Ok(status) if status.success() => {}
        Ok(status) => log::warn!("udevadm settle: {status}"),
        Err(error) => log::warn!("udevadm: {error}"),
    }
    let until = Instant::now() + USB_PATIENCE;
    while awaits_disk(root) && Instant::now() < until {
        thread::sleep(STEP);
    }
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
