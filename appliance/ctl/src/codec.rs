//! Frames: a 32-bit little-endian length, then that many octets of `postcard`.
//!
//! Buffers that held frames are wiped, because frames may carry keys.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Longest frame accepted: a batch of 4,096 SA pairs or a configuration text of 8 MiB, with room.
pub const MAX_FRAME_OCTETS: usize = 16 << 20;

const LENGTH_OCTETS: usize = 4;

/// A frame that cannot be written or read.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The message or the announced length exceeds [`MAX_FRAME_OCTETS`].
    #[error("frame of {0} octets exceeds the limit of {MAX_FRAME_OCTETS}")]
    TooLong(usize),
    /// The octets are not a message of the wanted type.
    #[error("malformed frame: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Encodes one message as a frame.
///
/// # Errors
/// [`CodecError::TooLong`] when the message is too large.
pub fn encode<T: Serialize>(message: &T) -> Result<Zeroizing<Vec<u8>>, CodecError> {
    let length = postcard::experimental::serialized_size(message)?;
    if length > MAX_FRAME_OCTETS {
        return Err(CodecError::TooLong(length));
    }
    // Sized beforehand: a buffer that grows leaves copies of keys behind.
    let mut frame = Vec::with_capacity(LENGTH_OCTETS + length);
    frame.extend_from_slice(&(length as u32).to_le_bytes());
    let frame = Zeroizing::new(postcard::to_extend(message, frame)?);
    Ok(frame)
}

/// Cuts a stream of octets into frames.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// An empty decoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets as they were read.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.start > 0 && self.buffer.len() + octets.len() > self.buffer.capacity() {
            self.compact();
        }
        let needed = self.buffer.len() + octets.len();
        if needed > self.buffer.capacity() {
            self.grow(needed);
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole message, or `None` until more octets are fed.
    ///
    /// # Errors
    /// After an error the stream has lost its framing: close it.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CodecError> {
        let pending = &self.buffer[self.start..];
        let Some((head, rest)) = pending.split_first_chunk::<LENGTH_OCTETS>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > MAX_FRAME_OCTETS {
            return Err(CodecError::TooLong(length));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = postcard::from_bytes(body)?;
        let end = self.start + LENGTH_OCTETS + length;
        self.buffer[self.start..end].zeroize();
        self.start = end;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        Ok(Some(message))
    }

    /// Growing in place would leave a copy behind that nobody wipes.
    fn grow(&mut self, octets: usize) {
        let mut larger = Vec::with_capacity(octets.next_power_of_two());
        larger.extend_from_slice(&self.buffer);
        self.buffer.zeroize();
        self.buffer = larger;
    }

    fn compact(&mut self) {
        self.buffer.copy_within(self.start.., 0);
        let kept = self.buffer.len() - self.start;
        self.buffer[kept..].zeroize();
        self.buffer.truncate(kept);
        self.start = 0;
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests;
