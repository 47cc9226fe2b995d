//! IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4): the additional key exchanges of a CREATE_CHILD_SA exchange, which makes its SA with the
//! last of them.
//!
//! ```text
//!  CREATE_CHILD_SA request -> response with ADDITIONAL_KEY_EXCHANGE(link) -> [IKE_FOLLOWUP_KE KE(n), link -> KE(n), next link] ... -> SA
//! ```
//!
//! The side that started keeps request and response in its outstanding exchange, which goes on from one message to the next, so a crash
//! repeats the last one. The side that answers keeps one such SA per session, outside the journal, for a while; after a crash it says
//! STATE_NOT_FOUND and the peer starts over.
//!
//! Of simultaneous rekeys the exchange with the lowest of the four nonces of CREATE_CHILD_SA makes nothing: its initiator does not follow
//! it up. Who has begun to follow up its own answers another one with TEMPORARY_FAILURE.

use ravelin_crypto::{DhPrivate, Error, Secret};
use ravelin_types::{AdditionalKe, Time};
use serde::{Deserialize, Serialize};

use super::auth::initiator::set_answered;
use super::{
    Continuation, Exchange, Incoming, Parts, child, established, rekey, request, respond,
    respond_notify,
};
use crate::error::{Fault, Reason};
use crate::keymat::Shared;
use crate::msg::ke::Ke;
use crate::msg::notify::{Notify, kind};
use crate::msg::sk::{chain, parse_inner};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::session::Session;
use crate::stats::Discard;
use crate::timers::FOLLOWUP_LIFETIME;
use crate::work::Job;

/// Octets of a link of ours.
const LINK_OCTETS: usize = 8;
/// The longest link of a peer that is repeated to it; RFC 9370 section 4.1 sets no limit.
pub(crate) const MAX_LINK_OCTETS: usize = 1024;

/// A request of ours under way.
#[derive(Serialize, Deserialize)]
pub(crate) struct Requested {
    /// The exchange that is followed up.
    pub(crate) goal: Exchange,
    /// The payloads of its response, and the type of the first.
    response: (u8, Vec<u8>),
    exchanged: Exchanged,
    dh: StoredDh,
}

/// The key exchanges done so far.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Exchanged {
    methods: AdditionalKe,
    done: usize,
    shared: Shared,
}

impl Exchanged {
    /// After the key exchange of CREATE_CHILD_SA.
    pub(crate) fn first(methods: AdditionalKe, shared: Secret) -> Self {
        Exchanged {
            methods,
            done: 0,
            shared: Shared::from(shared),
        }
    }

    fn add(&mut self, shared: &Secret) {
        self.done += 1;
        self.shared.mix(shared);
    }

    fn next(&self) -> Option<ravelin_types::DhGroup> {
        self.methods.get(self.done)
    }
}

/// What the next request takes.
pub(crate) struct Start {
    payloads: Vec<Payload>,
    exchanged: Exchanged,
    link: Vec<u8>,
}

/// A response whose key exchange is running.
pub(crate) struct Reply {
    link: Option<Vec<u8>>,
}

/// The link of a message.
fn link_of(parts: &Parts<'_>) -> Option<Vec<u8>> {
    let notify = parts.notify(kind::ADDITIONAL_KEY_EXCHANGE)?;
    (notify.data.len() <= MAX_LINK_OCTETS).then(|| notify.data.clone())
}

/// The response to CREATE_CHILD_SA and its secret are there, and there is more to exchange. `Err` in the result: the response has no link.
pub(crate) fn begin(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: Vec<Payload>,
    exchanged: Exchanged,
) -> Result<Result<(), Reason>, Fault> {
    let link = link_of(&Parts::of(&payloads));
    generate(ctx, session, ike, payloads, exchanged, link)
}

fn generate(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: Vec<Payload>,
    exchanged: Exchanged,
    link: Option<Vec<u8>>,
) -> Result<Result<(), Reason>, Fault> {
    let (Some(method), Some(link)) = (exchanged.next(), link) else {
        return Ok(Err(Reason::Missing("ADDITIONAL_KEY_EXCHANGE")));
    };
    let start = Start {
        payloads,
        exchanged,
        link,
    };
    let then = Continuation::FollowupStart(Box::new(start));
    let queued = ctx.work(session, ike, Job::Generate(method), then);
    set_answered(session, ike, queued.is_ok())?;
    queued.map(Ok)
}

/// The nonce of a response.
fn nonce_of(payloads: &[Payload]) -> &[u8] {
    Parts::of(payloads).nonce.map_or(&[], |n| n.0.as_slice())
}

