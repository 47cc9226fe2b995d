//! Redirect (RFC 5685), as the gateway that sends peers elsewhere: in IKE_SA_INIT, in IKE_AUTH, or later by order.
//!
//! ```text
//!   IKE_SA_INIT, REDIRECT_SUPPORTED ---> <--- REDIRECT(where, Ni)                    nothing is remembered
//!   IKE_AUTH                        ---> <--- IDr, AUTH, REDIRECT(where)             no child; the peer deletes the IKE SA
//!   INFORMATIONAL, REDIRECT(where)  <--- ---> {}                                     the peer sets up there and deletes the IKE SA
//! ```
//!
//! Only peers that have said REDIRECT_SUPPORTED are sent anywhere. As initiator we do not say it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::init::gateway_of;
use super::{Exchange, Parts, request};
use crate::config::{Gateway, Redirect, RedirectAt};
use crate::error::Fault;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::session::Session;
use crate::stats::Count;

/// A peer that was sent elsewhere and has not deleted its IKE SA after so long is not served any more.
pub(crate) const REDIRECT_WAIT: Duration = Duration::from_secs(60);

/// Gateway identity types (section 7.2).
const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// The peer knows redirects (section 3; whoever comes from a redirect does too).
pub(crate) fn is_supported(parts: &Parts<'_>) -> bool {
    let supported = [kind::REDIRECT_SUPPORTED, kind::REDIRECTED_FROM];
    supported.iter().any(|kind| parts.notify(*kind).is_some())
}

/// `type(1) | length(1) | address | nonce`; the nonce in IKE_SA_INIT only (section 7.2).
fn notify(number: u16, to: IpAddr, nonce: &[u8]) -> Notify {
    let (kind, octets) = match to {
        IpAddr::V4(a) => (IPV4, a.octets().to_vec()),
        IpAddr::V6(a) => (IPV6, a.octets().to_vec()),
    };
    let length = if kind == IPV4 { 4 } else { 16 };
    Notify::new(
        number,
        &[&[kind, length], octets.as_slice(), nonce].concat(),
    )
}

/// The answer to a first message, when every gateway that may be meant sends its peers to the same place.
pub(crate) fn at_init(
    candidates: &[&Arc<Gateway>],
    parts: &Parts<'_>,
    nonce: &[u8],
) -> Option<Notify> {
    let (first, rest) = candidates.split_first()?;
    let to = |g: &Gateway| {
        g.redirect
            .filter(|r| r.at == RedirectAt::Init)
            .map(|r| r.to)
    };
    let target = to(first)?;
    // Back where it was sent from it would only be sent here again.
    let from = parts
        .notify(kind::REDIRECTED_FROM)
        .map(|n| n.data.as_slice());
    let returns = from == Some(notify(kind::REDIRECTED_FROM, target, &[]).data.as_slice());
    let agreed = rest.iter().all(|g| to(g) == Some(target));
    let goes = agreed && !returns && is_supported(parts);
    goes.then(|| notify(kind::REDIRECT, target, nonce))
}

/// What the answer to IKE_AUTH holds in place of a child: the IKE SA is left to the peer to delete (section 6).
pub(crate) fn at_auth(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    gateway: &Gateway,
) -> Result<Option<Payload>, Fault> {
    let to = gateway.redirect.filter(|r| r.at == RedirectAt::Auth);
    let Some(Redirect { to, .. }) = to.filter(|_| session.redirectable) else {
        return Ok(None);
    };
    send_away(ctx, session, ike)?;
    Ok(Some(Payload::Notify(notify(kind::REDIRECT, to, &[]))))
}

/// Tells an established peer to go elsewhere (section 5).
pub(crate) fn send(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let to = gateway_of(ctx, session).and_then(|g| g.redirect);
    let Some(Redirect { to, .. }) = to.filter(|_| session.redirectable) else {
        return Ok(());
    };
    send_away(ctx, session, ike)?;
    let payloads = [Payload::Notify(notify(kind::REDIRECT, to, &[]))];
    let informational = ExchangeType::Informational;
    let exchange = Exchange::Dpd;
    request(ctx, session, ike, informational, &payloads, exchange)
}

fn send_away(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let until = ctx.now + REDIRECT_WAIT;
    ctx.stats.add(Count::Redirected);
    let sa = session.ike_mut(ike)?;
    sa.soft_at = ravelin_types::Time::MAX;
    sa.hard_at = sa.hard_at.min(until);
    session.volatile.dirty = true;
    Ok(())
}
