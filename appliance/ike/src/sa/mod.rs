//! The states of an IKE SA and what happens in them: one file per exchange.
//!
//! ```text
//!            initiator                                      responder
//!   Starting --(key pair)--> InitSent                 request --(key exchange)--> HalfOpen
//!   InitSent --(response, key exchange,               HalfOpen --(IKE_INTERMEDIATE, key exchange)--> HalfOpen
//!               our proof)--> Intermediate | AuthSent HalfOpen --(IKE_AUTH, the peer's proof, ours)-->
//!   Intermediate --(as InitSent)-->                                Established | Failed
//!   AuthSent --(response, the peer's proof)--> Established
//!
//!   Established --(rekeyed)--> Replaced --(deleted by its successor's maker, or expired)--> gone
//!   Established --(we delete)--> Closing --(response, or given up)--> gone
//! ```
//!
//! Not here: routing of datagrams to an IKE SA, cookies, the half-open table ([`crate::endpoint`]).

pub(crate) mod ahead;
pub(crate) mod auth;
pub(crate) mod child;
pub(crate) mod configure;
pub(crate) mod delete;
pub(crate) mod established;
pub(crate) mod followup;
pub(crate) mod forbidden;
pub(crate) mod init;
pub(crate) mod intermediate;
pub(crate) mod liveness;
pub(crate) mod mobike;
pub(crate) mod reauth;
pub(crate) mod redirect;
pub(crate) mod rekey;
pub(crate) mod tasks;

use std::net::SocketAddr;
use std::time::Duration;

use ravelin_types::ChildId;
use serde::{Deserialize, Serialize};

use crate::error::{Fault, Reason, Stage};
use crate::msg::cert::encoding;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Header, Payload};
use crate::outbox::Ctx;
use crate::session::Session;
use crate::stats::Count;
use crate::trace::Direction;
use crate::window::Side;
use crate::window::{Datagrams, GIVE_UP};

/// The state of one IKE SA.
#[derive(Serialize, Deserialize)]
pub(crate) enum State {
    Starting(init::Starting),
    InitSent(init::InitSent),
    /// The responder's key exchange is running; nothing was sent.
    Answering,
    HalfOpen(auth::HalfOpen),
    /// An additional key exchange before IKE_AUTH is out.
    Intermediate(Box<intermediate::IntermediateSent>),
    AuthSent(auth::AuthSent),
    Established,
    /// Another IKE SA took its place, or it is the redundant one of two.
    Replaced,
    /// We asked the peer to delete it.
    Closing,
    /// Refused; kept to repeat the answer.
    Failed,
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            State::Starting(_) | State::InitSent(_) => "IKE_SA_INIT sent",
            State::Answering => "IKE_SA_INIT",
            State::HalfOpen(_) => "half-open",
            State::Intermediate(_) => "IKE_INTERMEDIATE sent",
            State::AuthSent(_) => "IKE_AUTH sent",
            State::Established => "UP",
            State::Replaced => "rekeyed",
            State::Closing => "closing",
            State::Failed => "failed",
        }
    }
}

/// What an outstanding request of ours is for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Exchange {
    Init,
    Intermediate,
    Auth,
    Dpd,
    DeleteIke,
    DeleteChild(ChildId),
    Child(Box<child::Requested>),
    RekeyIke(Box<rekey::Requested>),
    UpdateAddresses,
    ProvePeer(mobike::Proof),
    /// An additional key exchange of one of the two.
    Followup(Box<followup::Requested>),
}

impl Exchange {
    /// The exchange that it follows up, or itself.
    pub(crate) fn goal(&self) -> &Exchange {
        match self {
            Exchange::Followup(requested) => &requested.goal,
            other => other,
        }
    }

    pub(crate) fn goal_mut(&mut self) -> &mut Exchange {
        match self {
            Exchange::Followup(requested) => &mut requested.goal,
            other => other,
        }
    }
}

/// An exchange of ours that has not begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    Dpd,
    /// This IKE SA.
    DeleteIke(u64),
    DeleteChild(ChildId),
    NewChild {
        vpn: String,
        pair: usize,
    },
    RekeyChild(ChildId),
    RekeyIke,
    /// Set up another session in the place of this one.
    Reauthenticate,
    /// Tell the responder where we are (RFC 4555).
    UpdateAddresses,
    /// Tell the peer our further addresses.
    TellAddresses,
    /// Ask the peer whether it is where it says.
    ProvePeer,
    /// Send the peer to another gateway (RFC 5685).
    Redirect,
    /// Give the peer our token of the IKE SA (RFC 6290).
    TellToken,
    /// Tell the peer how many of its requests may be under way.
    TellWindow,
}

