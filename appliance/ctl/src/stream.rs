//! A blocking connection for threads. Daemons with an event loop use [`crate::codec`] on their own sockets.

use crate::codec::{CodecError, Decoder, encode};
use crate::hello::{Hello, PROTOCOL_VERSION, Role};
use crate::peer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use thiserror::Error;
use zeroize::Zeroizing;

const READ_OCTETS: usize = 64 << 10;
/// Longest wait for the other side's greeting, which takes it no work: one that is silent so long hangs.
const GREETING_LIMIT: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The socket failed.
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
    /// A frame was bad.
    #[error("control socket: {0}")]
    Codec(#[from] CodecError),
    /// The other side closed.
    #[error("control socket closed by the other side")]
    Closed,
    /// The other side is of another build.
    #[error("{name} speaks control protocol {theirs}, we speak {PROTOCOL_VERSION}")]
    Version {
        /// The other process.
        name: &'static str,
        /// Its version.
        theirs: u32,
    },
    /// The other side is not who it says to be.
    #[error("user {uid} may not speak as {name}")]
    Impostor {
        /// Who it says to be.
        name: &'static str,
        /// The user of its process.
        uid: u32,
    },
    /// This socket is not for the other side, or not its own.
    #[error("{name} has no business at this socket")]
    Role {
        /// Who it is.
        name: &'static str,
    },
}

impl StreamError {
    /// Whether nothing came in time; the connection stays usable.
    pub fn is_timeout(&self) -> bool {
        use io::ErrorKind::{TimedOut, WouldBlock};
        matches!(self, Self::Io(error) if matches!(error.kind(), TimedOut | WouldBlock))
    }

    /// Whether the other side is merely not there: nothing to complain of, because processes start in any order.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Io(error) if is_absence(error))
    }
}

/// Whether a connection failed because nobody listens.
pub fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    let kinds = [ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof];
    kinds.contains(&error.kind())
}

/// One side of a connection after the handshake.
pub struct Stream {
    socket: UnixStream,
    decoder: Decoder,
    peer: Hello,
}

impl Stream {
    /// Connects to the socket of `server` at `path` and greets.
    ///
    /// # Errors
    /// When nobody listens, the other side is of another version, or it is not `server`.
    pub fn connect(path: &Path, hello: &Hello, server: Role) -> Result<Self, StreamError> {
        let stream = Self::open(UnixStream::connect(path)?, hello)?;
        stream.expect(&[server])
    }

    /// Greets a client that was just accepted and must be one of `roles`. It may take `patience` to greet, and to take each message
    /// later on; what it sends then is waited for without end.
    ///
    /// # Errors
    /// As [`Stream::open`], and [`StreamError::Role`].
    pub fn accept(
        socket: UnixStream,
        hello: &Hello,
        patience: Duration,
        roles: &[Role],
    ) -> Result<Self, StreamError> {
        socket.set_write_timeout(Some(patience))?;
        socket.set_read_timeout(Some(patience))?;
        let stream = Self::open(socket, hello)?.expect(roles)?;
        stream.set_receive_timeout(None)?;
        Ok(stream)
    }

    fn expect(self, roles: &[Role]) -> Result<Self, StreamError> {
        let role = self.peer.role;
        if roles.contains(&role) {
            return Ok(self);
        }
        let name = role.process_name();
        Err(StreamError::Role { name })
    }

    /// Greets on a socket that was accepted or connected. A socket without a read timeout waits two seconds for the greeting.
    ///
    /// # Errors
    /// As [`Stream::connect`]; [`StreamError::Impostor`] when the other process is not of the user that its role belongs to.
    pub fn open(socket: UnixStream, hello: &Hello) -> Result<Self, StreamError> {
        let patience = socket.read_timeout()?;
        let uid = peer::user(&socket)?;
        socket.set_read_timeout(patience.or(Some(GREETING_LIMIT)))?;
        let mut stream = Self {
            socket,
            decoder: Decoder::new(),
            peer: hello.clone(),
        };
        stream.send(hello)?;
        stream.peer = stream.receive()?;
        if stream.peer.version != PROTOCOL_VERSION {
            return Err(StreamError::Version {
                name: stream.peer.role.process_name(),
                theirs: stream.peer.version,
            });
        }
        let role = stream.peer.role;
        if !peer::may_speak(uid, role) {
            let name = role.process_name();
            return Err(StreamError::Impostor { name, uid });
        }
        stream.socket.set_read_timeout(patience)?;
        Ok(stream)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Hello {
        &self.peer
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the socket is gone or the message too large.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), StreamError> {
        Ok(self.socket.write_all(&encode(message)?)?)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`StreamError::Closed`] at the end; `Io` with `WouldBlock` or `TimedOut` when a read timeout is set and passes
    /// (the connection stays usable).
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<T, StreamError> {
        let mut chunk = Zeroizing::new(vec![0; READ_OCTETS]);
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(StreamError::Closed),
                Ok(n) => self.decoder.feed(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Bounds the wait of [`Stream::receive`]; `None` waits for ever.
    ///
    /// # Errors
    /// When the system refuses (a zero duration).
    pub fn set_receive_timeout(&self, timeout: Option<Duration>) -> Result<(), StreamError> {
        Ok(self.socket.set_read_timeout(timeout)?)
    }

    /// The socket, for polling.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// A second handle whose sends interleave with this one's at frame boundaries only when the caller serialises them.
    ///
    /// # Errors
    /// When file descriptors ran out.
    pub fn writer(&self) -> Result<Writer, StreamError> {
        Ok(Writer {
            socket: self.socket.try_clone()?,
        })
    }
}

/// The sending half of a [`Stream`], for another thread.
pub struct Writer {
    socket: UnixStream,
}

impl Writer {
    /// Sends one message.
    ///
    /// # Errors
    /// When the socket is gone or the message too large.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), StreamError> {
        Ok(self.socket.write_all(&encode(message)?)?)
    }
}

#[cfg(test)]
mod tests;
