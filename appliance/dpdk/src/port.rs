//! An Ethernet port: probe, configure, start, stop, and what `show` wants to know.
//!
//! ```text
//!   Port::probe / Port::open --> open --configure--> configured --start--> started
//!                                 ^ remove / drop        ^------stop---------'
//! ```
//! `start` gives out the queue handles, and the port cannot stop while workers hold any of them: that is what keeps a
//! poll from racing with the control side. Dropping the last of port and queues stops, closes and unplugs the device.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::eal::{Eal, c_string, device_name, devices};
use crate::error::{Errno, Error};
use crate::mempool::Mempool;
use crate::offload::{RxOffloads, TxOffloads};
use crate::port_types::{Capabilities, Link, MacAddress, PortConfig, PortStats};
use crate::queue::{RxQueue, TxQueue};

/// Ports that the DPDK library was built for.
pub const MAX_PORTS: usize = dpdk_sys::RV_MAX_ETHPORTS as usize;

static OPEN: [AtomicBool; MAX_PORTS] = [const { AtomicBool::new(false) }; MAX_PORTS];

/// The device behind a port and all its queues; it closes when the last handle goes.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: u16,
    pub(crate) name: String,
    started: AtomicBool,
}

impl Device {
    fn check(&self, operation: &'static str, rc: i32) -> Result<(), Error> {
        if rc >= 0 {
            return Ok(());
        }
        Err(Error::Device {
            device: self.name.clone(),
            operation,
            errno: Errno::from_rc(rc),
        })
    }

    fn stop(&self) -> Result<(), Error> {
        if !self.started.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        // SAFETY: the id is of a probed port that this object owns; no queue handle exists any more (caller).
        self.check("stop", unsafe { dpdk_sys::rte_eth_dev_stop(self.id) })
    }

    /// Stops, closes and unplugs; the caller holds the last handle.
    fn shut(&self) -> Result<(), Error> {
        let _alone = devices();
        let stopped = self.stop();
        let (mut bus, mut device) = ([0 as std::ffi::c_char; 64], [0 as std::ffi::c_char; 64]);
        // SAFETY: valid id; both buffers have the length given and end up NUL-terminated; the port is stopped and
        // nobody polls it, so it may close; after that only the device's name is used.
        unsafe {
            let named = dpdk_sys::rv_eth_device_name(
                self.id,
                bus.as_mut_ptr(),
                device.as_mut_ptr(),
                bus.len(),
            );
            self.check("close", dpdk_sys::rte_eth_dev_close(self.id))?;
            self.check("name", named)?;
            let rc = dpdk_sys::rte_eal_hotplug_remove(bus.as_ptr(), device.as_ptr());
            self.check("unplug", rc)?;
        }
        stopped
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Err(error) = self.shut() {
            log::warn!("{error}");
        }
        OPEN[usize::from(self.id)].store(false, Ordering::SeqCst);
    }
}

/// An open port; the only one of its device.
#[derive(Debug)]
pub struct Port {
    device: Arc<Device>,
    config: Option<PortConfig>,
}

impl Port {
    /// Plugs in a device (`net_tap0,iface=x`, or a PCI address) and opens the port it makes.
    ///
    /// # Errors
    /// [`Error::Device`] when the driver refuses, [`Error::NoSuchPort`] when the device makes no port of its name.
    pub fn probe(eal: Eal, arguments: &str) -> Result<Port, Error> {
        eal.probe_device(arguments)?;
        Port::open(eal, device_name(arguments))
    }

