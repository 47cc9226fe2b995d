//! The socket that feeds a [`Mirror`]: notifications and dumps on one socket, so that they arrive in the kernel's order.
//!
//! It never blocks longer than asked, and is driven by [`MirrorSocket::poll`] from the reader's thread. Lost messages
//! (ENOBUFS, overrun, undecodable, an interrupted dump) lead to a new dump; a running dump is read to its end first, because the
//! kernel allows one per socket.

use super::{Mirror, MirrorEvent};
use crate::RoutingError;
use crate::kernel::route_dump;
use crate::netlink::{
    Body, Frame, RECEIVE_BUFFER_OCTETS, encode, encode_nexthop_dump, frames, receive,
    set_receive_buffer,
};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// RTNLGRP_*: LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE, NEXTHOP.
const GROUPS: [u32; 7] = [1, 3, 5, 7, 9, 11, 32];
/// Datagrams per call of poll: some 30 route notifications each in a dump, so that the reader's other work is not starved.
const DATAGRAMS_PER_POLL: usize = 64;

/// What is dumped, in this order: links first, because routes are selected by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Links,
    Addresses,
    Neighbours,
    NextHops,
    RoutesV4,
    RoutesV6,
}

impl Phase {
    fn next(self) -> Option<Self> {
        match self {
            Phase::Links => Some(Phase::Addresses),
            Phase::Addresses => Some(Phase::Neighbours),
            Phase::Neighbours => Some(Phase::NextHops),
            Phase::NextHops => Some(Phase::RoutesV4),
            Phase::RoutesV4 => Some(Phase::RoutesV6),
            Phase::RoutesV6 => None,
        }
    }

    fn request(self, sequence: u32) -> Vec<u8> {
        let message = match self {
            Phase::Links => RouteNetlinkMessage::GetLink(LinkMessage::default()),
            Phase::Addresses => RouteNetlinkMessage::GetAddress(AddressMessage::default()),
            Phase::Neighbours => RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
            Phase::NextHops => return encode_nexthop_dump(sequence),
            Phase::RoutesV4 => RouteNetlinkMessage::GetRoute(route_dump(AddressFamily::Inet)),
            Phase::RoutesV6 => RouteNetlinkMessage::GetRoute(route_dump(AddressFamily::Inet6)),
        };
        let mut out = Vec::new();
        encode(&mut out, NLM_F_DUMP, sequence, message);
        out
    }
}

#[derive(Debug)]
struct Dump {
    phase: Phase,
    sequence: u32,
    interrupted: bool,
}

/// A subscribed socket and its mirror. It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct MirrorSocket {
    socket: Socket,
    mirror: Mirror,
    datagram: Vec<u8>,
    sequence: u32,
    dump: Option<Dump>,
    /// Messages were lost since the running pass began.
    lost: bool,
}

impl MirrorSocket {
    /// Subscribes and asks for the first dump. The mirror is complete at the first [`MirrorEvent::Synced`].
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> Result<Self, RoutingError> {
        Self::with_receive_buffer(RECEIVE_BUFFER_OCTETS)
    }

