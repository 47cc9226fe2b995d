//! The domains in `qemu/libvirt` and what its `virt-install` line makes: valid by libvirt's schema, understood by its parser, on a
//! machine type that the QEMU of the build has.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::netns::run;
use ravelin_tests::ova::checkout;
use ravelin_tests::{Result, artifacts};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DOMAINS: [&str; 2] = ["ravelin.xml", "ravelin-sriov.xml"];
/// What virt-install wants to know of a host: no daemon of libvirt runs here.
const CAPABILITIES: &str = r#"<capabilities>
  <host><cpu><arch>x86_64</arch></cpu></host>
  <guest>
    <os_type>hvm</os_type>
    <arch name="x86_64">
      <wordsize>64</wordsize>
      <emulator>/usr/bin/qemu-system-x86_64</emulator>
      <machine maxCpus="255">pc-q35-7.2</machine>
      <domain type="kvm"/>
    </arch>
    <features><acpi default="on" toggle="yes"/><apic default="on" toggle="no"/></features>
  </guest>
</capabilities>
"#;

fn domain(name: &str) -> PathBuf {
    checkout().join("qemu/libvirt").join(name)
}

fn validate(file: &Path) -> Result<String> {
    run(Command::new("virt-xml-validate").arg(file).arg("domain"))
}

fn value(file: &Path, xpath: &str) -> String {
    let value = run(Command::new("xmllint")
        .args(["--nonet", "--xpath", xpath])
        .arg(file));
    value.unwrap().trim().to_owned()
}

#[test]
fn domains_are_valid_and_libvirt_understands_them() {
    for name in DOMAINS {
        validate(&domain(name)).unwrap();
        let said = run(Command::new("virsh")
            .args(["--connect", "test:///default", "define"])
            .arg(domain(name)));
        assert!(said.unwrap().contains("Domain 'ravelin' defined"), "{name}");
    }
}

#[test]
fn schema_refuses_what_is_out_of_place() {
    let folder = artifacts("libvirt_schema_refuses").unwrap();
    let text = fs::read_to_string(domain("ravelin.xml")).unwrap();
    let broken = folder.join("broken.xml");
    fs::write(&broken, text.replace("queues=\"4\"", "queues=\"four\"")).unwrap();
    let refusal = validate(&broken).unwrap_err().to_string();
    assert!(refusal.contains("fails to validate"), "{refusal}");
}

#[test]
fn machine_type_is_pinned_to_one_that_qemu_has() {
    let known = run(Command::new("qemu-system-x86_64").args(["-machine", "help"])).unwrap();
    for name in DOMAINS {
        let machine = value(&domain(name), "string(/domain/os/type/@machine)");
        assert!(machine.starts_with("pc-q35-"), "{machine}");
        let has = known
            .lines()
            .any(|line| line.split(' ').next() == Some(machine.as_str()));
        assert!(has, "{name}: {machine}");
    }
}

#[test]
fn both_domains_differ_in_their_data_ports_only() {
    let common = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(domain(name)).unwrap();
        let body = text.split_once("<domain").unwrap().1;
        let (before, data) = body.split_once("    <!-- ge-0/0/0").unwrap();
        let (_, after) = data.split_once("    <serial").unwrap();
        format!("{before}{after}")
            .lines()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(common(DOMAINS[0]), common(DOMAINS[1]));
    let models = "count(/domain/devices/interface)";
    for name in DOMAINS {
        assert_eq!(value(&domain(name), models), "3", "{name}");
    }
    let functions = "count(/domain/devices/interface[@type='hostdev'][@managed='yes'])";
    assert_eq!(value(&domain(DOMAINS[1]), functions), "2");
}

#[test]
fn virt_install_makes_a_valid_domain_with_the_same_machine() {
    let folder = artifacts("virt_install").unwrap();
    let disk = folder.join("ravelin.qcow2");
    run(Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&disk)
        .arg("8G"))
    .unwrap();
    let iso = folder.join("day0.iso");
    fs::write(&iso, [0; 2048]).unwrap();
    let capabilities = folder.join("capabilities.xml");
    fs::write(&capabilities, CAPABILITIES).unwrap();
    // virt-install's own stand-in for a host, with the capabilities above.
    let host = format!(
        "__virtinst_test__test:///default,fakeuri=qemu:///system,caps={}",
        capabilities.display()
    );
    let printed = run(Command::new(domain("virt-install.sh"))
        .args([&disk, &iso])
        .args(["br-untrust", "br-trust", "--connect", &host])
        .args(["--dry-run", "--print-xml"])
        .env("HOME", &folder))
    .unwrap();
    let made = folder.join("made.xml");
    fs::write(&made, printed).unwrap();
    validate(&made).unwrap();
    for path in [
        "string(/domain/os/type/@machine)",
        "string(/domain/cpu/@mode)",
        "string(/domain/memoryBacking/hugepages/page/@size)",
        "count(/domain/memoryBacking/locked)",
        "count(/domain/devices/interface)",
        "string(/domain/devices/interface[2]/driver/@queues)",
        "string(/domain/devices/interface[2]/driver/@iommu)",
        "string(/domain/devices/interface[3]/source/@bridge)",
        "string(/domain/devices/disk[1]/driver/@type)",
        "string(/domain/devices/iommu/driver/@caching_mode)",
    ] {
        assert_eq!(
            value(&made, path),
            value(&domain("ravelin.xml"), path),
            "{path}"
        );
    }
}
