//! From a datagram to the state that handles it (RFC 7296 section 2.6: the receiver's own SPI decides).

use std::sync::Arc;
use std::time::Duration;

use ravelin_crypto::{Zeroizing, sha256};
use ravelin_types::Time;

use super::{Endpoint, MAX_TOMBSTONES, TOMBSTONE_LIFETIME, Tombstone};
use crate::crash;
use crate::environment::Environment;
use crate::error::Fault;
use crate::event::{Datagram, DownReason, JournalSeq};
use crate::msg::notify::{Notify, kind};
use crate::msg::skf::Skf;
use crate::msg::{ExchangeType, Header, Message, ParseErrorKind, Payload, Whole};
use crate::outbox::Ctx;
use crate::sa::{Incoming, State, ahead, auth, established, init, intermediate, mobike, send_back};
use crate::session::{IkeSa, Session};
use crate::stats::{Count, Discard};
use crate::trace::Direction;
use crate::window::Verdict;

/// Answers to requests of IKE SAs that we do not know, per second: enough for the peers of a gateway that has lost all its
/// state to notice it within their own retransmissions, and nothing to amplify with (RFC 7296 section 1.5 asks for a limit).
pub const MAX_INVALID_SPI_PER_S: u32 = 1000;

/// How many requests of unknown IKE SAs were answered in this second.
#[derive(Default)]
pub(super) struct Strays {
    until: Time,
    answered: u32,
}

impl Strays {
    fn may_answer(&mut self, now: Time) -> bool {
        if now >= self.until {
            self.until = now + Duration::from_secs(1);
            self.answered = 0;
        }
        self.answered += 1;
        self.answered <= MAX_INVALID_SPI_PER_S
    }
}

/// Whether a message that no IKE SA protects tells of ESP with an unknown SPI. RFC 7296 section 1.5: "the receiving node MUST NOT
/// respond to it because doing so could cause a message loop".
fn complains(payloads: &[Payload]) -> bool {
    let invalid = |p: &Payload| matches!(p, Payload::Notify(n) if n.kind == kind::INVALID_SPI);
    payloads.iter().any(invalid)
}

fn invalid_spi() -> Notify {
    Notify::new(kind::INVALID_IKE_SPI, &[])
}

impl<E: Environment> Endpoint<E> {
    /// Handles a datagram.
    pub fn handle(&mut self, now: Time, datagram: &Datagram<'_>) {
        self.stats.add(Count::Received);
        self.take(now, datagram);
    }

    /// Handles what came now, or came before its turn.
    pub(super) fn take(&mut self, now: Time, datagram: &Datagram<'_>) {
        self.out.trace.set_now(now);
        let path = (datagram.local, datagram.remote);
        let message = match Message::parse(datagram.data) {
            Ok(message) => message,
            Err(error) => {
                if error.kind == ParseErrorKind::Version {
                    self.later_version(now, datagram);
                }
                let octets = datagram.data.len();
                let text = || format!("received {octets} octets that are malformed: {error}");
                self.out.trace.note(path.1, text);
                return self.stats.discard(Discard::Malformed);
            }
        };
        let octets = datagram.data.len();
        (self.out.trace).plain(Direction::Received, path, &message, octets);
        let h = &message.header;
        if h.exchange == ExchangeType::IkeSaInit && !h.response {
            if h.spi_r == 0 && h.initiator && h.message_id == 0 && h.spi_i != 0 {
                return self.first_message(now, datagram, &message);
            }
            return self.stats.discard(Discard::WrongExchange);
        }
        let local_spi = if h.initiator { h.spi_r } else { h.spi_i };
        let Some(id) = self.by_spi.get(&local_spi).copied() else {
            return self.unknown(now, datagram, &message, local_spi);
        };
        let before = self.out.transmits.len();
        let found = self.with_session(now, id, |ctx, session| {
            deliver(ctx, session, datagram, &message, local_spi)
        });
        if found && !h.response && !self.by_spi.contains_key(&local_spi) {
            self.bury(now, datagram, local_spi, before);
        }
    }

    /// The IKE SA ended with this request: its answer is kept for a while.
    fn bury(&mut self, now: Time, datagram: &Datagram<'_>, local_spi: u64, before: usize) {
        let answer = self
            .out
            .transmits
            .iter()
            .skip(before)
            .find(|t| t.remote == datagram.remote)
            .cloned();
        let (Some(answer), Ok(request)) = (answer, sha256(&[datagram.data])) else {
            return;
        };
        self.clear_graves(now);
        self.graves.push_back((now + TOMBSTONE_LIFETIME, local_spi));
        self.tombstones
            .insert(local_spi, Tombstone { request, answer });
    }

