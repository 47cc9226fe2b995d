//! The side that answers: a new child SA, or the rekey of one, wanted by the peer.

use ravelin_crypto::Secret;
use ravelin_types::{ChildId, IpsecMode, IpsecProtocol, Spi};

use super::{Agreed, Collision, Context, Fresh, New, Offer, add, lowest, negotiate, resource};
use crate::environment::EnvironmentError;
use crate::error::{Fault, Reason, Stage};
use crate::keymat::Shared;
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{answer as chosen, protocol_id, protocol_of};
use crate::sa::followup::{self, Exchanged, Goal};
use crate::sa::init::gateway_of;
use crate::sa::{
    Continuation, Exchange, Incoming, Parts, Refusal, Task, refuse, respond, respond_notify,
};
use crate::selector;
use crate::session::{ChildState, MAX_CHILDREN, Session};
use crate::stats::{Count, Discard};
use crate::timers::REPLACED_LIFETIME;
use crate::work::Job;

/// A request whose key exchange is running.
pub(crate) struct Answer {
    agreed: Agreed,
    nonce_i: Vec<u8>,
    old: Option<ChildId>,
    /// What REKEY_SA named: protocol and the peer's SPI.
    named: Option<(IpsecProtocol, u32)>,
    incoming: Incoming,
}

impl Answer {
    pub(crate) fn incoming(&self) -> &Incoming {
        &self.incoming
    }
}

/// A child of the peer's but for its keys.
pub(crate) struct Made {
    agreed: Agreed,
    spi_in: Spi,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    old: Option<ChildId>,
    named: Option<(IpsecProtocol, u32)>,
}

impl Made {
    pub(crate) fn spi_in(&self) -> Spi {
        self.spi_in
    }

    /// The payloads that say what was agreed on: SA, [Nr, KEr,] TSi, TSr.
    fn payloads(&self, public: Option<Vec<u8>>) -> Vec<Payload> {
        let Agreed {
            choice,
            narrowed,
            mode,
            ..
        } = &self.agreed;
        let mut payloads = vec![Payload::Sa(chosen(
            choice.number,
            protocol_id(choice.suite.protocol),
            &self.spi_in.0.to_be_bytes(),
            choice.transforms(),
        ))];
        if let Some((methods, public)) = choice.dh.zip(public) {
            payloads.push(Payload::Ke(Ke {
                group: methods.first.iana(),
                public,
            }));
        }
        payloads.push(Payload::TsI(selector::to_wire(&narrowed.remote)));
        payloads.push(Payload::TsR(selector::to_wire(&narrowed.local)));
        if *mode == IpsecMode::Transport {
            payloads.push(Payload::Notify(Notify::new(kind::USE_TRANSPORT_MODE, &[])));
        }
        payloads.extend(self.agreed.resource.as_ref().map(|_| resource::notify()));
        payloads
    }

    /// Adds the child to the session.
    fn add(
        self,
        ctx: &mut Ctx<'_>,
        session: &mut Session,
        ike: u64,
        shared: Option<&Shared>,
    ) -> Result<ChildId, Fault> {
        let Agreed {
            vpn,
            choice,
            life,
            narrowed,
            mode,
            tfc_refused,
            resource,
        } = self.agreed;
        let new = New {
            vpn,
            spi_in: self.spi_in,
            spi_out: choice.spi,
            suite: choice.suite,
            mode,
            local_ts: narrowed.local,
            remote_ts: narrowed.remote,
            life,
            initiator: false,
            active: self.old.is_none() && !session.volatile.beside,
            replaces: self.old,
            tfc_refused,
            resource,
            install: true,
        };
        let fresh = Fresh {
            nonce_i: &self.nonce_i,
            nonce_r: &self.nonce_r,
            shared,
        };
        add(ctx, session, ike, new, &fresh)
    }
}

/// The child SA of an IKE_AUTH request; its nonces are those of IKE_SA_INIT.
pub(crate) fn answer_in_auth(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    agreed: Agreed,
    nonce_i: &[u8],
    nonce_r: &[u8],
) -> Result<Result<(Vec<Payload>, ChildId), Refusal>, Fault> {
    let spi_in = match ctx.env.allocate_child_spi() {
        Ok(spi) => spi,
        Err(e) => return Ok(Err(no_spi(Stage::Auth, e))),
    };
    let made = Made {
        agreed,
        spi_in,
        nonce_i: nonce_i.to_vec(),
        nonce_r: nonce_r.to_vec(),
        old: None,
        named: None,
    };
    let payloads = made.payloads(None);
    let id = made.add(ctx, session, ike, None)?;
    Ok(Ok((payloads, id)))
}

fn no_spi(stage: Stage, error: EnvironmentError) -> Refusal {
    Refusal::new(stage, kind::NO_ADDITIONAL_SAS, Reason::Environment(error))
}

