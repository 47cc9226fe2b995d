//! A session: one authenticated (or not yet authenticated) peer, its IKE SA with that one's successors, its child SAs.
//!
//! Everything of a session is one journal record, so that a rekey of the IKE SA, which concerns two IKE SAs and every
//! child, is atomic. Children belong to the session, not to one of its IKE SAs: RFC 7296 section 2.8 makes the new IKE SA
//! inherit them. `current` names the IKE SA on which our own exchanges start.

mod ike;

use std::collections::VecDeque;
use std::net::SocketAddr;

use ravelin_types::{
    ChildId, Identity, IpsecMode, IpsecProtocol, Numbers, Spi, Time, TrafficSelector, VolumeLife,
    VrfId,
};
use serde::{Deserialize, Serialize};

pub(crate) use ike::{IkeSa, IvCounter};

use crate::error::Fault;
use crate::event::{DownReason, Outer};
use crate::keymat::ChildKeys;
use crate::proposal::EspSuite;
use crate::sa::Task;
use crate::sa::ahead::Early;
use crate::sa::configure::Lease;
use crate::sa::followup::Pending;
use crate::sa::mobike::Mobility;
use crate::stats::Discard;
use crate::window::Side;

/// IKE SAs of one session: the old one and those of two simultaneous rekeys, and one more rekeyed soon after.
pub const MAX_IKE_SAS: usize = 6;
/// Child SAs of one session, replaced ones included: 3GPP backhaul uses 1 to 8; a hostile peer stops here.
pub const MAX_CHILDREN: usize = 64;
/// Exchanges of ours waiting for the window: each child can want one, and then the IKE SA.
pub const MAX_TASKS: usize = MAX_CHILDREN + 8;

pub(crate) const PORT_NATT: u16 = 4500;

#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: u64,
    /// We started it.
    pub(crate) initiator: bool,
    pub(crate) gateway: Option<String>,
    pub(crate) peer: Option<Identity>,
    pub(crate) local_identity: Option<Identity>,
    pub(crate) path: Path,
    pub(crate) established_at: Option<Time>,
    pub(crate) current: u64,
    pub(crate) ikes: Vec<IkeSa>,
    pub(crate) children: Vec<Child>,
    pub(crate) tasks: VecDeque<Waiting>,
    /// As initiator: no other session with this peer is known, so the peer may drop what it has (INITIAL_CONTACT).
    pub(crate) only_contact: bool,
    pub(crate) last_inbound: Time,
    pub(crate) last_outbound: Option<Time>,
    /// IKE SAs that took the place of another by a rekey since both ends were authenticated.
    pub(crate) rekeys: u32,
    /// As responder: the peer must have authenticated anew by then (RFC 4478).
    pub(crate) authentic_until: Option<Time>,
    /// The session in whose place this one is being set up, until that one is gone.
    pub(crate) predecessor: Option<u64>,
    /// Addresses that the peer has from a pool.
    pub(crate) leases: Vec<Lease>,
    /// The identifier of the post-quantum pre-shared key in its keys (RFC 8784).
    pub(crate) ppk: Option<Box<[u8]>>,
    /// The peer may be sent elsewhere (RFC 5685).
    pub(crate) redirectable: bool,
    /// What there is of MOBIKE, once agreed on.
    pub(crate) mobility: Option<Box<Mobility>>,
    /// We are ending it for this reason.
    pub(crate) closing: Option<DownReasonStored>,
    #[serde(skip)]
    pub(crate) volatile: Volatile,
}

/// What a crash may forget.
#[derive(Default)]
pub(crate) struct Volatile {
    /// Changed since the last record.
    pub(crate) dirty: bool,
    /// Of this IKE SA one side of the window changed since the last record, whatever else did.
    pub(crate) stepped: Option<(u64, Side)>,
    /// Records of steps since the last whole one.
    pub(crate) steps: usize,
    /// A record exists.
    pub(crate) recorded: bool,
    /// The session is over.
    pub(crate) over: Option<DownReason>,
    /// SPIs in the endpoint's index.
    pub(crate) indexed: Vec<u64>,
    /// Children in the endpoint's index.
    pub(crate) indexed_children: Vec<ChildId>,
    /// Its entry in the timer queue.
    pub(crate) scheduled: Option<Time>,
    /// Its first message, while it is half-open.
    pub(crate) first_message: Option<FirstMessage>,
    /// Counted in the half-open table.
    pub(crate) half_open: bool,
    /// Among the connections.
    pub(crate) listed: bool,
    /// When a datagram was last sent to the peer.
    pub(crate) sent_at: Option<Time>,
    /// Traffic has gone out since then and nothing came in.
    pub(crate) unanswered_since: Option<Time>,
    /// Whether messages pass, as the endpoint was told.
    pub(crate) passage: crate::sa::liveness::Passage,
    /// An SA of the peer's that takes more key exchanges.
    pub(crate) pending: Option<Box<Pending>>,
    /// Requests of the peer before their turn.
    pub(crate) early: Vec<Early>,
    /// The children of the session in whose place this one is being set up, as far as they were asked for.
    pub(crate) asked: Vec<Task>,
    /// The session that is being set up in the place of this one.
    pub(crate) successor: Option<u64>,
    /// Another session of this peer carries its traffic: new children stand by.
    pub(crate) beside: bool,
    /// Another session of this peer has its traffic: packets that are on their way still come in when this one ends.
    pub(crate) lingers: bool,
}

