//! MOBIKE (RFC 4555): the outer addresses of an IKE SA and its child SAs change, and nothing is negotiated anew.
//!
//! ```text
//!   initiator: address of ours gone / seen from elsewhere / peer heard at another address of its own
//!              -> UPDATE_SA_ADDRESSES ... response -> NAT looked at again, children moved
//!   responder: UPDATE_SA_ADDRESSES -> acceptable? -> the IKE SA moves, response
//!              -> COOKIE2 to the new address ... COOKIE2 back -> children moved
//! ```
//!
//! Initiator is here whoever started the session, also after rekeys (section 2.1). Once MOBIKE is agreed no packet from elsewhere
//! moves the session by itself (section 3.8). Nothing moves to another address family, nor in transport mode: the data plane
//! knows such a pair as another one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ravelin_types::IpsecMode;
use serde::{Deserialize, Serialize};

use super::established::moved;
use super::init::{detect_nat, nat_payloads};
use super::{Exchange, Incoming, Parts, Task, request, tasks};
use crate::config::Gateway;
use crate::error::{Fault, Reason, Stage};
use crate::event::Outer;
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Payload};
use crate::outbox::Ctx;
use crate::registry::error_name;
use crate::session::{DownReasonStored, Path, Session};

/// Further addresses of a peer that are kept.
pub const MAX_PEER_ADDRESSES: usize = 8;

/// Why a peer is refused that forbids NATs.
pub(crate) const NAT_FORBIDDEN: &str = "it forbids NATs, and one has changed its message";

/// Octets of our COOKIE2; 8 to 64 are allowed (section 4.2.5).
const COOKIE_OCTETS: usize = 16;

/// From this transmission of a request on, further addresses of the responder are tried in turn.
const ELSEWHERE_FROM: u32 = 3;

/// What is kept of a session whose ends have agreed on MOBIKE.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Mobility {
    /// Where the children are until the peer's new address is proven.
    unproven_from: Option<Path>,
    /// Further addresses of the peer.
    pub(crate) addresses: Vec<IpAddr>,
    /// As initiator: how the responder last saw us, on which IKE SA.
    seen_as: Option<(u64, Vec<u8>)>,
}

/// A check whether the peer is where it says to be (section 3.7).
#[derive(Serialize, Deserialize)]
pub(crate) struct Proof {
    cookie: [u8; COOKIE_OCTETS],
    local: SocketAddr,
    remote: SocketAddr,
}

impl Session {
    /// Outer addresses of the children.
    pub(crate) fn outer(&self) -> Outer {
        let unproven = self.mobility.as_ref().and_then(|m| m.unproven_from);
        unproven.unwrap_or(self.path).outer()
    }

    /// Whether an authentic message or packet from elsewhere says where the peer is now. Section 3.8: "The host not behind a NAT MUST
    /// NOT use these dynamic updates for IKEv2 packets, but MAY use them for ESP packets"; we use them for neither.
    pub(crate) fn follows_peer(&self) -> bool {
        self.mobility.is_none() && self.path.follows_peer()
    }
}

/// MOBIKE_SUPPORTED and our further addresses, for IKE_AUTH (sections 3.3 and 3.4).
pub(crate) fn offer(gateway: &Gateway, local: IpAddr) -> Vec<Payload> {
    let supported = Payload::Notify(Notify::new(kind::MOBIKE_SUPPORTED, &[]));
    let offered = gateway.mobike.then_some(supported);
    let further = further(gateway, local).filter(|_| gateway.mobike);
    offered.into_iter().chain(further).collect()
}

fn further(gateway: &Gateway, local: IpAddr) -> impl Iterator<Item = Payload> + '_ {
    let others = gateway.local_addresses.iter().filter(move |a| **a != local);
    others.take(MAX_PEER_ADDRESSES).map(|address| {
        Payload::Notify(match address {
            IpAddr::V4(a) => Notify::new(kind::ADDITIONAL_IP4_ADDRESS, &a.octets()),
            IpAddr::V6(a) => Notify::new(kind::ADDITIONAL_IP6_ADDRESS, &a.octets()),
        })
    })
}

/// IKE_AUTH is over: MOBIKE is agreed on when both said so.
pub(crate) fn settle(session: &mut Session, gateway: &Gateway, parts: &Parts<'_>) {
    if gateway.mobike && parts.notify(kind::MOBIKE_SUPPORTED).is_some() {
        session.mobility = Some(Box::new(Mobility {
            addresses: addresses(parts),
            ..Mobility::default()
        }));
    }
}

