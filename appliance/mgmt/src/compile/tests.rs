use super::*;
use ravelin_config::Model;
use ravelin_ctl::acceleration::CryptoDevice;
use ravelin_ctl::ike::{
    Authentication, DpdMode, Establish, LocalIdentity, PeerAddress, RemotePeer,
};
use ravelin_ctl::plane::{Device, MssClamp};
use ravelin_ctl::sa::{DfBit, TfcPadding};
use ravelin_routing::StaticTarget;
use ravelin_types::{DhGroup, Identity, IkeEncr, IkeInteg, IkeSuite, Prf, SecretBytes};
use std::sync::LazyLock;

mod proposals;

pub(crate) const SITE: &str = include_str!("../../../../tests/configs/site.conf");

pub(crate) static MODEL: LazyLock<Model> = LazyLock::new(|| Model::new().unwrap());

pub(super) fn compiled(text: &str) -> Compiled {
    let config = MODEL
        .load("t.conf", text)
        .map_err(|e| e.to_string())
        .unwrap()
        .config;
    compile(&config, &VrfIds::default()).unwrap()
}

/// The errors of the site with `from` replaced by `to`.
fn errors(from: &str, to: &str) -> String {
    assert!(SITE.contains(from), "the site has no {from}");
    let text = SITE.replacen(from, to, 1);
    let config = MODEL
        .load("t.conf", &text)
        .map_err(|e| e.to_string())
        .unwrap()
        .config;
    let errors = compile(&config, &VrfIds::default()).unwrap_err();
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_site_compiles_for_planed_and_the_kernel() {
    let site = compiled(SITE);
    assert_eq!(site.warnings, Vec::<String>::new());
    let [untrust, trust] = site.plane.ports.as_slice() else {
        panic!("two ports");
    };
    assert_eq!(untrust.name, "ge-0/0/0");
    assert_eq!(
        untrust.device,
        Device::Vdev("net_af_packet0,iface=untrust".to_owned())
    );
    assert_eq!(untrust.mtu_octets, 1500);
    assert_eq!(trust.units[0].name.to_string(), "ge-0/0/1.0");
    assert_eq!(trust.units[0].addresses.len(), 2);
    let tunnel = &site.plane.tunnels[0];
    assert_eq!((tunnel.unit, tunnel.mtu_octets), (0, 1400));
    let protected: Vec<_> = tunnel.protected.iter().map(ToString::to_string).collect();
    assert_eq!(protected, ["10.45.0.0/16", "2001:db8:45::/48"]);
    let ike: Vec<_> = site
        .plane
        .ike_addresses
        .iter()
        .map(|(_, a)| a.to_string())
        .collect();
    assert_eq!(ike, ["192.0.2.1", "2001:db8:a::1"]);
    let devices: Vec<_> = site.kernel.devices.keys().map(String::as_str).collect();
    assert_eq!(devices, ["ge-0-0-0", "ge-0-0-1", "lo", "st0-0"]);
    assert_eq!(site.kernel.devices["ge-0-0-0"].addresses.len(), 2);
    assert!(site.kernel.routes.is_empty());
}

#[test]
fn a_unit_has_one_tag_or_two() {
    let tags = |text: &str| {
        let unit =
            "unit 7 { TAGS family inet { address 203.0.113.1/24; } }\n".replace("TAGS", text);
        let port = "        device \"net_af_packet1,iface=trust\";\n";
        assert!(SITE.contains(port), "the site has another port");
        let site = compiled(&SITE.replacen(port, &format!("{port}{unit}"), 1));
        let unit = &site.plane.ports[1].units[1];
        (unit.vlan, unit.inner_vlan)
    };
    assert_eq!(tags("vlan-id 9;"), (Some(9), None));
    assert_eq!(
        tags("vlan-tags { outer 9; inner 10; }"),
        (Some(9), Some(10))
    );
}

#[test]
fn crypto_devices_are_configured_for_planed() {
    let devices = |text: &str| {
        let at = SITE.find("    ipsec {").unwrap() + "    ipsec {".len();
        let text = [&SITE[..at], text, &SITE[at..]].concat();
        let devices = compiled(&text).plane.acceleration;
        let pair = |device: CryptoDevice| (device.name, device.arguments);
        devices.into_iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(devices(""), []);
    let text = "acceleration { device 0000:3d:01.0; device crypto_scheduler0 { arguments worker=crypto_openssl1,mode=fail-over; } }\n";
    let scheduler = Some("worker=crypto_openssl1,mode=fail-over".to_owned());
    assert_eq!(
        devices(text),
        [
            ("0000:3d:01.0".to_owned(), None),
            ("crypto_scheduler0".to_owned(), scheduler)
        ]
    );
}

#[test]
fn the_segment_size_of_tunnels_is_configured_for_planed() {
    let flow = |text: &str| {
        let ipsec = SITE.find("    ipsec {").unwrap();
        let text = [&SITE[..ipsec], text, &SITE[ipsec..]].concat();
        compiled(&text).plane.tcp_mss
    };
    assert_eq!(flow(""), None);
    let tunnel = "flow { tcp-mss { ipsec-vpn; } }\n";
    assert_eq!(flow(tunnel), Some(MssClamp::Tunnel));
    let stated = "flow { tcp-mss { ipsec-vpn { mss 1350; } } }\n";
    assert_eq!(flow(stated), Some(MssClamp::Octets(1350)));
}

#[test]
fn the_site_compiles_for_iked() {
    let ike = compiled(SITE).ike;
    let [v4, v6] = ike.gateways.as_slice() else {
        panic!("two gateways");
    };
    assert_eq!((v4.name.as_str(), v6.name.as_str()), ("enb-v4", "enb-v6"));
    assert_eq!(
        v4.remote,
        RemotePeer::HostnameSuffix("enb.example".to_owned())
    );
    assert_eq!(
        v4.local_identity,
        LocalIdentity::Stated(Identity::Fqdn("secgw.example".to_owned()))
    );
    let key = SecretBytes::new(b"backhaul-secret".to_vec());
    assert_eq!(v4.authentication, Authentication::pre_shared(key));
    let proposal = v4.proposals[0];
    let suite = IkeSuite::new(IkeEncr::Aes256Gcm, None, Prf::HmacSha256, DhGroup::Ecp256);
    assert_eq!((Ok(proposal.suite), proposal.lifetime_s), (suite, 28800));
    let dpd = v4.dead_peer_detection.unwrap();
    assert_eq!(
        (dpd.mode, dpd.interval_s, dpd.threshold),
        (DpdMode::ProbeIdleTunnel, 10, 3)
    );
    assert_eq!(v6.dead_peer_detection, None);
    assert_eq!(v6.nat_keepalive_s, 20);
    let vpn = &v4.vpns[0];
    assert_eq!((vpn.name.as_str(), vpn.tunnel_unit), ("enb-v4", 0));
    assert_eq!((vpn.replay_window, vpn.df_bit), (512, DfBit::Clear));
    assert_eq!((vpn.outer_dscp, vpn.tfc_padding), (None, None));
    assert!(!vpn.copy_outer_dscp);
    assert_eq!(
        (vpn.establish, vpn.selectors.len()),
        (Establish::ResponderOnly, 2)
    );
    assert_eq!(v4.vpns.len(), 1);
}

#[test]
fn addresses_must_be_ours_and_of_one_family() {
    assert_eq!(
        errors("local-address 192.0.2.1;", "local-address 192.0.2.2;"),
        "[security ike gateway enb-v4] `local-address` 192.0.2.2 is not an address of `external-interface` ge-0/0/0.0"
    );
    assert_eq!(
        errors(
            "external-interface ge-0/0/0.0;",
            "external-interface st0.0;"
        )
        .lines()
        .next()
        .unwrap(),
        "[security ike gateway enb-v4] `local-address` 192.0.2.1 is not an address of `external-interface` st0.0"
    );
    let group = "dynamic {\n                hostname .enb.example;\n                ike-user-type group-ike-id;\n            }";
    assert_eq!(
        errors(group, "address 2001:db8:a::10;"),
        "[security ike gateway enb-v4] no local address is of the family of `address` 2001:db8:a::10"
    );
    assert_eq!(
        errors("address 198.51.100.1/24;", "address 192.0.2.1/24;"),
        "[interfaces ge-0/0/1 unit 0] `192.0.2.1/24` is also an address of `ge-0/0/0.0`"
    );
    assert_eq!(
        errors("net_af_packet1,iface=trust", "net_af_packet0,iface=untrust"),
        "[interfaces ge-0/0/1 device] `ge-0/0/0` has the same device"
    );
}

#[test]
fn a_tunnel_protects_what_is_routed_or_negotiated_into_it() {
    let text = SITE
        .replacen("protected-prefix [ 10.45.0.0/16 2001:db8:45::/48 ];", "", 1)
        .replacen("remote-ip 0.0.0.0/0;", "remote-ip 10.46.0.0/16;", 1)
        .replacen(
            "security {",
            "routing-options { static { route 10.47.0.0/16 next-hop st0.0; route 0.0.0.0/0 next-hop 198.51.100.9; route 10.9.0.0/16 discard; } } security {",
            1,
        );
    let compiled = compiled(&text);
    let protected: Vec<_> = compiled.plane.tunnels[0]
        .protected
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(protected, ["10.46.0.0/16", "10.47.0.0/16"]);
    let routes = &compiled.kernel.routes;
    assert_eq!(routes.len(), 3);
    let into_tunnel = routes
        .iter()
        .find(|r| r.prefix.to_string() == "10.47.0.0/16")
        .unwrap();
    let StaticTarget::Via(hops) = &into_tunnel.target else {
        panic!("forwards");
    };
    assert_eq!(hops[0].device.as_deref(), Some("st0-0"));
    let none = SITE.replacen("protected-prefix [ 10.45.0.0/16 2001:db8:45::/48 ];", "", 1);
    assert!(
        super::tests::compiled(&none).warnings[0]
            .starts_with("[interfaces st0 unit 0] no `protected-prefix`")
    );
}

#[test]
fn other_forms_of_gateways_and_algorithms() {
    let group = "dynamic {\n                hostname .enb.example;\n                ike-user-type group-ike-id;\n            }";
    let text = SITE
        .replacen(
            group,
            "address 192.0.2.10;\n            remote-identity key-id k1;",
            1,
        )
        .replacen("            local-address 192.0.2.1;\n", "", 1)
        .replacen(
            "hostname .enb.example;\n                ike-user-type group-ike-id;",
            "user-at-hostname a@b.example;",
            1,
        )
        .replacen(
            "encryption-algorithm aes-256-gcm;\n            lifetime-seconds 28800",
            "encryption-algorithm aes-256-cbc;\n            lifetime-seconds 60",
            1,
        )
        .replacen("ascii-text \"backhaul-secret\"", "hexadecimal 00fF", 1)
        .replacen("anti-replay-window-size 512;", "no-anti-replay;", 1)
        .replacen(
            "establish-tunnels responder-only;",
            "establish-tunnels immediately; df-bit copy; outer-dscp 46; copy-outer-dscp; tfc-padding mtu;",
            1,
        );
    let ike = compiled(&text).ike;
    let first = &ike.gateways[0];
    let key_id = Identity::KeyId(b"k1".to_vec());
    assert_eq!(first.remote, RemotePeer::Identities(vec![key_id]));
    let address = PeerAddress::Address("192.0.2.10".parse().unwrap());
    assert_eq!(first.remote_addresses, Some(vec![address]));
    assert_eq!(
        first.local_addresses,
        ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(
        first.proposals[0].suite.integ(),
        Some(IkeInteg::HmacSha256_128)
    );
    let key = SecretBytes::new(vec![0x00, 0xff]);
    assert_eq!(first.authentication, Authentication::pre_shared(key));
    assert_eq!(first.vpns[0].replay_window, 0);
    assert_eq!(
        (first.vpns[0].establish, first.vpns[0].df_bit),
        (Establish::Immediately, DfBit::Copy)
    );
    let late = text.replace(
        "establish-tunnels immediately",
        "establish-tunnels on-traffic",
    );
    let late = &compiled(&late).ike.gateways[0];
    assert_eq!(late.vpns[0].establish, Establish::OnTraffic);
    assert_eq!(first.vpns[0].outer_dscp, Some(46));
    assert!(first.vpns[0].copy_outer_dscp);
    assert_eq!(first.vpns[0].tfc_padding, Some(TfcPadding::Mtu));
    let some = compiled(&text.replace("tfc-padding mtu", "tfc-padding 512")).ike;
    let padding = some.gateways[0].vpns[0].tfc_padding;
    assert_eq!(padding, Some(TfcPadding::Octets(512)));
    let email = Identity::Email("a@b.example".to_owned());
    assert_eq!(ike.gateways[1].remote, RemotePeer::Identities(vec![email]));
}

#[test]
fn devices_are_told_apart() {
    let device = |text: &str| {
        let made = compiled(&SITE.replacen("net_af_packet1,iface=trust", text, 1));
        made.plane.ports[1].device.clone()
    };
    assert_eq!(
        device("0000:00:04.0"),
        Device::Pci("0000:00:04.0".to_owned())
    );
    assert_eq!(device("0B:00.1"), Device::Pci("0000:0b:00.1".to_owned()));
    assert_eq!(
        device("net_pcap0,rx_pcap=/a:b.c"),
        Device::Vdev("net_pcap0,rx_pcap=/a:b.c".to_owned())
    );
}

#[test]
fn nothing_compiles_to_nothing() {
    let none = compiled("");
    assert_eq!(none.plane, PlaneConfig::default());
    assert!(none.ike.gateways.is_empty());
    assert_eq!(none.kernel.devices.len(), 1, "lo is ours even so");
}

/// The site, announced.
const ANNOUNCED: &str = "system {
    host-name secgw;
}
chassis {
    high-availability {
        hold-time 3;
        services-redundancy-group 1 {
            active-signal-route [ 198.51.100.201 2001:db8:b::201 ];
            monitor {
                interface ge-0/0/1;
            }
        }
        services-redundancy-group 2 {
            active-signal-route 198.51.100.202;
        }
        services-redundancy-group 3;
    }
}
";

fn announced() -> String {
    SITE.replacen("system {\n    host-name secgw;\n}\n", ANNOUNCED, 1)
}

#[test]
fn signal_routes_and_the_hold_time_reach_the_daemons() {
    let site = compiled(SITE);
    assert!(site.plane.signals.is_empty());
    assert_eq!(site.ike.hold_s, 10, "the default");
    let made = compiled(&announced());
    assert_eq!(made.ike.hold_s, 3);
    let [first, second] = made.plane.signals.as_slice() else {
        panic!("{:?}", made.plane.signals)
    };
    let addresses: Vec<String> = first.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["198.51.100.201", "2001:db8:b::201"]);
    assert_eq!(
        (first.group, first.monitored.as_slice()),
        (1, &["ge-0/0/1".to_owned()][..])
    );
    assert_eq!((second.group, second.monitored.len()), (2, 0));
}

#[test]
fn signal_routes_that_cannot_be_are_named() {
    let refused = |from: &str, to: &str| {
        let text = announced();
        assert!(text.contains(from));
        let loaded = MODEL.load("t.conf", &text.replacen(from, to, 1));
        match loaded {
            Ok(parsed) => compile(&parsed.config, &VrfIds::default()).unwrap_err()[0].to_string(),
            Err(problem) => problem.to_string(),
        }
    };
    assert_eq!(
        refused("198.51.100.202", "198.51.100.201"),
        "[chassis high-availability services-redundancy-group 2 active-signal-route 198.51.100.201] \
         `198.51.100.201` also belongs to group 1"
    );
    assert_eq!(
        refused("198.51.100.202", "127.0.0.1"),
        "[chassis high-availability services-redundancy-group 2 active-signal-route 127.0.0.1] \
         `127.0.0.1` is no address that a host can have"
    );
    assert_eq!(
        refused("interface ge-0/0/1", "interface ge-0/0/9"),
        "[chassis high-availability services-redundancy-group 1 monitor interface ge-0/0/9] there is no port `ge-0/0/9`"
    );
    assert!(refused("hold-time 3", "hold-time 301").contains("expected a number of 1..300"));
    assert!(
        refused("interface ge-0/0/1", "interface st0").contains("expected a port, as ge-0/0/0")
    );
}
