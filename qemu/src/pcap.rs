//! Reads (and writes) pcap files as tcpdump does: little-endian, microseconds or nanoseconds, Ethernet.

use crate::{Result, VmError};
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
        std::fs::read(path).map_err(|e| VmError::io(format!("read {}", path.display()), e))?;
    parse(&octets).ok_or_else(|| VmError::Unexpected(format!("{} is no pcap", path.display())))
}

/// Writes frames, in microseconds.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, frames: &[Captured]) -> Result<()> {
    let mut octets = file_header();
    for captured in frames {
        octets.extend(record(captured.time_ns, &captured.frame));
    }
    std::fs::write(path, octets).map_err(|e| VmError::io(format!("write {}", path.display()), e))
}

/// What a file begins with.
pub fn file_header() -> Vec<u8> {
    let mut octets = MAGIC_US.to_le_bytes().to_vec();
    octets.extend([2, 0, 4, 0]); // version 2.4
    for word in [0, 0, u32::from(u16::MAX), 1] {
        octets.extend(word.to_le_bytes());
    }
    octets
}

/// A frame as it is written after the header or another frame; `time_ns` is since 1970.
pub fn record(time_ns: u64, frame: &[u8]) -> Vec<u8> {
    let seconds = (time_ns / 1_000_000_000) as u32;
    let micros = (time_ns % 1_000_000_000 / 1000) as u32;
    let length = frame.len() as u32;
    let words = [seconds, micros, length, length];
    let mut octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    octets.extend(frame);
    octets
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
