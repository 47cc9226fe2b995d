//! The control side: it alone changes what the workers read, in response to the configuration, to iked, and to the kernel's routes.
//!
//! Changes collect in a working copy and are published together by [`Controller::publish`]. What was replaced is kept until no
//! worker holds it, so that no worker ever frees a table. One thread calls all of this.

mod config;
mod keys;
mod life;
mod neighbours;
mod pairs;
mod paths;
mod routes;
mod transport;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::sa::{Event as SaEvent, InstallError};
use ravelin_types::{PairId, Time, UnitName, VrfId};

use crate::counters::WorkerCounters;
use crate::drop::DropReason;
use crate::held::Awaited;
use crate::link::{Command, Event, Shared};
use crate::platform::{Maker, Platform};
use crate::tables::{IfIndex, Tables};

pub use config::{ConfigError, PreparedConfig};
pub use neighbours::Neighbour;
pub use paths::{MIN_PATH_MTU_OCTETS, PATH_MTU_LIFE, PathReport};
pub use routes::RouteTarget;

/// How often traffic and proof of life are reported, and asked again for what iked has not granted.
const ALIVE: Duration = Duration::from_secs(2);

/// What the daemon should do or pass on.
#[derive(Debug)]
pub enum Notice<P: Platform> {
    /// For iked.
    Sa(SaEvent),
    /// Ask the kernel for this neighbour.
    NeighbourWanted(IfIndex, IpAddr),
    /// A worker let go of a port's queue pair.
    PortDetached(u16, P::Port),
}

/// The control side of the data plane.
pub struct Controller<P: Platform> {
    shared: Arc<Shared<P>>,
    working: Tables,
    dirty: bool,
    replaced: Vec<Arc<Tables>>,
    names: HashMap<UnitName, IfIndex>,
    port_names: Vec<String>,
    books: HashMap<VrfId, routes::RouteBook>,
    neighbours: neighbours::Neighbours,
    pairs: pairs::Pairs,
    paths: paths::Paths,
    backlog: VecDeque<(u8, Command<P>)>,
    next_alive: Time,
    maker: Maker<P>,
}

impl<P: Platform> Controller<P> {
    /// The control side of `shared`.
    pub fn new(shared: Arc<Shared<P>>) -> Self {
        let neighbours = neighbours::Neighbours::new(shared.adjacencies.len());
        let pairs = pairs::Pairs::new(shared.links.len());
        Self {
            shared,
            working: Tables {
                version: 1,
                ..Tables::default()
            },
            dirty: true,
            replaced: Vec::new(),
            names: HashMap::new(),
            port_names: Vec::new(),
            books: HashMap::new(),
            neighbours,
            pairs,
            paths: paths::Paths::default(),
            backlog: VecDeque::new(),
            next_alive: Time::default(),
            maker: Maker::<P>::default(),
        }
    }

    /// What the threads share.
    pub fn shared(&self) -> &Arc<Shared<P>> {
        &self.shared
    }

    /// What makes the keys of SAs.
    pub fn maker(&mut self) -> &mut Maker<P> {
        &mut self.maker
    }

    /// The tables as they will be published.
    pub fn tables(&self) -> &Tables {
        &self.working
    }

    /// The index of a unit or tunnel.
    pub fn index_of(&self, name: &UnitName) -> Option<IfIndex> {
        self.names
            .get(name)
            .copied()
            .filter(|index| self.working.config.interface(*index).is_some())
    }

    /// Holds transit and ESP back, or lets them flow: a start is complete when routes and SAs are (design decision D5). What comes
    /// meanwhile is discarded and counted rather than left in the queues of the ports, because IKE and ARP come by the same queues
    /// and the start waits for them, and because a burst of old packets would help nobody. Publishes with the next
    /// [`Controller::publish`].
    pub fn hold_transit(&mut self, held: bool) {
        self.dirty |= self.working.transit_held != held;
        self.working.transit_held = held;
    }

    /// Publishes what changed since the last call.
    pub fn publish(&mut self) {
        if self.dirty {
            self.dirty = false;
            self.working.version += 1;
            let old = self.shared.tables.swap(Arc::new(self.working.clone()));
            self.replaced.push(old);
        }
        self.replaced.retain(|tables| Arc::strong_count(tables) > 1);
    }

    /// Sends a command to a worker; what its ring cannot take follows with the next [`Controller::poll`], in order.
    fn command(&mut self, worker: u8, command: Command<P>) {
        self.backlog.push_back((worker, command));
        self.flush();
    }

    fn command_all(&mut self, command: impl Fn() -> Command<P>) {
        for worker in 0..self.shared.links.len() {
            self.command(worker as u8, command());
        }
    }

