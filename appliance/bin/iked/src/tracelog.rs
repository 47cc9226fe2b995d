//! The file of `traceoptions`: messages in words, as many files as are configured, each up to its size. A thread writes, so that a slow disk
//! keeps nobody waiting; what it has no room for is lost, counted, and told in the file.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use ravelin_ctl::ike::TraceOptions;
use ravelin_ctl::trace::MAX_SHOWN_OCTETS;
use ravelin_ike::{Direction, TraceEntry};
use ravelin_pki::WallTime;

/// Entries that wait for the disk.
const MAX_WAITING: usize = 4096;
/// Operators read by `show log`.
const MODE: u32 = 0o600;

/// Why a file is not shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// Nobody writes it.
    #[error("no log `{0}`: `security ike traceoptions` writes {1}")]
    Unknown(String, String),
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The log.
pub struct TraceLog {
    folder: PathBuf,
    writer: Option<(TraceOptions, SyncSender<String>)>,
    lost: u64,
}

impl TraceLog {
    /// In this folder, which is made when it is needed. Nothing is written yet.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writer: None,
            lost: 0,
        }
    }

    /// Writes by these options from now on; false when they are those of before.
    pub fn set(&mut self, options: Option<&TraceOptions>) -> bool {
        if self.writer.as_ref().map(|(options, _)| options) == options {
            return false;
        }
        // The thread of before ends with its channel.
        self.writer = options.and_then(|options| {
            let (sender, entries) = sync_channel(MAX_WAITING);
            let mut files = Files::new(&self.folder, options);
            let thread = thread::Builder::new().name("trace".to_owned());
            match thread.spawn(move || files.write_all(&entries)) {
                Ok(_) => Some((options.clone(), sender)),
                Err(error) => {
                    log::error!("traceoptions: no thread: {error}");
                    None
                }
            }
        });
        true
    }

    /// Hands entries to the writer, and how many were lost behind them; `epoch_us` tells the wall clock at the zero of ours.
    pub fn write(
        &mut self,
        (entries, lost): (VecDeque<TraceEntry>, u64),
        epoch_us: impl FnOnce() -> u64,
    ) {
        let Some((_, sender)) = self.writer.as_ref().filter(|_| !entries.is_empty()) else {
            return;
        };
        let epoch_us = epoch_us();
        for entry in entries {
            let mut text = String::new();
            if self.lost > 0 {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{} entries were lost", self.lost);
            }
            describe(&mut text, &entry, epoch_us);
            match sender.try_send(text) {
                Ok(()) => self.lost = 0,
                Err(_) => self.lost += 1,
            }
        }
        self.lost += lost;
    }

    /// The end of a file, from the beginning of a line.
    ///
    /// # Errors
    /// When it is none of this log's, or cannot be read.
    pub fn show(&self, name: &str) -> Result<String, ShowError> {
        let options = self.writer.as_ref().map(|(options, _)| options);
        let ours = options.is_some_and(|options| {
            (0..usize::from(options.files)).any(|age| aged(&options.file, age) == name)
        });
        if !ours {
            let written = options.map_or("none", |options| &options.file);
            return Err(ShowError::Unknown(name.to_owned(), written.to_owned()));
        }
        let path = self.folder.join(name);
        tail(&path).map_err(|source| ShowError::Read { path, source })
    }
}

/// The name of the file that was begun so many files ago.
fn aged(name: &str, age: usize) -> String {
    match age.checked_sub(1) {
        None => name.to_owned(),
        Some(number) => format!("{name}.{number}"),
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let octets = file.metadata()?.len();
    let skipped = octets.saturating_sub(MAX_SHOWN_OCTETS);
    file.seek(SeekFrom::Start(skipped))?;
    let mut text = Vec::new();
    file.take(MAX_SHOWN_OCTETS).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(match text.split_once('\n') {
        Some((_, whole)) if skipped > 0 => whole.to_owned(),
        _ => text.into_owned(),
    })
}

/// A line with time and addresses, then the message, then its payloads.
fn describe(text: &mut String, entry: &TraceEntry, epoch_us: u64) {
    let at_us = epoch_us + entry.at.0;
    let seconds = i64::try_from(at_us / 1_000_000).unwrap_or(i64::MAX);
    let time = WallTime(seconds).to_string();
    let _ = write!(
        text,
        "{}.{:06}Z ",
        time.trim_end_matches('Z'),
        at_us % 1_000_000
    );
    let remote = entry.remote;
    let _ = match (entry.direction, entry.local) {
        (Direction::Received, Some(local)) => writeln!(text, "received {remote} > {local}"),
        (Direction::Sent, Some(local)) => writeln!(text, "sent {local} > {remote}"),
        _ => writeln!(text, "{remote}"),
    };
    for (place, line) in entry.lines.iter().enumerate() {
        let indent = if place == 0 { 2 } else { 4 };
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}

/// The files, in the writer's thread.
struct Files {
    folder: PathBuf,
    name: String,
    files: usize,
    size_octets: u64,
    open: Option<(File, u64)>,
    failing: bool,
}

impl Files {
    fn new(folder: &Path, options: &TraceOptions) -> Self {
        Self {
            folder: folder.to_owned(),
            name: options.file.clone(),
            files: options.files.into(),
            size_octets: options.size_octets.into(),
            open: None,
            failing: false,
        }
    }

    fn write_all(&mut self, entries: &Receiver<String>) {
        for entry in entries {
            match self.write(&entry) {
                Ok(()) => self.failing = false,
                // Once, not for each message.
                Err(error) if !self.failing => {
                    let path = self.folder.join(&self.name);
                    log::error!("traceoptions: {}: {error}", path.display());
                    self.failing = true;
                }
                Err(_) => {}
            }
        }
    }

    fn write(&mut self, entry: &str) -> io::Result<()> {
        let octets = entry.len() as u64;
        let (mut file, mut written) = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if written > 0 && written + octets > self.size_octets {
            drop(file);
            self.rotate()?;
            (file, written) = self.begin()?;
        }
        file.write_all(entry.as_bytes())?;
        self.open = Some((file, written + octets));
        Ok(())
    }

    fn begin(&self) -> io::Result<(File, u64)> {
        fs::create_dir_all(&self.folder)?;
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(MODE);
        let file = options.open(self.folder.join(&self.name))?;
        let octets = file.metadata()?.len();
        Ok((file, octets))
    }

    fn rotate(&self) -> io::Result<()> {
        for age in (1..self.files).rev() {
            let [younger, older] =
                [age - 1, age].map(|age| self.folder.join(aged(&self.name, age)));
            match fs::rename(younger, older) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
