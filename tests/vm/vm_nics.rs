//! Data NICs of each model carry the tunnel, each bound to its userspace driver by policy.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::NicModel;
use ravelin_tests::site::V6;
use ravelin_tests::vm::{Options, Site};

/// The tunnel of a site with that model; the driver that `show chassis hardware` names must be this one.
fn carries(test: &str, options: Options, driver: &str) {
    let mut site = Site::start(test, options).unwrap();
    site.gateway.boot_and_login().unwrap();
    site.tunnel().unwrap();
    site.traffic().unwrap();
    println!("{}", site.evidence().unwrap());
    let hardware = site.gateway.cli("show chassis hardware").unwrap();
    println!("{hardware}");
    assert!(hardware.contains(driver), "{driver} is not in {hardware}");
    site.no_nonce_twice().unwrap();
}

#[test]
#[ignore = "vm: a boot of its own"]
fn virtio_by_vfio_behind_an_iommu() {
    let model = NicModel::virtio_iommu();
    carries(
        "vm_virtio_vfio",
        Options {
            model,
            ..Options::default()
        },
        "vfio-pci",
    );
}

#[test]
#[ignore = "vm: a boot of its own"]
fn vmxnet3_by_uio() {
    let model = NicModel::Vmxnet3;
    carries(
        "vm_vmxnet3",
        Options {
            model,
            ..Options::default()
        },
        "uio_pci_generic",
    );
}

#[test]
#[ignore = "vm: a boot of its own"]
fn ipv6_outside_and_both_families_inside() {
    carries(
        "vm_ipv6",
        Options {
            outer: V6,
            ..Options::default()
        },
        "uio_pci_generic",
    );
}
