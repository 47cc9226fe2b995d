//! The side that starts: a new child SA, or the rekey of one, wanted by us.

use std::sync::Arc;

use ravelin_crypto::{DhPrivate, Secret};
use ravelin_types::{ChildId, IpsecMode, Spi, Time, TrafficSelector};
use serde::{Deserialize, Serialize};

use super::{Collision, Context, Fresh, New, add, lowest, pairs_of, remove};
use crate::config::{ChildLife, Gateway, SelectorPair, Vpn};
use crate::error::{Fault, Reason};
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{ChildDh, EspChoice, is_one_suite, offer_esp, protocol_id, select_esp};
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::sa::init::gateway_of;
use crate::sa::{Continuation, Exchange, Parts, Task, request, tasks};
use crate::selector;
use crate::session::{ChildState, DownReasonStored, Ends, MAX_CHILDREN, Session};
use crate::stats::{Count, Discard};
use crate::timers::{CHILD_RETRY, REPLACED_LIFETIME};
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
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
    mode: IpsecMode,
    pub(crate) collision: Option<Collision<ChildId>>,
    /// SPIs that the peer deleted before its response, which made them, was here.
    pub(crate) deleted: Vec<u32>,
}

impl Requested {
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
        local_ts: vec![selectors.local],
        remote_ts: vec![selectors.remote],
        mode: found.mode,
        collision: None,
        deleted: Vec::new(),
    }))
}

/// SA, TSi, TSr of a request, and whether it is to be transport mode.
pub(crate) fn offer_payloads(
    gateway: &Gateway,
    r: &Requested,
    dh: Option<ravelin_types::DhGroup>,
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
                local_ts,
                remote_ts,
                mode,
                collision: None,
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
    let offer = offer_payloads(&gateway, &requested, dh.as_ref().map(DhPrivate::group));
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

/// Handles the response; with a key exchange the secret is computed first.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: Vec<Payload>,
) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    let Some(Exchange::Child(requested)) = sa.window.outstanding().map(|o| &o.exchange) else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let parts = Parts::of(&payloads);
    let value = requested
        .dh
        .as_ref()
        .zip(parts.ke)
        .filter(|_| parts.sa.is_some());
    if let Some((StoredDh(dh), ke)) = value {
        if ke.group == dh.group().iana() {
            let job = Job::Agree(dh.clone(), ke.public.clone());
            ctx.work(
                session,
                ike,
                job,
                Continuation::ChildAgree(Box::new(Reply { payloads })),
            )?;
            if let Some(o) = session.ike_mut(ike)?.window.outstanding_mut() {
                o.answered = true;
            }
            return Ok(());
        }
    }
    conclude(ctx, session, ike, Reply { payloads }, None)
}

/// The response and its secret are there.
pub(crate) fn conclude(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: Option<&Secret>,
) -> Result<(), Fault> {
    let Some(Exchange::Child(requested)) = session.ike_mut(ike)?.window.close() else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    session.volatile.dirty = true;
    let parts = Parts::of(&reply.payloads);
    let Some(gateway) = gateway_of(ctx, session) else {
        ctx.env.release_child_spi(requested.spi_in);
        return Ok(());
    };
    let ours = requested.nonce.clone();
    let theirs = parts.nonce.map(|n| n.0.clone()).unwrap_or_default();
    finish(
        ctx,
        session,
        ike,
        &gateway,
        *requested,
        &parts,
        shared,
        (&ours, &theirs),
        Context::Create,
    )
}

