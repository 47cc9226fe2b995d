//! IKE datagrams to and from the network: UDP 500 and 4500 on each local IKE address.
//!
//! Behind [`Transport`], so that tests and later a direct ring from planed (design decision D9a) take the place of kernel
//! sockets. One socket per local address and port: the address a datagram arrived at is known by its socket. Received
//! datagrams go to two bounded queues, one for IKE SAs that exist (non-zero responder SPI) and one for first messages; the
//! daemon serves the former first, and a flood of the latter fills only its own queue.
//!
//! Both come through one socket, so its buffer must not fill between two looks at it: planed lets at most 5,000 first messages per
//! second pass, and 512 at once, and the buffer holds those of a second. What it could not hold is counted.
//!
//! On port 4500 every IKE message is preceded by four zero octets, the non-ESP marker (RFC 3948 section 2.2); ESP in UDP
//! belongs to planed and never comes here.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use ravelin_types::VrfId;
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Instances;

/// The port of IKE.
pub const PORT_IKE: u16 = 500;
/// The port of IKE and ESP behind a NAT.
pub const PORT_NAT_T: u16 = 4500;
/// First messages waiting: at 64 KiB each still bounded to 64 MiB, usually 1 MiB.
pub const NEW_QUEUE: usize = 1024;
/// Messages of existing IKE SAs waiting.
pub const EXISTING_QUEUE: usize = 8192;
/// Kernel's receive buffer asked for: some 6,000 messages of usual size with the kernel's overhead, a second of what planed lets pass.
const RECEIVE_BUFFER_OCTETS: usize = 8 << 20;
/// Longest UDP payload.
const MAX_DATAGRAM_OCTETS: usize = 65_535;
/// Non-ESP marker (RFC 3948 section 2.2).
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// NAT keepalive: "a one-octet-long payload with the value 0xFF" (RFC 3948 section 2.3).
const KEEPALIVE: [u8; 1] = [0xff];
/// Fixed part of the IKE header (RFC 7296 section 3.1); the responder's SPI is its octets 8..16.
const IKE_HEADER_OCTETS: usize = 28;

/// A datagram that arrived, without non-ESP marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Routing instance.
    pub vrf: VrfId,
    /// Where it arrived.
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
    /// The IKE message.
    pub data: Vec<u8>,
}

/// Sends datagrams and listens where told.
pub trait Transport {
    /// Sends one IKE message from `local`, with a non-ESP marker when its port is 4500. Loss is allowed.
    ///
    /// # Errors
    /// When there is no socket for `local` or the kernel refuses.
    fn send(
        &self,
        vrf: VrfId,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> io::Result<()>;

    /// Sends a NAT keepalive (RFC 3948 section 2.3) from `local`. Loss is allowed.
    ///
    /// # Errors
    /// When there is no socket for `local` or the kernel refuses.
    fn keep_alive(&self, vrf: VrfId, local: SocketAddr, remote: SocketAddr) -> io::Result<()>;

    /// Listens on both ports of exactly these addresses from now on. One whose routing instance has no device yet waits for it.
    ///
    /// # Errors
    /// When an address cannot be bound; the others are served.
    fn listen(
        &mut self,
        addresses: &[(VrfId, IpAddr)],
        instances: &Instances,
    ) -> Result<(), ListenError>;

    /// Listens where it could not before, and anew where the device of a routing instance is another one. False: there is nothing to look
    /// after until the next [`Transport::listen`].
    fn look(&mut self) -> bool;
}

/// A local address could not be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {local}{}: {source}", instance_text(.instance))]
pub struct ListenError {
    local: SocketAddr,
    instance: Option<String>,
    source: io::Error,
}

fn instance_text(instance: &Option<String>) -> String {
    let name = instance.as_ref();
    name.map_or_else(String::new, |name| format!(" in routing instance {name}"))
}

/// What was lost before the daemon saw it.
#[derive(Debug, Default)]
pub struct SocketCounters {
    /// First messages that found their queue full.
    pub new_dropped: AtomicU64,
    /// Messages of existing IKE SAs that found their queue full.
    pub existing_dropped: AtomicU64,
    /// Too short, without marker on port 4500, or a NAT keepalive.
    pub not_ike: AtomicU64,
    /// The kernel refused to send.
    pub send_failed: AtomicU64,
    /// Datagrams that found a socket's buffer full.
    pub socket_dropped: AtomicU64,
}

impl SocketCounters {
    /// Names and values.
    pub fn rows(&self) -> [(&'static str, u64); 5] {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                "first messages lost to a full queue",
                get(&self.new_dropped),
            ),
            ("messages lost to a full queue", get(&self.existing_dropped)),
            ("datagrams that are not IKE", get(&self.not_ike)),
            (
                "datagrams the kernel refused to send",
                get(&self.send_failed),
            ),
            ("datagrams lost to a full socket", get(&self.socket_dropped)),
        ]
    }
}

