//! Octets of a disk, taken by position, with a bound on how many are ever taken: a disk that was made to mislead cannot keep the
//! boot waiting, whatever its chains and lengths say.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use thiserror::Error;
use zeroize::Zeroizing;

/// Octets taken from one disk: two copies of the largest file, and the folders around them.
const MAX_READ_OCTETS: u64 = 32 << 20;
/// Largest file that is taken from a disk: the largest configuration text, in base64 within a `#cloud-config`.
pub const MAX_FILE_OCTETS: u64 = 12 << 20;

/// Why a disk cannot be read.
#[derive(Debug, Error)]
pub enum MediumError {
    /// The disk or its driver.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// What is on it contradicts itself.
    #[error("damaged file system: {0}")]
    Damaged(&'static str),
    /// A file that is longer than any of ours.
    #[error("{name}: {octets} octets, at most {MAX_FILE_OCTETS} are read")]
    TooLong {
        /// The file.
        name: String,
        /// What the folder says of it.
        octets: u64,
    },
    /// The bound was reached.
    #[error("damaged file system: it leads through more than {MAX_READ_OCTETS} octets")]
    Endless,
}

/// Where the octets come from.
pub trait ReadAt {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// When there are not so many.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let part = usize::try_from(offset).ok().and_then(|start| {
            let end = start.checked_add(buffer.len())?;
            self.get(start..end)
        });
        let part = part.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }
}

/// A disk and what may still be taken from it.
pub struct Medium<'a> {
    from: &'a dyn ReadAt,
    left: Cell<u64>,
}

impl<'a> Medium<'a> {
    /// With the whole bound ahead.
    pub fn new(from: &'a dyn ReadAt) -> Self {
        Self {
            from,
            left: Cell::new(MAX_READ_OCTETS),
        }
    }

    /// `octets` from `offset` on. Wiped on drop: they may be somebody's keys.
    ///
    /// # Errors
    /// [`MediumError::Io`], [`MediumError::Endless`].
    pub fn take(&self, offset: u64, octets: usize) -> Result<Zeroizing<Vec<u8>>, MediumError> {
        let left = self.left.get().checked_sub(octets as u64);
        self.left.set(left.ok_or(MediumError::Endless)?);
        let mut buffer = Zeroizing::new(vec![0; octets]);
        self.from.read_at(offset, &mut buffer)?;
        Ok(buffer)
    }
}

/// Little-endian, as both file systems write it; `None` behind the end.
pub fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    let part = octets.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(part.try_into().ok()?))
}

/// As [`u16_at`].
pub fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    let part = octets.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(part.try_into().ok()?))
}
