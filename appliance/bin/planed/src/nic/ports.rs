//! The data ports: opened when a configuration is prepared, given to the workers when it is applied, closed when it leaves them out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dpdk_rs::offload::RxOffloads;
use dpdk_rs::packet_ring::PacketSockets;
use dpdk_rs::{MacAddress, Mempool, Port, PortConfig as Shape, PortStats};
use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig};
use ravelin_tuntap::DeviceName;

use super::buffer::{Checksums, QueuePair, SharedTx};
use super::cutoff;
use super::environment::{Environment, ORDINARY_MTU_OCTETS};
use crate::error::Error;

/// Frames that the kernel keeps for an AF_PACKET port while its worker is not scheduled: 80 ms at 100,000 frames per second, for such
/// ports share their cores with everything else. 16 MiB, and as much again for the transmit ring, which the driver makes as deep.
const AF_PACKET_FRAMES: u32 = 8192;
/// The same for a port with jumbo frames, in as much memory. The driver takes the frames to follow each other without a gap, so a block
/// of whole pages is a multiple of the frame, which must be no longer than a jumbo buffer (DPDK, `rte_pmd_init_internals`).
const AF_PACKET_JUMBO_FRAMES: u32 = 1024;
const AF_PACKET_JUMBO_FRAME_OCTETS: u32 = 9_472;
const AF_PACKET_JUMBO_BLOCK_OCTETS: u32 = 16 * AF_PACKET_JUMBO_FRAME_OCTETS;

/// The driver whose devices, before their sixth version, take a power of two of queues only (DPDK, `vmxnet3_dev_configure`).
const POWERS_ONLY: &str = "net_vmxnet3";

/// An open port.
pub struct OpenPort {
    port: Port,
    /// The configured device.
    pub device: Device,
    /// Station address.
    pub mac: [u8; 6],
    /// IP MTU.
    pub mtu_octets: u16,
    /// Link as last seen.
    pub link_up: bool,
    interface: Option<DeviceName>,
    /// Tags that it passes; a NIC of a virtual machine may pass none unless it is told.
    vlans: BTreeSet<u16>,
    /// It receives into buffers of ordinary size.
    ordinary: bool,
    queues: Vec<QueuePair>,
    /// Of a port that shares its interface with the kernel.
    sockets: PacketSockets,
}

impl OpenPort {
    /// Counters of the device.
    pub fn stats(&self) -> PortStats {
        let mut stats = self.port.stats().unwrap_or_default();
        stats.rx_missed += self.sockets.lost();
        stats
    }

    /// The queue pairs, one per worker; empty when they were taken before.
    pub fn take_queues(&mut self) -> Vec<QueuePair> {
        std::mem::take(&mut self.queues)
    }
}

/// All ports by name.
pub struct Ports {
    environment: Environment,
    workers: usize,
    open: BTreeMap<String, OpenPort>,
}

impl Ports {
    /// None yet.
    pub fn new(environment: Environment, workers: usize) -> Self {
        Self {
            environment,
            workers,
            open: BTreeMap::new(),
        }
    }

    /// One port.
    pub fn get(&self, name: &str) -> Option<&OpenPort> {
        self.open.get(name)
    }

