//! Rekeying the IKE SA by CREATE_CHILD_SA (RFC 7296 sections 1.3.2, 2.8 and 2.18).
//!
//! The session's children belong to whichever IKE SA is current. Of two simultaneous rekeys the new IKE SA of the exchange
//! with the lowest of the four nonces is redundant and deleted by its maker; the other side deletes the old one
//! (section 2.8.2). Until that is decided nothing else is started.

use ravelin_crypto::{DhPrivate, Secret};
use ravelin_types::{DhGroup, IkeSuite, Time};
use serde::{Deserialize, Serialize};

use super::child::{Collision, lowest};
use super::init::gateway_of;
use super::{
    Continuation, Exchange, Incoming, Parts, Refusal, State, Task, refuse, request, respond,
    respond_notify, tasks,
};
use crate::crash;
use crate::error::{Fault, Reason, Stage};
use crate::event::{EventKind, IkeId, SessionId};
use crate::keymat::{IkeKeys, Seeds};
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::protocol;
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{
    IkeChoice, answer as chosen, ike_transforms, is_one_suite, offer_ike, select_ike,
};
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::session::{DownReasonStored, IkeSa, MAX_IKE_SAS, Session};
use crate::stats::{Count, Discard};
use crate::timers::{CHILD_RETRY, REPLACED_LIFETIME};
use crate::work::Job;

/// A request of ours under way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Requested {
    spi: u64,
    nonce: Vec<u8>,
    dh: StoredDh,
    pub(crate) collision: Option<Collision<u64>>,
}

/// A response whose key exchange is running.
pub(crate) struct Reply {
    choice: IkeChoice,
    nonce_r: Vec<u8>,
    /// The peer's token of the new IKE SA (RFC 6290).
    token: Option<Payload>,
}

/// A request whose key exchange is running.
pub(crate) struct Answer {
    choice: IkeChoice,
    lifetime_s: u32,
    nonce_i: Vec<u8>,
    incoming: Incoming,
}

impl Answer {
    pub(crate) fn incoming(&self) -> &Incoming {
        &self.incoming
    }
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

/// Handles a CREATE_CHILD_SA request that rekeys the IKE SA.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &[Payload],
) -> Result<(), Fault> {
    let gateway = gateway_of(ctx, session);
    let (Some(gateway), false) = (gateway, obstacle(session, ike)) else {
        return respond_notify(
            ctx,
            session,
            ike,
            incoming,
            Notify::new(kind::TEMPORARY_FAILURE, &[]),
        );
    };
    let parts = Parts::of(payloads);
    let (Some(sa), Some(nonce), Some(ke)) = (parts.sa, parts.nonce, parts.ke) else {
        return super::established::syntax(
            ctx,
            session,
            ike,
            incoming,
            Reason::Missing("SA, Nonce or KE"),
        );
    };
    let choice = match select_ike(sa, &gateway.proposals, 8) {
        Ok(choice) if choice.spi != 0 => choice,
        Ok(_) => {
            return super::established::syntax(ctx, session, ike, incoming, Reason::Missing("SPI"));
        }
        Err(mismatch) => {
            let refusal = Refusal::new(
                Stage::IkeRekey,
                kind::NO_PROPOSAL_CHOSEN,
                Reason::Proposal(mismatch),
            );
            return refuse(ctx, session, ike, incoming, refusal);
        }
    };
    let group = choice.suite.dh();
    if ke.group != group.iana() {
        ctx.stats.add(Count::InvalidKe);
        let notify = Notify::new(kind::INVALID_KE_PAYLOAD, &group.iana().to_be_bytes());
        return respond_notify(ctx, session, ike, incoming, notify);
    }
    let lifetime_s = gateway
        .proposals
        .get(choice.ours)
        .map_or(crate::config::IKE_LIFETIME_S, |p| p.lifetime_s);
    let answer = Answer {
        choice,
        lifetime_s,
        nonce_i: nonce.0.clone(),
        incoming: *incoming,
    };
    let job = Job::GenerateAndAgree(group, ke.public.clone());
    ctx.work(session, ike, job, Continuation::IkeAnswer(Box::new(answer)))?;
    session.ike_mut(ike)?.window.answering = true;
    Ok(())
}

/// RFC 7296 section 2.25.2: not while a child is created, rekeyed or closed by us, nor on an IKE SA that is going.
fn obstacle(session: &Session, ike: u64) -> bool {
    let Some(sa) = session.ike(ike) else {
        return true;
    };
    let outstanding = sa.window.outstanding().map(|o| &o.exchange);
    let busy = matches!(
        outstanding,
        Some(Exchange::Child(_) | Exchange::DeleteChild(_))
    );
    let full = session.ikes.len() >= MAX_IKE_SAS;
    busy || full || !sa.is_established() || session.current != ike || session.closing.is_some()
}

