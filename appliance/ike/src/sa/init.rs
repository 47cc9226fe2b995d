//! IKE_SA_INIT (RFC 7296 section 1.2): algorithms, nonces, key exchange, NAT detection.
//!
//! The responder's stateless part (cookie, choice, INVALID_KE_PAYLOAD) is in [`crate::endpoint::half_open`]; here is what
//! needs an SA: its answer once the key exchange is done, and the whole of the initiator's side.

use ravelin_crypto::{DhPrivate, Secret, sha1};
use ravelin_types::{DhGroup, IkeSuite};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::auth::ppk;
use super::auth::proof::requests;
use super::auth::{self, HalfOpen};
use super::intermediate;
use super::{Continuation, Exchange, Incoming, Parts, State, Wishes, send_back};
use crate::authority::HASH_ALGORITHMS;
use crate::config::Gateway;
use crate::error::{Fault, Reason, Stage};
use crate::event::DownReason;
use crate::keymat::{IkeKeys, Seeds};
use crate::msg::ke::Ke;
use crate::msg::nonce::Nonce;
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::protocol;
use crate::msg::{ExchangeType, Message, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::proposal::{IkeChoice, answer as chosen, is_one_suite, offer_ike, select_ike};
use crate::record::StoredDh;
use crate::registry::error_name;
use crate::session::{IkeSa, PORT_NATT, Path, Session};
use crate::stats::{Count, Discard};
use crate::timers::HALF_OPEN_LIFETIME;
use crate::window::GIVE_UP;
use crate::work::Job;

/// Further first messages that a responder may provoke by COOKIE or INVALID_KE_PAYLOAD: one of each, and one more if its
/// cookie secret turned meanwhile.
pub const MAX_ROUNDS: u8 = 4;

/// The initiator has no key pair yet.
#[derive(Serialize, Deserialize)]
pub(crate) struct Starting {
    pub(crate) group: u16,
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) rounds: u8,
}

/// The initiator has sent its first message.
#[derive(Serialize, Deserialize)]
pub(crate) struct InitSent {
    dh: StoredDh,
    nonce: Vec<u8>,
    cookie: Option<Vec<u8>>,
    request: Vec<u8>,
    rounds: u8,
}

/// A response whose key exchange is running.
pub(crate) struct Reply {
    pub(crate) suite: IkeSuite,
    spi_r: u64,
    nonce_r: Vec<u8>,
    response: Vec<u8>,
    nat_local: bool,
    nat_remote: bool,
    float: bool,
    fragmentation: bool,
    /// What the peer wants beside our proof.
    pub(crate) wishes: Wishes,
    /// Both ends use post-quantum pre-shared keys (RFC 8784).
    use_ppk: bool,
}

impl Reply {
    /// After an IKE_INTERMEDIATE exchange: what the IKE SA is already.
    pub(crate) fn settled(sa: &IkeSa, path: &Path, wishes: Wishes) -> Result<Reply, Fault> {
        Ok(Reply {
            suite: sa.suite()?,
            spi_r: sa.spi_r,
            nonce_r: Vec::new(),
            response: Vec::new(),
            nat_local: path.nat_local,
            nat_remote: path.nat_remote,
            float: false,
            fragmentation: sa.fragmentation,
            wishes,
            use_ppk: false,
        })
    }
}

/// A response whose shared secret is there, and what IKE_AUTH is made of.
pub(crate) struct Agreed {
    pub(crate) reply: Reply,
    pub(crate) keys: IkeKeys,
    pub(crate) auth: auth::AuthSent,
}

/// A request whose key exchange is running.
pub(crate) struct Answer {
    pub(crate) choice: IkeChoice,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) request: Vec<u8>,
    pub(crate) incoming: Incoming,
    pub(crate) nat_local: bool,
    pub(crate) nat_remote: bool,
    /// The peer knows fragments (RFC 7383).
    pub(crate) fragmentation: bool,
    /// What the peer takes in signatures (RFC 7427).
    pub(crate) hashes: Option<Vec<u16>>,
    /// Both ends use post-quantum pre-shared keys (RFC 8784).
    pub(crate) use_ppk: bool,
    /// The peer knows redirects (RFC 5685).
    pub(crate) redirectable: bool,
}

