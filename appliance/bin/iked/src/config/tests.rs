//! Two phases, and refusals that name the statement.

use ravelin_types::{
    AdditionalKe, DhGroup, EspTransform, Identity, IkeEncr, IkeInteg, IkeSuite, Prf,
};

use super::*;
use crate::pki::tests::NOW;
use ravelin_ctl::ike::{Authentication, IkeProposal, LocalIdentity, Revocation};
use ravelin_ctl::instance::RoutingInstance;

mod addresses;
mod certificates;
mod keys;

fn config() -> IkeConfig {
    let vpn = VpnConfig {
        name: "v1".to_owned(),
        tunnel_unit: 3,
        inner_vrf: VrfId::DEFAULT,
        mode: ravelin_types::IpsecMode::Tunnel,
        proposals: vec![EspProposal {
            protocol: ravelin_types::IpsecProtocol::Esp,
            transform: EspTransform::AES_256_GCM,
            extended_sequence: false,
            lifetime_s: 3600,
            volume: ravelin_types::Volume::UNLIMITED,
        }],
        pfs: Some(DhGroup::Ecp256),
        additional: AdditionalKe::new(&[DhGroup::MlKem768]).unwrap(),
        selectors: vec![ravelin_ctl::ike::SelectorPair {
            name: "t".to_owned(),
            local: "10.0.0.0/8".parse().unwrap(),
            remote: "10.1.0.0/16".parse().unwrap(),
        }],
        replay_window: 512,
        df_bit: DfBit::Copy,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: Some(1400),
        idle_s: None,
        establish: Establish::ResponderOnly,
    };
    let gateway = GatewayConfig {
        name: "enb".to_owned(),
        vrf: VrfId::DEFAULT,
        local_addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        remote_addresses: None,
        remote: RemotePeer::HostnameSuffix("example.net".to_owned()),
        local_identity: LocalIdentity::Stated(Identity::Fqdn("gw.example.net".to_owned())),
        proposals: vec![IkeProposal {
            suite: IkeSuite::new(
                IkeEncr::Aes256Cbc,
                Some(IkeInteg::HmacSha256_128),
                Prf::HmacSha256,
                DhGroup::Modp2048,
            )
            .unwrap(),
            lifetime_s: 28_800,
        }],
        authentication: Authentication::pre_shared(SecretBytes::new(b"secret".to_vec())),
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
        node: NodeId::default(),
        gateways: vec![gateway],
        ca_profiles: vec![],
        hold_s: 10,
        trace: None,
        instances: vec![],
    }
}

fn changed(change: impl FnOnce(&mut GatewayConfig)) -> Result<Compiled, ConfigError> {
    let mut config = config();
    change(&mut config.gateways[0]);
    without_certificates(config)
}

fn without_certificates(config: IkeConfig) -> Result<Compiled, ConfigError> {
    compile(&Arc::new(config), &Arc::default(), &Arc::default(), None)
}

#[test]
fn it_is_split_between_endpoint_and_daemon() {
    let mut config = config();
    let mut second = config.gateways[0].clone();
    second.name = "other".to_owned();
    config.gateways.push(second);
    let compiled = without_certificates(config.clone()).unwrap();
    assert_eq!(compiled.listen.len(), 2, "each address once");
    let key = ("enb".to_owned(), "v1".to_owned());
    assert_eq!(compiled.tunnels[&key].tunnel_unit, 3);
    let gateway = compiled.ike.gateways.named("enb").unwrap();
    assert_eq!(
        gateway.proposals[0].suite,
        config.gateways[0].proposals[0].suite
    );
    assert_eq!(gateway.vpns[0].pfs, Some(DhGroup::Ecp256));
    let additional: Vec<_> = gateway.vpns[0].additional.iter().collect();
    assert_eq!(additional, [DhGroup::MlKem768]);
}

#[test]
fn what_cannot_run_is_refused_by_name() {
    let missing = |what| ConfigError::Missing {
        gateway: "enb".to_owned(),
        what,
    };
    let refused = |change: fn(&mut GatewayConfig)| changed(change).unwrap_err();
    assert_eq!(
        refused(|g| g.local_addresses.clear()),
        missing("local address")
    );
    assert_eq!(refused(|g| g.proposals.clear()), missing("proposal"));
    assert_eq!(
        refused(|g| g.authentication = Authentication::default()),
        missing("pre-shared key")
    );
    assert_eq!(
        refused(|g| g.vpns[0].proposals.clear()),
        missing("ESP proposal")
    );
    assert_eq!(
        refused(|g| g.vpns[0].selectors.clear()),
        missing("traffic selector")
    );
    let gateway = "enb".to_owned();
    let vrf = VrfId(1);
    assert_eq!(
        refused(|g| g.vrf = VrfId(1)),
        ConfigError::GatewayInstance { gateway, vrf }
    );
    let vpn = "v1".to_owned();
    assert_eq!(
        refused(|g| g.vpns[0].inner_vrf = VrfId(1)),
        ConfigError::TunnelInstance {
            vpn: vpn.clone(),
            vrf
        }
    );
    assert_eq!(
        refused(|g| g.vpns.push(g.vpns[0].clone())),
        ConfigError::VpnTwice { vpn }
    );
    let mut twice = config();
    twice.gateways.push(twice.gateways[0].clone());
    assert!(matches!(
        without_certificates(twice),
        Err(ConfigError::GatewayTwice { .. })
    ));
}