fn addresses(parts: &Parts<'_>) -> Vec<IpAddr> {
    let named = parts.notifies.iter().filter_map(|n| match n.kind {
        kind::ADDITIONAL_IP4_ADDRESS => Some(<[u8; 4]>::try_from(&*n.data).ok()?.into()),
        kind::ADDITIONAL_IP6_ADDRESS => Some(<[u8; 16]>::try_from(&*n.data).ok()?.into()),
        _ => None,
    });
    named
        .filter(|a| is_host(*a))
        .take(MAX_PEER_ADDRESSES)
        .collect()
}

/// Whether a peer can be there.
fn is_host(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast)
}

/// The peer forbids NATs, and one has changed the addresses of its message (section 3.9).
pub(crate) fn is_nat_forbidden(parts: &Parts<'_>, incoming: &Incoming) -> bool {
    let Some(n) = parts.notify(kind::NO_NATS_ALLOWED) else {
        return false;
    };
    let (from, to) = (incoming.remote, incoming.local);
    let mut seen = Vec::with_capacity(36);
    for address in [from.ip(), to.ip()] {
        match address {
            IpAddr::V4(a) => seen.extend(a.octets()),
            IpAddr::V6(a) => seen.extend(a.octets()),
        }
    }
    seen.extend(from.port().to_be_bytes());
    seen.extend(to.port().to_be_bytes());
    n.data != seen
}

/// What a request's notifications do; returns what the response says to them.
pub(crate) fn on_request(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    incoming: &Incoming,
    payloads: &[Payload],
) -> Result<Vec<Payload>, Fault> {
    let parts = Parts::of(payloads);
    let Some(mobility) = &mut session.mobility else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    // Section 4.2.5: the value is copied into the response.
    let cookie = parts.notify(kind::COOKIE2);
    out.extend(cookie.map(|n| Payload::Notify(Notify::new(kind::COOKIE2, &n.data))));
    let list = addresses(&parts);
    if !list.is_empty() || parts.notify(kind::NO_ADDITIONAL_ADDRESSES).is_some() {
        // Section 3.6: they replace all earlier ones.
        mobility.addresses = list;
        session.volatile.dirty = true;
    }
    let sa = session.ike_mut(ike)?;
    let spis = (sa.spi_i, sa.spi_r);
    if parts.notify(kind::UPDATE_SA_ADDRESSES).is_some() && !session.initiator {
        if let Err((number, why)) = judge(ctx, session, incoming, &parts) {
            let remote = incoming.remote;
            ctx.failure(session, remote, Stage::Informational, Reason::Moved(why));
            out.push(Payload::Notify(Notify::new(number, &[])));
            return Ok(out);
        }
        follow(ctx, session, incoming, &parts, spis)?;
    }
    if parts.notify(kind::NAT_DETECTION_SOURCE_IP).is_some() {
        let (local, remote) = (incoming.local, incoming.remote);
        out.extend(nat_payloads(spis.0, spis.1, local, remote)?);
    }
    Ok(out)
}

/// Section 3.5: "Checks that the (source IP address, destination IP address) pair in the IP header is acceptable according to local
/// policy", and NO_NATS_ALLOWED before it.
fn judge(
    ctx: &Ctx<'_>,
    session: &Session,
    incoming: &Incoming,
    parts: &Parts<'_>,
) -> Result<(), (u16, &'static str)> {
    if is_nat_forbidden(parts, incoming) {
        return Err((kind::UNEXPECTED_NAT_DETECTED, NAT_FORBIDDEN));
    }
    let unacceptable = |why| Err((kind::UNACCEPTABLE_ADDRESSES, why));
    let (local, remote) = (incoming.local.ip(), incoming.remote.ip());
    if !is_host(remote) {
        return unacceptable("no host has such an address");
    }
    if local.is_ipv4() != session.path.local.is_ipv4() {
        return unacceptable("tunnels stay in their address family");
    }
    let gateway = super::init::gateway_of(ctx, session);
    let ours =
        gateway.is_some_and(|g| g.local_addresses.is_empty() || g.local_addresses.contains(&local));
    if !ours {
        return unacceptable("the gateway does not serve that address of ours");
    }
    let still = session.path.remote.ip() == remote && session.path.local.ip() == local;
    let bound = |c: &crate::session::Child| c.mode == IpsecMode::Transport;
    if !still && session.children.iter().any(bound) {
        return unacceptable("transport mode stays where it is");
    }
    Ok(())
}

/// The IKE SA moves; the children do when the peer has shown that it is there.
fn follow(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    incoming: &Incoming,
    parts: &Parts<'_>,
    spis: (u64, u64),
) -> Result<(), Fault> {
    let before = session.outer();
    let old = session.path;
    (session.path.local, session.path.remote) = (incoming.local, incoming.remote);
    detect(session, parts, spis)?;
    let path = session.path;
    session.volatile.dirty = true;
    let Some(mobility) = &mut session.mobility else {
        return Ok(());
    };
    if path.outer() == before {
        mobility.unproven_from = None;
    } else if path.outer().remote == before.remote && mobility.unproven_from.is_none() {
        // The address was proven before; only ports or the encapsulation change.
        moved(ctx, session);
    } else {
        mobility.unproven_from.get_or_insert(old);
        session.want(Task::ProvePeer, ctx.now);
    }
    Ok(())
}

