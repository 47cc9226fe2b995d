//! The interface name codec.

use super::*;

fn kernel(text: &str) -> String {
    text.parse::<UnitName>().unwrap().kernel()
}

#[test]
fn kernel_names() {
    assert_eq!(kernel("ge-0/0/0.0"), "ge-0-0-0");
    assert_eq!(kernel("ge-0/0/0"), "ge-0-0-0");
    assert_eq!(kernel("ge-0/0/0.100"), "ge-0-0-0.100");
    assert_eq!(kernel("st0.12"), "st0-12");
    assert_eq!(kernel("lo0.3"), "lo");
}

#[test]
fn long_names_are_hashed_and_stay_apart() {
    let (a, b) = (kernel("ge-10/10/10.4093"), kernel("ge-10/10/10.4094"));
    assert!(a.len() <= MAX_KERNEL_NAME_OCTETS && b.len() <= MAX_KERNEL_NAME_OCTETS);
    assert_ne!(a, b);
}

#[test]
fn the_device_of_an_instance_has_its_name() {
    assert_eq!(instance_device("blue"), "blue");
    assert_eq!(instance_device("fifteen-octets1"), "fifteen-octets1");
    let (a, b) = (
        instance_device("sixteen-octets-1"),
        instance_device("sixteen-octets-2"),
    );
    assert!(a.starts_with("sixtee~") && a.len() <= MAX_KERNEL_NAME_OCTETS);
    assert_ne!(a, b);
}

#[test]
fn bad_names() {
    for bad in ["", ".0", "ge-0/0/0.x", "ge 0.1", "0ge.1", "ge-0/0/0.1.2"] {
        assert_eq!(bad.parse::<UnitName>().unwrap_err().text, bad);
    }
}