/// The queues that the daemon reads.
pub struct Queues {
    /// Messages of IKE SAs that exist.
    pub existing: mpsc::Receiver<Inbound>,
    /// First messages.
    pub new: mpsc::Receiver<Inbound>,
}

#[derive(Clone)]
struct Feed {
    existing: mpsc::Sender<Inbound>,
    new: mpsc::Sender<Inbound>,
    counters: Arc<SocketCounters>,
}

/// A socket's address.
type Place = (VrfId, SocketAddr);

struct Bound {
    socket: Arc<UdpSocket>,
    /// Index of the VRF device that it is bound to; 0 in the default routing instance.
    device: u32,
    reader: JoinHandle<()>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Kernel UDP sockets. Needs a running tokio runtime.
pub struct UdpTransport {
    sockets: HashMap<Place, Bound>,
    /// Those of the last change's withdrawn addresses: they receive no more, but the deletions of their sessions still leave.
    leaving: HashMap<Place, Bound>,
    /// Those that could not be bound, each with what was told of it last.
    waiting: HashMap<Place, String>,
    instances: Instances,
    feed: Feed,
    ports: [u16; 2],
}

impl UdpTransport {
    /// No sockets yet.
    pub fn new(counters: Arc<SocketCounters>) -> (Self, Queues) {
        Self::with_ports(counters, [PORT_IKE, PORT_NAT_T])
    }

    /// Other ports than 500 and 4500, for tests without privileges. The second one carries the marker.
    pub fn with_ports(counters: Arc<SocketCounters>, ports: [u16; 2]) -> (Self, Queues) {
        let (existing_tx, existing) = mpsc::channel(EXISTING_QUEUE);
        let (new_tx, new) = mpsc::channel(NEW_QUEUE);
        let feed = Feed {
            existing: existing_tx,
            new: new_tx,
            counters,
        };
        (
            Self {
                sockets: HashMap::new(),
                leaving: HashMap::new(),
                waiting: HashMap::new(),
                instances: Instances::default(),
                feed,
                ports,
            },
            Queues { existing, new },
        )
    }

    fn send_octets(
        &self,
        vrf: VrfId,
        local: SocketAddr,
        remote: SocketAddr,
        octets: &[u8],
    ) -> io::Result<()> {
        let bound = self
            .sockets
            .get(&(vrf, local))
            .or_else(|| self.leaving.get(&(vrf, local)))
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        // IKE is paced by its peers; a full socket buffer is a loss like any other and is retransmitted.
        let sent = bound.socket.try_send_to(octets, remote);
        if sent.is_err() {
            self.feed
                .counters
                .send_failed
                .fetch_add(1, Ordering::Relaxed);
        }
        sent.map(|_| ())
    }

    /// Index of the device that sockets of this routing instance are bound to, when it is there; 0 for the default one, which has none.
    fn device(&self, vrf: VrfId) -> Option<u32> {
        match self.instances.get(vrf) {
            Some(instance) => if_nametoindex(instance.device.as_str()).ok(),
            None => (vrf == VrfId::DEFAULT).then_some(0),
        }
    }

