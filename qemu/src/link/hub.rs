//! The thread of a link: takes plugs, records frames, forwards them.

use super::{Shared, framed, unframe};
use crate::pcap;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// Frames that wait for one plug: a second of what an emulated guest takes. Later ones are lost.
const MAX_WAITING: usize = 4096;
/// Octets read from a plug at once.
const READ_OCTETS: usize = 65_536;

/// Who is plugged in.
struct Plug {
    stream: UnixStream,
    received: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
    /// Octets of the first waiting frame that have gone.
    sent: usize,
    gone: bool,
}

pub(super) struct Hub {
    listener: UnixListener,
    /// Readable when the owner has gone.
    owner: UnixStream,
    capture: File,
    shared: Arc<Shared>,
    plugs: Vec<Plug>,
}

impl Hub {
    pub(super) fn new(
        listener: UnixListener,
        owner: UnixStream,
        capture: File,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            listener,
            owner,
            capture,
            shared,
            plugs: vec![],
        }
    }

    /// Runs until the owner has gone.
    pub(super) fn run(mut self) {
        loop {
            let Some((ended, arrived)) = self.wait() else {
                return;
            };
            if ended {
                return;
            }
            if arrived {
                self.accept();
            }
            for index in 0..self.plugs.len() {
                self.receive(index);
            }
            for plug in &mut self.plugs {
                plug.send();
            }
            self.plugs.retain(|plug| !plug.gone);
            self.shared.plugs.store(self.plugs.len(), Ordering::Relaxed);
        }
    }

    /// Waits for anything to do: whether the owner has gone, and whether somebody plugs in.
    fn wait(&self) -> Option<(bool, bool)> {
        let mut polled = vec![
            PollFd::new(self.owner.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        ];
        for plug in &self.plugs {
            let mut events = PollFlags::POLLIN;
            events.set(PollFlags::POLLOUT, !plug.waiting.is_empty());
            polled.push(PollFd::new(plug.stream.as_fd(), events));
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Some((false, false)),
            Err(_) => return None,
        }
        let ready = |index: usize| polled.get(index).and_then(PollFd::any) == Some(true);
        Some((ready(0), ready(1)))
    }

    fn accept(&mut self) {
        if let Ok((stream, _)) = self.listener.accept()
            && stream.set_nonblocking(true).is_ok()
        {
            self.plugs.push(Plug {
                stream,
                received: vec![],
                waiting: VecDeque::new(),
                sent: 0,
                gone: false,
            });
        }
    }

    /// Takes what one plug has sent, and gives it to all others.
    fn receive(&mut self, from: usize) {
        let Some(plug) = self.plugs.get_mut(from) else {
            return;
        };
        plug.read();
        let mut frames = vec![];
        loop {
            match unframe(&mut plug.received) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(()) => {
                    plug.gone = true;
                    break;
                }
            }
        }
        if self.shared.cut.load(Ordering::Relaxed) {
            return;
        }
        for frame in frames {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now_ns = now.map_or(0, |now| now.as_nanos() as u64);
            // A full disk must not stop the guests; whoever reads the capture misses the frame.
            drop(self.capture.write_all(&pcap::record(now_ns, &frame)));
            for (index, plug) in self.plugs.iter_mut().enumerate() {
                if index == from {
                    continue;
                }
                if plug.waiting.len() < MAX_WAITING {
                    plug.waiting.push_back(framed(&frame));
                } else {
                    self.shared.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Plug {
    fn read(&mut self) {
        let mut octets = [0; READ_OCTETS];
        match self.stream.read(&mut octets) {
            Ok(0) => self.gone = true,
            Ok(count) => self
                .received
                .extend(octets.get(..count).unwrap_or_default()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.gone = true,
        }
    }

    fn send(&mut self) {
        while let Some(frame) = self.waiting.front() {
            match self.stream.write(frame.get(self.sent..).unwrap_or(&[])) {
                Ok(count) => self.sent += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
            if self.sent >= frame.len() {
                self.waiting.pop_front();
                self.sent = 0;
            }
        }
    }
}
