//! Floods: prebuilt packets, sent in bursts by AF_PACKET as fast as one thread of the bench can, and counted.
//!
//! The packets are an attacker's: sources, SPIs, stations and identifications that nobody has. What they are is in
//! [`packets`], how they are built in [`build`].

pub mod build;
pub mod packets;

use crate::netns::Netns;
use crate::{BenchError, Result};
use build::Mac;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockType, bind, sendmmsg, socket,
};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Packets of one call to the kernel.
const BURST: usize = 64;

/// What a flood was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    /// Packets that the link took.
    pub packets: u64,
    /// How long it lasted.
    pub time: Duration,
}

impl Sent {
    /// Packets per second.
    pub fn rate_pps(&self) -> u64 {
        (self.packets as f64 / self.time.as_secs_f64().max(0.001)) as u64
    }
}

/// A flood under way; it ends with [`Flood::finish`] or when dropped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Result<Sent>>>>,
}

impl Flood {
    /// Sends `frames` over and over from `interface` of `netns`.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn start(netns: &Netns, interface: &str, frames: Vec<Vec<u8>>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, name) = (Arc::clone(&stop), interface.to_owned());
        let thread = netns.spawn(move || send(&name, &frames, |_| told.load(Ordering::Relaxed)))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Stops, and says what was sent.
    ///
    /// # Errors
    /// When sending failed.
    pub fn finish(mut self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => join(thread),
            None => Err(BenchError::Unexpected("a flood ended twice".to_owned())),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Sends each of `frames` once.
///
/// # Errors
/// When sending failed.
pub fn once(netns: &Netns, interface: &str, frames: Vec<Vec<u8>>) -> Result<Sent> {
    let name = interface.to_owned();
    let count = frames.len() as u64;
    join(netns.spawn(move || send(&name, &frames, |sent| sent >= count))?)
}

fn join(thread: JoinHandle<Result<Result<Sent>>>) -> Result<Sent> {
    thread
        .join()
        .map_err(|_| BenchError::Unexpected("a flood's thread died".to_owned()))??
}

fn send(interface: &str, frames: &[Vec<u8>], done: impl Fn(u64) -> bool) -> Result<Sent> {
    let socket = raw_socket(interface)?;
    let slices: Vec<[IoSlice<'_>; 1]> = frames.iter().map(|f| [IoSlice::new(f)]).collect();
    let nowhere: [Option<LinkAddr>; BURST] = [const { None }; BURST];
    let start = Instant::now();
    let mut packets = 0u64;
    let mut at = 0;
    while !done(packets) && !slices.is_empty() {
        let burst = &slices[at..slices.len().min(at + BURST)];
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(burst.len(), None);
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
        match sendmmsg(fd, &mut headers, burst, &nowhere[..burst.len()], [], flags) {
            Ok(sent) => {
                let sent = sent.count();
                packets += sent as u64;
                at = (at + sent) % slices.len();
            }
            // The link's queue is full: this packet was not taken.
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => std::thread::yield_now(),
            Err(errno) => {
                let step = format!("flood from {interface}");
                return Err(BenchError::io(step, errno.into()));
            }
        }
    }
    Ok(Sent {
        packets,
        time: start.elapsed(),
    })
}

/// A packet socket that only sends.
fn raw_socket(interface: &str) -> Result<OwnedFd> {
    let failed =
        |step: &str, errno: Errno| BenchError::io(format!("{step} {interface}"), errno.into());
    let fd = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(|e| failed("packet socket for", e))?;
    let address = nix::ifaddrs::getifaddrs()
        .map_err(|e| failed("look for", e))?
        .filter(|found| found.interface_name == interface)
        .find_map(|found| found.address?.as_link_addr().copied())
        .ok_or_else(|| BenchError::Unexpected(format!("no interface {interface}")))?;
    bind(fd.as_raw_fd(), &address).map_err(|e| failed("bind to", e))?;
    Ok(fd)
}

/// The station address of an interface.
///
/// # Errors
/// When there is no such interface.
pub fn mac(netns: &Netns, interface: &str) -> Result<Mac> {
    let text = netns.sh(&format!("cat /sys/class/net/{interface}/address"))?;
    let octets: Vec<u8> = text
        .trim()
        .split(':')
        .filter_map(|octet| u8::from_str_radix(octet, 16).ok())
        .collect();
    octets
        .try_into()
        .map_err(|_| BenchError::Unexpected(format!("MAC of {interface}: {text}")))
}

#[cfg(test)]
mod tests;
