//! Bad machines and bad disks: a clear message on the console and a working CLI, whatever is wrong.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{Disk, GuestPlan, Lab, Link, Nic, NicModel};
use ravelin_tests::vm::appliance::{self, Appliance, seed};
use ravelin_tests::vm::image;
use ravelin_tests::vm::site::{HOST_NAME, configuration};

/// Said at boot and as an alarm.
const FULL: &str = "the data partition is nearly full";

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

/// What was shown on the console until now, and the alarms, without the ends of their lines.
fn said(gateway: &mut Appliance) -> (String, String) {
    let shown = gateway.guest().console().unwrap().text();
    let alarms = gateway.cli("show system alarms").unwrap();
    let words: Vec<&str> = alarms.split_whitespace().collect();
    (shown, words.join(" "))
}

#[test]
#[ignore = "vm: two boots of its own"]
fn a_full_data_partition_is_said_and_the_cli_works() {
    let mut machine = boot("vm_full_data", |plan| plan);
    let gateway = &mut machine.gateway;
    // Most of it at once, then what is left, up to the last block of root's.
    gateway
        .shell("fallocate -l $(($(stat -f -c '%a * %S' /data))) /data/log/most")
        .unwrap();
    let rest = gateway
        .shell("cat /dev/zero >/data/log/fill; sync")
        .unwrap();
    assert!(rest.contains("No space left"), "{rest}");
    // A change that cannot be stored is refused with the cause, and changes nothing.
    let before = gateway.cli("show configuration").unwrap();
    let refused = gateway.load("merge", "set system host-name other").unwrap();
    assert!(
        refused.contains("No space left") && refused.contains("/data/config"),
        "{refused}"
    );
    assert_eq!(gateway.cli("show configuration").unwrap(), before);
    assert!(said(gateway).1.contains(FULL));

    gateway.power_cycle().unwrap();
    gateway.login().unwrap();
    let (shown, alarms) = said(gateway);
    assert!(shown.contains(&format!("ravelin: {FULL}")), "{shown}");
    assert!(alarms.contains(FULL), "{alarms}");
    assert_eq!(gateway.cli("show configuration").unwrap(), before);

    gateway.shell("rm /data/log/fill /data/log/most").unwrap();
    assert!(!said(gateway).1.contains(FULL));
    let loaded = gateway.load("merge", "set system host-name other").unwrap();
    assert!(!loaded.contains("error"), "{loaded}");
    let after = gateway.cli("show configuration").unwrap();
    assert!(after.contains("host-name other;"), "{after}");
}

#[test]
#[ignore = "vm: three boots of its own"]
fn a_corrupt_configuration_is_said_and_the_last_good_one_runs() {
    let mut machine = boot("vm_corrupt", |plan| plan);
    let gateway = &mut machine.gateway;
    let broken = "echo 'security { ike { nonsense' >/data/config/ravelin.conf; sync";
    gateway.shell(broken).unwrap();
    gateway.power_cycle().unwrap();
    gateway.login().unwrap();
    let (shown, alarms) = said(gateway);
    // At the login already.
    assert!(
        shown.contains("alarm: /data/config/ravelin.conf:1:"),
        "{shown}"
    );
    assert!(alarms.contains("ravelin.conf:1:"), "{alarms}");
    assert!(alarms.contains("last good"), "{alarms}");
    let running = gateway.cli("show configuration").unwrap();
    assert!(running.contains("secgw.example"), "{running}");

    // Without one that was good, the factory default.
    gateway
        .shell("rm /data/config/ravelin.conf.*; sync")
        .unwrap();
    gateway.power_cycle().unwrap();
    gateway.first_login("Ravelin-first-1").unwrap();
    // Said before anything else; the password is a configuration that is good, so that is that.
    let (shown, alarms) = said(gateway);
    assert!(
        shown.contains("the factory default runs instead"),
        "{shown}"
    );
    assert!(!alarms.contains("ravelin.conf"), "{alarms}");
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
