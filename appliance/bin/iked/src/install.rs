//! What planed should hold, and the requests that bring it there. A state machine without I/O.
//!
//! ```text
//!            connected                 answer to List              nothing left of the list, answer to SyncDone
//!   Down ----------------> Listing ----------------------> Syncing ---------------------------------------> Ready
//!    ^                    (List sent)   remove strangers,  (installs)                                          |
//!    +------------------------------- disconnected ------------------------------------------------------------+
//! ```
//!
//! The wanted pairs are kept here and survive planed's death. After a reconnection planed's list is compared with them
//! (design decision D5). A pair that planed has lost is not installed again as it was: its IV epoch may have been used, so
//! [`Notice::Renew`] asks for a new one (D17), and the pair comes back through [`Plane::want`].

use std::collections::{HashMap, HashSet, VecDeque};

use ravelin_ctl::sa::{
    InstallError, MAX_BATCH, Outbound, Outer, PairCounters, PairState, Reply, Request, SaPair,
    ToPlaned,
};
use ravelin_types::{InstanceId, Numbers, PairId};

/// Install batches under way at once: planed applies them one by one, and each answer opens the gates of many peers.
const MAX_INSTALLS_UNDER_WAY: usize = 4;
/// The daemons start in any order: planed may not have its configuration yet when it is asked for the first pairs. With
/// the daemon's pause between two attempts this is 10 s; a tunnel interface that is missing then is missing for good.
const MAX_DEFERRALS: u8 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    Listing,
    Syncing,
    Ready,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Not sent on this connection.
    Queued,
    /// Sent, not answered.
    Sent,
    /// Answered.
    Installed,
    /// A new epoch is awaited.
    Renewing,
    /// planed has no tunnel interface for it yet; [`Plane::retry`] asks again.
    Deferred,
}

struct Wanted {
    pair: Box<SaPair>,
    status: Status,
    deferrals: u8,
}

enum Op {
    Install(PairId),
    Activate(PairId),
    Grant(PairId),
    Remove { pair: PairId, linger_ms: u32 },
    Move { pair: PairId, outer: Outer },
    Counters(u64),
}

enum UnderWay {
    List,
    Install,
    SyncDone,
    Counters(u64),
}

/// What the daemon must know or do.
#[derive(Debug, PartialEq)]
pub enum Notice {
    /// The pair is in planed.
    Installed(PairId),
    /// planed refused it, at once or when its worker had it; it is not wanted any more.
    Failed(PairId, InstallError),
    /// planed has lost the pair, or refuses its epoch: want it again with a new epoch.
    Renew(PairId),
    /// The outbound sequence of the pair is lost: rekey it. It is not wanted any more.
    Rekey(PairId),
    /// Answer to [`Plane::ask_counters`]; `None` when planed went away.
    Counters(u64, Option<Vec<PairCounters>>),
}

/// planed as iked sees it.
pub struct Plane {
    phase: Phase,
    instance: Option<InstanceId>,
    wanted: HashMap<PairId, Wanted>,
    ops: VecDeque<Op>,
    under_way: HashMap<u32, UnderWay>,
    installs_under_way: usize,
    /// Pairs that must be settled before SyncDone.
    to_sync: HashSet<PairId>,
    notices: VecDeque<Notice>,
    deferred: usize,
    next_id: u32,
}

impl Default for Plane {
    fn default() -> Self {
        Self::new()
    }
}

impl Plane {
    /// Nothing wanted, not connected.
    pub fn new() -> Self {
        Self {
            phase: Phase::Down,
            instance: None,
            wanted: HashMap::new(),
            ops: VecDeque::new(),
            under_way: HashMap::new(),
            installs_under_way: 0,
            to_sync: HashSet::new(),
            notices: VecDeque::new(),
            deferred: 0,
            next_id: 0,
        }
    }

    /// Whether planed is connected and reconciled.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Pairs wanted.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether no pair is wanted.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The pair, when it is wanted.
    pub fn pair(&self, pair: PairId) -> Option<&SaPair> {
        self.wanted.get(&pair).map(|wanted| &*wanted.pair)
    }

    /// Whether a datagram that depends on the pair may leave: the pair is in planed, or not wanted any more.
    pub fn settled(&self, pair: PairId) -> bool {
        self.wanted
            .get(&pair)
            .is_none_or(|wanted| wanted.status == Status::Installed)
    }