    /// One port.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut OpenPort> {
        self.open.get_mut(name)
    }

    /// Station addresses of all open ports.
    pub fn macs(&self) -> HashMap<String, [u8; 6]> {
        let mac = |(name, port): (&String, &OpenPort)| (name.clone(), port.mac);
        self.open.iter().map(mac).collect()
    }

    /// Opens the ports of `config` that are not open; returns their names. When one fails, those opened before it are closed.
    ///
    /// # Errors
    /// Names the port and the reason.
    pub fn open_missing(&mut self, config: &PlaneConfig) -> Result<Vec<String>, Error> {
        let mut opened = Vec::new();
        for wanted in &config.ports {
            match self.open_one(wanted) {
                Ok(true) => opened.push(wanted.name.clone()),
                Ok(false) => {}
                Err(error) => {
                    for name in &opened {
                        self.close(name);
                    }
                    return Err(error);
                }
            }
        }
        Ok(opened)
    }

    /// True when it was opened, false when it is open already.
    fn open_one(&mut self, wanted: &PortConfig) -> Result<bool, Error> {
        if let Some(open) = self.open.get(&wanted.name) {
            if open.device == wanted.device {
                most_mtu(&wanted.name, &open.port, wanted.mtu_octets)?;
                if open.ordinary && wanted.mtu_octets > ORDINARY_MTU_OCTETS {
                    return Err(Error::Buffers {
                        port: wanted.name.clone(),
                        wanted: wanted.mtu_octets,
                        most: ORDINARY_MTU_OCTETS,
                    });
                }
                return Ok(false);
            }
            return Err(taken(wanted, &wanted.name));
        }
        let same =
            |(_, open): &(&String, &OpenPort)| device_id(&open.device) == device_id(&wanted.device);
        if let Some((owner, _)) = self.open.iter().find(same) {
            return Err(taken(wanted, owner));
        }
        let open = self.start(wanted)?;
        log::info!(
            "port {}: {}, MAC {}, MTU {}, link {}",
            wanted.name,
            device_text(&wanted.device),
            MacAddress(open.mac),
            open.mtu_octets,
            if open.link_up { "up" } else { "down" }
        );
        self.open.insert(wanted.name.clone(), open);
        Ok(true)
    }

    fn start(&mut self, wanted: &PortConfig) -> Result<OpenPort, Error> {
        let Some(interface) = shared_interface(wanted)? else {
            return self.launch(wanted, None);
        };
        let adopted = cutoff::is_cut_off(&interface);
        cutoff::cut_off(&interface)?;
        let outcome = self.launch(wanted, Some(interface.clone()));
        if outcome.is_err() && !adopted {
            cutoff::restore(&interface).unwrap_or_else(|error| log::warn!("{error}"));
        }
        outcome
    }

    fn launch(
        &mut self,
        wanted: &PortConfig,
        interface: Option<DeviceName>,
    ) -> Result<OpenPort, Error> {
        let failed = |source| Error::Port {
            port: wanted.name.clone(),
            source,
        };
        let pool = self.environment.pool_for(wanted.mtu_octets);
        let mut port = Port::probe(
            self.environment.eal,
            &arguments(&wanted.device, wanted.mtu_octets),
        )
        .map_err(failed)?;
        most_mtu(&wanted.name, &port, wanted.mtu_octets)?;
        let capabilities = port.capabilities().map_err(failed)?;
        let queues = |most| queues(self.workers, most, &capabilities.driver);
        // DPDK knows nothing longer than an ordinary frame of AF_PACKET: what counts are the ring and the interface.
        if let Some(interface) = &interface {
            ravelin_tuntap::set_mtu(interface, wanted.mtu_octets.into())?;
        }
        let shape = Shape {
            rx_queues: queues(capabilities.max_rx_queues),
            tx_queues: queues(capabilities.max_tx_queues),
            mtu_octets: interface.is_none().then_some(wanted.mtu_octets),
            rx_offloads: RxOffloads::VLAN_FILTER,
            ..Shape::default()
        };
        let spread = match (shape.rx_queues, capabilities.rss) {
            (0 | 1, _) => "",
            (_, true) => " by RSS",
            (_, false) => " without RSS",
        };
        log::info!(
            "port {}: {}, receive queues: {}{spread}, transmit queues: {}",
            wanted.name,
            capabilities.driver,
            shape.rx_queues,
            shape.tx_queues
        );
        port.configure(&shape, pool).map_err(failed)?;
        let (rx, tx) = port.start().map_err(failed)?;
        for outcome in [port.set_promiscuous(false), port.set_all_multicast()] {
            // Virtual devices know neither and receive everything.
            outcome.unwrap_or_else(|error| log::debug!("{error}"));
        }
        let mac = port.mac().map_err(failed)?.0;
        let link_up = port.link().is_ok_and(|link| link.up);
        let sockets = match &interface {
            Some(interface) => PacketSockets::find(ravelin_tuntap::index(interface)?),
            None => PacketSockets::default(),
        };
        if interface.is_some() && sockets.count() == 0 {
            let name = &wanted.name;
            log::warn!(
                "port {name}: its sockets are not found: losses are not counted, IPv6 finds no neighbours"
            );
        }
        let outcome = sockets.take_everything();
        outcome.unwrap_or_else(|error| log::warn!("port {}: {error}", wanted.name));
        let checksums = match &interface {
            Some(_) => Checksums::Partial,
            None => Checksums::Whole,
        };
        Ok(OpenPort {
            queues: share(self.workers, rx, tx, self.environment.jumbo, checksums),
            port,
            device: wanted.device.clone(),
            mac,
            mtu_octets: wanted.mtu_octets,
            ordinary: wanted.mtu_octets <= ORDINARY_MTU_OCTETS,
            link_up,
            interface,
            vlans: BTreeSet::new(),
            sockets,
        })
    }

    /// Sets the MTU of an open port; checked before by [`Ports::open_missing`].
    pub fn set_mtu(&mut self, name: &str, mtu_octets: u16) {
        let Some(open) = self.open.get_mut(name) else {
            return;
        };
        if open.mtu_octets != mtu_octets {
            open.mtu_octets = mtu_octets;
            let outcome = match &open.interface {
                Some(interface) => {
                    ravelin_tuntap::set_mtu(interface, mtu_octets.into()).map_err(Error::from)
                }
                None => open.port.set_mtu(mtu_octets).map_err(Error::from),
            };
            outcome.unwrap_or_else(|error| log::warn!("port {name}: {error}"));
        }
    }

    /// Passes frames of these VLANs and of no others, as far as the NIC filters them at all. What it refuses is asked again at the next
    /// commit.
    pub fn set_vlans(&mut self, name: &str, vlans: &BTreeSet<u16>) {
        let Some(open) = self.open.get_mut(name) else {
            return;
        };
        if !open.port.offloads().0.contains(RxOffloads::VLAN_FILTER) {
            return;
        }
        let changed: Vec<u16> = open.vlans.symmetric_difference(vlans).copied().collect();
        for vlan in changed {
            let on = vlans.contains(&vlan);
            if let Err(error) = open.port.set_vlan(vlan, on) {
                log::warn!("port {name}: VLAN {vlan}: {error}");
            } else if on {
                open.vlans.insert(vlan);
            } else {
                open.vlans.remove(&vlan);
            }
        }
    }

    /// Closes a port whose queues the workers gave back, and gives its interface back to the kernel.
    pub fn close(&mut self, name: &str) {
        let Some(mut open) = self.open.remove(name) else {
            return;
        };
        open.queues.clear();
        if let Err((_, error)) = open.port.remove() {
            log::warn!("port {name}: {error}");
        }
        if let Some(interface) = &open.interface {
            cutoff::restore(interface).unwrap_or_else(|error| log::warn!("port {name}: {error}"));
        }
        log::info!("port {name}: closed");
    }

    /// Looks at all links; returns the ports whose link changed.
    pub fn changed_links(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        for (name, open) in &mut self.open {
            let up = open.port.link().is_ok_and(|link| link.up);
            if up != open.link_up {
                open.link_up = up;
                log::info!("port {name}: link {}", if up { "up" } else { "down" });
                changed.push(name.clone());
            }
        }
        changed
    }
}

