use super::*;
use crate::compile::compile;
use crate::compile::tests::{MODEL, SITE};
use crate::instances::VrfIds;
use ravelin_ctl::ike::{Authentication, IkeConfig};
use ravelin_types::SecretBytes;

const DYNAMIC: &str = "dynamic {\n                hostname .enb.example;\n                ike-user-type group-ike-id;\n            }";
const PROFILE: &str = "access {
    profile ran {
        client * { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0; pre-shared-key ascii-text other; } }
        client *.example { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0; } }
        client *.enb.example { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0; } }
        client 192.0.2.9 { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0;
            traffic-selector all { local-ip 0.0.0.0/0; remote-ip 10.46.0.0/16; } } }
        client 2001:db8::9 { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0; } }
        client a@b.example { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0; } }
        client enb1.enb.example { ike { ike-policy enb; ipsec-policy enb; interface-id st0.0; } }
    }
}
";

/// The site whose first gateway has the profile and no VPN, with these further replacements.
fn site(replacements: &[(&str, &str)]) -> Result<(IkeConfig, crate::compile::Compiled), String> {
    let (head, tail) = SITE.split_once("        vpn enb-v4 {").unwrap();
    let (_, tail) = tail.split_once("        vpn enb-v6 {").unwrap();
    let mut text = format!("{head}        vpn enb-v6 {{{tail}{PROFILE}");
    text = text.replacen("ike-policy enb;\n            dynamic", "dynamic", 1);
    text = text.replacen(DYNAMIC, "access-profile ran;", 1);
    for (from, to) in replacements {
        assert!(text.contains(from), "the site has no {from}");
        text = text.replacen(from, to, 1);
    }
    let loaded = MODEL.load("t.conf", &text).map_err(|e| e.to_string())?;
    let compiled =
        compile(&loaded.config, &VrfIds::default()).map_err(|errors| errors[0].to_string())?;
    Ok((compiled.ike.clone(), compiled))
}

#[test]
fn each_client_is_a_gateway_and_the_narrower_comes_first() {
    let (ike, compiled) = site(&[]).unwrap();
    let names: Vec<_> = ike.gateways.iter().map(|g| g.name.as_str()).collect();
    let expected = [
        "enb-v4:enb1.enb.example",
        "enb-v4:2001:db8::9",
        "enb-v4:a@b.example",
        "enb-v4:192.0.2.9",
        "enb-v4:*.enb.example",
        "enb-v4:*.example",
        "enb-v4:*",
        "enb-v6",
    ];
    assert_eq!(names, expected);
    let remotes: Vec<_> = ike.gateways.iter().map(|g| g.remote.clone()).collect();
    let expected = [
        RemotePeer::Identities(vec![Identity::Fqdn("enb1.enb.example".to_owned())]),
        RemotePeer::Identities(vec![Identity::Ipv6("2001:db8::9".parse().unwrap())]),
        RemotePeer::Identities(vec![Identity::Email("a@b.example".to_owned())]),
        RemotePeer::Identities(vec![Identity::Ipv4("192.0.2.9".parse().unwrap())]),
        RemotePeer::HostnameSuffix("enb.example".to_owned()),
        RemotePeer::HostnameSuffix("example".to_owned()),
        RemotePeer::Anyone,
    ];
    assert_eq!(remotes[..7], expected);
    let key = |key: &str| Authentication::pre_shared(SecretBytes::new(key.as_bytes().to_vec()));
    assert_eq!(ike.gateways[6].authentication, key("other"));
    assert_eq!(ike.gateways[5].authentication, key("backhaul-secret"));
    for gateway in &ike.gateways[..7] {
        let [vpn] = gateway.vpns.as_slice() else {
            panic!("one VPN");
        };
        assert_eq!((vpn.name.as_str(), vpn.tunnel_unit), ("ran", 0));
        assert_eq!(gateway.proposals, ike.gateways[7].proposals);
    }
    let narrow = "10.46.0.0/16".parse().unwrap();
    assert_eq!(ike.gateways[3].vpns[0].selectors[0].remote, narrow);
    let tunnels = &compiled.plane.tunnels;
    assert!(tunnels[0].protected.contains(&narrow));
    assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
}

#[test]
fn what_does_not_go_with_a_profile_is_refused() {
    let profile = "access-profile ran;";
    for (from, to, why) in [
        (
            profile,
            "ike-policy enb; access-profile ran;",
            "`ike-policy` is that of the clients",
        ),
        (
            profile,
            "access-profile ran; remote-identity hostname a.example;",
            "the peers are named by the access profile",
        ),
        (profile, "access-profile none;", "none"),
        (
            "gateway enb-v6;",
            "gateway enb-v4;",
            "a VPN uses this gateway",
        ),
        (
            "client a@b.example",
            "client **",
            "`*`, `*.` before the end of host names",
        ),
        (
            "ike-policy enb;\n            dynamic",
            "dynamic",
            "`ike-policy` is missing",
        ),
        ("interface-id st0.0", "interface-id st0.7", "no such unit"),
    ] {
        let error = site(&[(from, to)]).map(drop).unwrap_err();
        assert!(error.contains(why), "{to}: {error}");
    }
}
