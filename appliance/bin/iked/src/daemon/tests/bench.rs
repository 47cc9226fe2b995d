//! The bench: two daemons, a network, and virtual time.

mod config;
mod many;

pub use config::config;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::ike::IkeConfig;
use ravelin_ctl::operator::{DaemonQuery, DaemonReply};
use ravelin_ctl::sa::{Event, FromPlaned, InstallError, STATE_BEAT, SaPair, ToPlaned};
use ravelin_ctl::{Envelope, Hello, Role, daemon as mgmt};
use ravelin_pki::TokenSecret;
use ravelin_routing::{AriProgress, AriRoute, RoutingError};
use ravelin_types::{Generation, InstanceId, NodeId, PairId, Time, VrfId};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::super::{Daemon, Done, Parts, worker};
use crate::authority::Certificates;
use crate::environment::DaemonEnvironment;
use crate::install::tests::Twin;
use crate::journal::Journal;
use crate::link::LinkEvent;
use crate::pki::desk::Desk;
use crate::pki::{Pki, wall_clock};
use crate::pool::Pool;
use crate::routes::RouteKernel;
use crate::sockets::{Inbound, ListenError, Transport};
use crate::tracelog::TraceLog;

pub const LEFT: usize = 0;
pub const RIGHT: usize = 1;
const ADDRESSES: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
const PREFIXES: [&str; 2] = ["10.1.0.0/16", "10.2.0.0/16"];
/// One way through the network.
const LATENCY: Duration = Duration::from_millis(5);

type Wire = Rc<RefCell<VecDeque<Inbound>>>;

pub struct MemoryTransport(Wire);

impl Transport for MemoryTransport {
    fn send(
        &self,
        vrf: VrfId,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> io::Result<()> {
        let inbound = Inbound {
            vrf,
            local: remote,
            remote: local,
            data: data.to_vec(),
        };
        self.0.borrow_mut().push_back(inbound);
        Ok(())
    }

    fn keep_alive(&self, _: VrfId, _: SocketAddr, _: SocketAddr) -> io::Result<()> {
        Ok(())
    }

    fn listen(
        &mut self,
        _: &[(VrfId, IpAddr)],
        _: &crate::config::Instances,
    ) -> Result<(), ListenError> {
        Ok(())
    }

    fn look(&mut self) -> bool {
        false
    }
}

#[derive(Clone, Default)]
pub struct Kernel(Rc<RefCell<BTreeSet<(String, PairId)>>>);

impl RouteKernel for Kernel {
    fn add(&mut self, owner: PairId, route: &AriRoute) -> Result<(), RoutingError> {
        self.0
            .borrow_mut()
            .insert((format!("{} {}", route.prefix, route.device), owner));
        Ok(())
    }

    fn remove(&mut self, owner: PairId, route: &AriRoute) {
        self.0
            .borrow_mut()
            .remove(&(format!("{} {}", route.prefix, route.device), owner));
    }

    fn devices_changed(&mut self) -> Result<bool, RoutingError> {
        Ok(false)
    }

    fn reconcile(&mut self) -> Result<(), RoutingError> {
        Ok(())
    }

    fn step(&mut self, _: Time) -> Result<AriProgress, RoutingError> {
        Ok(AriProgress::default())
    }
}

pub struct Node {
    folder: TempDir,
    daemon: Option<Daemon<MemoryTransport, Kernel>>,
    deadline: Time,
    wire: Wire,
    kernel: Kernel,
    done: mpsc::Receiver<Done>,
    /// Host names that it asks for.
    pub lookups: mpsc::Receiver<String>,
    twin: Twin,
    instance: u64,
    frames: Option<mpsc::Receiver<ToPlaned>>,
    hung: bool,
    next_beat: Time,
    asked: Vec<ToPlaned>,
    replies: mpsc::Receiver<Envelope<mgmt::Reply>>,
    reply_to: mpsc::Sender<Envelope<mgmt::Reply>>,
    generation: u64,
    now: Time,
    tear: Option<Tear>,
    /// It has died of it and waits for its configuration.
    torn: bool,
}

/// The daemon dies in the middle of an append.
#[derive(Clone, Copy)]
struct Tear {
    /// In this turn of those that write to the vault.
    turn: u32,
    /// This much of what the turn writes is written.
    percent: usize,
}

impl Node {
    fn new(now: Time) -> Self {
        let (reply_to, replies) = mpsc::channel(16);
        let mut node = Self {
            folder: tempfile::tempdir().unwrap(),
            daemon: None,
            deadline: Time::MAX,
            wire: Wire::default(),
            kernel: Kernel::default(),
            done: mpsc::channel(1).1,
            lookups: mpsc::channel(1).1,
            twin: Twin::default(),
            instance: 1,
            frames: None,
            hung: false,
            next_beat: Time::default(),
            asked: Vec::new(),
            replies,
            reply_to,
            generation: 0,
            now,
            tear: None,
            torn: false,
        };
        node.start(now);
        node
    }

