use super::{fat, iso};
use crate::Lab;
use crate::process::run;
use std::process::Command;

#[test]
fn an_iso_has_its_label_and_files() {
    let lab = Lab::new("media_iso").unwrap();
    let image = iso(
        &lab,
        "cidata",
        &[("user-data", b"one"), ("meta-data", b"two")],
    )
    .unwrap();
    let list = run(Command::new("xorriso")
        .arg("-indev")
        .arg(&image)
        .args(["-find", "/"]))
    .unwrap();
    assert!(
        list.contains("'/user-data'") && list.contains("'/meta-data'"),
        "{list}"
    );
    let octets = std::fs::read(&image).unwrap();
    // The volume identifier of the primary descriptor (ECMA-119, 8.4.7).
    assert_eq!(&octets[16 * 2048 + 40..][..6], b"cidata");
    assert_ne!(iso(&lab, "cidata", &[]).unwrap(), image);
}

#[test]
fn a_fat_disk_has_its_label_and_files() {
    let lab = Lab::new("media_fat").unwrap();
    let image = fat(&lab, "CIDATA", &[("ravelin.conf", b"system {}\n")]).unwrap();
    let text = run(Command::new("mtype")
        .arg("-i")
        .arg(&image)
        .arg("::ravelin.conf"))
    .unwrap();
    assert_eq!(text, "system {}\n");
    let label = run(Command::new("mlabel")
        .arg("-s")
        .arg("-i")
        .arg(&image)
        .arg("::"))
    .unwrap();
    assert!(label.contains("CIDATA"), "{label}");
}
