//! The side that starts: the rekey of an IKE SA, wanted by us.

use ravelin_crypto::{DhPrivate, Secret};
use ravelin_types::{AdditionalKe, DhGroup, Time};
use serde::{Deserialize, Serialize};

use super::{retire, successor, switch};
use crate::config::Gateway;
use crate::crash;
use crate::error::{Fault, Reason, Stage};
use crate::keymat::{Seeds, Shared};
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::kind;
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{IkeChoice, is_one_suite, offer_ike, select_ike};
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::sa::auth::initiator::set_answered;
use crate::sa::child::{Collision, lowest};
use crate::sa::followup::{self, Exchanged};
use crate::sa::init::gateway_of;
use crate::sa::{Continuation, Exchange, Parts, State, Task, request, tasks};
use crate::session::{DownReasonStored, MAX_IKE_SAS, Session};
use crate::stats::Discard;
use crate::timers::{CHILD_RETRY, FOLLOWUP_LIFETIME};
use crate::work::Job;

/// A request of ours under way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Requested {
    spi: u64,
    nonce: Vec<u8>,
    dh: StoredDh,
    pub(crate) collision: Option<Collision<u64>>,
    /// The lower nonce of an exchange of the peer's that is to rekey it too, with more key exchanges to come.
    pub(crate) rival: Option<Vec<u8>>,
}

impl Requested {
    /// Whether the peer's exchange stands and ours does not (RFC 7296 section 2.8.2).
    pub(crate) fn loses(&self, nonce_r: &[u8]) -> bool {
        let theirs = self.collision.as_ref().map(|c| &c.lowest);
        let theirs = theirs.or(self.rival.as_ref());
        theirs.is_some_and(|theirs| lowest(&self.nonce, nonce_r) < theirs.as_slice())
    }
}

/// A response whose key exchange is running.
pub(crate) struct Reply {
    additional: AdditionalKe,
    payloads: Vec<Payload>,
}

/// Starts: the key pair of the suite in use first. False: there is nothing to do.
pub(crate) fn begin(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<bool, Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        return Ok(false);
    };
    let used = session.ike_mut(ike)?.suite()?.dh();
    let offered = gateway.proposals.iter().any(|p| p.suite.dh() == used);
    let group = if offered {
        Some(used)
    } else {
        gateway.proposals.first().map(|p| p.suite.dh())
    };
    let Some(group) = group.filter(|_| session.ikes.len() < MAX_IKE_SAS) else {
        return Ok(false);
    };
    generate(ctx, session, ike, group)?;
    Ok(true)
}

fn generate(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    group: DhGroup,
) -> Result<(), Fault> {
    ctx.work(session, ike, Job::Generate(group), Continuation::IkeStart)?;
    session.ike_mut(ike)?.preparing = Some(Task::RekeyIke);
    Ok(())
}

/// The key pair is there: sends the request.
pub(crate) fn send(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    dh: DhPrivate,
) -> Result<(), Fault> {
    session.tasks.retain(|w| w.task != Task::RekeyIke);
    session.volatile.dirty = true;
    let Some(gateway) = gateway_of(ctx, session) else {
        return Ok(());
    };
    let requested = Requested {
        spi: ctx.ike_spi()?,
        nonce: ctx.nonce()?,
        dh: StoredDh(dh),
        collision: None,
        rival: None,
    };
    let payloads = [
        Payload::Sa(offer_ike(&gateway.proposals, &requested.spi.to_be_bytes())),
        Payload::Nonce(Nonce(requested.nonce.clone())),
        Payload::Ke(Ke {
            group: requested.dh.0.group().iana(),
            public: requested.dh.0.public().to_vec(),
        }),
    ];
    let exchange = Exchange::RekeyIke(Box::new(requested));
    request(
        ctx,
        session,
        ike,
        ExchangeType::CreateChildSa,
        &payloads,
        exchange,
    )
}