    fn bind(&self, (vrf, local): Place) -> io::Result<Bound> {
        let name = self.instances.get(vrf).map(|i| i.device.as_str());
        let absent = || {
            let text = format!("there is no device {}", name.unwrap_or_default());
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let device = self.device(vrf).ok_or_else(absent)?;
        let socket = Arc::new(UdpSocket::from_std(bind(local, name)?)?);
        Ok(self.serve(socket, (vrf, local), device))
    }

    fn serve(&self, socket: Arc<UdpSocket>, (vrf, local): Place, device: u32) -> Bound {
        let marked = local.port() == self.ports[1];
        let reader = read(Arc::clone(&socket), vrf, local, marked, self.feed.clone());
        Bound {
            socket,
            device,
            reader: tokio::spawn(reader),
        }
    }

    /// Binds what waits. A device that is not there yet is no error: mgmtd makes it.
    fn bind_waiting(&mut self) -> Result<(), ListenError> {
        let mut result = Ok(());
        for (place, told) in std::mem::take(&mut self.waiting) {
            let (vrf, local) = place;
            match self.bind(place) {
                Ok(bound) => {
                    self.sockets.insert(place, bound);
                }
                Err(source) => {
                    let comes = source.kind() == io::ErrorKind::NotFound;
                    let instance = self.instances.name(vrf);
                    let error = ListenError {
                        local,
                        instance,
                        source,
                    };
                    let text = error.to_string();
                    if text != told {
                        log::warn!("{text}; it is tried again");
                    }
                    self.waiting.insert(place, text);
                    if !comes {
                        result = Err(error);
                    }
                }
            }
        }
        result
    }

    /// Sockets of devices that are gone, or were made anew, give way.
    fn release_stale(&mut self) {
        let vrfs: HashSet<VrfId> = self.sockets.keys().map(|(vrf, _)| *vrf).collect();
        let devices: HashMap<VrfId, Option<u32>> = vrfs
            .into_iter()
            .map(|vrf| (vrf, self.device(vrf)))
            .collect();
        self.sockets.retain(|place, bound| {
            let stays = devices.get(&place.0) == Some(&Some(bound.device));
            if !stays {
                self.waiting.insert(*place, String::new());
            }
            stays
        });
    }
}

impl Transport for UdpTransport {
    fn send(
        &self,
        vrf: VrfId,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> io::Result<()> {
        if local.port() == self.ports[1] {
            self.send_octets(vrf, local, remote, &[&NON_ESP_MARKER, data].concat())
        } else {
            self.send_octets(vrf, local, remote, data)
        }
    }

    fn keep_alive(&self, vrf: VrfId, local: SocketAddr, remote: SocketAddr) -> io::Result<()> {
        self.send_octets(vrf, local, remote, &KEEPALIVE)
    }

    fn listen(
        &mut self,
        addresses: &[(VrfId, IpAddr)],
        instances: &Instances,
    ) -> Result<(), ListenError> {
        self.instances = instances.clone();
        let wanted: Vec<Place> = (addresses.iter())
            .flat_map(|(vrf, ip)| self.ports.map(|port| (*vrf, SocketAddr::new(*ip, port))))
            .collect();
        let mut left = std::mem::take(&mut self.leaving);
        let (stay, leave) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|(key, _)| wanted.contains(key));
        (self.sockets, self.leaving) = (stay, leave);
        self.leaving.values().for_each(|bound| bound.reader.abort());
        self.waiting.clear();
        for place in wanted {
            if self.sockets.contains_key(&place) {
                continue;
            }
            // The port of an address that comes back is still taken by its old socket.
            if let Some(old) = left.remove(&place) {
                let bound = self.serve(Arc::clone(&old.socket), place, old.device);
                self.sockets.insert(place, bound);
            } else {
                self.waiting.insert(place, String::new());
            }
        }
        self.release_stale();
        self.bind_waiting()
    }

