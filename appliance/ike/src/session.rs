//! A session: one authenticated (or not yet authenticated) peer, its IKE SA with that one's successors, its child SAs.
//!
//! Everything of a session is one journal record, so that a rekey of the IKE SA, which concerns two IKE SAs and every
//! child, is atomic. Children belong to the session, not to one of its IKE SAs: RFC 7296 section 2.8 makes the new IKE SA
//! inherit them. `current` names the IKE SA on which our own exchanges start.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ravelin_crypto::{SkCipher, Zeroizing};
use ravelin_types::{
    ChildId, Identity, IkeSuite, IpsecMode, IpsecProtocol, Numbers, Spi, Time, TrafficSelector,
    VolumeLife, VrfId,
};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::error::Fault;
use crate::event::{DownReason, Outer};
use crate::fragment::{self, Joining};
use crate::keymat::{ChildKeys, IkeKeys};
use crate::msg::{ExchangeType, Header, Payload, sk, skf};
use crate::proposal::EspSuite;
use crate::sa::child::Requested;
use crate::sa::configure::Lease;
use crate::sa::mobike::Mobility;
use crate::sa::{Exchange, State, Task};
use crate::stats::Discard;
use crate::window::{Datagrams, Side, Window};

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
    /// Addresses that the peer has from a pool.
    pub(crate) leases: Vec<Lease>,
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
    /// Where its first message came from and that one's SPI, while it is half-open.
    pub(crate) first_message: Option<(SocketAddr, u64)>,
    /// Counted in the half-open table.
    pub(crate) half_open: bool,
    /// In the index of peers.
    pub(crate) listed: bool,
    /// When a datagram was last sent to the peer.
    pub(crate) sent_at: Option<Time>,
    /// Traffic has gone out since then and nothing came in.
    pub(crate) unanswered_since: Option<Time>,
    /// Whether messages pass, as the endpoint was told.
    pub(crate) passage: crate::sa::liveness::Passage,
}

/// The reasons for which we end a session ourselves.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DownReasonStored {
    Closed,
    Protocol,
    SetupFailed,
    Expired,
}

impl From<DownReasonStored> for DownReason {
    fn from(r: DownReasonStored) -> Self {
        match r {
            DownReasonStored::Closed => DownReason::Closed,
            DownReasonStored::Protocol => DownReason::Protocol,
            DownReasonStored::SetupFailed => DownReason::SetupFailed,
            DownReasonStored::Expired => DownReason::Expired,
        }
    }
}

/// An exchange of ours that waits for the window.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) not_before: Time,
    pub(crate) task: Task,
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

/// What an authentic message holds, or what is wrong with it.
pub(crate) type Content = Result<Vec<Payload>, crate::msg::ParseError>;

#[derive(Serialize, Deserialize)]
pub(crate) struct IkeSa {
    pub(crate) id: u64,
    pub(crate) spi_i: u64,
    pub(crate) spi_r: u64,
    /// We are the original initiator of this IKE SA.
    pub(crate) initiator: bool,
    pub(crate) suite: Option<IkeSuite>,
    pub(crate) keys: Option<IkeKeys>,
    pub(crate) iv: IvCounter,
    pub(crate) window: Window,
    pub(crate) state: State,
    pub(crate) created_at: Time,
    /// When to rekey.
    pub(crate) soft_at: Time,
    /// When to end.
    pub(crate) hard_at: Time,
    /// When a state that must not last ends.
    pub(crate) expires_at: Option<Time>,
    /// Both ends know fragments (RFC 7383 section 2.3).
    pub(crate) fragmentation: bool,
    /// By which the peer proves that it has lost this IKE SA (RFC 6290).
    pub(crate) peer_token: Option<Vec<u8>>,
    /// TEMPORARY_FAILUREs since the last success.
    pub(crate) refusals: u32,
    #[serde(skip)]
    pub(crate) preparing: Option<Task>,
    #[serde(skip)]
    pub(crate) ciphers: Option<Box<(SkCipher, SkCipher)>>,
    #[serde(skip)]
    pub(crate) traffic: Traffic,
    /// Fragments of the peer's next request and of the response that is waited for.
    #[serde(skip)]
    pub(crate) joining: Option<Box<[Joining; 2]>>,
}

