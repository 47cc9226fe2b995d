//! What lies between two links: a bad network that relays frames with seeded faults, and two routers with a narrow link between
//! them. Neither is part of any tunnel; both ends believe to be neighbours.
//!
//! ```text
//!   enb0 ---- left  (relay, faults by seed)  right ---- untrust
//!   enb0 ---- left  router a ==== narrow ==== router b  right ---- untrust
//! ```

use crate::netns::{Netns, veth};
use crate::site::{Addresses, Site, V4, V6};
use crate::{BenchError, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use ravelin_dataplane::io::chaos::{Chaos, ChaosPort, Tally};
use ravelin_dataplane::io::memory::MemoryPool;
use ravelin_dataplane::{BURST, PortIo};
use ravelin_esp::{MemoryBuf, PacketBuf};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub use ravelin_dataplane::io::chaos::Faults;

const LONGEST_FRAME_OCTETS: usize = 9_600;
/// How often a silent relay moves delayed frames on.
const IDLE_MS: u8 = 1;

/// A relay between two interfaces of a namespace.
pub struct Relay {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Result<()>>>,
    /// What was done to frames from the left and from the right.
    pub tallies: [Arc<Tally>; 2],
}

impl Relay {
    /// Relays between `left` and `right` of `netns`, with faults for frames from the left and from the right. Neither interface may
    /// have an address.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn start(
        netns: &Netns,
        left: &'static str,
        right: &'static str,
        seed: u64,
        faults: [Faults; 2],
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let chaos = [0, 1].map(|at| Chaos::new(seed + at as u64, faults[at]));
        let tallies = [chaos[0].tally(), chaos[1].tally()];
        let until = Arc::clone(&stop);
        let thread = netns.spawn(move || relay([left, right], chaos, &until))?;
        Ok(Self {
            stop,
            thread,
            tallies,
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it had failed before.
    pub fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| BenchError::Unexpected("a relay died".to_owned()))??
    }
}

fn relay(
    names: [&str; 2],
    [from_left, from_right]: [Chaos<MemoryBuf>; 2],
    stop: &AtomicBool,
) -> Result<()> {
    let ends = [End::open(names[0])?, End::open(names[1])?];
    let sockets = [ends[0].clone_fd()?, ends[1].clone_fd()?];
    let [left, right] = ends;
    let none = || Chaos::new(1, Faults::default());
    let mut left = ChaosPort::new(left, MemoryPool, from_left, none());
    let mut right = ChaosPort::new(right, MemoryPool, from_right, none());
    let (mut there, mut back) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        left.receive(&mut there);
        right.receive(&mut back);
        if there.is_empty() && back.is_empty() {
            let mut ready = [0, 1].map(|at| PollFd::new(sockets[at].as_fd(), PollFlags::POLLIN));
            // Nothing may come; a failed socket fails the next call.
            let _ = poll(&mut ready, PollTimeout::from(IDLE_MS));
        }
        right.transmit(&mut there);
        left.transmit(&mut back);
    }
    Ok(())
}

/// A packet socket on one interface, as a port.
struct End {
    socket: OwnedFd,
    frame: Vec<u8>,
}

impl End {
    fn open(name: &str) -> Result<Self> {
        let failed = |e: Errno| BenchError::io(format!("packet socket on {name}"), e.into());
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .map_err(failed)?;
        bind(socket.as_raw_fd(), &link_address(name)?).map_err(failed)?;
        Ok(Self {
            socket,
            frame: vec![0; LONGEST_FRAME_OCTETS],
        })
    }

    fn clone_fd(&self) -> Result<OwnedFd> {
        let copy = self.socket.try_clone();
        copy.map_err(|e| BenchError::io("duplicate a packet socket", e))
    }
}

/// The address that names an interface to a packet socket.
fn link_address(name: &str) -> Result<LinkAddr> {
    let all =
        nix::ifaddrs::getifaddrs().map_err(|e| BenchError::io("list the interfaces", e.into()))?;
    all.filter(|entry| entry.interface_name == name)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| BenchError::Unexpected(format!("no interface {name}")))
}

impl PortIo<MemoryBuf> for End {
    fn receive(&mut self, out: &mut Vec<MemoryBuf>) {
        for _ in 0..BURST {
            match recv(self.socket.as_raw_fd(), &mut self.frame, MsgFlags::empty()) {
                Ok(octets) => out.push(MemoryBuf::new(&self.frame[..octets])),
                Err(_) => return,
            }
        }
    }

