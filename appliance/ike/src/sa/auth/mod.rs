//! IKE_AUTH (RFC 7296 sections 1.2 and 2.15): who the peer is, and the first child SA.
//!
//! Pre-shared keys only. AUTH is compared over the full length that the negotiated function gives, in constant time; an
//! empty or short one fails. A first child SA that cannot be agreed on does not end the IKE SA (section 1.2).

pub(crate) mod initiator;
pub(crate) mod responder;

use std::sync::Arc;

use ravelin_types::{Identity, SecretBytes};
use serde::{Deserialize, Serialize};

use super::child;
use crate::config::Gateway;
use crate::error::{Fault, Reason};
use crate::event::{EventKind, IkeId, IkeUp, SessionId};
use crate::keymat::{Signed, psk_auth};
use crate::msg::auth::{Auth, METHOD_PSK};
use crate::msg::id::Id;
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
}

/// The initiator has sent IKE_AUTH.
#[derive(Serialize, Deserialize)]
pub(crate) struct AuthSent {
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) child: Option<Box<child::Requested>>,
}

/// What one side proves.
struct Proof<'a> {
    message: &'a [u8],
    nonce: &'a [u8],
    id: &'a Id,
}

/// The authentication data of one side. `from_initiator` chooses SK_pi or SK_pr.
fn expected(
    session: &Session,
    ike: u64,
    psk: &SecretBytes,
    from_initiator: bool,
    proof: &Proof<'_>,
) -> Result<ravelin_crypto::Secret, Fault> {
    let sa = session
        .ike(ike)
        .ok_or(Fault::Discard(crate::stats::Discard::StaleWork))?;
    let keys = sa.keys()?;
    let sk_p = if from_initiator { &keys.pi } else { &keys.pr };
    let id_body = proof.id.body();
    let signed = Signed {
        message: proof.message,
        nonce: proof.nonce,
        sk_p,
        id_body: &id_body,
    };
    Ok(psk_auth(sa.suite()?.prf(), psk, &signed)?)
}

/// RFC 7296 section 2.15; the comparison covers every octet that the function gives.
fn verify(auth: &Auth, expected: &ravelin_crypto::Secret) -> Result<(), Reason> {
    if auth.method != METHOD_PSK {
        return Err(Reason::AuthMethod(auth.method));
    }
    if auth.data.len() != expected.len() {
        return Err(Reason::AuthLength {
            got: auth.data.len(),
            expected: expected.len(),
        });
    }
    if expected.ct_eq(&auth.data) {
        Ok(())
    } else {
        Err(Reason::WrongKey)
    }
}

/// Who is who once both are authenticated.
struct Peers {
    gateway: Arc<Gateway>,
    peer: Identity,
    ours: Identity,
    initial_contact: bool,
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
    sa.created_at = now;
    sa.expires_at = None;
    (sa.soft_at, sa.hard_at) = (lifetime.soft_at, lifetime.hard_at);
    session.current = ike;
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
