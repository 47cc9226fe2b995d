//! One worker: its ports, its SAs, its vectors, and the loop body that runs a burst through the stages.

use std::panic::Location;
use std::sync::Arc;

use ravelin_ctl::sa::InstallError;
use ravelin_esp::{CryptoEngine, CryptoOp, OpStatus, PacketBuf, Task};
use ravelin_types::{Time, VrfId};

use crate::address::Address;
use crate::counters::{Tally, WorkerCounters};
use crate::drop::DropReason;
use crate::handoff::Outboxes;
use crate::held::{Awaited, Held};
use crate::laps::{Laps, Stage};
use crate::link::{Command, Event, Inject, Link, MAX_WORKERS, Shared};
use crate::packet::Packet;
use crate::platform::{BURST, Platform, PortIo};
use crate::policer::Policer;
use crate::punt::Policers;
use crate::reassembly::Reassembly;
use crate::recent::{Destination, RecentDestinations};
use crate::sa::{PendingSa, Sa};
use crate::spread::{self, Spread};
use crate::stages;
use crate::stages::egress::{self, Departure};
use crate::tables::{AdjIndex, IfIndex, MAX_PORTS, NextHop, Tables};

/// Commands taken per run: an install costs two key insertions, and packets must not wait for a whole batch.
const COMMANDS_PER_RUN: usize = 32;
/// Packets a vector between stages holds before it must grow: every input of one run at once.
const VECTOR: usize = 4 * BURST;
/// Operations the engine may refuse before they are dropped.
pub(crate) const MAX_PENDING_OPS: usize = 8 * BURST;
/// Frames that wait for a port that did not take them: one more ring's worth, against short bursts.
const TRANSMIT_BACKLOG: usize = 512;
/// ICMP errors per second and worker, and at once (RFC 1812 section 4.3.2.8 asks for a limit).
const ICMP_ERRORS: Policer = Policer::new(1_000, 100);
/// Reports of too small a path per second and worker, and at once: they cost the control thread a look-up each.
pub const PATH_REPORTS: Policer = Policer::new(1_000, 100);
/// Packets without an SA per second and worker, and at once, that the control thread is told of.
const SA_REQUESTS: Policer = Policer::new(50, 10);
/// Bits of an IPv6 identification that count; the rest names the worker.
const FRAGMENT_ID_BITS: u32 = 32 - MAX_WORKERS.trailing_zeros();
/// How often waiting packets and fragments are looked at.
const TICK_US: u64 = 100_000;

/// The vectors between the stages. Each is drained by one stage; they keep their capacity.
pub(crate) struct Vectors<B> {
    pub frames: Vec<B>,
    pub local: Vec<Packet<B>>,
    pub esp_input: Vec<(Packet<B>, u32)>,
    pub forward: Vec<Packet<B>>,
    pub esp_output: Vec<(Packet<B>, u32)>,
    pub ops: Vec<CryptoOp<Packet<B>>>,
    pub done: Vec<CryptoOp<Packet<B>>>,
    /// ICMP errors and the like, routed in the next run.
    pub generated: Vec<Packet<B>>,
}

impl<B> Default for Vectors<B> {
    fn default() -> Self {
        Self {
            frames: Vec::with_capacity(VECTOR),
            local: Vec::with_capacity(VECTOR),
            esp_input: Vec::with_capacity(VECTOR),
            forward: Vec::with_capacity(VECTOR),
            esp_output: Vec::with_capacity(VECTOR),
            ops: Vec::with_capacity(MAX_PENDING_OPS),
            done: Vec::with_capacity(MAX_PENDING_OPS),
            generated: Vec::with_capacity(VECTOR),
        }
    }
}

/// A port as one worker uses it.
pub(crate) struct WorkerPort<P: Platform> {
    pub io: P::Port,
    /// Frames to be sent at the end of the run, behind those that the port did not take in earlier ones.
    pub transmit: Vec<P::Buf>,
    /// How many of them come from earlier runs.
    pub waiting: usize,
}

/// One worker. Everything in it is touched by its thread only.
pub struct Worker<P: Platform> {
    pub(crate) id: u8,
    /// Index of its link.
    pub(crate) own: usize,
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) engine: P::Engine,
    pub(crate) pool: P::Pool,
    pub(crate) sas: Vec<Option<Box<Sa>>>,
    pub(crate) ports: Vec<Option<WorkerPort<P>>>,
    pub(crate) vectors: Vectors<P::Buf>,
    pub(crate) spread: Spread<P>,
    pub(crate) outboxes: Outboxes<P::Buf>,
    pub(crate) held: Held<P::Buf>,
    pub(crate) reassembly: Reassembly<P::Buf>,
    pub(crate) policers: Policers,
    pub(crate) icmp_errors: Policer,
    pub(crate) path_reports: Policer,
    pub(crate) sa_requests: Policer,
    /// Identification of the last IPv6 packet that we fragmented.
    pub(crate) fragment_id: u32,
    pub(crate) now: Time,
    pub(crate) laps: Laps,
    pub(crate) departure: Departure,
    pub(crate) recent: RecentDestinations,
    /// Decrypted packets of one tunnel in a row.
    decrypted: Tally,
    next_tick: Time,
    pub(crate) tables: Arc<Tables>,
}