/// SHA-1(SPIs | address | port) (section 2.23).
fn nat_hash(spi_i: u64, spi_r: u64, at: SocketAddr) -> Result<[u8; 20], Fault> {
    let (i, r, port) = (
        spi_i.to_be_bytes(),
        spi_r.to_be_bytes(),
        at.port().to_be_bytes(),
    );
    Ok(match at.ip() {
        IpAddr::V4(a) => sha1(&[&i, &r, &a.octets(), &port])?,
        IpAddr::V6(a) => sha1(&[&i, &r, &a.octets(), &port])?,
    })
}

pub(crate) fn nat_payloads(
    spi_i: u64,
    spi_r: u64,
    local: SocketAddr,
    remote: SocketAddr,
) -> Result<[Payload; 2], Fault> {
    let source = nat_hash(spi_i, spi_r, local)?;
    let destination = nat_hash(spi_i, spi_r, remote)?;
    Ok([
        Payload::Notify(Notify::new(kind::NAT_DETECTION_SOURCE_IP, &source)),
        Payload::Notify(Notify::new(
            kind::NAT_DETECTION_DESTINATION_IP,
            &destination,
        )),
    ])
}

/// (a NAT before us, a NAT before the peer); neither when the peer does not support NAT traversal.
pub(crate) fn detect_nat(
    parts: &Parts<'_>,
    spis: (u64, u64),
    local: SocketAddr,
    remote: SocketAddr,
) -> Result<(bool, bool), Fault> {
    let (source, destination) = (
        nat_hash(spis.0, spis.1, remote)?,
        nat_hash(spis.0, spis.1, local)?,
    );
    let hashes = |kind| {
        parts
            .notifies
            .iter()
            .filter(move |n| n.kind == kind)
            .peekable()
    };
    let differs = |number, hash: [u8; 20]| {
        let mut sent = hashes(number);
        sent.peek().is_some() && sent.all(|n| n.data != hash)
    };
    Ok((
        differs(kind::NAT_DETECTION_DESTINATION_IP, destination),
        differs(kind::NAT_DETECTION_SOURCE_IP, source),
    ))
}

/// RFC 7427 section 4: it "implicitly indicates support of the new "Digital Signature" algorithm method". It is sent even when only
/// we have a certificate, because peers answer it by their own list only then.
fn hash_algorithms() -> Payload {
    Payload::Notify(Notify::hash_algorithms(&HASH_ALGORITHMS))
}

/// RFC 9370 section 2.2.1: whoever offers or takes additional key exchanges says that it knows the exchange for them.
fn intermediate_supported() -> Payload {
    Payload::Notify(Notify::new(kind::INTERMEDIATE_EXCHANGE_SUPPORTED, &[]))
}

fn fragmentation_supported() -> Payload {
    Payload::Notify(Notify::new(kind::FRAGMENTATION_SUPPORTED, &[]))
}

/// Starts a session with a static peer: the key pair first.
pub(crate) fn start(ctx: &mut Ctx<'_>, session: &mut Session, group: DhGroup) -> Result<(), Fault> {
    let ike = session.current;
    ctx.work(session, ike, Job::Generate(group), Continuation::InitStart)
}

/// The key pair is there: sends the first message.
pub(crate) fn send(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    dh: DhPrivate,
) -> Result<(), Fault> {
    let State::Starting(starting) = &session.ike_mut(ike)?.state else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let sent = InitSent {
        dh: StoredDh(dh),
        nonce: ctx.nonce()?,
        cookie: starting.cookie.clone(),
        request: Vec::new(),
        rounds: starting.rounds,
    };
    send_request(ctx, session, ike, sent)
}

