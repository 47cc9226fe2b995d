//! Reauthentication: another IKE SA, with IKE_AUTH, in the place of one that stands (RFC 7296 section 2.8.3, RFC 4478).
//!
//! ```text
//!   initiator   due --> a session beside the old one, with a child for each of its children
//!                       all there --> the old one is deleted, with its children
//!                       none comes of it --> the old one stays, and it is tried again until that one's life is over
//!   responder   AUTH_LIFETIME in IKE_AUTH --> time over --> the IKE SA is deleted
//!               a session of the same peer --> children stand by while the old session has the traffic
//! ```
//!
//! The new one is made before the old one is broken, so both ends hold pairs with the same selectors for a while. The responder's stand
//! by, as those of a rekey do: outbound traffic moves to them when the peer has used them, when the session that has it ends, or after
//! [`STAND_BY`], when the peer has only lost what it had and sends nothing.
//!
//! Sessions are set up and compared by the endpoint (`endpoint/reauth.rs`).

use std::time::Duration;

use ravelin_types::{ChildId, Time};

use super::init::gateway_of;
use super::{Parts, Task, tasks};
use crate::config::{Gateway, IKE_LIFETIME_S};
use crate::error::Fault;
use crate::event::EventKind;
use crate::msg::Payload;
use crate::msg::notify::{Notify, kind};
use crate::outbox::{Contact, Ctx};
use crate::session::{DownReasonStored, Session};

/// A child beside another session's stands by so long at most: a peer's verification of our proof and a retransmission of it.
pub(crate) const STAND_BY: Duration = Duration::from_secs(5);
/// What came to nothing is tried again after so long.
pub(crate) const RETRY: Duration = Duration::from_secs(15);
/// A peer cannot ask for more than one authentication in so long.
const LEAST_LIFETIME_S: u32 = 10;

/// Whether the next rekey of the IKE SA is to be an authentication. Only the original initiator can make it (RFC 7296 section 2.8.3).
pub(crate) fn is_due(ctx: &Ctx<'_>, session: &Session) -> bool {
    let frequency = gateway_of(ctx, session).map_or(0, |g| g.reauth_frequency);
    session.initiator && frequency > 0 && session.rekeys + 1 >= frequency
}

/// The IKE SA was rekeyed. When the peer has made the rekey that ours would have been, ours follows.
pub(crate) fn after_rekey(ctx: &Ctx<'_>, session: &mut Session) {
    let frequency = gateway_of(ctx, session).map_or(0, |g| g.reauth_frequency);
    if session.initiator && frequency > 0 && session.rekeys >= frequency {
        session.want(Task::Reauthenticate, ctx.now);
    }
}

/// Has the endpoint set up a session, unless it is doing so; and tried again when nothing came of it.
pub(crate) fn begin(ctx: &mut Ctx<'_>, session: &mut Session) {
    if session.volatile.successor.is_none() {
        ctx.out.reauthenticating.push(session.id);
    }
    schedule(session, ctx.now + RETRY);
}

fn schedule(session: &mut Session, at: Time) {
    session.tasks.retain(|w| w.task != Task::Reauthenticate);
    session.want(Task::Reauthenticate, at);
}

/// RFC 4478 section 3: the responder says how long its authentication is good for, and deletes the IKE SA after that.
pub(crate) fn announce(ctx: &Ctx<'_>, session: &mut Session, gateway: &Gateway) -> Option<Payload> {
    let used = session.ike(session.current).and_then(|sa| sa.suite);
    let used = gateway.proposals.iter().find(|p| Some(p.suite) == used);
    let lifetime_s = used.map_or(IKE_LIFETIME_S, |p| p.lifetime_s);
    let seconds = lifetime_s.checked_mul(gateway.reauth_frequency)?;
    if seconds == 0 {
        return None;
    }
    session.authentic_until = Some(ctx.now + Duration::from_secs(seconds.into()));
    let notify = Notify::new(kind::AUTH_LIFETIME, &seconds.to_be_bytes());
    Some(Payload::Notify(notify))
}

/// RFC 4478 section 3: the initiator authenticates anew before the time that the responder has told is over.
pub(crate) fn heed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    parts: &Parts<'_>,
) -> Result<(), Fault> {
    let told = parts.notify(kind::AUTH_LIFETIME);
    let told = told.filter(|_| session.initiator && session.closing.is_none());
    let Some(seconds) = told.and_then(|n| n.data.as_slice().try_into().ok()) else {
        return Ok(());
    };
    let seconds = u32::from_be_bytes(seconds).max(LEAST_LIFETIME_S);
    let due = ctx.lifetime(seconds, true)?.soft_at;
    schedule(session, due);
    Ok(())
}

/// Ends what was not authenticated anew in time, and moves traffic to children that have stood by long enough.
pub(crate) fn on_timeout(ctx: &mut Ctx<'_>, session: &mut Session) {
    let now = ctx.now;
    if session.authentic_until.take_if(|at| *at <= now).is_some() {
        tasks::close(session, DownReasonStored::AuthenticationExpired, now);
    }
    let moved = stop_standing_by(session, |until| until <= now);
    if !moved.is_empty() {
        carries(ctx, session);
    }
    let moved = moved.into_iter().map(EventKind::ChildActivateOutbound);
    moved.for_each(|event| ctx.event(event));
}

/// The traffic of the peer has moved to this session: the others that stood beside it may go.
pub(crate) fn carries(ctx: &mut Ctx<'_>, session: &mut Session) {
    if std::mem::take(&mut session.volatile.beside) {
        ctx.out.authenticated.push(Contact {
            session: session.id,
            initial: false,
        });
    }
}

/// Children that stand by until such a time do so no more; they are to be told to the data plane.
pub(crate) fn stop_standing_by(session: &mut Session, over: impl Fn(Time) -> bool) -> Vec<ChildId> {
    let mut moved = Vec::new();
    for child in &mut session.children {
        if child
            .stands_by_until
            .take_if(|until| over(*until))
            .is_some()
            && child.is_installed()
        {
            child.active = true;
            moved.push(child.id);
        }
    }
    session.volatile.dirty |= !moved.is_empty();
    moved
}

/// When [`on_timeout`] has something to do.
pub(crate) fn deadline(session: &Session) -> Option<Time> {
    let standing_by = session.children.iter().filter_map(|c| c.stands_by_until);
    standing_by.chain(session.authentic_until).min()
}
