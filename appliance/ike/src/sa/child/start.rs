//! The side that starts: a new child SA, or the rekey of one, wanted by us.

mod response;

use ravelin_crypto::DhPrivate;
use ravelin_types::{AdditionalKe, ChildId, IpsecMode, Spi, TrafficSelector};
use serde::{Deserialize, Serialize};

pub(crate) use response::{agreed, fail, finish, make, on_response, stop};

use super::{Collision, lowest, pairs_of, resource};
use crate::config::{Gateway, SelectorPair, Vpn};
use crate::error::Fault;
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{KeMethods, offer_esp, protocol_id};
use crate::record::StoredDh;
use crate::sa::init::gateway_of;
use crate::sa::{Continuation, Exchange, Task, request, tasks};
use crate::selector;
use crate::session::{ChildState, Ends, MAX_CHILDREN, Session};
use crate::timers::CHILD_RETRY;
use crate::work::Job;

/// A request of ours under way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Requested {
    /// The child that is rekeyed.
    pub(crate) old: Option<ChildId>,
    /// The peer is known to have it: we asked for it, or saw the peer use it.
    known: bool,
    pub(crate) vpn: String,
    /// Index of the VPN's selector pair for a new child.
    pair: usize,
    pub(crate) spi_in: Spi,
    nonce: Vec<u8>,
    dh: Option<StoredDh>,
    /// Key exchanges after that one.
    additional: AdditionalKe,
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
    mode: IpsecMode,
    pub(crate) collision: Option<Collision<ChildId>>,
    /// The lower nonce of an exchange of the peer's that is to rekey the same child with more key exchanges to come.
    pub(crate) rival: Option<Vec<u8>>,
    /// SPIs that the peer deleted before its response, which made them, was here.
    pub(crate) deleted: Vec<u32>,
}

impl Requested {
    /// Whether the peer's exchange, which rekeys the same child, stands and ours does not (RFC 7296 section 2.8.1).
    pub(crate) fn loses(&self, nonce_r: &[u8]) -> bool {
        let theirs = self.collision.as_ref().map(|c| &c.lowest);
        let theirs = theirs.or(self.rival.as_ref());
        theirs.is_some_and(|theirs| lowest(&self.nonce, nonce_r) < theirs.as_slice())
    }

    /// Whether it is to carry what this pair of selectors stands for.
    pub(crate) fn is_for(&self, vpn: &str, selectors: &SelectorPair) -> bool {
        self.vpn == vpn
            && self.local_ts.iter().any(|t| selectors.local.covers(t))
            && self.remote_ts.iter().any(|t| selectors.remote.covers(t))
    }
}

/// Deletions remembered until the response comes; the peer can make one child by it.
pub(crate) const MAX_EARLY_DELETES: usize = 8;

/// A response whose key exchange is running.
pub(crate) struct Reply {
    payloads: Vec<Payload>,
}

/// A new child of this selector pair; `None` when the configuration has no such pair any more, or no SPI is free.
pub(crate) fn prepare(
    ctx: &mut Ctx<'_>,
    gateway: &Gateway,
    ends: &Ends<'_>,
    (vpn, pair): (&str, usize),
) -> Result<Option<Requested>, Fault> {
    let Some(found) = gateway.vpn(vpn) else {
        return Ok(None);
    };
    let Some(selectors) = pairs_of(found, ends).get(pair).copied() else {
        return Ok(None);
    };
    let Ok(spi_in) = ctx.env.allocate_child_spi() else {
        return Ok(None);
    };
    Ok(Some(Requested {
        old: None,
        known: false,
        vpn: vpn.to_owned(),
        pair,
        spi_in,
        nonce: ctx.nonce()?,
        dh: None,
        additional: AdditionalKe::NONE,
        local_ts: vec![selectors.local],
        remote_ts: vec![selectors.remote],
        mode: found.mode,
        collision: None,
        rival: None,
        deleted: Vec::new(),
    }))
}

/// SA, TSi, TSr of a request, and whether it is to be transport mode.
pub(crate) fn offer_payloads(
    gateway: &Gateway,
    r: &Requested,
    dh: Option<KeMethods>,
) -> Vec<Payload> {
    let proposals = gateway.vpn(&r.vpn).map_or(&[][..], |v| &v.proposals);
    let mut payloads = vec![
        Payload::Sa(offer_esp(proposals, dh, r.spi_in)),
        Payload::TsI(selector::to_wire(&r.local_ts)),
        Payload::TsR(selector::to_wire(&r.remote_ts)),
    ];
    if r.mode == IpsecMode::Transport {
        payloads.push(Payload::Notify(Notify::new(kind::USE_TRANSPORT_MODE, &[])));
    }
    payloads
}

