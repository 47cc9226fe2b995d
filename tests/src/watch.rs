//! Watches a link and judges every frame as it passes: at tens of thousands of frames per second a file would be written, read and
//! parsed for longer than the traffic runs.
//!
//! Each ESP frame is counted under its sender and SPI, its sequence number and explicit IV checked against all earlier ones of that
//! SPI. What the kernel could not hand over (`SO_RXQ_OVFL`) is counted too: then the watch proves nothing.

use crate::frame::{Frame, Kind};
use crate::netns::Netns;
use crate::seen::Seen;
use crate::{BenchError, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recv, recvmsg, setsockopt, socket, sockopt,
};
use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rest between two looks at the socket.
const TICK: Duration = Duration::from_millis(1);
/// Octets of a frame that are looked at: up to the explicit IV, with room for IPv6, UDP and a VLAN tag.
const SNAP_OCTETS: usize = 96;
/// Frames that wait for a watch that does not run for a while, at some 1,000 octets each with the kernel's overhead.
const SOCKET_BUFFER_OCTETS: usize = 512 << 20;
/// Culprits that are kept to be shown.
const EXAMPLES: usize = 10;

/// What one SPI of one sender carried.
#[derive(Debug, Default)]
pub struct Spi {
    /// Frames.
    pub frames: u64,
    /// Highest sequence number.
    pub highest: u32,
    /// How far behind the highest one the most overtaken frame came.
    pub most_behind: u32,
    sequences: Seen,
    ivs: Seen,
}

/// What passed.
#[derive(Debug, Default)]
pub struct Passed {
    /// ESP as IP protocol 50, by sender and SPI.
    pub esp: BTreeMap<(IpAddr, u32), Spi>,
    /// Frames of each kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Sequence numbers sent twice by one SPI: sender, SPI, number; some of them.
    pub repeated_sequences: Vec<(IpAddr, u32, u32)>,
    /// Explicit IVs used twice by one SPI; some of them.
    pub repeated_ivs: Vec<(IpAddr, u32, u64)>,
    /// Frames that the kernel did not hand over to the watch.
    pub unseen: u64,
}

impl Passed {
    /// ESP frames of one sender.
    pub fn esp_from(&self, sender: IpAddr) -> u64 {
        self.spis_from(sender).map(|spi| spi.frames).sum()
    }

    /// The SPIs that one sender used.
    pub fn spis_from(&self, sender: IpAddr) -> impl Iterator<Item = &Spi> {
        self.esp
            .iter()
            .filter(move |((from, _), _)| *from == sender)
            .map(|(_, spi)| spi)
    }

    /// Frames of one kind.
    pub fn kind(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// Judges one frame (its first octets).
    pub fn take(&mut self, octets: &[u8]) {
        let frame = Frame::parse(octets);
        *self.kinds.entry(frame.kind).or_default() += 1;
        if frame.kind != Kind::Esp {
            return;
        }
        let (Some((sender, _)), Some((number, sequence)), Some(iv)) =
            (frame.addresses, frame.esp(), frame.esp_iv())
        else {
            *self.kinds.entry(Kind::Other).or_default() += 1;
            return;
        };
        let spi = self.esp.entry((sender, number)).or_default();
        spi.frames += 1;
        spi.most_behind = spi.most_behind.max(spi.highest.saturating_sub(sequence));
        spi.highest = spi.highest.max(sequence);
        if !spi.sequences.insert(sequence.into()) && self.repeated_sequences.len() < EXAMPLES {
            self.repeated_sequences.push((sender, number, sequence));
        }
        if !spi.ivs.insert(iv) && self.repeated_ivs.len() < EXAMPLES {
            self.repeated_ivs.push((sender, number, iv));
        }
    }
}

/// A watch on a link.
pub struct Watch {
    thread: JoinHandle<Result<Result<Passed>>>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Watches both directions of `interface`.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn start(netns: &Netns, interface: &str) -> Result<Self> {
        let name = interface.to_owned();
        let opened = netns.spawn(move || open(&name))?;
        let opened = opened
            .join()
            .map_err(|_| BenchError::Unexpected("a watch died".to_owned()))?;
        let socket = opened??;
        let stop = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&stop);
        let thread = netns.spawn(move || run(&socket, &end))?;
        Ok(Self { thread, stop })
    }

    /// Ends, when what is under way has passed, and tells.
    ///
    /// # Errors
    /// When the socket failed.
    pub fn finish(self) -> Result<Passed> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| BenchError::Unexpected("a watch died".to_owned()))??
    }
}

fn open(interface: &str) -> Result<OwnedFd> {
    let failed = |errno: Errno| BenchError::io(format!("watch {interface}"), errno.into());
    let packets = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .map_err(failed)?;
    bind(packets.as_raw_fd(), &address(interface)?).map_err(failed)?;
    setsockopt(&packets, sockopt::RcvBufForce, &SOCKET_BUFFER_OCTETS).map_err(failed)?;
    setsockopt(&packets, sockopt::RxqOvfl, &1).map_err(failed)?;
    Ok(packets)
}

fn address(interface: &str) -> Result<LinkAddr> {
    let all = nix::ifaddrs::getifaddrs()
        .map_err(|errno| BenchError::io("list the interfaces", errno.into()))?;
    all.filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| BenchError::Unexpected(format!("no interface {interface}")))
}

fn run(socket: &OwnedFd, stop: &AtomicBool) -> Result<Passed> {
    let mut passed = Passed::default();
    let mut octets = [0; SNAP_OCTETS];
    let fd = socket.as_raw_fd();
    loop {
        let last = stop.load(Ordering::Relaxed);
        // The first frame of each look says how many were lost before it; asking each would cost more than the frame itself.
        let mut length = first(fd, &mut octets, &mut passed.unseen)?;
        while let Some(taken) = length {
            passed.take(&octets[..taken]);
            length = next(recv(fd, &mut octets, MsgFlags::empty()))?;
        }
        if last {
            return Ok(passed);
        }
        crate::wait::pause(TICK);
    }
}

fn first(fd: RawFd, octets: &mut [u8], unseen: &mut u64) -> Result<Option<usize>> {
    let mut space = nix::cmsg_space!(u32);
    let mut slices = [IoSliceMut::new(octets)];
    let outcome = recvmsg::<()>(fd, &mut slices, Some(&mut space), MsgFlags::empty());
    if let Ok(message) = &outcome {
        let messages = message
            .cmsgs()
            .map_err(|errno| BenchError::io("ask a watch for its losses", errno.into()))?;
        for message in messages {
            if let ControlMessageOwned::RxqOvfl(count) = message {
                *unseen = count.into();
            }
        }
    }
    next(outcome.map(|message| message.bytes))
}

fn next(outcome: nix::Result<usize>) -> Result<Option<usize>> {
    match outcome {
        Ok(octets) => Ok(Some(octets)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(BenchError::io("watch a link", errno.into())),
    }
}

#[cfg(test)]
mod tests;
