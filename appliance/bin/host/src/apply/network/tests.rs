use super::*;

fn management() -> Management {
    Management {
        addresses: vec![("192.0.2.7".parse().unwrap(), 24)],
        mtu_octets: Some(1500),
        routes: vec![
            (
                "0.0.0.0".parse().unwrap(),
                0,
                "192.0.2.254".parse().unwrap(),
            ),
            (
                "10.0.0.0".parse().unwrap(),
                8,
                "198.51.100.1".parse().unwrap(),
            ),
        ],
        ..Management::default()
    }
}

#[test]
fn static_addresses_and_routes_are_written() {
    let text = fxp0(&management(), true);
    for line in [
        "Name=fxp0",
        "VRF=mgmt",
        "DHCP=no",
        "IPv6AcceptRA=no",
        "Address=192.0.2.7/24",
        "MTUBytes=1500",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    assert!(
        text.contains("Destination=0.0.0.0/0\nGateway=192.0.2.254\n\n"),
        "{text}"
    );
    // A next hop that no address makes reachable is asked for on the link.
    assert!(
        text.ends_with("Gateway=198.51.100.1\nGatewayOnLink=yes\n"),
        "{text}"
    );
}

#[test]
fn dhcp_brings_addresses_and_nothing_else() {
    let dhcp = Management {
        dhcp: true,
        dhcp_ipv6: true,
        ..Management::default()
    };
    let text = fxp0(&dhcp, false);
    assert!(text.contains("DHCP=yes\nIPv6AcceptRA=yes\n"), "{text}");
    assert!(
        !text.contains("VRF=") && text.matches("UseDNS=no").count() == 3,
        "{text}"
    );
}

#[test]
fn a_second_time_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    let mut faults = Vec::new();
    apply(&root, &management(), &mut faults);
    let path = folder.path().join("run/systemd/network/20-fxp0.network");
    let first = fs::metadata(&path).unwrap();
    apply(&root, &management(), &mut faults);
    assert_eq!(
        fs::metadata(&path).unwrap().modified().unwrap(),
        first.modified().unwrap()
    );
    assert_eq!(faults, Vec::<String>::new());
}
