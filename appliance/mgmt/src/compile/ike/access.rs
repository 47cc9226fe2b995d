//! Gateways with an access profile: each client of the profile is a gateway of its own to iked, `GATEWAY:CLIENT`.

use super::{Peers, policy, serve, vpn};
use ravelin_config::Config;
use ravelin_config::typed::{AccessClient, Gateway, PreSharedKey};
use ravelin_ctl::ike::{GatewayConfig, RemotePeer};
use ravelin_types::Identity;
use std::cmp::Reverse;
use std::net::IpAddr;

/// The gateways of the clients. iked takes the first that fits, so whole identities come before the ends of host names, the longest
/// first, and those before `*`.
pub(super) fn gateways(
    config: &Config,
    gateway: &Gateway,
    profile: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<GatewayConfig>, String> {
    let found = config.access.profile.iter().find(|p| p.name == profile);
    // The model's leafref holds the name to an entry; this is for a model that would not.
    let found = found.ok_or_else(|| format!("no access profile `{profile}`"))?;
    let mut clients: Vec<&AccessClient> = found.client.iter().collect();
    clients.sort_by_key(|client| {
        let name = &client.name;
        (name.starts_with('*'), Reverse(name.len()))
    });
    let made = clients.into_iter().map(|client| {
        let ike = &client.ike;
        let mut policy = policy(config, &ike.ike_policy)?.clone();
        if ike.pre_shared_key != PreSharedKey::default() {
            policy.pre_shared_key = ike.pre_shared_key.clone();
        }
        let tunnel = ike.vpn(profile, &gateway.name);
        let peers = Peers {
            name: format!("{}:{}", gateway.name, client.name),
            addresses: None,
            remote: remote(&client.name),
            policy: &policy,
            vpns: vec![vpn(config, &tunnel, warnings)?],
        };
        serve(config, gateway, peers, warnings)
    });
    made.collect()
}

fn remote(name: &str) -> RemotePeer {
    if name == "*" {
        return RemotePeer::Anyone;
    }
    if let Some(suffix) = name.strip_prefix("*.") {
        return RemotePeer::HostnameSuffix(suffix.to_owned());
    }
    RemotePeer::Identities(vec![match name.parse() {
        Ok(IpAddr::V4(address)) => Identity::Ipv4(address),
        Ok(IpAddr::V6(address)) => Identity::Ipv6(address),
        Err(_) if name.contains('@') => Identity::Email(name.to_owned()),
        Err(_) => Identity::Fqdn(name.to_owned()),
    }])
}

#[cfg(test)]
mod tests;
