//! Links between guests, outside of them: each frame that crosses is recorded, then forwarded.
//!
//! ```text
//!   guest a (-netdev stream) ---.
//!   guest b (-netdev stream) ----+--- hub (a thread) ---> <link>.pcap
//!   a test's own End ------------'
//! ```
//!
//! A plug is a connection to the link's Unix socket; frames go with their length (four octets, network order) before them,
//! as QEMU's `stream` netdev has it. Two plugs make a cable, more make a hub: what one sends all others get. A plug that
//! does not take its frames loses them, as on a wire, and delays nobody else. A guest that is started again plugs in again.
//!
//! It learns no addresses and changes no frame. Whoever wants a bad network joins two links by two [`End`]s.

mod end;
mod hub;

pub use end::End;

use crate::pcap::{self, Captured};
use crate::{Lab, Result, VmError};
use hub::Hub;
use std::fs::File;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Longest frame that a plug may send: what QEMU itself takes (NET_BUFSIZE), segments that a NIC leaves whole included.
pub const MAX_FRAME_OCTETS: usize = 4096 + 65_536;

/// What hub and owner share.
#[derive(Debug, Default)]
struct Shared {
    cut: AtomicBool,
    plugs: AtomicUsize,
    lost: AtomicU64,
}

/// A link; it ends with this value.
#[derive(Debug)]
pub struct Link {
    name: String,
    socket: PathBuf,
    capture: PathBuf,
    shared: Arc<Shared>,
    /// Its end ends the hub.
    alive: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// A link whose frames are recorded in `<name>.pcap` of the lab's artifacts.
    ///
    /// # Errors
    /// When its socket or the file cannot be made.
    pub fn new(lab: &Lab, name: &str) -> Result<Self> {
        let failed = |e| VmError::io(format!("make the link {name}"), e);
        let socket = lab.sockets().join(format!("{name}.link"));
        let capture = lab.artifacts().join(format!("{name}.pcap"));
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let mut file = File::create(&capture).map_err(failed)?;
        file.write_all(&pcap::file_header()).map_err(failed)?;
        let (alive, end) = UnixStream::pair().map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let hub = Hub::new(listener, end, file, Arc::clone(&shared));
        Ok(Self {
            name: name.to_owned(),
            socket,
            capture,
            shared,
            alive: Some(alive),
            thread: Some(std::thread::spawn(move || hub.run())),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where to plug in.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The recording.
    pub fn capture_path(&self) -> &Path {
        &self.capture
    }

    /// How many are plugged in.
    pub fn plugs(&self) -> usize {
        self.shared.plugs.load(Ordering::Relaxed)
    }

    /// Frames lost since a plug did not take them.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Cuts the cable, or mends it: carriers stay, frames are neither forwarded nor recorded.
    pub fn cut(&self, cut: bool) {
        self.shared.cut.store(cut, Ordering::Relaxed);
    }

    /// A plug of the test's own.
    ///
    /// # Errors
    /// When the hub has ended.
    pub fn end(&self) -> Result<End> {
        End::plug(&self.socket)
    }

    /// All frames recorded so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn captured(&self) -> Result<Vec<Captured>> {
        pcap::read(&self.capture)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(std::fs::remove_file(&self.socket));
    }
}

/// A frame with its length before it.
fn framed(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap_or(0);
    let mut octets = length.to_be_bytes().to_vec();
    octets.extend(frame);
    octets
}

/// Takes the first whole frame out of what has been received; false when the plug does not keep to the form.
fn unframe(received: &mut Vec<u8>) -> std::result::Result<Option<Vec<u8>>, ()> {
    let Some((length, rest)) = received.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_FRAME_OCTETS {
        return Err(());
    }
    let Some(frame) = rest.get(..length) else {
        return Ok(None);
    };
    let frame = frame.to_vec();
    received.drain(..length + 4);
    Ok(Some(frame))
}

#[cfg(test)]
mod tests;
