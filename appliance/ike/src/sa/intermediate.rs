//! IKE_INTERMEDIATE (RFC 9242) with the additional key exchanges of RFC 9370, between IKE_SA_INIT and IKE_AUTH.
//!
//! ```text
//!  initiator:  keys(n-1) -> key pair -> request KE(n) ...... response KE(n) -> keys(n) -> the next one, or IKE_AUTH
//!  responder:  request KE(n) -> answer and secret -> response KE(n) under keys(n-1) -> keys(n)
//! ```
//!
//! There are exactly as many as the suite names, one method each, in its order; what both sides said goes into AUTH ([`IntAuth`]). A message
//! is protected by the keys before it, so the responder keeps those of the last one for the peer's repetitions. While a job is under way
//! the state is the one before it, as everywhere.

use ravelin_crypto::{DhPrivate, Error, Secret, Zeroizing, prf};
use ravelin_types::{Prf, SecretBytes};
use serde::{Deserialize, Serialize};

use super::auth::{self, AuthSent, initiator::set_answered, responder::fail};
use super::init::{self, Agreed, settle};
use super::{Continuation, Exchange, Incoming, Parts, Refusal, State, Wishes, request, respond};
use crate::error::{Fault, Reason, Stage};
use crate::event::DownReason;
use crate::keymat::Seeds;
use crate::msg::ke::Ke;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Header, Payload, Whole, covered, unknown_critical};
use crate::outbox::Ctx;
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::session::Session;
use crate::stats::Discard;
use crate::work::Job;

/// RFC 9242 section 3.3.2: IntAuth = IntAuth_iN | IntAuth_rN | IKE_AUTH_MID, empty without any IKE_INTERMEDIATE.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct IntAuth {
    initiator: Vec<u8>,
    responder: Vec<u8>,
    /// Exchanges done.
    pub(crate) rounds: u32,
}

impl IntAuth {
    /// What both sides sign beside the rest. IKE_AUTH follows the exchanges, which follow message 0.
    pub(crate) fn octets(&self) -> Vec<u8> {
        if self.rounds == 0 {
            return Vec::new();
        }
        let auth_id = (self.rounds + 1).to_be_bytes();
        [&self.initiator, &self.responder, &auth_id[..]].concat()
    }

    /// The additional key exchanges that are done.
    pub(crate) fn done(&self) -> usize {
        usize::try_from(self.rounds).unwrap_or(usize::MAX)
    }
}

/// IntAuth_n = prf(SK_p, IntAuth_n-1 | A | P), with the key that was in force when the message was sent.
fn chained(alg: Prf, sk_p: &SecretBytes, before: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    prf(alg, sk_p.expose(), &[before, message]).map(|mac| mac.as_bytes().to_vec())
}

/// The initiator has sent an IKE_INTERMEDIATE request.
#[derive(Serialize, Deserialize)]
pub(crate) struct IntermediateSent {
    dh: StoredDh,
    auth: AuthSent,
    /// What the peer wants beside our proof.
    wishes: Wishes,
}

/// A response whose shared secret is being computed.
pub(crate) struct Reply {
    int_auth: IntAuth,
}

/// A request whose key exchange is running.
pub(crate) struct Answer {
    incoming: Incoming,
    said: Vec<u8>,
}

/// Keys are agreed on: the next key exchange, or IKE_AUTH.
pub(crate) fn go_on(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    agreed: Agreed,
) -> Result<(), Fault> {
    let done = agreed.auth.int_auth.done();
    let Some(method) = agreed.reply.suite.additional().get(done) else {
        return auth::initiator::start(ctx, session, ike, agreed);
    };
    let then = Continuation::IntermediateStart(Box::new(agreed));
    let queued = ctx.work(session, ike, Job::Generate(method), then);
    set_answered(session, ike, queued.is_ok())?;
    queued
}