/// Whether an exchange of the peer's was to make the same.
fn is_contested(goal: &Exchange) -> bool {
    match goal {
        Exchange::Child(ours) => ours.rival.is_some(),
        Exchange::RekeyIke(ours) => ours.rival.is_some(),
        _ => false,
    }
}

/// The key pair is there: sends the request.
pub(crate) fn send(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    start: Start,
    dh: DhPrivate,
) -> Result<(), Fault> {
    let goal = match session.ike_mut(ike)?.window.close() {
        Some(Exchange::Followup(before)) => before.goal,
        // "The initiator of this exchange just stops the rekeying process, and it MUST NOT initiate the IKE_FOLLOWUP_KE exchange."
        Some(Exchange::Child(ours)) if ours.loses(nonce_of(&start.payloads)) => {
            child::start::stop(ctx, session, &ours);
            return Ok(());
        }
        Some(Exchange::RekeyIke(ours)) if ours.loses(nonce_of(&start.payloads)) => {
            return rekey::start::stop(ctx, session, ike, &ours);
        }
        Some(goal @ (Exchange::Child(_) | Exchange::RekeyIke(_))) => goal,
        _ => return Err(Fault::Discard(Discard::StaleWork)),
    };
    if is_contested(&goal) {
        // The peer stops its own.
        forget(ctx, session);
    }
    let payloads = [
        Payload::Ke(Ke {
            group: dh.group().iana(),
            public: dh.public().to_vec(),
        }),
        Payload::Notify(Notify::new(kind::ADDITIONAL_KEY_EXCHANGE, &start.link)),
    ];
    let (first, octets) = chain(&start.payloads);
    let requested = Requested {
        goal,
        response: (first, octets.to_vec()),
        exchanged: start.exchanged,
        dh: StoredDh(dh),
    };
    let exchange = Exchange::Followup(Box::new(requested));
    request(
        ctx,
        session,
        ike,
        ExchangeType::IkeFollowupKe,
        &payloads,
        exchange,
    )
}

/// Handles the response.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: &[Payload],
) -> Result<(), Fault> {
    let parts = Parts::of(payloads);
    let outstanding = session.ike_mut(ike)?.window.outstanding();
    let Some(Exchange::Followup(sent)) = outstanding.map(|o| &o.exchange) else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let dh = sent.dh.0.clone();
    if let Some(n) = parts.error() {
        let (name, number) = (error_name(n.kind), n.kind);
        let reason = Reason::Refused { name, number };
        return fail(ctx, session, ike, payloads, reason);
    }
    let ke = parts.ke.filter(|ke| ke.group == dh.group().iana());
    let Some(ke) = ke else {
        return fail(ctx, session, ike, payloads, Reason::MissingKe(dh.group()));
    };
    let reply = Reply {
        link: link_of(&parts),
    };
    let then = Continuation::FollowupAgree(Box::new(reply));
    ctx.work(session, ike, Job::Agree(dh, ke.public.clone()), then)?;
    set_answered(session, ike, true)
}

/// The secret is there: the next exchange, or the SA.
pub(crate) fn agreed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    reply: Reply,
    shared: &Secret,
) -> Result<(), Fault> {
    let outstanding = session.ike_mut(ike)?.window.outstanding();
    let Some(Exchange::Followup(sent)) = outstanding.map(|o| &o.exchange) else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let (first, octets) = &sent.response;
    let payloads =
        parse_inner(*first, octets, 0).map_err(|_| Fault::Discard(Discard::StaleWork))?;
    let mut exchanged = sent.exchanged.clone();
    exchanged.add(shared);
    if exchanged.next().is_some() {
        let started = generate(ctx, session, ike, payloads, exchanged, reply.link)?;
        return match started {
            Ok(()) => Ok(()),
            Err(reason) => fail(ctx, session, ike, &[], reason),
        };
    }
    let Some(Exchange::Followup(sent)) = session.ike_mut(ike)?.window.close() else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    match sent.goal {
        Exchange::Child(requested) => {
            let shared = Some(&exchanged.shared);
            child::start::make(ctx, session, ike, *requested, &payloads, shared)
        }
        Exchange::RekeyIke(requested) => {
            rekey::start::make(ctx, session, ike, *requested, &payloads, &exchanged.shared)
        }
        _ => Err(Fault::Discard(Discard::StaleWork)),
    }
}

/// No SA comes of it: as if CREATE_CHILD_SA had been answered so.
fn fail(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: &[Payload],
    reason: Reason,
) -> Result<(), Fault> {
    let Some(Exchange::Followup(sent)) = session.ike_mut(ike)?.window.close() else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    match sent.goal {
        Exchange::Child(requested) => {
            child::start::fail(ctx, session, *requested, payloads, reason)
        }
        Exchange::RekeyIke(requested) => {
            rekey::start::fail(ctx, session, ike, *requested, payloads, reason)
        }
        _ => Err(Fault::Discard(Discard::WrongExchange)),
    }
}