impl<P: Platform> Worker<P> {
    /// Worker `id` of those that `shared` was made for.
    pub fn new(id: u8, shared: Arc<Shared<P>>, engine: P::Engine, pool: P::Pool) -> Self {
        let tables = shared.tables.load_full();
        Self {
            id,
            own: usize::from(id) % shared.links.len(),
            engine,
            pool,
            sas: (0..shared.slots()).map(|_| None).collect(),
            ports: (0..MAX_PORTS).map(|_| None).collect(),
            vectors: Vectors::default(),
            spread: Spread::new(shared.links.len()),
            outboxes: Outboxes::new(shared.links.len()),
            held: Held::default(),
            reassembly: Reassembly::new(),
            policers: Policers::default(),
            icmp_errors: ICMP_ERRORS,
            path_reports: PATH_REPORTS,
            sa_requests: SA_REQUESTS,
            // Workers share source and destination: each has numbers of its own.
            fragment_id: u32::from(id) << FRAGMENT_ID_BITS,
            now: Time::default(),
            laps: Laps::default(),
            departure: Departure::default(),
            recent: RecentDestinations::new(shared.slots()),
            decrypted: Tally::default(),
            next_tick: Time::default(),
            tables,
            shared,
        }
    }

    #[inline]
    pub(crate) fn link(&self) -> &Link<P> {
        &self.shared.links[self.own]
    }

    /// This worker's counters.
    #[inline]
    pub fn counters(&self) -> &WorkerCounters {
        &self.link().counters
    }

    /// Counts a discarded packet and releases it.
    #[cold]
    #[track_caller]
    pub(crate) fn drop(&self, packet: Packet<P::Buf>, reason: DropReason) {
        self.refuse(packet.ingress, reason, packet.data());
        std::mem::drop(packet);
    }

    /// Counts a discarded frame that never became a packet.
    #[cold]
    #[track_caller]
    pub(crate) fn refuse(&self, ingress: IfIndex, reason: DropReason, data: &[u8]) {
        let link = self.link();
        link.counters.drop(reason);
        link.counters.interface(ingress).errors.add(1);
        if let Some(watch) = &self.tables.watch {
            watch.dropped(self, reason, ingress, data, Location::caller());
        }
    }

    /// Tells the control thread. What does not fit is lost but for what it frees, and is told again when it happens again.
    pub(crate) fn tell(&self, event: Event<P>) -> bool {
        self.link().events.push(event).is_ok()
    }

    /// Asks for higher ceilings of a pair when they are near; `inbound` is the number that the peer has just used.
    #[inline]
    pub(crate) fn ask(&mut self, slot: u32, inbound: u64) {
        let Some(used) = self.sa(slot).and_then(|sa| sa.ask(inbound)) else {
            return;
        };
        let Some(pair) = self.sa(slot).map(|sa| sa.facts.pair) else {
            return;
        };
        if self.tell(Event::CeilingWanted(pair, used))
            && let Some(sa) = self.sa(slot)
        {
            sa.asked();
        }
    }

    #[inline]
    pub(crate) fn sa(&mut self, slot: u32) -> Option<&mut Sa> {
        self.sas.get_mut(slot as usize)?.as_deref_mut()
    }

    /// Does a task on the spot, unless packets go the way of [`spread`] in this run.
    #[inline(always)]
    pub(crate) fn cipher<const SPREAD: bool>(
        &mut self,
        packet: &mut [u8],
        task: &Task,
    ) -> OpStatus {
        if SPREAD {
            OpStatus::Pending
        } else {
            self.engine.run_now(packet, task)
        }
    }

    /// Counts a packet that came out of a tunnel.
    #[inline(always)]
    pub(crate) fn count_decrypted(&mut self, tunnel: IfIndex, octets: usize) {
        if !self.decrypted.add(tunnel, octets) {
            let before = std::mem::replace(&mut self.decrypted, Tally::new(tunnel, octets));
            self.counters().received(before);
        }
    }

