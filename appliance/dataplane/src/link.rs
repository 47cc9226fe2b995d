//! The rings between the control thread, the workers and the punt thread. All are bounded; nothing here blocks.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use crossbeam_queue::ArrayQueue;
use ravelin_ctl::sa::InstallError;
use ravelin_esp::OuterAddresses;
use ravelin_types::{Numbers, PairId};

use crate::adjacency::Adjacencies;
use crate::control::PathReport;
use crate::counters::WorkerCounters;
use crate::handoff::Inbox;
use crate::held::Awaited;
use crate::platform::{Key, Platform};
use crate::punt::PuntRings;
use crate::sa::{PendingSa, Sa};
use crate::spread::{Batch, Board, MAX_BATCHES};
use crate::tables::{AdjIndex, IfIndex, Tables};

/// Workers of one node.
pub const MAX_WORKERS: usize = 32;
/// Commands under way to one worker: one batch of installs.
const COMMANDS: usize = 4096;
/// Events under way from one worker.
const EVENTS: usize = 4096;
/// Packets under way from the host.
const INJECTS: usize = 1024;

/// The control thread to a worker.
pub enum Command<P: Platform> {
    /// Put a pair into its slot.
    Install(Box<PendingSa<Key<P>>>),
    /// Stop encrypting under this slot's pair.
    StopOutbound(u32),
    /// Take the pair out of its slot.
    Remove(u32),
    /// The peer has moved.
    Move {
        /// Slot.
        slot: u32,
        /// Where to.
        outer: OuterAddresses,
    },
    /// What the path to the peer takes.
    PathMtu {
        /// Slot.
        slot: u32,
        /// Octets, or what the egress link takes.
        mtu_octets: Option<u16>,
    },
    /// Numbers up to these ceilings may be used.
    Grant {
        /// Slot.
        slot: u32,
        /// The ceilings.
        ceilings: Numbers,
    },
    /// No number above these is used any more: the life of the pair ends there.
    EndAt {
        /// Slot.
        slot: u32,
        /// The last numbers.
        last: Numbers,
    },
    /// A neighbour was resolved: send what waits for it.
    Resolved {
        /// The unit.
        interface: IfIndex,
        /// The neighbour.
        address: IpAddr,
        /// Its adjacency.
        adjacency: AdjIndex,
    },
    /// Use this port.
    AttachPort {
        /// Index.
        port: u16,
        /// Our queue pair of it.
        io: P::Port,
    },
    /// Stop using this port.
    DetachPort(u16),
}

/// A worker to the control thread.
pub enum Event<P: Platform> {
    /// Packets wait for a neighbour that is not resolved.
    NeighbourWanted(Awaited),
    /// A packet was discarded for want of an SA.
    SaWanted {
        /// Interface that it was routed to.
        tunnel: IfIndex,
        /// Its source.
        source: IpAddr,
        /// Its destination.
        destination: IpAddr,
    },
    /// First authenticated packet of a pair.
    PeerUses(PairId),
    /// Authenticated packets come from elsewhere.
    PeerMoved {
        /// The pair.
        pair: PairId,
        /// Address they come from.
        remote: IpAddr,
        /// UDP port they come from, 0 for protocol 50.
        port: u16,
    },
    /// Few sequence numbers are left.
    Exhausting(PairId),
    /// A router says that a packet of ours was too big.
    PathTooSmall(PathReport),
    /// Few numbers are left below the ceilings; these are used.
    CeilingWanted(PairId, Numbers),
    /// A pair that could not be installed.
    InstallFailed {
        /// The pair.
        pair: PairId,
        /// The installation.
        epoch: u32,
        /// Why.
        reason: InstallError,
    },
    /// What is left of a removed pair, to be wiped.
    Retired(Option<Box<Sa>>, [Option<Key<P>>; 2]),
    /// A port that is no longer used.
    PortDetached(u16, P::Port),
}

/// From the host.
pub enum Inject<B> {
    /// An Ethernet frame from a unit's TAP.
    Frame(IfIndex, B),
    /// An IP packet from a tunnel's TUN.
    Packet(IfIndex, B),
}

/// The rings and counters of one worker.
pub struct Link<P: Platform> {
    /// Control to worker.
    pub commands: ArrayQueue<Command<P>>,
    /// Worker to control.
    pub events: ArrayQueue<Event<P>>,
    /// Other workers to this one.
    pub inbox: Inbox<P::Buf>,
    /// Host to worker.
    pub injects: ArrayQueue<Inject<P::Buf>>,
    /// Batches of its that others have done.
    pub returned: ArrayQueue<Box<Batch<P>>>,
    /// Its counters.
    pub counters: WorkerCounters,
}

impl<P: Platform> Default for Link<P> {
    fn default() -> Self {
        Self {
            commands: ArrayQueue::new(COMMANDS),
            events: ArrayQueue::new(EVENTS),
            inbox: Inbox::default(),
            injects: ArrayQueue::new(INJECTS),
            returned: ArrayQueue::new(MAX_BATCHES),
            counters: WorkerCounters::default(),
        }
    }
}

/// Everything the threads share.
pub struct Shared<P: Platform> {
    /// The published tables.
    pub tables: ArcSwap<Tables>,
    /// Neighbours.
    pub adjacencies: Adjacencies,
    /// Owner of each slot: worker + 1, or 0.
    owners: Box<[AtomicU8]>,
    /// Cipher work on offer.
    pub board: Board<P>,
    /// One per worker.
    pub links: Vec<Link<P>>,
    /// To the host.
    pub punt: PuntRings<P::Buf>,
    /// SA state that outlives the process.
    pub cells: P::Cells,
}

impl<P: Platform> Shared<P> {
    /// Shared state for `workers` workers (at most [`MAX_WORKERS`]) and `slots` SA slots.
    pub fn new(workers: usize, slots: usize, adjacencies: usize, cells: P::Cells) -> Arc<Self> {
        Arc::new(Self {
            tables: ArcSwap::from_pointee(Tables::default()),
            adjacencies: Adjacencies::new(adjacencies),
            owners: (0..slots).map(|_| AtomicU8::new(0)).collect(),
            links: (0..workers.clamp(1, MAX_WORKERS))
                .map(|_| Link::default())
                .collect(),
            board: Board::default(),
            punt: PuntRings::default(),
            cells,
        })
    }

    /// Slots there are.
    pub fn slots(&self) -> usize {
        self.owners.len()
    }

    /// The worker that owns a slot.
    #[inline]
    pub fn owner(&self, slot: u32) -> Option<u8> {
        self.owners
            .get(slot as usize)?
            .load(Ordering::Acquire)
            .checked_sub(1)
    }

    /// Sets or clears the owner of a slot.
    pub fn set_owner(&self, slot: u32, owner: Option<u8>) {
        if let Some(cell) = self.owners.get(slot as usize) {
            cell.store(owner.map_or(0, |worker| worker + 1), Ordering::Release);
        }
    }
}
