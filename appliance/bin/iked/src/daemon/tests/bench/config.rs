//! What the two daemons are configured with.

use ravelin_ctl::ike::{
    Authentication, EspProposal, Establish, GatewayConfig, IkeConfig, IkeProposal, LocalIdentity,
    PeerAddress, RemotePeer, SelectorPair, VpnConfig,
};
use ravelin_ctl::sa::DfBit;
use ravelin_types::{
    AdditionalKe, DhGroup, EspTransform, IkeEncr, IkeSuite, Prf, SecretBytes, VrfId,
};

use super::{ADDRESSES, LEFT, PREFIXES};

/// Left starts, right answers.
pub fn config(node: usize) -> IkeConfig {
    let other = 1 - node;
    let vpn = VpnConfig {
        name: "tunnel".to_owned(),
        tunnel_unit: 0,
        inner_vrf: VrfId::DEFAULT,
        mode: ravelin_types::IpsecMode::Tunnel,
        proposals: vec![EspProposal {
            protocol: ravelin_types::IpsecProtocol::Esp,
            transform: EspTransform::AES_128_GCM,
            extended_sequence: false,
            lifetime_s: 3600,
            volume: ravelin_types::Volume::UNLIMITED,
        }],
        pfs: Some(DhGroup::Curve25519),
        additional: AdditionalKe::NONE,
        selectors: vec![SelectorPair {
            name: "all".to_owned(),
            local: PREFIXES[node].parse().unwrap(),
            remote: PREFIXES[other].parse().unwrap(),
        }],
        replay_window: 512,
        df_bit: DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
        idle_s: None,
        establish: if node == LEFT {
            Establish::Immediately
        } else {
            Establish::ResponderOnly
        },
    };
    let there = PeerAddress::Address(ADDRESSES[other].parse().unwrap());
    let gateway = GatewayConfig {
        name: "peer".to_owned(),
        vrf: VrfId::DEFAULT,
        local_addresses: vec![ADDRESSES[node].parse().unwrap()],
        remote_addresses: Some(vec![there.clone()]),
        remote: RemotePeer::Identities(vec![there.identity()]),
        local_identity: LocalIdentity::Address,
        proposals: vec![IkeProposal {
            suite: IkeSuite::new(
                IkeEncr::Aes128Gcm,
                None,
                Prf::HmacSha256,
                DhGroup::Curve25519,
            )
            .unwrap(),
            lifetime_s: 28_800,
        }],
        authentication: Authentication::pre_shared(SecretBytes::new(b"a key of both".to_vec())),
        dead_peer_detection: None,
        nat_keepalive_s: 20,
        mobike: false,
        request_window: 1,
        reauth_frequency: 0,
        quick_crash_detection: false,
        connections_limit: None,
        connections_per_address: None,
        redirect: None,
        pool: None,
        vpns: vec![vpn],
    };
    IkeConfig {
        gateways: vec![gateway],
        hold_s: 10,
        ..IkeConfig::default()
    }
}
