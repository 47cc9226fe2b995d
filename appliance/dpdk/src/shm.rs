//! Words in shared memory that survive the process: a file, mapped for as long as the process lives.
//!
//! It belongs on tmpfs: the words are stored with plain atomic stores and never synchronised to a disk. Who may be the only
//! writer of a word is the caller's business.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crate::error::{Errno, Error};

/// Most words of one mapping: 1 GiB, far above the state of all SAs.
pub const SHM_MAX_WORDS: usize = 1 << 27;
/// Only the owner: the words tell how much traffic each SA carried.
const FILE_MODE: u32 = 0o600;

/// A mapped array of words.
#[derive(Debug)]
pub struct ShmCells {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping is plain memory that is accessed by atomics only, and it stays mapped while the value lives.
unsafe impl Send for ShmCells {}
// SAFETY: as above.
unsafe impl Sync for ShmCells {}

impl ShmCells {
    /// Maps `words` words of the file at `path`, made with mode 0600 and zeroes when absent; what it holds is kept.
    ///
    /// # Errors
    /// [`Error::File`] when the file belongs to somebody else, cannot be opened, sized or mapped.
    pub fn open(path: &Path, words: usize) -> Result<Self, Error> {
        let failed = |errno| Error::File {
            path: path.to_owned(),
            errno: Errno(errno),
        };
        if words == 0 || words > SHM_MAX_WORDS {
            return Err(failed(libc::EINVAL));
        }
        let io = |error: std::io::Error| failed(error.raw_os_error().unwrap_or(libc::EIO));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
            .map_err(io)?;
        let found = file.metadata().map_err(io)?;
        // SAFETY: reads the process's own id.
        let ours = found.uid() == unsafe { libc::geteuid() } && found.is_file();
        if !ours || found.mode() & 0o077 != 0 {
            return Err(failed(libc::EPERM));
        }
        let octets = words * size_of::<u64>();
        if found.len() != octets as u64 {
            file.set_len(octets as u64).map_err(io)?;
        }
        let start = map(&file, octets).map_err(failed)?;
        Ok(ShmCells { start, words })
    }

    /// How many words there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words
    }

    /// Whether there are none; never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Word `index`, or `None` beyond the end.
    #[inline]
    #[must_use]
    pub fn word(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: the index is within the mapping, which is aligned to a page, readable, writable, and lives as long as `self`;
        // every bit pattern is a valid AtomicU64. Nobody shortens the file: it is private to this user (mode checked).
        (index < self.words).then(|| unsafe { self.start.add(index).as_ref() })
    }
}

fn map(file: &File, octets: usize) -> Result<NonNull<AtomicU64>, i32> {
    // SAFETY: a new shared mapping at an address of the kernel's choice; the descriptor is open for reading and writing and the
    // file has the length given.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            octets,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if at == libc::MAP_FAILED {
        let error = std::io::Error::last_os_error();
        return Err(error.raw_os_error().unwrap_or(libc::EIO));
    }
    NonNull::new(at.cast()).ok_or(libc::EFAULT)
}

impl Drop for ShmCells {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and no reference outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.words * size_of::<u64>()) };
    }
}
