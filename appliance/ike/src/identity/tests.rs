use super::*;
use crate::config::PreSharedKeys;
use std::sync::Arc;

fn gateway(remote_addresses: Option<Vec<IpAddr>>, remote: RemotePeer) -> Arc<Gateway> {
    Arc::new(Gateway {
        name: "g".into(),
        vrf: VrfId::DEFAULT,
        local_addresses: vec!["192.0.2.1".parse().unwrap()],
        remote_addresses,
        remote,
        local_identity: None,
        proposals: vec![],
        local_proof: crate::config::LocalProof::PreSharedKey,
        peer_proof: crate::config::PeerProof::PreSharedKey,
        keys: PreSharedKeys::default(),
        dpd: None,
        nat_keepalive: None,
        mobike: false,
        request_window: 1,
        quick_crash_detection: false,
        reauth_frequency: 0,
        connections: crate::config::ConnectionLimits::default(),
        ppks: crate::config::Ppks::default(),
        redirect: None,
        pool: None,
        always_port_4500: false,
        vpns: vec![],
    })
}

fn fqdn(name: &str) -> Identity {
    Identity::Fqdn(name.into())
}

#[test]
fn a_suffix_matches_whole_labels_without_case() {
    let g = gateway(None, RemotePeer::HostnameSuffix("ran.example".into()));
    for good in [
        "enb1.ran.example",
        "ENB1.RAN.Example",
        "ran.example",
        "a.b.ran.example",
    ] {
        assert!(g.accepts_identity(&fqdn(good)), "{good}");
    }
    for bad in [
        "xran.example",
        "enb1.ran.example.org",
        "",
        "example",
        "ü.ran",
    ] {
        assert!(!g.accepts_identity(&fqdn(bad)), "{bad}");
    }
    assert!(!g.accepts_identity(&Identity::Email("enb1@x.ran.example".into())));
}

#[test]
fn anyone_may_come_to_a_gateway_of_anyone() {
    let g = gateway(None, RemotePeer::Anyone);
    assert!(g.accepts_identity(&fqdn("enb.example")));
    assert!(g.accepts_identity(&Identity::KeyId(vec![0])));
    assert_eq!(g.accepted_text(), "any identity");
    let only = "198.51.100.7".parse().unwrap();
    let g = gateway(Some(vec![only]), RemotePeer::Anyone);
    let (vrf, ours) = (VrfId::DEFAULT, "192.0.2.1".parse().unwrap());
    assert!(g.fits_addresses(vrf, ours, only));
    assert!(!g.fits_addresses(vrf, ours, "198.51.100.8".parse().unwrap()));
    assert_eq!(g.static_identity(only), None);
}

#[test]
fn every_identity_type_matches_itself_only() {
    let all = [
        fqdn("enb.example"),
        Identity::Email("enb@example".into()),
        Identity::Ipv4("198.51.100.7".parse().unwrap()),
        Identity::Ipv6("2001:db8::7".parse().unwrap()),
        Identity::KeyId(b"enb.example".to_vec()),
    ];
    for (i, wanted) in all.iter().enumerate() {
        let g = gateway(None, RemotePeer::Identities(vec![wanted.clone()]));
        for (j, offered) in all.iter().enumerate() {
            assert_eq!(g.accepts_identity(offered), i == j);
            assert_eq!(from_payload(&to_payload(offered)).as_ref(), Some(offered));
        }
    }
}

/// RFC 7296 section 3.5: "The string MUST NOT contain any terminators (e.g., NULL, CR, etc.)."
#[test]
fn names_with_terminators_are_none() {
    for kind in [2, 3] {
        for data in ["a.example\0", "a.example\r", "\na@b.example", ""] {
            let data = data.as_bytes().to_vec();
            let reserved = [0; 3];
            assert_eq!(
                from_payload(&Id {
                    kind,
                    reserved,
                    data
                }),
                None
            );
        }
    }
    let names = [fqdn("a.example"), Identity::Email("b@c.example".into())];
    for name in names {
        let Id { data, .. } = to_payload(&name);
        assert_eq!(data, name.to_string().as_bytes());
    }
}

#[test]
fn a_static_peer_is_its_address_by_default() {
    let address = "198.51.100.7".parse().unwrap();
    let remote = RemotePeer::Identities(vec![of_address(address)]);
    let g = gateway(Some(vec![address]), remote);
    assert!(g.accepts_identity(&of_address(address)));
    assert!(!g.accepts_identity(&fqdn("enb")));
    assert!(g.fits_addresses(VrfId::DEFAULT, "192.0.2.1".parse().unwrap(), address));
    assert!(!g.fits_addresses(
        VrfId::DEFAULT,
        "192.0.2.1".parse().unwrap(),
        "198.51.100.8".parse().unwrap()
    ));
    assert!(!g.fits_addresses(VrfId(1), "192.0.2.1".parse().unwrap(), address));
}
