//! The sockets: UDP 500 and 4500 on each of our addresses.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use ravelin_ike::Transmit;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// IKE, and IKE behind a NAT, where each message has a marker before it (RFC 3948 section 2.2).
const PORTS: [u16; 2] = [500, 4500];
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// Octets of the kernel's buffers: an answer for each of some thousand set-ups under way.
const BUFFER_OCTETS: usize = 8 << 20;
const MAX_DATAGRAM_OCTETS: usize = 65_535;
/// Datagrams taken from a socket before the others have their turn.
const MAX_TAKEN: usize = 256;

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {local}: {source}")]
pub struct BindError {
    local: SocketAddr,
    source: io::Error,
}

/// All sockets.
pub struct Network {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    by_address: HashMap<SocketAddr, usize>,
    buffer: Vec<u8>,
    /// Datagrams that the kernel did not take: they are lost, and sent again like any lost one.
    pub unsent: u64,
}

impl Network {
    /// Binds both ports of each address.
    ///
    /// # Errors
    /// Names the address and port.
    pub fn open(addresses: &[IpAddr]) -> Result<Self, BindError> {
        let mut network = Self {
            sockets: Vec::new(),
            by_address: HashMap::new(),
            buffer: vec![0; MAX_DATAGRAM_OCTETS],
            unsent: 0,
        };
        for address in addresses {
            for port in PORTS {
                let local = SocketAddr::new(*address, port);
                let socket = bind(local).map_err(|source| BindError { local, source })?;
                network.by_address.insert(local, network.sockets.len());
                network.sockets.push((local, socket));
            }
        }
        Ok(network)
    }

    /// To wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|(_, socket)| socket.as_fd())
    }

    /// Sends.
    pub fn send(&mut self, transmit: &Transmit) {
        let found = self.by_address.get(&transmit.local);
        let Some((local, socket)) = found.and_then(|at| self.sockets.get(*at)) else {
            self.unsent += 1;
            return;
        };
        let sent = if local.port() == PORTS[1] {
            let marked = [&NON_ESP_MARKER, transmit.data.as_slice()].concat();
            socket.send_to(&marked, transmit.remote)
        } else {
            socket.send_to(&transmit.data, transmit.remote)
        };
        self.unsent += u64::from(sent.is_err());
    }

    /// Hands over what has come; false when there may be more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive(
        &mut self,
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> io::Result<bool> {
        let mut all = true;
        for (local, socket) in &self.sockets {
            let mut taken = 0;
            while taken < MAX_TAKEN {
                taken += 1;
                let (octets, remote) = match socket.recv_from(&mut self.buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // ICMP errors of earlier datagrams.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                    Err(error) => return Err(error),
                };
                let datagram = self.buffer.get(..octets).unwrap_or_default();
                let message = match local.port() {
                    500 => Some(datagram),
                    _ => datagram.strip_prefix(&NON_ESP_MARKER),
                };
                // The rest is ESP in UDP and keepalives.
                if let Some(message) = message {
                    take(*local, remote, message);
                }
            }
            all &= taken < MAX_TAKEN;
        }
        Ok(all)
    }
}

fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel may grant less; a burst beyond it is sent again.
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_OCTETS).is_err() {
        let _ = socket.set_recv_buffer_size(BUFFER_OCTETS);
    }
    if setsockopt(&socket, sockopt::SndBufForce, &BUFFER_OCTETS).is_err() {
        let _ = socket.set_send_buffer_size(BUFFER_OCTETS);
    }
    socket.bind(&SockAddr::from(local))?;
    Ok(socket.into())
}
