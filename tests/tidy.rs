//! Style and layering as a test: what ARCHITECTURE.md promises about the source is checked here, on every run.
//!
//! The rules are in `tidy/rules.rs` and `tidy/layers.rs`, with the tables of what is excepted and why; `tidy/bad_inputs.rs`
//! feeds each of them something bad. Every breach is printed as `file:line: rule: text`.
#![forbid(unsafe_code)]
// A test program: whatever is unexpected fails it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "tidy/bad_inputs.rs"]
mod bad_inputs;
#[path = "tidy/faults.rs"]
mod faults;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/proofs.rs"]
mod proofs;
#[path = "tidy/requirements.rs"]
mod requirements;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/skips.rs"]
mod skips;

use rules::Violation;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kinds of files that are source, by the end of their name.
const SOURCES: &[&str] = &["rs", "sh", "py", "c", "h", "yang"];
/// Kinds of files that hold text but may be long.
const TEXTS: &[&str] = &["toml", "md", "list", "txt", "conf"];

/// Generated bindings, and programs with a macro of libFuzzer: they state their own lints.
const OWN_LINTS: &[&str] = &["dpdk-sys/Cargo.toml", "tests/fuzz/Cargo.toml"];

fn checkout() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// Path and text of every file of the checkout whose name ends in one of `kinds`, and of the scripts without an ending.
fn files(kinds: &[&str]) -> Vec<(String, String)> {
    let mut found = vec![];
    walk(&checkout(), &mut found);
    let of_kind = |path: &Path| match path.extension().and_then(|e| e.to_str()) {
        Some(extension) => kinds.contains(&extension),
        None => kinds.contains(&"sh") && (path.ends_with("x") || path.ends_with(".ci/run")),
    };
    found.retain(|path| of_kind(path));
    found.sort();
    let name = |path: &Path| {
        let relative = path.strip_prefix(checkout()).unwrap();
        relative.to_str().unwrap().to_owned()
    };
    let read = |path: &Path| {
        fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    found.iter().map(|path| (name(path), read(path))).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        let built = name.starts_with("target") || name == "artifacts" || name == "corpus";
        let hidden = name.starts_with('.') && name != ".ci";
        if kind.is_dir() && !built && !hidden {
            walk(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version=1"])
        .current_dir(checkout())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The crate that a file belongs to: the one whose folder is the longest that holds it.
fn crate_of(path: &str, metadata: &Value) -> String {
    let absolute = checkout().join(path);
    let packages = layers::packages(metadata);
    let holding = packages.iter().filter_map(|package| {
        let folder = Path::new(&package.manifest).parent()?;
        let inside = absolute.starts_with(folder);
        inside.then(|| (folder.as_os_str().len(), package.name.clone()))
    });
    holding.max().map(|(_, name)| name).unwrap_or_default()
}

fn none(found: Vec<Violation>) {
    let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

fn apply(kinds: &[&str], rule: impl Fn(&str, &str) -> Vec<Violation>) {
    let files = files(kinds);
    assert!(
        !files.is_empty(),
        "no file of kind {kinds:?} in the checkout"
    );
    none(
        files
            .iter()
            .flat_map(|(path, text)| rule(path, text))
            .collect(),
    );
}

#[test]
fn crates_use_only_lower_layers() {
    none(layers::check(&layers::packages(&metadata())));
}

#[test]
fn every_layered_crate_exists() {
    let packages = layers::packages(&metadata());
    for (name, _) in layers::LAYERS {
        assert!(packages.iter().any(|p| p.name == *name), "{name} is gone");
    }
}

#[test]
fn files_are_short() {
    apply(SOURCES, rules::size);
}

#[test]
fn nothing_is_marked_unfinished() {
    apply(SOURCES, rules::unfinished);
    apply(TEXTS, rules::unfinished);
}

#[test]
fn nobodys_home_is_named() {
    apply(SOURCES, rules::home_paths);
    apply(TEXTS, rules::home_paths);
}

#[test]
fn modules_open_with_their_purpose() {
    apply(&["rs"], rules::opening);
}

#[test]
fn unsafe_code_is_confined_and_explained() {
    let metadata = metadata();
    apply(&["rs"], |path, text| {
        rules::unsafe_code(path, text, &crate_of(path, &metadata))
    });
    for (file, reason) in rules::UNSAFE_FILES {
        assert!(checkout().join(file).is_file(), "{file} is gone ({reason})");
    }
}

#[test]
fn crate_roots_forbid_unsafe_code() {
    let metadata = metadata();
    let mut found = vec![];
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for target in package["targets"].as_array().unwrap() {
            let kind = target["kind"][0].as_str().unwrap();
            if matches!(kind, "lib" | "bin") {
                let source = Path::new(target["src_path"].as_str().unwrap());
                let path = source.strip_prefix(checkout()).unwrap();
                let text = fs::read_to_string(source).unwrap();
                found.extend(rules::crate_root(path.to_str().unwrap(), &text, name));
            }
        }
    }
    none(found);
}

#[test]
fn protocol_crates_do_no_io() {
    apply(&["rs"], rules::sans_io);
}

#[test]
fn tests_do_not_sleep() {
    apply(&["rs"], rules::sleep_in_tests);
}

#[test]
fn workspace_lists_agree() {
    let metadata = metadata();
    let count = |key: &str| metadata[key].as_array().unwrap().len();
    let (members, defaults) = (
        count("workspace_members"),
        count("workspace_default_members"),
    );
    assert_eq!(
        members,
        defaults + 1,
        "default-members is members without tests/fuzz"
    );
    for (path, text) in files(&["toml"]) {
        if path.ends_with("/Cargo.toml") {
            let lints =
                text.contains("[lints]\nworkspace = true") || OWN_LINTS.contains(&path.as_str());
            assert!(lints, "{path}: the workspace's lints are not taken over");
            assert!(text.contains("publish = false"), "{path}: publish = false");
        }
    }
}

#[test]
fn fuzz_targets_have_seeds_and_a_floor() {
    let fuzz = checkout().join("tests/fuzz");
    let floors = fs::read_to_string(fuzz.join("floors.txt")).unwrap();
    let targets = fs::read_dir(fuzz.join("src/bin")).unwrap();
    for target in targets {
        let path = target.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let floor = floors.lines().any(|l| l.split(' ').next() == Some(name));
        assert!(floor, "{name} has no line in tests/fuzz/floors.txt");
        let seeds = fs::read_dir(fuzz.join("corpus").join(name));
        assert!(
            seeds.is_ok_and(|mut s| s.next().is_some()),
            "{name} has no seeds"
        );
    }
}

#[test]
fn allowed_skips_are_the_ignored_tests() {
    let list = fs::read_to_string(checkout().join(skips::LIST)).unwrap();
    none(skips::check(&list, &files(&["rs"])));
}

#[test]
fn the_limits_table_names_constants_that_exist() {
    let document = fs::read_to_string(checkout().join("ARCHITECTURE.md")).unwrap();
    assert!(
        limits::rows(&document).len() > 20,
        "the limits table is gone"
    );
    none(limits::check(&document, &files(&["rs"])));
}

#[test]
fn faults_on_purpose_stay_out_of_the_product() {
    none(faults::check(&metadata()));
    apply(&["rs"], faults::places);
}

#[test]
fn the_table_of_proofs_names_every_system_test() {
    let document = fs::read_to_string(checkout().join("ARCHITECTURE.md")).unwrap();
    let metadata = metadata();
    let tests = metadata["packages"].as_array().unwrap().iter();
    let targets = tests.flat_map(|package| package["targets"].as_array().unwrap());
    let built: Vec<&str> = targets
        .filter_map(|t| t["src_path"].as_str()?.split("/tests/interop/").nth(1))
        .collect();
    let entries = fs::read_dir(checkout().join("tests/interop")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<String> = names.filter(|name| name.ends_with(".rs")).collect();
    assert!(files.len() > 10, "the system tests are gone");
    none(proofs::check(&document, &files, &built));
}

/// `RAVELIN_RFC7296` may name the RFC's text, to compare every word.
#[test]
fn every_requirement_of_rfc_7296_is_accounted_for() {
    let read = |path: &str| fs::read_to_string(checkout().join(path)).unwrap();
    let entries = requirements::parse(&read(requirements::FILE));
    let entries = entries.unwrap_or_else(|breach| panic!("{breach}"));
    none(requirements::check(&entries, &files(&["rs"])));
    none(requirements::missing(&entries));
    if let Some(path) = std::env::var_os("RAVELIN_RFC7296") {
        let rfc = fs::read(path).unwrap();
        none(requirements::compare(
            &entries,
            &String::from_utf8_lossy(&rfc),
        ));
    }
    let report = requirements::report(&entries);
    println!("{report}");
    let said = read("README.md").contains(&report);
    assert!(said, "README.md has other sums than: {report}");
}

#[test]
fn packages_are_explained_and_locked() {
    let folder = checkout().join("image/packages");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    for name in ["build.list", "appliance.list", "modules.list"] {
        none(packages::explained(name, &read(name)));
    }
    for name in ["build.list", "appliance.list"] {
        none(packages::unique(name, &read(name)));
    }
    none(packages::locked(
        &read("appliance.list"),
        &read("appliance.lock"),
    ));
}