/// Handles a CREATE_CHILD_SA request for a child.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &[Payload],
) -> Result<(), Fault> {
    let parts = Parts::of(payloads);
    let named = parts.notify(kind::REKEY_SA).and_then(|n| {
        // Some leave the protocol of an ESP SA out.
        let protocol = protocol_of(n.protocol).unwrap_or_default();
        Some((protocol, n.child_spi()?))
    });
    if let Some(notify) = obstacle(session, ike, named) {
        return respond_notify(ctx, session, ike, incoming, notify);
    }
    let old = named
        .and_then(|(protocol, spi)| session.child_by_peer_spi(protocol, spi))
        .map(|c| c.id);
    if session.children.len() >= MAX_CHILDREN {
        let reason = Reason::TooManyChildren(session.children.len());
        let refusal = Refusal::new(Stage::Child, kind::NO_ADDITIONAL_SAS, reason);
        return refuse(ctx, session, ike, incoming, refusal);
    }
    let (Some(sa), Some(nonce), Some(ts_i), Some(ts_r)) =
        (parts.sa, parts.nonce, parts.ts_i, parts.ts_r)
    else {
        return crate::sa::established::syntax(
            ctx,
            session,
            ike,
            incoming,
            Reason::Missing("SA, Nonce or TS"),
        );
    };
    let Some(gateway) = gateway_of(ctx, session) else {
        return respond_notify(
            ctx,
            session,
            ike,
            incoming,
            Notify::new(kind::TEMPORARY_FAILURE, &[]),
        );
    };
    let offer = Offer {
        sa,
        ts_i,
        ts_r,
        transport: parts.wants_transport(),
        tfc_refused: parts.refuses_tfc(),
        resource: resource::of(&parts),
        rekeys: old.and_then(|id| session.child(id)),
    };
    let agreed = negotiate(&gateway, &session.ends(), &offer, Context::Create);
    let agreed = agreed.and_then(|agreed| match old {
        Some(_) => Ok(agreed),
        None => resource::admit(session, &agreed).map(|()| agreed),
    });
    let agreed = match agreed {
        Ok(agreed) => agreed,
        Err(refusal) => {
            ctx.stats.add(Count::ChildRefused);
            return refuse(ctx, session, ike, incoming, refusal);
        }
    };
    let dh = agreed.choice.dh;
    let answer = Answer {
        agreed,
        nonce_i: nonce.0.clone(),
        old,
        named,
        incoming: *incoming,
    };
    match (dh.map(|methods| methods.first), parts.ke) {
        (None, _) => complete(ctx, session, ike, answer, None),
        (Some(group), Some(ke)) if ke.group == group.iana() => {
            let job = Job::GenerateAndAgree(group, ke.public.clone());
            ctx.work(
                session,
                ike,
                job,
                Continuation::ChildAnswer(Box::new(answer)),
            )?;
            session.ike_mut(ike)?.window.answering = true;
            Ok(())
        }
        (Some(group), _) => {
            ctx.stats.add(Count::InvalidKe);
            let notify = Notify::new(kind::INVALID_KE_PAYLOAD, &group.iana().to_be_bytes());
            respond_notify(ctx, session, ike, incoming, notify)
        }
    }
}

/// What must not be done now (RFC 7296 section 2.25).
fn obstacle(session: &Session, ike: u64, named: Option<(IpsecProtocol, u32)>) -> Option<Notify> {
    let busy = Some(Notify::new(kind::TEMPORARY_FAILURE, &[]));
    let sa = session.ike(ike)?;
    let outstanding = sa.window.outstanding().map(|o| o.exchange.goal());
    let rekeying = matches!(outstanding, Some(Exchange::RekeyIke(_)));
    let creating = matches!(outstanding, Some(Exchange::Child(_)));
    if !sa.is_established() || session.current != ike || rekeying || session.closing.is_some() {
        return busy;
    }
    let (protocol, spi) = named?;
    let followed = sa.window.outstanding().map(|o| &o.exchange);
    // RFC 9370 section 2.2.4: when our own exchange has been answered, "a TEMPORARY_FAILURE notification MUST be sent".
    if let Some(Exchange::Followup(_)) = followed {
        let old = session.child_by_peer_spi(protocol, spi).map(|c| c.id);
        if is_rekeying(session, ike, old) {
            return busy;
        }
    }
    match session.child_by_peer_spi(protocol, spi).map(|c| c.state) {
        // Its answer to a request of ours, not here yet, may have made it.
        None if creating => busy,
        None => {
            let protocol = protocol_id(protocol);
            Some(Notify::about_child(kind::CHILD_SA_NOT_FOUND, protocol, spi))
        }
        Some(ChildState::Deleting | ChildState::Withdrawn | ChildState::Replaced) => busy,
        Some(ChildState::Live) => None,
    }
}

