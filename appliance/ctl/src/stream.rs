//! A blocking connection for threads. Daemons with an event loop use [`crate::codec`] on their own sockets.

use crate::codec::{CodecError, Decoder, encode};
use crate::hello::{Hello, PROTOCOL_VERSION};
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
}

impl StreamError {
    /// Whether nothing came in time; the connection stays usable.
    pub fn is_timeout(&self) -> bool {
        use io::ErrorKind::{TimedOut, WouldBlock};
        matches!(self, Self::Io(error) if matches!(error.kind(), TimedOut | WouldBlock))
    }
}

/// One side of a connection after the handshake.
pub struct Stream {
    socket: UnixStream,
    decoder: Decoder,
    peer: Hello,
}

impl Stream {
    /// Connects to `path` and greets.
    ///
    /// # Errors
    /// When nobody listens, or the other side is of another version.
    pub fn connect(path: &Path, hello: &Hello) -> Result<Self, StreamError> {
        Self::open(UnixStream::connect(path)?, hello)
    }

    /// Greets on a socket that was accepted or connected. A socket without a read timeout waits two seconds for the greeting.
    ///
    /// # Errors
    /// As [`Stream::connect`].
    pub fn open(socket: UnixStream, hello: &Hello) -> Result<Self, StreamError> {
        let patience = socket.read_timeout()?;
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
