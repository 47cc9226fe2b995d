//! Octets of the log. All numbers are little-endian.
//!
//! ```text
//! header (24)  magic "RAVELINV" (8) | version (4) | next position (8) | CRC-32 of the 20 octets before (4)
//! record       CRC-32 of the header's rest (4) | payload length (4) | position (8) | subject (8) | kind (1) | CRC-32 of the payload (4)
//!              | payload
//! ```
//!
//! [`parse`] takes any octets: it reads whole records with right checksums and rising positions, and stops at the first
//! thing that is not one. What follows is a torn tail. The payload of a record that a later one supersedes may be anything: it is
//! overwritten once the later one is there, and a death may leave that half done.

use std::collections::HashMap;

use crate::error::FormatError;

/// Version of this format.
pub const VERSION: u32 = 2;
/// Octets of the file header.
pub const HEADER_OCTETS: usize = 24;
/// Octets of a record before its payload.
pub const RECORD_HEADER_OCTETS: usize = 29;
/// Longest payload: an IKE SA with a cached response and an outstanding request of 64 KiB each, many times over.
pub const MAX_PAYLOAD_OCTETS: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"RAVELINV";

/// What a record does to its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Adds to the subject's records.
    Append,
    /// Supersedes the subject's earlier records.
    Replace,
    /// Ends the subject.
    Remove,
}

/// A record as it lies in the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position.
    pub position: u64,
    /// Whose it is.
    pub subject: u64,
    /// What it does.
    pub kind: Kind,
    /// Content; may hold keys, hence no `Debug`.
    pub payload: &'a [u8],
    /// Where the payload starts in the log.
    pub payload_at: usize,
    /// The payload is what was written.
    pub intact: bool,
}

/// What [`parse`] found.
pub struct Parsed<'a> {
    /// The whole records, in order.
    pub records: Vec<Record<'a>>,
    /// Octets of header and whole records; the log is cut here.
    pub valid_octets: usize,
    /// The position the next record gets.
    pub next_position: u64,
}

/// Reads a log.
///
/// # Errors
/// [`FormatError`] when the header is not ours. A header cut short is an empty log (`valid_octets` 0).
pub fn parse(log: &[u8]) -> Result<Parsed<'_>, FormatError> {
    let Some(header) = log.first_chunk::<HEADER_OCTETS>() else {
        let seen = log.len().min(MAGIC.len());
        if log[..seen] != MAGIC[..seen] {
            return Err(FormatError::Magic);
        }
        return Ok(Parsed {
            records: Vec::new(),
            valid_octets: 0,
            next_position: 1,
        });
    };
    let counted = parse_header(header)?;
    let mut records: Vec<Record<'_>> = Vec::new();
    let mut at = HEADER_OCTETS;
    let mut least = 1;
    while let Some((record, octets)) = parse_record(log, at, least) {
        least = record.position + 1;
        at += octets;
        records.push(record);
    }
    let whole = whole(&records);
    if let Some(torn) = records.get(whole) {
        at = torn.payload_at - RECORD_HEADER_OCTETS;
        least = torn.position;
        records.truncate(whole);
    }
    Ok(Parsed {
        records,
        valid_octets: at,
        next_position: counted.max(least),
    })
}

/// How many records there are before the first one whose payload is neither what was written nor superseded by one of them.
fn whole(records: &[Record<'_>]) -> usize {
    let mut whole = records.len();
    let mut superseded_at: HashMap<u64, usize> = HashMap::new();
    for (at, record) in records.iter().enumerate().rev() {
        let later = superseded_at.get(&record.subject);
        if !record.intact && later.is_none_or(|later| *later >= whole) {
            whole = at;
        }
        if record.kind != Kind::Append {
            superseded_at.insert(record.subject, at);
        }
    }
    whole
}

fn parse_header(header: &[u8; HEADER_OCTETS]) -> Result<u64, FormatError> {
    if header[..8] != MAGIC {
        return Err(FormatError::Magic);
    }
    // The version comes before the checksum, so that another version is named as such.
    let found = read_u32(header, 8);
    if found != VERSION {
        return Err(FormatError::Version { found });
    }
    if crc32fast::hash(&header[..20]) != read_u32(header, 20) {
        return Err(FormatError::Header);
    }
    Ok(read_u64(header, 12))
}

/// The record at `at` and its octets, or `None` where the log ends or is torn.
fn parse_record(log: &[u8], at: usize, least_position: u64) -> Option<(Record<'_>, usize)> {
    let rest = log.get(at..)?;
    let head = rest.first_chunk::<RECORD_HEADER_OCTETS>()?;
    let length = usize::try_from(read_u32(head, 4))
        .ok()
        .filter(|&n| n <= MAX_PAYLOAD_OCTETS)?;
    let octets = RECORD_HEADER_OCTETS + length;
    let whole = rest.get(..octets)?;
    if crc32fast::hash(&head[4..]) != read_u32(head, 0) {
        return None;
    }
    let payload = &whole[RECORD_HEADER_OCTETS..];
    let position = read_u64(head, 8);
    if position < least_position || position == u64::MAX {
        return None;
    }
    let kind = match head[24] {
        0 => Kind::Append,
        1 => Kind::Replace,
        2 => Kind::Remove,
        _ => return None,
    };
    let record = Record {
        position,
        subject: read_u64(head, 16),
        kind,
        payload,
        payload_at: at + RECORD_HEADER_OCTETS,
        intact: crc32fast::hash(payload) == read_u32(head, 25),
    };
    Some((record, octets))
}

/// The header of a log whose next record gets `next_position`. Records copied by compaction keep their older positions.
pub fn header(next_position: u64) -> [u8; HEADER_OCTETS] {
    let mut out = [0; HEADER_OCTETS];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..20].copy_from_slice(&next_position.to_le_bytes());
    let crc = crc32fast::hash(&out[..20]);
    out[20..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Appends one record to `out`. The payload must not exceed [`MAX_PAYLOAD_OCTETS`]; the caller has checked it.
pub fn write_record(out: &mut Vec<u8>, position: u64, subject: u64, kind: Kind, payload: &[u8]) {
    debug_assert!(payload.len() <= MAX_PAYLOAD_OCTETS);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(&subject.to_le_bytes());
    out.push(match kind {
        Kind::Append => 0,
        Kind::Replace => 1,
        Kind::Remove => 2,
    });
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
}

fn read_u32(octets: &[u8], at: usize) -> u32 {
    octets[at..]
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn read_u64(octets: &[u8], at: usize) -> u64 {
    octets[at..]
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
