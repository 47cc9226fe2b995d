//! Reads (and writes) pcap files as tcpdump does: little-endian, microseconds or nanoseconds, Ethernet.

use crate::{BenchError, Result};
use std::path::Path;

const MAGIC_US: u32 = 0xa1b2_c3d4;
const MAGIC_NS: u32 = 0xa1b2_3c4d;
/// Octets before the first record.
pub const FILE_HEADER_OCTETS: usize = 24;
/// Octets before each frame.
pub const RECORD_HEADER_OCTETS: usize = 16;

/// A captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    /// The Ethernet frame.
    pub frame: Vec<u8>,
}

/// Reads a whole file; a torn last record (the writer was killed) is left out.
///
/// # Errors
/// When the file cannot be read or is not such a pcap.
pub fn read(path: &Path) -> Result<Vec<Captured>> {
    let octets =
        std::fs::read(path).map_err(|e| BenchError::io(format!("read {}", path.display()), e))?;
    parse(&octets).ok_or_else(|| BenchError::Unexpected(format!("{} is no pcap", path.display())))
}

/// Writes frames, in microseconds.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, frames: &[Captured]) -> Result<()> {
    let mut octets = MAGIC_US.to_le_bytes().to_vec();
    octets.extend([2, 0, 4, 0]); // version 2.4
    for word in [0, 0, u32::from(u16::MAX), 1] {
        octets.extend(word.to_le_bytes());
    }
    for captured in frames {
        let seconds = (captured.time_ns / 1_000_000_000) as u32;
        let micros = (captured.time_ns % 1_000_000_000 / 1000) as u32;
        let length = captured.frame.len() as u32;
        for word in [seconds, micros, length, length] {
            octets.extend(word.to_le_bytes());
        }
        octets.extend(&captured.frame);
    }
    std::fs::write(path, octets).map_err(|e| BenchError::io(format!("write {}", path.display()), e))
}

fn parse(octets: &[u8]) -> Option<Vec<Captured>> {
    let scale = match word(octets, 0)? {
        MAGIC_US => 1000,
        MAGIC_NS => 1,
        _ => return None,
    };
    let mut at = FILE_HEADER_OCTETS;
    let mut frames = Vec::new();
    while let (Some(seconds), Some(fraction), Some(length)) =
        (word(octets, at), word(octets, at + 4), word(octets, at + 8))
    {
        let start = at + RECORD_HEADER_OCTETS;
        let Some(frame) = octets.get(start..start + length as usize) else {
            break;
        };
        let time_ns = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * scale;
        frames.push(Captured {
            time_ns,
            frame: frame.to_vec(),
        });
        at = start + length as usize;
    }
    Some(frames)
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests;
