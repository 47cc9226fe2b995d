//! An established IKE SA: which exchange a protected message belongs to, and what is wrong with it.

use super::{
    Exchange, Incoming, Parts, child, delete, followup, mobike, rekey, respond_notify, tasks,
};
use crate::error::{Fault, Reason, Stage};
use crate::event::{DownReason, EventKind};
use crate::msg::notify::{Notify, kind};
use crate::msg::sa::protocol;
use crate::msg::{ExchangeType, ParseError, Payload, unknown_critical};
use crate::outbox::Ctx;
use crate::session::Session;
use crate::stats::{Count, Discard};
use crate::window::Side;

/// Handles a request whose message ID is the expected one.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: Result<Vec<Payload>, ParseError>,
) -> Result<(), Fault> {
    let payloads = match payloads {
        Ok(payloads) => payloads,
        Err(e) => return syntax(ctx, session, ike, incoming, Reason::Malformed(e)),
    };
    if let Some(number) = unknown_critical(&payloads) {
        // RFC 7296 section 2.5: the message is refused and the type named; the IKE SA goes on.
        ctx.failure(
            session,
            incoming.remote,
            stage(incoming),
            Reason::Critical(number),
        );
        let notify = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[number]);
        return respond_notify(ctx, session, ike, incoming, notify);
    }
    match incoming.exchange {
        ExchangeType::Informational => delete::on_request(ctx, session, ike, incoming, &payloads),
        ExchangeType::CreateChildSa if rekeys_ike(&payloads) => {
            rekey::answer::on_request(ctx, session, ike, incoming, &payloads)
        }
        ExchangeType::CreateChildSa => {
            child::answer::on_request(ctx, session, ike, incoming, &payloads)
        }
        ExchangeType::IkeFollowupKe => followup::on_request(ctx, session, ike, incoming, &payloads),
        _ => syntax(
            ctx,
            session,
            ike,
            incoming,
            Reason::Missing("known exchange type or"),
        ),
    }
}

fn rekeys_ike(payloads: &[Payload]) -> bool {
    let first = Parts::of(payloads).sa.and_then(|sa| sa.proposals.first());
    first.is_some_and(|p| p.protocol == protocol::IKE)
}

fn stage(incoming: &Incoming) -> Stage {
    match incoming.exchange {
        ExchangeType::IkeAuth => Stage::Auth,
        ExchangeType::CreateChildSa | ExchangeType::IkeFollowupKe => Stage::Child,
        _ => Stage::Informational,
    }
}

/// RFC 7296 section 2.21.3: an authentic request that is badly formatted is answered by INVALID_SYNTAX, which is fatal to
/// the IKE SA at both ends.
pub(crate) fn syntax(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    reason: Reason,
) -> Result<(), Fault> {
    ctx.failure(session, incoming.remote, stage(incoming), reason);
    respond_notify(
        ctx,
        session,
        ike,
        incoming,
        Notify::new(kind::INVALID_SYNTAX, &[]),
    )?;
    session.end(DownReason::Protocol);
    Ok(())
}

/// Handles the response to the outstanding request.
pub(crate) fn on_response(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    payloads: Result<Vec<Payload>, ParseError>,
) -> Result<(), Fault> {
    let remote = session.path.remote;
    let payloads = match payloads {
        Ok(payloads) => payloads,
        Err(e) => {
            ctx.failure(session, remote, Stage::Informational, Reason::Malformed(e));
            session.end(DownReason::Protocol);
            return Ok(());
        }
    };
    if let Some(number) = unknown_critical(&payloads) {
        // RFC 7296 section 2.5: it "MUST be rejected", and the peer would only repeat it.
        let stage = Stage::Informational;
        ctx.failure(session, remote, stage, Reason::Critical(number));
        session.end(DownReason::Protocol);
        return Ok(());
    }
    if Parts::of(&payloads).notify(kind::INVALID_SYNTAX).is_some() {
        session.end(DownReason::Protocol);
        return Ok(());
    }
    let sa = session.ike_mut(ike)?;
    match sa.window.outstanding().map(|o| &o.exchange) {
        Some(Exchange::Child(_)) => return child::start::on_response(ctx, session, ike, payloads),
        Some(Exchange::RekeyIke(_)) => {
            return rekey::start::on_response(ctx, session, ike, payloads);
        }
        Some(Exchange::Followup(_)) => return followup::on_response(ctx, session, ike, &payloads),
        _ => {}
    }
    match sa.window.close() {
        Some(Exchange::DeleteChild(id)) => {
            session.volatile.dirty = true;
            child::remove(ctx, session, id);
            Ok(())
        }
        Some(Exchange::DeleteIke) => {
            session.volatile.dirty = true;
            delete::ike_deleted(session, ike);
            Ok(())
        }
        Some(Exchange::Dpd) => {
            session.step(ike, Side::Ours);
            mobike::probed(ctx, session, ike, &Parts::of(&payloads))
        }
        Some(Exchange::UpdateAddresses) => {
            mobike::updated(ctx, session, ike, &Parts::of(&payloads))
        }
        Some(Exchange::ProvePeer(proof)) => {
            mobike::proven(ctx, session, &proof, &Parts::of(&payloads))
        }
        _ => Err(Fault::Discard(Discard::WrongExchange)),
    }
}

/// A fresh authentic message came from `incoming`: proof of life, and of a new address when a NAT lies before the peer
/// (RFC 7296 section 2.23).
///
/// The section's "A host behind a NAT SHOULD NOT do this type of dynamic address update" is met by [`Session::follows_peer`].
pub(crate) fn heard(ctx: &mut Ctx<'_>, session: &mut Session, incoming: &Incoming) {
    session.hear(ctx.now);
    let same = session.path.remote == incoming.remote
        && session.path.local.port() == incoming.local.port();
    if same || !session.follows_peer() || session.established_at.is_none() {
        return;
    }
    session.path.local.set_port(incoming.local.port());
    session.path.remote = incoming.remote;
    moved(ctx, session);
}

/// Tells the data plane of the peer's new address.
pub(crate) fn moved(ctx: &mut Ctx<'_>, session: &mut Session) {
    session.volatile.dirty = true;
    ctx.stats.add(Count::PeerMoved);
    let children = session
        .children
        .iter()
        .filter(|c| c.is_installed())
        .map(|c| c.id)
        .collect();
    ctx.event(EventKind::PeerMoved {
        children,
        outer: session.outer(),
    });
}

/// What a session does when the time comes or its window is free.
pub(crate) fn go_on(ctx: &mut Ctx<'_>, session: &mut Session) -> Result<(), Fault> {
    if session.volatile.over.is_some() {
        Ok(())
    } else {
        tasks::start_waiting(ctx, session)
    }
}
