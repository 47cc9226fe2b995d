//! The host path's thread: packets for the host from the workers' rings to the TAP and TUN twins, in strict order of their classes,
//! and packets of the host to a worker (design decision D9a).

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ravelin_dataplane::counters::WorkerCounters;
use ravelin_dataplane::link::Inject;
use ravelin_dataplane::tables::IfIndex;
use ravelin_dataplane::{DropReason, Shared};
use ravelin_esp::PacketBuf;
use ravelin_tuntap::{Kind, Queue};

use crate::error::Error;
use crate::nic::Dpdk;
use crate::nic::buffer::Frame;
use crate::nic::environment::Environment;

/// Packets given to the kernel before its own are looked at.
const DELIVER_BURST: usize = 256;
/// Packets taken from one twin before the next is looked at.
const COLLECT_BURST: usize = 64;
/// Twins looked at per round.
const READY: usize = 64;
/// Longest frame of a twin: jumbo MTU and Ethernet header.
const FRAME_OCTETS: usize = 9_600;
/// Sleep of an idle round; a BFD packet of ours waits no longer than this.
const IDLE_MS: u8 = 1;

/// A change of the twins.
pub enum Command {
    /// Serve this twin from now on.
    Attach(IfIndex, Kind, Queue),
    /// Serve it no longer.
    Detach(IfIndex),
}

/// The running thread.
pub struct Punt {
    commands: Sender<Command>,
    /// What it discards.
    pub counters: Arc<WorkerCounters>,
    thread: JoinHandle<()>,
}

impl Punt {
    /// Starts the thread; it ends when `stop` is set.
    ///
    /// # Errors
    /// When the thread or its poll set cannot be made.
    pub fn start(
        shared: Arc<Shared<Dpdk>>,
        environment: Environment,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        let (commands, receiver) = channel();
        let counters = Arc::new(WorkerCounters::default());
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|errno| Error::System {
            what: "make a poll set",
            errno,
        })?;
        let mut host = Host {
            shared,
            environment,
            epoll,
            twins: HashMap::new(),
            commands: receiver,
            counters: Arc::clone(&counters),
            scratch: vec![0; FRAME_OCTETS],
        };
        let work = move || {
            let _registered = environment.eal.register_thread();
            while !stop.load(Ordering::Relaxed) && host.round() {}
        };
        let thread = std::thread::Builder::new()
            .name("punt".to_owned())
            .spawn(work)
            .map_err(|source| Error::Thread {
                name: "punt".to_owned(),
                source,
            })?;
        Ok(Self {
            commands,
            counters,
            thread,
        })
    }

    /// Sends a command; a dead thread takes none, and the watchdog sees to that.
    pub fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Whether the thread still runs.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits for the end of the thread.
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

struct Host {
    shared: Arc<Shared<Dpdk>>,
    environment: Environment,
    epoll: Epoll,
    twins: HashMap<IfIndex, (Kind, Queue)>,
    commands: Receiver<Command>,
    counters: Arc<WorkerCounters>,
    scratch: Vec<u8>,
}

impl Host {
    /// One round; false when nobody commands us any more.
    fn round(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.counters.heartbeat.add(1);
        let delivered = self.deliver();
        self.collect(delivered == 0);
        true
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Attach(index, kind, queue) => {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(index.0));
                match self.epoll.add(queue.as_fd(), event) {
                    Ok(()) => drop(self.twins.insert(index, (kind, queue))),
                    Err(errno) => log::error!("twin {}: poll: {}", queue.name(), errno.desc()),
                }
            }
            // Closing the queue takes it out of the poll set.
            Command::Detach(index) => drop(self.twins.remove(&index)),
        }
    }

    /// Workers to kernel.
    fn deliver(&mut self) -> usize {
        for count in 0..DELIVER_BURST {
            let Some((_, packet)) = self.shared.punt.pop() else {
                return count;
            };
            let twin = self.twins.get(&packet.interface);
            let sent = twin.map(|(_, queue)| queue.send(packet.buf.data()));
            if let Some(reason) = refusal(sent) {
                self.discard(packet.interface, reason);
            }
        }
        DELIVER_BURST
    }

    /// Kernel to workers.
    fn collect(&mut self, may_sleep: bool) {
        let mut events = [EpollEvent::empty(); READY];
        let timeout = if may_sleep { IDLE_MS } else { 0 };
        let ready = self.epoll.wait(&mut events, EpollTimeout::from(timeout));
        let Ok(ready) = ready else { return };
        for event in &events[..ready] {
            let index = IfIndex(event.data() as u16);
            let Some((kind, queue)) = self.twins.get(&index) else {
                continue;
            };
            for _ in 0..COLLECT_BURST {
                match queue.recv(&mut self.scratch) {
                    Ok(Some(octets)) => self.inject(index, *kind, &self.scratch[..octets]),
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }

    fn inject(&self, index: IfIndex, kind: Kind, octets: &[u8]) {
        // Jumbo packets of the host need the larger buffers.
        let pool = self
            .environment
            .pool_for(u16::try_from(octets.len()).unwrap_or(u16::MAX));
        let Some(frame) = Frame::copy(pool, octets) else {
            return self.discard(index, DropReason::NoBuffer);
        };
        let inject = match kind {
            Kind::Tap => Inject::Frame(index, frame),
            Kind::Tun => Inject::Packet(index, frame),
        };
        // One twin's packets stay in order: always the same worker.
        let worker = usize::from(index.0) % self.shared.links.len();
        if self.shared.links[worker].injects.push(inject).is_err() {
            self.discard(index, DropReason::HandoffFull);
        }
    }

    fn discard(&self, index: IfIndex, reason: DropReason) {
        WorkerCounters::drop(&self.counters, reason);
        self.counters.interface(index).errors.add(1);
    }
}

/// Why the host does not have a packet, from what its twin said, if there is one.
fn refusal(sent: Option<Result<bool, ravelin_tuntap::Error>>) -> Option<DropReason> {
    match sent {
        Some(Ok(true)) => None,
        Some(Ok(false)) => Some(DropReason::PuntRingFull),
        // The kernel refuses every packet of a device that is down; the packet has no other way.
        Some(Err(_)) | None => Some(DropReason::HostDown),
    }
}

#[cfg(test)]
mod tests;