/// The reasons for which we end a session ourselves.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DownReasonStored {
    Closed,
    Protocol,
    SetupFailed,
    Expired,
    Idle,
    Reauthenticated,
    AuthenticationExpired,
}

impl From<DownReasonStored> for DownReason {
    fn from(r: DownReasonStored) -> Self {
        match r {
            DownReasonStored::Closed => DownReason::Closed,
            DownReasonStored::Protocol => DownReason::Protocol,
            DownReasonStored::SetupFailed => DownReason::SetupFailed,
            DownReasonStored::Expired => DownReason::Expired,
            DownReasonStored::Idle => DownReason::Idle,
            DownReasonStored::Reauthenticated => DownReason::Reauthenticated,
            DownReasonStored::AuthenticationExpired => DownReason::AuthenticationExpired,
        }
    }
}

/// An exchange of ours that waits for the window.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) not_before: Time,
    pub(crate) task: Task,
}

/// What tells a first message from others: where it came from, and its SPI.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FirstMessage {
    pub(crate) vrf: VrfId,
    pub(crate) remote: SocketAddr,
    pub(crate) spi_i: u64,
}

/// Where the peer is.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Path {
    pub(crate) vrf: VrfId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// A NAT before us.
    pub(crate) nat_local: bool,
    /// A NAT before the peer.
    pub(crate) nat_remote: bool,
}

impl Path {
    /// Whether an authentic message or packet from elsewhere says where the peer is now (RFC 7296 section 2.23): a NAT lies
    /// before it and none before us, through which anyone could send.
    pub(crate) fn follows_peer(&self) -> bool {
        self.nat_remote && !self.nat_local
    }

    pub(crate) fn outer(&self) -> Outer {
        let nat = self.nat_local || self.nat_remote;
        let ports = if self.local.port() == PORT_NATT {
            (PORT_NATT, self.remote.port())
        } else {
            (PORT_NATT, PORT_NATT)
        };
        Outer {
            vrf: self.vrf,
            local: self.local.ip(),
            remote: self.remote.ip(),
            udp: nat.then_some(ports),
        }
    }
}

/// What bounds the selectors of the children of a session: in transport mode the path, and what the peer has from a pool.
pub(crate) struct Ends<'a> {
    pub(crate) path: &'a Path,
    pub(crate) leases: &'a [Lease],
}

/// A child SA pair.
#[derive(Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pub(crate) vpn: String,
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    pub(crate) suite: EspSuite,
    pub(crate) mode: IpsecMode,
    /// We started the exchange that made it.
    pub(crate) initiator: bool,
    pub(crate) keys: ChildKeys,
    pub(crate) local_ts: Vec<TrafficSelector>,
    pub(crate) remote_ts: Vec<TrafficSelector>,
    /// Installs so far; 0 for a redundant one that never was.
    pub(crate) epoch: u32,
    /// Numbers that the data plane may use (design decision D17).
    pub(crate) ceilings: Numbers,
    /// We encrypt with it.
    pub(crate) active: bool,
    /// Outbound traffic moves to it by then, or as soon as the peer uses it or ends the session that has the traffic.
    pub(crate) stands_by_until: Option<Time>,
    pub(crate) state: ChildState,
    pub(crate) replaces: Option<ChildId>,
    /// The peer takes no padding against traffic analysis.
    pub(crate) tfc_refused: bool,
    /// The peer has bound it to a resource, perhaps with an identifier (RFC 9611).
    pub(crate) resource: Option<Box<[u8]>>,
    pub(crate) created_at: Time,
    pub(crate) soft_at: Time,
    pub(crate) hard_at: Time,
    /// The same by volume.
    pub(crate) volume: VolumeLife,
    /// When traffic last passed, as far as the daemon was told since its start.
    #[serde(skip)]
    pub(crate) used_at: Time,
}