/// The key pair is there: sends the request.
pub(crate) fn send(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    agreed: Agreed,
    dh: DhPrivate,
) -> Result<(), Fault> {
    let state = &session.ike_mut(ike)?.state;
    if !matches!(state, State::InitSent(_) | State::Intermediate(_)) {
        return Err(Fault::Discard(Discard::StaleWork));
    }
    let wishes = agreed.reply.wishes.clone();
    let mut auth = settle(session, ike, agreed)?;
    let payloads = [Payload::Ke(Ke {
        group: dh.group().iana(),
        public: dh.public().to_vec(),
    })];
    let sa = session.ike_mut(ike)?;
    let header = sa.header(
        ExchangeType::IkeIntermediate,
        false,
        sa.window.next_request(),
    );
    auth.int_auth.initiator = chained(
        sa.suite()?.prf(),
        &sa.keys()?.pi,
        &auth.int_auth.initiator,
        &ours(&header, &payloads),
    )?;
    let dh = StoredDh(dh);
    sa.state = State::Intermediate(Box::new(IntermediateSent { dh, auth, wishes }));
    request(
        ctx,
        session,
        ike,
        ExchangeType::IkeIntermediate,
        &payloads,
        Exchange::Intermediate,
    )
}

/// What a message of ours adds.
fn ours(header: &Header, payloads: &[Payload]) -> Zeroizing<Vec<u8>> {
    let (first, chain) = crate::msg::sk::chain(payloads);
    covered(&header.emit(0, 0), 0, first, &chain)
}

/// Handles the response.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    message: Whole,
) -> Result<(), Fault> {
    let payloads = match message.payloads {
        Ok(payloads) => payloads,
        Err(e) => return give_up(ctx, session, Reason::Malformed(e)),
    };
    if let Some(number) = unknown_critical(&payloads) {
        return give_up(ctx, session, Reason::Critical(number));
    }
    let parts = Parts::of(&payloads);
    if let Some(n) = parts.error() {
        let (name, number) = (error_name(n.kind), n.kind);
        return give_up(ctx, session, Reason::Refused { name, number });
    }
    let sa = session.ike_mut(ike)?;
    let State::Intermediate(sent) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let dh = sent.dh.0.clone();
    let ke = parts.ke.filter(|ke| ke.group == dh.group().iana());
    let Some(ke) = ke else {
        let wanted = dh.group();
        return give_up(ctx, session, Reason::MissingKe(wanted));
    };
    let mut int_auth = sent.auth.int_auth.clone();
    int_auth.responder = chained(
        sa.suite()?.prf(),
        &sa.keys()?.pr,
        &int_auth.responder,
        &message.covered,
    )?;
    int_auth.rounds += 1;
    let then = Continuation::IntermediateAgree(Box::new(Reply { int_auth }));
    ctx.work(session, ike, Job::Agree(dh, ke.public.clone()), then)?;
    set_answered(session, ike, true)
}

/// The initiator has the shared secret.
pub(crate) fn agreed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: Secret,
) -> Result<(), Fault> {
    let path = session.path;
    let sa = session.ike_mut(ike)?;
    let State::Intermediate(sent) = &sa.state else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let (nonce_i, nonce_r) = (sent.auth.nonce_i.clone(), sent.auth.nonce_r.clone());
    let seeds = Seeds {
        nonce_i: &nonce_i,
        nonce_r: &nonce_r,
        spi_i: sa.spi_i,
        spi_r: sa.spi_r,
    };
    let keys = sa.keys()?.mixed(sa.suite()?, shared, &seeds)?;
    let agreed = Agreed {
        reply: init::Reply::settled(sa, &path, sent.wishes.clone())?,
        keys,
        auth: AuthSent {
            request: sent.auth.request.clone(),
            response: sent.auth.response.clone(),
            int_auth: reply.int_auth,
            use_ppk: sent.auth.use_ppk,
            ppk: None,
            nonce_i,
            nonce_r,
            child: None,
        },
    };
    go_on(ctx, session, ike, agreed)
}

