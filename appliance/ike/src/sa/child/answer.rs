//! The side that answers: a new child SA, or the rekey of one, wanted by the peer.

use ravelin_crypto::Secret;
use ravelin_types::{ChildId, DhGroup, IpsecMode, IpsecProtocol, Spi};

use super::{Agreed, Collision, Context, Fresh, New, Offer, add, lowest, negotiate};
use crate::environment::EnvironmentError;
use crate::error::{Fault, Reason, Stage};
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{answer as chosen, esp_transforms, protocol_id, protocol_of};
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
    let fresh = Fresh {
        nonce_i,
        nonce_r,
        shared: None,
    };
    let ours = Ours {
        spi_in,
        old: None,
        public: None,
    };
    build(ctx, session, ike, agreed, &fresh, ours).map(Ok)
}

/// Our part of a new child.
struct Ours {
    spi_in: Spi,
    old: Option<ChildId>,
    public: Option<(DhGroup, Vec<u8>)>,
}

fn no_spi(stage: Stage, error: EnvironmentError) -> Refusal {
    Refusal::new(stage, kind::NO_ADDITIONAL_SAS, Reason::Environment(error))
}

/// Adds the child and makes the payloads of the answer: SA, [Nr, KEr,] TSi, TSr.
fn build(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    agreed: Agreed,
    fresh: &Fresh<'_>,
    ours: Ours,
) -> Result<(Vec<Payload>, ChildId), Fault> {
    let Ours {
        spi_in,
        old,
        public,
    } = ours;
    let Agreed {
        vpn,
        choice,
        life,
        narrowed,
        mode,
        tfc_refused,
    } = agreed;
    let transforms = esp_transforms(choice.suite, public.as_ref().map(|p| p.0));
    let transforms = choice.nones.with(transforms);
    let mut payloads = vec![Payload::Sa(chosen(
        choice.number,
        protocol_id(choice.suite.protocol),
        &spi_in.0.to_be_bytes(),
        transforms,
    ))];
    if let Some((group, public)) = public {
        payloads.push(Payload::Ke(Ke {
            group: group.iana(),
            public,
        }));
    }
    payloads.push(Payload::TsI(selector::to_wire(&narrowed.remote)));
    payloads.push(Payload::TsR(selector::to_wire(&narrowed.local)));
    if mode == IpsecMode::Transport {
        payloads.push(Payload::Notify(Notify::new(kind::USE_TRANSPORT_MODE, &[])));
    }
    let new = New {
        vpn,
        spi_in,
        spi_out: choice.spi,
        suite: choice.suite,
        mode,
        local_ts: narrowed.local,
        remote_ts: narrowed.remote,
        life,
        initiator: false,
        active: old.is_none(),
        replaces: old,
        tfc_refused,
        install: true,
    };
    let id = add(ctx, session, ike, new, fresh)?;
    Ok((payloads, id))
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
        rekeys: old.and_then(|id| session.child(id)),
    };
    let agreed = match negotiate(&gateway, &session.ends(), &offer, Context::Create) {
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
    match (dh, parts.ke) {
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
    let outstanding = sa.window.outstanding().map(|o| &o.exchange);
    let rekeying = matches!(outstanding, Some(Exchange::RekeyIke(_)));
    let creating = matches!(outstanding, Some(Exchange::Child(_)));
    if !sa.is_established() || session.current != ike || rekeying || session.closing.is_some() {
        return busy;
    }
    let (protocol, spi) = named?;
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

/// The key exchange, if any, is done: installs and answers.
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
    let nonce_r = ctx.nonce()?;
    let shared = exchanged.as_ref().map(|(_, shared)| shared);
    let fresh = Fresh {
        nonce_i: &nonce_i,
        nonce_r: &nonce_r,
        shared,
    };
    let public = agreed
        .choice
        .dh
        .zip(exchanged.as_ref().map(|(public, _)| public.clone()));
    let (mut payloads, id) = build(
        ctx,
        session,
        ike,
        agreed,
        &fresh,
        Ours {
            spi_in,
            old,
            public,
        },
    )?;
    payloads.insert(1, Payload::Nonce(Nonce(nonce_r.clone())));
    if let Some(old) = old {
        replaced_by_peer(ctx, session, ike, old, id, lowest(&nonce_i, &nonce_r))?;
    }
    debug_assert_eq!(incoming.exchange, ExchangeType::CreateChildSa);
    respond(ctx, session, ike, &incoming, &payloads, Some(id))
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