    /// Opens a port that was probed at start.
    ///
    /// # Errors
    /// [`Error::NoSuchPort`], [`Error::PortOpen`].
    pub fn open(_eal: Eal, name: &str) -> Result<Port, Error> {
        let c_name = c_string(name)?;
        let mut id = 0u16;
        // SAFETY: the environment runs; the name is NUL-terminated, `id` is writable.
        let rc = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &raw mut id) };
        let slot = OPEN.get(usize::from(id)).filter(|_| rc == 0);
        let slot = slot.ok_or_else(|| Error::NoSuchPort(name.to_owned()))?;
        if slot.swap(true, Ordering::SeqCst) {
            return Err(Error::PortOpen(name.to_owned()));
        }
        let device = Device {
            id,
            name: name.to_owned(),
            started: AtomicBool::new(false),
        };
        Ok(Port {
            device: Arc::new(device),
            config: None,
        })
    }

    /// Names of all ports that DPDK knows now.
    #[must_use]
    pub fn names(_eal: Eal) -> Vec<String> {
        let mut names = Vec::new();
        let mut id = 0;
        loop {
            // SAFETY: the environment runs; iteration over a bounded table of port ids.
            id = unsafe { dpdk_sys::rv_eth_next_port(id) };
            if usize::from(id) >= MAX_PORTS {
                return names;
            }
            let mut name = [0 as std::ffi::c_char; dpdk_sys::RV_ETH_NAME_MAX_LEN as usize];
            // SAFETY: the buffer has the size that DPDK demands and is NUL-terminated by it.
            unsafe {
                if dpdk_sys::rte_eth_dev_get_name_by_port(id, name.as_mut_ptr()) == 0 {
                    names.push(CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned());
                }
            }
            id += 1;
        }
    }

    /// DPDK's number of the port, as [`crate::Mbuf::port`] reports it.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.device.id
    }

    /// DPDK's name of the port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.device.name
    }

    fn caps(&self) -> Result<dpdk_sys::rv_eth_caps, Error> {
        // SAFETY: a struct of integers for which zero is valid, filled by the shim; valid port id.
        unsafe {
            let mut caps: dpdk_sys::rv_eth_caps = std::mem::zeroed();
            let rc = dpdk_sys::rv_eth_caps_get(self.device.id, &raw mut caps);
            self.device.check("capabilities", rc).map(|()| caps)
        }
    }

    /// What the device offers.
    ///
    /// # Errors
    /// [`Error::Device`] when it does not answer.
    pub fn capabilities(&self) -> Result<Capabilities, Error> {
        let caps = self.caps()?;
        // SAFETY: the shim NUL-terminates the driver's name.
        let driver = unsafe { CStr::from_ptr(caps.driver.as_ptr()) };
        Ok(Capabilities {
            driver: driver.to_string_lossy().into_owned(),
            max_rx_queues: caps.max_rx_queues,
            max_tx_queues: caps.max_tx_queues,
            max_mtu_octets: caps.max_mtu,
            rx_offloads: RxOffloads::from_bits(caps.rx_offloads),
            tx_offloads: TxOffloads::from_bits(caps.tx_offloads),
            rss: caps.rss_hf != 0,
            security: caps.security != 0,
            socket: caps.socket,
        })
    }

    /// Sets queues, descriptors, MTU (where the driver can) and offloads; received packets come from `pool`.
    ///
    /// # Errors
    /// [`Error::PortState`] while started, [`Error::Capability`] when queues are missing, [`Error::Device`].
    pub fn configure(&mut self, config: &PortConfig, pool: Mempool) -> Result<(), Error> {
        if self.device.started.load(Ordering::SeqCst) {
            return Err(self.state("started"));
        }
        self.config = None;
        let caps = self.capabilities()?;
        self.enough(
            "receive queues",
            caps.max_rx_queues,
            config.rx_queues,
            &caps,
        )?;
        self.enough(
            "transmit queues",
            caps.max_tx_queues,
            config.tx_queues,
            &caps,
        )?;
        let mut config = *config;
        config.rx_offloads = config.rx_offloads.intersection(caps.rx_offloads);
        config.tx_offloads = config.tx_offloads.intersection(caps.tx_offloads);
        self.apply(&mut config, pool)?;
        if let Some(mtu_octets) = config.mtu_octets {
            self.wish_mtu(mtu_octets)?;
        }
        self.config = Some(config);
        Ok(())
    }

    /// Sets the MTU, or leaves it where the driver knows none (memif and ring: the peer's buffers decide).
    fn wish_mtu(&mut self, mtu_octets: u16) -> Result<(), Error> {
        match self.set_mtu(mtu_octets) {
            Err(Error::Device {
                errno: Errno(libc::ENOTSUP),
                ..
            }) => {
                log::info!("port `{}` has no MTU setting", self.device.name);
                Ok(())
            }
            other => other,
        }
    }

    fn apply(&self, config: &mut PortConfig, pool: Mempool) -> Result<(), Error> {
        let id = self.device.id;
        let rss = dpdk_sys::RV_RSS_IP
            | dpdk_sys::RV_RSS_UDP
            | dpdk_sys::RV_RSS_TCP
            | dpdk_sys::RV_RSS_ESP;
        let caps = self.caps()?;
        let settings = dpdk_sys::rv_eth_settings {
            rx_offloads: config.rx_offloads.bits(),
            tx_offloads: config.tx_offloads.bits(),
            rss_hf: rss & caps.rss_hf,
            mtu_octets: 0,
            lsc_interrupt: 0,
        };
        let (rx, tx) = (
            &raw mut config.rx_descriptors,
            &raw mut config.tx_descriptors,
        );
        // SAFETY: the port is stopped and ours; the settings and both counts live through the calls.
        unsafe {
            let rc = dpdk_sys::rv_eth_configure(
                id,
                config.rx_queues,
                config.tx_queues,
                &raw const settings,
            );
            self.device.check("configure", rc)?;
            let rc = dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, rx, tx);
            self.device.check("descriptors", rc)?;
        }
        for queue in 0..config.rx_queues {
            let (count, offloads) = (config.rx_descriptors, settings.rx_offloads);
            // SAFETY: the queue number is within what was configured; the pool lives as long as the process.
            let rc = unsafe {
                dpdk_sys::rv_eth_rx_queue_setup(
                    id,
                    queue,
                    count,
                    caps.socket,
                    offloads,
                    pool.as_ptr(),
                )
            };
            self.device.check("set up a receive queue", rc)?;
        }
        for queue in 0..config.tx_queues {
            let (count, offloads) = (config.tx_descriptors, settings.tx_offloads);
            // SAFETY: the queue number is within what was configured.
            let rc =
                unsafe { dpdk_sys::rv_eth_tx_queue_setup(id, queue, count, caps.socket, offloads) };
            self.device.check("set up a transmit queue", rc)?;
        }
        Ok(())
    }

    fn enough(
        &self,
        what: &'static str,
        available: u16,
        wanted: u16,
        caps: &Capabilities,
    ) -> Result<(), Error> {
        if wanted <= available {
            return Ok(());
        }
        Err(Error::Capability {
            port: self.device.name.clone(),
            driver: caps.driver.clone(),
            what,
            available: available.into(),
            wanted: wanted.into(),
        })
    }

    fn state(&self, state: &'static str) -> Error {
        Error::PortState {
            port: self.device.name.clone(),
            state,
        }
    }

    /// The offloads in use, after what the device lacks was left out.
    #[must_use]
    pub fn offloads(&self) -> (RxOffloads, TxOffloads) {
        self.config
            .map_or((RxOffloads::NONE, TxOffloads::NONE), |c| {
                (c.rx_offloads, c.tx_offloads)
            })
    }

    /// Starts the port and gives out its queues, in order.
    ///
    /// # Errors
    /// [`Error::PortState`] when not configured or already started, [`Error::Device`].
    pub fn start(&mut self) -> Result<(Vec<RxQueue>, Vec<TxQueue>), Error> {
        let Some(config) = self.config else {
            return Err(self.state("not configured"));
        };
        if self.device.started.load(Ordering::SeqCst) {
            return Err(self.state("started"));
        }
        // SAFETY: configured, all queues set up, not started.
        self.device.check("start", unsafe {
            dpdk_sys::rte_eth_dev_start(self.device.id)
        })?;
        self.device.started.store(true, Ordering::SeqCst);
        let rx = (0..config.rx_queues).map(|queue| RxQueue::new(Arc::clone(&self.device), queue));
        let tx = (0..config.tx_queues).map(|queue| TxQueue::new(Arc::clone(&self.device), queue));
        Ok((rx.collect(), tx.collect()))
    }

    /// Stops the port, whose queue handles must all have been dropped.
    ///
    /// # Errors
    /// [`Error::QueuesHeld`], [`Error::Device`].
    pub fn stop(&mut self) -> Result<(), Error> {
        self.exclusive()?;
        self.device.stop()
    }

    fn exclusive(&mut self) -> Result<(), Error> {
        let held = Arc::strong_count(&self.device) - 1;
        if Arc::get_mut(&mut self.device).is_some() {
            return Ok(());
        }
        Err(Error::QueuesHeld {
            port: self.device.name.clone(),
            held,
        })
    }

    /// Stops, closes and unplugs the device. Dropping the port does the same, with failures only logged.
    ///
    /// # Errors
    /// [`Error::QueuesHeld`] (the port comes back).
    pub fn remove(mut self) -> Result<(), (Port, Error)> {
        match self.exclusive() {
            Ok(()) => {
                drop(self);
                Ok(())
            }
            Err(error) => Err((self, error)),
        }
    }

    /// The station address.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn mac(&self) -> Result<MacAddress, Error> {
        let mut mac = dpdk_sys::rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: valid id, writable struct.
        let rc = unsafe { dpdk_sys::rte_eth_macaddr_get(self.device.id, &raw mut mac) };
        self.device
            .check("read the MAC address", rc)
            .map(|()| MacAddress(mac.addr_bytes))
    }

    /// Sets the station address.
    ///
    /// # Errors
    /// [`Error::Device`], also when the driver cannot.
    pub fn set_mac(&mut self, mac: MacAddress) -> Result<(), Error> {
        let mut mac = dpdk_sys::rte_ether_addr { addr_bytes: mac.0 };
        // SAFETY: valid id, readable struct.
        let rc =
            unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(self.device.id, &raw mut mac) };
        self.device.check("set the MAC address", rc)
    }

    /// The layer 3 MTU in octets.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn mtu(&self) -> Result<u16, Error> {
        let mut mtu_octets = 0u16;
        // SAFETY: valid id, writable integer.
        let rc = unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.device.id, &raw mut mtu_octets) };
        self.device.check("read the MTU", rc).map(|()| mtu_octets)
    }

    /// Sets the layer 3 MTU in octets; some drivers want the port stopped.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn set_mtu(&mut self, mtu_octets: u16) -> Result<(), Error> {
        // SAFETY: valid id.
        self.device.check("set the MTU", unsafe {
            dpdk_sys::rte_eth_dev_set_mtu(self.device.id, mtu_octets)
        })
    }

    /// Receive frames to any address, or only to ours.
    ///
    /// # Errors
    /// [`Error::Device`], also when the driver cannot.
    pub fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        // SAFETY: valid id.
        let rc = unsafe {
            if on {
                dpdk_sys::rte_eth_promiscuous_enable(self.device.id)
            } else {
                dpdk_sys::rte_eth_promiscuous_disable(self.device.id)
            }
        };
        self.device.check("set promiscuous mode", rc)
    }

    /// Receive all multicast frames (neighbour discovery, VRRP).
    ///
    /// # Errors
    /// [`Error::Device`], also when the driver cannot.
    pub fn set_all_multicast(&mut self) -> Result<(), Error> {
        // SAFETY: valid id.
        self.device.check("set all-multicast mode", unsafe {
            dpdk_sys::rte_eth_allmulticast_enable(self.device.id)
        })
    }

    /// Pass frames with that VLAN tag, or no more; for ports that run with [`RxOffloads::VLAN_FILTER`].
    ///
    /// # Errors
    /// [`Error::Device`], also when the port runs without it.
    pub fn set_vlan(&mut self, vlan: u16, on: bool) -> Result<(), Error> {
        // SAFETY: valid id; DPDK checks the tag.
        self.device.check("set a VLAN", unsafe {
            dpdk_sys::rte_eth_dev_vlan_filter(self.device.id, vlan, on.into())
        })
    }

    /// The link's state as of now, without waiting for negotiation.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn link(&self) -> Result<Link, Error> {
        let mut link = dpdk_sys::rv_link {
            speed_mbps: 0,
            up: 0,
            full_duplex: 0,
            autoneg: 0,
        };
        // SAFETY: valid id, writable struct.
        let rc = unsafe { dpdk_sys::rv_eth_link_get_nowait(self.device.id, &raw mut link) };
        self.device.check("read the link", rc)?;
        Ok(Link {
            up: link.up != 0,
            speed_mbps: link.speed_mbps,
            full_duplex: link.full_duplex != 0,
        })
    }

    /// Counters of the port.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn stats(&self) -> Result<PortStats, Error> {
        // SAFETY: a struct of integers for which zero is valid; valid id.
        let (rc, stats) = unsafe {
            let mut stats: dpdk_sys::rte_eth_stats = std::mem::zeroed();
            (
                dpdk_sys::rte_eth_stats_get(self.device.id, &raw mut stats),
                stats,
            )
        };
        self.device.check("read counters", rc)?;
        Ok(PortStats {
            rx_packets: stats.ipackets,
            tx_packets: stats.opackets,
            rx_octets: stats.ibytes,
            tx_octets: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_buffer: stats.rx_nombuf,
        })
    }

    /// Sets the counters to 0.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn reset_stats(&mut self) -> Result<(), Error> {
        // SAFETY: valid id.
        self.device.check("reset counters", unsafe {
            dpdk_sys::rte_eth_stats_reset(self.device.id)
        })
    }
}