/// Handles the response to our request.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: Vec<Payload>,
) -> Result<(), Fault> {
    let parts = Parts::of(&payloads);
    let Some(gateway) = gateway_of(ctx, session) else {
        return failed(ctx, session, ike, None, Reason::Missing("gateway"));
    };
    if let Some(n) = parts.error() {
        let wanted = <[u8; 2]>::try_from(n.data.as_slice())
            .ok()
            .map(u16::from_be_bytes)
            .and_then(DhGroup::from_iana);
        let group = wanted.filter(|group| gateway.proposals.iter().any(|p| p.suite.dh() == *group));
        if let (kind::INVALID_KE_PAYLOAD, Some(group)) = (n.kind, group) {
            session.ike_mut(ike)?.window.close();
            session.want(Task::RekeyIke, ctx.now);
            return generate(ctx, session, ike, group);
        }
        let reason = Reason::Refused {
            name: error_name(n.kind),
            number: n.kind,
        };
        return failed(ctx, session, ike, Some(n.kind), reason);
    }
    let outstanding = session.ike_mut(ike)?.window.outstanding();
    let Some(Exchange::RekeyIke(ours)) = outstanding.map(|o| &o.exchange) else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let dh = ours.dh.0.clone();
    let (additional, public) = match check(&gateway, dh.group(), &parts) {
        Ok((choice, _, public)) => (choice.suite.additional(), public.to_vec()),
        Err(reason) => return failed(ctx, session, ike, None, reason),
    };
    let reply = Reply {
        additional,
        payloads,
    };
    let then = Continuation::IkeAgree(Box::new(reply));
    ctx.work(session, ike, Job::Agree(dh, public), then)?;
    set_answered(session, ike, true)
}

/// What a response chose, its nonce and its key exchange value.
fn check<'a>(
    gateway: &Gateway,
    group: DhGroup,
    parts: &Parts<'a>,
) -> Result<(IkeChoice, &'a [u8], &'a [u8]), Reason> {
    let (Some(sa), Some(nonce), Some(ke)) = (parts.sa, parts.nonce, parts.ke) else {
        return Err(Reason::Missing("SA, Nonce or KE"));
    };
    match select_ike(sa, &gateway.proposals, 8) {
        Ok(c)
            if is_one_suite(sa)
                && c.spi != 0
                && c.suite.dh() == group
                && ke.group == group.iana() =>
        {
            Ok((c, &nonce.0, &ke.public))
        }
        _ => Err(Reason::NotOffered("a suite")),
    }
}

/// The secret of the response is there: further key exchanges, or the new IKE SA.
pub(crate) fn agreed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: Secret,
) -> Result<(), Fault> {
    let outstanding = session.ike_mut(ike)?.window.outstanding();
    let Some(Exchange::RekeyIke(_)) = outstanding.map(|o| &o.exchange) else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    if !reply.additional.is_empty() {
        let exchanged = Exchanged::first(reply.additional, shared);
        return match followup::begin(ctx, session, ike, reply.payloads, exchanged)? {
            Ok(()) => Ok(()),
            Err(reason) => failed(ctx, session, ike, None, reason),
        };
    }
    let Some(Exchange::RekeyIke(ours)) = session.ike_mut(ike)?.window.close() else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let shared = Shared::from(shared);
    make(ctx, session, ike, *ours, &reply.payloads, &shared)
}

