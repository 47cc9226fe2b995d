//! IKE_AUTH as responder.
//!
//! ```text
//!  request -> gateway by identity -> the peer's proof -> ours -> answer
//!                                     |  (job: verify)  |  (job: sign)
//!                                     +-----------------+--> discarded when the configuration changed meanwhile
//! ```
//!
//! While a job is under way the IKE SA stays half-open, with the deadline of one, and the request counts as being answered. Nothing
//! of that is recorded: after a crash, and when the result is of no use, the peer's next copy of the request starts over.

use std::sync::Arc;

use ravelin_types::Identity;

use super::ppk::{self, Mixed};
use super::proof::{self, Judged, Made, Proof};
use super::{Peers, establish};
use crate::authority::{Denial, Signature};
use crate::config::Gateway;
use crate::crash;
use crate::error::{Fault, Reason, Stage, list_text};
use crate::identity;
use crate::msg::auth::Auth;
use crate::msg::id::Id;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ParseError, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::proposal::{offer_ike, select_ike};
use crate::sa::{
    Continuation, Incoming, Parts, Refusal, State, Wishes, ahead, child, configure, mobike, reauth,
    redirect, refuse, respond,
};
use crate::session::Session;
use crate::stats::{Count, Discard};
use crate::timers::FAILED_LINGER;
use crate::work::Job;

/// A request whose peer the gateway may serve, once it has proven itself.
pub(crate) struct Claim {
    gateway: Arc<Gateway>,
    peer: Identity,
    ours: Identity,
    incoming: Incoming,
    /// The keys with the peer's post-quantum pre-shared key.
    mixed: Option<Mixed>,
    /// Of the request, without the certificates that are being verified.
    payloads: Vec<Payload>,
    /// The OCSP response that the peer wants.
    stapled: Option<Vec<u8>>,
}

/// Handles the request; every way out but a discard answers the peer.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: Result<Vec<Payload>, ParseError>,
) -> Result<(), Fault> {
    let outcome = match payloads {
        Ok(payloads) => authenticate(ctx, session, ike, incoming, payloads)?,
        Err(e) => Err(Refusal::new(
            Stage::Auth,
            kind::INVALID_SYNTAX,
            Reason::Malformed(e),
        )),
    };
    match outcome {
        Ok((claim, Judged::Right)) => prove(ctx, session, ike, claim),
        Ok((claim, Judged::Verify(job))) => {
            let then = Continuation::AuthAnswerVerify(Box::new(claim));
            wait_for(ctx, session, ike, job, then)
        }
        Err(refusal) => fail(ctx, session, ike, incoming, refusal),
    }
}

fn failed(reason: Reason) -> Refusal {
    Refusal::new(Stage::Auth, kind::AUTHENTICATION_FAILED, reason)
}

/// Refuses the peer and forgets it soon.
pub(crate) fn fail(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    refusal: Refusal,
) -> Result<(), Fault> {
    let (now, sa) = (ctx.now, session.ike_mut(ike)?);
    sa.state = State::Failed;
    sa.expires_at = Some(now + FAILED_LINGER);
    if refusal.notify.kind == kind::AUTHENTICATION_FAILED {
        ctx.stats.add(Count::AuthFailed);
    }
    refuse(ctx, session, ike, incoming, refusal)
}

/// Copies of the request are discarded until the job is done; when there is no room for it, the next one tries again.
fn wait_for(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    job: Job,
    then: Continuation,
) -> Result<(), Fault> {
    ctx.work(session, ike, job, then)?;
    session.ike_mut(ike)?.window.answering = true;
    Ok(())
}

/// A job is done: the request is open again, and whether the claim still stands is looked at.
fn resume(
    ctx: &Ctx<'_>,
    session: &mut Session,
    ike: u64,
    gateway: &Arc<Gateway>,
) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    sa.window.answering = false;
    let current = ctx.config.gateways.named(&gateway.name);
    let same = current.is_some_and(|g| Arc::ptr_eq(g, gateway));
    if same && matches!(sa.state, State::HalfOpen(_)) {
        Ok(())
    } else {
        Err(Fault::Discard(Discard::StaleWork))
    }
}