/// Section 3.5: "If NAT Traversal is supported and NAT detection payloads were included, enables or disables NAT Traversal."
fn detect(session: &mut Session, parts: &Parts<'_>, spis: (u64, u64)) -> Result<(), Fault> {
    if parts.notify(kind::NAT_DETECTION_SOURCE_IP).is_some() {
        let path = &mut session.path;
        (path.nat_local, path.nat_remote) = detect_nat(parts, spis, path.local, path.remote)?;
    }
    Ok(())
}

/// Asks the peer at its new address for an answer that only somebody there can give.
pub(crate) fn prove_peer(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let unproven = session
        .mobility
        .as_ref()
        .is_some_and(|m| m.unproven_from.is_some());
    if !unproven {
        return Ok(());
    }
    let cookie = ctx.random::<COOKIE_OCTETS>()?;
    let proof = Proof {
        cookie,
        local: session.path.local,
        remote: session.path.remote,
    };
    let payloads = [Payload::Notify(Notify::new(kind::COOKIE2, &cookie))];
    let exchange = Exchange::ProvePeer(proof);
    let informational = ExchangeType::Informational;
    request(ctx, session, ike, informational, &payloads, exchange)
}

/// The answer: the children move, unless the peer has moved on meanwhile.
pub(crate) fn proven(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    proof: &Proof,
    parts: &Parts<'_>,
) -> Result<(), Fault> {
    let Some(mobility) = &mut session.mobility else {
        return Ok(());
    };
    session.volatile.dirty = true;
    let given = parts.notify(kind::COOKIE2);
    if given.is_none_or(|n| n.data != proof.cookie) {
        // Section 4.2.5: "If the values do not match, the IKE_SA MUST be closed."
        let remote = session.path.remote;
        let reason = Reason::Missing("COOKIE2");
        ctx.failure(session, remote, Stage::Informational, reason);
        tasks::close(session, DownReasonStored::Protocol, ctx.now);
    } else if (proof.local, proof.remote) == (session.path.local, session.path.remote) {
        if mobility.unproven_from.take().is_some() {
            moved(ctx, session);
        }
    } else if mobility.unproven_from.is_some() {
        session.want(Task::ProvePeer, ctx.now);
    }
    Ok(())
}

/// Tells the responder where we are.
pub(crate) fn update(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let (local, remote) = (session.path.local, session.path.remote);
    let sa = session.ike_mut(ike)?;
    let mut payloads = vec![Payload::Notify(Notify::new(kind::UPDATE_SA_ADDRESSES, &[]))];
    payloads.extend(nat_payloads(sa.spi_i, sa.spi_r, local, remote)?);
    let gateway = super::init::gateway_of(ctx, session);
    payloads.extend(list(gateway.as_deref(), local.ip()));
    let exchange = Exchange::UpdateAddresses;
    let informational = ExchangeType::Informational;
    request(ctx, session, ike, informational, &payloads, exchange)
}

/// Tells the peer which further addresses we have (section 3.6).
pub(crate) fn tell(ctx: &mut Ctx<'_>, session: &mut Session, ike: u64) -> Result<(), Fault> {
    let gateway = super::init::gateway_of(ctx, session);
    let payloads = list(gateway.as_deref(), session.path.local.ip());
    let exchange = Exchange::Dpd;
    let informational = ExchangeType::Informational;
    request(ctx, session, ike, informational, &payloads, exchange)
}

fn list(gateway: Option<&Gateway>, local: IpAddr) -> Vec<Payload> {
    let mut list: Vec<Payload> = gateway
        .into_iter()
        .flat_map(|g| further(g, local))
        .collect();
    if list.is_empty() {
        list.push(Payload::Notify(Notify::new(
            kind::NO_ADDITIONAL_ADDRESSES,
            &[],
        )));
    }
    list
}

/// The responder's answer to [`update`].
pub(crate) fn updated(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    parts: &Parts<'_>,
) -> Result<(), Fault> {
    session.volatile.dirty = true;
    if let Some(n) = parts.error() {
        let remote = session.path.remote;
        let (name, number) = (error_name(n.kind), n.kind);
        let reason = Reason::Refused { name, number };
        ctx.failure(session, remote, Stage::Informational, reason);
        // Where we were we are no more, so there is nothing to go back to: set up anew.
        tasks::close(session, DownReasonStored::Protocol, ctx.now);
        return Ok(());
    }
    let sa = session.ike_mut(ike)?;
    let spis = (sa.spi_i, sa.spi_r);
    let before = session.path.outer();
    detect(session, parts, spis)?;
    note_seen_as(session, ike, parts);
    if session.path.outer() != before {
        moved(ctx, session);
    }
    Ok(())
}