    fn clear_graves(&mut self, now: Time) {
        while self.graves.len() >= MAX_TOMBSTONES
            || self.graves.front().is_some_and(|(until, _)| *until <= now)
        {
            let Some((_, spi)) = self.graves.pop_front() else {
                return;
            };
            self.tombstones.remove(&spi);
        }
    }

    fn unknown(&mut self, now: Time, datagram: &Datagram<'_>, message: &Message, local_spi: u64) {
        let h = &message.header;
        self.clear_graves(now);
        let grave = self.tombstones.get(&local_spi);
        let grave = grave.filter(|t| t.answer.vrf == datagram.vrf);
        let repeat = grave.filter(|t| sha256(&[datagram.data]).is_ok_and(|d| d == t.request));
        let Some(answer) = repeat.map(|t| t.answer.clone()) else {
            self.stats.discard(Discard::UnknownSpi);
            // RFC 7296 section 2.21.4: a request may be answered, a response "MUST NOT" be.
            let asks = !h.response && !complains(&message.payloads);
            if asks && self.strays.may_answer(now) {
                self.stats.add(Count::InvalidIkeSpi);
                let initiator = !h.initiator;
                let mut notifies = vec![invalid_spi()];
                let token = Some(&self.out.tokens).filter(|_| self.gives_tokens && h.spi_r != 0);
                if let Some(Ok(token)) = token.map(|t| t.notify(h.spi_i, h.spi_r)) {
                    self.stats.add(Count::TokenSent);
                    notifies.push(token);
                }
                self.answer_stateless(datagram, &Header { initiator, ..*h }, notifies);
            }
            return;
        };
        self.stats.add(Count::Repeated);
        self.stats.add(Count::Sent);
        let (local, remote) = (datagram.local, datagram.remote);
        self.out.transmits.push_back(crate::event::Transmit {
            local,
            remote,
            ..answer
        });
    }

    /// RFC 7296 section 2.5: a message of a higher major version is dropped, and who sent a request "SHOULD" hear of it; the version
    /// that we speak stands in the header of the answer (section 3.10.1).
    fn later_version(&mut self, now: Time, datagram: &Datagram<'_>) {
        let request = Header::of_later_version(datagram.data).filter(|h| !h.response);
        if let Some(header) = request.filter(|_| self.strays.may_answer(now)) {
            let initiator = !header.initiator;
            let notify = Notify::new(kind::INVALID_MAJOR_VERSION, &[]);
            self.answer_stateless(
                datagram,
                &Header {
                    initiator,
                    ..header
                },
                vec![notify],
            );
        }
    }

    /// The journal position that everything handled so far depends on.
    pub fn journal_position(&self) -> JournalSeq {
        self.out.position()
    }
}