/// The key exchange is done: the new IKE SA, and the answer on the old one.
pub(crate) fn complete(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    answer: Answer,
    public: Vec<u8>,
    shared: &Secret,
) -> Result<(), Fault> {
    let Answer {
        choice,
        lifetime_s,
        nonce_i,
        incoming,
    } = answer;
    if obstacle(session, ike) {
        return respond_notify(
            ctx,
            session,
            ike,
            &incoming,
            Notify::new(kind::TEMPORARY_FAILURE, &[]),
        );
    }
    let (spi, nonce_r) = (ctx.ike_spi()?, ctx.nonce()?);
    let seeds = Seeds {
        nonce_i: &nonce_i,
        nonce_r: &nonce_r,
        spi_i: choice.spi,
        spi_r: spi,
    };
    let new = successor(
        ctx,
        session,
        ike,
        choice.suite,
        shared,
        &seeds,
        false,
        lifetime_s,
    )?;
    let token = crash::offer(ctx, session, choice.spi, spi)?;
    let mut payloads = vec![
        Payload::Sa(chosen(
            choice.number,
            protocol::IKE,
            &spi.to_be_bytes(),
            choice.nones.with(ike_transforms(choice.suite)),
        )),
        Payload::Nonce(Nonce(nonce_r.clone())),
        Payload::Ke(Ke {
            group: choice.suite.dh().iana(),
            public,
        }),
    ];
    payloads.extend(token);
    respond(ctx, session, ike, &incoming, &payloads, None)?;
    session.tasks.retain(|w| w.task != Task::RekeyIke);
    let now = ctx.now;
    let sa = session.ike_mut(ike)?;
    match sa.window.outstanding_mut().map(|o| &mut o.exchange) {
        Some(Exchange::RekeyIke(ours)) => {
            ours.collision = Some(Collision {
                theirs: new,
                lowest: lowest(&nonce_i, &nonce_r).to_vec(),
            });
            ctx.stats.add(Count::Collision);
        }
        _ => retire(sa, now),
    }
    switch(ctx, session, new);
    Ok(())
}

/// Makes the new IKE SA and adds it to the session.
#[allow(clippy::too_many_arguments)] // the exchange's parts; a struct would only rename them
fn successor(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    old: u64,
    suite: IkeSuite,
    shared: &Secret,
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

/// Handles the response to our request.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: &[Payload],
) -> Result<(), Fault> {
    let parts = Parts::of(payloads);
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
    let Some(Exchange::RekeyIke(ours)) = session
        .ike_mut(ike)?
        .window
        .outstanding()
        .map(|o| &o.exchange)
    else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let dh = ours.dh.0.clone();
    let (Some(sa), Some(nonce), Some(ke)) = (parts.sa, parts.nonce, parts.ke) else {
        return failed(ctx, session, ike, None, Reason::Missing("SA, Nonce or KE"));
    };
    let choice = match select_ike(sa, &gateway.proposals, 8) {
        Ok(c)
            if is_one_suite(sa)
                && c.spi != 0
                && c.suite.dh() == dh.group()
                && ke.group == c.suite.dh().iana() =>
        {
            c
        }
        _ => return failed(ctx, session, ike, None, Reason::NotOffered("a suite")),
    };
    let token = parts.notify(kind::QCD_TOKEN).cloned();
    let reply = Reply {
        choice,
        nonce_r: nonce.0.clone(),
        token: token.map(Payload::Notify),
    };
    ctx.work(
        session,
        ike,
        Job::Agree(dh, ke.public.clone()),
        Continuation::IkeAgree(Box::new(reply)),
    )?;
    if let Some(o) = session.ike_mut(ike)?.window.outstanding_mut() {
        o.answered = true;
    }
    Ok(())
}

/// The secret is there: the new IKE SA stands unless its exchange lost against the peer's.
pub(crate) fn conclude(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: &Secret,
) -> Result<(), Fault> {
    let Some(Exchange::RekeyIke(ours)) = session.ike_mut(ike)?.window.close() else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let proposal =
        gateway_of(ctx, session).and_then(|g| g.proposals.get(reply.choice.ours).copied());
    let lifetime_s = proposal.map_or(crate::config::IKE_LIFETIME_S, |p| p.lifetime_s);
    let seeds = Seeds {
        nonce_i: &ours.nonce,
        nonce_r: &reply.nonce_r,
        spi_i: ours.spi,
        spi_r: reply.choice.spi,
    };
    let new = successor(
        ctx,
        session,
        ike,
        reply.choice.suite,
        shared,
        &seeds,
        true,
        lifetime_s,
    )?;
    crash::keep(session.ike_mut(new)?, &Parts::of(reply.token.as_slice()));
    if gateway_of(ctx, session).is_some_and(|g| g.quick_crash_detection) {
        session.want(Task::TellToken, ctx.now);
    }
    let now = ctx.now;
    let Some(collision) = ours.collision.filter(|c| session.ike(c.theirs).is_some()) else {
        switch(ctx, session, new);
        session.want(Task::DeleteIke(ike), now);
        retire(session.ike_mut(ike)?, now);
        return Ok(());
    };
    let lost = lowest(&ours.nonce, &reply.nonce_r) < collision.lowest.as_slice();
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

fn failed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    number: Option<u16>,
    reason: Reason,
) -> Result<(), Fault> {
    let now = ctx.now;
    let sa = session.ike_mut(ike)?;
    let ours = match sa.window.close() {
        Some(Exchange::RekeyIke(ours)) => ours,
        _ => return Err(Fault::Discard(Discard::WrongExchange)),
    };
    session.volatile.dirty = true;
    if ours
        .collision
        .is_some_and(|c| session.ike(c.theirs).is_some())
    {
        // The peer's rekey stands.
        let old = session.ike_mut(ike)?;
        if matches!(old.state, State::Failed) {
            session.drop_ike(ike);
        } else {
            retire(old, now);
        }
        return Ok(());
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
