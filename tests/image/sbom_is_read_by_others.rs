//! The list of what the appliance is made of, for a small tree: read by the crate `spdx-rs`, complete, true and the same every time.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::netns::run;
use ravelin_tests::ova::checkout;
use ravelin_tests::sbom::{Sbom, digest};
use ravelin_tests::{Result, artifacts};
use std::fs;
use std::path::Path;
use std::process::Command;

const STATUS: &str = "Package: libyang3
Status: install ok installed
Architecture: amd64
Source: libyang (3.4.2-1)
Version: 3.4.2-1+b1

Package: tcpdump
Status: deinstall ok config-files
Architecture: amd64
Version: 4.99

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-14
Version: 14.2.0-19

";
const LOCK: &str = "# name version sha256 path
libyang3 3.4.2-1+b1 aa25be740d6236ad114582dea500c1d907f29e16d6db00566ca32fb68d71ac90 pool/main/liby/libyang3.deb
libstdc++6 14.2.0-19 bb25be740d6236ad114582dea500c1d907f29e16d6db00566ca32fb68d71ac90 pool/main/g/libstdc++6.deb
";
const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: CESNET
License: BSD-3-clause or GPL-2+
";

/// A root tree with two packages and one program of ours.
fn tree(folder: &Path) {
    for part in ["var/lib/dpkg", "usr/share/doc/libyang3", "usr/sbin"] {
        fs::create_dir_all(folder.join("tree").join(part)).unwrap();
    }
    fs::write(folder.join("tree/var/lib/dpkg/status"), STATUS).unwrap();
    fs::write(
        folder.join("tree/usr/share/doc/libyang3/copyright"),
        COPYRIGHT,
    )
    .unwrap();
    fs::write(folder.join("tree/usr/sbin/ravelin-iked"), "program").unwrap();
    fs::write(folder.join("lock"), LOCK).unwrap();
}

fn make(folder: &Path) -> Result<Vec<u8>> {
    run(Command::new("sh")
        .arg(checkout().join("image/build/sbom.sh"))
        .env("X_SRC", checkout())
        .env("IMAGE_OUT", folder)
        .env("IMAGE_NAME", "ravelin-test")
        .env("IMAGE_VERSION", "0.0.1")
        .env("IMAGE_COMMIT", "0123456789ab")
        .env("IMAGE_LOCK", folder.join("lock"))
        .env("IMAGE_TREE", folder.join("tree"))
        .env("SOURCE_DATE_EPOCH", "1700000000"))?;
    Ok(fs::read(folder.join("ravelin-test.spdx.json")).unwrap())
}

#[test]
fn sbom_names_packages_programs_and_crates() {
    let folder = artifacts("sbom_is_read_by_others").unwrap();
    tree(&folder);
    let first = make(&folder).unwrap();
    assert!(first == make(&folder).unwrap());
    let sbom = Sbom::read(&folder.join("ravelin-test.spdx.json")).unwrap();
    sbom.check().unwrap();

    let yang = sbom.package("SPDXRef-deb-libyang3").unwrap();
    assert_eq!(yang.package_version.as_deref(), Some("3.4.2-1+b1"));
    let licence = yang.declared_license.as_ref().map(ToString::to_string);
    assert_eq!(licence.as_deref(), Some("BSD-3-Clause OR GPL-2.0-or-later"));
    assert!(digest(yang).unwrap().starts_with("aa25be74"));
    assert!(sbom.package("SPDXRef-deb-libstdc-plus--plus-6").is_ok());
    assert!(sbom.package("SPDXRef-deb-tcpdump").is_err());

    // iked is linked with zeroize and, for its messages, with serde; the derive macro of serde ended in the compiler.
    let linked = sbom.linked_into("SPDXRef-program-ravelin-iked");
    let has = |name: &str| linked.iter().any(|id| id.starts_with(name));
    assert!(has("SPDXRef-crate-zeroize-"), "{linked:?}");
    assert!(has("SPDXRef-crate-serde-"), "{linked:?}");
    assert!(!has("SPDXRef-crate-serde-derive-"), "{linked:?}");
    assert!(!has("SPDXRef-crate-spdx-rs-"), "{linked:?}");
}

#[test]
fn tree_that_is_not_the_locked_one_is_refused() {
    let folder = artifacts("sbom_tree_and_lock_differ").unwrap();
    tree(&folder);
    let lock = LOCK.replace("libyang3 3.4.2-1+b1", "libyang3 3.4.2-2");
    fs::write(folder.join("lock"), lock).unwrap();
    let refusal = make(&folder).unwrap_err().to_string();
    let named = "appliance.lock has libyang3 3.4.2-2, the tree has 3.4.2-1+b1";
    assert!(refusal.contains(named), "{refusal}");
}
