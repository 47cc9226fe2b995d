//! The side that answers: the rekey of an IKE SA, wanted by the peer.

use ravelin_crypto::Secret;

use super::{retire, successor, switch};
use crate::crash;
use crate::error::{Fault, Reason, Stage};
use crate::keymat::{Seeds, Shared};
use crate::msg::Payload;
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::protocol;
use crate::outbox::Ctx;
use crate::proposal::{IkeChoice, answer as chosen, select_ike};
use crate::sa::child::{Collision, lowest};
use crate::sa::followup::{self, Exchanged, Goal};
use crate::sa::init::gateway_of;
use crate::sa::{
    Continuation, Exchange, Incoming, Parts, Refusal, Task, established, refuse, respond,
    respond_notify,
};
use crate::session::{MAX_IKE_SAS, Session};
use crate::stats::Count;
use crate::work::Job;

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

/// An IKE SA of the peer's but for its keys.
pub(crate) struct Made {
    choice: IkeChoice,
    lifetime_s: u32,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    spi: u64,
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
        return busy(ctx, session, ike, incoming);
    };
    let parts = Parts::of(payloads);
    let (Some(sa), Some(nonce), Some(ke)) = (parts.sa, parts.nonce, parts.ke) else {
        return established::syntax(
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
            return established::syntax(ctx, session, ike, incoming, Reason::Missing("SPI"));
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

/// Not now.
fn busy(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
) -> Result<(), Fault> {
    let notify = Notify::new(kind::TEMPORARY_FAILURE, &[]);
    respond_notify(ctx, session, ike, incoming, notify)
}

/// RFC 7296 section 2.25.2: not while a child is created, rekeyed or closed by us, nor on an IKE SA that is going.
fn obstacle(session: &Session, ike: u64) -> bool {
    let Some(sa) = session.ike(ike) else {
        return true;
    };
    let outstanding = sa.window.outstanding().map(|o| &o.exchange);
    // RFC 9370 section 2.2.4: when our own exchange has been answered, "a TEMPORARY_FAILURE notification MUST be sent".
    let busy = matches!(
        outstanding,
        Some(Exchange::Followup(_) | Exchange::Child(_) | Exchange::DeleteChild(_))
    );
    let full = session.ikes.len() >= MAX_IKE_SAS;
    busy || full || !sa.is_established() || session.current != ike || session.closing.is_some()
}

/// The first key exchange is done: the answer, with the new IKE SA unless there is more to exchange.
pub(crate) fn complete(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    answer: Answer,
    public: Vec<u8>,
    shared: Secret,
) -> Result<(), Fault> {
    let Answer {
        choice,
        lifetime_s,
        nonce_i,
        incoming,
    } = answer;
    let made = Made {
        choice,
        lifetime_s,
        nonce_i,
        spi: ctx.ike_spi()?,
        nonce_r: ctx.nonce()?,
    };
    let token = crash::offer(ctx, session, choice.spi, made.spi)?;
    let mut payloads = vec![
        Payload::Sa(chosen(
            choice.number,
            protocol::IKE,
            &made.spi.to_be_bytes(),
            choice.transforms(),
        )),
        Payload::Nonce(Nonce(made.nonce_r.clone())),
        Payload::Ke(Ke {
            group: choice.suite.dh().iana(),
            public,
        }),
    ];
    payloads.extend(token);
    let additional = choice.suite.additional();
    if additional.is_empty() {
        let shared = Shared::from(shared);
        return self::answer(ctx, session, ike, &incoming, made, &payloads, &shared);
    }
    if obstacle(session, ike) {
        return busy(ctx, session, ike, &incoming);
    }
    // Ours, if there is one, stops or goes on when it is answered.
    let sa = session.ike_mut(ike)?;
    if let Some(Exchange::RekeyIke(ours)) = sa.window.outstanding_mut().map(|o| &mut o.exchange) {
        ours.rival = Some(lowest(&made.nonce_i, &made.nonce_r).to_vec());
        ctx.stats.add(Count::Collision);
    }
    let goal = Goal::Ike(Box::new(made));
    let exchanged = Exchanged::first(additional, shared);
    followup::answer_more(ctx, session, ike, &incoming, (payloads, goal), exchanged)
}

/// All key exchanges are done: the new IKE SA, and the answer on the old one.
pub(crate) fn answer(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    made: Made,
    payloads: &[Payload],
    shared: &Shared,
) -> Result<(), Fault> {
    if obstacle(session, ike) {
        return busy(ctx, session, ike, incoming);
    }
    let seeds = Seeds {
        nonce_i: &made.nonce_i,
        nonce_r: &made.nonce_r,
        spi_i: made.choice.spi,
        spi_r: made.spi,
    };
    let new = successor(
        ctx,
        session,
        ike,
        made.choice.suite,
        shared,
        &seeds,
        false,
        made.lifetime_s,
    )?;
    respond(ctx, session, ike, incoming, payloads, None)?;
    session.tasks.retain(|w| w.task != Task::RekeyIke);
    let now = ctx.now;
    let sa = session.ike_mut(ike)?;
    match sa.window.outstanding_mut().map(|o| &mut o.exchange) {
        Some(Exchange::RekeyIke(ours)) => {
            ours.collision = Some(Collision {
                theirs: new,
                lowest: lowest(&made.nonce_i, &made.nonce_r).to_vec(),
            });
            ctx.stats.add(Count::Collision);
        }
        _ => retire(sa, now),
    }
    switch(ctx, session, new);
    Ok(())
}
