//! A pair of endpoints in virtual time over a link that loses, delays, duplicates and reorders, from a seed.
//!
//! Key exchanges run inline. Records are applied to a journal before the datagrams that depend on them leave, as the daemon
//! does. The world checks after every step that no datagram leaves before its record, and at the end that no IV repeats.

mod addresses;
mod authority;
mod certificates;
mod collide;
mod configure;
mod craft;
mod crash;
mod cuts;
mod early;
mod establish;
mod fragments;
mod hostile;
mod hybrid;
mod instances;
mod limits;
mod liveness;
mod mobike;
mod modes;
mod node;
mod order;
mod ppk;
mod reauth;
mod redirect;
mod rekey;
mod remove;
mod resources;
mod tokens;
mod tolerance;
mod trace;
mod wire;
mod world;

pub(crate) use node::{Node, Rng, address};
pub(crate) use world::{Link, World};

use std::sync::Arc;
use std::time::Duration;

use ravelin_types::{
    DhGroup, EspTransform, Identity, IkeEncr, IkeInteg, IkeSuite, Prefix, Prf, SecretBytes,
    TrafficSelector, VrfId,
};

use crate::config::{
    Config, Dpd, DpdMode, EspProposal, Gateway, IkeProposal, Limits, LocalProof, PeerProof,
    PreSharedKeys, RemotePeer, SelectorPair, Vpn,
};

pub(crate) const GCM256: IkeEncr = IkeEncr::Aes256Gcm;

pub(crate) fn ts(text: &str) -> TrafficSelector {
    TrafficSelector::from_prefix(text.parse::<Prefix>().unwrap())
}

pub(crate) fn proposal(
    encr: IkeEncr,
    integ: Option<IkeInteg>,
    prf: Prf,
    dh: DhGroup,
) -> IkeProposal {
    IkeProposal {
        suite: IkeSuite::new(encr, integ, prf, dh).unwrap(),
        lifetime_s: 28_800,
    }
}

pub(crate) fn ike_proposal(dh: DhGroup) -> IkeProposal {
    proposal(GCM256, None, Prf::HmacSha256, dh)
}

pub(crate) fn cbc_proposal() -> IkeProposal {
    let integ = Some(IkeInteg::HmacSha256_128);
    proposal(IkeEncr::Aes256Cbc, integ, Prf::HmacSha384, DhGroup::Ecp256)
}

pub(crate) fn vpn() -> Vpn {
    Vpn {
        name: "ran".into(),
        proposals: vec![EspProposal {
            protocol: ravelin_types::IpsecProtocol::Esp,
            transform: EspTransform::AES_256_GCM,
            extended_sequence: false,
            lifetime_s: 3_600,
            volume: ravelin_types::Volume::UNLIMITED,
        }],
        pfs: None,
        additional: ravelin_types::AdditionalKe::NONE,
        selectors: vec![SelectorPair {
            local: ts("10.0.0.0/8"),
            remote: ts("172.16.0.0/12"),
        }],
        mode: ravelin_types::IpsecMode::Tunnel,
        linger: Duration::from_secs(5),
        idle: None,
        establish_immediately: false,
    }
}

pub(crate) fn fqdn(name: &str) -> Identity {
    Identity::Fqdn(name.into())
}

/// The security gateway, B: answers any peer below `ran.example`.
pub(crate) fn gateway() -> Gateway {
    Gateway {
        name: "enbs".into(),
        vrf: VrfId::DEFAULT,
        local_addresses: vec![address(2).ip()],
        remote_addresses: None,
        remote: RemotePeer::HostnameSuffix("ran.example".into()),
        local_identity: Some(fqdn("segw.example")),
        proposals: vec![ike_proposal(DhGroup::Curve25519)],
        local_proof: LocalProof::PreSharedKey,
        peer_proof: PeerProof::PreSharedKey,
        keys: PreSharedKeys::shared(SecretBytes::new(b"a key for tests".to_vec())),
        dpd: Some(Dpd {
            mode: DpdMode::ProbeIdle,
            interval: Duration::from_secs(10),
            threshold: 5,
        }),
        nat_keepalive: Some(crate::config::NAT_KEEPALIVE),
        always_port_4500: false,
        mobike: false,
        request_window: 1,
        quick_crash_detection: false,
        reauth_frequency: 0,
        connections: crate::config::ConnectionLimits::default(),
        ppks: crate::config::Ppks::default(),
        redirect: None,
        pool: None,
        vpns: vec![vpn()],
    }
}

/// The peer, A: connects to B at once.
pub(crate) fn peer() -> Gateway {
    let mut vpn = vpn();
    vpn.establish_immediately = true;
    vpn.selectors = vec![SelectorPair {
        local: ts("172.16.1.0/24"),
        remote: ts("10.0.0.0/8"),
    }];
    Gateway {
        name: "segw".into(),
        local_addresses: vec![address(1).ip()],
        remote_addresses: Some(vec![address(2).ip()]),
        remote: RemotePeer::Identities(vec![fqdn("segw.example")]),
        local_identity: Some(fqdn("enb1.ran.example")),
        vpns: vec![vpn],
        ..gateway()
    }
}

pub(crate) fn config(gateway: Gateway) -> Arc<Config> {
    Arc::new(Config {
        gateways: [Arc::new(gateway)].into_iter().collect(),
        limits: Limits::default(),
    })
}

/// A world of the default pair.
pub(crate) fn world(seed: u64) -> World {
    World::new(seed, config(peer()), config(gateway()))
}
