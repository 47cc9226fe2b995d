//! IKE_AUTH as responder.

use std::sync::Arc;

use super::{Peers, Proof, establish, expected, verify};
use crate::config::Gateway;
use crate::error::{Fault, Reason, Stage, list_text};
use crate::identity;
use crate::msg::auth::{Auth, METHOD_PSK};
use crate::msg::id::Id;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ParseError, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::proposal::{offer_ike, select_ike};
use crate::sa::{Incoming, Parts, Refusal, State, child, refuse, respond};
use crate::session::Session;
use crate::stats::{Count, Discard};
use crate::timers::FAILED_LINGER;

/// Handles the request; every way out but a discard answers the peer.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: Result<Vec<Payload>, ParseError>,
) -> Result<(), Fault> {
    let outcome = match &payloads {
        Ok(payloads) => authenticate(ctx, session, ike, incoming, payloads)?,
        Err(e) => Err(Refusal::new(
            Stage::Auth,
            kind::INVALID_SYNTAX,
            Reason::Malformed(*e),
        )),
    };
    match outcome {
        Ok(proven) => accept(ctx, session, ike, incoming, proven),
        Err(refusal) => {
            let (now, sa) = (ctx.now, session.ike_mut(ike)?);
            sa.state = State::Failed;
            sa.expires_at = Some(now + FAILED_LINGER);
            if refusal.notify.kind == kind::AUTHENTICATION_FAILED {
                ctx.stats.add(Count::AuthFailed);
            }
            refuse(ctx, session, ike, incoming, refusal)
        }
    }
}

/// What follows from a correct proof.
struct Proven<'a> {
    peers: Peers,
    id_r: Id,
    auth: Auth,
    parts: Parts<'a>,
}

fn authenticate<'a>(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &'a [Payload],
) -> Result<Result<Proven<'a>, Refusal>, Fault> {
    // For the failure line; it is not authenticated yet.
    let id_i = Parts::of(payloads).id_i;
    session.peer = id_i.and_then(identity::from_payload);
    let session = &*session;
    let State::HalfOpen(half) = &session
        .ike(ike)
        .ok_or(Fault::Discard(Discard::StaleWork))?
        .state
    else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let failed = |reason| {
        Ok(Err(Refusal::new(
            Stage::Auth,
            kind::AUTHENTICATION_FAILED,
            reason,
        )))
    };
    if let Some(number) = unknown_critical(payloads) {
        let notify = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[number]);
        return Ok(Err(Refusal {
            stage: Stage::Auth,
            notify,
            reason: Box::new(Reason::Critical(number)),
        }));
    }
    let parts = Parts::of(payloads);
    let Some(id_i) = id_i else {
        return failed(Reason::Missing("IDi"));
    };
    let gateway = match choose_gateway(ctx, session, ike, incoming, &parts, id_i) {
        Ok(gateway) => gateway,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(peer) = identity::from_payload(id_i) else {
        return failed(Reason::Missing("IDi"));
    };
    // Without AUTH the peer wants EAP (section 2.16), which is not offered.
    let Some(auth) = parts.auth else {
        return failed(Reason::Missing("AUTH"));
    };
    let Some(psk) = gateway.keys.find(&peer) else {
        return failed(Reason::NoKey {
            gateway: gateway.name.clone(),
            identity: peer,
        });
    };
    let theirs = Proof {
        message: &half.request,
        nonce: &half.nonce_r,
        id: id_i,
    };
    if let Err(reason) = verify(auth, &expected(session, ike, psk, true, &theirs)?) {
        return failed(reason);
    }
    let ours = gateway.identity_at(incoming.local.ip());
    let id_r = identity::to_payload(&ours);
    let proof = Proof {
        message: &half.response,
        nonce: &half.nonce_i,
        id: &id_r,
    };
    let data = expected(session, ike, psk, false, &proof)?
        .as_bytes()
        .to_vec();
    let initial_contact = parts.notify(kind::INITIAL_CONTACT).is_some();
    let peers = Peers {
        gateway,
        peer,
        ours,
        initial_contact,
    };
    Ok(Ok(Proven {
        peers,
        id_r,
        auth: Auth {
            method: METHOD_PSK,
            data,
        },
        parts,
    }))
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
    let candidates = ctx.config.candidates(session.path.vrf, local, remote);
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

fn accept(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    proven: Proven<'_>,
) -> Result<(), Fault> {
    let Proven {
        peers,
        id_r,
        auth,
        parts,
    } = proven;
    let State::HalfOpen(half) =
        std::mem::replace(&mut session.ike_mut(ike)?.state, State::Answering)
    else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    // RFC 7296 section 2.23: the peer floats to port 4500 with IKE_AUTH when there is a NAT.
    session.path.local = incoming.local;
    session.path.remote = incoming.remote;
    let gateway = Arc::clone(&peers.gateway);
    establish(ctx, session, ike, peers)?;
    let mut payloads = vec![Payload::IdR(id_r), Payload::Auth(auth)];
    let mut gate = None;
    if let (Some(sa), Some(ts_i), Some(ts_r)) = (parts.sa, parts.ts_i, parts.ts_r) {
        let offer = child::Offer {
            sa,
            ts_i,
            ts_r,
            tfc_refused: parts.refuses_tfc(),
        };
        let made = match child::negotiate(&gateway, &offer, child::Context::Auth) {
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
    respond(ctx, session, ike, incoming, &payloads, gate)
}
