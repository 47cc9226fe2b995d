//! Cipher work that other workers take over, so that one tunnel is not limited to the CPU of its owner ("fat tunnel").
//!
//! Everything that has an order stays with the owner: numbers and headers before the cipher, the window, selectors and the port behind
//! it. What lies between goes in batches: each run offers some to workers that have time to spare, does the others itself, and finishes
//! all in the order in which they were begun. So packets leave in the order of their numbers, and inner flows keep theirs.
//!
//! Nothing is configured. An owner offers when a run finds a whole burst and somebody is free; who is free looks for offers at the end
//! of each of its runs, and does not rest as long as there were some lately. What nobody has taken when a later run ends is taken back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arrayvec::ArrayVec;
use crossbeam_queue::ArrayQueue;
use dpdk_rs::prefetch;
use ravelin_esp::{CryptoEngine, CryptoOp, KeyId, PacketBuf};
use ravelin_types::Time;

use crate::link::MAX_WORKERS;
use crate::packet::Packet;
use crate::platform::{BURST, Key, Platform};
use crate::worker::Worker;

/// Operations of a batch: enough to pay for its way, few enough for a burst to be shared.
const BATCH: usize = BURST / 2;
/// Batches that an owner has begun and not finished; beyond them operations wait.
pub(crate) const MAX_BATCHES: usize = 32;
/// Of the last 32 runs of a worker so many found nothing: it has time to spare. Of two that share the packets neither is to do the
/// ciphers of the other only because it looked into an empty port now and then.
const IDLE_RUNS: u32 = 24;
/// How long a worker does not rest after it has seen an offer: many runs of an owner, of which each makes one.
const STAYS_UP: Duration = Duration::from_millis(1);
/// How long an owner works alone after it was let down: who helped it was not given its CPU.
const ALONE: Duration = Duration::from_secs(1);
/// Batches that wait for each worker with time to spare: it finds the next one when it has done one.
const OFFERS_EACH: usize = 3;

/// Operations and the keys they name by their places.
pub struct Batch<P: Platform> {
    /// The link it goes back to.
    owner: usize,
    /// Counts up with each of the owner.
    number: u64,
    ids: ArrayVec<KeyId, BATCH>,
    keys: ArrayVec<Option<Key<P>>, BATCH>,
    /// In the order in which they are to be finished.
    pub(crate) ops: Vec<CryptoOp<Packet<P::Buf>>>,
}

impl<P: Platform> Default for Batch<P> {
    fn default() -> Self {
        Self {
            owner: 0,
            number: 0,
            ids: ArrayVec::new(),
            keys: ArrayVec::new(),
            ops: Vec::with_capacity(BATCH),
        }
    }
}

impl<P: Platform> Batch<P> {
    /// Adds an operation; gives it back when its key is not for lending.
    fn add(
        &mut self,
        engine: &mut P::Engine,
        mut op: CryptoOp<Packet<P::Buf>>,
    ) -> Result<(), CryptoOp<Packet<P::Buf>>> {
        let id = op.task.key;
        let place = match self.ids.iter().rposition(|known| *known == id) {
            Some(place) => place,
            None => {
                let Some(key) = engine.lend(id) else {
                    return Err(op);
                };
                self.ids.push(id);
                self.keys.push(Some(key));
                self.ids.len() - 1
            }
        };
        op.task.key = KeyId(place as u32);
        self.ops.push(op);
        Ok(())
    }

    /// Starts to bring the packets here, all at once, from the cache of the CPU that had them.
    fn fetch(&self) {
        for op in &self.ops {
            op.packet.buf.prefetch();
        }
    }

    /// As [`Batch::fetch`], all of them: the cipher reads it all, from memory or another CPU's cache.
    fn fetch_whole(&self) {
        for op in &self.ops {
            op.packet.buf.prefetch();
            prefetch(op.packet.data());
        }
    }

    fn run(&mut self, engine: &mut P::Engine) {
        engine.run_lent(&self.keys, &mut self.ops);
    }
}

/// What the workers of a node share.
pub struct Board<P: Platform> {
    offers: ArrayQueue<Box<Batch<P>>>,
    /// Workers with time to spare.
    free: AtomicUsize,
    /// Batches offered so far.
    offered: AtomicU64,
}