    /// The daemon will die in the `turn`-th turn from now that writes to the vault, after `percent` of what the turn writes,
    /// and nothing of the turn leaves it.
    fn dies_in_append(&mut self, turn: u32, percent: usize) {
        self.tear = Some(Tear { turn, percent });
    }

    /// Whether it is still to die.
    pub fn lives(&self) -> bool {
        self.tear.is_some()
    }

    /// What is in the vault, of a node that is to die.
    fn vault(&self) -> Vec<u8> {
        let read = || std::fs::read(self.folder.path().join("vault")).unwrap();
        self.tear.map_or_else(Vec::new, |_| read())
    }

    /// Dies when its time has come in the turn that began with this vault, before anything of it was overwritten.
    fn dies(&mut self, mut vault: Vec<u8>) -> bool {
        let after = self.vault();
        let written = after.len().saturating_sub(vault.len());
        let Some(tear) = self.tear.as_mut().filter(|_| written > 0) else {
            return false;
        };
        tear.turn -= 1;
        if tear.turn > 0 {
            return false;
        }
        let begun = vault.len();
        vault.extend(&after[begun..begun + written * tear.percent / 100]);
        (self.tear, self.torn) = (None, true);
        self.daemon = None; // lets go of the vault
        self.wire.borrow_mut().clear();
        std::fs::write(self.folder.path().join("vault"), vault).unwrap();
        let now = self.now;
        self.start(now);
        true
    }

    fn start(&mut self, now: Time) {
        self.daemon = None; // lets go of the vault
        let (journal, stored) = Journal::open(&self.folder.path().join("vault")).unwrap();
        let (results, done) = mpsc::channel(4096);
        self.done = done;
        self.kernel = Kernel::default();
        self.frames = None;
        let pki = Pki::open(&self.folder.path().join("pki"), wall_clock()).unwrap();
        let authority = Arc::new(Certificates::new(pki.clone()));
        let (resolver, lookups) = mpsc::channel(16);
        self.lookups = lookups;
        let parts = Parts {
            journal,
            stored,
            environment: DaemonEnvironment::new(NodeId::default(), TokenSecret::default()).unwrap(),
            transport: MemoryTransport(Rc::clone(&self.wire)),
            socket_counters: std::sync::Arc::default(),
            kernel: self.kernel.clone(),
            pool: Pool::start(1, 4096, worker(Arc::clone(&authority)), &results).unwrap(),
            desk: Desk::open(pki).unwrap(),
            authority,
            trace_log: TraceLog::new(self.folder.path().join("log")),
            resolver,
        };
        let mut daemon = Daemon::new(parts, now).unwrap();
        let hello = Hello::new(Role::Mgmtd, InstanceId(9));
        daemon.handle_mgmt(
            LinkEvent::Up {
                peer: hello,
                sender: self.reply_to.clone(),
            },
            now,
        );
        self.daemon = Some(daemon);
        self.deadline = now;
    }

    fn daemon(&mut self) -> &mut Daemon<MemoryTransport, Kernel> {
        self.daemon.as_mut().unwrap()
    }

    /// The resolver answers what was asked; with this, when it knows the name.
    pub fn resolves(&mut self, found: Result<&str, &str>) {
        let now = self.now;
        while let Ok(name) = self.lookups.try_recv() {
            let found = found.map(|address| vec![address.parse().unwrap()]);
            let found = (name, found.map_err(str::to_owned));
            self.daemon().handle_found(found, now);
        }
        self.settle(now);
    }