    /// Where packets to `address` in `vrf` go, by the tables of this run.
    #[inline(always)]
    pub(crate) fn destination<A: Address>(
        &mut self,
        tables: &Tables,
        vrf: VrfId,
        address: A,
    ) -> Destination {
        A::recent(&mut self.recent).find(tables, vrf, address)
    }

    /// Runs everything that waits, one burst per input, through the stages. Returns how many packets came in, and how many operations
    /// it did for other workers.
    pub fn run_once(&mut self, now: Time) -> usize {
        self.now = now;
        self.engine.clock(now);
        // One look at the published pointer per burst. The control thread keeps what it replaced until we have let go of it.
        if !Arc::ptr_eq(&self.tables, &self.shared.tables.load()) {
            self.tables = self.shared.tables.load_full();
        }
        let tables = Arc::clone(&self.tables);
        self.recent.follow(&tables);
        self.take_commands();
        if now >= self.next_tick {
            self.next_tick = Time(now.0 + TICK_US);
            self.tick();
        }
        self.laps.begin();
        let packets = self.take_inputs(&tables);
        self.spread.begin(&self.shared.board, packets, now);
        stages::run(self, &tables);
        egress::end(self);
        let decrypted = std::mem::take(&mut self.decrypted);
        self.counters().received(decrypted);
        self.send_handoffs();
        self.transmit(&tables);
        self.laps.enter(Stage::Help, 0);
        let helped = spread::end(self, packets);
        self.laps.count(Stage::Help, helped);
        let counters = &self.shared.links[self.own].counters;
        self.laps.end(packets + helped, counters);
        counters.heartbeat.add(1);
        counters.packets.add(packets as u64);
        if packets > 0 {
            counters.busy_runs.add(1);
        } else if helped == 0 {
            counters.idle_runs.add(1);
        }
        packets + helped
    }

    /// Operations that wait for the engine, in it, or elsewhere, packets that wait for another worker, and other workers' need: there is
    /// work to do though nothing comes in.
    pub fn waiting(&self) -> usize {
        self.vectors.ops.len()
            + self.engine.under_way()
            + self.spread.waiting()
            + self.outboxes.waiting()
    }

    fn take_inputs(&mut self, tables: &Tables) -> usize {
        let mut packets = self.take_handoffs();
        let shared = Arc::clone(&self.shared);
        let link = &shared.links[self.own];
        for _ in 0..BURST {
            let Some(inject) = link.injects.pop() else {
                break;
            };
            packets += 1;
            match inject {
                Inject::Frame(interface, buf) => {
                    stages::inject::frame(self, tables, interface, buf)
                }
                Inject::Packet(interface, buf) => {
                    stages::inject::packet(self, tables, interface, buf)
                }
            }
        }
        self.laps.count(Stage::Handoff, packets);
        if self.spread.is_stuck() {
            return packets;
        }
        let mut frames = std::mem::take(&mut self.vectors.frames);
        for port in 0..self.ports.len() {
            let Some(entry) = self.ports[port].as_mut() else {
                continue;
            };
            self.laps.enter(Stage::Receive, 0);
            entry.io.receive(&mut frames);
            packets += frames.len();
            self.laps.count(Stage::Receive, frames.len());
            self.laps.enter(Stage::Ethernet, frames.len());
            if let Some(watch) = &tables.watch {
                watch.received(self.id, self.now, port as u16, &frames);
            }
            stages::ethernet::input(self, tables, port as u16, &mut frames);
        }
        self.vectors.frames = frames;
        packets
    }

    fn transmit(&mut self, tables: &Tables) {
        for port in 0..self.ports.len() {
            let Some(entry) = self.ports[port].as_mut() else {
                continue;
            };
            if entry.transmit.is_empty() {
                continue;
            }
            if let Some(watch) = &tables.watch {
                let fresh = entry.transmit.get(entry.waiting..).unwrap_or_default();
                watch.transmitting(self.id, self.now, tables, port as u16, fresh);
            }
            self.laps.enter(Stage::Transmit, entry.transmit.len());
            entry.io.transmit(&mut entry.transmit);
            entry.waiting = entry.transmit.len().min(TRANSMIT_BACKLOG);
            if entry.transmit.len() <= TRANSMIT_BACKLOG {
                continue;
            }
            let unit = tables
                .config
                .ports
                .get(port)
                .and_then(|table| table.units.first());
            let index = unit.map_or(IfIndex(0), |(_, index)| *index);
            let mut waiting = std::mem::take(&mut entry.transmit);
            for buf in waiting.drain(TRANSMIT_BACKLOG..) {
                self.refuse(index, DropReason::TxFull, buf.data());
            }
            if let Some(entry) = self.ports[port].as_mut() {
                entry.transmit = waiting;
            }
        }
    }

