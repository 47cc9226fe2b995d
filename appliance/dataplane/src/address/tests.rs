use super::*;

fn v4(text: &str) -> u32 {
    text.parse::<Ipv4Addr>().unwrap().to_bits()
}

fn v6(text: &str) -> u128 {
    text.parse::<Ipv6Addr>().unwrap().to_bits()
}

#[test]
fn scopes_of_ipv4() {
    for (address, scope) in [
        ("10.0.0.1", Scope::Routed),
        ("126.255.255.255", Scope::Routed),
        ("128.0.0.0", Scope::Routed),
        ("223.255.255.255", Scope::Routed),
        ("224.0.0.18", Scope::Link),
        ("224.0.1.0", Scope::Group),
        ("239.1.2.3", Scope::Group),
        ("255.255.255.255", Scope::Link),
        ("255.255.255.254", Scope::Nowhere),
        ("240.0.0.1", Scope::Nowhere),
        ("0.1.2.3", Scope::Nowhere),
        ("127.0.0.1", Scope::Nowhere),
    ] {
        assert_eq!(v4(address).scope(), scope, "{address}");
    }
}

#[test]
fn scopes_of_ipv6() {
    for (address, scope) in [
        ("2001:db8::1", Scope::Routed),
        ("fe7f::1", Scope::Routed),
        ("fec0::1", Scope::Routed),
        ("fd00::1", Scope::Routed),
        ("fe80::1", Scope::Link),
        ("febf::1", Scope::Link),
        ("ff02::1", Scope::Link),
        ("ff01::1", Scope::Link),
        ("ff05::2", Scope::Group),
        ("ff0e::1", Scope::Group),
        ("::", Scope::Nowhere),
        ("::1", Scope::Nowhere),
        ("::2", Scope::Routed),
    ] {
        assert_eq!(v6(address).scope(), scope, "{address}");
    }
}

#[test]
fn martians_are_what_the_libraries_call_so() {
    for top in 0..=255u8 {
        let address = Ipv4Addr::new(top, 1, 2, 3);
        let wanted = matches!(top, 0 | 127 | 240..=255);
        assert_eq!(address.to_bits().is_martian(), wanted, "{address}");
        assert_eq!(address.to_bits().is_multicast(), address.is_multicast());
    }
    for text in [
        "::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "fe7f::1", "ff02::1", "2001::",
    ] {
        let address: Ipv6Addr = text.parse().unwrap();
        let wanted =
            address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local();
        assert_eq!(address.to_bits().is_martian(), wanted, "{address}");
        assert_eq!(
            address.to_bits().is_link_local(),
            address.is_unicast_link_local()
        );
        assert_eq!(address.to_bits().is_multicast(), address.is_multicast());
    }
}

#[test]
fn ends_are_read_from_the_header() {
    let mut packet = [0; 40];
    packet[8..24].copy_from_slice(&v6("2001:db8::1").to_be_bytes());
    packet[24..40].copy_from_slice(&v6("2001:db8::2").to_be_bytes());
    let ends = u128::ends(&packet).unwrap();
    assert_eq!(ends.source.ip(), "2001:db8::1".parse::<IpAddr>().unwrap());
    assert_eq!(
        ends.destination.ip(),
        "2001:db8::2".parse::<IpAddr>().unwrap()
    );
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    let ends = u32::ends(&packet).unwrap();
    assert_eq!(ends.source.ip(), "10.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(ends.destination.ip(), "10.0.0.2".parse::<IpAddr>().unwrap());
    assert_eq!(u128::ends(&packet[..39]), None);
    assert_eq!(u32::ends(&packet[..19]), None);
}