fn send_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    mut sent: InitSent,
) -> Result<(), Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        session.end(DownReason::Closed);
        return Ok(());
    };
    let path = session.path;
    let now = ctx.now;
    let sa = session.ike_mut(ike)?;
    let mut payloads = Vec::new();
    payloads.extend(
        sent.cookie
            .as_ref()
            .map(|c| Payload::Notify(Notify::new(kind::COOKIE, c))),
    );
    payloads.push(Payload::Sa(offer_ike(&gateway.proposals, &[])));
    payloads.push(Payload::Ke(Ke {
        group: sent.dh.0.group().iana(),
        public: sent.dh.0.public().to_vec(),
    }));
    payloads.push(Payload::Nonce(Nonce(sent.nonce.clone())));
    payloads.extend(nat_payloads(sa.spi_i, 0, path.local, path.remote)?);
    payloads.push(fragmentation_supported());
    let additional = gateway
        .proposals
        .iter()
        .any(|p| !p.suite.additional().is_empty());
    payloads.extend(additional.then(intermediate_supported));
    payloads.extend((!gateway.ppks.keys.is_empty()).then(ppk::supported));
    payloads.extend(gateway.uses_certificates().then(hash_algorithms));
    sa.spi_r = 0;
    sa.window.restart();
    let data = Message {
        header: sa.header(ExchangeType::IkeSaInit, false, 0),
        payloads,
    }
    .emit();
    sent.request = data.clone();
    sa.state = State::InitSent(sent);
    sa.expires_at = None;
    sa.window
        .send(vec![data.clone()], Exchange::Init, None, now, GIVE_UP);
    sa.traffic.sent += 1;
    session.volatile.dirty = true;
    ctx.stats.add(Count::InitStarted);
    ctx.transmit(&path, data, None);
    Ok(())
}

pub(crate) fn gateway_of(ctx: &Ctx<'_>, session: &Session) -> Option<Arc<Gateway>> {
    session
        .gateway
        .as_ref()
        .and_then(|name| ctx.config.gateways.named(name))
        .cloned()
}

/// A response to our first message.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    message: &Message,
    data: &[u8],
) -> Result<(), Fault> {
    if unknown_critical(&message.payloads).is_some() {
        // Nobody has proven to have sent it: the true response may still come.
        return Err(Fault::Discard(Discard::Malformed));
    }
    let parts = Parts::of(&message.payloads);
    let remote = session.path.remote;
    let Some(gateway) = gateway_of(ctx, session) else {
        session.end(DownReason::Closed);
        return Ok(());
    };
    let sa = session.ike_mut(ike)?;
    let spi_i = sa.spi_i;
    let State::InitSent(sent) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let asked_with = sent.dh.0.group();
    if let Some(cookie) = parts
        .notify(kind::COOKIE)
        .filter(|n| (1..=64).contains(&n.data.len()))
    {
        return again(ctx, session, ike, Round::Cookie(cookie.data.clone()));
    }
    if let Some(n) = parts.notify(kind::INVALID_KE_PAYLOAD) {
        let wanted = <[u8; 2]>::try_from(n.data.as_slice())
            .ok()
            .map(u16::from_be_bytes)
            .and_then(DhGroup::from_iana);
        let offered =
            wanted.filter(|group| gateway.proposals.iter().any(|p| p.suite.dh() == *group));
        let Some(group) = offered else {
            return give_up(ctx, session, Reason::NotOffered("a key exchange group"));
        };
        // A late answer to an earlier request of ours: another request now would cross the answer to the one that is out.
        if group == asked_with {
            return Err(Fault::Discard(Discard::WrongExchange));
        }
        return again(ctx, session, ike, Round::Group(group));
    }
    if let Some(n) = parts.error() {
        return give_up(
            ctx,
            session,
            Reason::Refused {
                name: error_name(n.kind),
                number: n.kind,
            },
        );
    }
    let State::InitSent(sent) = &sa.state else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let (Some(offer), Some(ke), Some(nonce)) = (parts.sa, parts.ke, parts.nonce) else {
        return give_up(ctx, session, Reason::Missing("SA, KE or Nonce"));
    };
    if message.header.spi_r == 0 {
        return give_up(ctx, session, Reason::Missing("responder SPI"));
    }
    let choice = match select_ike(offer, &gateway.proposals, 0) {
        Ok(choice) if is_one_suite(offer) => choice,
        _ => return give_up(ctx, session, Reason::NotOffered("a suite")),
    };
    if ke.group != choice.suite.dh().iana() || choice.suite.dh() != sent.dh.0.group() {
        return give_up(ctx, session, Reason::NotOffered("a key exchange value"));
    }
    let intermediate = parts
        .notify(kind::INTERMEDIATE_EXCHANGE_SUPPORTED)
        .is_some();
    if !intermediate && !choice.suite.additional().is_empty() {
        let missing = Reason::Missing("INTERMEDIATE_EXCHANGE_SUPPORTED");
        return give_up(ctx, session, missing);
    }
    let use_ppk = !gateway.ppks.keys.is_empty() && parts.notify(kind::USE_PPK).is_some();
    if let Err(reason) = ppk::agreed(&gateway, use_ppk) {
        return give_up(ctx, session, reason);
    }
    let job = Job::Agree(sent.dh.0.clone(), ke.public.clone());
    let local = session.path.local;
    let (nat_local, nat_remote) = detect_nat(&parts, (spi_i, message.header.spi_r), local, remote)?;
    let reply = Reply {
        suite: choice.suite,
        spi_r: message.header.spi_r,
        nonce_r: nonce.0.clone(),
        response: data.to_vec(),
        nat_local,
        nat_remote,
        // RFC 4555 section 3.3: with MOBIKE the initiator goes there without a NAT too, if the peer supports NAT traversal.
        float: gateway.always_port_4500
            || nat_local
            || nat_remote
            || gateway.mobike && parts.notify(kind::NAT_DETECTION_SOURCE_IP).is_some(),
        fragmentation: parts.notify(kind::FRAGMENTATION_SUPPORTED).is_some(),
        wishes: parts.wishes(),
        use_ppk,
    };
    ctx.work(session, ike, job, Continuation::InitAgree(Box::new(reply)))?;
    if let Some(o) = session.ike_mut(ike)?.window.outstanding_mut() {
        o.answered = true;
    }
    Ok(())
}

