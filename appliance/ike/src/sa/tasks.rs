//! Exchanges of ours: queueing, starting when the window is free, time-outs, lifetimes.

use ravelin_types::{ChildId, Time};

use super::init::gateway_of;
use super::liveness::Passage;
use super::{
    Exchange, State, Task, ahead, child, delete, followup, liveness, mobike, reauth, redirect,
    rekey,
};
use crate::config::{Dpd, Gateway, SelectorPair, Vpn};
use crate::crash;
use crate::error::{Fault, Reason, Stage};
use crate::event::DownReason;
use crate::outbox::Ctx;
use crate::session::{Child, ChildState, DownReasonStored, IkeSa, Session};
use crate::stats::{Count, Discard};
use crate::timers::{EXPIRED_WAIT, MAX_REFUSALS, WORK_WAIT};

/// Starts whatever can start.
pub(crate) fn start_waiting(ctx: &mut Ctx<'_>, session: &mut Session) -> Result<(), Fault> {
    spare_message_ids(session, ctx.now);
    let ready: Vec<Task> = session
        .tasks
        .iter()
        .filter(|w| w.not_before <= ctx.now)
        .map(|w| w.task.clone())
        .collect();
    for task in ready {
        let Some(ike) = free_ike(session, &task) else {
            continue;
        };
        match start(ctx, session, ike, &task) {
            Ok(true) => {}
            Ok(false) => {
                session.tasks.retain(|w| w.task != task);
                session.volatile.dirty = true;
            }
            // Too many key exchanges are under way.
            Err(Fault::Discard(Discard::WorkFull)) => {
                ctx.stats.discard(Discard::WorkFull);
                let waiting = session.tasks.iter_mut().filter(|w| w.task == task);
                waiting.for_each(|w| w.not_before = ctx.now + WORK_WAIT);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// RFC 7296 section 2.2: "In the unlikely event that Message IDs grow too large to fit in 32 bits, the IKE SA MUST be closed or
/// rekeyed": first the one, and when that does not succeed the other.
fn spare_message_ids(session: &mut Session, now: Time) {
    let sa = session.ike(session.current);
    let Some(sa) = sa.filter(|sa| sa.is_established() && session.closing.is_none()) else {
        return;
    };
    let exchange = sa.window.outstanding().map(|o| o.exchange.goal());
    let rekeying = sa.preparing.is_some() || matches!(exchange, Some(Exchange::RekeyIke(_)));
    if sa.window.is_spent() {
        close(session, DownReasonStored::Expired, now);
    } else if sa.window.is_worn() && !rekeying {
        session.want(Task::RekeyIke, now);
    }
}

/// The IKE SA on which the task may start now.
fn free_ike(session: &Session, task: &Task) -> Option<u64> {
    let target = match task {
        Task::DeleteIke(id) => *id,
        _ => session.current,
    };
    let sa = session.ike(target)?;
    let free = sa.window.is_idle() && sa.preparing.is_none();
    // While two rekeys of the IKE SA are under way it is open which one stands.
    let undecided = session.ikes.iter().any(|i| {
        i.id != target
            && matches!(
                i.window.outstanding().map(|o| o.exchange.goal()),
                Some(Exchange::RekeyIke(_))
            )
    });
    // An SA of the peer's is being made; it is there, or given up, soon.
    let making = session.volatile.pending.is_some();
    let ready = match task {
        Task::DeleteIke(_) => sa.keys.is_some(),
        Task::RekeyIke | Task::RekeyChild(_) if making => false,
        _ => sa.is_established() && !undecided && session.closing.is_none(),
    };
    (free && ready).then_some(target)
}

/// False: there is nothing to do. Tasks that need a key pair first stay queued until it is there.
fn start(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64, task: &Task) -> Result<bool, Fault> {
    match task {
        Task::NewChild { .. } | Task::RekeyChild(_) => child::start::begin(ctx, session, ike, task),
        Task::RekeyIke if reauth::is_due(ctx, session) => {
            reauth::begin(ctx, session);
            Ok(false)
        }
        Task::RekeyIke => rekey::start::begin(ctx, session, ike),
        Task::Reauthenticate => {
            reauth::begin(ctx, session);
            Ok(true)
        }
        Task::DeleteIke(id) => delete::send_ike(ctx, session, *id).map(|()| false),
        Task::DeleteChild(id) => delete::send_child(ctx, session, ike, *id).map(|()| false),
        Task::Dpd => liveness::probe(ctx, session, ike).map(|()| false),
        Task::UpdateAddresses => mobike::update(ctx, session, ike).map(|()| false),
        Task::TellAddresses => mobike::tell(ctx, session, ike).map(|()| false),
        Task::Redirect => redirect::send(ctx, session, ike).map(|()| false),
        Task::TellToken => crash::tell(ctx, session, ike).map(|()| false),
        Task::TellWindow => ahead::tell(ctx, session, ike).map(|()| false),
        Task::ProvePeer => mobike::prove_peer(ctx, session, ike).map(|()| false),
    }
}

fn dpd_of(ctx: &Ctx<'_>, session: &Session) -> Option<Dpd> {
    gateway_of(ctx, session).and_then(|g| g.dpd)
}

/// Marks a child for deletion and queues it.
pub(crate) fn delete_child(session: &mut Session, id: ChildId, now: Time) {
    if let Some(c) = session.child_mut(id) {
        if c.state != ChildState::Withdrawn {
            c.state = ChildState::Deleting;
        }
        (c.soft_at, c.hard_at) = (Time::MAX, Time::MAX);
        session.want(Task::DeleteChild(id), now);
    }
}

/// Ends the session by deleting its IKE SA.
pub(crate) fn close(session: &mut Session, reason: DownReasonStored, now: Time) {
    if session.established_at.is_none() {
        session.end(reason.into());
        return;
    }
    session.closing.get_or_insert(reason);
    session
        .tasks
        .retain(|w| matches!(w.task, Task::DeleteIke(_)));
    let current = session.current;
    session.want(Task::DeleteIke(current), now);
}

/// Our own exchanges move to this IKE SA; when the session is to end, by its deletion.
pub(crate) fn make_current(session: &mut Session, ike: u64, now: Time) {
    session.current = ike;
    session.volatile.dirty = true;
    if session.closing.is_some() {
        session.want(Task::DeleteIke(ike), now);
    }
}

/// TEMPORARY_FAILURE: try again later, or close when it does not end (section 2.25).
pub(crate) fn refused(ctx: &mut Ctx<'_>, session: &mut Session, task: Task) -> Result<(), Fault> {
    let at = ctx.retry_at()?;
    let current = session.current;
    let refusals = session.ike_mut(current).map_or(0, |sa| {
        sa.refusals += 1;
        sa.refusals
    });
    if refusals > MAX_REFUSALS {
        close(session, DownReasonStored::Protocol, ctx.now);
    } else {
        session.want(task, at);
    }
    Ok(())
}

/// True when the configuration wants this VPN up by us.
pub(crate) fn is_wanted(ctx: &Ctx<'_>, session: &Session, vpn: &str) -> bool {
    let gateway = gateway_of(ctx, session).filter(|_| session.initiator);
    gateway.is_some_and(|g| g.vpn(vpn).is_some_and(|v| v.establish_immediately))
}

/// Queues the children that the configuration wants up by us and that are not.
pub(crate) fn want_missing_children(ctx: &mut Ctx<'_>, session: &mut Session, at: Time) {
    let Some(gateway) = gateway_of(ctx, session).filter(|_| session.initiator) else {
        return;
    };
    for vpn in gateway.vpns.iter().filter(|v| v.establish_immediately) {
        want_missing_pairs(session, vpn, |_| true, at);
    }
}

/// Queues a child of each pair of a VPN that is wanted and has none.
pub(crate) fn want_missing_pairs(
    session: &mut Session,
    vpn: &Vpn,
    wanted: impl Fn(&SelectorPair) -> bool,
    at: Time,
) {
    for (pair, selectors) in vpn.selectors.iter().enumerate() {
        let fits = |c: &Child| {
            c.vpn == vpn.name
                && c.state == ChildState::Live
                && c.local_ts.iter().any(|t| selectors.local.covers(t))
                && c.remote_ts.iter().any(|t| selectors.remote.covers(t))
        };
        // One that an exchange under way is to make is not missing; its failure comes back here.
        let asked = |r: &child::Requested| r.is_for(&vpn.name, selectors);
        let mut requested = session.ikes.iter().filter_map(IkeSa::requested_child);
        if wanted(selectors) && !session.children.iter().any(fits) && !requested.any(asked) {
            let vpn = vpn.name.clone();
            session.want(Task::NewChild { vpn, pair }, at);
        }
    }
}

/// Everything that is due.
pub(crate) fn on_timeout(ctx: &mut Ctx<'_>, session: &mut Session) -> Result<(), Fault> {
    let ids: Vec<u64> = session.ikes.iter().map(|i| i.id).collect();
    for ike in ids {
        ike_timeout(ctx, session, ike)?;
        if session.volatile.over.is_some() {
            return Ok(());
        }
    }
    child_timeouts(ctx, session);
    reauth::on_timeout(ctx, session);
    followup::expire(ctx, session);
    end_idle(ctx, session);
    liveness::keep_alive(ctx, session);
    start_waiting(ctx, session)?;
    probe_if_due(ctx, session)
}

/// Any other request would have asked the peer too, so the window is free, or a probe is not needed.
fn probe_if_due(ctx: &mut Ctx<'_>, session: &mut Session) -> Result<(), Fault> {
    let dpd = dpd_of(ctx, session).filter(|_| session.closing.is_none());
    let probe_at = dpd.and_then(|dpd| liveness::probe_at(session, dpd));
    let busy = session
        .ike(session.current)
        .is_some_and(|i| !i.window.is_idle());
    if busy || probe_at.is_none_or(|at| at > ctx.now) {
        return Ok(());
    }
    match free_ike(session, &Task::Dpd) {
        Some(ike) => liveness::probe(ctx, session, ike),
        None => {
            session.want(Task::Dpd, ctx.now);
            Ok(())
        }
    }
}

fn ike_timeout(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let now = ctx.now;
    let current = session.current == ike;
    let owed = session.ike(ike).and_then(|i| i.window.unanswered());
    let path = mobike::path_again(session, owed.map_or(0, |o| o.transmissions));
    let dead_at = owed.map(|o| liveness::dead_at(dpd_of(ctx, session), session, o));
    let Ok(sa) = session.ike_mut(ike) else {
        return Ok(());
    };
    if sa.expires_at.is_some_and(|at| at <= now) {
        if current {
            session.end(DownReason::SetupTimeout);
        } else {
            session.drop_ike(ike);
        }
        return Ok(());
    }
    if let Some(o) = sa.window.outstanding_mut().filter(|o| !o.answered) {
        if dead_at.is_some_and(|at| at <= now) {
            let count = o.transmissions;
            return no_answer(ctx, session, ike, count);
        }
        if o.next_at <= now {
            o.sent_again(now);
            let (data, gate) = (o.data.clone(), o.gate);
            sa.traffic.retransmitted += 1;
            ctx.stats.add(Count::Retransmitted);
            let times = o.transmissions;
            let text = || format!("no answer: the request leaves again, transmission {times}");
            ctx.out.trace.note(path.remote, text);
            for datagram in data {
                ctx.transmit(&path, datagram, gate);
            }
        }
    }
    let Ok(sa) = session.ike_mut(ike) else {
        return Ok(());
    };
    if sa.hard_at <= now {
        sa.hard_at = Time::MAX;
        close(session, DownReasonStored::Expired, now);
    } else if sa.soft_at <= now {
        sa.soft_at = Time::MAX;
        session.want(Task::RekeyIke, now);
    }
    Ok(())
}

/// A request got no answer in its time.
fn no_answer(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    transmissions: u32,
) -> Result<(), Fault> {
    let undecided = session
        .ikes
        .iter()
        .any(|i| i.id == ike && i.is_established());
    if session.current != ike && !undecided {
        session.drop_ike(ike);
        return Ok(());
    }
    let (closing, remote) = (session.closing, session.path.remote);
    let state = &session.ike_mut(ike)?.state;
    let stage = match state {
        State::InitSent(_) => Stage::Init,
        State::Intermediate(_) => Stage::Intermediate,
        State::AuthSent(_) => Stage::Auth,
        _ => Stage::Informational,
    };
    match closing {
        Some(reason) => session.end(reason.into()),
        None => {
            ctx.stats.add(Count::DpdDead);
            ctx.failure(session, remote, stage, Reason::NoAnswer(transmissions));
            session.end(DownReason::PeerDead);
        }
    }
    Ok(())
}

fn child_timeouts(ctx: &mut Ctx<'_>, session: &mut Session) {
    let now = ctx.now;
    let due: Vec<_> = session
        .children
        .iter()
        .filter(|c| c.soft_at <= now || c.hard_at <= now)
        .map(|c| (c.id, c.state, c.hard_at <= now))
        .collect();
    for (id, state, hard) in due {
        if let Some(c) = session.child_mut(id) {
            c.soft_at = Time::MAX;
        }
        match (state, hard) {
            (ChildState::Live, false) => session.want(Task::RekeyChild(id), now),
            (ChildState::Live, true) => expire_child(ctx, session, id),
            // The peer does not hear that its life is over: it will when its answer to something else has come.
            (ChildState::Deleting, _) if is_waiting(session, &Task::DeleteChild(id)) => {
                child::withdraw(ctx, session, id);
            }
            // RFC 7296 section 2.4: who "chooses to delete Child SAs, [...] MUST send Delete payloads".
            (ChildState::Replaced, _) => {
                delete_child(session, id, now);
                expires_soon(session, id, now);
            }
            (ChildState::Deleting | ChildState::Withdrawn, _) => {
                child::remove(ctx, session, id);
            }
        }
    }
}

/// When a child SA is idle for the time that its VPN allows. While the data plane is away nobody can tell.
fn idle_at(gateway: &Gateway, session: &Session, child: &Child) -> Option<Time> {
    let Passage::OpenSince(open) = session.volatile.passage else {
        return None;
    };
    let idle = gateway.vpn(&child.vpn)?.idle?;
    let live = child.state == ChildState::Live && session.closing.is_none();
    live.then(|| child.used_at.max(open) + idle)
}

/// Ends child SAs that are idle; when no other is left, the session with them.
fn end_idle(ctx: &mut Ctx<'_>, session: &mut Session) {
    let Some(gateway) = gateway_of(ctx, session) else {
        return;
    };
    let now = ctx.now;
    let due = |c: &&Child| idle_at(&gateway, session, c).is_some_and(|at| at <= now);
    let idle: Vec<ChildId> = session.children.iter().filter(due).map(|c| c.id).collect();
    if idle.is_empty() {
        return;
    }
    let live = |c: &&Child| c.state == ChildState::Live;
    if session.children.iter().filter(live).count() == idle.len() {
        return close(session, DownReasonStored::Idle, now);
    }
    for id in idle {
        delete_child(session, id, now);
    }
}

fn is_waiting(session: &Session, task: &Task) -> bool {
    session.tasks.iter().any(|w| w.task == *task)
}

/// Ends a child whose life is over without a rekey; one that is replaced or being deleted already ends anyway.
pub(crate) fn expire_child(ctx: &mut Ctx<'_>, session: &mut Session, id: ChildId) {
    let now = ctx.now;
    if session.child(id).map(|c| c.state) != Some(ChildState::Live) {
        return;
    }
    session.tasks.retain(|w| w.task != Task::RekeyChild(id));
    delete_child(session, id, now);
    expires_soon(session, id, now);
    want_missing_children(ctx, session, now);
}

/// The deletion may wait for another exchange, and that for a peer that is gone.
pub(crate) fn expires_soon(session: &mut Session, id: ChildId, now: Time) {
    if let Some(c) = session.child_mut(id) {
        c.hard_at = now + EXPIRED_WAIT;
    }
}

/// When [`on_timeout`] is to be called next.
pub(crate) fn deadline(config: &crate::config::Config, session: &Session) -> Option<Time> {
    let gateway = session.gateway.as_ref();
    let gateway = gateway.and_then(|name| config.gateways.named(name));
    let dpd = gateway.and_then(|g| g.dpd);
    let ikes = session.ikes.iter().flat_map(|i| {
        let owed = i.window.unanswered();
        let limits = [
            Some(i.soft_at),
            Some(i.hard_at),
            i.expires_at,
            owed.map(|o| o.next_at.min(liveness::dead_at(dpd, session, o))),
        ];
        limits.into_iter().flatten()
    });
    let children = session.children.iter().map(|c| c.soft_at.min(c.hard_at));
    let waiting = session
        .tasks
        .iter()
        .filter(|w| free_ike(session, &w.task).is_some())
        .map(|w| w.not_before);
    let idle = session
        .ike(session.current)
        .is_some_and(|i| i.is_established() && i.window.is_idle());
    // A probe that is queued starts like any other task: when the IKE SA is free.
    let queued = session.tasks.iter().any(|w| w.task == Task::Dpd);
    let probe = dpd
        .filter(|_| idle && !queued && session.closing.is_none())
        .and_then(|d| liveness::probe_at(session, d));
    let keepalive = gateway.and_then(|g| liveness::keepalive_at(g, session));
    let pending = session.volatile.pending.as_ref().map(|p| p.until);
    let unused = gateway.and_then(|g| {
        let children = session.children.iter();
        children.filter_map(|c| idle_at(g, session, c)).min()
    });
    ikes.chain(children)
        .chain(waiting)
        .chain(probe)
        .chain(keepalive)
        .chain(pending)
        .chain(unused)
        .chain(reauth::deadline(session))
        .min()
        .filter(|t| *t != Time::MAX)
}
