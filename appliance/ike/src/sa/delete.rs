//! INFORMATIONAL (RFC 7296 sections 1.4 and 1.5): deletion both ways, notifications, liveness.

use ravelin_types::{ChildId, IpsecProtocol, Time};

use super::established::syntax;
use super::{Exchange, Incoming, Parts, child, configure, mobike, reauth, request, respond, tasks};
use crate::crash;
use crate::error::{Fault, Reason};
use crate::event::DownReason;
use crate::msg::delete::Delete;
use crate::msg::notify::kind;
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::proposal::{protocol_id, protocol_of};
use crate::session::{ChildState, Session};
use crate::stats::Count;

/// Answers an INFORMATIONAL request.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &[Payload],
) -> Result<(), Fault> {
    let mut spis = Vec::new();
    let mut whole = false;
    for payload in payloads {
        match payload {
            Payload::Delete(Delete::Ike) => whole = true,
            Payload::Delete(Delete::Children {
                protocol,
                spis: named,
            }) => {
                let protocol = protocol_of(*protocol);
                spis.extend(
                    protocol
                        .into_iter()
                        .flat_map(|p| named.iter().map(move |s| (p, *s))),
                );
            }
            Payload::Notify(n) if n.kind == kind::AUTHENTICATION_FAILED => whole = true,
            Payload::Notify(n) if n.kind == kind::INVALID_SYNTAX => {
                return syntax(ctx, session, ike, incoming, Reason::Missing("acceptable"));
            }
            _ => {}
        }
    }
    if whole {
        // "An INFORMATIONAL exchange that deletes the IKE SA": the response is empty and the SA is gone.
        respond(ctx, session, ike, incoming, &[], None)?;
        peer_deleted_ike(session, ike, ctx.now);
        return Ok(());
    }
    if payloads.is_empty() {
        ctx.stats.add(Count::DpdAnswered);
    } else {
        session.volatile.dirty = true;
    }
    crash::keep(session.ike_mut(ike)?, &Parts::of(payloads));
    reauth::heed(ctx, session, &Parts::of(payloads))?;
    let answers = mobike::on_request(ctx, session, ike, incoming, payloads)?;
    let configuration = configure::answer(payloads);
    let ours = delete_children(ctx, session, &spis);
    // Section 3.11: the SPIs of one payload are of one protocol.
    let named = [IpsecProtocol::Esp, IpsecProtocol::Ah].map(|protocol| {
        let spis = ours.iter().filter(|(p, _)| *p == protocol);
        let spis: Vec<u32> = spis.map(|(_, spi)| *spi).collect();
        (!spis.is_empty()).then(|| Payload::Delete(children(protocol, spis)))
    });
    let payloads: Vec<Payload> = named
        .into_iter()
        .flatten()
        .chain(answers)
        .chain(configuration)
        .collect();
    respond(ctx, session, ike, incoming, &payloads, None)
}

fn children(protocol: IpsecProtocol, spis: Vec<u32>) -> Delete {
    let protocol = protocol_id(protocol);
    Delete::Children { protocol, spis }
}

/// Removes the children that the peer receives on `spis`; returns our SPIs of them, for the response. Those that we are
/// deleting too are left out (section 1.4.1): "it MUST delete the outgoing SAs while processing the request and the incoming SAs while
/// processing the response" to our own.
fn delete_children(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    spis: &[(IpsecProtocol, u32)],
) -> Vec<(IpsecProtocol, u32)> {
    let mut ours = Vec::new();
    let mut lost = false;
    for (protocol, spi) in spis {
        let Some(found) = session.child_by_peer_spi(*protocol, *spi) else {
            remember(session, *spi);
            continue;
        };
        let (id, state, spi_in) = (found.id, found.state, found.spi_in);
        let under_way = session
            .ikes
            .iter()
            .any(|i| deletes(i.window.outstanding().map(|o| &o.exchange), id));
        if under_way {
            child::half_close(ctx, session, id);
            continue;
        }
        ours.push((*protocol, spi_in.0));
        lost |= state == ChildState::Live && !has_successor(session, id) && !rekeying(session, id);
        child::remove(ctx, session, id);
    }
    if lost {
        tasks::want_missing_children(ctx, session, ctx.now + crate::timers::RETRY_WAIT);
    }
    ours
}

