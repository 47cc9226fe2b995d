//! Bad machines and bad disks: a clear message on the console and a working CLI, whatever is wrong.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{Disk, GuestPlan, Lab, Link, Nic, NicModel};
use ravelin_tests::vm::appliance::{self, Appliance, seed};
use ravelin_tests::vm::image;
use ravelin_tests::vm::site::{HOST_NAME, configuration};

struct Machine {
    gateway: Appliance,
    _links: [Link; 2],
    _lab: Lab,
}

/// The image with its day-0 ISO, two data NICs on empty links, and a machine that `change` changes; logged in.
fn boot(test: &str, change: impl FnOnce(GuestPlan) -> GuestPlan) -> Machine {
    let lab = Lab::new(test).unwrap();
    let links = [
        Link::new(&lab, "access").unwrap(),
        Link::new(&lab, "core").unwrap(),
    ];
    let plan = appliance::plan("gateway", NicModel::virtio(), &[&links[0], &links[1]]).unwrap();
    let disk = Disk::cd(&seed(&lab, &configuration(), HOST_NAME).unwrap());
    let mut gateway = Appliance::start(change(plan.disk(disk)), &lab).unwrap();
    gateway.boot_and_login().unwrap();
    Machine {
        gateway,
        _links: links,
        _lab: lab,
    }
}

/// What was shown on the console until now, and the alarms.
fn said(gateway: &mut Appliance) -> (String, String) {
    let shown = gateway.guest().console().unwrap().text();
    (shown, gateway.cli("show system alarms").unwrap())
}

#[test]
#[ignore = "vm: two boots of its own"]
fn a_full_data_partition_is_said_and_the_cli_works() {
    let mut machine = boot("vm_full_data", |plan| plan);
    let gateway = &mut machine.gateway;
    gateway
        .shell("dd if=/dev/zero of=/data/log/fill bs=1M; sync; true")
        .unwrap();
    gateway.power_cycle().unwrap();
    gateway.login().unwrap();
    let (_, alarms) = said(gateway);
    assert!(alarms.contains("/data"), "{alarms}");
    assert!(
        gateway
            .cli("show configuration")
            .unwrap()
            .contains("secgw.example")
    );
}

#[test]
#[ignore = "vm: two boots of its own"]
fn a_corrupt_configuration_is_said_and_the_last_good_one_runs() {
    let mut machine = boot("vm_corrupt", |plan| plan);
    let gateway = &mut machine.gateway;
    gateway
        .shell("echo 'security { ike { nonsense' >/data/config/ravelin.conf; sync")
        .unwrap();
    gateway.power_cycle().unwrap();
    gateway.login().unwrap();
    let (_, alarms) = said(gateway);
    assert!(alarms.contains("configuration"), "{alarms}");
}

#[test]
#[ignore = "vm: a boot of its own"]
fn a_missing_nic_is_said() {
    let lab = Lab::new("vm_missing_nic").unwrap();
    let access = Link::new(&lab, "access").unwrap();
    let plan = appliance::plan("gateway", NicModel::virtio(), &[&access]).unwrap();
    let disk = Disk::cd(&seed(&lab, &configuration(), HOST_NAME).unwrap());
    let mut gateway = Appliance::start(plan.disk(disk), &lab).unwrap();
    gateway.boot_and_login().unwrap();
    let (_, alarms) = said(&mut gateway);
    assert!(alarms.contains("ge-0/0/1"), "{alarms}");
}

#[test]
#[ignore = "vm: three boots of its own"]
fn a_nic_that_is_added_or_removed_moves_no_name() {
    let lab = Lab::new("vm_moved_nic").unwrap();
    let seed = seed(&lab, &configuration(), HOST_NAME).unwrap();
    let layer = lab.disks().join("kept.qcow2");
    // The data NICs by the last octets of their addresses, in the order of their slots.
    let boot = |nics: &[u8]| {
        let disk = Disk::kept(&image().unwrap(), &layer);
        let plan = appliance::bare("gateway", disk).disk(Disk::cd(&seed));
        let plan = nics.iter().fold(plan, |plan, octet| {
            plan.nic(Nic::new(NicModel::virtio()).mac([0x52, 0x54, 0, 1, 1, *octet]))
        });
        let mut gateway = Appliance::start(plan, &lab).unwrap();
        gateway.boot_and_login().unwrap();
        let hardware = gateway.cli("show chassis hardware").unwrap();
        let (_, alarms) = said(&mut gateway);
        gateway.guest().power_cut().unwrap();
        (hardware, alarms)
    };
    let named = |hardware: &str, name: &str, octet: u8| {
        let address = format!("52:54:00:01:01:{octet:02x}");
        hardware
            .lines()
            .any(|line| line.contains(name) && line.contains(&address))
    };
    let (first, _) = boot(&[1, 2]);
    assert!(
        named(&first, "ge-0/0/0", 1) && named(&first, "ge-0/0/1", 2),
        "{first}"
    );
    let (removed, alarms) = boot(&[2]);
    assert!(named(&removed, "ge-0/0/1", 2), "{removed}");
    assert!(alarms.contains("ge-0/0/0"), "{alarms}");
    let (added, _) = boot(&[3, 1, 2]);
    for (name, octet) in [("ge-0/0/0", 1), ("ge-0/0/1", 2), ("ge-0/0/2", 3)] {
        assert!(named(&added, name, octet), "{added}");
    }
}

#[test]
#[ignore = "vm: a boot of its own"]
fn one_processor_and_one_gigabyte_are_said_and_the_cli_works() {
    let mut machine = boot("vm_small", |plan| plan.cpus(1).memory_mib(1024));
    let (_, alarms) = said(&mut machine.gateway);
    assert!(
        alarms.contains("processor") && alarms.contains("memory"),
        "{alarms}"
    );
    assert!(
        machine
            .gateway
            .cli("show configuration")
            .unwrap()
            .contains("secgw.example")
    );
}