/// Starts the exchange of a task; the key pair first when the VPN wants one. False: there is nothing to do.
pub(crate) fn begin(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    task: &Task,
) -> Result<bool, Fault> {
    let Some(vpn) = vpn_of(ctx, session, task) else {
        return Ok(false);
    };
    let fresh = matches!(task, Task::NewChild { .. });
    if fresh && session.children.len() >= MAX_CHILDREN {
        return Ok(false);
    }
    if let Some(group) = vpn.pfs {
        ctx.work(
            session,
            ike,
            Job::Generate(group),
            Continuation::ChildStart(task.clone()),
        )?;
        session.ike_mut(ike)?.preparing = Some(task.clone());
        return Ok(true);
    }
    send(ctx, session, ike, task, None)?;
    Ok(true)
}

fn vpn_of(ctx: &Ctx<'_>, session: &Session, task: &Task) -> Option<Vpn> {
    let gateway = gateway_of(ctx, session)?;
    match task {
        Task::NewChild { vpn, pair } => gateway
            .vpn(vpn)
            .filter(|v| *pair < v.selectors.len())
            .cloned(),
        Task::RekeyChild(id) => {
            let child = session.child(*id).filter(|c| c.state == ChildState::Live)?;
            gateway.vpn(&child.vpn).cloned()
        }
        _ => None,
    }
}

/// Sends the request of a task and takes the task off the queue.
pub(crate) fn send(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    task: &Task,
    dh: Option<DhPrivate>,
) -> Result<(), Fault> {
    session.tasks.retain(|w| w.task != *task);
    session.volatile.dirty = true;
    let Some(gateway) = gateway_of(ctx, session) else {
        return Ok(());
    };
    let mut payloads = Vec::new();
    let requested = match task {
        Task::NewChild { vpn, pair } => {
            prepare(ctx, &gateway, &session.ends(), (vpn.as_str(), *pair))?
        }
        Task::RekeyChild(id) => {
            let Some(old) = session.child(*id).filter(|c| c.state == ChildState::Live) else {
                return Ok(());
            };
            payloads.push(Payload::Notify(Notify::about_child(
                kind::REKEY_SA,
                protocol_id(old.suite.protocol),
                old.spi_in.0,
            )));
            payloads.extend(old.resource.as_ref().map(|_| resource::notify()));
            let known = old.initiator || old.active;
            let mode = old.mode;
            let (vpn, local_ts, remote_ts) =
                (old.vpn.clone(), old.local_ts.clone(), old.remote_ts.clone());
            let Ok(spi_in) = ctx.env.allocate_child_spi() else {
                session.want(task.clone(), ctx.now + CHILD_RETRY);
                return Ok(());
            };
            Some(Requested {
                old: Some(*id),
                known,
                vpn,
                pair: 0,
                spi_in,
                nonce: ctx.nonce()?,
                dh: None,
                additional: AdditionalKe::NONE,
                local_ts,
                remote_ts,
                mode,
                collision: None,
                rival: None,
                deleted: Vec::new(),
            })
        }
        _ => None,
    };
    let Some(mut requested) = requested else {
        let at = ctx.now + CHILD_RETRY;
        tasks::want_missing_children(ctx, session, at);
        return Ok(());
    };
    let additional = gateway
        .vpn(&requested.vpn)
        .map_or(AdditionalKe::NONE, |vpn| vpn.additional);
    let methods = dh.as_ref().map(|dh| KeMethods::new(dh.group(), additional));
    let offer = offer_payloads(&gateway, &requested, methods);
    let mut offer = offer.into_iter();
    payloads.extend(offer.next());
    payloads.push(Payload::Nonce(Nonce(requested.nonce.clone())));
    payloads.extend(dh.as_ref().map(|d| {
        Payload::Ke(Ke {
            group: d.group().iana(),
            public: d.public().to_vec(),
        })
    }));
    payloads.extend(offer);
    requested.additional = methods.map_or(AdditionalKe::NONE, |m| m.additional);
    requested.dh = dh.map(StoredDh);
    let exchange = Exchange::Child(Box::new(requested));
    request(
        ctx,
        session,
        ike,
        ExchangeType::CreateChildSa,
        &payloads,
        exchange,
    )
}
