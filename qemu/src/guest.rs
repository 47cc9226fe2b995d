//! One virtual machine: how it is described ([`GuestPlan`]), and how it is run ([`Guest`]).
//!
//! The machine is `q35` with everything named: no default devices, fixed PCI slots, MAC addresses from the guest's name, so
//! that two starts, and two runs, give the same machine. NICs are at `00:10.0`, `00:11.0` and so on in the order in which
//! they are named; an `igb` is behind a root port of that slot, since its virtual functions need a bus of their own.
//!
//! Serial console and monitor are Unix sockets of the lab. The disk is a copy-on-write layer: the image is never
//! written to. The layer outlives a power cut and goes with the [`Guest`].

mod disk;
mod forward;
mod line;
mod nic;
mod running;

pub use disk::{Disk, DiskBus};
pub use nic::{Backend, Nic, NicModel};
pub use running::Guest;

use crate::{Accel, Lab, Result};
use std::path::Path;

/// The emulator.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// Most NICs of a guest: slots 0x10 to 0x1b.
pub const MAX_NICS: usize = 12;

/// What the machine starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Firmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// OVMF without secure boot, with variables of the guest's own.
    Uefi,
}

/// The description of a guest, made by [`Guest::named`].
#[derive(Debug, Clone)]
pub struct GuestPlan {
    name: String,
    firmware: Firmware,
    accel: Option<Accel>,
    cpus: u32,
    memory_mib: u32,
    disks: Vec<Disk>,
    nics: Vec<Nic>,
    iommu: bool,
    network_boot: bool,
    smbios: Vec<String>,
    channels: Vec<String>,
    extra: Vec<String>,
}

impl GuestPlan {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            firmware: Firmware::Bios,
            accel: None,
            cpus: 1,
            memory_mib: 1024,
            disks: vec![],
            nics: vec![],
            iommu: false,
            network_boot: false,
            smbios: vec![],
            channels: vec![],
            extra: vec![],
        }
    }

    /// The firmware; a BIOS unless told.
    #[must_use]
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// The accelerator; the best that works unless told ([`Accel::choose`]).
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> Self {
        self.accel = Some(accel);
        self
    }

    /// Processors; one unless told.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// Memory; 1,024 MiB unless told.
    #[must_use]
    pub fn memory_mib(mut self, memory_mib: u32) -> Self {
        self.memory_mib = memory_mib;
        self
    }

    /// A disk that starts as that image: short for the ordinary [`Disk`].
    #[must_use]
    pub fn image(self, image: &Path) -> Self {
        self.disk(Disk::overlay(image))
    }

    /// Another disk or medium; the guest boots from the first.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// Another NIC.
    #[must_use]
    pub fn nic(mut self, nic: Nic) -> Self {
        self.nics.push(nic);
        self
    }

    /// With an IOMMU (Intel's, with remapping of interrupts). Virtio NICs are behind it when they say so.
    #[must_use]
    pub fn iommu(mut self) -> Self {
        self.iommu = true;
        self
    }

    /// NICs keep their boot ROMs, and the firmware tries them.
    #[must_use]
    pub fn network_boot(mut self) -> Self {
        self.network_boot = true;
        self
    }

    /// Serial number of the system, where cloud-init's `ds=` stands (SMBIOS type 1).
    #[must_use]
    pub fn smbios_serial(mut self, serial: &str) -> Self {
        self.smbios
            .push(format!("type=1,serial={}", line::escape(serial)));
        self
    }

    /// A string of the manufacturer (SMBIOS type 11).
    #[must_use]
    pub fn smbios_string(mut self, value: &str) -> Self {
        self.smbios
            .push(format!("type=11,value={}", line::escape(value)));
        self
    }

    /// A virtio-serial port, which the guest has as `/dev/virtio-ports/<name>` ([`Guest::take_channel`]).
    #[must_use]
    pub fn channel(mut self, name: &str) -> Self {
        self.channels.push(name.to_owned());
        self
    }

    /// Further arguments of QEMU, as they are.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.extra
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When a disk cannot be made, or QEMU does not start.
    pub fn start(self, lab: &Lab) -> Result<Guest> {
        Guest::start(self, lab, running::Serial::Console)
    }

    /// Starts it without a [`crate::Console`]: whoever calls reads the serial line ([`Guest::take_serial`]).
    ///
    /// # Errors
    /// As [`GuestPlan::start`].
    pub fn start_with_plain_serial(self, lab: &Lab) -> Result<Guest> {
        Guest::start(self, lab, running::Serial::Plain)
    }
}

#[cfg(test)]
mod tests;
