use super::*;
use crate::compile::tests::{MODEL, SITE, compiled};

#[test]
fn extensions_of_ike_and_the_mode_of_a_tunnel_are_carried() {
    let text = SITE
        .replace("gateway enb-v4 {\n", "address-pool p { inet 10.45.7.0/24; dns 10.0.0.53; }\n gateway enb-v4 {\n mobike; request-window 4; quick-crash-detection; address-pool p; redirect { address 192.0.2.3; at ike-auth; }\n")
        .replace("vpn enb-v4 {\n", "vpn enb-v4 {\n mode transport;\n")
        .replace("protocol esp;\n            encryption-algorithm aes-256-gcm;", "protocol ah; authentication-algorithm hmac-sha-256-128;");
    let ike = compiled(&text).ike;
    let (v4, v6) = (&ike.gateways[0], &ike.gateways[1]);
    assert!(v4.mobike && v4.quick_crash_detection);
    assert_eq!(v4.request_window, 4);
    let redirect = v4.redirect.unwrap();
    assert_eq!(
        (redirect.to.to_string().as_str(), redirect.at),
        ("192.0.2.3", part::RedirectAt::Auth)
    );
    let pool = v4.pool.as_ref().unwrap();
    assert_eq!(
        (pool.name.as_str(), pool.inet6, pool.dns.len()),
        ("p", None, 1)
    );
    assert_eq!(pool.inet.unwrap().to_string(), "10.45.7.0/24");
    assert_eq!(v6.request_window, 1);
    assert!(!v6.mobike && v6.pool.is_none() && v6.redirect.is_none());
    assert_eq!(v4.vpns[0].mode, IpsecMode::Transport);
    assert_eq!(v6.vpns[0].mode, IpsecMode::Tunnel);
    assert_eq!(v4.vpns[0].proposals[0].protocol, IpsecProtocol::Ah);
    for (to, why) in [
        (
            "protocol ah; encryption-algorithm aes-256-gcm;",
            "does not encrypt",
        ),
        ("protocol ah;", "`encryption-algorithm` is missing"),
        (
            "protocol esp; authentication-algorithm hmac-sha-256-128;",
            "`encryption-algorithm` is missing",
        ),
    ] {
        let text = SITE.replace(
            "protocol esp;\n            encryption-algorithm aes-256-gcm;",
            to,
        );
        let refused = MODEL
            .load("t.conf", &text)
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(refused.contains(why), "{to}: {refused}");
    }
}

#[test]
fn general_ikeid_is_anyone() {
    let dynamic = "hostname .enb.example;\n                ike-user-type group-ike-id;";
    let text = SITE
        .replacen(
            &format!("dynamic {{\n                {dynamic}\n            }}"),
            "address 192.0.2.10;\n            remote-identity general-ikeid;",
            1,
        )
        .replacen(dynamic, "general-ikeid;", 1);
    let peer = PeerAddress::Address("192.0.2.10".parse().unwrap());
    let gateways = compiled(&text).ike.gateways.into_iter();
    let found: Vec<_> = gateways.map(|g| (g.remote, g.remote_addresses)).collect();
    let anyone = [Some(vec![peer]), None].map(|addresses| (RemotePeer::Anyone, addresses));
    assert_eq!(found, anyone);
}

