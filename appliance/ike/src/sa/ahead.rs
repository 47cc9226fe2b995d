//! Requests of the peer that come before their turn. With `request-window` a gateway tells its peers that several of their requests may
//! be under way at once (RFC 7296 section 2.3). They are answered in the order of their message IDs, as section 3.5 of RFC 4555 wants it of
//! changed addresses; what comes early waits here as it came, fragments too, and a crash forgets it: the peer repeats it.

use std::net::SocketAddr;

use ravelin_types::VrfId;

use super::init::gateway_of;
use super::{Exchange, request};
use crate::config::Gateway;
use crate::error::Fault;
use crate::event::Datagram;
use crate::fragment::MAX_JOINED_OCTETS;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::session::Session;
use crate::stats::Discard;

/// Datagrams that wait in one session; of octets no more than one message may have.
const MAX_EARLY: usize = 64;

/// A datagram that waits.
pub(crate) struct Early {
    ike: u64,
    id: u32,
    vrf: VrfId,
    local: SocketAddr,
    remote: SocketAddr,
    data: Vec<u8>,
}

impl Early {
    pub(crate) fn datagram(&self) -> Datagram<'_> {
        Datagram {
            vrf: self.vrf,
            local: self.local,
            remote: self.remote,
            data: &self.data,
        }
    }
}

/// What tells the peer the window of an IKE SA, which is as wide from now on.
pub(crate) fn offer(
    session: &mut Session,
    ike: u64,
    gateway: &Gateway,
) -> Result<Option<Payload>, Fault> {
    let size = gateway.request_window;
    if size <= 1 {
        return Ok(None);
    }
    session.ike_mut(ike)?.window.widen(size);
    let notify = Notify::new(kind::SET_WINDOW_SIZE, &u32::from(size).to_be_bytes());
    Ok(Some(Payload::Notify(notify)))
}

/// Tells it of an IKE SA that a rekey has made: section 2.8 begins it with a window of 1.
pub(crate) fn tell(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let Some(gateway) = gateway_of(ctx, session) else {
        return Ok(());
    };
    let Some(window) = offer(session, ike, &gateway)? else {
        return Ok(());
    };
    let informational = ExchangeType::Informational;
    request(ctx, session, ike, informational, &[window], Exchange::Dpd)
}

/// Keeps a datagram of an authentic request until its turn.
pub(crate) fn hold(
    session: &mut Session,
    ike: u64,
    id: u32,
    datagram: &Datagram<'_>,
) -> Result<(), Fault> {
    let early = &mut session.volatile.early;
    if early
        .iter()
        .any(|e| e.ike == ike && e.data == datagram.data)
    {
        return Err(Fault::Discard(Discard::BeingAnswered));
    }
    let octets: usize = early.iter().map(|e| e.data.len()).sum();
    if early.len() >= MAX_EARLY || octets + datagram.data.len() > MAX_JOINED_OCTETS {
        return Err(Fault::Discard(Discard::OutsideWindow));
    }
    early.push(Early {
        ike,
        id,
        vrf: datagram.vrf,
        local: datagram.local,
        remote: datagram.remote,
        data: datagram.data.to_vec(),
    });
    Ok(())
}

/// What has its turn now, as it came.
pub(crate) fn next(session: &mut Session) -> Vec<Early> {
    let early = &mut session.volatile.early;
    if early.is_empty() {
        return Vec::new();
    }
    let windows: Vec<_> = (session.ikes.iter())
        .map(|sa| (sa.id, sa.window.expected(), sa.window.answering))
        .collect();
    let of = |e: &Early| windows.iter().find(|(ike, ..)| *ike == e.ike);
    early.retain(|e| of(e).is_some_and(|(_, expected, _)| e.id >= *expected));
    let due = |e: &Early| of(e).is_some_and(|(_, expected, busy)| e.id == *expected && !busy);
    let (ready, waiting) = std::mem::take(early).into_iter().partition(due);
    *early = waiting;
    ready
}