/// Messages of one IKE SA since the daemon's start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) retransmitted: u64,
}

/// The explicit IV of counter ciphers: `epoch(32) | counter(32)`. Each message takes the next; a message leaves only when
/// the record that has counted it is durable, so a restored endpoint never uses an IV that was seen (design decision D17).
/// The epoch moves when a record is taken up again.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct IvCounter {
    pub(crate) epoch: u32,
    pub(crate) counter: u32,
}

impl IvCounter {
    fn next(&mut self) -> Result<[u8; 8], Fault> {
        let iv = (u64::from(self.epoch) << 32 | u64::from(self.counter)).to_be_bytes();
        match self.counter.checked_add(1) {
            Some(next) => self.counter = next,
            None => {
                self.epoch = self
                    .epoch
                    .checked_add(1)
                    .ok_or(ravelin_crypto::Error::TooMuchKeymat { octets: 8 })?;
                self.counter = 0;
            }
        }
        Ok(iv)
    }
}

impl IkeSa {
    pub(crate) fn new(id: u64, initiator: bool, state: State, now: Time) -> IkeSa {
        IkeSa {
            id,
            spi_i: 0,
            spi_r: 0,
            initiator,
            suite: None,
            keys: None,
            iv: IvCounter::default(),
            window: Window::default(),
            state,
            created_at: now,
            soft_at: Time::MAX,
            hard_at: Time::MAX,
            expires_at: None,
            fragmentation: false,
            peer_token: None,
            refusals: 0,
            preparing: None,
            ciphers: None,
            traffic: Traffic::default(),
            joining: None,
        }
    }

    /// Our own SPI.
    pub(crate) fn local_spi(&self) -> u64 {
        if self.initiator {
            self.spi_i
        } else {
            self.spi_r
        }
    }

    pub(crate) fn suite(&self) -> Result<IkeSuite, Fault> {
        self.suite.ok_or(Fault::Discard(Discard::WrongExchange))
    }

    pub(crate) fn keys(&self) -> Result<&IkeKeys, Fault> {
        self.keys
            .as_ref()
            .ok_or(Fault::Discard(Discard::WrongExchange))
    }

    fn ciphers(&mut self) -> Result<&(SkCipher, SkCipher), Fault> {
        if self.ciphers.is_none() {
            self.ciphers = Some(Box::new(self.keys()?.ciphers(self.suite()?)?));
        }
        self.ciphers
            .as_deref()
            .ok_or(Fault::Discard(Discard::WrongExchange))
    }

