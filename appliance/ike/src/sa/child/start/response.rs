//! The response to a request of ours, and what becomes of the old child SA and of redundant ones.

use std::sync::Arc;

use ravelin_crypto::Secret;
use ravelin_types::{ChildId, IpsecMode, Time, TrafficSelector};

use super::{Reply, Requested};
use crate::config::{ChildLife, Gateway};
use crate::error::{Fault, Reason};
use crate::keymat::Shared;
use crate::msg::Payload;
use crate::msg::notify::kind;
use crate::outbox::Ctx;
use crate::proposal::{ChildDh, EspChoice, is_one_suite, select_esp};
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::sa::child::{Context, Fresh, New, add, remove};
use crate::sa::followup::{self, Exchanged};
use crate::sa::init::gateway_of;
use crate::sa::{Continuation, Exchange, Parts, Task, tasks};
use crate::selector;
use crate::session::{ChildState, DownReasonStored, Session};
use crate::stats::{Count, Discard};
use crate::timers::{CHILD_RETRY, FOLLOWUP_LIFETIME, REPLACED_LIFETIME};
use crate::work::Job;

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

/// The secret of the response is there: further key exchanges, or the child.
pub(crate) fn agreed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: Secret,
) -> Result<(), Fault> {
    let outstanding = session.ike_mut(ike)?.window.outstanding();
    let Some(Exchange::Child(requested)) = outstanding.map(|o| &o.exchange) else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let refused = Parts::of(&reply.payloads).error().is_some();
    if refused || requested.additional.is_empty() {
        let shared = Shared::from(shared);
        return conclude(ctx, session, ike, reply, Some(&shared));
    }
    let exchanged = Exchanged::first(requested.additional, shared);
    match followup::begin(ctx, session, ike, reply.payloads, exchanged)? {
        Ok(()) => Ok(()),
        Err(reason) => {
            let Some(Exchange::Child(requested)) = session.ike_mut(ike)?.window.close() else {
                return Err(Fault::Discard(Discard::StaleWork));
            };
            fail(ctx, session, *requested, &[], reason)
        }
    }
}

/// No child comes of the request.
pub(crate) fn fail(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    requested: Requested,
    payloads: &[Payload],
    reason: Reason,
) -> Result<(), Fault> {
    session.volatile.dirty = true;
    let parts = Parts::of(payloads);
    failed(ctx, session, requested, &parts, reason, Context::Create)
}

/// The response and its secret are there.
pub(crate) fn conclude(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: Option<&Shared>,
) -> Result<(), Fault> {
    let Some(Exchange::Child(requested)) = session.ike_mut(ike)?.window.close() else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    make(ctx, session, ike, *requested, &reply.payloads, shared)
}

/// All key exchanges are done: the child of the response.
pub(crate) fn make(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    requested: Requested,
    payloads: &[Payload],
    shared: Option<&Shared>,
) -> Result<(), Fault> {
    session.volatile.dirty = true;
    let parts = Parts::of(payloads);
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
        requested,
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
    shared: Option<&Shared>,
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
    let lost = requested.loses(nonces.1);
    if requested.rival.is_some() && !lost {
        followup::forget(ctx, session);
    }
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
        resource: None,
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
        give_way(session, requested, now);
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

/// Both ends rekey the child, and the peer's exchange stands: ours makes none.
pub(crate) fn stop(ctx: &mut Ctx<'_>, session: &mut Session, requested: &Requested) {
    ctx.env.release_child_spi(requested.spi_in);
    session.volatile.dirty = true;
    give_way(session, requested, ctx.now);
}

/// The old child waits for what the peer makes: to be deleted, or to be rekeyed by us after all when the peer does not go on.
fn give_way(session: &mut Session, requested: &Requested, now: Time) {
    match requested.old {
        Some(old) if requested.collision.is_some() => wait_for_delete(session, old, now),
        Some(old) => session.want(Task::RekeyChild(old), now + FOLLOWUP_LIFETIME),
        None => {}
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
    shared: Option<&Shared>,
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
        (Context::Create, Some(StoredDh(dh))) => ChildDh::Require(dh.group(), r.additional),
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
