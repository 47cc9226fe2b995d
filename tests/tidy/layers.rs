//! The layering of ARCHITECTURE.md, checked on `cargo metadata`.

use super::rules::Violation;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A crate uses only crates of a lower layer.
pub const LAYERS: &[(&str, u8)] = &[
    ("dpdk-sys", 0),
    ("ravelin-tuntap", 0),
    ("ravelin-types", 0),
    ("ravelin-wire", 0),
    ("ravelin-crypto", 0),
    ("dpdk-rs", 1),
    ("ravelin-config", 1),
    ("ravelin-ctl", 1),
    ("ravelin-esp", 1),
    ("ravelin-ike", 1),
    ("ravelin-pki", 1),
    ("ravelin-vault", 1),
    ("ravelin-authority", 2),
    ("ravelin-dataplane", 2),
    ("ravelin-routing", 2),
    ("ravelin-cli", 3),
    ("ravelin-mgmt", 3),
    ("ravelin-platform", 3),
    ("ravelin-bin-netd", 4),
    ("ravelin-bin-planed", 4),
    ("ravelin-bin-iked", 4),
    ("ravelin-bin-mgmtd", 4),
    ("ravelin-bin-cli", 4),
    ("ravelin-bin-host", 4),
    ("ravelin-bin-enb", 4),
    ("ravelin-misbehave", 4),
    // The harness of virtual machines: beside the appliance, not part of it.
    ("ravelin-qemu", 4),
    ("ravelin-tests", 5),
    ("ravelin-guard", 5),
    ("ravelin-fuzz", 5),
];

/// Crates of the same layer that may be used all the same, with why.
pub const WITHIN_LAYER: &[(&str, &str, &str)] = &[(
    "ravelin-crypto",
    "ravelin-types",
    "the algorithms of IKE have one list, with the names of the configuration and the numbers of IANA",
)];

/// The two that only the daemons bring together.
const STRANGERS: (&str, &str) = ("ravelin-ike", "ravelin-dataplane");

/// Crates that take time, randomness and octets from their caller, and what they must not be able to reach.
const SANS_IO: &[&str] = &["ravelin-ike", "ravelin-esp", "ravelin-wire"];
const IO_CRATES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "nix",
    "libc",
    "rand",
    "getrandom",
    "openssl",
];

/// One package of the workspace: its manifest and what it depends on, as (name, kind).
pub struct Package {
    pub name: String,
    pub manifest: String,
    pub uses: Vec<(String, String)>,
}

/// Reads the packages of `cargo metadata --no-deps`.
pub fn packages(metadata: &Value) -> Vec<Package> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    packages
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]),
            uses: list(&package["dependencies"])
                .iter()
                .map(|d| {
                    (
                        text(&d["name"]),
                        d["kind"].as_str().unwrap_or("normal").to_owned(),
                    )
                })
                .collect(),
        })
        .collect()
}

/// Checks every dependency between our packages, and those of the sans-IO crates on others.
pub fn check(packages: &[Package]) -> Vec<Violation> {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let mut found = vec![];
    let mut report = |package: &Package, rule, text: String| {
        found.push(Violation {
            file: package.manifest.clone(),
            line: 0,
            rule,
            text,
        });
    };
    for package in packages {
        let Some(own) = layers.get(package.name.as_str()) else {
            let text = format!("{} is not in the table of layers", package.name);
            report(package, "unknown crate", text);
            continue;
        };
        for (used, kind) in &package.uses {
            let sans_io = SANS_IO.contains(&package.name.as_str());
            if sans_io && kind == "normal" && IO_CRATES.contains(&used.as_str()) {
                let text = format!("{} uses {used}", package.name);
                report(package, "I/O in a sans-IO crate", text);
            }
            let Some(layer) = layers.get(used.as_str()) else {
                continue;
            };
            let excepted = WITHIN_LAYER
                .iter()
                .any(|(a, b, _)| *a == package.name && b == used);
            if layer >= own && kind != "dev" && !excepted {
                let text = format!("{} ({own}) uses {used} ({layer})", package.name);
                report(package, "layering", text);
            }
        }
        for (one, other) in [STRANGERS, (STRANGERS.1, STRANGERS.0)] {
            if package.name == one && reaches(packages, one).contains(other) {
                report(package, "layering", format!("{one} sees {other}"));
            }
        }
    }
    found
}

/// Every package of ours that `from` depends on, directly or not, for tests or not.
fn reaches(packages: &[Package], from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        let package = packages.iter().find(|package| package.name == name);
        for (used, _) in package.iter().flat_map(|package| &package.uses) {
            if packages.iter().any(|p| p.name == *used) && seen.insert(used.clone()) {
                open.push(used.clone());
            }
        }
    }
    seen
}