/// All key exchanges are done: the new IKE SA stands unless its exchange lost against the peer's.
pub(crate) fn make(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    ours: Requested,
    payloads: &[Payload],
    shared: &Shared,
) -> Result<(), Fault> {
    let parts = Parts::of(payloads);
    let Some(gateway) = gateway_of(ctx, session) else {
        let reason = Reason::Missing("gateway");
        return ended(ctx, session, ike, ours, None, reason);
    };
    let (choice, nonce_r) = match check(&gateway, ours.dh.0.group(), &parts) {
        Ok((choice, nonce, _)) => (choice, nonce),
        // The configuration changed meanwhile.
        Err(reason) => return ended(ctx, session, ike, ours, None, reason),
    };
    let proposal = gateway.proposals.get(choice.ours);
    let lifetime_s = proposal.map_or(crate::config::IKE_LIFETIME_S, |p| p.lifetime_s);
    let seeds = Seeds {
        nonce_i: &ours.nonce,
        nonce_r,
        spi_i: ours.spi,
        spi_r: choice.spi,
    };
    let new = successor(
        ctx,
        session,
        ike,
        choice.suite,
        shared,
        &seeds,
        true,
        lifetime_s,
    )?;
    crash::keep(session.ike_mut(new)?, &parts);
    if gateway_of(ctx, session).is_some_and(|g| g.quick_crash_detection) {
        session.want(Task::TellToken, ctx.now);
    }
    let now = ctx.now;
    let lost = ours.loses(nonce_r);
    if ours.rival.is_some() && ours.collision.is_none() {
        if lost {
            // What the peer makes is not there yet.
            retire(session.ike_mut(new)?, now);
            session.want(Task::DeleteIke(new), now);
            session.want(Task::RekeyIke, now + FOLLOWUP_LIFETIME);
            return Ok(());
        }
        followup::forget(ctx, session);
    }
    let Some(collision) = ours.collision.filter(|c| session.ike(c.theirs).is_some()) else {
        switch(ctx, session, new);
        session.want(Task::DeleteIke(ike), now);
        retire(session.ike_mut(ike)?, now);
        return Ok(());
    };
    let old = session.ike_mut(ike)?;
    let gone = matches!(old.state, State::Failed);
    if gone {
        session.drop_ike(ike);
    } else {
        retire(old, now);
    }
    if lost {
        // Ours is redundant and we made it; the peer deletes the old one.
        retire(session.ike_mut(new)?, now);
        session.want(Task::DeleteIke(new), now);
    } else {
        switch(ctx, session, new);
        retire(session.ike_mut(collision.theirs)?, now);
        if !gone {
            session.want(Task::DeleteIke(ike), now);
        }
    }
    Ok(())
}

/// Both ends rekey the IKE SA, and the peer's exchange stands: ours makes none.
pub(crate) fn stop(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    ours: &Requested,
) -> Result<(), Fault> {
    let now = ctx.now;
    session.volatile.dirty = true;
    let made = ours.collision.as_ref();
    if made.is_some_and(|c| session.ike(c.theirs).is_some()) {
        return give_way(session, ike, now);
    }
    // If the peer does not go on, we do after all.
    session.want(Task::RekeyIke, now + FOLLOWUP_LIFETIME);
    Ok(())
}

/// The peer's new IKE SA stands: the old one waits for its deletion.
fn give_way(session: &mut Session, ike: u64, now: Time) -> Result<(), Fault> {
    let old = session.ike_mut(ike)?;
    if matches!(old.state, State::Failed) {
        session.drop_ike(ike);
    } else {
        retire(old, now);
    }
    Ok(())
}

fn failed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    number: Option<u16>,
    reason: Reason,
) -> Result<(), Fault> {
    match session.ike_mut(ike)?.window.close() {
        Some(Exchange::RekeyIke(ours)) => ended(ctx, session, ike, *ours, number, reason),
        _ => Err(Fault::Discard(Discard::WrongExchange)),
    }
}

/// No IKE SA comes of the request; these payloads may say why.
pub(crate) fn fail(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    ours: Requested,
    payloads: &[Payload],
    reason: Reason,
) -> Result<(), Fault> {
    let number = Parts::of(payloads).error().map(|n| n.kind);
    ended(ctx, session, ike, ours, number, reason)
}

fn ended(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    ours: Requested,
    number: Option<u16>,
    reason: Reason,
) -> Result<(), Fault> {
    let now = ctx.now;
    session.volatile.dirty = true;
    if ours
        .collision
        .is_some_and(|c| session.ike(c.theirs).is_some())
    {
        return give_way(session, ike, now);
    }
    if number == Some(kind::TEMPORARY_FAILURE) {
        return tasks::refused(ctx, session, Task::RekeyIke);
    }
    let remote = session.path.remote;
    ctx.failure(session, remote, Stage::IkeRekey, reason);
    if number.is_none() {
        tasks::close(session, DownReasonStored::Protocol, now);
    } else if number == Some(kind::NO_ADDITIONAL_SAS) {
        // Section 4: "the implementation MUST be capable of instead deleting the old SA and creating a new one".
        tasks::close(session, DownReasonStored::Expired, now);
    } else {
        session.want(Task::RekeyIke, now + CHILD_RETRY);
    }
    Ok(())
}
