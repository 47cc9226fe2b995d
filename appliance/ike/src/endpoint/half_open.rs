//! First messages from peers that are not known (RFC 7296 sections 2.6, 2.7 and 1.2): everything before an SA exists.
//!
//! A repeated first message gets the answer of the first. Above a threshold of half-open IKE SAs a COOKIE is asked for;
//! nothing is remembered for it. A wrong group or no common suite is answered without remembering anything either.

use std::net::IpAddr;

use ravelin_crypto::{Secret, ct_eq, prf};
use ravelin_types::{Prf, Time, VrfId};
use std::time::Duration;

use super::Endpoint;
use crate::environment::{Environment, EnvironmentError};
use crate::error::{Fault, Reason, Stage};
use crate::event::{Datagram, Transmit};
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Header, Message, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::proposal::select_ike;
use crate::sa::{Continuation, Incoming, Parts, State, init, redirect, send_back};
use crate::session::{FirstMessage, IkeSa, Path, Session};
use crate::stats::{Count, Discard};
use crate::timers::HALF_OPEN_LIFETIME;
use crate::window::Verdict;
use crate::work::Job;

/// A cookie secret is used this long and accepted as long again (section 2.6: "frequently").
const COOKIE_SECRET_LIFETIME: Duration = Duration::from_secs(60);

/// The longest first message that is taken. It is kept, in memory and in the journal, until the peer is authenticated (it is
/// part of what AUTH proves), and the whole table of half-open IKE SAs must fit beside the established ones. RFC 7296
/// section 2 asks for 3,000 octets; the longest proposals with the largest key exchange value stay below 4,000.
pub const MAX_FIRST_OCTETS: usize = 8192;

/// Routing instance and address of a peer.
type Origin = (VrfId, IpAddr);

/// `version(1) | prf(secret, Ni | routing instance | IPi | SPIi)`
pub(super) struct Cookies {
    current: Secret,
    previous: Secret,
    version: u8,
    turn_at: Time,
}

impl Cookies {
    pub(super) fn new(env: &mut dyn Environment, now: Time) -> Result<Self, EnvironmentError> {
        let turn_at = now + COOKIE_SECRET_LIFETIME;
        Ok(Cookies {
            current: fresh(env)?,
            previous: fresh(env)?,
            version: 0,
            turn_at,
        })
    }

    fn turn(&mut self, env: &mut dyn Environment, now: Time) -> Result<(), EnvironmentError> {
        if now >= self.turn_at {
            self.previous = std::mem::replace(&mut self.current, fresh(env)?);
            self.version = self.version.wrapping_add(1);
            self.turn_at = now + COOKIE_SECRET_LIFETIME;
        }
        Ok(())
    }

    fn make(&self, version: u8, nonce: &[u8], from: Origin, spi_i: u64) -> Result<Vec<u8>, Fault> {
        let secret = if version == self.version {
            &self.current
        } else {
            &self.previous
        };
        let (vrf, address) = from;
        let address = match address {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        };
        let mac = prf(
            Prf::HmacSha256,
            secret.as_bytes(),
            &[nonce, &vrf.0.to_be_bytes(), &address, &spi_i.to_be_bytes()],
        )?;
        let mut out = vec![version];
        out.extend_from_slice(mac.as_bytes());
        Ok(out)
    }

    fn is_right(
        &self,
        cookie: &[u8],
        nonce: &[u8],
        from: Origin,
        spi_i: u64,
    ) -> Result<bool, Fault> {
        let Some(version) = cookie.first().copied() else {
            return Ok(false);
        };
        let known = version == self.version || version == self.version.wrapping_sub(1);
        Ok(known && ct_eq(&self.make(version, nonce, from, spi_i)?, cookie))
    }
}

fn fresh(env: &mut dyn Environment) -> Result<Secret, EnvironmentError> {
    let mut octets = [0u8; 32];
    env.random(&mut octets)?;
    Ok(Secret::from_slice(&octets))
}

/// What a first message leads to.
enum Outcome {
    /// An answer that needs no memory.
    Stateless(Notify, Option<Reason>),
    /// A key exchange.
    Start(Box<init::Answer>, Job),
}

