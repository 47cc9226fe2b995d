//! Which NICs and crypto devices are there: functions of the PCI bus as sysfs shows them. Nothing is changed here.

use std::fs;
use std::path::{Path, PathBuf};

use ravelin_types::{Mac, PciAddress};

use super::families;
use crate::error::Error;
use crate::root::Root;

/// Functions of the bus.
const DEVICES: &str = "/sys/bus/pci/devices";
/// Class of Ethernet controllers: base class network, subclass Ethernet.
const ETHERNET: u32 = 0x02_00;
/// Class of bridges; they share groups with what is behind them and need no driver of their own.
const BRIDGE: u32 = 0x06;
/// Where configuration space tells the interrupt pin; 0 is none (PCI Local Bus 3.0, section 6.2.4).
const INTERRUPT_PIN: usize = 0x3d;
/// The feature by which a virtio device promises to go through the IOMMU (VIRTIO_F_ACCESS_PLATFORM; virtio 1.2, section 6).
const ACCESS_PLATFORM: usize = 33;
/// `addr_assign_type` of an address that the kernel made up: another one at the next boot.
const RANDOM_ADDRESS: &str = "1";

/// A NIC or a crypto device as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its place.
    pub pci: PciAddress,
    /// Vendor number.
    pub vendor: u16,
    /// Device number.
    pub device: u16,
    /// Its station address, when a kernel driver tells it and will tell the same at the next boot.
    pub mac: Option<Mac>,
    /// Its interface in the kernel.
    pub kernel_device: Option<String>,
    /// Its driver.
    pub driver: Option<String>,
    /// Its IOMMU group.
    pub iommu_group: Option<u32>,
    /// What else in that group a driver of the kernel uses: such a group cannot be given away.
    pub group_users: Vec<PciAddress>,
    /// It is in a group, but takes addresses past the IOMMU: a virtio device to whom its host did not tell otherwise.
    pub bypasses_iommu: bool,
    /// Its NUMA node.
    pub numa_node: Option<u32>,
    /// It has an interrupt line.
    pub has_line_interrupt: bool,
    /// It is a virtual function.
    pub is_virtual_function: bool,
}

/// All NICs, in the order of the bus.
///
/// # Errors
/// When there is a bus that cannot be read. No bus is no NIC.
pub fn find(root: &Root) -> Result<Vec<Found>, Error> {
    functions(root, is_nic)
}

/// All crypto devices, in the order of the bus.
///
/// # Errors
/// As [`find`].
pub fn find_crypto(root: &Root) -> Result<Vec<Found>, Error> {
    functions(root, is_crypto)
}

/// The functions of a kind, told by the folder of each.
fn functions(root: &Root, of_kind: fn(&Path) -> bool) -> Result<Vec<Found>, Error> {
    let folder = root.path(DEVICES);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", &folder, error)),
    };
    let mut found: Vec<Found> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| of_kind(folder))
        .filter_map(|folder| look(root, &folder))
        .collect();
    found.sort_by_key(|function| function.pci);
    Ok(found)
}

fn is_nic(folder: &Path) -> bool {
    class(folder).is_some_and(|class| class >> 8 == ETHERNET)
}

fn is_crypto(folder: &Path) -> bool {
    let numbers = (number(folder, "vendor"), number(folder, "device"));
    matches!(numbers, (Some(vendor), Some(device)) if families::of_crypto(vendor, device).is_some())
}

/// One function.
fn look(root: &Root, folder: &Path) -> Option<Found> {
    let pci: PciAddress = folder.file_name()?.to_str()?.parse().ok()?;
    let interface = interface(folder);
    let group = link_name(&folder.join("iommu_group")).and_then(|name| name.parse().ok());
    Some(Found {
        pci,
        vendor: number(folder, "vendor")?,
        device: number(folder, "device")?,
        mac: interface.as_deref().and_then(lasting_mac),
        kernel_device: interface.as_deref().and_then(name_of),
        driver: link_name(&folder.join("driver")),
        iommu_group: group,
        group_users: group.map_or_else(Vec::new, |_| group_users(root, folder, pci)),
        bypasses_iommu: group.is_some() && virtio(folder).any(|device| takes_any_address(&device)),
        numa_node: text(folder, "numa_node").and_then(|node| node.parse().ok()),
        has_line_interrupt: fs::read(folder.join("config"))
            .is_ok_and(|space| space.get(INTERRUPT_PIN).is_some_and(|pin| *pin != 0)),
        is_virtual_function: folder.join("physfn").exists(),
    })
}

/// The folder of the function's first kernel interface; that of virtio hangs below its virtio device.
fn interface(folder: &Path) -> Option<PathBuf> {
    let below = |folder: &Path| {
        let mut all: Vec<PathBuf> = fs::read_dir(folder.join("net"))
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        all.sort();
        all.into_iter().next()
    };
    below(folder).or_else(|| virtio(folder).find_map(|device| below(&device)))
}

/// The folders of the function's virtio devices, while the kernel drives it.
fn virtio(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let children = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = children.filter(|c| c.file_name().to_string_lossy().starts_with("virtio"));
    named.map(|child| child.path())
}

/// Whether a virtio device goes past the IOMMU. Its features are a digit each, from the lowest on.
fn takes_any_address(device: &Path) -> bool {
    text(device, "features").is_some_and(|bits| bits.as_bytes().get(ACCESS_PLATFORM) == Some(&b'0'))
}

/// The address of an interface, unless the kernel made it up.
fn lasting_mac(interface: &Path) -> Option<Mac> {
    if text(interface, "addr_assign_type").as_deref() == Some(RANDOM_ADDRESS) {
        return None;
    }
    let mac: Mac = text(interface, "address")?.parse().ok()?;
    mac.is_station().then_some(mac)
}

/// Members of the function's IOMMU group that have a driver, except bridges and what is given to planed too.
fn group_users(root: &Root, folder: &Path, own: PciAddress) -> Vec<PciAddress> {
    let Ok(members) = fs::read_dir(folder.join("iommu_group/devices")) else {
        return Vec::new();
    };
    let used = |member: PciAddress| {
        let folder = root.path(DEVICES).join(member.to_string());
        let is_bridge = class(&folder).is_some_and(|class| class >> 16 == BRIDGE);
        let passive = is_bridge || is_nic(&folder) || is_crypto(&folder);
        !passive && folder.join("driver").exists()
    };
    let mut users: Vec<PciAddress> = members
        .flatten()
        .filter_map(|member| member.file_name().to_str()?.parse().ok())
        .filter(|member| *member != own && used(*member))
        .collect();
    users.sort();
    users
}

/// The class: base, sub, programming interface, an octet each.
fn class(folder: &Path) -> Option<u32> {
    let text = text(folder, "class")?;
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn number(folder: &Path, file: &str) -> Option<u16> {
    u16::from_str_radix(text(folder, file)?.strip_prefix("0x")?, 16).ok()
}

fn text(folder: &Path, file: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(file)).ok()?;
    Some(text.trim().to_owned())
}

fn name_of(path: &Path) -> Option<String> {
    path.file_name()?.to_str().map(str::to_owned)
}

/// The name that a symbolic link leads to.
fn link_name(path: &Path) -> Option<String> {
    name_of(&fs::read_link(path).ok()?)
}