/// Ends a set-up of ours that cannot succeed; the responder has no SA yet.
pub(crate) fn give_up(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    reason: Reason,
) -> Result<(), Fault> {
    let remote = session.path.remote;
    ctx.failure(session, remote, Stage::Intermediate, reason);
    session.end(DownReason::SetupFailed);
    Ok(())
}

fn refusal(reason: Reason) -> Refusal {
    Refusal::new(Stage::Intermediate, kind::INVALID_SYNTAX, reason)
}

/// Handles a request: the next of the agreed key exchanges and nothing else.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    message: Whole,
) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    let State::HalfOpen(half) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let suite = sa.suite()?;
    let (done, agreed) = (half.int_auth.done(), suite.additional().len());
    let before = &half.int_auth.initiator;
    let said = chained(suite.prf(), &sa.keys()?.pi, before, &message.covered)?;
    let payloads = match message.payloads {
        Ok(payloads) => payloads,
        Err(e) => return fail(ctx, session, ike, incoming, refusal(Reason::Malformed(e))),
    };
    if let Some(number) = unknown_critical(&payloads) {
        let notify = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[number]);
        let reason = Reason::Critical(number);
        let refusal = Refusal {
            notify,
            ..refusal(reason)
        };
        return fail(ctx, session, ike, incoming, refusal);
    }
    let Some(method) = suite.additional().get(done) else {
        let reason = Reason::KeyExchanges { done, agreed };
        return fail(ctx, session, ike, incoming, refusal(reason));
    };
    let ke = Parts::of(&payloads).ke;
    let Some(ke) = ke.filter(|ke| ke.group == method.iana()) else {
        let reason = Reason::MissingKe(method);
        return fail(ctx, session, ike, incoming, refusal(reason));
    };
    let answer = Answer {
        incoming: *incoming,
        said,
    };
    let then = Continuation::IntermediateAnswer(Box::new(answer));
    let job = Job::GenerateAndAgree(method, ke.public.clone());
    ctx.work(session, ike, job, then)?;
    session.ike_mut(ike)?.window.answering = true;
    Ok(())
}

/// The responder has its value and the shared secret: answers, then uses the new keys.
pub(crate) fn answer(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    answer: Answer,
    public: Vec<u8>,
    shared: Secret,
) -> Result<(), Fault> {
    let Answer { incoming, said } = answer;
    let sa = session.ike_mut(ike)?;
    let State::HalfOpen(half) = &sa.state else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let suite = sa.suite()?;
    let method = suite.additional().get(half.int_auth.done());
    let method = method.ok_or(Fault::Discard(Discard::StaleWork))?;
    let payloads = [Payload::Ke(Ke {
        group: method.iana(),
        public,
    })];
    let header = sa.header(incoming.exchange, true, incoming.message_id);
    let int_auth = IntAuth {
        initiator: said,
        responder: chained(
            suite.prf(),
            &sa.keys()?.pr,
            &half.int_auth.responder,
            &ours(&header, &payloads),
        )?,
        rounds: half.int_auth.rounds + 1,
    };
    let seeds = Seeds {
        nonce_i: &half.nonce_i,
        nonce_r: &half.nonce_r,
        spi_i: sa.spi_i,
        spi_r: sa.spi_r,
    };
    let keys = sa.keys()?.mixed(suite, shared, &seeds)?;
    respond(ctx, session, ike, &incoming, &payloads, None)?;
    let sa = session.ike_mut(ike)?;
    let before = sa.replace_keys(keys);
    if let State::HalfOpen(half) = &mut sa.state {
        (half.int_auth, half.previous) = (int_auth, before);
    }
    Ok(())
}

/// The peer's value was refused.
pub(crate) fn refused(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    answer: &Answer,
    error: Error,
) -> Result<(), Fault> {
    session.ike_mut(ike)?.window.answering = false;
    let refusal = refusal(Reason::Crypto(error));
    fail(ctx, session, ike, &answer.incoming, refusal)
}
