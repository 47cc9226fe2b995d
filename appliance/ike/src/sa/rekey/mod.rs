//! Rekeying the IKE SA by CREATE_CHILD_SA (RFC 7296 sections 1.3.2, 2.8 and 2.18).
//!
//! The session's children belong to whichever IKE SA is current. Of two simultaneous rekeys the new IKE SA of the exchange
//! with the lowest of the four nonces is redundant and deleted by its maker; the other side deletes the old one
//! (section 2.8.2). Until that is decided nothing else is started.

pub(crate) mod answer;
pub(crate) mod start;

use ravelin_types::{IkeSuite, Time};

pub(crate) use answer::Answer;
pub(crate) use start::{Reply, Requested};

use super::init::gateway_of;
use super::{State, Task, reauth, tasks};
use crate::error::Fault;
use crate::event::{EventKind, IkeId, SessionId};
use crate::keymat::{IkeKeys, Seeds, Shared};
use crate::outbox::Ctx;
use crate::session::{IkeSa, Session};
use crate::stats::Count;
use crate::timers::REPLACED_LIFETIME;

/// Makes the new IKE SA and adds it to the session.
#[allow(clippy::too_many_arguments)] // the exchange's parts; a struct would only rename them
fn successor(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    old: u64,
    suite: IkeSuite,
    shared: &Shared,
    seeds: &Seeds<'_>,
    initiator: bool,
    lifetime_s: u32,
) -> Result<u64, Fault> {
    let old = session.ike_mut(old)?;
    // Negotiated once, in the IKE_SA_INIT of the first one (RFC 7383 section 2.3).
    let fragmentation = old.fragmentation;
    let keys = IkeKeys::rekeyed(suite, old.suite()?.prf(), &old.keys()?.d, shared, seeds)?;
    let lifetime = ctx.lifetime(lifetime_s, initiator)?;
    let id = ctx.out.new_id();
    let mut sa = IkeSa::new(id, initiator, State::Established, ctx.now);
    (sa.spi_i, sa.spi_r) = (seeds.spi_i, seeds.spi_r);
    (sa.suite, sa.keys) = (Some(suite), Some(keys));
    (sa.soft_at, sa.hard_at) = (lifetime.soft_at, lifetime.hard_at);
    sa.fragmentation = fragmentation;
    session.add_ike(sa);
    session.volatile.dirty = true;
    Ok(id)
}

/// Our own exchanges move to this IKE SA.
fn switch(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) {
    tasks::make_current(session, ike, ctx.now);
    ctx.stats.add(Count::IkeRekeyed);
    session.rekeys = session.rekeys.saturating_add(1);
    if gateway_of(ctx, session).is_some_and(|g| g.request_window > 1) {
        session.want(Task::TellWindow, ctx.now);
    }
    reauth::after_rekey(ctx, session);
    ctx.event(EventKind::IkeRekeyed {
        session: SessionId(session.id),
        ike: IkeId(ike),
    });
}

/// This IKE SA waits for the peer's delete.
fn retire(sa: &mut IkeSa, now: Time) {
    sa.state = State::Replaced;
    (sa.soft_at, sa.hard_at) = (Time::MAX, Time::MAX);
    sa.expires_at = Some(now + REPLACED_LIFETIME);
}
