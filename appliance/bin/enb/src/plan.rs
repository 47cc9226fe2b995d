//! What each eNodeB is configured to: the same for all but address, identity and inner address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ravelin_ike::Config;
use ravelin_ike::config::{
    Dpd, DpdMode, EspProposal, Gateway, IkeProposal, Limits, RemotePeer, SelectorPair, Vpn,
};
use ravelin_ike::identity::of_address;
use ravelin_types::{Identity, IpsecMode, IpsecProtocol, Prefix, TrafficSelector, Volume, VrfId};

use crate::arguments::Arguments;
use crate::proof::Proof;

/// Name of the gateway, of its only VPN and of what proves who they are, in the configuration of each eNodeB.
pub const GATEWAY: &str = "gateway";
/// First addresses behind a NAT of ours (RFC 6598, RFC 4193); no packet has them.
const BEHIND_NAT_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(100, 64, 0, 1));
const BEHIND_NAT_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
/// Intervals without an answer until the gateway is dead.
const DPD_THRESHOLD: u8 = 5;
/// Packets that are under way when a child SA is replaced have come until then.
const LINGER: Duration = Duration::from_secs(1);

/// The configuration of the eNodeB at this place.
pub fn config(arguments: &Arguments, proof: &Proof, index: u32) -> Config {
    let number = number(arguments, index);
    let place = index as usize % arguments.local.len();
    let local = believed(arguments, place);
    let selectors = inner(arguments, index).into_iter().map(|inner| {
        let other = |prefix: &&Prefix| prefix.addr().is_ipv6() == inner.is_ipv6();
        let remote = arguments.remote.iter().find(other);
        let everything = TrafficSelector::any(inner.is_ipv6());
        SelectorPair {
            local: TrafficSelector::from_prefix(Prefix::host(inner)),
            remote: remote.map_or(everything, |prefix| TrafficSelector::from_prefix(*prefix)),
        }
    });
    let vpn = Vpn {
        name: GATEWAY.to_owned(),
        mode: IpsecMode::Tunnel,
        proposals: vec![EspProposal {
            protocol: IpsecProtocol::Esp,
            transform: arguments.esp,
            extended_sequence: false,
            lifetime_s: arguments.esp_lifetime_s,
            volume: Volume::UNLIMITED,
        }],
        pfs: arguments.pfs,
        additional: ravelin_types::AdditionalKe::NONE,
        selectors: selectors.collect(),
        linger: LINGER,
        idle: None,
        establish_immediately: false,
    };
    let gateway = Gateway {
        name: GATEWAY.to_owned(),
        vrf: VrfId::DEFAULT,
        local_addresses: vec![local],
        remote_addresses: Some(vec![arguments.gateway]),
        remote: RemotePeer::Identities(vec![
            arguments
                .gateway_id
                .clone()
                .unwrap_or_else(|| of_address(arguments.gateway)),
        ]),
        local_identity: Some(identity(&arguments.identity, number)),
        proposals: vec![IkeProposal {
            suite: arguments.ike,
            lifetime_s: arguments.ike_lifetime_s,
        }],
        local_proof: proof.local.clone(),
        peer_proof: proof.peer.clone(),
        keys: proof.keys.clone(),
        dpd: arguments.dpd.map(|interval| Dpd {
            mode: DpdMode::ProbeIdle,
            interval,
            threshold: DPD_THRESHOLD,
        }),
        nat_keepalive: None,
        always_port_4500: false,
        mobike: false,
        request_window: 1,
        reauth_frequency: 0,
        quick_crash_detection: false,
        connections: ravelin_ike::config::ConnectionLimits::default(),
        ppks: ravelin_ike::config::Ppks::default(),
        redirect: None,
        pool: None,
        vpns: vec![vpn],
    };
    Config {
        gateways: [Arc::new(gateway)].into_iter().collect(),
        limits: Limits::default(),
    }
}

/// What an eNodeB knows as its address, of the address at this place of the command line: another one, if there is to be a NAT.
pub fn believed(arguments: &Arguments, place: usize) -> IpAddr {
    let local = arguments.local[place];
    if !arguments.nat {
        return local;
    }
    let first = match local {
        IpAddr::V4(_) => BEHIND_NAT_V4,
        IpAddr::V6(_) => BEHIND_NAT_V6,
    };
    nth(first, place as u32)
}

/// The inner addresses of the eNodeB at this place.
pub fn inner(arguments: &Arguments, index: u32) -> Vec<IpAddr> {
    let after = number(arguments, index).saturating_sub(1);
    let firsts = arguments.inner.iter();
    firsts.map(|first| nth(*first, after)).collect()
}

/// The number of the eNodeB at this place.
pub fn number(arguments: &Arguments, index: u32) -> u32 {
    arguments.first.saturating_add(index)
}

/// The text with the number in place of `{}`.
pub fn numbered(pattern: &str, number: u32) -> String {
    pattern.replace("{}", &format!("{number:05}"))
}

fn identity(pattern: &str, number: u32) -> Identity {
    let text = numbered(pattern, number);
    if text.contains('@') {
        Identity::Email(text)
    } else {
        Identity::Fqdn(text)
    }
}

/// The address so many after the first; beyond the last one it begins anew.
fn nth(first: IpAddr, after: u32) -> IpAddr {
    match first {
        IpAddr::V4(v4) => IpAddr::V4(v4.to_bits().wrapping_add(after).into()),
        IpAddr::V6(v6) => IpAddr::V6(v6.to_bits().wrapping_add(after.into()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::Proofs;

    #[test]
    fn each_enb_has_its_own_identity_and_inner_address_and_a_turn_of_the_addresses() {
        let arguments = Arguments {
            gateway: "192.0.2.1".parse().unwrap(),
            local: vec!["192.0.2.10".parse().unwrap(), "192.0.2.11".parse().unwrap()],
            first: 255,
            ..Arguments::default()
        };
        let proof = Proofs::new(&arguments).unwrap().of(257).unwrap();
        let gateway = config(&arguments, &proof, 2).gateways[0].clone();
        assert_eq!(gateway.local_addresses, [arguments.local[0]]);
        let identity = Identity::Fqdn("enb-00257.enb.example".to_owned());
        assert_eq!(gateway.local_identity, Some(identity));
        let local = gateway.vpns[0].selectors[0].local.as_prefix();
        assert_eq!(local, "10.0.1.1/32".parse().ok());
    }
}