/// What follows a job.
pub(crate) enum Continuation {
    InitStart,
    InitAgree(Box<init::Reply>),
    InitAnswer(Box<init::Answer>),
    IntermediateStart(Box<init::Agreed>),
    IntermediateAgree(Box<intermediate::Reply>),
    IntermediateAnswer(Box<intermediate::Answer>),
    AuthSign(Box<auth::initiator::Signing>),
    AuthVerify(Box<auth::initiator::Verifying>),
    AuthAnswerVerify(Box<auth::responder::Claim>),
    AuthAnswerSign(Box<auth::responder::Claim>),
    ChildStart(Task),
    ChildAgree(Box<child::Reply>),
    ChildAnswer(Box<child::Answer>),
    IkeStart,
    IkeAgree(Box<rekey::Reply>),
    IkeAnswer(Box<rekey::Answer>),
    FollowupStart(Box<followup::Start>),
    FollowupAgree(Box<followup::Reply>),
    FollowupAnswer(Box<Incoming>),
}

/// Where a request came from: its response goes back there (RFC 7296 section 2.11).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) exchange: ExchangeType,
    pub(crate) message_id: u32,
}

/// Answers a request under protection; the answer is kept and repeated on demand.
pub(crate) fn respond(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &[Payload],
    gate: Option<ChildId>,
) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    let header = sa.header(incoming.exchange, true, incoming.message_id);
    let data = sa.seal(ctx.env, &header, payloads)?;
    let path = (incoming.local, incoming.remote);
    sealed(ctx, path, &header, payloads, &data);
    sa.window.answer(incoming.message_id, data.clone(), gate);
    sa.traffic.sent += 1;
    if payloads.is_empty() {
        session.step(ike, Side::Peers);
    } else {
        session.volatile.dirty = true;
    }
    send_back(ctx, session, incoming, data, gate);
    Ok(())
}

/// A message is ready to leave, in one datagram or in fragments.
fn sealed(
    ctx: &mut Ctx<'_>,
    path: (SocketAddr, SocketAddr),
    header: &Header,
    payloads: &[Payload],
    data: &[Vec<u8>],
) {
    if data.len() > 1 {
        ctx.stats.add(Count::Cut);
    }
    let octets = data.iter().map(Vec::len).sum();
    (ctx.out.trace).message(Direction::Sent, path, header, Ok(payloads), octets);
}

/// Sends to where the request came from.
pub(crate) fn send_back(
    ctx: &mut Ctx<'_>,
    session: &Session,
    incoming: &Incoming,
    data: Datagrams,
    gate: Option<ChildId>,
) {
    let mut path = session.path;
    path.local = incoming.local;
    path.remote = incoming.remote;
    for datagram in data {
        ctx.transmit(&path, datagram, gate);
    }
}

/// Answers with one notification.
pub(crate) fn respond_notify(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    notify: Notify,
) -> Result<(), Fault> {
    if notify.kind == crate::msg::notify::kind::TEMPORARY_FAILURE {
        ctx.stats.add(Count::TemporaryFailure);
    }
    respond(
        ctx,
        session,
        ike,
        incoming,
        &[Payload::Notify(notify)],
        None,
    )
}

/// Refuses a request with a notification and reports why.
pub(crate) fn refuse(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    refusal: Refusal,
) -> Result<(), Fault> {
    if refusal.notify.kind == crate::msg::notify::kind::NO_PROPOSAL_CHOSEN {
        ctx.stats.add(Count::NoProposal);
    }
    ctx.failure(session, incoming.remote, refusal.stage, *refusal.reason);
    respond_notify(ctx, session, ike, incoming, refusal.notify)
}

/// Why a request is refused and what the peer is told.
pub(crate) struct Refusal {
    pub(crate) stage: Stage,
    pub(crate) notify: Notify,
    pub(crate) reason: Box<Reason>,
}

impl Refusal {
    pub(crate) fn new(stage: Stage, kind: u16, reason: Reason) -> Refusal {
        Refusal {
            stage,
            notify: Notify::new(kind, &[]),
            reason: Box::new(reason),
        }
    }
}

/// Sends a request under protection.
pub(crate) fn request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    exchange_type: ExchangeType,
    payloads: &[Payload],
    exchange: Exchange,
) -> Result<(), Fault> {
    request_within(
        ctx,
        session,
        ike,
        exchange_type,
        payloads,
        exchange,
        None,
        GIVE_UP,
    )
}