/// Whether a request of ours to rekey this child is under way.
fn is_rekeying(session: &Session, ike: u64, old: Option<ChildId>) -> bool {
    let outstanding = session.ike(ike).and_then(|sa| sa.window.outstanding());
    match outstanding.map(|o| o.exchange.goal()) {
        Some(Exchange::Child(ours)) => ours.old.is_some() && ours.old == old,
        _ => false,
    }
}

/// The key exchange, if any, is done: answers, with the child unless there is more to exchange.
pub(crate) fn complete(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    answer: Answer,
    exchanged: Option<(Vec<u8>, Secret)>,
) -> Result<(), Fault> {
    let Answer {
        agreed,
        nonce_i,
        old,
        named,
        incoming,
    } = answer;
    if let Some(notify) = obstacle(session, ike, named) {
        return respond_notify(ctx, session, ike, &incoming, notify);
    }
    let spi_in = match ctx.env.allocate_child_spi() {
        Ok(spi) => spi,
        Err(e) => return refuse(ctx, session, ike, &incoming, no_spi(Stage::Child, e)),
    };
    let made = Made {
        agreed,
        spi_in,
        nonce_i,
        nonce_r: ctx.nonce()?,
        old,
        named,
    };
    let (public, shared) = exchanged.unzip();
    let mut payloads = made.payloads(public);
    payloads.insert(1, Payload::Nonce(Nonce(made.nonce_r.clone())));
    debug_assert_eq!(incoming.exchange, ExchangeType::CreateChildSa);
    let additional = made.agreed.choice.dh.map(|methods| methods.additional);
    match (additional.filter(|a| !a.is_empty()), shared) {
        (Some(additional), Some(shared)) => {
            note_rival(ctx, session, ike, &made)?;
            let goal = Goal::Child(Box::new(made));
            let exchanged = Exchanged::first(additional, shared);
            followup::answer_more(ctx, session, ike, &incoming, (payloads, goal), exchanged)
        }
        (_, shared) => {
            let shared = shared.map(Shared::from);
            install(
                ctx,
                session,
                ike,
                &incoming,
                made,
                &payloads,
                shared.as_ref(),
            )
        }
    }
}

/// Both ends rekey a child, and the peer's exchange takes more key exchanges: ours stops or goes on when it is answered.
fn note_rival(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    made: &Made,
) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    if let Some(Exchange::Child(ours)) = sa.window.outstanding_mut().map(|o| &mut o.exchange) {
        if ours.old.is_some() && ours.old == made.old {
            ours.rival = Some(lowest(&made.nonce_i, &made.nonce_r).to_vec());
            ctx.stats.add(Count::Collision);
        }
    }
    Ok(())
}

/// The last of several key exchanges is done: the child, and the answer to that one.
pub(crate) fn make(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    made: Made,
    payloads: &[Payload],
    shared: Option<&Shared>,
) -> Result<(), Fault> {
    if let Some(notify) = obstacle(session, ike, made.named) {
        ctx.env.release_child_spi(made.spi_in);
        return respond_notify(ctx, session, ike, incoming, notify);
    }
    install(ctx, session, ike, incoming, made, payloads, shared)
}

fn install(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    made: Made,
    payloads: &[Payload],
    shared: Option<&Shared>,
) -> Result<(), Fault> {
    let old = made.old;
    let nonce = lowest(&made.nonce_i, &made.nonce_r).to_vec();
    let id = made.add(ctx, session, ike, shared)?;
    if let Some(old) = old {
        replaced_by_peer(ctx, session, ike, old, id, &nonce)?;
    }
    respond(ctx, session, ike, incoming, payloads, Some(id))
}

/// The peer has rekeyed `old`: unless we are rekeying it too, it only waits to be deleted.
fn replaced_by_peer(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    old: ChildId,
    new: ChildId,
    nonce: &[u8],
) -> Result<(), Fault> {
    session.tasks.retain(|w| w.task != Task::RekeyChild(old));
    let sa = session.ike_mut(ike)?;
    if let Some(Exchange::Child(ours)) = sa.window.outstanding_mut().map(|o| &mut o.exchange) {
        if ours.old == Some(old) {
            ours.collision = Some(Collision {
                theirs: new,
                lowest: nonce.to_vec(),
            });
            ctx.stats.add(Count::Collision);
            return Ok(());
        }
    }
    ctx.stats.add(Count::ChildRekeyed);
    let expires = ctx.now + REPLACED_LIFETIME;
    let child = session
        .child_mut(old)
        .ok_or(Fault::Discard(Discard::StaleWork))?;
    child.state = ChildState::Replaced;
    child.soft_at = ravelin_types::Time::MAX;
    child.hard_at = child.hard_at.min(expires);
    Ok(())
}
