//! The image boots by UEFI too, and takes its day-0 configuration from each place where one may lie, or comes up on its factory
//! default and says why.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{Disk, DiskBus, Firmware, GuestPlan, Lab, NicModel, media};
use ravelin_tests::vm::appliance::{self, Appliance, USER, seed};
use ravelin_tests::vm::site::{HOST_NAME, configuration};
use ravelin_tests::vm::ssh::{self, KeyPair, Proof};

/// What the first login on a console sets.
const PASSWORD: &str = "Ravelin-first-1";

/// Boots a machine that `change` has given its day-0 source, logs in, and returns what the console showed until then.
fn boot(test: &str, change: impl FnOnce(&Lab, GuestPlan) -> GuestPlan) -> (Lab, Appliance, String) {
    let lab = Lab::new(test).unwrap();
    let plan = appliance::plan("gateway", NicModel::virtio(), &[]).unwrap();
    let mut gateway = Appliance::start(change(&lab, plan), &lab).unwrap();
    gateway.booted().unwrap();
    let shown = gateway.guest().console().unwrap().text();
    (lab, gateway, shown)
}

fn has_the_configuration(gateway: &mut Appliance) {
    gateway.login().unwrap();
    let text = gateway.cli("show configuration").unwrap();
    assert!(
        text.contains("local-identity hostname secgw.example"),
        "{text}"
    );
    let record = gateway.cli("show system day-0").unwrap();
    assert!(record.to_lowercase().contains("applied"), "{record}");
}

#[test]
#[ignore = "vm: a boot of its own"]
fn uefi_boots_the_same_disk() {
    let (_lab, mut gateway, shown) = boot("vm_uefi", |lab, plan| {
        let seed = seed(lab, &configuration(), HOST_NAME).unwrap();
        plan.firmware(Firmware::Uefi).disk(Disk::cd(&seed))
    });
    assert!(shown.contains("BdsDxe"), "{shown}");
    has_the_configuration(&mut gateway);
    let firmware = gateway.shell("ls /sys/firmware").unwrap();
    assert!(firmware.contains("efi"), "{firmware}");
}

#[test]
#[ignore = "vm: a boot of its own"]
fn day0_from_a_disk_labelled_cidata() {
    let (_lab, mut gateway, _) = boot("vm_day0_disk", |lab, plan| {
        let text = configuration();
        let files: [(&str, &[u8]); 2] = [
            ("user-data", text.as_bytes()),
            ("meta-data", b"instance-id: one\n"),
        ];
        plan.disk(Disk::read_only(&media::fat(lab, "CIDATA", &files).unwrap()))
    });
    has_the_configuration(&mut gateway);
}

#[test]
#[ignore = "vm: a boot of its own"]
fn day0_from_an_iso_with_ravelin_conf() {
    let (_lab, mut gateway, _) = boot("vm_day0_iso", |lab, plan| {
        let text = configuration();
        let iso = media::iso(lab, "ANYTHING", &[("ravelin.conf", text.as_bytes())]);
        plan.disk(Disk::cd(&iso.unwrap()))
    });
    has_the_configuration(&mut gateway);
}

#[test]
#[ignore = "vm: a boot of its own"]
fn day0_from_a_stick_with_ravelin_conf() {
    let (_lab, mut gateway, _) = boot("vm_day0_usb", |lab, plan| {
        let text = configuration();
        let stick = media::fat(lab, "STICK", &[("ravelin.conf", text.as_bytes())]);
        plan.disk(Disk::read_only(&stick.unwrap()).bus(DiskBus::Usb))
    });
    has_the_configuration(&mut gateway);
}

