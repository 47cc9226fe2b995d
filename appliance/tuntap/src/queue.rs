//! The packet mover's side: one queue of a device, non-blocking. Each read or write is one frame or packet.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use crate::device::open_queue;
use crate::{DeviceName, Error, Kind, sys};

/// An attached queue. Dropping it closes the queue; what a holder keeps stays.
#[derive(Debug)]
pub struct Queue {
    name: DeviceName,
    file: File,
}

impl Queue {
    /// Attaches a queue to a device that exists; its carrier stays as it is.
    ///
    /// # Errors
    /// [`Error::Kernel`] when there is no such device, [`Error::OtherKind`], [`Error::Io`].
    pub fn attach(name: &DeviceName, kind: Kind) -> Result<Self, Error> {
        let file = open_queue(name, kind, true)?;
        Ok(Queue {
            name: name.clone(),
            file,
        })
    }

    /// Kernel name of the device.
    #[must_use]
    pub fn name(&self) -> &DeviceName {
        &self.name
    }

    /// Takes one packet that the kernel sent; `None` when none is waiting. A packet longer than `into` is cut.
    ///
    /// # Errors
    /// [`Error::Io`], for instance while the device is administratively down.
    pub fn recv(&self, into: &mut [u8]) -> Result<Option<usize>, Error> {
        loop {
            match (&self.file).read(into) {
                Ok(octets) => return Ok(Some(octets)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.failed(source)),
            }
        }
    }

    /// Takes up to `most` waiting packets, handing each to `take`; returns how many there were.
    ///
    /// # Errors
    /// As [`Queue::recv`]; packets taken before the error are delivered.
    pub fn recv_burst(
        &self,
        most: usize,
        scratch: &mut [u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, Error> {
        for taken in 0..most {
            match self.recv(scratch)? {
                Some(octets) => take(&scratch[..octets]),
                None => return Ok(taken),
            }
        }
        Ok(most)
    }

    /// Gives one packet to the kernel; `false` when its backlog is full and the packet was not taken.
    ///
    /// # Errors
    /// [`Error::Io`], for instance while the device is administratively down or the packet is malformed.
    pub fn send(&self, packet: &[u8]) -> Result<bool, Error> {
        loop {
            match (&self.file).write(packet) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.failed(source)),
            }
        }
    }

    /// Gives a burst to the kernel; returns how many it took from the front.
    ///
    /// # Errors
    /// As [`Queue::send`]; the packets before the failing one were taken.
    pub fn send_burst<'a>(
        &self,
        packets: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<usize, Error> {
        let mut sent = 0;
        for packet in packets {
            if !self.send(packet)? {
                break;
            }
            sent += 1;
        }
        Ok(sent)
    }

    /// Sets the carrier of the device.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn set_carrier(&self, up: bool) -> Result<(), Error> {
        sys::set_carrier(&self.file, up).map_err(Error::kernel(&self.name, "set the carrier"))
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Io {
            name: self.name.to_string(),
            source,
        }
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
