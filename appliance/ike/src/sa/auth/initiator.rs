//! IKE_AUTH as initiator.
//!
//! ```text
//!  keys agreed on -> our proof -> request ...... response -> the peer's proof -> up
//!                 (job: sign)                            (job: verify)
//! ```
//!
//! While a job is under way the IKE SA stays in the state before it, whose request counts as answered: a crash, a full pool and a
//! configuration that changed meanwhile lead back to that request, which is sent again, and to the response, which is repeated.

use std::sync::Arc;

use ravelin_types::Identity;

use super::ppk::{self, Mixed};
use super::proof::{self, Judged, Made, Proof};
use super::{AuthSent, Peers, establish};
use crate::authority::{Denial, Signature};
use crate::config::Gateway;
use crate::crash;
use crate::error::{Fault, Reason, Stage};
use crate::event::DownReason;
use crate::identity;
use crate::msg::auth::Auth;
use crate::msg::delete::Delete;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, ParseError, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::registry::error_name;
use crate::sa::init::{Agreed, gateway_of, give_up, settle};
use crate::sa::{
    Continuation, Exchange, Parts, State, Task, ahead, child, mobike, reauth, request,
    request_within,
};
use crate::session::{DownReasonStored, Session};
use crate::stats::{Count, Discard};
use crate::text::opaque_text;
use crate::timers::FAILED_LINGER;

/// A request that waits for our signature.
pub(crate) struct Signing {
    agreed: Agreed,
    gateway: Arc<Gateway>,
    ours: Identity,
    /// Whom we want, when it is one.
    wanted: Option<Identity>,
    /// The proof without the post-quantum pre-shared key, once it is made.
    plain: Option<Auth>,
    /// The OCSP response that the peer wants.
    stapled: Option<Vec<u8>>,
}

impl Signing {
    /// Whether the next proof is that without the post-quantum pre-shared key, for a responder that has it not.
    fn is_plain_next(&self) -> bool {
        self.agreed.auth.ppk.is_some() && !self.gateway.ppks.required && self.plain.is_none()
    }
}

/// A response whose proof is being verified.
pub(crate) struct Verifying {
    peers: Peers,
    payloads: Vec<Payload>,
}

/// The response is looked at no more until a job is done.
pub(crate) fn set_answered(session: &mut Session, ike: u64, answered: bool) -> Result<(), Fault> {
    if let Some(o) = session.ike_mut(ike)?.window.outstanding_mut() {
        o.answered = answered;
    }
    Ok(())
}

/// Begins IKE_AUTH by our proof.
pub(crate) fn start(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    agreed: Agreed,
) -> Result<(), Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        session.end(DownReason::Closed);
        return Ok(());
    };
    if let Err(reason) = ppk::agreed(&gateway, agreed.auth.use_ppk) {
        return give_up(ctx, session, reason);
    }
    let mut agreed = agreed;
    let first = gateway.ppks.keys.first();
    agreed.auth.ppk = first.filter(|_| agreed.auth.use_ppk).cloned();
    let signing = Signing {
        ours: gateway.identity_at(session.path.local.ip()),
        wanted: gateway.static_identity(session.path.remote.ip()),
        plain: None,
        stapled: None,
        agreed,
        gateway,
    };
    prove(ctx, session, ike, signing)
}

/// Makes the next of our proofs.
fn prove(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    signing: Signing,
) -> Result<(), Fault> {
    let Signing {
        agreed, gateway, ..
    } = &signing;
    let alg = agreed.reply.suite.prf();
    let ppk = agreed.auth.ppk.as_ref();
    let ppk = ppk.filter(|_| !signing.is_plain_next());
    let mixed = ppk.map(|ppk| Mixed::of(&agreed.keys, alg, ppk));
    let mixed = mixed.transpose()?;
    let proof = Proof {
        prf: alg,
        sk_p: mixed
            .as_ref()
            .map_or(&agreed.keys.pi, |mixed| &mixed.keys.pi),
        message: &agreed.auth.request,
        nonce: &agreed.auth.nonce_r,
        id: &identity::to_payload(&signing.ours),
        int_auth: &agreed.auth.int_auth.octets(),
    };
    let remote = session.path.remote.ip();
    let peer = (signing.wanted.clone()).unwrap_or_else(|| identity::of_address(remote));
    let made = proof::make(gateway, &peer, &agreed.reply.wishes, &proof)?;
    match made {
        Ok(Made::Auth(auth)) => proven(ctx, session, ike, signing, auth),
        Ok(Made::Sign(job)) => {
            let then = Continuation::AuthSign(Box::new(signing));
            let queued = ctx.work(session, ike, job, then);
            set_answered(session, ike, queued.is_ok())?;
            queued
        }
        Err(reason) => give_up(ctx, session, reason),
    }
}

/// One of our proofs is there.
fn proven(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    mut signing: Signing,
    auth: Auth,
) -> Result<(), Fault> {
    if !signing.is_plain_next() {
        return send(ctx, session, ike, signing, auth);
    }
    signing.plain = Some(auth);
    prove(ctx, session, ike, signing)
}

