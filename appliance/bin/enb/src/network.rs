//! The sockets: UDP 500 and 4500 on each of our addresses, and protocol 50 there for traffic that is not in UDP.
//!
//! With a NAT of ours an eNodeB knows another address than the one its packets have (`plan::believed`): both ends find the NAT by their hashes
//! (RFC 7296 section 2.23) and put ESP in UDP, which needs no privilege.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use ravelin_ike::{Outer, Transmit};
use ravelin_wire::esp::PROTOCOL_ESP;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// IKE, and IKE behind a NAT, where each message has a marker before it (RFC 3948 section 2.2).
const PORTS: [u16; 2] = [500, 4500];
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// Where a socket of protocol 50, which has no ports, is found.
const NO_PORT: u16 = 0;
/// Octets of the kernel's buffers: an answer for each of some thousand set-ups under way.
const BUFFER_OCTETS: usize = 8 << 20;
const MAX_DATAGRAM_OCTETS: usize = 65_535;
/// Datagrams taken from a socket before the others have their turn.
const MAX_TAKEN: usize = 256;

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {local}{}: {source}", if local.port() == NO_PORT { " for protocol 50 (--nat needs no privilege)" } else { "" })]
pub struct BindError {
    local: SocketAddr,
    source: io::Error,
}

/// What came.
pub enum Arrival<'a> {
    /// A message, without its marker.
    Ike {
        /// Where it came, as the eNodeBs know it.
        local: SocketAddr,
        /// From where.
        remote: SocketAddr,
        /// The message.
        message: &'a [u8],
    },
    /// An ESP packet, without outer headers.
    Esp(&'a [u8]),
}

/// All sockets.
pub struct Network {
    /// With the addresses that the eNodeBs know.
    sockets: Vec<(SocketAddr, UdpSocket)>,
    by_address: HashMap<SocketAddr, usize>,
    buffer: Vec<u8>,
    /// Datagrams that the kernel did not take: they are lost, and those of IKE are sent again like any lost one.
    pub unsent: u64,
}

impl Network {
    /// Binds both ports of each address, given as the eNodeBs know it and as it is; and protocol 50, if it is wanted.
    ///
    /// # Errors
    /// Names the address and port.
    pub fn open(addresses: &[(IpAddr, IpAddr)], esp: bool) -> Result<Self, BindError> {
        let mut network = Self {
            sockets: Vec::new(),
            by_address: HashMap::new(),
            buffer: vec![0; MAX_DATAGRAM_OCTETS],
            unsent: 0,
        };
        for (believed, address) in addresses {
            for port in PORTS.into_iter().chain(esp.then_some(NO_PORT)) {
                let local = SocketAddr::new(*address, port);
                let socket = bind(local).map_err(|source| BindError { local, source })?;
                let believed = SocketAddr::new(*believed, port);
                network.by_address.insert(believed, network.sockets.len());
                network.sockets.push((believed, socket));
            }
        }
        Ok(network)
    }

    /// To wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|(_, socket)| socket.as_fd())
    }

    /// Sends a message of IKE.
    pub fn send(&mut self, transmit: &Transmit) {
        if transmit.local.port() == PORTS[1] {
            let marked = [&NON_ESP_MARKER, transmit.data.as_slice()].concat();
            self.send_from(transmit.local, transmit.remote, &marked);
        } else {
            self.send_from(transmit.local, transmit.remote, &transmit.data);
        }
    }

    /// Sends an ESP packet.
    pub fn send_esp(&mut self, outer: &Outer, packet: &[u8]) {
        let (ours, theirs) = outer.udp.unwrap_or((NO_PORT, NO_PORT));
        let local = SocketAddr::new(outer.local, ours);
        self.send_from(local, SocketAddr::new(outer.remote, theirs), packet);
    }

    fn send_from(&mut self, local: SocketAddr, remote: SocketAddr, octets: &[u8]) {
        let found = self.by_address.get(&local);
        let socket = found.and_then(|at| self.sockets.get(*at));
        let sent = socket.is_some_and(|(_, socket)| socket.send_to(octets, remote).is_ok());
        self.unsent += u64::from(!sent);
    }

    /// Hands over what has come; false when there may be more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive(&mut self, mut take: impl FnMut(Arrival<'_>)) -> io::Result<bool> {
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
                if let Some(arrival) = sort(*local, remote, datagram) {
                    take(arrival);
                }
            }
            all &= taken < MAX_TAKEN;
        }
        Ok(all)
    }
}

/// What a datagram is; `None` for keepalives (RFC 3948 section 2.3) and what is cut off.
fn sort(local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> Option<Arrival<'_>> {
    let ike = |message| Arrival::Ike {
        local,
        remote,
        message,
    };
    match local.port() {
        // A raw socket of IPv4 shows the header, one of IPv6 does not.
        NO_PORT if local.is_ipv4() => {
            let header_octets = usize::from(datagram.first()? & 0xf) * 4;
            datagram.get(header_octets..).map(Arrival::Esp)
        }
        NO_PORT => Some(Arrival::Esp(datagram)),
        port if port == PORTS[0] => Some(ike(datagram)),
        _ => match datagram.strip_prefix(&NON_ESP_MARKER) {
            Some(message) => Some(ike(message)),
            None => (datagram.len() > 1).then_some(Arrival::Esp(datagram)),
        },
    }
}

/// A socket of UDP, or of protocol 50 without a port, that does not block.
///
/// # Errors
/// The kernel's.
pub fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    let (kind, protocol) = match local.port() {
        NO_PORT => (Type::RAW, Protocol::from(i32::from(PROTOCOL_ESP))),
        _ => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(local), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    // One of protocol 50 has only its own family anyway, and cannot be told.
    if local.is_ipv6() && local.port() != NO_PORT {
        socket.set_only_v6(true)?;
    }
    // The kernel may grant less; a burst beyond it is lost.
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_OCTETS).is_err() {
        let _ = socket.set_recv_buffer_size(BUFFER_OCTETS);
    }
    if setsockopt(&socket, sockopt::SndBufForce, &BUFFER_OCTETS).is_err() {
        let _ = socket.set_send_buffer_size(BUFFER_OCTETS);
    }
    socket.bind(&SockAddr::from(local))?;
    Ok(socket.into())
}