impl<P: Platform> Default for Board<P> {
    fn default() -> Self {
        Self {
            offers: ArrayQueue::new(MAX_WORKERS * OFFERS_EACH),
            free: AtomicUsize::new(0),
            offered: AtomicU64::new(0),
        }
    }
}

/// A worker's side of it.
pub(crate) struct Spread<P: Platform> {
    /// Ciphers do not run on the spot in this run, because earlier packets are on their way.
    on: bool,
    /// Batches begun, in order; `None` for one that is offered or elsewhere.
    begun: VecDeque<Option<Box<Batch<P>>>>,
    /// Number of the first of them.
    first: u64,
    /// Number of the first that was begun in this run.
    fresh: u64,
    /// Operations in `begun`.
    under_way: usize,
    /// Batches that keep their memory.
    spare: Vec<Box<Batch<P>>>,
    /// What cannot be lent.
    own: Vec<CryptoOp<Packet<P::Buf>>>,
    /// Until then nothing is offered.
    alone_until: Time,
    /// A bit for each of the last runs: nothing came in.
    idle_runs: u32,
    free: bool,
    /// [`Board::offered`] as of the last look.
    offered: u64,
    /// Somebody else has offered lately: until then this worker stays up, or at present.
    up_until: Time,
    is_up: bool,
}

impl<P: Platform> Spread<P> {
    /// For one of so many workers; the only one needs no memory for it.
    pub(crate) fn new(workers: usize) -> Self {
        let batches = if workers > 1 { MAX_BATCHES } else { 0 };
        Self {
            on: false,
            begun: VecDeque::with_capacity(batches),
            first: 0,
            fresh: 0,
            under_way: 0,
            spare: (0..batches).map(|_| Box::default()).collect(),
            own: Vec::new(),
            alone_until: Time::default(),
            idle_runs: 0,
            free: false,
            offered: 0,
            up_until: Time::default(),
            is_up: false,
        }
    }

    /// Whether operations go by [`run`].
    #[inline(always)]
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Operations under way, and one if others may need this worker: it must not rest.
    pub(crate) fn waiting(&self) -> usize {
        self.under_way + usize::from(self.is_up)
    }

    /// Whether nothing more can be begun: who helps was not given its CPU. Packets wait in their ports then, as if this worker had not
    /// been given its own.
    #[inline]
    pub(crate) fn is_stuck(&self) -> bool {
        self.begun.len() >= MAX_BATCHES
    }

    /// A run begins that found so many packets.
    #[inline]
    pub(crate) fn begin(&mut self, board: &Board<P>, packets: usize, now: Time) {
        self.on = !self.begun.is_empty()
            || (packets >= BURST && self.helpers(board) > 0 && now >= self.alone_until);
        self.fresh = self.first + self.begun.len() as u64;
    }

    /// Other workers with time to spare.
    fn helpers(&self, board: &Board<P>) -> usize {
        let free = board.free.load(Ordering::Relaxed);
        free.saturating_sub(usize::from(self.free))
    }