/// Our signature is there, or cannot be made.
pub(crate) fn signed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    signing: Signing,
    result: Result<Signature, Denial>,
) -> Result<(), Fault> {
    let state = &session.ike_mut(ike)?.state;
    if !matches!(state, State::InitSent(_) | State::Intermediate(_)) {
        return Err(Fault::Discard(Discard::StaleWork));
    }
    if !is_current(ctx, session, &signing.gateway) {
        return start(ctx, session, ike, signing.agreed);
    }
    match result {
        Ok(Signature { method, data, ocsp }) => {
            let signing = Signing {
                stapled: ocsp,
                ..signing
            };
            proven(ctx, session, ike, signing, Auth { method, data })
        }
        Err(why) => {
            let remote = session.path.remote;
            let gateway = signing.gateway.name.clone();
            ctx.stats.add(Count::AuthFailed);
            let reason = Reason::Unsigned { gateway, why };
            ctx.failure(session, remote, Stage::Auth, reason);
            session.end(DownReason::SetupFailed);
            Ok(())
        }
    }
}

fn is_current(ctx: &Ctx<'_>, session: &Session, gateway: &Arc<Gateway>) -> bool {
    gateway_of(ctx, session).is_some_and(|g| Arc::ptr_eq(&g, gateway))
}

/// Sends IKE_AUTH with the first child SA that the configuration wants.
fn send(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    signing: Signing,
    proof: Auth,
) -> Result<(), Fault> {
    let Signing {
        agreed,
        gateway,
        ours,
        wanted,
        plain,
        stapled,
    } = signing;
    let mut auth = settle(session, ike, agreed)?;
    // RFC 7296 section 1.2: IDi, [CERT,] [CERTREQ,] [IDr,] AUTH.
    let mut payloads = vec![Payload::IdI(identity::to_payload(&ours))];
    if session.only_contact {
        payloads.push(Payload::Notify(Notify::new(kind::INITIAL_CONTACT, &[])));
    }
    payloads.extend(proof::certificates(&gateway, stapled));
    payloads.extend(proof::requests(gateway.trust().into_iter()));
    payloads.extend((wanted.as_ref()).map(|wanted| Payload::IdR(identity::to_payload(wanted))));
    payloads.push(Payload::Auth(proof));
    if let Some(Task::NewChild { vpn, pair }) = session.tasks.front().map(|w| w.task.clone()) {
        session.tasks.pop_front();
        if let Some(requested) =
            child::prepare(ctx, &gateway, &session.ends(), (vpn.as_str(), pair))?
        {
            payloads.extend(child::offer_payloads(&gateway, &requested, None));
            auth.child = Some(Box::new(requested));
        }
    }
    let (spi_i, spi_r) = session.ike_mut(ike).map(|sa| (sa.spi_i, sa.spi_r))?;
    payloads.extend(crash::offer(ctx, session, spi_i, spi_r)?);
    payloads.extend(ahead::offer(session, ike, &gateway)?);
    payloads.extend(mobike::offer(&gateway, session.path.local.ip()));
    payloads.extend((auth.ppk.as_ref()).map(|ppk| Payload::Notify(ppk::identity(&ppk.id))));
    payloads.extend(plain.map(|a| Payload::Notify(Notify::new(kind::NO_PPK_AUTH, &a.data))));
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
    let mut payloads = match payloads {
        Ok(payloads) => payloads,
        Err(e) => return abandon(ctx, session, ike, Reason::Malformed(e)),
    };
    if let Some(number) = unknown_critical(&payloads) {
        return abandon(ctx, session, ike, Reason::Critical(number));
    }
    let parts = Parts::of(&payloads);
    let (peers, judged) = match check(ctx, session, ike, &parts)? {
        Ok(checked) => checked,
        Err(reason) if parts.auth.is_none() && parts.error().is_some() => {
            // The responder refused us: it has no SA (section 2.21.2).
            conclude(ctx, session, ike, false)?;
            let remote = session.path.remote;
            ctx.failure(session, remote, Stage::Auth, reason);
            session.end(DownReason::SetupFailed);
            return Ok(());
        }
        Err(reason) => return abandon(ctx, session, ike, reason),
    };
    match judged {
        Judged::Right => up(ctx, session, ike, peers, &payloads),
        Judged::Verify(job) => {
            payloads.retain(|p| !matches!(p, Payload::Cert(_)));
            let then = Continuation::AuthVerify(Box::new(Verifying { peers, payloads }));
            ctx.work(session, ike, job, then)?;
            set_answered(session, ike, true)
        }
    }
}

/// The responder's certificate and signature were looked at.
pub(crate) fn verified(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    verifying: Verifying,
    result: Result<(), Denial>,
) -> Result<(), Fault> {
    if !matches!(session.ike_mut(ike)?.state, State::AuthSent(_)) {
        return Err(Fault::Discard(Discard::StaleWork));
    }
    let Verifying { peers, payloads } = verifying;
    if !is_current(ctx, session, &peers.gateway) {
        set_answered(session, ike, false)?;
        return Err(Fault::Discard(Discard::StaleWork));
    }
    match result {
        Ok(()) => up(ctx, session, ike, peers, &payloads),
        Err(denial) => {
            let reason = proof::denied(denial, peers.mixed.as_ref());
            abandon(ctx, session, ike, reason)
        }
    }
}