/// The peer's certificate and signature were looked at.
pub(crate) fn verified(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    claim: Claim,
    result: Result<(), Denial>,
) -> Result<(), Fault> {
    resume(ctx, session, ike, &claim.gateway)?;
    match result {
        Ok(()) => prove(ctx, session, ike, claim),
        Err(denial) => {
            let refusal = failed(proof::denied(denial, claim.mixed.as_ref()));
            fail(ctx, session, ike, &claim.incoming, refusal)
        }
    }
}

/// Whether the gateway has room: only who has proven itself hears of its limits.
fn admit(ctx: &Ctx<'_>, claim: &Claim) -> Result<(), Refusal> {
    let address = claim.incoming.remote.ip();
    let connections = &ctx.out.connections;
    connections
        .admit(&claim.gateway, &claim.peer, address)
        .map_err(failed)
}

/// The peer has proven itself: so do we.
fn prove(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64, claim: Claim) -> Result<(), Fault> {
    if let Err(refusal) = admit(ctx, &claim) {
        return fail(ctx, session, ike, &claim.incoming, refusal);
    }
    let sa = session.ike_mut(ike)?;
    let State::HalfOpen(half) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let proof = Proof {
        prf: sa.suite()?.prf(),
        sk_p: match &claim.mixed {
            Some(mixed) => &mixed.keys.pr,
            None => &sa.keys()?.pr,
        },
        message: &half.response,
        nonce: &half.nonce_i,
        id: &identity::to_payload(&claim.ours),
        int_auth: &half.int_auth.octets(),
    };
    let wishes = Wishes {
        hashes: half.hashes.clone(),
        ..Parts::of(&claim.payloads).wishes()
    };
    match proof::make(&claim.gateway, &claim.peer, &wishes, &proof)? {
        Ok(Made::Auth(auth)) => accept(ctx, session, ike, claim, auth),
        Ok(Made::Sign(job)) => {
            let then = Continuation::AuthAnswerSign(Box::new(claim));
            wait_for(ctx, session, ike, job, then)
        }
        Err(reason) => fail(ctx, session, ike, &claim.incoming, failed(reason)),
    }
}

/// Our signature is there, or cannot be made.
pub(crate) fn signed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    claim: Claim,
    result: Result<Signature, Denial>,
) -> Result<(), Fault> {
    resume(ctx, session, ike, &claim.gateway)?;
    match result {
        // Others may have come while it was made.
        Ok(Signature { method, data, ocsp }) => match admit(ctx, &claim) {
            Ok(()) => {
                let claim = Claim {
                    stapled: ocsp,
                    ..claim
                };
                accept(ctx, session, ike, claim, Auth { method, data })
            }
            Err(refusal) => fail(ctx, session, ike, &claim.incoming, refusal),
        },
        Err(why) => {
            let gateway = claim.gateway.name.clone();
            let refusal = failed(Reason::Unsigned { gateway, why });
            fail(ctx, session, ike, &claim.incoming, refusal)
        }
    }
}

