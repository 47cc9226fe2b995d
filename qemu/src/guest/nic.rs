//! NICs of a guest: model, address, and what they are connected to.

use super::line::escape;
use crate::Link;
use std::path::PathBuf;

/// Models of NICs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NicModel {
    /// virtio-net at PCI Express.
    Virtio {
        /// Pairs of queues; more than one needs a TAP device.
        queues: u16,
        /// Its memory accesses go through the IOMMU, if the guest has one; without legacy interface.
        iommu: bool,
    },
    /// VMware's, as on ESXi.
    Vmxnet3,
    /// Intel 82576 with up to seven virtual functions, which the guest makes.
    Igb,
    /// Intel 82574L.
    E1000e,
}

/// What a NIC is connected to.
#[derive(Debug, Clone)]
pub enum Backend {
    /// Nothing; its carrier is there.
    Nothing,
    /// A [`Link`].
    Link(PathBuf),
    /// QEMU's own network with DHCP and NAT: TCP ports of the host's loopback lead to ports of the guest.
    User(Vec<(u16, u16)>),
    /// A TAP device that exists.
    Tap(String),
}

/// A NIC.
#[derive(Debug, Clone)]
pub struct Nic {
    model: NicModel,
    backend: Backend,
    mac: Option<[u8; 6]>,
}

impl NicModel {
    /// virtio-net with one pair of queues.
    pub const fn virtio() -> Self {
        Self::Virtio {
            queues: 1,
            iommu: false,
        }
    }

    /// virtio-net behind the IOMMU.
    pub const fn virtio_iommu() -> Self {
        Self::Virtio {
            queues: 1,
            iommu: true,
        }
    }
}

impl Nic {
    /// A NIC connected to nothing.
    pub fn new(model: NicModel) -> Self {
        Self {
            model,
            backend: Backend::Nothing,
            mac: None,
        }
    }

    /// Connected to a link.
    #[must_use]
    pub fn on(self, link: &Link) -> Self {
        self.backend(Backend::Link(link.socket().to_owned()))
    }

    /// Connected otherwise.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// With that address instead of the one made from the guest's name.
    #[must_use]
    pub fn mac(mut self, mac: [u8; 6]) -> Self {
        self.mac = Some(mac);
        self
    }

    /// Its address as NIC `number` of `guest`: locally administered, from QEMU's range, the guest's name and the number.
    pub(super) fn address(&self, guest: &str, number: usize) -> [u8; 6] {
        // FNV-1a.
        let hash = guest.bytes().fold(0x811c_9dc5_u32, |hash, octet| {
            (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
        });
        let [a, b, ..] = hash.to_be_bytes();
        self.mac
            .unwrap_or([0x52, 0x54, 0x00, a, b, (number & 0xff) as u8])
    }

    /// Arguments of NIC `number`; without `roms` the firmware does not boot from it.
    pub(super) fn arguments(&self, guest: &str, number: usize, roms: bool) -> Vec<String> {
        let mut arguments = self.netdev(number);
        let slot = 0x10 + number;
        let [a, b, c, d, e, f] = self.address(guest, number);
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let netdev = match self.backend {
            Backend::Nothing => String::new(),
            _ => format!(",netdev=net{number}"),
        };
        let rom = if roms { "" } else { ",romfile=" };
        let common = format!("id=nic{number},mac={mac}{netdev}{rom}");
        let mut device = |device: String| {
            arguments.push("-device".to_owned());
            arguments.push(device);
        };
        match self.model {
            NicModel::Virtio { queues, iommu } => {
                let modern = if iommu {
                    ",disable-legacy=on,iommu_platform=on"
                } else {
                    ""
                };
                let multiqueue = match queues {
                    0 | 1 => String::new(),
                    // One vector a queue, one for the configuration, one for the control queue.
                    _ => format!(",mq=on,vectors={}", 2 * queues + 2),
                };
                device(format!(
                    "virtio-net-pci,{common},addr={slot:#x}{modern}{multiqueue}"
                ));
            }
            NicModel::Vmxnet3 => device(format!("vmxnet3,{common},addr={slot:#x}")),
            NicModel::E1000e => device(format!("e1000e,{common},addr={slot:#x}")),
            NicModel::Igb => {
                device(format!(
                    "pcie-root-port,id=port{number},chassis={},addr={slot:#x}",
                    number + 1
                ));
                device(format!("igb,{common},bus=port{number}"));
            }
        }
        arguments
    }

    fn netdev(&self, number: usize) -> Vec<String> {
        let netdev = match &self.backend {
            Backend::Nothing => return vec![],
            Backend::Link(socket) => format!(
                "stream,id=net{number},server=off,addr.type=unix,addr.path={}",
                escape(&socket.to_string_lossy())
            ),
            Backend::User(forwards) => {
                let forward =
                    |(host, guest): &(u16, u16)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}");
                let forwards: String = forwards.iter().map(forward).collect();
                format!("user,id=net{number}{forwards}")
            }
            Backend::Tap(name) => {
                let queues = match self.model {
                    NicModel::Virtio { queues, .. } if queues > 1 => format!(",queues={queues}"),
                    _ => String::new(),
                };
                format!("tap,id=net{number},ifname={name},script=no,downscript=no{queues}")
            }
        };
        vec!["-netdev".to_owned(), netdev]
    }
}