    /// planed comes, with whatever pairs it holds.
    pub fn connect_plane(&mut self) {
        let (sender, frames) = mpsc::channel(64);
        self.frames = Some(frames);
        let peer = Hello::new(Role::Planed, InstanceId(self.instance));
        let now = self.now;
        self.daemon()
            .handle_plane(LinkEvent::Up { peer, sender }, now);
        self.settle(now);
    }

    /// planed dies and forgets its pairs, though not the epochs it has seen.
    pub fn plane_restarts(&mut self) {
        self.frames = None;
        self.twin.pairs.clear();
        self.twin.synced = false;
        self.instance += 1;
        self.hung = false;
        let now = self.now;
        self.daemon().handle_plane(LinkEvent::Down, now);
        self.settle(now);
    }

    /// planed reports something.
    pub fn plane_says(&mut self, event: Event) {
        let now = self.now;
        let body = FromPlaned::Event(event);
        let message = LinkEvent::Message(Envelope { id: 0, body });
        self.daemon().handle_plane(message, now);
        self.settle(now);
    }

    /// planed stays connected and says nothing more.
    pub fn plane_hangs(&mut self) {
        self.hung = true;
    }

    /// A worker of planed refuses what planed had accepted.
    pub fn worker_refuses(&mut self, pair: &SaPair) {
        self.twin.pairs.remove(&pair.pair);
        self.plane_says(Event::InstallFailed {
            pair: pair.pair,
            epoch: pair.epoch,
            reason: InstallError::TableFull,
        });
    }

    /// planed forwards once its pairs are iked's, and says so from then on.
    fn beat(&mut self, now: Time) {
        if self.frames.is_some() && self.twin.synced && !self.hung && now >= self.next_beat {
            self.next_beat = now + STATE_BEAT;
            let body = FromPlaned::Event(Event::State { forwarding: true });
            let message = LinkEvent::Message(Envelope { id: 0, body });
            self.daemon().handle_plane(message, now);
        }
    }

    /// What planed holds.
    pub fn pairs(&self) -> Vec<SaPair> {
        self.twin.pairs.values().cloned().collect()
    }

    /// What planed was asked.
    pub fn frames(&self) -> &[ToPlaned] {
        &self.asked
    }

    /// Routes in the kernel, each once.
    pub fn routes(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .kernel
            .0
            .borrow()
            .iter()
            .map(|(r, _)| r.clone())
            .collect();
        all.dedup();
        all
    }

    /// Carries out everything that is possible at this instant.
    fn settle(&mut self, now: Time) {
        self.now = now;
        loop {
            self.beat(now);
            let before = self.vault();
            self.deadline = self.daemon().settle(now);
            if self.dies(before) {
                return;
            }
            let mut moved = false;
            while self.daemon().work_under_way() > 0 {
                let done = self.done.blocking_recv().unwrap();
                self.daemon().handle_done(done, now);
                moved = true;
            }
            while let Some(frame) = self
                .frames
                .as_mut()
                .and_then(|frames| frames.try_recv().ok())
            {
                moved = true;
                self.asked.push(frame.clone());
                if self.hung {
                    continue;
                }
                if let Some(reply) = self.twin.answer(frame.body) {
                    let body = FromPlaned::Reply(reply);
                    let message = LinkEvent::Message(Envelope { id: frame.id, body });
                    self.daemon().handle_plane(message, now);
                    self.next_beat = self.next_beat.min(now);
                }
            }
            if !moved {
                return;
            }
        }
    }
}

pub struct Bench {
    nodes: [Node; 2],
    now: Time,
    /// Under way: arrival, to whom.
    network: Vec<(Time, usize, Inbound)>,
    /// Datagrams delivered.
    pub delivered: u32,
}

impl Bench {
    pub fn new() -> Self {
        let now = Time(1_000_000_000);
        Self {
            nodes: [Node::new(now), Node::new(now)],
            now,
            network: Vec::new(),
            delivered: 0,
        }
    }

    pub fn left(&mut self) -> &mut Node {
        &mut self.nodes[LEFT]
    }

    pub fn right(&mut self) -> &mut Node {
        &mut self.nodes[RIGHT]
    }

    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    pub fn configure_both(&mut self) {
        self.configure(RIGHT);
        self.configure(LEFT);
    }

    pub fn configure(&mut self, node: usize) {
        let reply = self.apply(node, config(node));
        assert!(matches!(reply, mgmt::Reply::Applied(Ok(_))), "{reply:?}");
    }