fn authenticate(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    mut payloads: Vec<Payload>,
) -> Result<Result<(Claim, Judged), Refusal>, Fault> {
    let parts = Parts::of(&payloads);
    // For the failure line; it is not authenticated yet.
    session.peer = parts.id_i.and_then(identity::from_payload);
    let sa = session.ike(ike).ok_or(Fault::Discard(Discard::StaleWork))?;
    let State::HalfOpen(half) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    if let Some(number) = unknown_critical(&payloads) {
        let notify = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[number]);
        return Ok(Err(Refusal {
            stage: Stage::Auth,
            notify,
            reason: Box::new(Reason::Critical(number)),
        }));
    }
    let (done, agreed) = (half.int_auth.done(), sa.suite()?.additional().len());
    if done != agreed {
        let reason = Reason::KeyExchanges { done, agreed };
        return Ok(Err(Refusal::new(Stage::Auth, kind::INVALID_SYNTAX, reason)));
    }
    let Some(id_i) = parts.id_i else {
        return Ok(Err(failed(Reason::Missing("IDi"))));
    };
    let gateway = match choose_gateway(ctx, session, ike, incoming, &parts, id_i) {
        Ok(gateway) => gateway,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(peer) = identity::from_payload(id_i) else {
        return Ok(Err(failed(Reason::Missing("IDi"))));
    };
    // Without AUTH the peer wants EAP (section 2.16), which is not offered.
    let Some(auth) = parts.auth else {
        return Ok(Err(failed(Reason::Missing("AUTH"))));
    };
    let chosen = match ppk::choose(&gateway, half.use_ppk, &parts, auth) {
        Ok(chosen) => chosen,
        Err(reason) => return Ok(Err(failed(reason))),
    };
    let (prf, keys) = (sa.suite()?.prf(), sa.keys()?);
    let mixed = (chosen.ppk.map(|ppk| Mixed::of(keys, prf, ppk))).transpose()?;
    let plain = Proof {
        prf,
        sk_p: &keys.pi,
        message: &half.request,
        nonce: &half.nonce_r,
        id: id_i,
        int_auth: &half.int_auth.octets(),
    };
    let theirs = Proof {
        sk_p: mixed.as_ref().map_or(&keys.pi, |mixed| &mixed.keys.pi),
        ..plain
    };
    let judged = match proof::judge(&gateway, &peer, &parts, &chosen.auth, &theirs)? {
        Ok(judged) => judged,
        Err(reason) => {
            let plain = (chosen.plain.as_ref())
                .map(|auth| proof::judge(&gateway, &peer, &parts, auth, &plain));
            let is_plain_right = plain.transpose()?.map(|judged| judged.is_ok());
            let reason = proof::differs(reason, mixed.as_ref(), is_plain_right);
            return Ok(Err(failed(reason)));
        }
    };
    if gateway.mobike && mobike::is_nat_forbidden(&parts, incoming) {
        let reason = Reason::Moved(mobike::NAT_FORBIDDEN);
        let number = kind::UNEXPECTED_NAT_DETECTED;
        return Ok(Err(Refusal::new(Stage::Auth, number, reason)));
    }
    drop(chosen);
    payloads.retain(|p| !matches!(p, Payload::Cert(_)));
    let ours = gateway.identity_at(incoming.local.ip());
    let incoming = *incoming;
    Ok(Ok((
        Claim {
            gateway,
            peer,
            ours,
            incoming,
            mixed,
            payloads,
            stapled: None,
        },
        judged,
    )))
}

/// The first gateway that serves these addresses, accepts the identity and the suite, preferring the one that the peer
/// asked for by IDr.
fn choose_gateway(
    ctx: &Ctx<'_>,
    session: &Session,
    ike: u64,
    incoming: &Incoming,
    parts: &Parts<'_>,
    id_i: &Id,
) -> Result<Arc<Gateway>, Refusal> {
    let refusal = |kind, reason| Refusal::new(Stage::Auth, kind, reason);
    let (local, remote) = (incoming.local.ip(), incoming.remote.ip());
    let candidates = ctx
        .config
        .gateways
        .candidates(session.path.vrf, local, remote);
    let peer = identity::from_payload(id_i);
    let fitting: Vec<_> = candidates
        .iter()
        .filter(|g| peer.as_ref().is_some_and(|p| g.accepts_identity(p)))
        .collect();
    if fitting.is_empty() {
        let accepted: Vec<_> = candidates.iter().map(|g| g.accepted_text()).collect();
        let reason = Reason::Identity {
            offered: identity::payload_text(id_i),
            accepted: list_text(&accepted),
        };
        return Err(refusal(kind::AUTHENTICATION_FAILED, reason));
    }
    let suite = session.ike(ike).and_then(|sa| sa.suite);
    let agreed: Vec<_> = fitting
        .iter()
        .filter(|g| g.proposals.iter().any(|p| Some(p.suite) == suite))
        .collect();
    let wanted = parts.id_r.and_then(identity::from_payload);
    let named = agreed.iter().find(|g| {
        wanted
            .as_ref()
            .is_some_and(|w| g.identity_at(local).matches(w))
    });
    if let Some(gateway) = named.or(agreed.first()) {
        return Ok(Arc::clone(gateway));
    }
    // The suite was chosen from another gateway at the same address.
    let all: Vec<_> = candidates
        .iter()
        .flat_map(|g| g.proposals.iter().copied())
        .collect();
    let used: Vec<_> = all
        .into_iter()
        .filter(|p| Some(p.suite) == suite)
        .take(1)
        .collect();
    let accepted: Vec<_> = fitting
        .iter()
        .flat_map(|g| g.proposals.iter().copied())
        .collect();
    let reason = match select_ike(&offer_ike(&used, &[]), &accepted, 0) {
        Err(mismatch) => Reason::Proposal(mismatch),
        Ok(_) => Reason::Missing("SA"),
    };
    Err(refusal(kind::NO_PROPOSAL_CHOSEN, reason))
}