    /// Wants a pair. `held` when planed is believed to hold it already with this very epoch (restart of iked): the first
    /// list tells.
    pub fn want(&mut self, pair: SaPair, held: bool) {
        let id = pair.pair;
        let again = self
            .wanted
            .get(&id)
            .is_some_and(|old| old.status != Status::Queued);
        let status = if held { Status::Sent } else { Status::Queued };
        self.wanted.insert(
            id,
            Wanted {
                pair: Box::new(pair),
                status,
                deferrals: 0,
            },
        );
        if held || self.phase == Phase::Down {
            return;
        }
        if again {
            self.ops.push_back(Op::Remove {
                pair: id,
                linger_ms: 0,
            });
        }
        self.ops.push_back(Op::Install(id));
    }

    /// Outbound traffic moves to this pair.
    pub fn activate(&mut self, pair: PairId) {
        let Some(wanted) = self.wanted.get_mut(&pair) else {
            return;
        };
        wanted.pair.state = Outbound::Active;
        if self.phase != Phase::Down && wanted.status != Status::Queued {
            self.ops.push_back(Op::Activate(pair));
        }
    }

    /// The pair may use numbers up to these ceilings.
    pub fn grant(&mut self, pair: PairId, ceilings: Numbers) {
        let Some(wanted) = self.wanted.get_mut(&pair) else {
            return;
        };
        wanted.pair.ceilings = ceilings;
        if self.phase != Phase::Down && wanted.status != Status::Queued {
            self.ops.push_back(Op::Grant(pair));
        }
    }

    /// planed has moved outbound traffic to this pair by itself.
    pub fn activated(&mut self, pair: PairId) {
        if let Some(wanted) = self.wanted.get_mut(&pair) {
            wanted.pair.state = Outbound::Active;
        }
    }

    /// The peer has other outer addresses.
    pub fn move_outer(&mut self, pair: PairId, outer: Outer) {
        let Some(wanted) = self.wanted.get_mut(&pair) else {
            return;
        };
        wanted.pair.outer = outer;
        if self.phase != Phase::Down && wanted.status != Status::Queued {
            self.ops.push_back(Op::Move { pair, outer });
        }
    }

    /// The pair is not wanted any more.
    pub fn remove(&mut self, pair: PairId, linger_ms: u32) {
        let Some(wanted) = self.wanted.remove(&pair) else {
            return;
        };
        self.to_sync.remove(&pair);
        // While down, the next reconciliation removes it; a queued install is skipped when its turn comes.
        if self.phase != Phase::Down && wanted.status != Status::Queued {
            self.ops.push_back(Op::Remove { pair, linger_ms });
        }
    }

    /// Whether [`Plane::retry`] has something to do.
    pub fn has_deferred(&self) -> bool {
        self.deferred > 0
    }

    /// Asks again for the pairs whose tunnel interface was missing.
    pub fn retry(&mut self) {
        self.deferred = 0;
        for (id, wanted) in &mut self.wanted {
            if wanted.status == Status::Deferred {
                wanted.status = Status::Queued;
                self.ops.push_back(Op::Install(*id));
            }
        }
    }

    /// Asks for the counters of all pairs; [`Notice::Counters`] with this token answers.
    pub fn ask_counters(&mut self, token: u64) {
        if self.phase == Phase::Down {
            self.notices.push_back(Notice::Counters(token, None));
        } else {
            self.ops.push_back(Op::Counters(token));
        }
    }

    /// A connection to this instance of planed stands.
    pub fn connected(&mut self, instance: InstanceId) {
        self.disconnected();
        if self.instance.is_some_and(|old| old != instance) {
            log::info!("planed has restarted: its pairs are compared with ours");
        }
        self.instance = Some(instance);
        self.phase = Phase::Listing;
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Down;
        let asked = self.ops.drain(..).filter_map(|op| match op {
            Op::Counters(token) => Some(token),
            _ => None,
        });
        let pending = self.under_way.drain().filter_map(|(_, what)| match what {
            UnderWay::Counters(token) => Some(token),
            _ => None,
        });
        self.notices.extend(
            asked
                .chain(pending)
                .map(|token| Notice::Counters(token, None)),
        );
        self.installs_under_way = 0;
        self.deferred = 0;
        self.to_sync.clear();
    }