/// How a child SA stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChildState {
    Live,
    /// Another took its place; the peer deletes it.
    Replaced,
    /// We delete it.
    Deleting,
    /// Likewise, and the data plane has lost it: its life was over before the peer could be told, or the peer deletes it too.
    Withdrawn,
}

impl Child {
    /// Whether the data plane has it, or is to have it.
    pub(crate) fn is_installed(&self) -> bool {
        self.epoch > 0 && self.state != ChildState::Withdrawn
    }
}

impl Session {
    pub(crate) fn new(id: u64, initiator: bool, path: Path, now: Time) -> Session {
        Session {
            id,
            initiator,
            gateway: None,
            peer: None,
            local_identity: None,
            path,
            established_at: None,
            current: 0,
            ikes: Vec::new(),
            children: Vec::new(),
            tasks: VecDeque::new(),
            only_contact: false,
            rekeys: 0,
            authentic_until: None,
            predecessor: None,
            last_inbound: now,
            last_outbound: None,
            leases: Vec::new(),
            ppk: None,
            redirectable: false,
            mobility: None,
            closing: None,
            volatile: Volatile::default(),
        }
    }

    /// Adds an IKE SA. Most sessions have one for most of their life; a vector that grows by itself has room for four.
    pub(crate) fn add_ike(&mut self, ike: IkeSa) {
        self.ikes.reserve_exact(1);
        self.ikes.push(ike);
    }

    /// Adds a child, likewise.
    pub(crate) fn add_child(&mut self, child: Child) {
        self.children.reserve_exact(1);
        self.children.push(child);
    }

    pub(crate) fn ike(&self, id: u64) -> Option<&IkeSa> {
        self.ikes.iter().find(|i| i.id == id)
    }

    /// The IKE SA of this id; gone ones end the handling.
    pub(crate) fn ike_mut(&mut self, id: u64) -> Result<&mut IkeSa, Fault> {
        self.ikes
            .iter_mut()
            .find(|i| i.id == id)
            .ok_or(Fault::Discard(Discard::StaleWork))
    }

    pub(crate) fn child(&self, id: ChildId) -> Option<&Child> {
        self.children.iter().find(|c| c.id == id)
    }

    pub(crate) fn child_mut(&mut self, id: ChildId) -> Option<&mut Child> {
        self.children.iter_mut().find(|c| c.id == id)
    }

    /// The child of this protocol that the peer receives on `spi`.
    pub(crate) fn child_by_peer_spi(&self, protocol: IpsecProtocol, spi: u32) -> Option<&Child> {
        let named = |c: &&Child| c.spi_out.0 == spi && c.suite.protocol == protocol;
        self.children.iter().find(named)
    }

    /// What bounds the selectors of its children.
    pub(crate) fn ends(&self) -> Ends<'_> {
        Ends {
            path: &self.path,
            leases: &self.leases,
        }
    }

    /// The window of an IKE SA changed on one side, and nothing else did: what that did cost is written, not the session.
    pub(crate) fn step(&mut self, ike: u64, side: Side) {
        let other = self.volatile.stepped.replace((ike, side));
        self.volatile.dirty |= other.is_some_and(|o| o != (ike, side));
    }

    /// Something fresh and authentic came from the peer.
    pub(crate) fn hear(&mut self, now: Time) {
        self.last_inbound = now;
        self.volatile.unanswered_since = None;
    }

    /// Traffic went out to the peer.
    pub(crate) fn spoke(&mut self, now: Time) {
        self.last_outbound = Some(now);
        self.volatile.unanswered_since.get_or_insert(now);
    }

    pub(crate) fn drop_ike(&mut self, id: u64) {
        self.ikes.retain(|i| i.id != id);
        self.ikes.shrink_to_fit();
        self.tasks.retain(|w| w.task != Task::DeleteIke(id));
        self.volatile.dirty = true;
    }

    pub(crate) fn end(&mut self, reason: DownReason) {
        self.volatile.over.get_or_insert(reason);
    }

    /// Queues an exchange unless it is queued already.
    pub(crate) fn want(&mut self, task: Task, not_before: Time) {
        if self.tasks.len() < MAX_TASKS && !self.tasks.iter().any(|w| w.task == task) {
            self.tasks.push_back(Waiting { not_before, task });
            self.volatile.dirty = true;
        }
    }

    /// True while the peer is not authenticated.
    pub(crate) fn is_half_open(&self) -> bool {
        !self.initiator && self.established_at.is_none()
    }
}