    fn take_commands(&mut self) {
        for _ in 0..COMMANDS_PER_RUN {
            let Some(command) = self.link().commands.pop() else {
                return;
            };
            match command {
                Command::Install(pending) => self.install(*pending),
                Command::StopOutbound(slot) => {
                    if let Some(sa) = self.sa(slot) {
                        sa.stop_outbound();
                    }
                }
                Command::Remove(slot) => self.remove(slot),
                Command::Move { slot, outer } => {
                    // Of another family it would be another SA: the control thread has judged that.
                    let _ = self.sa(slot).and_then(|sa| sa.set_outer(outer));
                }
                Command::PathMtu { slot, mtu_octets } => {
                    if let Some(sa) = self.sa(slot) {
                        sa.facts.path_mtu_octets = mtu_octets;
                        sa.route.version = 0;
                    }
                }
                Command::Grant { slot, ceilings } => {
                    if let Some(sa) = self.sa(slot) {
                        sa.grant(ceilings);
                    }
                }
                Command::EndAt { slot, last } => {
                    if let Some(sa) = self.sa(slot) {
                        sa.end_at(last);
                    }
                }
                Command::Resolved {
                    interface,
                    address,
                    adjacency,
                } => {
                    self.release(Awaited::Host(interface, address), adjacency);
                    self.release(Awaited::Gateway(adjacency), adjacency);
                }
                Command::AttachPort { port, io } => {
                    if let Some(entry) = self.ports.get_mut(usize::from(port)) {
                        *entry = Some(WorkerPort {
                            io,
                            transmit: Vec::with_capacity(VECTOR),
                            waiting: 0,
                        });
                    }
                }
                Command::DetachPort(port) => {
                    if let Some(entry) =
                        self.ports.get_mut(usize::from(port)).and_then(Option::take)
                    {
                        self.tell(Event::PortDetached(port, entry.io));
                    }
                }
            }
        }
    }

    fn install(&mut self, pending: PendingSa<crate::platform::Key<P>>) {
        let PendingSa {
            facts,
            mut inbound,
            mut outbound,
            inbound_key,
            outbound_key,
        } = pending;
        let slot = facts.slot as usize;
        let failed = |reason| Event::InstallFailed {
            pair: facts.pair,
            epoch: facts.epoch,
            reason,
        };
        let (engine_full, unusable) = (
            failed(InstallError::TableFull),
            failed(InstallError::BadSelectors),
        );
        let inbound_id = match self.engine.insert(inbound_key) {
            Ok(id) => id,
            Err(key) => {
                self.tell(engine_full);
                self.tell(Event::Retired(None, [Some(key), Some(outbound_key)]));
                return;
            }
        };
        let outbound_id = match self.engine.insert(outbound_key) {
            Ok(id) => id,
            Err(key) => {
                let other = self.engine.remove(inbound_id);
                self.tell(engine_full);
                self.tell(Event::Retired(None, [other, Some(key)]));
                return;
            }
        };
        inbound.key = inbound_id;
        outbound.key = outbound_id;
        match (Sa::new(facts, inbound, &outbound), self.sas.get_mut(slot)) {
            (Some(sa), Some(entry)) => *entry = Some(Box::new(sa)),
            _ => {
                let keys = [
                    self.engine.remove(inbound_id),
                    self.engine.remove(outbound_id),
                ];
                self.tell(unusable);
                self.tell(Event::Retired(None, keys));
            }
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some(sa) = self.sas.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        let keys = sa.keys().map(|id| self.engine.remove(id));
        self.tell(Event::Retired(Some(sa), keys));
    }

    /// An identification that none of the last datagrams had.
    pub(crate) fn next_fragment_id(&mut self) -> u32 {
        let mask = (1 << FRAGMENT_ID_BITS) - 1;
        self.fragment_id = self.fragment_id & !mask | self.fragment_id.wrapping_add(1) & mask;
        self.fragment_id
    }

    /// Sends what waited for a neighbour on its way again.
    fn release(&mut self, awaited: Awaited, adjacency: AdjIndex) {
        let tables = Arc::clone(&self.tables);
        for mut packet in self.held.release(awaited) {
            packet.next_hop = NextHop::Adjacency(adjacency);
            egress::leave(self, &tables, packet);
        }
    }

    fn tick(&mut self) {
        while let Some(packets) = self.held.expire(self.now) {
            for packet in packets {
                stages::egress::unresolved(self, packet);
            }
        }
        while let Some(packets) = self.reassembly.expire(self.now) {
            for packet in packets {
                self.drop(packet, DropReason::ReassemblyTimeout);
            }
        }
        while let Some(key) = self.engine.reap() {
            self.tell(Event::Retired(None, [Some(key), None]));
        }
    }
}
