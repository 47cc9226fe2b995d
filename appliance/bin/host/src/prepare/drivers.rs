//! What the kernel offers to drive NICs and crypto devices with, and giving one to a driver by `driver_override`.
//!
//! It does *not* decide: that is [`super::policy`].

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use ravelin_ctl::host::{Binding, is_userspace};
use ravelin_types::PciAddress;

use super::policy::Offers;
use crate::error::Error;
use crate::root::Root;

/// Modules that bring the drivers; a kernel need not have any of them.
const MODULES: &[&str] = &["vfio-pci", "vfio_iommu_type1", "igb_uio", "uio_pci_generic"];
/// Switch of vfio that only exists when it was built with it.
const NO_IOMMU: &str = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
/// IOMMUs that the kernel uses; planed's unit is made by the same sign.
const IOMMUS: &str = "/sys/class/iommu";
/// Says `[none]` when programs may touch devices.
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
/// How long a kernel driver takes at most until the interface of its NIC is there.
const INTERFACE_WAIT: Duration = Duration::from_secs(3);
/// Between two looks for it.
pub const INTERFACE_STEP: Duration = Duration::from_millis(50);

/// Loads the modules that are there.
pub fn load_modules() {
    for module in MODULES {
        let outcome = run("modprobe", &["-q", module]);
        outcome.unwrap_or_else(|error| log::debug!("{error}"));
    }
}

/// Loads the modules for a NIC and for the virtio device behind it, as udev would: it may not have come so far.
pub fn load_for(root: &Root, pci: PciAddress) {
    let folder = root.path(format!("/sys/bus/pci/devices/{pci}"));
    let children = fs::read_dir(&folder).into_iter().flatten().flatten();
    let virtio = children.filter(|c| c.file_name().to_string_lossy().starts_with("virtio"));
    let folders = virtio.map(|child| child.path()).chain([folder.clone()]);
    for folder in folders {
        let alias = fs::read_to_string(folder.join("modalias")).unwrap_or_default();
        if !alias.trim().is_empty() {
            let outcome = run("modprobe", &["-q", alias.trim()]);
            outcome.unwrap_or_else(|error| log::debug!("{error}"));
        }
    }
}

/// What the kernel offers now.
pub fn offers(root: &Root, hugepages: bool) -> Offers {
    let has = |driver: &str| root.path("/sys/bus/pci/drivers").join(driver).is_dir();
    let lockdown = fs::read_to_string(root.path(LOCKDOWN)).unwrap_or_default();
    Offers {
        vfio_pci: has("vfio-pci"),
        no_iommu: root.path(NO_IOMMU).exists(),
        igb_uio: has("igb_uio"),
        uio_pci_generic: has("uio_pci_generic"),
        locked_down: lockdown.contains("[integrity]") || lockdown.contains("[confidentiality]"),
        hugepages,
        iommu: fs::read_dir(root.path(IOMMUS)).is_ok_and(|mut all| all.next().is_some()),
    }
}

/// Gives a device to the driver that `binding` wants; nothing to do for those that stay with the kernel.
///
/// # Errors
/// Names the driver and the device, or the file. The device is back with its kernel driver then, where it has one.
pub fn bind(root: &Root, pci: PciAddress, binding: Binding) -> Result<(), Error> {
    let driver = match binding {
        Binding::VfioPci | Binding::VfioNoIommu => "vfio-pci",
        Binding::IgbUio => "igb_uio",
        Binding::UioPciGeneric => "uio_pci_generic",
        _ => return Ok(()),
    };
    if binding == Binding::VfioNoIommu {
        write(root, NO_IOMMU, "1")?;
    }
    if driver_of(root, pci).as_deref() == Some(driver) {
        return Ok(());
    }
    let outcome = hand_over(root, pci, driver);
    if outcome.is_err() {
        release(root, pci)?;
    }
    outcome
}

fn hand_over(root: &Root, pci: PciAddress, driver: &str) -> Result<(), Error> {
    let folder = format!("/sys/bus/pci/devices/{pci}");
    write(root, &format!("{folder}/driver_override"), driver)?;
    unbind(root, pci)?;
    write(root, "/sys/bus/pci/drivers_probe", &pci.to_string())?;
    if driver_of(root, pci).as_deref() == Some(driver) {
        return Ok(());
    }
    Err(Error::NotBound {
        driver: driver.to_owned(),
        pci,
    })
}

/// Gives a device back to its kernel driver, and waits for the interface of a NIC.
///
/// # Errors
/// Names the file.
pub fn release(root: &Root, pci: PciAddress) -> Result<(), Error> {
    let folder = format!("/sys/bus/pci/devices/{pci}");
    // A line end clears it.
    write(root, &format!("{folder}/driver_override"), "\n")?;
    if driver_of(root, pci).is_some_and(|driver| is_userspace(&driver)) {
        unbind(root, pci)?;
    }
    write(root, "/sys/bus/pci/drivers_probe", &pci.to_string())?;
    let deadline = Instant::now() + INTERFACE_WAIT;
    while Instant::now() < deadline && driver_of(root, pci).is_some() {
        let found = super::inventory::find(root)?;
        let nic = found.iter().find(|nic| nic.pci == pci);
        if nic.is_none_or(|nic| nic.kernel_device.is_some()) {
            break;
        }
        std::thread::sleep(INTERFACE_STEP);
    }
    Ok(())
}

fn unbind(root: &Root, pci: PciAddress) -> Result<(), Error> {
    if driver_of(root, pci).is_none() {
        return Ok(());
    }
    let file = format!("/sys/bus/pci/devices/{pci}/driver/unbind");
    write(root, &file, &pci.to_string())
}

fn driver_of(root: &Root, pci: PciAddress) -> Option<String> {
    let link = root.path(format!("/sys/bus/pci/devices/{pci}/driver"));
    let target = fs::read_link(link).ok()?;
    target.file_name()?.to_str().map(str::to_owned)
}

fn write(root: &Root, file: &str, text: &str) -> Result<(), Error> {
    let path = root.path(file);
    fs::write(&path, text).map_err(|e| Error::file("write", &path, e))
}

/// Renames an interface of the kernel; it is down meanwhile.
///
/// # Errors
/// What `ip` says.
pub fn rename(device: &str, name: &str) -> Result<(), Error> {
    run("ip", &["link", "set", "dev", device, "down"])?;
    run("ip", &["link", "set", "dev", device, "name", name])
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Error> {
    let failed = |reason: String| Error::Command {
        command: format!("{program} {}", arguments.join(" ")),
        reason,
    };
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{} {}", output.status, said.trim())))
}