    /// [`Self::open`] with another bound on the kernel memory for messages not yet read; what does not fit is lost and
    /// repaired by a new dump.
    ///
    /// # Errors
    /// The socket's.
    pub fn with_receive_buffer(octets: usize) -> Result<Self, RoutingError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(|e| RoutingError::socket("open", e))?;
        socket
            .bind_auto()
            .map_err(|e| RoutingError::socket("bind", e))?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(|e| RoutingError::socket("connect", e))?;
        set_receive_buffer(&socket, octets)?;
        for group in GROUPS {
            socket
                .add_membership(group)
                .map_err(|e| RoutingError::socket("subscribe", e))?;
        }
        let mut this = Self {
            socket,
            mirror: Mirror::new(),
            datagram: Vec::new(),
            sequence: 0,
            dump: None,
            lost: false,
        };
        this.start(Phase::Links)?;
        Ok(this)
    }

    /// The state so far.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Whether a mark-and-sweep pass is under way.
    pub fn is_dumping(&self) -> bool {
        self.dump.is_some()
    }

    /// Asks for a mark-and-sweep pass: the reader lost track, or wants certainty.
    ///
    /// # Errors
    /// The socket's.
    pub fn resync(&mut self) -> Result<(), RoutingError> {
        self.lost = true;
        if self.dump.is_none() {
            self.start(Phase::Links)?;
        }
        Ok(())
    }

    /// Waits at most `timeout` for messages and appends what follows from them to `out`. `Duration::ZERO` polls.
    ///
    /// # Errors
    /// The socket's; losses are no errors.
    pub fn poll(
        &mut self,
        timeout: Duration,
        out: &mut Vec<MirrorEvent>,
    ) -> Result<(), RoutingError> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(e) => return Err(RoutingError::socket("poll", e)),
        }
        for _ in 0..DATAGRAMS_PER_POLL {
            match receive(&self.socket, &mut self.datagram, nix::libc::MSG_DONTWAIT) {
                Ok(()) => {
                    for frame in frames(&self.datagram) {
                        self.on_frame(frame, out)?;
                    }
                }
                Err(RoutingError::Socket { source, .. }) => match Errno::from_io(&source) {
                    Errno::EAGAIN => break,
                    Errno::ENOBUFS => {
                        log::warn!("rtnetlink mirror: messages lost, dumping again");
                        self.resync()?;
                    }
                    errno => return Err(RoutingError::socket("receive", errno)),
                },
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn on_frame(&mut self, frame: Frame, out: &mut Vec<MirrorEvent>) -> Result<(), RoutingError> {
        let ours = (self.dump.as_mut()).filter(|d| frame.sequence == d.sequence);
        let of_dump = ours.is_some();
        if let Some(dump) = ours {
            dump.interrupted |= frame.flags & NLM_F_DUMP_INTR != 0;
        }
        match frame.body {
            Body::Message(message) => {
                self.mirror.on_message(frame.flags, &message, out);
                Ok(())
            }
            Body::Done(_) | Body::Ack(_) if of_dump => self.end_phase(&frame.body, out),
            Body::Overrun => self.resync(),
            Body::Undecodable { message_type } => {
                // Dumping again would bring the same message again.
                log::warn!("rtnetlink mirror: cannot decode a message of type {message_type}");
                Ok(())
            }
            Body::Done(_) | Body::Ack(_) => Ok(()),
        }
    }

    /// A dump ended: the same again if it was interrupted, from the start if messages were lost, else the next one.
    fn end_phase(&mut self, body: &Body, out: &mut Vec<MirrorEvent>) -> Result<(), RoutingError> {
        let Some(dump) = self.dump.take() else {
            return Ok(());
        };
        if let Body::Ack(code) | Body::Done(code) = body {
            let errno = Errno::from_raw(code.saturating_abs());
            // A kernel without nexthop objects has none to dump.
            let unsupported = dump.phase == Phase::NextHops && errno == Errno::EOPNOTSUPP;
            if *code != 0 && !unsupported {
                return Err(RoutingError::socket("dump", errno));
            }
        }
        if self.lost {
            return self.start(Phase::Links);
        }
        if dump.interrupted {
            return self.send(dump.phase);
        }
        match dump.phase.next() {
            Some(phase) => self.send(phase),
            None => {
                self.mirror.end_dump(out);
                Ok(())
            }
        }
    }

    /// Starts a pass.
    fn start(&mut self, phase: Phase) -> Result<(), RoutingError> {
        self.lost = false;
        self.mirror.begin_dump();
        self.send(phase)
    }

    fn send(&mut self, phase: Phase) -> Result<(), RoutingError> {
        // 0 is the sequence number of notifications.
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.socket
            .send(&phase.request(self.sequence), 0)
            .map_err(|e| RoutingError::socket("send", e))?;
        self.dump = Some(Dump {
            phase,
            sequence: self.sequence,
            interrupted: false,
        });
        Ok(())
    }
}

impl AsFd for MirrorSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

trait FromIo {
    fn from_io(error: &std::io::Error) -> Self;
}

impl FromIo for Errno {
    fn from_io(error: &std::io::Error) -> Self {
        error
            .raw_os_error()
            .map_or(Errno::UnknownErrno, Errno::from_raw)
    }
}