/// Sends a request under protection, after a child SA is installed, waiting this long for the answer.
#[allow(clippy::too_many_arguments)] // the exchange's parts; a struct would only rename them
pub(crate) fn request_within(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    exchange_type: ExchangeType,
    payloads: &[Payload],
    exchange: Exchange,
    gate: Option<ChildId>,
    patience: Duration,
) -> Result<(), Fault> {
    let path = session.path;
    let now = ctx.now;
    let sa = session.ike_mut(ike)?;
    let header = sa.header(exchange_type, false, sa.window.next_request());
    let data = sa.seal(ctx.env, &header, payloads)?;
    sealed(ctx, (path.local, path.remote), &header, payloads, &data);
    let asks_only = matches!(exchange, Exchange::Dpd);
    sa.window.send(data.clone(), exchange, gate, now, patience);
    sa.traffic.sent += 1;
    if asks_only {
        session.step(ike, Side::Ours);
    } else {
        session.volatile.dirty = true;
    }
    for datagram in data {
        ctx.transmit(&path, datagram, gate);
    }
    Ok(())
}

/// What a peer takes, and wants, in a proof of ours by certificate.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Wishes {
    /// Hash algorithms of signatures (RFC 7427); `None`: it does not know them.
    pub(crate) hashes: Option<Vec<u16>>,
    /// An OCSP response about our certificate (RFC 4806).
    pub(crate) ocsp: bool,
}

/// The payloads of a set-up exchange that matter, borrowed.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    pub(crate) sa: Option<&'a crate::msg::sa::Sa>,
    pub(crate) ke: Option<&'a crate::msg::ke::Ke>,
    pub(crate) nonce: Option<&'a crate::msg::nonce::Nonce>,
    pub(crate) id_i: Option<&'a crate::msg::id::Id>,
    pub(crate) id_r: Option<&'a crate::msg::id::Id>,
    pub(crate) auth: Option<&'a crate::msg::auth::Auth>,
    pub(crate) ts_i: Option<&'a crate::msg::ts::Ts>,
    pub(crate) ts_r: Option<&'a crate::msg::ts::Ts>,
    pub(crate) certs: Vec<&'a crate::msg::cert::Cert>,
    /// It wants an OCSP response. Which responders it trusts is its own matter: it judges what it gets.
    pub(crate) wants_ocsp: bool,
    pub(crate) notifies: Vec<&'a Notify>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(payloads: &'a [Payload]) -> Parts<'a> {
        let mut p = Parts::default();
        for payload in payloads {
            match payload {
                Payload::Sa(x) => p.sa = p.sa.or(Some(x)),
                Payload::Ke(x) => p.ke = p.ke.or(Some(x)),
                Payload::Nonce(x) => p.nonce = p.nonce.or(Some(x)),
                Payload::IdI(x) => p.id_i = p.id_i.or(Some(x)),
                Payload::IdR(x) => p.id_r = p.id_r.or(Some(x)),
                Payload::Auth(x) => p.auth = p.auth.or(Some(x)),
                Payload::TsI(x) => p.ts_i = p.ts_i.or(Some(x)),
                Payload::TsR(x) => p.ts_r = p.ts_r.or(Some(x)),
                Payload::Cert(x) => p.certs.push(x),
                Payload::CertReq(x) => p.wants_ocsp |= x.encoding == encoding::OCSP_CONTENT,
                Payload::Notify(x) => p.notifies.push(x),
                _ => {}
            }
        }
        p
    }

    pub(crate) fn notify(&self, kind: u16) -> Option<&'a Notify> {
        self.notifies.iter().copied().find(|n| n.kind == kind)
    }

    /// What it takes and wants beside our proof.
    pub(crate) fn wishes(&self) -> Wishes {
        Wishes {
            hashes: self.signature_hashes(),
            ocsp: self.wants_ocsp,
        }
    }

    /// What the peer takes in signatures of method 14; `None` when it does not know that method (RFC 7427 section 4).
    pub(crate) fn signature_hashes(&self) -> Option<Vec<u16>> {
        self.notify(kind::SIGNATURE_HASH_ALGORITHMS)
            .map(Notify::hash_numbers)
    }

    /// The peer wants, or has agreed to, transport mode (RFC 7296 section 1.3.1).
    pub(crate) fn wants_transport(&self) -> bool {
        self.notify(kind::USE_TRANSPORT_MODE).is_some()
    }

    /// The peer takes no padding against traffic analysis (RFC 7296 section 1.3.1).
    pub(crate) fn refuses_tfc(&self) -> bool {
        self.notify(kind::ESP_TFC_PADDING_NOT_SUPPORTED).is_some()
    }

    /// The first notification that reports an error.
    pub(crate) fn error(&self) -> Option<&'a Notify> {
        self.notifies.iter().copied().find(|n| n.is_error())
    }
}