/// What the peer's exchanges are to make.
pub(crate) enum Goal {
    Child(Box<child::answer::Made>),
    Ike(Box<rekey::answer::Made>),
}

/// An SA of the peer's that takes more key exchanges.
pub(crate) struct Pending {
    pub(crate) ike: u64,
    pub(crate) until: Time,
    link: Vec<u8>,
    exchanged: Exchanged,
    goal: Goal,
}

impl Pending {
    fn spi(&self) -> Option<ravelin_types::Spi> {
        match &self.goal {
            Goal::Child(made) => Some(made.spi_in()),
            Goal::Ike(_) => None,
        }
    }
}

/// Gives up what the peer did not go on with.
pub(crate) fn forget(ctx: &mut Ctx<'_>, session: &mut Session) {
    let pending = session.volatile.pending.take();
    if let Some(spi) = pending.and_then(|pending| pending.spi()) {
        ctx.env.release_child_spi(spi);
    }
}

/// The same once its time is over.
pub(crate) fn expire(ctx: &mut Ctx<'_>, session: &mut Session) {
    let pending = session.volatile.pending.as_ref();
    if pending.is_some_and(|pending| pending.until <= ctx.now) {
        forget(ctx, session);
    }
}

/// Answers CREATE_CHILD_SA, or a follow-up that is not the last: there is more to exchange. Takes the place of what was pending.
pub(crate) fn answer_more(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    (mut payloads, goal): (Vec<Payload>, Goal),
    exchanged: Exchanged,
) -> Result<(), Fault> {
    forget(ctx, session);
    let link = ctx.random::<LINK_OCTETS>()?.to_vec();
    let notify = Notify::new(kind::ADDITIONAL_KEY_EXCHANGE, &link);
    payloads.push(Payload::Notify(notify));
    let until = ctx.now + FOLLOWUP_LIFETIME;
    session.volatile.pending = Some(Box::new(Pending {
        ike,
        until,
        link,
        exchanged,
        goal,
    }));
    respond(ctx, session, ike, incoming, &payloads, None)
}

fn not_found(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
) -> Result<(), Fault> {
    let notify = Notify::new(kind::STATE_NOT_FOUND, &[]);
    respond_notify(ctx, session, ike, incoming, notify)
}

/// Handles a request.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &[Payload],
) -> Result<(), Fault> {
    expire(ctx, session);
    let parts = Parts::of(payloads);
    let link = link_of(&parts);
    let pending = session.volatile.pending.as_ref();
    let method = pending
        .filter(|p| p.ike == ike && Some(&p.link) == link.as_ref())
        .and_then(|p| p.exchanged.next());
    let Some(method) = method else {
        return not_found(ctx, session, ike, incoming);
    };
    let Some(ke) = parts.ke.filter(|ke| ke.group == method.iana()) else {
        let reason = Reason::MissingKe(method);
        return established::syntax(ctx, session, ike, incoming, reason);
    };
    let then = Continuation::FollowupAnswer(Box::new(*incoming));
    let job = Job::GenerateAndAgree(method, ke.public.clone());
    ctx.work(session, ike, job, then)?;
    session.ike_mut(ike)?.window.answering = true;
    Ok(())
}

/// Our value and the secret are there.
pub(crate) fn answer(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    public: Vec<u8>,
    shared: &Secret,
) -> Result<(), Fault> {
    let pending = session.volatile.pending.take_if(|p| p.ike == ike);
    let Some(pending) = pending else {
        return not_found(ctx, session, ike, incoming);
    };
    let mut exchanged = pending.exchanged;
    let method = exchanged.next();
    let method = method.ok_or(Fault::Discard(Discard::StaleWork))?;
    let payloads = vec![Payload::Ke(Ke {
        group: method.iana(),
        public,
    })];
    exchanged.add(shared);
    if exchanged.next().is_some() {
        let more = (payloads, pending.goal);
        return answer_more(ctx, session, ike, incoming, more, exchanged);
    }
    let shared = &exchanged.shared;
    match pending.goal {
        Goal::Child(made) => {
            child::answer::make(ctx, session, ike, incoming, *made, &payloads, Some(shared))
        }
        Goal::Ike(made) => {
            rekey::answer::answer(ctx, session, ike, incoming, *made, &payloads, shared)
        }
    }
}

/// The peer's value was refused.
pub(crate) fn refused(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    error: Error,
) -> Result<(), Fault> {
    established::syntax(ctx, session, ike, incoming, Reason::Crypto(error))
}