    fn transmit(&mut self, frames: &mut Vec<MemoryBuf>) {
        let mut taken = 0;
        for frame in frames.iter() {
            match send(self.socket.as_raw_fd(), frame.data(), MsgFlags::empty()) {
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => break,
                // A link that is down loses the frame, as a cable does.
                Ok(_) | Err(_) => taken += 1,
            }
        }
        frames.drain(..taken);
    }
}

/// The site with a namespace between the eNodeB and the gateway, whose interfaces `left` and `right` have no addresses.
///
/// # Errors
/// When a command fails.
pub fn site_with_middle(test: &str) -> Result<(Site, Netns)> {
    let middle = Netns::new("mid")?;
    // It has nothing to say itself.
    middle
        .sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")?;
    let site = Site::joined(test, |enb, gw| {
        veth(enb, "enb0", &middle, "left")?;
        veth(gw, "untrust", &middle, "right")
    })?;
    Ok((site, middle))
}

/// Two routers between the eNodeB and the gateway, which answer for the addresses behind them, so that both ends stay neighbours.
pub struct Routers {
    /// Before the eNodeB.
    pub a: Netns,
    /// Before the gateway.
    pub b: Netns,
}

impl Routers {
    /// The site with routers whose link takes 1,500 octets.
    ///
    /// # Errors
    /// When a command fails.
    pub fn site(test: &str) -> Result<(Site, Self)> {
        let routers = Self {
            a: Netns::new("ra")?,
            b: Netns::new("rb")?,
        };
        let site = Site::joined(test, |enb, gw| {
            veth(enb, "enb0", &routers.a, "left")?;
            veth(gw, "untrust", &routers.b, "right")?;
            veth(&routers.a, "narrow", &routers.b, "narrow")
        })?;
        let enb = |of: Addresses| of.enb_outer;
        let gateway = |of: Addresses| of.gateway_outer;
        routers.prepare(&routers.a, "left", 1, enb, gateway)?;
        routers.prepare(&routers.b, "right", 2, gateway, enb)?;
        Ok((site, routers))
    }

    fn prepare(
        &self,
        router: &Netns,
        link: &str,
        n: u8,
        near: impl Fn(Addresses) -> IpAddr,
        far: impl Fn(Addresses) -> IpAddr,
    ) -> Result<()> {
        let other = 3 - n;
        let (near4, far4, near6, far6) = (near(V4), far(V4), near(V6), far(V6));
        router
            .sh(&format!(
                "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
                 sysctl -qw net.ipv4.conf.{link}.proxy_arp=1 net.ipv6.conf.{link}.proxy_ndp=1
                 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{link}.rp_filter=0
                 sysctl -qw net.ipv4.conf.{link}.send_redirects=0 net.ipv4.conf.all.send_redirects=0
                 sysctl -qw net.ipv4.neigh.{link}.proxy_delay=0 net.ipv6.neigh.{link}.proxy_delay=0
                 sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
                 ip addr add 192.0.2.25{n}/32 dev {link}
                 ip addr add 2001:db8:a::f{n}/128 dev {link}
                 ip addr add 10.99.0.{n}/24 dev narrow
                 ip addr add fd99::{n}/64 dev narrow
                 ip route add {near4}/32 dev {link}
                 ip route add {near6}/128 dev {link}
                 ip route add {far4}/32 via 10.99.0.{other}
                 ip route add {far6}/128 via fd99::{other}
                 ip neigh add proxy {far6} dev {link}"
            ))
            .map(drop)
    }

    /// Sets what the link between them takes.
    ///
    /// # Errors
    /// When a command fails.
    pub fn narrow(&self, mtu_octets: u16) -> Result<()> {
        for router in [&self.a, &self.b] {
            router.sh(&format!("ip link set dev narrow mtu {mtu_octets}"))?;
        }
        Ok(())
    }

    /// Makes them silent about packets that are too big: a black hole.
    ///
    /// # Errors
    /// When a command fails.
    pub fn silence(&self) -> Result<()> {
        for router in [&self.a, &self.b] {
            router.sh("nft add table inet quiet
                 nft add chain inet quiet out '{ type filter hook output priority 0; }'
                 nft add rule inet quiet out icmp type destination-unreachable drop
                 nft add rule inet quiet out icmpv6 type packet-too-big drop")?;
        }
        Ok(())
    }
}