enum Round {
    Cookie(Vec<u8>),
    Group(DhGroup),
}

/// The responder wants another first message.
fn again(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64, round: Round) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    let State::InitSent(sent) = std::mem::replace(&mut sa.state, State::Answering) else {
        return Err(Fault::Discard(Discard::WrongExchange));
    };
    let rounds = sent.rounds + 1;
    if rounds > MAX_ROUNDS {
        return give_up(ctx, session, Reason::NoAnswer(u32::from(rounds)));
    }
    match round {
        Round::Cookie(cookie) => send_request(
            ctx,
            session,
            ike,
            InitSent {
                cookie: Some(cookie),
                rounds,
                ..sent
            },
        ),
        Round::Group(group) => {
            sa.window.restart();
            sa.state = State::Starting(Starting {
                group: group.iana(),
                cookie: sent.cookie,
                rounds,
            });
            session.volatile.dirty = true;
            start(ctx, session, group)
        }
    }
}

/// Ends a set-up of ours that cannot succeed.
pub(crate) fn give_up(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    reason: Reason,
) -> Result<(), Fault> {
    let remote = session.path.remote;
    ctx.failure(session, remote, Stage::Init, reason);
    session.end(DownReason::SetupFailed);
    Ok(())
}

/// The initiator has the shared secret: keys, then the next key exchange or IKE_AUTH. The SA changes with that message, not before: until then a crash or
/// a full pool leads back to the first message, which is sent again.
pub(crate) fn agreed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    mut reply: Reply,
    shared: &Secret,
) -> Result<(), Fault> {
    let sa = session.ike_mut(ike)?;
    let State::InitSent(sent) = &sa.state else {
        return Err(Fault::Discard(Discard::StaleWork));
    };
    let seeds = Seeds {
        nonce_i: &sent.nonce,
        nonce_r: &reply.nonce_r,
        spi_i: sa.spi_i,
        spi_r: reply.spi_r,
    };
    let keys = IkeKeys::initial(reply.suite, shared, &seeds)?;
    let auth = auth::AuthSent {
        nonce_i: sent.nonce.clone(),
        nonce_r: std::mem::take(&mut reply.nonce_r),
        request: sent.request.clone(),
        response: std::mem::take(&mut reply.response),
        int_auth: intermediate::IntAuth::default(),
        use_ppk: reply.use_ppk,
        ppk: None,
        child: None,
    };
    intermediate::go_on(ctx, session, ike, Agreed { reply, keys, auth })
}

