//! IKE_AUTH (RFC 7296 sections 1.2 and 2.15): who the peer is, and the first child SA.
//!
//! Each side proves itself by a pre-shared key or by a certificate, whatever the other does. A shared key's AUTH is compared over the
//! full length that the negotiated function gives, in constant time; an empty or short one fails. Signatures are made and verified by
//! jobs ([`crate::authority`]). A first child SA that cannot be agreed on does not end the IKE SA (section 1.2).

pub(crate) mod initiator;
pub(crate) mod ppk;
pub(crate) mod proof;
pub(crate) mod responder;

use std::sync::Arc;

use ravelin_types::Identity;
use serde::{Deserialize, Serialize};

use super::child;
use super::intermediate::IntAuth;
use crate::config::{Gateway, Ppk};
use crate::error::Fault;
use crate::event::{EventKind, IkeId, IkeUp, SessionId};
use crate::keymat::IkeKeys;
use crate::outbox::{Contact, Ctx};
use crate::session::Session;
use crate::stats::Count;

/// The responder waits for IKE_AUTH.
#[derive(Serialize, Deserialize)]
pub(crate) struct HalfOpen {
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    /// What the peer takes in signatures of method 14 (RFC 7427).
    pub(crate) hashes: Option<Vec<u16>>,
    pub(crate) int_auth: IntAuth,
    /// Both ends said USE_PPK (RFC 8784).
    pub(crate) use_ppk: bool,
    /// The keys of the last IKE_INTERMEDIATE exchange, for the peer's repetitions.
    pub(crate) previous: Option<IkeKeys>,
}

/// The initiator has sent IKE_AUTH.
#[derive(Serialize, Deserialize)]
pub(crate) struct AuthSent {
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) int_auth: IntAuth,
    /// Both ends said USE_PPK (RFC 8784).
    pub(crate) use_ppk: bool,
    /// The post-quantum pre-shared key that the request names.
    pub(crate) ppk: Option<Ppk>,
    pub(crate) child: Option<Box<child::Requested>>,
}

/// Who is who once both are authenticated.
struct Peers {
    gateway: Arc<Gateway>,
    peer: Identity,
    ours: Identity,
    initial_contact: bool,
    /// The keys to go on with, when a post-quantum pre-shared key was used.
    mixed: Option<ppk::Mixed>,
}

/// The IKE SA is up.
fn establish(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    ike: u64,
    peers: Peers,
) -> Result<(), Fault> {
    let maker = session.initiator;
    let (now, sa_suite) = (ctx.now, session.ike_mut(ike)?.suite()?);
    let proposal = peers.gateway.proposals.iter().find(|p| p.suite == sa_suite);
    let lifetime = ctx.lifetime(
        proposal.map_or(crate::config::IKE_LIFETIME_S, |p| p.lifetime_s),
        maker,
    )?;
    let sa = session.ike_mut(ike)?;
    sa.state = super::State::Established;
    // Its messages stay under the same keys, only what is derived later has the other one in it.
    let ppk = peers.mixed.map(|ppk::Mixed { id, keys }| {
        sa.keys = Some(keys);
        id.into_boxed_slice()
    });
    sa.created_at = now;
    sa.expires_at = None;
    (sa.soft_at, sa.hard_at) = (lifetime.soft_at, lifetime.hard_at);
    session.current = ike;
    session.ppk = ppk;
    session.established_at = Some(now);
    session.hear(now);
    session.gateway = Some(peers.gateway.name.clone());
    session.peer = Some(peers.peer.clone());
    session.local_identity = Some(peers.ours.clone());
    session.volatile.dirty = true;
    ctx.stats.add(Count::IkeUp);
    ctx.out.authenticated.push(Contact {
        session: session.id,
        initial: peers.initial_contact,
    });
    ctx.event(EventKind::IkeUp(IkeUp {
        session: SessionId(session.id),
        ike: IkeId(ike),
        gateway: Arc::from(peers.gateway.name.as_str()),
        peer: peers.peer,
        local_identity: peers.ours,
        local: session.path.local,
        remote: session.path.remote,
        initiator: session.initiator,
    }));
    Ok(())
}