/// The addresses that the peer asks for, and a child within them.
fn configured(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    gateway: &Gateway,
    request: &[Payload],
    offer: &child::Offer<'_>,
    payloads: &mut Vec<Payload>,
) -> Result<child::Agreed, Refusal> {
    // RFC 7296 section 2.19: "CP(CFG_REPLY)" comes after AUTH and before the child.
    payloads.extend(configure::assign(ctx, session, gateway, request)?);
    child::negotiate(gateway, &session.ends(), offer, child::Context::Auth)
}

fn accept(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    claim: Claim,
    auth: Auth,
) -> Result<(), Fault> {
    let Claim {
        gateway,
        peer,
        ours,
        incoming,
        mixed,
        payloads: request,
        stapled,
    } = claim;
    let parts = Parts::of(&request);
    let State::HalfOpen(half) =
        std::mem::replace(&mut session.ike_mut(ike)?.state, State::Answering)
    else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    // RFC 7296 section 2.23: the peer floats to port 4500 with IKE_AUTH when there is a NAT.
    session.path.local = incoming.local;
    session.path.remote = incoming.remote;
    // RFC 7296 section 1.2: IDr, [CERT,] AUTH.
    let mut payloads = vec![Payload::IdR(identity::to_payload(&ours))];
    payloads.extend(proof::certificates(&gateway, stapled));
    payloads.push(Payload::Auth(auth));
    payloads.extend(mixed.as_ref().map(|_| Payload::Notify(ppk::used())));
    let peers = Peers {
        gateway: Arc::clone(&gateway),
        peer,
        ours,
        initial_contact: parts.notify(kind::INITIAL_CONTACT).is_some(),
        mixed,
    };
    mobike::settle(session, &gateway, &parts);
    crash::keep(session.ike_mut(ike)?, &parts);
    let others = ctx.out.connections.of_peer(&gateway.name, &peers.peer);
    let here = incoming.remote.ip();
    session.volatile.beside = !peers.initial_contact && others.iter().any(|(_, at)| *at == here);
    establish(ctx, session, ike, peers)?;
    let mut gate = None;
    let elsewhere = redirect::at_auth(ctx, session, ike, &gateway)?;
    let child = elsewhere
        .is_none()
        .then_some((parts.sa, parts.ts_i, parts.ts_r));
    payloads.extend(elsewhere);
    if let Some((Some(sa), Some(ts_i), Some(ts_r))) = child {
        let offer = child::Offer {
            sa,
            ts_i,
            ts_r,
            transport: parts.wants_transport(),
            tfc_refused: parts.refuses_tfc(),
            resource: child::resource::of(&parts),
            rekeys: None,
        };
        let made = match configured(ctx, session, &gateway, &request, &offer, &mut payloads) {
            Ok(agreed) => {
                child::answer_in_auth(ctx, session, ike, agreed, &half.nonce_i, &half.nonce_r)?
            }
            Err(refusal) => Err(refusal),
        };
        match made {
            Ok((more, id)) => {
                payloads.extend(more);
                gate = Some(id);
            }
            Err(refusal) => {
                ctx.stats.add(Count::ChildRefused);
                ctx.failure(session, incoming.remote, Stage::Auth, *refusal.reason);
                payloads.push(Payload::Notify(refusal.notify));
            }
        }
    }
    let (spi_i, spi_r) = session.ike_mut(ike).map(|sa| (sa.spi_i, sa.spi_r))?;
    payloads.extend(crash::offer(ctx, session, spi_i, spi_r)?);
    payloads.extend(ahead::offer(session, ike, &gateway)?);
    payloads.extend(reauth::announce(ctx, session, &gateway));
    if session.mobility.is_some() {
        payloads.extend(mobike::offer(&gateway, incoming.local.ip()));
    }
    respond(ctx, session, ike, &incoming, &payloads, gate)
}
