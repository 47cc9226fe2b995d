//! The command line of a guest.

use super::disk::Opened;
use super::{Firmware, GuestPlan};
use crate::{Accel, Result, VmError};
use std::path::{Path, PathBuf};

/// Debian's OVMF: code that is shared, and variables of which each guest gets a copy.
pub(super) const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
pub(super) const OVMF_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// A value in an option list of QEMU: a comma is doubled.
pub(super) fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

/// Where the parts of a guest are.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) serial: PathBuf,
    pub(super) monitor: PathBuf,
    /// Sockets of the virtio-serial ports.
    pub(super) channels: Vec<PathBuf>,
    pub(super) variables: Option<PathBuf>,
    pub(super) disks: Vec<Opened>,
}

/// Arguments of QEMU.
pub(super) fn arguments(plan: &GuestPlan, accel: Accel, places: &Places) -> Result<Vec<String>> {
    if plan.nics.len() > super::MAX_NICS {
        let text = format!("{}: {} NICs are too many", plan.name, plan.nics.len());
        return Err(VmError::Unexpected(text));
    }
    let mut list: Vec<String> = vec![];
    let mut add = |words: &[&str]| list.extend(words.iter().map(|&word| word.to_owned()));
    add(&["-name", &plan.name, "-nodefaults", "-no-user-config"]);
    add(&["-machine", &format!("q35{}", accel.machine())]);
    add(&accel.arguments());
    add(&["-smp", &plan.cpus.to_string()]);
    add(&["-m", &plan.memory_mib.to_string()]);
    add(&["-rtc", "base=utc", "-display", "none"]);
    add(&["-device", "VGA,addr=0x1"]);
    if let (Firmware::Uefi, Some(variables)) = (plan.firmware, &places.variables) {
        let flash = |file: &Path, read_only: &str| {
            let file = escape(&file.to_string_lossy());
            format!("if=pflash,format=raw,readonly={read_only},file={file}")
        };
        add(&["-drive", &flash(Path::new(OVMF_CODE), "on")]);
        add(&["-drive", &flash(variables, "off")]);
    }
    // Before the devices that are behind it.
    if plan.iommu {
        add(&["-device", "intel-iommu,intremap=on,caching-mode=on"]);
    }
    add(&["-chardev", &socket("serial0", &places.serial)]);
    add(&["-serial", "chardev:serial0"]);
    add(&["-chardev", &socket("qmp0", &places.monitor)]);
    add(&["-mon", "chardev=qmp0,mode=control"]);
    if !plan.channels.is_empty() {
        add(&["-device", "virtio-serial-pci,addr=0x1c"]);
    }
    let channels = plan.channels.iter().zip(&places.channels);
    for (number, (name, path)) in channels.enumerate() {
        let id = format!("channel{number}");
        add(&["-chardev", &socket(&id, path)]);
        let port = format!("virtserialport,chardev={id},name={}", escape(name));
        add(&["-device", &port]);
    }
    for value in &plan.smbios {
        add(&["-smbios", value]);
    }
    for (number, disk) in places.disks.iter().enumerate() {
        list.extend(disk.arguments(number));
    }
    for (number, nic) in plan.nics.iter().enumerate() {
        list.extend(nic.arguments(&plan.name, number, plan.network_boot));
    }
    list.extend(plan.extra.iter().cloned());
    Ok(list)
}

/// A character device that connects to a socket of ours.
fn socket(id: &str, path: &Path) -> String {
    let path = escape(&path.to_string_lossy());
    format!("socket,id={id},server=off,path={path}")
}