#[test]
#[ignore = "vm: a boot of its own"]
fn day0_from_smbios() {
    let (lab, mut gateway, _) = boot("vm_day0_smbios", |_, plan| {
        plan.smbios_serial("ds=nocloud;h=from-smbios")
    });
    // Nobody gets in over the network as long as there is neither password nor key.
    refused(&mut gateway, &lab, Proof::Nothing);
    refused(&mut gateway, &lab, Proof::Password(""));
    gateway.first_login(PASSWORD).unwrap();
    let name = gateway.cli("show configuration").unwrap();
    assert!(name.contains("host-name from-smbios"), "{name}");
    // The password that the console has set is one for the network, too.
    let password = Proof::Password(PASSWORD);
    let output = ssh::session(&mut gateway, &lab, USER, password, "show version").unwrap();
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(version.contains("Ravelin"), "{output:?}");
    refused(&mut gateway, &lab, Proof::Password(""));
}

#[test]
#[ignore = "vm: a boot of its own"]
fn ssh_with_the_key_of_day0_lands_in_the_cli() {
    let mut keys = None;
    let (lab, mut gateway, _) = boot("vm_ssh", |lab, plan| {
        let (mine, other) = (KeyPair::new(lab, "mine"), KeyPair::new(lab, "other"));
        let (mine, _) = keys.insert((mine.unwrap(), other.unwrap()));
        let text = format!(
            "#cloud-config\nhostname: by-cloud-config\nssh_authorized_keys:\n  - {}\n",
            mine.public
        );
        let files: [(&str, &[u8]); 2] = [("user-data", text.as_bytes()), ("meta-data", b"")];
        plan.disk(Disk::cd(&media::iso(lab, "cidata", &files).unwrap()))
    });
    let (mine, other) = keys.unwrap();
    let key = Proof::Key(&mine.private);
    let shown = ssh::terminal(&mut gateway, &lab, USER, key, "admin@by-cloud-config> ").unwrap();
    assert!(
        shown.contains("Ravelin") && shown.contains("admin@by-cloud-config> "),
        "{shown}"
    );
    let said = ssh::session(&mut gateway, &lab, USER, key, "show system day-0").unwrap();
    let text = String::from_utf8_lossy(&said.stdout).to_lowercase();
    assert!(
        text.contains("applied") && text.contains("cidata"),
        "{said:?}"
    );
    // The login shell is the CLI: a line of shell is no command of it.
    let line = ssh::session(&mut gateway, &lab, USER, key, "cat /etc/passwd").unwrap();
    assert_eq!(line.status.code(), Some(2), "{line:?}");
    for proof in [Proof::Key(&other.private), Proof::Nothing] {
        refused(&mut gateway, &lab, proof);
    }
}

/// That sshd answers, and lets nobody in by that.
fn refused(gateway: &mut Appliance, lab: &Lab, proof: Proof<'_>) {
    let output = ssh::session(gateway, lab, USER, proof, "show version").unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("Permission denied"), "{proof:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{proof:?}: {output:?}");
}

#[test]
#[ignore = "vm: a boot of its own"]
fn a_broken_day0_file_is_reported_with_its_line_and_the_factory_default_runs() {
    let mut text = configuration();
    let broken = text.replace("dh-group group19;", "dh-group group99;");
    assert_ne!(broken, text);
    text = broken;
    let line = text.lines().position(|l| l.contains("group99")).unwrap() + 1;
    let (_lab, mut gateway, shown) = boot("vm_day0_broken", |lab, plan| {
        plan.disk(Disk::cd(&seed(lab, &text, HOST_NAME).unwrap()))
    });
    let place = format!("user-data:{line}:");
    let told = |text: &str| text.contains(&place) && text.contains("group99");
    assert!(told(&shown), "{shown}");
    gateway.first_login(PASSWORD).unwrap();
    let running = gateway.cli("show configuration").unwrap();
    assert!(!running.contains("gateway enb-v4"), "{running}");
    let alarms = gateway.cli("show system alarms").unwrap();
    assert!(alarms.contains("day-0") && told(&alarms), "{alarms}");
    let record = gateway.cli("show system day-0").unwrap();
    assert!(told(&record), "{record}");
}
