//! What the driver `net_af_packet` of DPDK 24.11 leaves undone with its packet sockets (packet(7)):
//!
//! * The kernel counts frames that found the receive ring full; the driver never asks for that number (`PACKET_STATISTICS`).
//! * The NIC behind the interface takes what its kernel driver has asked for. That is nothing here, for the kernel has no address on
//!   the interface, so the multicast that finds neighbours over IPv6 stays away, and tagged frames too (`PACKET_ADD_MEMBERSHIP`).
//!
//! The driver keeps its sockets to itself, but they are file descriptors of this process like any other.

use std::cell::Cell;
use std::fs;
use std::os::fd::RawFd;

use crate::error::{Errno, Error};

/// Descriptors of this process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// The packet sockets of one interface and what they lost so far.
#[derive(Debug, Default)]
pub struct PacketSockets {
    interface_index: u32,
    sockets: Vec<RawFd>,
    lost: Cell<u64>,
}

impl PacketSockets {
    /// Finds the packet sockets that this process has bound to the interface of this index. Call it again when the port was opened
    /// anew; a descriptor that was closed or reused meanwhile tells nothing.
    #[must_use]
    pub fn find(interface_index: u32) -> Self {
        let entries = fs::read_dir(DESCRIPTORS).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let sockets = entries.filter_map(number);
        let ours = |fd: &RawFd| bound_to(*fd).is_some_and(|index| index == interface_index);
        Self {
            interface_index,
            sockets: sockets.filter(ours).collect(),
            lost: Cell::default(),
        }
    }

    /// Has the NIC take every multicast and every tag, as long as the sockets are open. What is for other stations comes along.
    ///
    /// # Errors
    /// [`Error::Membership`] when the kernel refuses.
    pub fn take_everything(&self) -> Result<(), Error> {
        // Not every driver can do the second, and it may know the first only.
        for kind in [libc::PACKET_MR_ALLMULTI, libc::PACKET_MR_PROMISC] {
            if let Some(fd) = self.sockets.first() {
                join(*fd, self.interface_index, kind)?;
            }
        }
        Ok(())
    }

    /// Frames lost since the sockets were opened.
    pub fn lost(&self) -> u64 {
        let since = self.sockets.iter().map(|fd| u64::from(since_last(*fd)));
        self.lost.set(self.lost.get() + since.sum::<u64>());
        self.lost.get()
    }

    /// How many sockets were found.
    #[must_use]
    pub fn count(&self) -> usize {
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

/// Asks for more than the NIC's own frames; the kernel counts who does, and forgets it with the socket.
fn join(fd: RawFd, interface_index: u32, kind: libc::c_int) -> Result<(), Error> {
    let refused = |errno: i32| Error::Membership {
        interface_index,
        errno: Errno(errno),
    };
    let membership = libc::packet_mreq {
        mr_ifindex: i32::try_from(interface_index).map_err(|_| refused(libc::EINVAL))?,
        mr_type: u16::try_from(kind).map_err(|_| refused(libc::EINVAL))?,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    // SAFETY: reads a struct of the length given; another kind of descriptor is refused by the kernel.
    let rc = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            (&raw const membership).cast(),
            size_of::<libc::packet_mreq>() as libc::socklen_t,
        )
    };
    if rc == 0 {
        return Ok(());
    }
    Err(refused(
        std::io::Error::last_os_error().raw_os_error().unwrap_or(0),
    ))
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
