//! Requests to the kernel and their answers, on a blocking socket of its own.

use super::frame::{Body, RtMessage, encode, frames};
use crate::RoutingError;
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use std::io;

/// Octets that one datagram of the kernel may hold: dumps use up to 32 KiB, a link with many virtual functions more.
const DATAGRAM_OCTETS: usize = 128 * 1024;
/// Receive buffer of a request socket: the answers to one full batch.
const ANSWER_BUFFER_OCTETS: usize = 1024 * 1024;
/// Receive buffer of the mirror: about a quarter of a million route notifications, at some 500 octets of kernel memory each.
pub(crate) const RECEIVE_BUFFER_OCTETS: usize = 128 * 1024 * 1024;
/// Requests per send: their answers (some 1 KiB of kernel memory each) stay well below `ANSWER_BUFFER_OCTETS`.
const REQUESTS_PER_SEND: usize = 128;
/// How often a dump is repeated when the kernel says that its table changed meanwhile.
const DUMP_ATTEMPTS: u32 = 8;
/// The kernel answers within the send call; a silence this long is a fault, not load.
const ANSWER_TIMEOUT_S: i64 = 5;

/// A blocking request socket. It belongs to the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Requester {
    socket: Socket,
    sequence: u32,
    datagram: Vec<u8>,
}

impl Requester {
    /// Opens the socket.
    ///
    /// # Errors
    /// The kernel's, from socket, bind or setsockopt.
    pub fn open() -> Result<Self, RoutingError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(|e| RoutingError::socket("open", e))?;
        socket
            .bind_auto()
            .map_err(|e| RoutingError::socket("bind", e))?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(|e| RoutingError::socket("connect", e))?;
        socket
            .set_cap_ack(true)
            .map_err(|e| RoutingError::socket("set NETLINK_CAP_ACK", e))?;
        set_receive_buffer(&socket, ANSWER_BUFFER_OCTETS)?;
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::new(ANSWER_TIMEOUT_S, 0),
        )
        .map_err(|e| RoutingError::socket("set SO_RCVTIMEO", e))?;
        Ok(Self {
            socket,
            sequence: 0,
            datagram: Vec::new(),
        })
    }

    /// Sends requests in batches and returns the kernel's verdict on each, in order.
    ///
    /// # Errors
    /// Only when the socket fails; then the verdicts are unknown.
    pub fn transact(
        &mut self,
        requests: Vec<(u16, RouteNetlinkMessage)>,
    ) -> Result<Vec<Result<(), io::Error>>, RoutingError> {
        let mut verdicts = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let mut out = Vec::new();
            let first = self.sequence.wrapping_add(1);
            let mut count = 0;
            for (flags, message) in requests.by_ref().take(REQUESTS_PER_SEND) {
                self.sequence = self.sequence.wrapping_add(1);
                encode(&mut out, flags | NLM_F_ACK, self.sequence, message);
                count += 1;
            }
            self.socket
                .send(&out, 0)
                .map_err(|e| RoutingError::socket("send", e))?;
            self.collect(first, count, &mut verdicts)?;
        }
        Ok(verdicts)
    }

    /// One request; `subject` names it in the error.
    ///
    /// # Errors
    /// [`RoutingError::Refused`] with `subject`, or the socket's.
    pub fn request(
        &mut self,
        flags: u16,
        message: RouteNetlinkMessage,
        subject: impl FnOnce() -> String,
    ) -> Result<(), RoutingError> {
        let verdict = self.transact(vec![(flags, message)])?.pop();
        match verdict {
            Some(Ok(())) => Ok(()),
            Some(Err(source)) => Err(RoutingError::Refused {
                subject: subject(),
                source,
            }),
            None => Err(RoutingError::socket(
                "receive",
                io::Error::from(io::ErrorKind::UnexpectedEof),
            )),
        }
    }

    /// All objects that `message` (a GET) asks for; repeated when the kernel reports an interruption.
    ///
    /// # Errors
    /// The kernel's refusal, or [`RoutingError::DumpInterrupted`].
    pub fn dump(&mut self, message: RouteNetlinkMessage) -> Result<Vec<RtMessage>, RoutingError> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(messages) = self.dump_once(message.clone())? {
                return Ok(messages);
            }
        }
        Err(RoutingError::DumpInterrupted(DUMP_ATTEMPTS))
    }

    fn dump_once(
        &mut self,
        message: RouteNetlinkMessage,
    ) -> Result<Option<Vec<RtMessage>>, RoutingError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut out = Vec::new();
        encode(&mut out, NLM_F_DUMP, self.sequence, message);
        self.socket
            .send(&out, 0)
            .map_err(|e| RoutingError::socket("send", e))?;
        let (mut messages, mut interrupted) = (Vec::new(), false);
        loop {
            receive(&self.socket, &mut self.datagram, 0)?;
            for frame in frames(&self.datagram) {
                if frame.sequence != self.sequence {
                    continue;
                }
                interrupted |= frame.flags & NLM_F_DUMP_INTR != 0;
                match frame.body {
                    Body::Message(message) => messages.push(*message),
                    Body::Done(0) => return Ok((!interrupted).then_some(messages)),
                    Body::Done(code) | Body::Ack(code) => {
                        return Err(RoutingError::socket(
                            "dump",
                            io::Error::from_raw_os_error(code.saturating_abs()),
                        ));
                    }
                    Body::Overrun => interrupted = true,
                    Body::Undecodable { message_type } => {
                        log::warn!("rtnetlink: cannot decode a message of type {message_type}");
                    }
                }
            }
        }
    }

    /// Reads the acknowledgements of `count` requests numbered from `first`.
    fn collect(
        &mut self,
        first: u32,
        count: u32,
        verdicts: &mut Vec<Result<(), io::Error>>,
    ) -> Result<(), RoutingError> {
        let mut next = 0;
        while next < count {
            receive(&self.socket, &mut self.datagram, 0)?;
            for frame in frames(&self.datagram) {
                let Body::Ack(code) = frame.body else {
                    continue;
                };
                // The kernel answers in order; anything else is an answer to a request that we gave up.
                if frame.sequence != first.wrapping_add(next) {
                    continue;
                }
                next += 1;
                verdicts.push(if code == 0 {
                    Ok(())
                } else {
                    Err(io::Error::from_raw_os_error(code.saturating_abs()))
                });
            }
        }
        Ok(())
    }
}

/// SO_RCVBUFFORCE, or what net.core.rmem_max allows when we lack CAP_NET_ADMIN.
pub(crate) fn set_receive_buffer(socket: &Socket, octets: usize) -> Result<(), RoutingError> {
    setsockopt(socket, sockopt::RcvBufForce, &octets)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &octets))
        .map_err(|e| RoutingError::socket("set SO_RCVBUF", e))
}

/// Reads one datagram into `datagram`; a truncated one counts as lost (ENOBUFS).
pub(crate) fn receive(
    socket: &Socket,
    datagram: &mut Vec<u8>,
    flags: i32,
) -> Result<(), RoutingError> {
    datagram.clear();
    datagram.reserve(DATAGRAM_OCTETS);
    loop {
        match socket.recv(datagram, flags | nix::libc::MSG_TRUNC) {
            Ok(octets) if octets > datagram.len() => {
                return Err(RoutingError::socket("receive", Errno::ENOBUFS));
            }
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(RoutingError::socket("receive", e)),
        }
    }
}
