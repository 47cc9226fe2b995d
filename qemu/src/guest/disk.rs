//! Disks and media of a guest.

use super::line::escape;
use crate::process::run;
use crate::{Lab, Result, VmError};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskBus {
    /// virtio-blk.
    Virtio,
    /// VMware's paravirtual SCSI.
    PvScsi,
    /// AHCI.
    Sata,
    /// A CD drive at the AHCI controller.
    Cd,
    /// A USB stick.
    Usb,
    /// NVMe.
    Nvme,
}

/// A disk or medium.
#[derive(Debug, Clone)]
pub struct Disk {
    source: PathBuf,
    bus: DiskBus,
    writable: bool,
    /// Where the layer is, if it stays.
    kept: Option<PathBuf>,
    size_mib: Option<u64>,
}

/// A disk as QEMU opens it.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    file: PathBuf,
    format: &'static str,
    bus: DiskBus,
    writable: bool,
}

impl Disk {
    /// A disk that begins as a copy of `image` (raw, qcow2 or vmdk by its name); what the guest writes goes to a layer.
    pub fn overlay(image: &Path) -> Self {
        Self {
            source: image.to_owned(),
            bus: DiskBus::Virtio,
            writable: true,
            kept: None,
            size_mib: None,
        }
    }

    /// A disk whose layer is the file `layer` and stays; it is made if it is not there.
    pub fn kept(image: &Path, layer: &Path) -> Self {
        Self {
            kept: Some(layer.to_owned()),
            ..Self::overlay(image)
        }
    }

    /// A CD.
    pub fn cd(image: &Path) -> Self {
        Self {
            bus: DiskBus::Cd,
            writable: false,
            ..Self::overlay(image)
        }
    }

    /// A disk that cannot be written to.
    pub fn read_only(image: &Path) -> Self {
        Self {
            writable: false,
            ..Self::overlay(image)
        }
    }

    /// At another bus than virtio.
    #[must_use]
    pub fn bus(mut self, bus: DiskBus) -> Self {
        self.bus = bus;
        self
    }

    /// Larger than its image.
    #[must_use]
    pub fn size_mib(mut self, size_mib: u64) -> Self {
        self.size_mib = Some(size_mib);
        self
    }

    /// Makes the layer, `number` of `guest`.
    pub(super) fn open(&self, lab: &Lab, guest: &str, number: usize) -> Result<Opened> {
        let source = self
            .source
            .canonicalize()
            .map_err(|e| VmError::io(format!("{guest}: disk {}", self.source.display()), e))?;
        let format = format_of(&source);
        let mut opened = Opened {
            file: source.clone(),
            format,
            bus: self.bus,
            writable: self.writable,
        };
        if self.writable {
            let layer = lab.disks().join(format!("{guest}-{number}.qcow2"));
            opened.file = self.kept.clone().unwrap_or(layer);
            opened.format = "qcow2";
        }
        if self.writable && !opened.file.exists() {
            let mut command = Command::new("qemu-img");
            command.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]);
            command.arg(&source).arg(&opened.file);
            command.args(self.size_mib.map(|size| format!("{size}M")));
            run(&mut command)?;
        }
        Ok(opened)
    }
}

impl DiskBus {
    /// A CD drive for an ISO, virtio for anything else.
    pub fn of_medium(file: &Path) -> Self {
        match file.extension() {
            Some(extension) if extension == "iso" => Self::Cd,
            _ => Self::Virtio,
        }
    }
}

fn format_of(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("qcow2") => "qcow2",
        Some("vmdk") => "vmdk",
        _ => "raw",
    }
}

impl Opened {
    /// Arguments for disk `number`; the first is what the guest boots from.
    pub(super) fn arguments(&self, number: usize) -> Vec<String> {
        let (file, format) = (escape(&self.file.to_string_lossy()), self.format);
        let read_only = if self.writable { "off" } else { "on" };
        let mut arguments = vec![
            "-blockdev".to_owned(),
            format!(
                "driver={format},node-name=disk{number},read-only={read_only},discard=unmap,file.driver=file,file.filename={file}"
            ),
        ];
        let slot = 2 + number;
        let serial = format!("disk{number}");
        let mut device = |device: String| {
            arguments.push("-device".to_owned());
            arguments.push(device);
        };
        let drive = format!("drive=disk{number},bootindex={number}");
        match self.bus {
            DiskBus::Virtio => device(format!(
                "virtio-blk-pci,{drive},serial={serial},addr={slot:#x}"
            )),
            DiskBus::Nvme => device(format!("nvme,{drive},serial={serial},addr={slot:#x}")),
            DiskBus::PvScsi => {
                device(format!("pvscsi,id=scsi{number},addr={slot:#x}"));
                device(format!(
                    "scsi-hd,bus=scsi{number}.0,{drive},serial={serial}"
                ));
            }
            DiskBus::Sata => device(format!("ide-hd,bus=ide.{number},{drive},serial={serial}")),
            DiskBus::Cd => device(format!("ide-cd,bus=ide.{number},{drive}")),
            DiskBus::Usb => {
                device(format!("qemu-xhci,id=usb{number},addr={slot:#x}"));
                device(format!(
                    "usb-storage,bus=usb{number}.0,{drive},removable=on"
                ));
            }
        }
        arguments
    }
}