    /// Prepares and applies.
    pub fn apply(&mut self, node: usize, config: IkeConfig) -> mgmt::Reply {
        self.nodes[node].generation += 1;
        let generation = Generation(self.nodes[node].generation);
        let part = mgmt::Part::Ike(config);
        let prepared = self.ask(node, mgmt::Request::Prepare { generation, part });
        assert_eq!(prepared, mgmt::Reply::Prepared(Ok(())));
        self.ask(node, mgmt::Request::Apply(generation))
    }

    pub fn query(&mut self, node: usize, query: DaemonQuery) -> DaemonReply {
        match self.ask(node, mgmt::Request::Operator(query)) {
            mgmt::Reply::Operator(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, index: usize, body: mgmt::Request) -> mgmt::Reply {
        let now = self.now;
        let node = &mut self.nodes[index];
        node.daemon()
            .handle_mgmt(LinkEvent::Message(Envelope { id: 7, body }), now);
        node.settle(now);
        let reply = match node.replies.try_recv() {
            Ok(reply) => reply,
            Err(_) => {
                self.run(Duration::from_secs(3));
                self.nodes[index].replies.try_recv().unwrap()
            }
        };
        assert_eq!(reply.id, 7);
        reply.body
    }

    pub fn connect_planes(&mut self) {
        for node in &mut self.nodes {
            node.connect_plane();
        }
    }

    /// The daemon dies without a word and starts again from its vault; planed and the kernel's link stay.
    pub fn restart(&mut self, node: usize) {
        let now = self.now;
        self.nodes[node].start(now);
    }

    /// See [`Node::dies_in_append`].
    pub fn dies_in_append(&mut self, node: usize, turn: u32, percent: usize) {
        self.nodes[node].dies_in_append(turn, percent);
    }

    pub fn inject(&mut self, node: usize, data: &[u8]) {
        let local = SocketAddr::new(ADDRESSES[node].parse().unwrap(), 500);
        let remote = SocketAddr::new(ADDRESSES[1 - node].parse().unwrap(), 500);
        let inbound = Inbound {
            vrf: VrfId::DEFAULT,
            local,
            remote,
            data: data.to_vec(),
        };
        self.network.push((self.now, node, inbound));
    }

    /// Lets this much time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            for index in 0..2 {
                let now = self.now;
                self.nodes[index].settle(now);
                if std::mem::take(&mut self.nodes[index].torn) {
                    self.configure(index);
                    self.nodes[index].connect_plane();
                }
                let sent: Vec<Inbound> = self.nodes[index].wire.borrow_mut().drain(..).collect();
                for inbound in sent {
                    self.network.push((self.now + LATENCY, 1 - index, inbound));
                }
            }
            let arrival = self
                .network
                .iter()
                .map(|(at, ..)| *at)
                .min()
                .unwrap_or(Time::MAX);
            let deadline = self.nodes[LEFT].deadline.min(self.nodes[RIGHT].deadline);
            let next = arrival.min(deadline).max(self.now);
            if next > end {
                self.now = end;
                self.nodes.iter_mut().for_each(|node| node.settle(end));
                return;
            }
            self.now = next;
            for node in &mut self.nodes {
                if node.deadline <= next {
                    node.daemon().handle_timeout(next);
                }
            }
            let (due, later) = self.network.drain(..).partition(|(at, ..)| *at <= next);
            self.network = later;
            let due: Vec<(Time, usize, Inbound)> = due;
            for (_, to, inbound) in due {
                self.delivered += 1;
                self.nodes[to].daemon().handle_datagram(&inbound, next);
            }
        }
    }

    /// One pair on each side, each the mirror of the other, both encrypting.
    pub fn assert_tunnel(&self) {
        let [left, right] = [self.nodes[LEFT].pairs(), self.nodes[RIGHT].pairs()];
        assert_eq!((left.len(), right.len()), (1, 1), "{left:?} {right:?}");
        assert_eq!(left[0].inbound, right[0].outbound);
        assert_eq!(left[0].outbound, right[0].inbound);
        assert_eq!(left[0].local_ts, right[0].remote_ts);
        assert_eq!(left[0].remote_ts, right[0].local_ts);
        assert_eq!(left[0].outer.local, right[0].outer.remote);
        let active = ravelin_ctl::sa::Outbound::Active;
        assert_eq!((left[0].state, right[0].state), (active, active));
    }
}