    /// Notes whether a run found nothing, and tells the others when that changes what they may expect.
    #[inline]
    fn note(&mut self, board: &Board<P>, idle: bool) {
        self.idle_runs = self.idle_runs << 1 | u32::from(idle);
        let free = self.idle_runs.count_ones() >= IDLE_RUNS;
        if free != self.free {
            self.free = free;
            if free {
                board.free.fetch_add(1, Ordering::Relaxed);
            } else {
                board.free.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts an offer of this worker, which does not keep itself up by it.
    fn count_offer(&mut self, board: &Board<P>) {
        let before = board.offered.fetch_add(1, Ordering::Relaxed);
        if before == self.offered {
            self.offered = before + 1;
        }
    }

    fn came_back(&mut self, batch: Box<Batch<P>>) {
        let place = batch.number.wrapping_sub(self.first) as usize;
        if let Some(place) = self.begun.get_mut(place) {
            *place = Some(batch);
        }
    }

    /// Whether a batch of an earlier run is still elsewhere.
    fn is_behind(&self) -> bool {
        self.first < self.fresh && matches!(self.begun.front(), Some(None))
    }
}

/// Takes the waiting operations, but for what finds no room and waits for the next run. What devices have done is appended to `done`,
/// everything else comes by [`finished`].
#[cold]
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, done: &mut Vec<CryptoOp<Packet<P::Buf>>>) {
    welcome(worker);
    let mut ops = std::mem::take(&mut worker.vectors.ops);
    let mut own = std::mem::take(&mut worker.spread.own);
    let room = BATCH * (MAX_BATCHES - worker.spread.begun.len());
    if room == 0 && worker.spread.is_behind() {
        worker.spread.alone_until = worker.now + ALONE;
    }
    let mut given = ops.drain(..ops.len().min(room));
    while given.len() > 0 {
        let mut batch = worker.spread.spare.pop().unwrap_or_default();
        while batch.ops.len() < BATCH
            && let Some(op) = given.next()
        {
            own.extend(batch.add(&mut worker.engine, op).err());
        }
        begin(worker, batch);
    }
    drop(given);
    worker.engine.submit(&mut own);
    worker.engine.poll(done);
    ops.splice(..0, own.drain(..));
    worker.vectors.ops = ops;
    worker.spread.own = own;
    welcome(worker);
}

/// Offers a full batch, if somebody has time for it, or does it: with few packets per run nothing is on its way soon.
fn begin<P: Platform>(worker: &mut Worker<P>, mut batch: Box<Batch<P>>) {
    let (spread, board) = (&mut worker.spread, &worker.shared.board);
    if batch.ops.is_empty() {
        return spread.spare.push(batch);
    }
    batch.owner = worker.own;
    batch.number = spread.first + spread.begun.len() as u64;
    spread.under_way += batch.ops.len();
    let offers = batch.ops.len() == BATCH
        && worker.now >= spread.alone_until
        && board.offers.len() < spread.helpers(board) * OFFERS_EACH;
    let mut kept = Some(batch);
    if offers {
        kept = kept.and_then(|batch| board.offers.push(batch).err());
    }
    match &mut kept {
        Some(batch) => batch.run(&mut worker.engine),
        None => spread.count_offer(board),
    }
    spread.begun.push_back(kept);
}

/// Takes what others have done.
fn welcome<P: Platform>(worker: &mut Worker<P>) {
    while let Some(batch) = worker.shared.links[worker.own].returned.pop() {
        batch.fetch();
        worker.spread.came_back(batch);
    }
}

/// The oldest batch, if it is done.
pub(crate) fn finished<P: Platform>(worker: &mut Worker<P>) -> Option<Box<Batch<P>>> {
    let spread = &mut worker.spread;
    spread.begun.front()?.as_ref()?;
    let batch = spread.begun.pop_front()??;
    spread.first += 1;
    spread.under_way -= batch.ops.len();
    Some(batch)
}

/// Takes the memory of a batch back, whose operations are finished.
pub(crate) fn recycle<P: Platform>(worker: &mut Worker<P>, mut batch: Box<Batch<P>>) {
    batch.ids.clear();
    batch.keys.clear();
    worker.spread.spare.push(batch);
}

/// A run ends that found so many packets: does a batch that somebody offers, or takes one back that nobody wanted. Returns how many
/// operations of others that were.
#[inline]
pub(crate) fn end<P: Platform>(worker: &mut Worker<P>, packets: usize) -> usize {
    let (spread, board) = (&mut worker.spread, &worker.shared.board);
    if worker.shared.links.len() == 1 {
        return 0;
    }
    spread.note(board, packets == 0);
    let offered = board.offered.load(Ordering::Relaxed);
    if offered != spread.offered {
        spread.offered = offered;
        spread.up_until = worker.now + STAYS_UP;
    }
    spread.is_up = worker.now < spread.up_until;
    let helps = spread.free && spread.begun.is_empty();
    if board.offers.is_empty() || !(helps || spread.is_behind()) {
        return 0;
    }
    help(worker)
}

#[cold]
fn help<P: Platform>(worker: &mut Worker<P>) -> usize {
    let Some(mut batch) = worker.shared.board.offers.pop() else {
        return 0;
    };
    batch.fetch_whole();
    batch.run(&mut worker.engine);
    if batch.owner == worker.own {
        worker.spread.came_back(batch);
        return 0;
    }
    let count = batch.ops.len();
    worker.counters().helped.add(count as u64);
    // It has room: an owner begins no more than that.
    let owner = &worker.shared.links[batch.owner];
    if owner.returned.push(batch).is_err() {
        log::error!("a batch of operations found no way back");
    }
    count
}
