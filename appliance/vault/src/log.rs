//! The open log: append, compact, replay.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use zeroize::{Zeroize, Zeroizing};

use crate::Position;
use crate::error::Error;
use crate::format::{self, HEADER_OCTETS, Kind, MAX_PAYLOAD_OCTETS, RECORD_HEADER_OCTETS};
use crate::index::{Extent, Index};

/// Only the daemon's user reads keys.
const MODE: u32 = 0o600;

/// A write buffer that grew beyond this (a large batch) is given back.
const KEPT_BUFFER_OCTETS: usize = 1 << 20;

/// Dead records are overwritten in writes of this size at most.
const ZEROS: [u8; 4096] = [0; 4096];

/// Compaction copies in writes of about this size.
const COPY_OCTETS: usize = 1 << 20;

/// Bounds of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most octets of live records. The log itself may reach twice that, plus `compact_above_octets`, before it is
    /// compacted, and both files exist during compaction: size the tmpfs for three times.
    pub max_live_octets: u64,
    /// Garbage below this is not worth a compaction.
    pub compact_above_octets: u64,
}

impl Default for Limits {
    /// 65,536 IKE SAs with two child pairs at about 4 KiB each, doubled; compaction above 4 MiB of garbage.
    fn default() -> Self {
        Self {
            max_live_octets: 512 << 20,
            compact_above_octets: 4 << 20,
        }
    }
}

/// One operation of a batch.
#[derive(Clone, Copy)]
pub enum Op<'a> {
    /// Adds a record to a subject.
    Append(u64, &'a [u8]),
    /// Supersedes all records of a subject.
    Replace(u64, &'a [u8]),
    /// Ends a subject.
    Remove(u64),
}

impl Op<'_> {
    fn parts(&self) -> (Kind, u64, &[u8]) {
        match *self {
            Op::Append(subject, payload) => (Kind::Append, subject, payload),
            Op::Replace(subject, payload) => (Kind::Replace, subject, payload),
            Op::Remove(subject) => (Kind::Remove, subject, &[]),
        }
    }
}

/// A live record found at open.
pub struct Live {
    /// Whose.
    pub subject: u64,
    /// When it was written, relative to the others.
    pub position: Position,
    /// Its content.
    pub payload: Zeroizing<Vec<u8>>,
}

/// What [`Vault::open`] found.
pub struct Replay {
    /// The live records, oldest first.
    pub records: Vec<Live>,
    /// Octets cut off behind the last whole record; 0 after an orderly end.
    pub torn_octets: u64,
}

/// An open vault. One process at a time holds it.
pub struct Vault {
    path: PathBuf,
    file: File,
    limits: Limits,
    index: Index,
    log_octets: u64,
    next_position: u64,
    buffer: Vec<u8>,
    poisoned: bool,
    compact_above_octets: u64,
    failed_compactions: u64,
    /// Something could not be overwritten: a compaction leaves it behind.
    unerased: bool,
    // Held until drop. A lock file of its own, because the log is replaced by rename.
    _lock: Flock<File>,
}

