//! Kinds of NICs and crypto devices: what they are called, and what DPDK can do with them.

use super::inventory::Found;

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// For people.
    pub name: &'static str,
    /// How DPDK drives it.
    pub way: Way,
}

/// How DPDK drives a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Alone, by a driver that gives it to user space.
    Alone,
    /// Beside its kernel driver.
    Bifurcated,
    /// Alone and for ciphers, which the CPU does as well: nothing is risked for it.
    Crypto,
    /// Not at all that we know.
    No,
}

const fn family(name: &'static str, way: Way) -> Family {
    Family { name, way }
}

const VIRTIO: u16 = 0x1af4;
const VMWARE: u16 = 0x15ad;
const INTEL: u16 = 0x8086;
const MELLANOX: u16 = 0x15b3;
const AMAZON: u16 = 0x1d0f;

/// Numbers of devices (vendor, devices, family); the source is DPDK's drivers, `drivers/net/*/`, `drivers/net/intel/*/` and
/// `drivers/common/qat/qat_device.c` of DPDK 24.11. Of QAT they are those that its guide lists as virtual functions: physical ones are
/// never given away.
const NUMBERS: &[(u16, &[u16], Family)] = &[
    (VIRTIO, &[0x1000, 0x1041], family("virtio", Way::Alone)),
    (VMWARE, &[0x07b0], family("vmxnet3", Way::Alone)),
    (
        INTEL,
        &[0x10ca, 0x152d, 0x1520, 0x152f],
        family("igb virtual function", Way::Alone),
    ),
    (
        INTEL,
        &[
            0x10ed, 0x152e, 0x1515, 0x1530, 0x1564, 0x1565, 0x15a8, 0x15a9, 0x15b4, 0x15c4, 0x15c5,
        ],
        family("ixgbe virtual function", Way::Alone),
    ),
    (
        INTEL,
        &[0x154c, 0x1571, 0x37cd, 0x1889],
        family("adaptive virtual function", Way::Alone),
    ),
    (
        AMAZON,
        &[0x0ec2, 0x1ec2, 0xec20, 0xec21],
        family("elastic network adapter", Way::Alone),
    ),
    (
        MELLANOX,
        &[
            0x1013, 0x1015, 0x1017, 0x1019, 0x101b, 0x101d, 0x101f, 0x1021, 0x1023, 0xa2d2, 0xa2d6,
            0xa2dc,
        ],
        family("ConnectX", Way::Bifurcated),
    ),
    (
        MELLANOX,
        &[0x1014, 0x1016, 0x1018, 0x101a, 0x101c, 0x101e, 0xa2d3],
        family("ConnectX virtual function", Way::Bifurcated),
    ),
    (
        INTEL,
        &[0x0443],
        family("QAT DH895xCC virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x37c9],
        family("QAT C62x virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x19e3],
        family("QAT C3xxx virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x18ef],
        family("QAT 200xx virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x6f55],
        family("QAT D15xx virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x18a1],
        family("QAT C4xxx virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x4941, 0x4943, 0x4945],
        family("QAT 4xxx virtual function", Way::Crypto),
    ),
    (
        INTEL,
        &[0x4947],
        family("QAT 420xx virtual function", Way::Crypto),
    ),
];

/// Kernel drivers, for devices of the large families whose numbers are many.
const DRIVERS: &[(&str, Family)] = &[
    ("e1000", family("e1000", Way::Alone)),
    ("e1000e", family("e1000e", Way::Alone)),
    ("igb", family("igb", Way::Alone)),
    ("igc", family("igc", Way::Alone)),
    ("ixgbe", family("ixgbe", Way::Alone)),
    ("i40e", family("i40e", Way::Alone)),
    ("ice", family("ice", Way::Alone)),
    ("mlx5_core", family("ConnectX", Way::Bifurcated)),
];

/// The kind of a NIC, by its number, else by the kernel driver that it has or had (`pinned`, when its driver is one of ours).
pub fn of(nic: &Found, pinned: Option<&str>) -> Family {
    if let Some(family) = by_number(nic.vendor, nic.device) {
        return family;
    }
    let drivers = [nic.driver.as_deref(), pinned];
    let known = drivers.into_iter().flatten().find_map(|driver| {
        let row = DRIVERS.iter().find(|(name, _)| *name == driver);
        row.map(|(_, family)| *family)
    });
    known.unwrap_or(family("Ethernet", Way::No))
}

/// The kind of a crypto device; none for everything else.
pub fn of_crypto(vendor: u16, device: u16) -> Option<Family> {
    by_number(vendor, device).filter(|family| family.way == Way::Crypto)
}

fn by_number(vendor: u16, device: u16) -> Option<Family> {
    let mut rows = NUMBERS.iter();
    let row = rows.find(|row| row.0 == vendor && row.1.contains(&device));
    row.map(|(_, _, family)| *family)
}

#[cfg(test)]
mod tests;