/// As initiator, what a liveness probe asks besides: whether a NAT still shows us as before (section 3.8).
pub(crate) fn probe_payloads(session: &Session, ike: u64) -> Result<Vec<Payload>, Fault> {
    let mobile = session.initiator && session.mobility.is_some();
    let Some(sa) = session.ike(ike).filter(|_| mobile) else {
        return Ok(Vec::new());
    };
    let (local, remote) = (session.path.local, session.path.remote);
    nat_payloads(sa.spi_i, sa.spi_r, local, remote).map(Vec::from)
}

/// The answer to it: when the responder sees us elsewhere, we say that we moved there.
pub(crate) fn probed(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    parts: &Parts<'_>,
) -> Result<(), Fault> {
    if !session.initiator || parts.notify(kind::NAT_DETECTION_SOURCE_IP).is_none() {
        return Ok(());
    }
    let path = session.path;
    let sa = session.ike_mut(ike)?;
    let spis = (sa.spi_i, sa.spi_r);
    let (nat_local, nat_remote) = detect_nat(parts, spis, path.local, path.remote)?;
    let other = (nat_local, nat_remote) != (path.nat_local, path.nat_remote);
    if note_seen_as(session, ike, parts) || other {
        session.want(Task::UpdateAddresses, ctx.now);
    }
    Ok(())
}

/// Notes how the responder sees us; true when it saw us otherwise before.
fn note_seen_as(session: &mut Session, ike: u64, parts: &Parts<'_>) -> bool {
    let seen = parts.notify(kind::NAT_DETECTION_DESTINATION_IP);
    let (Some(mobility), Some(seen)) = (&mut session.mobility, seen) else {
        return false;
    };
    let now = (ike, seen.data.clone());
    if mobility.seen_as.as_ref() == Some(&now) {
        return false;
    }
    session.volatile.dirty = true;
    let before = mobility.seen_as.replace(now);
    // The SPIs are part of the hash.
    before.is_some_and(|(other, _)| other == ike)
}

/// Where a request goes that is sent once more: an initiator tries the further addresses of the responder in turn (section 3.10).
pub(crate) fn path_again(session: &Session, transmissions: u32) -> Path {
    let mut path = session.path;
    let mobility = session.mobility.as_ref().filter(|_| session.initiator);
    let Some(rounds) = transmissions.checked_sub(ELSEWHERE_FROM) else {
        return path;
    };
    let others = mobility.map_or(&[][..], |m| &m.addresses).iter().copied();
    let fitting = others.filter(|a| a.is_ipv4() == path.remote.is_ipv4());
    let all: Vec<IpAddr> = fitting.chain([path.remote.ip()]).collect();
    let at = rounds as usize % all.len();
    if let Some(address) = all.get(at) {
        path.remote.set_ip(*address);
    }
    path
}

/// A response came from there: when that is another address of the responder, the session goes on with it.
pub(crate) fn answered_from(ctx: &mut Ctx<'_>, session: &mut Session, incoming: &Incoming) {
    let (old, new) = (session.path.remote.ip(), incoming.remote.ip());
    let Some(mobility) = session.mobility.as_mut().filter(|_| session.initiator) else {
        return;
    };
    let Some(place) = mobility.addresses.iter().position(|a| *a == new) else {
        return;
    };
    if new == old || new.is_ipv4() != old.is_ipv4() {
        return;
    }
    if let Some(address) = mobility.addresses.get_mut(place) {
        *address = old;
    }
    session.path.remote.set_ip(new);
    moved(ctx, session);
    session.want(Task::UpdateAddresses, ctx.now);
}

/// The gateway's addresses have changed: the peer hears of it, and as initiator we leave one that is gone for another.
pub(crate) fn readdress(ctx: &mut Ctx<'_>, session: &mut Session) -> Result<(), Fault> {
    let Some(gateway) = super::init::gateway_of(ctx, session) else {
        return Ok(());
    };
    let local = session.path.local.ip();
    if gateway.local_addresses.contains(&local) {
        session.want(Task::TellAddresses, ctx.now);
        return Ok(());
    }
    let same_family = |a: &&IpAddr| a.is_ipv4() == local.is_ipv4();
    let other = gateway.local_addresses.iter().find(same_family);
    let Some(mobility) = session.mobility.as_mut().filter(|_| session.initiator) else {
        return Ok(());
    };
    if let Some(other) = other {
        // How the responder saw the old address says nothing about the new one.
        mobility.seen_as = None;
        session.path.local.set_ip(*other);
        moved(ctx, session);
        session.want(Task::UpdateAddresses, ctx.now);
    }
    Ok(())
}