/// The responder has proven itself.
fn up(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    peers: Peers,
    payloads: &[Payload],
) -> Result<(), Fault> {
    let Some(auth) = conclude(ctx, session, ike, true)? else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let gateway = Arc::clone(&peers.gateway);
    mobike::settle(session, &gateway, &Parts::of(payloads));
    crash::keep(session.ike_mut(ike)?, &Parts::of(payloads));
    establish(ctx, session, ike, peers)?;
    reauth::heed(ctx, session, &Parts::of(payloads))?;
    if let Some(requested) = auth.child {
        let nonces = (auth.nonce_i.as_slice(), auth.nonce_r.as_slice());
        child::finish(
            ctx,
            session,
            ike,
            &gateway,
            *requested,
            &Parts::of(payloads),
            None,
            nonces,
            child::Context::Auth,
        )?;
    }
    Ok(())
}

/// The exchange is over; unless its child is to be made, that one's SPI is given back.
fn conclude(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    makes_child: bool,
) -> Result<Option<AuthSent>, Fault> {
    let sa = session.ike_mut(ike)?;
    if !matches!(sa.state, State::AuthSent(_)) {
        return Ok(None);
    }
    let State::AuthSent(auth) = std::mem::replace(&mut sa.state, State::Answering) else {
        return Ok(None);
    };
    sa.window.close();
    session.volatile.dirty = true;
    if let Some(requested) = auth.child.as_ref().filter(|_| !makes_child) {
        ctx.env.release_child_spi(requested.spi_in);
    }
    Ok(Some(auth))
}

fn check(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    parts: &Parts<'_>,
) -> Result<Result<(Peers, Judged), Reason>, Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        return Ok(Err(Reason::Missing("gateway")));
    };
    let (Some(id_r), Some(proof)) = (parts.id_r, parts.auth) else {
        let refused = parts.error().map(|n| refused(session, ike, n.kind));
        return Ok(Err(refused.unwrap_or(Reason::Missing("IDr or AUTH"))));
    };
    let peer = identity::from_payload(id_r).filter(|p| gateway.accepts_identity(p));
    let Some(peer) = peer else {
        let (offered, accepted) = (identity::payload_text(id_r), gateway.accepted_text());
        return Ok(Err(Reason::Identity { offered, accepted }));
    };
    // For the failure line; it is not authenticated yet.
    session.peer = Some(peer.clone());
    let ours = gateway.identity_at(session.path.local.ip());
    let sa = session.ike_mut(ike)?;
    let State::AuthSent(auth) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    // RFC 8784 section 3: the responder says whether it has used the key.
    let ppk = auth.ppk.as_ref();
    let ppk = ppk.filter(|_| parts.notify(kind::PPK_IDENTITY).is_some());
    if let Err(reason) = ppk::agreed(&gateway, ppk.is_some()) {
        return Ok(Err(reason));
    }
    let (prf, keys) = (sa.suite()?.prf(), sa.keys()?);
    let mixed = ppk.map(|ppk| Mixed::of(keys, prf, ppk)).transpose()?;
    let theirs = Proof {
        prf,
        sk_p: mixed.as_ref().map_or(&keys.pr, |mixed| &mixed.keys.pr),
        message: &auth.response,
        nonce: &auth.nonce_i,
        id: id_r,
        int_auth: &auth.int_auth.octets(),
    };
    let judged = proof::judge(&gateway, &peer, parts, proof, &theirs)?;
    let judged = judged.map_err(|reason| proof::differs(reason, mixed.as_ref(), None));
    let peers = Peers {
        gateway,
        peer,
        ours,
        initial_contact: false,
        mixed,
    };
    Ok(judged.map(|judged| (peers, judged)))
}

/// The responder's refusal; whether it was for the post-quantum pre-shared key it does not say.
fn refused(session: &Session, ike: u64, number: u16) -> Reason {
    let name = error_name(number);
    let ppk = match session.ike(ike).map(|sa| &sa.state) {
        Some(State::AuthSent(auth)) => auth.ppk.as_ref(),
        _ => None,
    };
    match ppk.filter(|_| number == kind::AUTHENTICATION_FAILED) {
        Some(ppk) => Reason::RefusedPpk {
            name,
            number,
            ppk: opaque_text(&ppk.id),
        },
        None => Reason::Refused { name, number },
    }
}

/// The responder believes that it is connected, and we do not accept it: section 2.21.2 has us say so and delete.
fn abandon(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reason: Reason,
) -> Result<(), Fault> {
    let remote = session.path.remote;
    conclude(ctx, session, ike, false)?;
    ctx.stats.add(Count::AuthFailed);
    ctx.failure(session, remote, Stage::Auth, reason);
    session.closing = Some(DownReasonStored::SetupFailed);
    session.ike_mut(ike)?.state = State::Closing;
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