#[test]
fn a_peer_may_be_at_several_addresses_and_host_names() {
    let begin = SITE.find("dynamic {").unwrap();
    let end = begin + SITE[begin..].find('}').unwrap() + 1;
    let with = |address: &str| SITE.replacen(&SITE[begin..end], address, 1);
    let text = with("address [ ENB1.example 192.0.2.10 enb2 ];");
    let gateway = compiled(&text).ike.gateways.remove(0);
    let name = |name: &str| PeerAddress::Name(name.to_owned());
    let address = PeerAddress::Address("192.0.2.10".parse().unwrap());
    let places = vec![name("enb1.example"), address, name("enb2")];
    let identities = places.iter().cloned().map(PeerAddress::identity);
    assert_eq!(
        gateway.remote,
        RemotePeer::Identities(identities.collect()),
        "each names itself after its place"
    );
    assert_eq!(gateway.remote_addresses, Some(places));
    for (wrong, why) in [
        (
            "[ 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 enb6 ]",
            "address",
        ),
        ("999.0.2.1", "an IPv4 or IPv6 address or a host name"),
        ("enb_1.example", "an IPv4 or IPv6 address or a host name"),
    ] {
        let text = with(&format!("address {wrong};"));
        let error = MODEL
            .load("t.conf", &text)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}

#[test]
fn a_list_of_keys_goes_by_its_name() {
    let text = SITE.replacen("ascii-text \"backhaul-secret\"", "list ran", 1);
    let authentication = &compiled(&text).ike.gateways[0].authentication;
    let expected = part::Authentication {
        key_list: Some("ran".to_owned()),
        ..part::Authentication::default()
    };
    assert_eq!(*authentication, expected);
}

#[test]
fn limits_are_carried() {
    let text = SITE
        .replacen(
            "gateway enb-v4 {\n",
            "gateway enb-v4 {\n connections-limit 7; connections-per-address 2;\n",
            1,
        )
        .replacen("anti-replay-window-size 512;", "idle-time 300;", 1)
        .replacen(
            "pre-shared-key ascii-text",
            "reauth-frequency 3; pre-shared-key ascii-text",
            1,
        );
    let ike = compiled(&text).ike;
    assert_eq!(ike.gateways[0].reauth_frequency, 3);
    assert_eq!(compiled(SITE).ike.gateways[0].reauth_frequency, 0);
    let limits = |g: &part::GatewayConfig| {
        let idle = g.vpns[0].idle_s;
        (g.connections_limit, g.connections_per_address, idle)
    };
    assert_eq!(limits(&ike.gateways[0]), (Some(7), Some(2), Some(300)));
    assert_eq!(limits(&ike.gateways[1]), (None, None, None));
    let restless = text
        .replacen("dynamic {\n                hostname .enb.example;\n                ike-user-type group-ike-id;\n            }", "address 192.0.2.10;", 1)
        .replacen("establish-tunnels responder-only;", "establish-tunnels immediately;", 1);
    let refused = MODEL.load("t.conf", &restless).map(drop).unwrap_err();
    let why = "do not end when they are idle";
    assert!(refused.to_string().contains(why), "{refused}");
}

#[test]
fn traceoptions_reach_iked() {
    let with = |statements: &str| {
        let text = SITE.replacen("    ike {\n", &format!("    ike {{\n{statements}\n"), 1);
        compiled(&text).ike.trace
    };
    assert_eq!(with(""), None);
    let mut expected = part::TraceOptions {
        file: "ike".to_owned(),
        size_octets: 1 << 20,
        files: 3,
        messages: true,
        notes: true,
        local: None,
        remote: None,
    };
    assert_eq!(with("traceoptions { }"), Some(expected.clone()));
    expected.file = "peers".to_owned();
    assert_eq!(
        with("traceoptions { file peers; flag all; }"),
        Some(expected.clone())
    );
    (expected.size_octets, expected.files) = (20_000, 5);
    (expected.messages, expected.notes) = (false, true);
    expected.local = "192.0.2.1".parse().ok();
    expected.remote = "198.51.100.7/32".parse().ok();
    let narrow = "traceoptions { file peers { size 20000; files 5; } flag general;
                  gateway-filter { local-address 192.0.2.1; remote-address 198.51.100.7; } }";
    assert_eq!(with(narrow), Some(expected.clone()));
    expected.remote = "2001:db8::/32".parse().ok();
    let several = narrow.replace("198.51.100.7", "2001:db8::/32");
    assert_eq!(with(&several), Some(expected));
    for wrong in ["file ../x;", "file a; file b;", "file a { size 5; }"] {
        let statement = format!("    ike {{\ntraceoptions {{ {wrong} }}\n");
        let text = SITE.replacen("    ike {\n", &statement, 1);
        assert!(MODEL.load("t.conf", &text).is_err(), "{wrong}");
    }
}