    fn look(&mut self) -> bool {
        self.release_stale();
        // What is refused is told when it changes.
        let _ = self.bind_waiting();
        !self.waiting.is_empty() || !self.instances.is_empty()
    }
}

/// Binds also before the address exists: mgmtd may add it to the interface after us. With the device of a routing instance the socket
/// sends by that one's routes, and hears what comes in there and nothing else (Linux, Documentation/networking/vrf.rst); without, what
/// comes in elsewhere than in instances, as `net.ipv4.udp_l3mdev_accept` is 0.
fn bind(local: SocketAddr, device: Option<&str>) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The kernel takes a socket without a device for one of each: without this, an address could not be that of an instance as well.
    socket.set_reuse_port(true)?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
        // Without DF a router in a path of small MTU may fragment our longest messages, also where its ICMP does not get through.
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT)?;
    }
    // Without privileges the kernel grants less; a burst beyond it is retransmitted.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_OCTETS).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
    }
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    socket.bind(&SockAddr::from(local))?;
    Ok(socket.into())
}

async fn read(socket: Arc<UdpSocket>, vrf: VrfId, local: SocketAddr, marked: bool, feed: Feed) {
    let mut buffer = vec![0; MAX_DATAGRAM_OCTETS];
    let mut lost_before = 0u32;
    loop {
        let received = socket.async_io(Interest::READABLE, || receive(&socket, &mut buffer));
        match received.await {
            Ok(Received {
                octets,
                remote,
                lost,
            }) => {
                let lost = lost.unwrap_or(lost_before);
                let more = lost.wrapping_sub(std::mem::replace(&mut lost_before, lost));
                (feed.counters.socket_dropped).fetch_add(u64::from(more), Ordering::Relaxed);
                let datagram = buffer.get(..octets).unwrap_or_default();
                feed.take(vrf, local, remote, marked, datagram);
            }
            // ICMP errors of earlier sends surface here; anything persistent must not spin.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                log::warn!("receive on {local}: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// A datagram, and how many the socket has lost in its life before it (socket(7), SO_RXQ_OVFL), once there were any.
struct Received {
    octets: usize,
    remote: SocketAddr,
    lost: Option<u32>,
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut parts = [io::IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(u32);
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let lost = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::RxqOvfl(lost) => Some(lost),
        _ => None,
    });
    let v4 = |address: SockaddrStorage| {
        let v4 = address.as_sockaddr_in()?;
        Some(SocketAddr::new(v4.ip().into(), v4.port()))
    };
    let v6 = |address: SockaddrStorage| {
        let v6 = std::net::SocketAddrV6::from(*address.as_sockaddr_in6()?);
        Some(SocketAddr::V6(v6))
    };
    let remote = message
        .address
        .and_then(|from| v4(from).or_else(|| v6(from)));
    Ok(Received {
        octets: message.bytes,
        remote: remote.ok_or(io::ErrorKind::InvalidData)?,
        lost,
    })
}

impl Feed {
    fn take(
        &self,
        vrf: VrfId,
        local: SocketAddr,
        remote: SocketAddr,
        marked: bool,
        datagram: &[u8],
    ) {
        let count = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let message = if marked {
            datagram.strip_prefix(&NON_ESP_MARKER)
        } else {
            Some(datagram)
        };
        let Some(message) = message.filter(|m| m.len() >= IKE_HEADER_OCTETS) else {
            return count(&self.counters.not_ike);
        };
        let first = message
            .get(8..16)
            .is_some_and(|spi| spi.iter().all(|octet| *octet == 0));
        let inbound = Inbound {
            vrf,
            local,
            remote,
            data: message.to_vec(),
        };
        if first {
            if self.new.try_send(inbound).is_err() {
                count(&self.counters.new_dropped);
            }
        } else if self.existing.try_send(inbound).is_err() {
            count(&self.counters.existing_dropped);
        }
    }
}

#[cfg(test)]
mod tests;
