#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::instances::VrfIds;
use crate::judge::read_text;
use ravelin_config::Model;

/// A machine with a management NIC, a port on PCI, one by the kernel and one whose NIC is gone; and two crypto devices.
const MACHINE: &str = r#"{
  "machine": {"vendor": "", "product": "", "processor": "", "processors": 2, "memory_mib": 2000, "kernel": ""},
  "plan": {"workers": 1, "packet_memory_mib": 256, "pages": [], "ordinary_pages": false, "reason": ""},
  "nics": [NICS],
  "crypto": [CRYPTO],
  "alarms": [{"severity": "major", "subject": "ge-0/0/2", "text": "the NIC is gone"}]
}"#;

fn nic(name: &str, slot: u8, binding: &str) -> String {
    let pci = match binding {
        "absent" => "null".to_owned(),
        _ => format!("\"0000:00:{slot:02x}.0\""),
    };
    format!(
        r#"{{"name": "{name}", "pci": {pci}, "mac": "52:54:00:00:00:{slot:02x}", "vendor": 6900, "device": 4161,
            "model": "virtio", "iommu_group": null, "numa_node": null, "driver_before": null, "driver": null,
            "kernel_device": "eth{slot}", "binding": "{binding}", "reason": "it was at 0000:00:05.0"}}"#
    )
}

fn crypto(function: u8, binding: &str, reason: &str) -> String {
    format!(
        r#"{{"pci": "0000:3d:01.{function}", "vendor": 32902, "device": 14281, "model": "QAT C62x virtual function",
            "iommu_group": 7, "numa_node": null, "driver_before": null, "driver": null, "binding": "{binding}",
            "reason": "{reason}"}}"#
    )
}

fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("host")).unwrap();
    let nics = [
        nic("fxp0", 2, "management"),
        nic("ge-0/0/0", 3, "vfio-pci"),
        nic("ge-0/0/1", 4, "af-packet"),
        nic("ge-0/0/2", 5, "absent"),
    ];
    let crypto = [
        crypto(0, "vfio-pci", "guarded by IOMMU group 7"),
        crypto(1, "unusable", "there is no IOMMU"),
    ];
    let text = MACHINE.replace("NICS", &nics.join(","));
    let text = text.replace("CRYPTO", &crypto.join(","));
    fs::write(folder.path().join(PLATFORM_FILE), text).unwrap();
    folder
}

fn compiled(text: &str, run_dir: &Path) -> Compiled {
    let model = Model::new().unwrap();
    let (_, mut compiled) =
        read_text(&model, &VrfIds::default(), "t", text).unwrap_or_else(|e| panic!("{e}"));
    place(&mut compiled, run_dir);
    compiled
}

fn devices(compiled: &Compiled) -> Vec<(&str, &Device)> {
    let ports = compiled.plane.ports.iter();
    ports
        .map(|port| (port.name.as_str(), &port.device))
        .collect()
}

#[test]
fn ports_find_their_nics_by_name() {
    let folder = machine();
    let compiled = compiled(
        "interfaces { ge-0/0/0 { mtu 2000; } ge-0/0/1 { unit 0; } xe-0/0/7 { device net_null0; } }",
        folder.path(),
    );
    assert_eq!(
        devices(&compiled),
        [
            ("ge-0/0/0", &Device::Pci("0000:00:03.0".to_owned())),
            (
                "ge-0/0/1",
                &Device::Vdev("net_af_packet_eth4,iface=eth4".to_owned())
            ),
            ("xe-0/0/7", &Device::Vdev("net_null0".to_owned())),
        ]
    );
    assert_eq!(
        (compiled.missing, compiled.plane.ports[0].mtu_octets),
        (vec![], 2000)
    );
}

#[test]
fn a_missing_nic_leaves_the_rest_and_is_told() {
    let folder = machine();
    let text = "interfaces { ge-0/0/0 { unit 0; } ge-0/0/2 { unit 0; } ge-0/0/3 { unit 0; } }";
    let with = compiled(text, folder.path());
    assert_eq!(devices(&with).len(), 1);
    assert_eq!(
        with.missing
            .iter()
            .map(|m| m.why.as_str())
            .collect::<Vec<_>>(),
        [
            "its NIC is gone: it was at 0000:00:05.0",
            "there is no NIC of this name: this machine has ge-0/0/0, ge-0/0/1, ge-0/0/2",
        ]
    );
    assert!(
        with.warnings[0].starts_with("[interfaces ge-0/0/2] its NIC is gone"),
        "{:?}",
        with.warnings
    );
    let nowhere = compiled(text, Path::new("/nonexistent"));
    assert_eq!(nowhere.missing.len(), 3);
    assert!(
        nowhere.missing[0]
            .why
            .contains("its `device` is not stated")
    );
}

#[test]
fn a_chosen_driver_is_noted_and_comes_with_the_next_start() {
    let folder = machine();
    let text = "interfaces { ge-0/0/0 { driver uio-pci-generic; } ge-0/0/1 { driver kernel; } }";
    let compiled = compiled(text, folder.path());
    assert_eq!(compiled.host.drivers["ge-0/0/0"], DriverWish::UioPciGeneric);
    assert_eq!(
        compiled.warnings,
        [
            "[interfaces ge-0/0/0 driver] the NIC is driven by vfio-pci until the next start of the system"
        ]
    );
}

#[test]
fn a_crypto_device_that_is_not_to_be_had_is_a_warning_with_its_address_and_the_reason() {
    let folder = machine();
    let text = "security { ipsec { acceleration { device 0000:3d:01.0; device 0000:3d:01.1; device 0000:3d:01.2;
        device 0000:00:03.0; device crypto_openssl0; } } }";
    let with = compiled(text, folder.path());
    let warning = |address: &str, why: &str| {
        format!("[security ipsec acceleration device {address}] {why}; the CPU does its ciphers")
    };
    assert_eq!(
        with.warnings,
        [
            warning("0000:3d:01.1", "it cannot be used: there is no IOMMU"),
            warning(
                "0000:3d:01.2",
                "there is no crypto device at this address: this machine has 0000:3d:01.0, 0000:3d:01.1"
            ),
            warning("0000:00:03.0", "it is a NIC, `ge-0/0/0`"),
        ]
    );
    assert_eq!((with.missing, with.plane.acceleration.len()), (vec![], 5));
    // Not the appliance: planed finds out.
    let nowhere = compiled(text, Path::new("/nonexistent"));
    assert_eq!(nowhere.warnings, Vec::<String>::new());
}

#[test]
fn one_nic_is_not_two_ports() {
    let folder = machine();
    let text = "interfaces { ge-0/0/0 { unit 0; } ge-0/0/9 { device 0000:00:03.0; } }";
    let compiled = compiled(text, folder.path());
    assert_eq!(compiled.missing[0].why, "`ge-0/0/9` has its NIC");
}

#[test]
fn alarms_come_from_all_files_of_the_host_side() {
    let folder = machine();
    fs::write(folder.path().join("host/day0.json"), r#"{"source": "x"}"#).unwrap();
    fs::write(
        folder.path().join("host/data-fault"),
        "the data partition is full\n",
    )
    .unwrap();
    fs::write(folder.path().join("host/bad.json"), "{").unwrap();
    let alarms = alarms(folder.path());
    let subjects: Vec<&str> = alarms.iter().map(|alarm| alarm.subject.as_str()).collect();
    assert_eq!(subjects, ["system", "data", "ge-0/0/2"]);
    assert!(alarms[0].text.contains("bad.json"), "{}", alarms[0].text);
    assert_eq!(alarms[1].text, "the data partition is full");
}