/// The peer may have made this child in answer to a request of ours whose response was lost.
fn remember(session: &mut Session, spi: u32) {
    for sa in &mut session.ikes {
        if let Some(Exchange::Child(r)) = sa.window.outstanding_mut().map(|o| o.exchange.goal_mut())
        {
            if r.deleted.len() < child::start::MAX_EARLY_DELETES {
                r.deleted.push(spi);
            }
        }
    }
}

fn deletes(exchange: Option<&Exchange>, id: ChildId) -> bool {
    matches!(exchange, Some(Exchange::DeleteChild(child)) if *child == id)
}

fn has_successor(session: &Session, id: ChildId) -> bool {
    session
        .children
        .iter()
        .any(|c| c.replaces == Some(id) && c.state == ChildState::Live)
}

fn rekeying(session: &Session, id: ChildId) -> bool {
    let exchanges = session
        .ikes
        .iter()
        .filter_map(|i| i.window.outstanding())
        .map(|o| o.exchange.goal());
    exchanges
        .into_iter()
        .any(|e| matches!(e, Exchange::Child(r) if r.old == Some(id)))
}

/// The peer deleted this IKE SA: the session ends with its current one, unless the outcome of a simultaneous rekey is open.
fn peer_deleted_ike(session: &mut Session, ike: u64, now: Time) {
    if session.current != ike {
        if !await_redundant(session, ike, now) {
            session.drop_ike(ike);
        }
        return;
    }
    let undecided = session.ikes.iter_mut().find_map(|i| {
        let id = i.id;
        match i.window.outstanding_mut().map(|o| o.exchange.goal_mut()) {
            Some(Exchange::RekeyIke(ours)) if id != ike => Some((id, ours)),
            _ => None,
        }
    });
    let Some((old, ours)) = undecided else {
        let reason = session
            .closing
            .map_or(DownReason::PeerDeleted, DownReason::from);
        session.end(reason);
        return;
    };
    // The peer found its own new IKE SA redundant, so ours will stand when its response comes.
    ours.collision = None;
    session.drop_ike(ike);
    tasks::make_current(session, old, now);
}

/// The peer deleted the old IKE SA although a rekey of ours on it is not answered: both rekeyed, and the peer's stands. Its
/// answer may only have been overtaken; the redundant IKE SA that it announces is ours to delete, so the old one is kept a
/// moment longer.
fn await_redundant(session: &mut Session, ike: u64, now: Time) -> bool {
    let Ok(sa) = session.ike_mut(ike) else {
        return false;
    };
    let Some(o) = sa
        .window
        .outstanding_mut()
        .filter(|o| matches!(o.exchange.goal(), Exchange::RekeyIke(_)))
    else {
        return false;
    };
    o.next_at = o.give_up_at;
    sa.state = super::State::Failed;
    sa.expires_at = Some(now + crate::window::RETRANSMIT_MOST);
    session.volatile.dirty = true;
    true
}

/// Sends the deletion of an IKE SA.
pub(crate) fn send_ike(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    session.ike_mut(ike)?.state = super::State::Closing;
    request(
        ctx,
        session,
        ike,
        ExchangeType::Informational,
        &[Payload::Delete(Delete::Ike)],
        Exchange::DeleteIke,
    )
}

/// Sends the deletion of a child; what replaces it must be installed first.
pub(crate) fn send_child(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    id: ChildId,
) -> Result<(), Fault> {
    let Some(found) = session.child(id) else {
        return Ok(());
    };
    let delete = children(found.suite.protocol, vec![found.spi_in.0]);
    let gate = session
        .children
        .iter()
        .find(|c| c.replaces == Some(id) && c.epoch > 0)
        .map(|c| c.id);
    let payloads = [Payload::Delete(delete)];
    let exchange = Exchange::DeleteChild(id);
    super::request_within(
        ctx,
        session,
        ike,
        ExchangeType::Informational,
        &payloads,
        exchange,
        gate,
        crate::window::GIVE_UP,
    )
}

/// The peer acknowledged the deletion of an IKE SA.
pub(crate) fn ike_deleted(session: &mut Session, ike: u64) {
    if session.current == ike {
        let reason = session.closing.map_or(DownReason::Closed, DownReason::from);
        session.end(reason);
    } else {
        session.drop_ike(ike);
    }
}
