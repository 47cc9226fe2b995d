//! Tells that links came, went or changed, without saying which: the reader reconciles all of them anyway.

use crate::RoutingError;
use crate::netlink::receive;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::MsgFlags;

/// RTNLGRP_LINK.
const LINK_GROUP: u32 = 1;

/// A subscription to changes of links. It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct LinkWatch {
    socket: Socket,
    datagram: Vec<u8>,
}

impl LinkWatch {
    /// Subscribes.
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> Result<Self, RoutingError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(|e| RoutingError::socket("open", e))?;
        socket
            .bind_auto()
            .map_err(|e| RoutingError::socket("bind", e))?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(|e| RoutingError::socket("connect", e))?;
        socket
            .add_membership(LINK_GROUP)
            .map_err(|e| RoutingError::socket("subscribe", e))?;
        Ok(Self {
            socket,
            datagram: Vec::new(),
        })
    }

    /// Blocks until a link changed. Lost notices count as a change.
    ///
    /// # Errors
    /// The socket's.
    pub fn wait(&mut self) -> Result<(), RoutingError> {
        while !self.hear(MsgFlags::empty())? {}
        Ok(())
    }

    /// Whether a link changed since the last call.
    ///
    /// # Errors
    /// The socket's.
    pub fn changed(&mut self) -> Result<bool, RoutingError> {
        let mut changed = false;
        while self.hear(MsgFlags::MSG_DONTWAIT)? {
            changed = true;
        }
        Ok(changed)
    }

    /// True when a notice came, or some were lost.
    fn hear(&mut self, flags: MsgFlags) -> Result<bool, RoutingError> {
        let error = match receive(&self.socket, &mut self.datagram, flags.bits()) {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        let number = match &error {
            RoutingError::Socket { source, .. } => source.raw_os_error(),
            _ => None,
        };
        match number.map(Errno::from_raw) {
            Some(Errno::ENOBUFS) => Ok(true),
            Some(Errno::EINTR | Errno::EAGAIN) => Ok(false),
            _ => Err(error),
        }
    }
}