    fn flush(&mut self) {
        while let Some((worker, command)) = self.backlog.pop_front() {
            let link = &self.shared.links[usize::from(worker) % self.shared.links.len()];
            if let Err(command) = link.commands.push(command) {
                self.backlog.push_front((worker, command));
                return;
            }
        }
    }

    /// Gives a queue pair of a port to a worker.
    pub fn attach_port(&mut self, worker: u8, port: u16, io: P::Port) {
        self.command(worker, Command::AttachPort { port, io });
    }

    /// Takes a port away from a worker; it comes back as [`Notice::PortDetached`].
    pub fn detach_port(&mut self, worker: u8, port: u16) {
        self.command(worker, Command::DetachPort(port));
    }

    /// Takes in what the workers reported, does what is due at `now`, publishes, and returns what the daemon should act on.
    pub fn poll(&mut self, now: Time) -> Vec<Notice<P>> {
        let mut notices = Vec::new();
        let shared = Arc::clone(&self.shared);
        for link in &shared.links {
            while let Some(event) = link.events.pop() {
                self.take_event(event, now, &mut notices);
            }
        }
        self.expire_pairs(now);
        self.expire_paths(now);
        self.neighbours.expire(now);
        if now >= self.next_alive {
            self.next_alive = now + ALIVE;
            self.pairs.ask_again();
            let (sent, alive) = self.pairs.busy();
            if !sent.is_empty() {
                notices.push(Notice::Sa(SaEvent::Sent(sent)));
            }
            if !alive.is_empty() {
                notices.push(Notice::Sa(SaEvent::Alive(alive)));
            }
        }
        notices.extend(self.follow_lives(now).map(Notice::Sa));
        notices.extend(self.pairs.number_events().map(Notice::Sa));
        self.flush();
        self.publish();
        notices
    }

    fn take_event(&mut self, event: Event<P>, now: Time, notices: &mut Vec<Notice<P>>) {
        match event {
            Event::NeighbourWanted(awaited) => {
                let hop = match awaited {
                    Awaited::Host(interface, address) => Some((interface, address)),
                    Awaited::Gateway(index) => self.neighbours.address(index),
                };
                if let Some((interface, address)) = hop
                    && self.wanted(interface, address)
                {
                    notices.push(Notice::NeighbourWanted(interface, address));
                }
            }
            Event::SaWanted {
                tunnel,
                source,
                destination,
            } => {
                if let Some(interface) = self.working.config.interface(tunnel) {
                    notices.push(Notice::Sa(SaEvent::Wanted {
                        tunnel_unit: interface.name.unit,
                        source,
                        destination,
                    }));
                }
            }
            Event::PeerUses(pair) => {
                self.activate(pair);
                notices.push(Notice::Sa(SaEvent::PeerUses(pair)));
            }
            Event::PeerMoved { pair, remote, port } => {
                if let Some(outer) = self.pairs.heard_at(pair, remote, port) {
                    notices.push(Notice::Sa(SaEvent::PeerMoved { pair, outer }));
                }
            }
            Event::Exhausting(pair) => notices.push(Notice::Sa(SaEvent::Exhausting(pair))),
            Event::PathTooSmall(report) => self.path_report(&report, now),
            Event::CeilingWanted(pair, used) => self.pairs.ask(pair, used),
            Event::InstallFailed {
                pair,
                epoch,
                reason,
            } => notices.extend(self.install_failed(pair, epoch, reason).map(Notice::Sa)),
            // Dropping wipes the keys, here and not on a worker.
            Event::Retired(sa, keys) => drop((sa, keys)),
            Event::PortDetached(port, io) => notices.push(Notice::PortDetached(port, io)),
        }
    }

    /// A worker refused what [`Controller::install`] had accepted. One that was replaced meanwhile is no longer of interest.
    fn install_failed(
        &mut self,
        pair: PairId,
        epoch: u32,
        reason: InstallError,
    ) -> Option<SaEvent> {
        if self.pairs.epoch(pair) != Some(epoch) {
            return None;
        }
        log::error!("pair {} was refused by its worker: {reason}", pair.0);
        self.forget(pair);
        Some(SaEvent::InstallFailed {
            pair,
            epoch,
            reason,
        })
    }

    /// Discards by reason, summed over the workers; only those that happened.
    pub fn drops(&self) -> Vec<(DropReason, u64)> {
        let sum = |reason| self.workers().map(|counters| counters.drops(reason)).sum();
        DropReason::ALL
            .iter()
            .map(|reason| (*reason, sum(*reason)))
            .filter(|(_, packets)| *packets > 0)
            .collect()
    }

    /// The workers' counters.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerCounters> {
        self.shared.links.iter().map(|link| &link.counters)
    }
}

#[cfg(test)]
mod tests;
