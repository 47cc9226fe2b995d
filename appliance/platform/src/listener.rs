//! A daemon's control socket, locked against a second run of the daemon.
//!
//! The lock, a file beside the socket, ends with the process however it dies; so whoever holds it may replace a socket that a dead
//! daemon left. What it does *not*: greet the clients or count them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::Error;

/// Owner and group may connect; the group is that of the daemons.
const SOCKET_MODE: u32 = 0o660;
/// A daemon that died while it started a program leaves the lock to that program until it has begun: so long we wait for it.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Pause between attempts meanwhile.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// The listening socket.
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    _lock: Flock<File>,
}

impl Listener {
    /// Takes `<daemon>.lock` and makes `<daemon>.sock` in `dir`, which it makes as well. Call it before anything that a second
    /// run must not change.
    ///
    /// # Errors
    /// [`Error::Running`] while another one lives, [`Error::File`].
    pub fn bind(dir: &Path, daemon: &'static str) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
        let lock = lock(dir.join(format!("{daemon}.lock")), daemon)?;
        let path = dir.join(format!("{daemon}.sock"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::file(&path)(error));
            }
            _ => {}
        }
        let socket = UnixListener::bind(&path).map_err(Error::file(&path))?;
        fs::set_permissions(&path, Permissions::from_mode(SOCKET_MODE))
            .map_err(Error::file(&path))?;
        Ok(Self {
            socket,
            path,
            _lock: lock,
        })
    }

    /// Waits for the next client.
    ///
    /// # Errors
    /// [`Error::File`] when the socket itself fails.
    pub fn accept(&self) -> Result<UnixStream, Error> {
        let (client, _) = self.socket.accept().map_err(Error::file(&self.path))?;
        Ok(client)
    }
}

fn lock(path: PathBuf, daemon: &'static str) -> Result<Flock<File>, Error> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::file(&path))?;
    let start = Instant::now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EAGAIN)) if start.elapsed() < LOCK_WAIT => {
                file = back;
                std::thread::sleep(LOCK_RETRY);
            }
            Err((_, Errno::EAGAIN)) => return Err(Error::Running { path, daemon }),
            Err((_, errno)) => {
                return Err(Error::File {
                    path,
                    source: errno.into(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
