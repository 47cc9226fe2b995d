//! Whether the peer lives, and whether a NAT before us still knows us: probes (RFC 7296 section 2.4), how long an answer is
//! waited for, NAT keepalives (RFC 3948 section 4).
//!
//! What it does not: end the session (see [`super::tasks`]), or send keepalives itself: they carry no IKE message, so the
//! daemon does on [`EventKind::NatKeepalive`].

use std::time::Duration;

use ravelin_types::Time;

use super::init::gateway_of;
use super::{Exchange, mobike, request_within};
use crate::config::{Dpd, DpdMode, Gateway};
use crate::error::Fault;
use crate::event::EventKind;
use crate::msg::ExchangeType;
use crate::outbox::Ctx;
use crate::session::{PORT_NATT, Session};
use crate::stats::Count;
use crate::window::{GIVE_UP, Outstanding};

/// Whether messages reach us and leave us at all: the data plane carries them, and it may be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// The silence of a peer says nothing.
    Closed,
    /// What was asked before is taken as asked now.
    OpenSince(Time),
}

impl Default for Passage {
    fn default() -> Self {
        Passage::OpenSince(Time::default())
    }
}

/// What waits for an answer is sent again as soon as messages can pass again.
pub(crate) fn ask_again(session: &mut Session, now: Time) {
    for sa in &mut session.ikes {
        if let Some(o) = sa.window.outstanding_mut() {
            o.next_at = now;
        }
    }
}

/// Sends a probe.
pub(crate) fn probe(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let Some(dpd) = gateway_of(ctx, session).and_then(|g| g.dpd) else {
        return Ok(());
    };
    ctx.stats.add(Count::DpdSent);
    let payloads = mobike::probe_payloads(session, ike)?;
    request_within(
        ctx,
        session,
        ike,
        ExchangeType::Informational,
        &payloads,
        Exchange::Dpd,
        None,
        dpd.patience(),
    )
}

/// When the next liveness probe is due.
pub(crate) fn probe_at(session: &Session, dpd: Dpd) -> Option<Time> {
    session.established_at?;
    let Passage::OpenSince(open) = session.volatile.passage else {
        return None;
    };
    let silent_since = match dpd.mode {
        DpdMode::Optimized => session.volatile.unanswered_since?,
        DpdMode::ProbeIdle | DpdMode::AlwaysSend => session.last_inbound,
    };
    Some(silent_since.max(open) + dpd.interval)
}

/// When the peer that owes the answer to `o` is dead. The retransmissions of any request ask whether it lives, as a probe
/// does: with liveness detection the time is the configured one, counted from the last sign of life, ESP included; and it
/// ends also when the peer speaks but never answers. No peer is dead because we are deaf.
pub(crate) fn dead_at(dpd: Option<Dpd>, session: &Session, o: &Outstanding) -> Time {
    let Passage::OpenSince(open) = session.volatile.passage else {
        return Time::MAX;
    };
    let asked = o.sent_at.max(open);
    let Some(dpd) = dpd.filter(|_| session.established_at.is_some()) else {
        let lost: Duration = asked.since(o.sent_at);
        return o.give_up_at + lost;
    };
    let heard = session.last_inbound.max(asked);
    (heard + dpd.patience()).min(asked + dpd.patience().max(GIVE_UP))
}

/// When the next keepalive is due: never while something else is sent often enough.
pub(crate) fn keepalive_at(gateway: &Gateway, session: &Session) -> Option<Time> {
    let interval = gateway.nat_keepalive?;
    let behind = session.path.nat_local && session.path.local.port() == PORT_NATT;
    let wanted = behind && session.established_at.is_some() && session.closing.is_none();
    let last = session.volatile.sent_at.max(session.last_outbound);
    // After a restart nobody knows when something was sent.
    wanted.then(|| last.map_or(Time(0), |at| at + interval))
}

/// Sends a keepalive when it is due.
pub(crate) fn keep_alive(ctx: &mut Ctx<'_>, session: &mut Session) {
    let due = gateway_of(ctx, session).and_then(|g| keepalive_at(&g, session));
    if due.is_some_and(|at| at <= ctx.now) {
        session.volatile.sent_at = Some(ctx.now);
        ctx.stats.add(Count::NatKeepalive);
        ctx.event(EventKind::NatKeepalive {
            vrf: session.path.vrf,
            local: session.path.local,
            remote: session.path.remote,
        });
    }
}
