//! What `net_af_packet` ports lose before their driver sees it: the kernel counts frames that found the receive ring full, and the
//! driver of DPDK 24.11 never asks for that number (packet(7), `PACKET_STATISTICS`).
//!
//! The driver keeps its sockets to itself, but they are file descriptors of this process like any other.

use std::cell::Cell;
use std::fs;
use std::os::fd::RawFd;

/// Descriptors of this process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// The packet sockets of one interface and what they lost so far.
#[derive(Debug, Default)]
pub struct RingLosses {
    sockets: Vec<RawFd>,
    lost: Cell<u64>,
}

impl RingLosses {
    /// Finds the packet sockets that this process has bound to the interface of this index. Call it again when the port was opened
    /// anew; a descriptor that was closed or reused meanwhile tells nothing.
    #[must_use]
    pub fn find(interface_index: u32) -> Self {
        let entries = fs::read_dir(DESCRIPTORS).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let sockets = entries.filter_map(number);
        let ours = |fd: &RawFd| bound_to(*fd).is_some_and(|index| index == interface_index);
        Self {
            sockets: sockets.filter(ours).collect(),
            lost: Cell::default(),
        }
    }

    /// Frames lost since the sockets were opened.
    pub fn total(&self) -> u64 {
        let since = self.sockets.iter().map(|fd| u64::from(since_last(*fd)));
        self.lost.set(self.lost.get() + since.sum::<u64>());
        self.lost.get()
    }

    /// How many sockets were found.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }
}

/// The interface that a packet socket is bound to; `None` for anything else.
fn bound_to(fd: RawFd) -> Option<u32> {
    // SAFETY: a struct of integers for which zero is valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut octets = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: writes at most `octets` octets into a struct of that size; a number that is no socket is refused by the kernel.
    let rc = unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut octets) };
    let packet = rc == 0 && i32::from(address.sll_family) == libc::AF_PACKET;
    packet.then(|| u32::try_from(address.sll_ifindex).ok())?
}

/// Frames lost since the last question: asking sets the kernel's count to 0.
fn since_last(fd: RawFd) -> u32 {
    // SAFETY: a struct of integers for which zero is valid.
    let mut statistics: libc::tpacket_stats = unsafe { std::mem::zeroed() };
    let mut octets = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: writes at most `octets` octets into a struct of that size; another kind of descriptor is refused by the kernel.
    let rc = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut octets,
        )
    };
    if rc == 0 { statistics.tp_drops } else { 0 }
}