impl<E: Environment> Endpoint<E> {
    pub(super) fn first_message(&mut self, now: Time, datagram: &Datagram<'_>, message: &Message) {
        let key = FirstMessage {
            vrf: datagram.vrf,
            remote: datagram.remote,
            spi_i: message.header.spi_i,
        };
        if let Some(id) = self.first_messages.get(&key).copied() {
            self.with_session(now, id, |ctx, session| again(ctx, session, datagram));
            return;
        }
        match self.consider(now, datagram, message) {
            Ok(Outcome::Stateless(notify, reason)) => {
                if let Some(reason) = reason {
                    self.report(now, datagram, reason);
                }
                let header = Header {
                    initiator: false,
                    ..message.header
                };
                self.answer_stateless(datagram, &header, vec![notify]);
            }
            Ok(Outcome::Start(answer, job)) => self.open_session(now, key, *answer, job, datagram),
            Err(Fault::Discard(reason)) => self.stats.discard(reason),
            Err(fault) => {
                if let Some(reason) = fault.reason() {
                    self.report(now, datagram, reason);
                }
            }
        }
        self.out.commit();
    }

    fn consider(
        &mut self,
        now: Time,
        datagram: &Datagram<'_>,
        message: &Message,
    ) -> Result<Outcome, Fault> {
        if datagram.data.len() > MAX_FIRST_OCTETS {
            return Err(Fault::Discard(Discard::FirstTooLong));
        }
        let parts = Parts::of(&message.payloads);
        let (Some(sa), Some(ke), Some(nonce)) = (parts.sa, parts.ke, parts.nonce) else {
            return Err(Fault::Discard(Discard::Malformed));
        };
        if let Some(number) = unknown_critical(&message.payloads) {
            let notify = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[number]);
            return Ok(Outcome::Stateless(notify, Some(Reason::Critical(number))));
        }
        let spi_i = message.header.spi_i;
        if let Some(notify) = self.cookie_wanted(now, datagram, &parts, &nonce.0, spi_i)? {
            return Ok(Outcome::Stateless(notify, None));
        }
        if self.half_open >= self.config.limits.half_open_max {
            return Err(Fault::Discard(Discard::HalfOpenFull));
        }
        let candidates = self.config.gateways.candidates(
            datagram.vrf,
            datagram.local.ip(),
            datagram.remote.ip(),
        );
        if candidates.is_empty() {
            let notify = Notify::new(kind::NO_PROPOSAL_CHOSEN, &[]);
            return Ok(Outcome::Stateless(
                notify,
                Some(Reason::NoGateway(datagram.local)),
            ));
        }
        if let Some(notify) = redirect::at_init(&candidates, &parts, &nonce.0) {
            self.stats.add(Count::Redirected);
            return Ok(Outcome::Stateless(notify, None));
        }
        // RFC 9370 section 2.2.1: additional key exchanges are only for those who know the exchange for them.
        let intermediate = parts
            .notify(kind::INTERMEDIATE_EXCHANGE_SUPPORTED)
            .is_some();
        let all = candidates.iter().flat_map(|g| g.proposals.iter().copied());
        let all: Vec<_> = all.collect();
        let usable = all.iter().copied();
        let usable: Vec<_> = usable
            .filter(|p| intermediate || p.suite.additional().is_empty())
            .collect();
        let choice = match select_ike(sa, &usable, 0) {
            Ok(choice) => choice,
            Err(mismatch) => {
                let mismatch = select_ike(sa, &all, 0).err().unwrap_or(mismatch);
                self.stats.add(Count::NoProposal);
                let notify = Notify::new(kind::NO_PROPOSAL_CHOSEN, &[]);
                return Ok(Outcome::Stateless(notify, Some(Reason::Proposal(mismatch))));
            }
        };
        let group = choice.suite.dh();
        if ke.group != group.iana() {
            self.stats.add(Count::InvalidKe);
            let notify = Notify::new(kind::INVALID_KE_PAYLOAD, &group.iana().to_be_bytes());
            return Ok(Outcome::Stateless(notify, None));
        }
        let (nat_local, nat_remote) =
            init::detect_nat(&parts, (spi_i, 0), datagram.local, datagram.remote)?;
        let incoming = Incoming {
            local: datagram.local,
            remote: datagram.remote,
            exchange: ExchangeType::IkeSaInit,
            message_id: 0,
        };
        let answer = init::Answer {
            choice,
            nonce_i: nonce.0.clone(),
            request: datagram.data.to_vec(),
            incoming,
            nat_local,
            nat_remote,
            fragmentation: parts.notify(kind::FRAGMENTATION_SUPPORTED).is_some(),
            hashes: parts.signature_hashes(),
            use_ppk: parts.notify(kind::USE_PPK).is_some()
                && candidates.iter().any(|g| !g.ppks.keys.is_empty()),
            redirectable: redirect::is_supported(&parts),
        };
        Ok(Outcome::Start(
            Box::new(answer),
            Job::GenerateAndAgree(group, ke.public.clone()),
        ))
    }

    /// RFC 7296 section 2.6: "When a responder detects a large number of half-open IKE SAs, it SHOULD reply to IKE_SA_INIT
    /// requests with a response containing the COOKIE notification."
    fn cookie_wanted(
        &mut self,
        now: Time,
        datagram: &Datagram<'_>,
        parts: &Parts<'_>,
        nonce: &[u8],
        spi_i: u64,
    ) -> Result<Option<Notify>, Fault> {
        if self.half_open < self.config.limits.cookie_threshold {
            return Ok(None);
        }
        self.cookies.turn(&mut self.env, now)?;
        let from = (datagram.vrf, datagram.remote.ip());
        if let Some(given) = parts.notify(kind::COOKIE) {
            if self.cookies.is_right(&given.data, nonce, from, spi_i)? {
                return Ok(None);
            }
            self.stats.add(Count::CookieWrong);
        }
        self.stats.add(Count::CookieSent);
        let cookie = self
            .cookies
            .make(self.cookies.version, nonce, from, spi_i)?;
        Ok(Some(Notify::new(kind::COOKIE, &cookie)))
    }

    fn open_session(
        &mut self,
        now: Time,
        key: FirstMessage,
        answer: init::Answer,
        job: Job,
        datagram: &Datagram<'_>,
    ) {
        let (id, ike) = (self.out.new_id(), self.out.new_id());
        let path = Path {
            vrf: datagram.vrf,
            local: datagram.local,
            remote: datagram.remote,
            nat_local: false,
            nat_remote: false,
        };
        let mut session = Box::new(Session::new(id, false, path, now));
        let mut sa = IkeSa::new(ike, false, State::Answering, now);
        sa.spi_i = key.spi_i;
        sa.window.answering = true;
        sa.expires_at = Some(now + HALF_OPEN_LIFETIME);
        session.current = ike;
        session.add_ike(sa);
        self.first_messages.insert(key, id);
        session.volatile.first_message = Some(key);
        self.step(now, session, |ctx, session| {
            let then = Continuation::InitAnswer(Box::new(answer));
            let queued = ctx.work(session, ike, job, then);
            if queued.is_err() {
                session.end(crate::event::DownReason::Internal);
            }
            queued
        });
    }

    fn report(&mut self, now: Time, datagram: &Datagram<'_>, reason: Reason) {
        let config = std::sync::Arc::clone(&self.config);
        let mut ctx = Ctx {
            now,
            config: &config,
            env: &mut self.env,
            out: &mut self.out,
            stats: &mut self.stats,
            spis: &self.by_spi,
        };
        let from = (datagram.vrf, datagram.remote);
        ctx.failure_of(from, None, None, Stage::Init, reason);
    }

    /// Answers without remembering anything. `header` is the request's but for the initiator flag.
    pub(super) fn answer_stateless(
        &mut self,
        datagram: &Datagram<'_>,
        header: &Header,
        notifies: Vec<Notify>,
    ) {
        let header = Header {
            response: true,
            ..*header
        };
        let data = Message {
            header,
            payloads: notifies.into_iter().map(Payload::Notify).collect(),
        }
        .emit();
        self.stats.add(Count::Sent);
        let (vrf, local, remote) = (datagram.vrf, datagram.local, datagram.remote);
        self.out.trace.leaves((local, remote), &data);
        let after = crate::event::JournalSeq(0);
        self.out.transmits.push_back(Transmit {
            after,
            after_install: None,
            vrf,
            local,
            remote,
            data,
        });
    }
}

/// A first message of a peer that has an SA already: a retransmission, or somebody else.
fn again(ctx: &mut Ctx<'_>, session: &mut Session, datagram: &Datagram<'_>) -> Result<(), Fault> {
    let ike = session.current;
    let sa = session.ike_mut(ike)?;
    let State::HalfOpen(half) = &sa.state else {
        return Err(Fault::Discard(Discard::BeingAnswered));
    };
    if !half.is_request(datagram.data) {
        return Err(Fault::Discard(Discard::InitConflict));
    }
    let Verdict::Repeat(data, gate) = sa.window.judge(0) else {
        return Err(Fault::Discard(Discard::OutsideWindow));
    };
    let incoming = Incoming {
        local: datagram.local,
        remote: datagram.remote,
        exchange: ExchangeType::IkeSaInit,
        message_id: 0,
    };
    ctx.stats.add(Count::Repeated);
    send_back(ctx, session, &incoming, data, gate);
    Ok(())
}
