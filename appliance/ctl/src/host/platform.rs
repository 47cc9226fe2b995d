//! The machine as `ravelin-host prepare` found it, and what was decided for it.

use std::fmt;

use ravelin_types::{Mac, PciAddress};
use serde::{Deserialize, Serialize};

/// All of it; made once per boot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Platform {
    /// The machine.
    pub machine: Machine,
    /// What planed may use of it.
    pub plan: Plan,
    /// NICs by name: `fxp0` first, then ports by number.
    pub nics: Vec<Nic>,
    /// Crypto devices, in the order of the bus.
    #[serde(default)]
    pub crypto: Vec<CryptoFunction>,
    /// What is wrong, gravest first.
    pub alarms: Vec<Alarm>,
}

impl Platform {
    /// The NIC of this name.
    pub fn nic(&self, name: &str) -> Option<&Nic> {
        self.nics.iter().find(|nic| nic.name == name)
    }
}

/// What the firmware and the kernel say of the machine; texts are empty where they say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Who made it: `QEMU`, `VMware, Inc.`.
    pub vendor: String,
    /// Its model.
    pub product: String,
    /// Model of its processors.
    pub processor: String,
    /// Processors (vCPUs) online.
    pub processors: u32,
    /// Memory of the machine, MiB.
    pub memory_mib: u64,
    /// Release of the kernel.
    pub kernel: String,
}

/// What planed may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Threads that move packets.
    pub workers: u32,
    /// Memory for packets, MiB.
    pub packet_memory_mib: u32,
    /// Hugepages, of each size that was asked for.
    pub pages: Vec<Pages>,
    /// planed runs with ordinary pages: no PCI NIC can be driven by it, only kernel devices.
    pub ordinary_pages: bool,
    /// Why.
    pub reason: String,
}

/// Hugepages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pages {
    /// Size of one, KiB: 2,048 or 1,048,576.
    pub size_kib: u64,
    /// How many were asked for.
    pub wanted: u64,
    /// How many there are.
    pub reserved: u64,
}

/// A NIC, or a name kept for one that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// `fxp0` or `ge-0/0/N`.
    pub name: String,
    /// Its place; `None` when it is gone.
    pub pci: Option<PciAddress>,
    /// Its station address, when it has a lasting one.
    pub mac: Option<Mac>,
    /// Vendor number.
    pub vendor: u16,
    /// Device number.
    pub device: u16,
    /// What that is: `virtio`, `vmxnet3`, `igb virtual function`.
    pub model: String,
    /// IOMMU group.
    pub iommu_group: Option<u32>,
    /// NUMA node, when the machine has several.
    pub numa_node: Option<u32>,
    /// Driver that it had at boot.
    pub driver_before: Option<String>,
    /// Driver that it has now.
    pub driver: Option<String>,
    /// Its interface in the kernel, when it has one now.
    pub kernel_device: Option<String>,
    /// How it is driven.
    pub binding: Binding,
    /// Why so.
    pub reason: String,
}

impl Nic {
    /// What planed opens as the port: a PCI address or a virtual device; `None` for the management NIC and for what cannot be used.
    pub fn plane_device(&self) -> Option<String> {
        match self.binding {
            Binding::VfioPci
            | Binding::VfioNoIommu
            | Binding::IgbUio
            | Binding::UioPciGeneric
            | Binding::Bifurcated => self.pci.map(|pci| pci.to_string()),
            Binding::AfPacket => {
                let device = self.kernel_device.as_deref()?;
                Some(format!("net_af_packet_{device},iface={device}"))
            }
            Binding::Management | Binding::Unusable | Binding::Absent => None,
        }
    }
}

/// A crypto device on the PCI bus: a virtual function of QAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoFunction {
    /// Its place, by which the configuration names it.
    pub pci: PciAddress,
    /// Vendor number.
    pub vendor: u16,
    /// Device number.
    pub device: u16,
    /// What that is: `QAT C62x virtual function`.
    pub model: String,
    /// IOMMU group.
    pub iommu_group: Option<u32>,
    /// NUMA node, when the machine has several.
    pub numa_node: Option<u32>,
    /// Driver that it had at boot.
    pub driver_before: Option<String>,
    /// Driver that it has now.
    pub driver: Option<String>,
    /// How it is driven: by [`Binding::VfioPci`], or not at all.
    pub binding: Binding,
    /// Why so.
    pub reason: String,
}

/// Whether a driver of the kernel gives its devices to user space.
pub fn is_userspace(driver: &str) -> bool {
    matches!(driver, "vfio-pci" | "igb_uio" | "uio_pci_generic")
}

/// How a device is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// By the kernel, for management; never by planed.
    Management,
    /// By planed through vfio-pci, guarded by an IOMMU.
    VfioPci,
    /// By planed through vfio-pci without an IOMMU.
    VfioNoIommu,
    /// By planed through igb_uio.
    IgbUio,
    /// By planed through uio_pci_generic.
    UioPciGeneric,
    /// By planed beside its kernel driver, which shares it.
    Bifurcated,
    /// By the kernel; planed takes packets from its interface. The last resort: slow.
    AfPacket,
    /// By nothing.
    Unusable,
    /// It is not there.
    Absent,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Binding::Management => "management",
            Binding::VfioPci => "vfio-pci",
            Binding::VfioNoIommu => "vfio-pci without IOMMU",
            Binding::IgbUio => "igb-uio",
            Binding::UioPciGeneric => "uio-pci-generic",
            Binding::Bifurcated => "kernel driver, shared",
            Binding::AfPacket => "kernel",
            Binding::Unusable => "unusable",
            Binding::Absent => "absent",
        })
    }
}

/// `interfaces ge-0/0/N driver`: what the operator wants instead of the policy's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriverWish {
    /// vfio-pci, with or without an IOMMU.
    VfioPci,
    /// uio_pci_generic.
    UioPciGeneric,
    /// igb_uio.
    IgbUio,
    /// The kernel's, shared by AF_PACKET.
    Kernel,
}

impl DriverWish {
    /// What meets it, best first.
    pub fn bindings(self) -> &'static [Binding] {
        match self {
            Self::VfioPci => &[Binding::VfioPci, Binding::VfioNoIommu],
            Self::UioPciGeneric => &[Binding::UioPciGeneric],
            Self::IgbUio => &[Binding::IgbUio],
            Self::Kernel => &[Binding::Bifurcated, Binding::AfPacket],
        }
    }

    /// As the configuration writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "vfio-pci" => Self::VfioPci,
            "uio-pci-generic" => Self::UioPciGeneric,
            "igb-uio" => Self::IgbUio,
            "kernel" => Self::Kernel,
            _ => return None,
        })
    }
}

/// Something that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// How grave it is.
    pub severity: Severity,
    /// What it is about: `ge-0/0/1`, `hugepages`.
    pub subject: String,
    /// One sentence with the cause and, where there is one, the remedy.
    pub text: String,
}

/// How grave an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something does not work.
    Major,
    /// Something works less well than it could.
    Minor,
}