/// Takes the child of a response into use, or notes why there is none.
#[allow(clippy::too_many_arguments)] // the exchange's parts; a struct would only rename them
pub(crate) fn finish(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    gateway: &Arc<Gateway>,
    requested: Requested,
    parts: &Parts<'_>,
    shared: Option<&Secret>,
    nonces: (&[u8], &[u8]),
    context: Context,
) -> Result<(), Fault> {
    let (choice, life, local_ts, remote_ts) =
        match check(gateway, &requested, parts, shared, context) {
            Ok(accepted) => accepted,
            Err(reason) => return failed(ctx, session, requested, parts, reason, context),
        };
    if let Ok(sa) = session.ike_mut(ike) {
        sa.refusals = 0;
    }
    let lost = requested
        .collision
        .as_ref()
        .is_some_and(|c| lowest(nonces.0, nonces.1) < c.lowest.as_slice());
    if requested.deleted.contains(&choice.spi.0) {
        ctx.env.release_child_spi(requested.spi_in);
        settle(ctx, session, &requested, None, lost);
        let at = ctx.retry_at()?;
        tasks::want_missing_children(ctx, session, at);
        return Ok(());
    }
    let new = New {
        vpn: requested.vpn.clone(),
        spi_in: requested.spi_in,
        spi_out: choice.spi,
        suite: choice.suite,
        mode: requested.mode,
        local_ts,
        remote_ts,
        life,
        initiator: true,
        active: !lost,
        replaces: requested.old,
        tfc_refused: parts.refuses_tfc(),
        install: !lost,
    };
    let fresh = Fresh {
        nonce_i: nonces.0,
        nonce_r: nonces.1,
        shared,
    };
    let id = add(ctx, session, ike, new, &fresh)?;
    if requested.old.is_some() {
        ctx.stats.add(Count::ChildRekeyed);
    }
    settle(ctx, session, &requested, Some(id), lost);
    Ok(())
}

/// Decides what becomes of the old child and of redundant ones.
fn settle(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    requested: &Requested,
    id: Option<ChildId>,
    lost: bool,
) {
    let now = ctx.now;
    if lost {
        // Ours is redundant and we made it, so we delete it; the peer deletes the old one.
        if let Some(id) = id {
            if let Some(child) = session.child_mut(id) {
                child.replaces = None;
            }
            tasks::delete_child(session, id, now);
        }
        requested
            .old
            .into_iter()
            .for_each(|old| wait_for_delete(session, old, now));
        return;
    }
    if let Some(collision) = &requested.collision {
        if let Some(theirs) = session.child_mut(collision.theirs) {
            theirs.replaces = None;
        }
        wait_for_delete(session, collision.theirs, now);
    }
    if let Some(old) = requested.old {
        if let Some(child) = session.child_mut(old) {
            child.active = false;
        }
        tasks::delete_child(session, old, now);
    }
}

fn wait_for_delete(session: &mut Session, id: ChildId, now: Time) {
    if let Some(child) = session
        .child_mut(id)
        .filter(|c| c.state == ChildState::Live)
    {
        child.state = ChildState::Replaced;
        child.soft_at = Time::MAX;
        child.hard_at = child.hard_at.min(now + REPLACED_LIFETIME);
    }
}

type Accepted = (
    EspChoice,
    ChildLife,
    Vec<TrafficSelector>,
    Vec<TrafficSelector>,
);

fn check(
    gateway: &Gateway,
    r: &Requested,
    parts: &Parts<'_>,
    shared: Option<&Secret>,
    context: Context,
) -> Result<Accepted, Reason> {
    if let Some(n) = parts.error() {
        return Err(Reason::Refused {
            name: error_name(n.kind),
            number: n.kind,
        });
    }
    let (Some(sa), Some(ts_i), Some(ts_r)) = (parts.sa, parts.ts_i, parts.ts_r) else {
        return Err(Reason::Missing("SA or TS"));
    };
    if context == Context::Create && parts.nonce.is_none() {
        return Err(Reason::Missing("Nonce"));
    }
    if parts.wants_transport() != (r.mode == IpsecMode::Transport) {
        return Err(Reason::NotOffered(match r.mode {
            IpsecMode::Transport => "tunnel mode",
            IpsecMode::Tunnel => "transport mode",
        }));
    }
    let vpn = gateway.vpn(&r.vpn).ok_or(Reason::NotOffered("a VPN"))?;
    let policy = match (context, &r.dh) {
        (Context::Auth, _) => ChildDh::Ignore,
        (Context::Create, Some(StoredDh(dh))) => ChildDh::Require(dh.group()),
        (Context::Create, None) => ChildDh::Optional,
    };
    let choice =
        select_esp(sa, &vpn.proposals, policy).map_err(|_| Reason::NotOffered("a suite"))?;
    if !is_one_suite(sa) || choice.dh.is_some() != shared.is_some() {
        return Err(Reason::NotOffered("a key exchange or several suites"));
    }
    let (local, remote) = (selector::from_wire(ts_i), selector::from_wire(ts_r));
    if !selector::is_within(&local, &r.local_ts) || !selector::is_within(&remote, &r.remote_ts) {
        return Err(Reason::NotOffered("wider traffic selectors"));
    }
    let life = ChildLife::of(vpn.proposals.get(choice.ours));
    Ok((choice, life, local, remote))
}