#[test]
fn a_gateway_and_its_tunnel_may_be_in_different_routing_instances() {
    let instance = |vrf, name: &str, table| RoutingInstance {
        vrf: VrfId(vrf),
        name: name.to_owned(),
        device: format!("vrf-{name}"),
        table,
    };
    let mut config = config();
    config.instances = vec![instance(1, "access", 1001), instance(2, "core", 1002)];
    config.gateways[0].vrf = VrfId(1);
    config.gateways[0].vpns[0].inner_vrf = VrfId(2);
    // The same address in the default instance.
    let mut other = config.gateways[0].clone();
    (other.name, other.vrf) = ("other".to_owned(), VrfId::DEFAULT);
    config.gateways.push(other);
    let compiled = without_certificates(config.clone()).unwrap();
    assert_eq!(compiled.ike.gateways.named("enb").unwrap().vrf, VrfId(1));
    let key = ("enb".to_owned(), "v1".to_owned());
    assert_eq!(compiled.tunnels[&key].inner_vrf, VrfId(2));
    let listen = |vrf| compiled.listen.iter().filter(|at| at.0 == vrf).count();
    assert_eq!((listen(VrfId(1)), listen(VrfId::DEFAULT)), (2, 2));
    let instances = &compiled.instances;
    assert_eq!(instances.name(VrfId(1)).as_deref(), Some("access"));
    assert_eq!(instances.name(VrfId::DEFAULT), None);
    let tables = [0, 2, 3].map(|vrf| instances.table(VrfId(vrf)));
    assert_eq!(tables, [Some(254), Some(1002), None]);

    for vrf in [0, 1] {
        let mut config = config.clone();
        config.instances.push(instance(vrf, "twice", 1003));
        assert_eq!(
            without_certificates(config).unwrap_err().to_string(),
            format!("routing instance twice: its number {vrf} is taken")
        );
    }
}

#[test]
fn two_phases() {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::open(folder.path(), NOW).unwrap();
    let names = Arc::default();
    let mut store = ConfigStore::default();
    let part = Part::Ike(config());
    assert!(store.apply(Generation(1)).is_err());
    let ready = Reply::Prepared(Ok(()));
    assert_eq!(store.prepare(Generation(1), &part, &pki, &names), ready);
    store.abort(Generation(2));
    assert!(store.apply(Generation(2)).is_err());
    assert!(store.apply(Generation(1)).is_ok());
    assert_eq!(store.generation(), Some(Generation(1)));
    assert_eq!(store.prepare(Generation(2), &part, &pki, &names), ready);
    store.abort(Generation(2));
    assert!(store.apply(Generation(2)).is_err());
    assert_eq!(store.generation(), Some(Generation(1)));
    let wrong = store.prepare(
        Generation(3),
        &Part::Ike(IkeConfig {
            gateways: vec![GatewayConfig {
                proposals: Vec::new(),
                ..config().gateways[0].clone()
            }],
            ..config()
        }),
        &pki,
        &names,
    );
    assert!(matches!(wrong, Reply::Prepared(Err(text)) if text.contains("enb")));
}

#[test]
fn lists_are_fetched_where_somebody_asks_for_them() {
    let profile = |name: &str, mode| CaProfile {
        name: name.to_owned(),
        revocation: Revocation {
            mode,
            ocsp: false,
            crl_urls: vec![format!("http://{name}/")],
            crl_refresh_s: Some(3600),
            ocsp_url: None,
            ocsp_nonce: true,
        },
    };
    let mut config = config();
    config.ca_profiles = vec![
        profile("a", RevocationMode::Strict),
        profile("b", RevocationMode::Soft),
        profile("c", RevocationMode::Disable),
    ];
    let source = |name: &str| Source {
        profile: name.to_owned(),
        urls: vec![format!("http://{name}/")],
        refresh_s: Some(3600),
    };
    assert_eq!(
        without_certificates(config).unwrap().sources,
        [source("a"), source("b")]
    );
}
