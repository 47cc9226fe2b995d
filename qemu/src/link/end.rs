//! A test's own plug in a link: sends and receives Ethernet frames.

use super::{framed, unframe};
use crate::wait::Deadline;
use crate::{Result, VmError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A plug; it is pulled when this value ends.
#[derive(Debug)]
pub struct End {
    stream: UnixStream,
    received: Vec<u8>,
}

impl End {
    /// Plugs into the link with that socket ([`super::Link::socket`]), from any process.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn plug(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .map_err(|e| VmError::io(format!("plug into {}", socket.display()), e))?;
        Ok(Self {
            stream,
            received: vec![],
        })
    }

    /// Another handle of the same plug, for a thread that only sends or only receives.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn share(&self) -> Result<Self> {
        let stream = self.stream.try_clone();
        Ok(Self {
            stream: stream.map_err(|e| VmError::io("share a plug", e))?,
            received: vec![],
        })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the link has ended.
    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        let sent = self.stream.write_all(&framed(frame));
        sent.map_err(|e| VmError::io("send a frame", e))
    }

    /// The next frame, or none within `limit`.
    ///
    /// # Errors
    /// When the link has ended.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<Vec<u8>>> {
        let failed = |e| VmError::io("receive a frame", e);
        let end = Instant::now() + limit;
        let mut octets = [0; 65_536];
        loop {
            match unframe(&mut self.received) {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(()) => return Err(failed(ErrorKind::InvalidData.into())),
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left)).map_err(failed)?;
            match self.stream.read(&mut octets) {
                Ok(0) => return Err(failed(ErrorKind::UnexpectedEof.into())),
                Ok(count) => self
                    .received
                    .extend(octets.get(..count).unwrap_or_default()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(e)),
            }
        }
    }

    /// Waits for a frame that `judge` makes something of; the others are dropped.
    ///
    /// # Errors
    /// [`Deadline`] naming `what`, or the link has ended.
    pub fn expect<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut judge: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + limit;
        while let Some(frame) = self.receive(end.saturating_duration_since(Instant::now()))? {
            if let Some(found) = judge(&frame) {
                return Ok(found);
            }
        }
        Err(VmError::Deadline(Deadline {
            what: what.to_owned(),
            seconds: limit.as_secs(),
        }))
    }
}
