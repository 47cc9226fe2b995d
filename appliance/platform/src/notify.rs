//! What the service manager wants to hear (sd_notify(3)): that we are ready, that we live, that we end.
//!
//! It is asked for by `NOTIFY_SOCKET` and `WATCHDOG_USEC`; without them nothing is sent. A failure is only logged.

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// The service manager's socket, when it gave one.
pub struct Notifier {
    target: Option<(UnixDatagram, OsString)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub fn from_environment() -> Self {
        Self::new(
            std::env::var_os("NOTIFY_SOCKET"),
            std::env::var("WATCHDOG_USEC").ok(),
        )
    }

    fn new(socket: Option<OsString>, watchdog_us: Option<String>) -> Self {
        let target = socket.and_then(|path| Some((UnixDatagram::unbound().ok()?, path)));
        let watchdog = watchdog_us
            .and_then(|text| text.parse().ok())
            .map(Duration::from_micros);
        Self { target, watchdog }
    }

    /// How often [`Notifier::alive`] is wanted: twice per period of the watchdog.
    pub fn interval(&self) -> Option<Duration> {
        self.target
            .as_ref()
            .and(self.watchdog)
            .map(|period| period / 2)
    }

    /// We serve.
    pub fn ready(&self) {
        self.send(b"READY=1");
    }

    /// We live.
    pub fn alive(&self) {
        self.send(b"WATCHDOG=1");
    }

    /// We are about to end.
    pub fn stopping(&self) {
        self.send(b"STOPPING=1");
    }

    fn send(&self, text: &[u8]) {
        let Some((socket, path)) = &self.target else {
            return;
        };
        if let Err(error) = socket.send_to(text, path) {
            log::warn!("{}: {error}", Path::new(path).display());
        }
    }
}

#[cfg(test)]
mod tests;
