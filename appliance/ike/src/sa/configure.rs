//! Configuration payload, as the gateway that gives addresses (RFC 7296 section 2.19).
//!
//! A gateway with a pool serves peers that ask for an address in IKE_AUTH; the selectors of their children lie within what they
//! get. Who does not ask is refused a child (FAILED_CP_REQUIRED), and so is who asks in vain (INTERNAL_ADDRESS_FAILURE); the IKE SA
//! stands in both cases, as section 2.19 has it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::config::Gateway;
use crate::error::{Reason, Stage};
use crate::lease::Holder;
use crate::msg::Payload;
use crate::msg::cp::{Attribute, Cp, attribute, cfg};
use crate::msg::notify::kind;
use crate::outbox::Ctx;
use crate::session::Session;

/// What a session holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) pool: String,
    pub(crate) address: IpAddr,
}

fn request(payloads: &[Payload]) -> Option<&Cp> {
    payloads.iter().find_map(|p| match p {
        Payload::Cp(cp) if cp.kind == cfg::REQUEST => Some(cp),
        _ => None,
    })
}

/// What the peer would like to have again, if it says so: the first octets are the address.
fn wish(asked: &Attribute) -> Option<IpAddr> {
    if let Some(octets) = asked.value.first_chunk::<16>() {
        return Some((*octets).into());
    }
    asked
        .value
        .first_chunk::<4>()
        .map(|octets| (*octets).into())
}

/// Gives the peer of an IKE_AUTH request what it asks for; the answer, if one is due.
pub(crate) fn assign(
    ctx: &mut Ctx<'_>,
    session: &mut Session,
    gateway: &Gateway,
    payloads: &[Payload],
) -> Result<Option<Payload>, Refusal> {
    let Some(pool) = &gateway.pool else {
        return Ok(None);
    };
    let refused = |kind, reason| Err(Refusal::new(Stage::Auth, kind, reason));
    let peer = session.peer.clone();
    let Some(peer) = peer.as_ref() else {
        return Ok(None);
    };
    let initial = |p: &Payload| matches!(p, Payload::Notify(n) if n.kind == kind::INITIAL_CONTACT);
    let alone = payloads.iter().any(initial);
    let here = session.path.remote.ip();
    let others = ctx.out.connections.of_peer(&gateway.name, peer);
    let beside: Vec<u64> = (others.iter().filter(|(_, at)| *at == here))
        .map(|(id, _)| *id)
        .collect();
    let holder = Holder {
        session: session.id,
        peer,
        alone,
        beside: &beside,
    };
    let Some(asked_for) = request(payloads) else {
        return refused(
            kind::FAILED_CP_REQUIRED,
            Reason::NoAddressAsked(pool.name.clone()),
        );
    };
    let mut attributes = Vec::new();
    for (ipv6, number) in [
        (false, attribute::INTERNAL_IP4_ADDRESS),
        (true, attribute::INTERNAL_IP6_ADDRESS),
    ] {
        let Some(asked) = asked_for.find(number) else {
            continue;
        };
        let given = ctx.out.leases.take(pool, ipv6, wish(asked), holder);
        let Some(address) = given else {
            continue;
        };
        session.leases.push(Lease {
            pool: pool.name.clone(),
            address,
        });
        session.volatile.dirty = true;
        let value = match address {
            IpAddr::V4(a) => a.octets().to_vec(),
            // Section 3.15.1: the address, then its prefix length.
            IpAddr::V6(a) => [a.octets().as_slice(), &[128]].concat(),
        };
        let kind = number;
        attributes.push(Attribute { kind, value });
    }
    if attributes.is_empty() {
        let reason = Reason::NoAddress(pool.name.clone());
        return refused(kind::INTERNAL_ADDRESS_FAILURE, reason);
    }
    for server in &pool.dns {
        let (kind, value) = match server {
            IpAddr::V4(a) => (attribute::INTERNAL_IP4_DNS, a.octets().to_vec()),
            IpAddr::V6(a) => (attribute::INTERNAL_IP6_DNS, a.octets().to_vec()),
        };
        if asked_for.find(kind).is_some() {
            attributes.push(Attribute { kind, value });
        }
    }
    attributes.extend(version(asked_for));
    let kind = cfg::REPLY;
    Ok(Some(Payload::Cp(Cp { kind, attributes })))
}

/// Section 2.20: who does not tell its version "MUST either return an empty string or no CP payload".
fn version(asked: &Cp) -> Option<Attribute> {
    let kind = attribute::APPLICATION_VERSION;
    let value = Vec::new();
    asked.find(kind).map(|_| Attribute { kind, value })
}

/// What an INFORMATIONAL request asks or says of configuration: we have nothing to tell and take nothing, but answer
/// (section 3.15.2 for CFG_SET: attributes that are not accepted are left out).
pub(crate) fn answer(payloads: &[Payload]) -> Option<Payload> {
    let (kind, attributes) = payloads.iter().find_map(|p| match p {
        Payload::Cp(cp) if cp.kind == cfg::REQUEST => {
            Some((cfg::REPLY, version(cp).into_iter().collect()))
        }
        Payload::Cp(cp) if cp.kind == cfg::SET => Some((cfg::ACK, Vec::new())),
        _ => None,
    })?;
    Some(Payload::Cp(Cp { kind, attributes }))
}