/// The kernel interface that the port shares with the kernel, if it does.
fn shared_interface(wanted: &PortConfig) -> Result<Option<DeviceName>, Error> {
    let Device::Vdev(vdev) = &wanted.device else {
        return Ok(None);
    };
    let Some(interface) = cutoff::shared_interface(vdev) else {
        return Ok(None);
    };
    let bad = || Error::BadInterface {
        port: wanted.name.clone(),
        device: interface.to_owned(),
    };
    // nft would take them for the end of the name.
    if interface.contains(['"', '\\']) {
        return Err(bad());
    }
    interface.parse().map(Some).map_err(|_| bad())
}

/// How many queues: one per worker as far as the device has them, and a power of two where its driver wants that.
fn queues(workers: usize, most: u16, driver: &str) -> u16 {
    let queues = u16::try_from(workers).unwrap_or(u16::MAX).min(most);
    if driver == POWERS_ONLY {
        1 << queues.max(1).ilog2()
    } else {
        queues
    }
}

/// One queue pair per worker: own queues as far as they go, then no receive queue and a shared transmit queue.
fn share(
    workers: usize,
    rx: Vec<dpdk_rs::RxQueue>,
    tx: Vec<dpdk_rs::TxQueue>,
    jumbo: Mempool,
    checksums: Checksums,
) -> Vec<QueuePair> {
    let mut rx = rx.into_iter();
    if tx.len() >= workers {
        return tx
            .into_iter()
            .map(|tx| QueuePair::own(rx.next(), tx, jumbo, checksums))
            .collect();
    }
    let shared: Vec<SharedTx> = tx.into_iter().map(SharedTx::new).collect();
    let each = shared.iter().cycle().take(workers);
    each.map(|tx| QueuePair::shared(rx.next(), tx.clone(), jumbo, checksums))
        .collect()
}

