#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn addresses_are_read_and_printed() {
    for text in ["0000:00:04.0", "10000:e1:1f.7"] {
        assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), text);
    }
    let short: PciAddress = "3b:02.1".parse().unwrap();
    assert_eq!(short.to_string(), "0000:3b:02.1");
    let mac: Mac = "52:54:00:aB:cd:01".parse().unwrap();
    assert_eq!(mac.to_string(), "52:54:00:ab:cd:01");
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "00:04",
        "0000:00:20.0",
        "0000:00:04.8",
        "000:00:04.0",
        "0:0000:00:04.0",
        "0000:00:4.0",
        "+000:00:04.0",
        "eth0",
    ] {
        assert!(text.parse::<PciAddress>().is_err(), "{text}");
    }
    for text in [
        "",
        "52:54:00:ab:cd",
        "52:54:00:ab:cd:01:02",
        "52:54:00:ab:cd:1",
        "g2:54:00:ab:cd:01",
    ] {
        assert!(text.parse::<Mac>().is_err(), "{text}");
    }
}

#[test]
fn only_single_addresses_are_stations() {
    let station = |text: &str| text.parse::<Mac>().unwrap().is_station();
    assert!(station("52:54:00:ab:cd:01"));
    assert!(
        !station("00:00:00:00:00:00")
            && !station("ff:ff:ff:ff:ff:ff")
            && !station("01:00:5e:00:00:01")
    );
}

#[test]
fn pci_order_is_that_of_the_bus() {
    let order = [
        "0000:00:04.0",
        "0000:00:10.0",
        "0000:0a:00.0",
        "0001:00:00.0",
    ];
    let parsed: Vec<PciAddress> = order.iter().map(|t| t.parse().unwrap()).collect();
    assert!(parsed.is_sorted());
}
