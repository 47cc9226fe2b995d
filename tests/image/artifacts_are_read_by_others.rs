//! What `./x image` hands out, read by tools that were not written here: the qcow2, the list of what it is made of, the digests,
//! and the OVA, which is made of the qcow2 when the build made none.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::artifacts;
use ravelin_tests::netns::run;
use ravelin_tests::ova::{Ova, judge};
use ravelin_tests::sbom::Sbom;
use std::path::PathBuf;
use std::process::Command;

/// Larger is not handed out.
const MAX_DISK_OCTETS: u64 = 500_000_000;

fn name() -> String {
    format!("ravelin-{}", env!("CARGO_PKG_VERSION"))
}

fn image(kind: &str) -> PathBuf {
    let folder = PathBuf::from(std::env::var_os("RAVELIN_IMAGE_DIR").unwrap());
    folder.join(format!("{}.{kind}", name()))
}

#[test]
fn disk_is_sound_and_small_enough() {
    run(Command::new("qemu-img").arg("check").arg(image("qcow2"))).unwrap();
    assert!(image("qcow2").metadata().unwrap().len() <= MAX_DISK_OCTETS);
}

#[test]
#[ignore = "vm: makes the OVA of the whole image"]
fn ova_is_read_by_others() {
    let folder = artifacts("image_ova").unwrap();
    let ova = if image("ova").exists() {
        Ova::at(image("ova").parent().unwrap(), &name())
    } else {
        Ova::make(&image("qcow2"), &folder, &name()).unwrap()
    };
    judge(&ova, &image("qcow2"), &folder.join("parts")).unwrap();
    // The disk again, 100 MB of it: nobody looks at it when all is well.
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn sbom_names_every_daemon_and_the_kernel() {
    let sbom = Sbom::read(&image("spdx.json")).unwrap();
    sbom.check().unwrap();
    for program in ["ravelin", "ravelin-iked", "ravelin-mgmtd", "ravelin-netd"] {
        let id = format!("SPDXRef-program-{program}");
        sbom.package(&id).unwrap();
        assert!(sbom.linked_into(&id).len() > 1, "{program}");
    }
    let planed = sbom.linked_into("SPDXRef-program-ravelin-planed");
    assert!(planed.contains("SPDXRef-rust-std"), "{planed:?}");
    let is_kernel = |id: &str| id.starts_with("SPDXRef-deb-linux-image-");
    assert!(
        sbom.packages()
            .any(|of| is_kernel(&of.package_spdx_identifier))
    );
}

#[test]
fn digests_are_those_of_the_files() {
    run(Command::new("sha256sum")
        .args(["--check", "--strict"])
        .arg(image("sha256"))
        .current_dir(image("sha256").parent().unwrap()))
    .unwrap();
}
