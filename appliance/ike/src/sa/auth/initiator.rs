//! IKE_AUTH as initiator.

use super::{AuthSent, Peers, Proof, establish, expected, verify};
use crate::error::{Fault, Reason, Stage};
use crate::event::DownReason;
use crate::identity;
use crate::msg::auth::{Auth, METHOD_PSK};
use crate::msg::delete::Delete;
use crate::msg::notify::{Notify, error_name, kind};
use crate::msg::{ExchangeType, ParseError, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::sa::init::gateway_of;
use crate::sa::{Exchange, Parts, State, Task, child, request, request_within};
use crate::session::{DownReasonStored, Session};
use crate::stats::{Count, Discard};
use crate::timers::FAILED_LINGER;

/// Sends IKE_AUTH with the first child SA that the configuration wants.
pub(crate) fn start(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    mut auth: AuthSent,
) -> Result<(), Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        session.end(DownReason::Closed);
        return Ok(());
    };
    let ours = gateway.identity_at(session.path.local.ip());
    let id_i = identity::to_payload(&ours);
    let wanted = gateway.static_identity(session.path.remote.ip());
    let Some(psk) = gateway.keys.find(&wanted) else {
        let reason = Reason::NoKey {
            gateway: gateway.name.clone(),
            identity: wanted,
        };
        return super::super::init::give_up(ctx, session, reason);
    };
    let proof = Proof {
        message: &auth.request,
        nonce: &auth.nonce_r,
        id: &id_i,
    };
    let data = expected(session, ike, psk, true, &proof)?
        .as_bytes()
        .to_vec();
    let mut payloads = vec![
        Payload::IdI(id_i),
        Payload::IdR(identity::to_payload(&wanted)),
        Payload::Auth(Auth {
            method: METHOD_PSK,
            data,
        }),
    ];
    if session.only_contact {
        payloads.insert(1, Payload::Notify(Notify::new(kind::INITIAL_CONTACT, &[])));
    }
    if let Some(Task::NewChild { vpn, pair }) = session.tasks.front().map(|w| w.task.clone()) {
        session.tasks.pop_front();
        if let Some(requested) = child::prepare(ctx, &gateway, &vpn, pair)? {
            payloads.extend(child::offer_payloads(&gateway, &requested, None));
            auth.child = Some(Box::new(requested));
        }
    }
    session.local_identity = Some(ours);
    session.ike_mut(ike)?.state = State::AuthSent(auth);
    request(
        ctx,
        session,
        ike,
        ExchangeType::IkeAuth,
        &payloads,
        Exchange::Auth,
    )
}

/// Handles the response.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: Result<Vec<Payload>, ParseError>,
) -> Result<(), Fault> {
    let payloads = match payloads {
        Ok(payloads) => payloads,
        Err(e) => return abandon(ctx, session, ike, Reason::Malformed(e)),
    };
    let State::AuthSent(_) = &session.ike_mut(ike)?.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let State::AuthSent(auth) =
        std::mem::replace(&mut session.ike_mut(ike)?.state, State::Answering)
    else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    session.ike_mut(ike)?.window.close();
    session.volatile.dirty = true;
    if let Some(number) = unknown_critical(&payloads) {
        return abandon(ctx, session, ike, Reason::Critical(number));
    }
    let parts = Parts::of(&payloads);
    let peers = match check(ctx, session, ike, &auth, &parts)? {
        Ok(peers) => peers,
        Err(reason) => {
            release(ctx, &auth);
            return match parts.error().filter(|_| parts.auth.is_none()) {
                // The responder refused us: it has no SA (section 2.21.2).
                Some(_) => {
                    let remote = session.path.remote;
                    ctx.failure(session, remote, Stage::Auth, reason);
                    session.end(DownReason::SetupFailed);
                    Ok(())
                }
                None => abandon(ctx, session, ike, reason),
            };
        }
    };
    let gateway = std::sync::Arc::clone(&peers.gateway);
    establish(ctx, session, ike, peers)?;
    if let Some(requested) = auth.child {
        let nonces = (auth.nonce_i.as_slice(), auth.nonce_r.as_slice());
        child::finish(
            ctx,
            session,
            ike,
            &gateway,
            *requested,
            &parts,
            None,
            nonces,
            child::Context::Auth,
        )?;
    }
    Ok(())
}

fn release(ctx: &mut Ctx<'_>, auth: &AuthSent) {
    if let Some(requested) = &auth.child {
        ctx.env.release_child_spi(requested.spi_in);
    }
}

fn check(
    ctx: &mut Ctx<'_>,
    session: &Session,
    ike: u64,
    auth: &AuthSent,
    parts: &Parts<'_>,
) -> Result<Result<Peers, Reason>, Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        return Ok(Err(Reason::Missing("gateway")));
    };
    let (Some(id_r), Some(proof)) = (parts.id_r, parts.auth) else {
        let refused = parts.error().map(|n| Reason::Refused {
            name: error_name(n.kind),
            number: n.kind,
        });
        return Ok(Err(refused.unwrap_or(Reason::Missing("IDr or AUTH"))));
    };
    let peer = identity::from_payload(id_r).filter(|p| gateway.accepts_identity(p));
    let Some(peer) = peer else {
        let (offered, accepted) = (identity::payload_text(id_r), gateway.accepted_text());
        return Ok(Err(Reason::Identity { offered, accepted }));
    };
    let Some(psk) = gateway.keys.find(&peer) else {
        return Ok(Err(Reason::NoKey {
            gateway: gateway.name.clone(),
            identity: peer,
        }));
    };
    let theirs = Proof {
        message: &auth.response,
        nonce: &auth.nonce_i,
        id: id_r,
    };
    if let Err(reason) = verify(proof, &expected(session, ike, psk, false, &theirs)?) {
        return Ok(Err(reason));
    }
    let ours = gateway.identity_at(session.path.local.ip());
    Ok(Ok(Peers {
        gateway,
        peer,
        ours,
        initial_contact: false,
    }))
}

/// The responder believes that it is connected, and we do not accept it: section 2.21.2 has us say so and delete.
fn abandon(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reason: Reason,
) -> Result<(), Fault> {
    let remote = session.path.remote;
    ctx.stats.add(Count::AuthFailed);
    ctx.failure(session, remote, Stage::Auth, reason);
    session.closing = Some(DownReasonStored::SetupFailed);
    let sa = session.ike_mut(ike)?;
    sa.window.close();
    sa.state = State::Closing;
    let payloads = [
        Payload::Notify(Notify::new(kind::AUTHENTICATION_FAILED, &[])),
        Payload::Delete(Delete::Ike),
    ];
    let exchange = Exchange::DeleteIke;
    request_within(
        ctx,
        session,
        ike,
        ExchangeType::Informational,
        &payloads,
        exchange,
        None,
        FAILED_LINGER,
    )
}
