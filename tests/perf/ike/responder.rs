//! What a responder has used, by proc(5).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Failure;

/// A process that answers.
#[derive(Clone, Copy)]
pub struct Responder {
    pid: u32,
}

impl Responder {
    /// The process of this number.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    fn folder(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// CPU time, user and system, of all its threads so far: the first number of schedstat, in nanoseconds.
    pub fn cpu(self) -> Result<Duration, Failure> {
        let tasks = self.folder().join("task");
        let mut sum = Duration::ZERO;
        for task in fs::read_dir(&tasks).map_err(|e| Failure::file(&tasks, e))? {
            let path = task
                .map_err(|e| Failure::file(&tasks, e))?
                .path()
                .join("schedstat");
            let spent = read(&path)?
                .split_whitespace()
                .next()
                .and_then(|n| n.parse().ok());
            sum += Duration::from_nanos(spent.unwrap_or(0));
        }
        Ok(sum)
    }

    /// Memory it has, in octets (VmRSS).
    pub fn resident_octets(self) -> Result<u64, Failure> {
        let text = read(&self.folder().join("status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: Option<u64> = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
        Ok(kib.unwrap_or(0) << 10)
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, error))
}