/// IKE_INTERMEDIATE or IKE_AUTH is about to be sent: the SA is what was agreed on.
pub(crate) fn settle(
    session: &mut Session,
    ike: u64,
    agreed: Agreed,
) -> Result<auth::AuthSent, Fault> {
    let Agreed { reply, keys, auth } = agreed;
    let sa = session.ike_mut(ike)?;
    sa.window.close();
    sa.spi_r = reply.spi_r;
    sa.fragmentation = reply.fragmentation;
    sa.suite = Some(reply.suite);
    sa.replace_keys(keys);
    let path = &mut session.path;
    (path.nat_local, path.nat_remote) = (reply.nat_local, reply.nat_remote);
    if reply.float {
        path.local.set_port(PORT_NATT);
        path.remote.set_port(PORT_NATT);
    }
    Ok(auth)
}

/// What the responder says of certificates, without knowing yet which gateway it will be: what any at this address uses.
fn about_certificates(ctx: &Ctx<'_>, session: &Session, incoming: &Incoming) -> Vec<Payload> {
    let (local, remote) = (incoming.local.ip(), incoming.remote.ip());
    let gateways = ctx
        .config
        .gateways
        .candidates(session.path.vrf, local, remote);
    let mut payloads = Vec::new();
    if gateways.iter().any(|g| g.uses_certificates()) {
        payloads.push(hash_algorithms());
    }
    payloads.extend(requests(gateways.iter().filter_map(|g| g.trust())));
    payloads
}

/// The responder has the shared secret: answers and waits for IKE_AUTH.
pub(crate) fn answer(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    a: Answer,
    public: Vec<u8>,
    shared: &Secret,
) -> Result<(), Fault> {
    let spi_r = ctx.ike_spi()?;
    let nonce_r = ctx.nonce()?;
    let suite = a.choice.suite;
    let now = ctx.now;
    let certificates = about_certificates(ctx, session, &a.incoming);
    let sa = session.ike_mut(ike)?;
    if !matches!(sa.state, State::Answering) {
        return Err(Fault::Discard(Discard::StaleWork));
    }
    sa.spi_r = spi_r;
    sa.fragmentation = a.fragmentation;
    sa.suite = Some(suite);
    let seeds = Seeds {
        nonce_i: &a.nonce_i,
        nonce_r: &nonce_r,
        spi_i: sa.spi_i,
        spi_r,
    };
    sa.keys = Some(IkeKeys::initial(suite, shared, &seeds)?);
    let mut payloads = vec![
        Payload::Sa(chosen(
            a.choice.number,
            protocol::IKE,
            &[],
            a.choice.transforms(),
        )),
        Payload::Ke(Ke {
            group: suite.dh().iana(),
            public,
        }),
        Payload::Nonce(Nonce(nonce_r.clone())),
    ];
    payloads.extend(nat_payloads(
        sa.spi_i,
        spi_r,
        a.incoming.local,
        a.incoming.remote,
    )?);
    // RFC 7383 section 2.3: the responder says so only to an initiator that did.
    payloads.extend(a.fragmentation.then(fragmentation_supported));
    payloads.extend((!suite.additional().is_empty()).then(intermediate_supported));
    payloads.extend(a.use_ppk.then(ppk::supported));
    // RFC 6023 section 4: the peer may leave the first child SA out of IKE_AUTH.
    let childless = Notify::new(kind::CHILDLESS_IKEV2_SUPPORTED, &[]);
    payloads.push(Payload::Notify(childless));
    payloads.extend(certificates);
    let data = Message {
        header: sa.header(ExchangeType::IkeSaInit, true, 0),
        payloads,
    }
    .emit();
    sa.window.answer(0, vec![data.clone()], None);
    sa.traffic.sent += 1;
    sa.state = State::HalfOpen(HalfOpen {
        nonce_i: a.nonce_i,
        nonce_r,
        request: a.request,
        response: data.clone(),
        hashes: a.hashes,
        int_auth: intermediate::IntAuth::default(),
        use_ppk: a.use_ppk,
        previous: None,
    });
    sa.expires_at = Some(now + HALF_OPEN_LIFETIME);
    session.redirectable = a.redirectable;
    session.path.nat_local = a.nat_local;
    session.path.nat_remote = a.nat_remote;
    session.volatile.dirty = true;
    ctx.stats.add(Count::InitAnswered);
    send_back(ctx, session, &a.incoming, vec![data], None);
    Ok(())
}

impl HalfOpen {
    /// True when this is the first message that was answered.
    pub(crate) fn is_request(&self, data: &[u8]) -> bool {
        self.request == data
    }
}
