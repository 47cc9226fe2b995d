//! The OVA of a small disk: read by tar, sha256sum, qemu-img and xmllint, made twice alike, and refused when it was tampered with.
//! The import into ESXi itself needs that platform and is not tried here.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::artifacts;
use ravelin_tests::netns::run;
use ravelin_tests::ova::{Ova, judge};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DISK_OCTETS: u64 = 64 << 20;
const FILLED_OCTETS: usize = 3 << 20;

/// A qcow2 of 64 MiB, 3 MiB of which hold data that depends on `seed`.
fn disk(folder: &Path, seed: u64) -> PathBuf {
    let raw = folder.join(format!("{seed}.raw"));
    let mut state = seed;
    let data: Vec<u8> = (0..FILLED_OCTETS)
        .map(|_| {
            // Knuth's linear congruential generator: half of the octets are noise, so that grains shrink but do not vanish.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let [high, low, ..] = state.to_be_bytes();
            if low & 1 == 0 { 0 } else { high }
        })
        .collect();
    fs::write(&raw, data).unwrap();
    fs::File::options()
        .write(true)
        .open(&raw)
        .unwrap()
        .set_len(DISK_OCTETS)
        .unwrap();
    let qcow2 = folder.join(format!("{seed}.qcow2"));
    run(Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([&raw, &qcow2]))
    .unwrap();
    qcow2
}

fn content_id(vmdk: &Path) -> String {
    let head = fs::read(vmdk).unwrap();
    let text = String::from_utf8_lossy(&head[512..1024]).into_owned();
    let id = text.lines().find_map(|line| line.strip_prefix("CID="));
    id.unwrap().to_owned()
}

#[test]
fn ova_is_read_by_tools_of_others() {
    let folder = artifacts("ova_is_read_by_others").unwrap();
    let disk = disk(&folder, 1);
    let ova = Ova::make(&disk, &folder, "ravelin-test").unwrap();
    let parts = judge(&ova, &disk, &folder.join("parts")).unwrap();
    let disk_attribute = |name: &str| {
        let path = format!("string(//*[local-name()='Disk']/@*[local-name()='{name}'])");
        parts.value(&path).unwrap()
    };
    assert_eq!(disk_attribute("capacity"), DISK_OCTETS.to_string());
    assert_eq!(disk_attribute("populatedSize"), FILLED_OCTETS.to_string());
    let properties =
        "count(//*[local-name()='Property'][@*[local-name()='userConfigurable']='true'])";
    assert_eq!(parts.value(properties).unwrap(), "3");
    let transport =
        "string(//*[local-name()='VirtualHardwareSection']/@*[local-name()='transport'])";
    assert_eq!(parts.value(transport).unwrap(), "com.vmware.guestInfo");
}

#[test]
fn same_disk_makes_the_same_ova_and_another_disk_another_content_id() {
    let folder = artifacts("ova_is_made_twice_alike").unwrap();
    let (one, two) = (disk(&folder, 1), disk(&folder, 2));
    let first = Ova::make(&one, &folder, "ravelin-test").unwrap();
    let first_octets = fs::read(&first.path).unwrap();
    let first_id = content_id(&first.unpack(&folder.join("first")).unwrap().vmdk());
    let again = Ova::make(&one, &folder, "ravelin-test").unwrap();
    assert!(first_octets == fs::read(&again.path).unwrap());
    let other = Ova::make(&two, &folder, "ravelin-test").unwrap();
    let other_id = content_id(&other.unpack(&folder.join("other")).unwrap().vmdk());
    assert_ne!(first_id, other_id);
}

#[test]
fn tampered_ova_is_refused() {
    let folder = artifacts("tampered_ova_is_refused").unwrap();
    let disk = disk(&folder, 3);
    let ova = Ova::make(&disk, &folder, "ravelin-test").unwrap();
    let mut octets = fs::read(&ova.path).unwrap();
    let name = b"vmx-13";
    let at = octets.windows(name.len()).position(|six| six == name);
    octets[at.unwrap() + name.len() - 1] = b'4';
    fs::write(&ova.path, octets).unwrap();
    let refusal = judge(&ova, &disk, &folder.join("parts")).unwrap_err();
    assert!(refusal.to_string().contains("sha256sum"), "{refusal}");
}