    /// The next notice. Notices that later steps have made void are left out.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        loop {
            let notice = self.notices.pop_front()?;
            let status = |pair: &PairId| self.wanted.get(pair).map(|wanted| wanted.status);
            let void = match &notice {
                Notice::Renew(pair) => status(pair) != Some(Status::Renewing),
                Notice::Installed(pair) => status(pair) != Some(Status::Installed),
                _ => false,
            };
            if !void {
                return Some(notice);
            }
        }
    }

    /// The next frame to send; call it only when it can be sent.
    pub fn poll_frame(&mut self) -> Option<ToPlaned> {
        match self.phase {
            Phase::Down => None,
            Phase::Listing => {
                let listed = self
                    .under_way
                    .values()
                    .any(|what| matches!(what, UnderWay::List));
                (!listed).then(|| self.frame(Request::List, Some(UnderWay::List)))
            }
            Phase::Syncing | Phase::Ready => self.next_op(),
        }
    }

    /// planed answered request `id`.
    pub fn handle_reply(&mut self, id: u32, reply: Reply) {
        let Some(what) = self.under_way.remove(&id) else {
            return;
        };
        match (what, reply) {
            (UnderWay::List, Reply::Pairs(list)) => self.reconcile(&list),
            (UnderWay::Install, reply) => {
                self.installs_under_way -= 1;
                let Reply::Installed(results) = reply else {
                    return;
                };
                for (pair, result) in results {
                    self.install_answered(pair, result);
                }
            }
            (UnderWay::Counters(token), Reply::Counters(counters)) => {
                self.notices
                    .push_back(Notice::Counters(token, Some(counters)));
            }
            (UnderWay::SyncDone, _) => {
                if self.phase == Phase::Syncing {
                    self.phase = Phase::Ready;
                }
            }
            (UnderWay::Counters(token), _) => self.notices.push_back(Notice::Counters(token, None)),
            (UnderWay::List, _) => log::error!("planed does not answer a list with a list"),
        }
    }

    fn next_op(&mut self) -> Option<ToPlaned> {
        // After everything that the comparison has queued, so that planed has lost the strangers when it opens.
        if self.phase == Phase::Syncing && self.to_sync.is_empty() && self.ops.is_empty() {
            let asked = |what: &UnderWay| matches!(what, UnderWay::SyncDone);
            if self.under_way.values().any(asked) {
                return None;
            }
            return Some(self.frame(Request::SyncDone, Some(UnderWay::SyncDone)));
        }
        loop {
            if matches!(self.ops.front()?, Op::Install(_)) {
                if self.installs_under_way >= MAX_INSTALLS_UNDER_WAY {
                    return None;
                }
                let batch = self.take_installs();
                if batch.is_empty() {
                    continue;
                }
                self.installs_under_way += 1;
                return Some(self.frame(Request::Install(batch), Some(UnderWay::Install)));
            }
            if matches!(self.ops.front()?, Op::Grant(_)) {
                let grants = self.take_grants();
                if grants.is_empty() {
                    continue;
                }
                return Some(self.frame(Request::Grant(grants), None));
            }
            return Some(match self.ops.pop_front()? {
                Op::Install(_) | Op::Grant(_) => continue,
                Op::Activate(pair) => self.frame(Request::Activate(pair), None),
                Op::Remove { pair, linger_ms } => {
                    self.frame(Request::Remove { pair, linger_ms }, None)
                }
                Op::Move { pair, outer } => self.frame(Request::Move { pair, outer }, None),
                Op::Counters(token) => self.frame(
                    Request::Counters(Vec::new()),
                    Some(UnderWay::Counters(token)),
                ),
            });
        }
    }

    /// Consecutive installs at the front of the queue, without those that are not wanted any more.
    fn take_installs(&mut self) -> Vec<SaPair> {
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH {
            let Some(Op::Install(id)) = self.ops.front() else {
                break;
            };
            if let Some(wanted) = self
                .wanted
                .get_mut(id)
                .filter(|w| w.status == Status::Queued)
            {
                wanted.status = Status::Sent;
                batch.push(SaPair::clone(&wanted.pair));
            }
            self.ops.pop_front();
        }
        batch
    }

    /// Consecutive grants at the front of the queue, without those of pairs that are not wanted any more.
    fn take_grants(&mut self) -> Vec<(PairId, Numbers)> {
        let mut batch = Vec::new();
        while batch.len() < MAX_BATCH {
            let Some(Op::Grant(id)) = self.ops.front() else {
                break;
            };
            if let Some(wanted) = self.wanted.get(id) {
                batch.push((*id, wanted.pair.ceilings));
            }
            self.ops.pop_front();
        }
        batch
    }

    fn frame(&mut self, body: Request, what: Option<UnderWay>) -> ToPlaned {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        if let Some(what) = what {
            self.under_way.insert(self.next_id, what);
        }
        ToPlaned {
            id: self.next_id,
            body,
        }
    }

    fn install_answered(&mut self, id: PairId, result: Result<(), InstallError>) {
        let Some(wanted) = self
            .wanted
            .get_mut(&id)
            .filter(|w| w.status == Status::Sent)
        else {
            return; // removed or renewed meanwhile
        };
        match result {
            Ok(()) => {
                wanted.status = Status::Installed;
                self.notices.push_back(Notice::Installed(id));
            }
            Err(InstallError::StaleEpoch) => {
                wanted.status = Status::Renewing;
                self.notices.push_back(Notice::Renew(id));
                return; // still to be synchronised
            }
            // It will have one, and until then nothing flows: planed's start waits for this pair.
            Err(InstallError::NotConfigured) => {
                wanted.status = Status::Deferred;
                self.deferred += 1;
                return;
            }
            // Of a newer configuration than planed's, which the other pairs must not wait for.
            Err(InstallError::NoTunnelInterface) if wanted.deferrals < MAX_DEFERRALS => {
                wanted.status = Status::Deferred;
                wanted.deferrals += 1;
                self.deferred += 1;
            }
            Err(InstallError::SequenceLost) => {
                self.wanted.remove(&id);
                self.notices.push_back(Notice::Rekey(id));
            }
            Err(error) => {
                self.wanted.remove(&id);
                self.notices.push_back(Notice::Failed(id, error));
            }
        }
        self.to_sync.remove(&id);
    }

    /// A worker of planed refused what planed had accepted. One that was installed again or removed meanwhile is no longer of
    /// interest.
    pub fn refused_late(&mut self, pair: PairId, epoch: u32, error: InstallError) {
        let same = |wanted: &Wanted| {
            wanted.pair.epoch == epoch && matches!(wanted.status, Status::Sent | Status::Installed)
        };
        if self.wanted.get(&pair).is_some_and(same) {
            self.wanted.remove(&pair);
            self.to_sync.remove(&pair);
            self.notices.push_back(Notice::Failed(pair, error));
        }
    }

    fn reconcile(&mut self, list: &[PairState]) {
        self.phase = Phase::Syncing;
        let held: HashMap<PairId, &PairState> =
            list.iter().map(|state| (state.pair, state)).collect();
        for state in list
            .iter()
            .filter(|state| !self.wanted.contains_key(&state.pair))
        {
            self.ops.push_back(Op::Remove {
                pair: state.pair,
                linger_ms: 0,
            });
        }
        for (id, wanted) in &mut self.wanted {
            let state = held.get(id);
            let same = state.is_some_and(|state| {
                state.epoch == wanted.pair.epoch
                    && state.inbound == wanted.pair.inbound.spi
                    && state.outbound == wanted.pair.outbound.spi
            });
            if let (true, Some(state)) = (same, state) {
                if wanted.status != Status::Installed {
                    wanted.status = Status::Installed;
                    self.notices.push_back(Notice::Installed(*id));
                }
                if wanted.pair.state == Outbound::Active && !state.active {
                    self.ops.push_back(Op::Activate(*id));
                }
                // A move may have been lost with the connection.
                if state.outer != wanted.pair.outer {
                    self.ops.push_back(Op::Move {
                        pair: *id,
                        outer: wanted.pair.outer,
                    });
                }
                continue;
            }
            if state.is_some() {
                self.ops.push_back(Op::Remove {
                    pair: *id,
                    linger_ms: 0,
                });
            }
            self.to_sync.insert(*id);
            if matches!(wanted.status, Status::Queued | Status::Deferred) {
                // Refused or never sent: its epoch is unused.
                wanted.status = Status::Queued;
                self.ops.push_back(Op::Install(*id));
            } else {
                wanted.status = Status::Renewing;
                self.notices.push_back(Notice::Renew(*id));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
