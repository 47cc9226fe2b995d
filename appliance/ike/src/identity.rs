//! Who a peer may be: matching of identities against gateways (RFC 7296 section 3.5, RFC 4301 section 4.4.3).

use std::net::IpAddr;

use ravelin_types::{Identity, VrfId};

use crate::config::{Gateway, RemotePeer};
use crate::error::list_text;
use crate::msg::id::Id;

/// The longest identity that is accepted: that of a distinguished name with every usual attribute.
pub const MAX_IDENTITY_OCTETS: usize = 1024;

/// The identity in a payload, when it is of a type we know and well-formed.
pub fn from_payload(id: &Id) -> Option<Identity> {
    if id.data.len() > MAX_IDENTITY_OCTETS {
        return None;
    }
    Identity::from_wire(id.kind, &id.data).ok()
}

/// The payload of an identity.
pub fn to_payload(identity: &Identity) -> Id {
    Id {
        kind: identity.type_id(),
        reserved: [0; 3],
        data: identity.data(),
    }
}

/// The identity of an address.
pub fn of_address(address: IpAddr) -> Identity {
    match address {
        IpAddr::V4(a) => Identity::Ipv4(a),
        IpAddr::V6(a) => Identity::Ipv6(a),
    }
}

/// A payload's identity for the log, whatever it is.
pub fn payload_text(id: &Id) -> String {
    from_payload(id).map_or_else(
        || format!("ID type {} of {} octets", id.kind, id.data.len()),
        |i| i.to_string(),
    )
}

impl Gateway {
    /// True when this gateway may serve a peer at these addresses (its identity is not known yet).
    pub fn fits_addresses(&self, vrf: VrfId, local: IpAddr, remote: IpAddr) -> bool {
        let ours = self.local_addresses.is_empty() || self.local_addresses.contains(&local);
        let theirs = self.remote_addresses.as_ref();
        let theirs = theirs.is_none_or(|addresses| addresses.contains(&remote));
        self.vrf == vrf && ours && theirs
    }

    /// True when a peer with this identity may be served.
    pub fn accepts_identity(&self, identity: &Identity) -> bool {
        match &self.remote {
            RemotePeer::Identities(all) => all.iter().any(|wanted| wanted.matches(identity)),
            RemotePeer::HostnameSuffix(suffix) => {
                matches!(identity, Identity::Fqdn(name) if has_suffix(name, suffix))
            }
            RemotePeer::Pattern(pattern) => pattern.accepts(identity),
            RemotePeer::Anyone => true,
        }
    }

    /// The identity that the peer at `address` must prove, when it is one.
    pub(crate) fn static_identity(&self, address: IpAddr) -> Option<Identity> {
        match &self.remote {
            RemotePeer::Identities(all) => match all.as_slice() {
                [only] => Some(only.clone()),
                several => {
                    let here = of_address(address);
                    several.contains(&here).then_some(here)
                }
            },
            RemotePeer::HostnameSuffix(_) => Some(of_address(address)),
            RemotePeer::Pattern(_) | RemotePeer::Anyone => None,
        }
    }

    /// The identities this gateway accepts, for the log.
    pub fn accepted_text(&self) -> String {
        match &self.remote {
            RemotePeer::Identities(all) => list_text(all),
            RemotePeer::HostnameSuffix(suffix) => format!("*.{suffix}"),
            RemotePeer::Pattern(pattern) => pattern.to_string(),
            RemotePeer::Anyone => "any identity".to_owned(),
        }
    }

    /// Who we are to a peer that reaches us at `local`.
    pub fn identity_at(&self, local: IpAddr) -> Identity {
        self.local_identity
            .clone()
            .unwrap_or_else(|| of_address(local))
    }
}

/// `enb1.ran.example` and `ran.example` have the suffix `ran.example`; `xran.example` does not.
fn has_suffix(name: &str, suffix: &str) -> bool {
    let suffix = suffix.trim_start_matches('.');
    let Some(at) = name.len().checked_sub(suffix.len()) else {
        return false;
    };
    let ends = name
        .get(at..)
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix));
    ends && !suffix.is_empty() && (at == 0 || name.as_bytes().get(at - 1) == Some(&b'.'))
}

#[cfg(test)]
mod tests;