    pub(crate) fn header(&self, exchange: ExchangeType, response: bool, message_id: u32) -> Header {
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            exchange,
            initiator: self.initiator,
            response,
            message_id,
        }
    }

    /// Checks and decrypts a message of the peer.
    pub(crate) fn open(&mut self, sk: &sk::Sk, data: &[u8]) -> Result<Content, Fault> {
        let initiator = self.initiator;
        let (from_i, from_r) = self.ciphers()?;
        match sk.open(data, if initiator { from_r } else { from_i }) {
            Ok(payloads) => Ok(Ok(payloads)),
            Err(sk::OpenError::Parse(e)) => Ok(Err(e)),
            Err(sk::OpenError::Crypto(_)) => Err(Fault::Discard(Discard::Integrity)),
        }
    }

    /// Checks and decrypts a fragment of the peer.
    pub(crate) fn open_fragment(
        &mut self,
        skf: &skf::Skf,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if !self.fragmentation {
            return Err(Fault::Discard(Discard::Fragment));
        }
        let initiator = self.initiator;
        let (from_i, from_r) = self.ciphers()?;
        skf.open(data, if initiator { from_r } else { from_i })
            .ok_or(Fault::Discard(Discard::Integrity))
    }

    /// Adds an authentic fragment of the message that is expected; the payloads once it is whole.
    pub(crate) fn join(
        &mut self,
        header: &Header,
        skf: &skf::Skf,
        piece: Zeroizing<Vec<u8>>,
    ) -> Result<Option<Content>, Fault> {
        let joining = self.joining.get_or_insert_default();
        let [requests, responses] = &mut **joining;
        let joining = if header.response { responses } else { requests };
        let whole = joining
            .add(header.message_id, skf, piece)
            .map_err(Fault::Discard)?;
        Ok(whole.map(|(first, chain)| sk::parse_inner(first, &chain, 0)))
    }

    /// Encrypts a message of ours, in fragments when it is long and the peer knows them.
    pub(crate) fn seal(
        &mut self,
        env: &mut dyn Environment,
        header: &Header,
        payloads: &[Payload],
    ) -> Result<Datagrams, Fault> {
        let (first, chain) = sk::chain(payloads);
        let fragmentation = self.fragmentation;
        let cipher = self.sealing()?;
        let whole = sk::sealed_octets(chain.len(), cipher) <= fragment::MAX_DATAGRAM_OCTETS;
        if whole || !fragmentation {
            let iv = self.next_iv(env)?;
            let cipher = self.sealing()?;
            return Ok(vec![sk::seal_raw(header, first, &chain, cipher, &iv)?]);
        }
        let room = skf::room(cipher, fragment::MAX_DATAGRAM_OCTETS).max(1);
        let pieces: Vec<&[u8]> = chain.chunks(room).collect();
        // Nothing of ours is 75 MB long.
        let total = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
        let mut datagrams = Datagrams::with_capacity(pieces.len());
        for (at, piece) in (1..=total).zip(pieces) {
            let iv = self.next_iv(env)?;
            let cipher = self.sealing()?;
            let place = (at, total);
            datagrams.push(skf::seal(header, first, place, piece, cipher, &iv)?);
        }
        Ok(datagrams)
    }

    /// The cipher of what we send.
    fn sealing(&mut self) -> Result<&SkCipher, Fault> {
        let initiator = self.initiator;
        let (from_i, from_r) = self.ciphers()?;
        Ok(if initiator { from_i } else { from_r })
    }

    /// An initialisation vector that was never used.
    fn next_iv(&mut self, env: &mut dyn Environment) -> Result<Vec<u8>, Fault> {
        let encr = self.suite()?.encr();
        if !encr.is_iv_unpredictable() {
            return Ok(self.iv.next()?.to_vec());
        }
        let mut iv = vec![0u8; encr.iv_octets()];
        env.random(&mut iv)?;
        Ok(iv)
    }

    /// The child that an exchange of ours under way is to make.
    pub(crate) fn requested_child(&self) -> Option<&Requested> {
        match (self.window.outstanding().map(|o| &o.exchange), &self.state) {
            (Some(Exchange::Child(r)), _) => Some(r),
            (_, State::AuthSent(auth)) => auth.child.as_deref(),
            _ => None,
        }
    }

    /// Its inbound SPI.
    pub(crate) fn requested_child_spi(&self) -> Option<Spi> {
        self.requested_child().map(|r| r.spi_in)
    }

    pub(crate) fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }
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
    pub(crate) state: ChildState,
    pub(crate) replaces: Option<ChildId>,
    /// The peer takes no padding against traffic analysis.
    pub(crate) tfc_refused: bool,
    pub(crate) created_at: Time,
    pub(crate) soft_at: Time,
    pub(crate) hard_at: Time,
    /// The same by volume.
    pub(crate) volume: VolumeLife,
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
            last_inbound: now,
            last_outbound: None,
            leases: Vec::new(),
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