impl Vault {
    /// Opens or creates the log at `path` (mode 0600), cuts a torn tail, and returns the live records.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Format`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<(Self, Replay), Error> {
        Self::open_with(path, Limits::default())
    }

    /// [`Vault::open`] with other bounds.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_with(path: &Path, limits: Limits) -> Result<(Self, Replay), Error> {
        let lock = lock(path)?;
        let _ = fs::remove_file(temporary(path)); // left by a death during compaction
        let io = |action| move |source| io_error(path, action, source);
        let mut file = private(OpenOptions::new().read(true).write(true).create(true), path)
            .map_err(io("open"))?;
        let octets = file.metadata().map_err(io("stat"))?.len();
        // Sized beforehand: a growing buffer would leave copies of keys behind.
        let mut log = Zeroizing::new(Vec::with_capacity(usize::try_from(octets).unwrap_or(0) + 1));
        file.read_to_end(&mut log).map_err(io("read"))?;
        let parsed = format::parse(&log).map_err(|source| Error::Format {
            path: path.to_owned(),
            source,
        })?;

        let mut index = Index::default();
        let mut dead = Vec::new();
        for record in &parsed.records {
            dead.extend(index.apply(record.kind, extent_of(record)));
        }
        // What a death has left of what was superseded before it.
        dead.retain(|extent| log[range_of(extent)].iter().any(|octet| *octet != 0));
        let records = index
            .in_order()
            .iter()
            .map(|extent| Live {
                subject: extent.subject,
                position: Position(extent.position),
                payload: Zeroizing::new(log[range_of(extent)].to_vec()),
            })
            .collect();
        let torn_octets = (log.len() - parsed.valid_octets) as u64;
        let mut vault = Self {
            path: path.to_owned(),
            file,
            limits,
            index,
            log_octets: parsed.valid_octets as u64,
            next_position: parsed.next_position,
            buffer: Vec::new(),
            poisoned: false,
            compact_above_octets: limits.compact_above_octets,
            failed_compactions: 0,
            unerased: false,
            _lock: lock,
        };
        vault
            .file
            .set_len(vault.log_octets)
            .map_err(io("cut the torn tail"))?;
        if vault.log_octets == 0 {
            let header = format::header(vault.next_position);
            vault
                .file
                .write_all_at(&header, 0)
                .map_err(io("write the header"))?;
            vault.log_octets = HEADER_OCTETS as u64;
        }
        vault.erase(&dead);
        Ok((
            vault,
            Replay {
                records,
                torn_octets,
            },
        ))
    }

    /// Adds a record to `subject`.
    ///
    /// # Errors
    /// As [`Vault::append_batch`].
    pub fn append(&mut self, subject: u64, record: &[u8]) -> Result<Position, Error> {
        self.append_batch(&[Op::Append(subject, record)])
    }

    /// Supersedes all records of `subject` by this one.
    ///
    /// # Errors
    /// As [`Vault::append_batch`].
    pub fn replace(&mut self, subject: u64, record: &[u8]) -> Result<Position, Error> {
        self.append_batch(&[Op::Replace(subject, record)])
    }

    /// Ends `subject`. Nothing is written when it has no records.
    ///
    /// # Errors
    /// As [`Vault::append_batch`].
    pub fn remove(&mut self, subject: u64) -> Result<Position, Error> {
        if !self.index.contains(subject) {
            return Ok(self.durable());
        }
        self.append_batch(&[Op::Remove(subject)])
    }

    /// Writes all operations with one `write(2)` and returns the position of the last. After a death in the middle, a
    /// prefix of the batch is there.
    ///
    /// # Errors
    /// [`Error::RecordTooLong`], [`Error::Full`], [`Error::Io`], [`Error::Poisoned`]. The batch had no effect.
    /// A failed compaction is not an error of the batch: see [`Vault::failed_compactions`].
    pub fn append_batch(&mut self, ops: &[Op<'_>]) -> Result<Position, Error> {
        self.admit(ops)?;
        let mut extents = Vec::with_capacity(ops.len());
        let batch_octets = ops
            .iter()
            .map(|op| RECORD_HEADER_OCTETS + op.parts().2.len())
            .sum();
        self.buffer.reserve(batch_octets); // one allocation: no copies of keys left behind
        let mut position = self.next_position;
        for op in ops {
            let (kind, subject, payload) = op.parts();
            let payload_at = self.log_octets + (self.buffer.len() + RECORD_HEADER_OCTETS) as u64;
            format::write_record(&mut self.buffer, position, subject, kind, payload);
            let payload_octets = payload.len() as u32; // admit() has bounded it
            extents.push((
                kind,
                Extent {
                    position,
                    subject,
                    payload_at,
                    payload_octets,
                },
            ));
            position += 1;
        }
        let written = self.write_buffer();
        self.wipe_buffer();
        self.log_octets = written?;
        self.next_position = position;
        let mut dead = Vec::new();
        for (kind, extent) in extents {
            dead.extend(self.index.apply(kind, extent));
        }
        self.erase(&dead);
        self.compact_if_worth_it();
        Ok(self.durable())
    }

    /// Everything up to here survives the death of the process.
    pub fn durable(&self) -> Position {
        Position(self.next_position - 1)
    }

    /// Whether the subject has live records.
    pub fn contains(&self, subject: u64) -> bool {
        self.index.contains(subject)
    }

    /// Subjects with live records.
    pub fn subjects(&self) -> usize {
        self.index.subjects()
    }

    /// Octets of the live records.
    pub fn live_octets(&self) -> u64 {
        self.index.live_octets()
    }

    /// Octets of the log that compaction would free.
    pub fn garbage_octets(&self) -> u64 {
        self.log_octets - HEADER_OCTETS as u64 - self.index.live_octets()
    }

    /// Compactions that failed (no room for the copy). The log goes on growing meanwhile.
    pub fn failed_compactions(&self) -> u64 {
        self.failed_compactions
    }

    /// Overwrites the payloads of records that others have superseded. Whatever a death leaves of it is as good as nothing: see
    /// [`format::parse`].
    fn erase(&mut self, dead: &[Extent]) {
        for extent in dead {
            let (mut at, mut left) = (extent.payload_at, extent.payload_octets as usize);
            while left > 0 {
                let zeros = &ZEROS[..left.min(ZEROS.len())];
                if self.file.write_all_at(zeros, at).is_err() {
                    self.unerased = true;
                    break;
                }
                at += zeros.len() as u64;
                left -= zeros.len();
            }
        }
    }

    /// The batch is durable already, so a failure here is not the caller's: try again when the garbage has doubled.
    fn compact_if_worth_it(&mut self) {
        let garbage = self.garbage_octets();
        let worth = garbage > self.index.live_octets().max(self.compact_above_octets);
        if !worth && !std::mem::take(&mut self.unerased) {
            return;
        }
        if self.compact().is_ok() {
            self.compact_above_octets = self.limits.compact_above_octets;
        } else {
            self.failed_compactions += 1;
            self.compact_above_octets = garbage.saturating_mul(2);
        }
    }

    /// Copies the live records to a new log and renames it over the old one. The vault does this by itself when garbage
    /// outweighs the live records.
    ///
    /// # Errors
    /// [`Error::Io`]; the old log stays in use.
    pub fn compact(&mut self) -> Result<(), Error> {
        let temporary = temporary(&self.path);
        let done = self.copy_live(&temporary);
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let (file, index, log_octets) = done?;
        // The former log's pages go back to the kernel, which wipes them before reuse.
        self.file = file;
        self.index = index;
        self.log_octets = log_octets;
        self.poisoned = false;
        Ok(())
    }

    fn copy_live(&self, temporary: &Path) -> Result<(File, Index, u64), Error> {
        let io = |action| move |source| io_error(temporary, action, source);
        let _ = fs::remove_file(temporary);
        let file = private(
            OpenOptions::new().read(true).write(true).create_new(true),
            temporary,
        )
        .map_err(io("create"))?;
        let mut index = Index::default();
        let mut out = Zeroizing::new(Vec::with_capacity(COPY_OCTETS + MAX_PAYLOAD_OCTETS + 64));
        out.extend_from_slice(&format::header(self.next_position));
        let mut written = 0u64;
        for old in self.index.in_order() {
            let mut payload = Zeroizing::new(vec![0; old.payload_octets as usize]);
            self.file
                .read_exact_at(&mut payload, old.payload_at)
                .map_err(io("copy from the log"))?;
            let payload_at = written + (out.len() + RECORD_HEADER_OCTETS) as u64;
            format::write_record(&mut out, old.position, old.subject, Kind::Append, &payload);
            index.apply(Kind::Append, Extent { payload_at, ..old });
            if out.len() >= COPY_OCTETS {
                file.write_all_at(&out, written).map_err(io("write"))?;
                written += out.len() as u64;
                out.clear();
            }
        }
        file.write_all_at(&out, written).map_err(io("write"))?;
        written += out.len() as u64;
        fs::rename(temporary, &self.path).map_err(io("rename over the log"))?;
        Ok((file, index, written))
    }

    /// Refuses what is too long or does not fit, before anything changes.
    fn admit(&self, ops: &[Op<'_>]) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let mut live = self.index.live_octets();
        for op in ops {
            let (kind, subject, payload) = op.parts();
            if payload.len() > MAX_PAYLOAD_OCTETS {
                return Err(Error::RecordTooLong {
                    octets: payload.len(),
                    max_octets: MAX_PAYLOAD_OCTETS,
                });
            }
            // An estimate that errs to the safe side when a batch touches one subject twice.
            if kind == Kind::Replace {
                live = live.saturating_sub(self.index.subject_octets(subject));
            }
            if kind != Kind::Remove {
                live += (RECORD_HEADER_OCTETS + payload.len()) as u64;
            }
        }
        // A batch that only removes always fits: it is the way out of a full vault.
        let grows = ops.iter().any(|op| op.parts().0 != Kind::Remove);
        if grows && live > self.limits.max_live_octets {
            return Err(Error::Full {
                octets: live,
                max_octets: self.limits.max_live_octets,
            });
        }
        Ok(())
    }

    /// Writes the buffer at the log's end; on failure cuts the log back to what it was.
    fn write_buffer(&mut self) -> Result<u64, Error> {
        let Err(source) = self.file.write_all_at(&self.buffer, self.log_octets) else {
            return Ok(self.log_octets + self.buffer.len() as u64);
        };
        if self.file.set_len(self.log_octets).is_err() {
            self.poisoned = true;
        }
        Err(io_error(&self.path, "append", source))
    }

    /// What lies behind the last batch was wiped after an earlier one.
    fn wipe_buffer(&mut self) {
        self.buffer.as_mut_slice().zeroize();
        self.buffer.clear();
        if self.buffer.capacity() > KEPT_BUFFER_OCTETS {
            self.buffer = Vec::new();
        }
    }
}

fn extent_of(record: &format::Record<'_>) -> Extent {
    Extent {
        position: record.position,
        subject: record.subject,
        payload_at: record.payload_at as u64,
        payload_octets: record.payload.len() as u32,
    }
}

fn range_of(extent: &Extent) -> std::ops::Range<usize> {
    let start = extent.payload_at as usize;
    start..start + extent.payload_octets as usize
}

fn temporary(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens with mode 0600, also when the file was there with another mode.
fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(file)
}

fn lock(path: &Path) -> Result<Flock<File>, Error> {
    let lock_path = with_suffix(path, ".lock");
    let file = private(
        OpenOptions::new().write(true).create(true).truncate(false),
        &lock_path,
    )
    .map_err(|source| io_error(&lock_path, "open", source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        let source = io::Error::from(errno);
        if source.kind() == ErrorKind::WouldBlock {
            Error::InUse {
                path: path.to_owned(),
            }
        } else {
            io_error(&lock_path, "lock", source)
        }
    })
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests;