/// Hands a message to the IKE SA that it names.
fn deliver(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    datagram: &Datagram<'_>,
    message: &Message,
    local_spi: u64,
) -> Result<(), Fault> {
    let h = &message.header;
    let incoming = Incoming {
        local: datagram.local,
        remote: datagram.remote,
        exchange: h.exchange,
        message_id: h.message_id,
    };
    let vrf = session.path.vrf;
    let found = session.ikes.iter_mut().find(|i| i.local_spi() == local_spi);
    let sa = found.ok_or(Fault::Discard(Discard::UnknownSpi))?;
    let ike = sa.id;
    if vrf != datagram.vrf {
        return Err(Fault::Discard(Discard::WrongInstance));
    }
    if h.initiator == sa.initiator {
        return Err(Fault::Discard(Discard::WrongRole));
    }
    if h.exchange == ExchangeType::IkeSaInit {
        if !sa.window.awaits(0) || sa.keys.is_some() || h.message_id != 0 {
            return Err(Fault::Discard(Discard::UnexpectedResponse));
        }
        sa.traffic.received += 1;
        return init::on_response(ctx, session, ike, message, datagram.data);
    }
    if (h.spi_i, h.spi_r) != (sa.spi_i, sa.spi_r) {
        return Err(Fault::Discard(Discard::UnknownSpi));
    }
    let opened = match message.payloads.as_slice() {
        [Payload::Sk(sk)] => Opened::Whole(sa.open(h, sk, datagram.data)?),
        [Payload::Skf(skf)] => Opened::Piece(skf, sa.open_fragment(h, skf, datagram.data)?),
        others if crash::proves_loss(sa, others) => {
            lost_by_peer(ctx, session, ike);
            return Ok(());
        }
        others => {
            let notifies = others.iter().any(|p| matches!(p, Payload::Notify(_)));
            return Err(Fault::Discard(if notifies {
                Discard::UnauthenticatedNotify
            } else {
                Discard::Unprotected
            }));
        }
    };
    sa.traffic.received += 1;
    if h.response {
        if !sa.window.awaits(h.message_id) {
            return Err(Fault::Discard(Discard::UnexpectedResponse));
        }
        let Some(whole) = join(ctx, sa, h, opened, datagram)? else {
            return Ok(());
        };
        established::heard(ctx, session, &incoming);
        mobike::answered_from(ctx, session, &incoming);
        return match session.ike_mut(ike)?.state {
            State::Intermediate(_) => intermediate::on_response(ctx, session, ike, whole),
            State::AuthSent(_) => auth::initiator::on_response(ctx, session, ike, whole.payloads),
            _ => established::on_response(ctx, session, ike, whole.payloads),
        };
    }
    match sa.window.judge(h.message_id) {
        // RFC 7383 section 2.6.1: the first fragment of a repeated request stands for all of them.
        Verdict::Repeat(..) if matches!(opened, Opened::Piece(skf, _) if skf.number != 1) => {
            Err(Fault::Discard(Discard::FragmentRepeated))
        }
        Verdict::Repeat(data, gate) => {
            ctx.stats.add(Count::Repeated);
            sa.traffic.sent += 1;
            let id = h.message_id;
            let text = || format!("request {id} came again: the same answer is sent");
            ctx.out.trace.note(incoming.remote, text);
            send_back(ctx, session, &incoming, data, gate);
            Ok(())
        }
        Verdict::Early => {
            // Counted when its turn comes.
            sa.traffic.received -= 1;
            let (id, next) = (h.message_id, sa.window.expected());
            let text = || format!("request {id} waits for request {next}");
            ctx.out.trace.note(incoming.remote, text);
            ahead::hold(session, ike, id, datagram)
        }
        Verdict::BeingAnswered => Err(Fault::Discard(Discard::BeingAnswered)),
        Verdict::Outside => Err(Fault::Discard(Discard::OutsideWindow)),
        Verdict::New => {
            let first = matches!(sa.state, State::HalfOpen(_));
            match sa.state {
                State::HalfOpen(_) if h.exchange == ExchangeType::IkeAuth => {}
                State::HalfOpen(_) if h.exchange == ExchangeType::IkeIntermediate => {}
                State::Established | State::Replaced | State::Closing => {}
                _ => return Err(Fault::Discard(Discard::WrongExchange)),
            }
            let Some(whole) = join(ctx, sa, h, opened, datagram)? else {
                return Ok(());
            };
            if first && h.exchange == ExchangeType::IkeIntermediate {
                return intermediate::on_request(ctx, session, ike, &incoming, whole);
            }
            let payloads = whole.payloads;
            if first {
                return auth::responder::on_request(ctx, session, ike, &incoming, payloads);
            }
            established::heard(ctx, session, &incoming);
            established::on_request(ctx, session, ike, &incoming, payloads)
        }
    }
}

/// The peer has proven that it does not have this IKE SA any more (RFC 6290 section 4.5: it and its children are deleted silently).
fn lost_by_peer(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) {
    ctx.stats.add(Count::PeerCrashed);
    if session.current == ike {
        session.end(DownReason::PeerCrashed);
    } else {
        session.drop_ike(ike);
    }
}

/// A protected message, authentic.
enum Opened<'a> {
    Whole(Whole),
    Piece(&'a Skf, Zeroizing<Vec<u8>>),
}

/// The message once all of it is here.
fn join(
    ctx: &mut Ctx<'_>,
    sa: &mut IkeSa,
    header: &Header,
    opened: Opened<'_>,
    datagram: &Datagram<'_>,
) -> Result<Option<Whole>, Fault> {
    let whole = match opened {
        Opened::Whole(whole) => Some(whole),
        Opened::Piece(skf, piece) => {
            let whole = sa.join(header, datagram.data, skf, piece)?;
            if whole.is_some() {
                ctx.stats.add(Count::Joined);
            }
            whole
        }
    };
    if let Some(whole) = &whole {
        let (path, octets) = ((datagram.local, datagram.remote), datagram.data.len());
        let content = whole.payloads.as_deref();
        (ctx.out.trace).message(Direction::Received, path, header, content, octets);
    }
    Ok(whole)
}

/// Keeps the name of a gateway cheap to hand out.
pub(super) fn shared(name: &str) -> Arc<str> {
    Arc::from(name)
}