fn most_mtu(name: &str, port: &Port, wanted: u16) -> Result<(), Error> {
    let most = port
        .capabilities()
        .map(|c| c.max_mtu_octets)
        .unwrap_or(u16::MAX);
    if wanted <= most {
        return Ok(());
    }
    Err(Error::Mtu {
        port: name.to_owned(),
        wanted,
        most,
    })
}

fn taken(wanted: &PortConfig, owner: &str) -> Error {
    Error::DeviceTaken {
        port: wanted.name.clone(),
        device: device_text(&wanted.device).to_owned(),
        owner: owner.to_owned(),
    }
}

/// What tells one device from another: its name without arguments.
fn device_id(device: &Device) -> &str {
    let text = device_text(device);
    text.split(',').next().unwrap_or(text)
}

/// The device as configured.
pub fn device_text(device: &Device) -> &str {
    match device {
        Device::Pci(text) | Device::Vdev(text) => text,
    }
}

/// What DPDK is told: as configured, and a ring for AF_PACKET that fits the MTU unless the operator chose one.
fn arguments(device: &Device, mtu_octets: u16) -> String {
    let (Device::Pci(text) | Device::Vdev(text)) = device;
    let chosen = [",framecnt=", ",framesz=", ",blocksz="];
    let shared = matches!(device, Device::Vdev(text) if cutoff::shared_interface(text).is_some());
    if !shared || chosen.iter().any(|argument| text.contains(argument)) {
        text.clone()
    } else if mtu_octets <= ORDINARY_MTU_OCTETS {
        format!("{text},framecnt={AF_PACKET_FRAMES}")
    } else {
        format!(
            "{text},framecnt={AF_PACKET_JUMBO_FRAMES},framesz={AF_PACKET_JUMBO_FRAME_OCTETS},\
             blocksz={AF_PACKET_JUMBO_BLOCK_OCTETS}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_as_many_as_workers_device_and_driver_allow() {
        assert_eq!(queues(6, 16, "net_virtio"), 6);
        assert_eq!(queues(6, 2, "net_e1000_igb_vf"), 2);
        assert_eq!(queues(6, 16, "net_vmxnet3"), 4);
        assert_eq!(queues(1, 8, "net_vmxnet3"), 1);
    }

    #[test]
    fn af_packet_gets_a_deep_ring_unless_told_otherwise() {
        let of = |text: &str, mtu| arguments(&Device::Vdev(text.to_owned()), mtu);
        let vdev = |text: &str| of(text, 1500);
        assert_eq!(
            vdev("net_af_packet0,iface=x"),
            "net_af_packet0,iface=x,framecnt=8192"
        );
        assert_eq!(
            vdev("net_af_packet0,iface=x,framecnt=8"),
            "net_af_packet0,iface=x,framecnt=8"
        );
        assert_eq!(
            of("net_af_packet0,iface=x", 9000),
            "net_af_packet0,iface=x,framecnt=1024,framesz=9472,blocksz=151552"
        );
        assert_eq!(vdev("net_null0"), "net_null0");
        assert_eq!(
            device_id(&Device::Vdev("net_null0,a=b".to_owned())),
            "net_null0"
        );
    }
}