/// No child came of it: RFC 7296 sections 2.25 and 2.25.1 say what next.
fn failed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    r: Requested,
    parts: &Parts<'_>,
    reason: Reason,
    context: Context,
) -> Result<(), Fault> {
    ctx.env.release_child_spi(r.spi_in);
    let number = parts.error().map(|n| n.kind);
    if let (Some(collision), Some(old)) = (&r.collision, r.old) {
        // The peer's exchange succeeded: its child replaces the old one.
        debug_assert!(
            session
                .child(collision.theirs)
                .is_none_or(|c| c.replaces == Some(old))
        );
        wait_for_delete(session, old, ctx.now);
        return Ok(());
    }
    let again = match r.old {
        Some(old) => Task::RekeyChild(old),
        None => Task::NewChild {
            vpn: r.vpn.clone(),
            pair: r.pair,
        },
    };
    if r.old.is_some_and(|old| session.child(old).is_none()) {
        // The peer deleted it meanwhile.
        let at = ctx.retry_at()?;
        tasks::want_missing_children(ctx, session, at);
        return Ok(());
    }
    match (number, r.old) {
        (Some(kind::TEMPORARY_FAILURE), _) => return tasks::refused(ctx, session, again),
        // Our answer that makes the child may still be on its way to the peer.
        (Some(kind::CHILD_SA_NOT_FOUND), Some(_)) if !r.known => {
            return tasks::refused(ctx, session, again);
        }
        (Some(kind::CHILD_SA_NOT_FOUND), Some(old)) => {
            // "SHOULD silently delete the Child SA (if it still exists) and send a request to create a new Child SA from
            // scratch (if the Child SA does not yet exist)"
            let lost = session
                .child(old)
                .is_some_and(|c| c.state == ChildState::Live);
            remove(ctx, session, old);
            if lost {
                tasks::want_missing_children(ctx, session, ctx.now);
            }
            return Ok(());
        }
        _ => {}
    }
    let remote = session.path.remote;
    ctx.stats.add(Count::ChildRefused);
    ctx.failure(session, remote, context.stage(), reason);
    if number == Some(kind::NO_ADDITIONAL_SAS) && context == Context::Create {
        // Section 4: "the implementation MUST be capable of instead deleting the old SA and creating a new one", and if the peer makes
        // child SAs in IKE_AUTH alone, that is another IKE SA.
        let wanted = tasks::is_wanted(ctx, session, &r.vpn);
        match r.old {
            Some(old) => tasks::expire_child(ctx, session, old),
            None if wanted && session.children.is_empty() => {
                tasks::close(session, DownReasonStored::Expired, ctx.now);
            }
            None if wanted => session.want(again, ctx.now + CHILD_RETRY),
            None => {}
        }
        return Ok(());
    }
    if number.is_none() {
        // The peer made a child that it was not offered: nothing it says about this IKE SA can be relied on.
        tasks::close(session, DownReasonStored::Protocol, ctx.now);
        return Ok(());
    }
    let wanted = r.old.is_some() || tasks::is_wanted(ctx, session, &r.vpn);
    if wanted {
        let at = ctx.now + CHILD_RETRY;
        session.want(again, at);
    }
    Ok(())
}
