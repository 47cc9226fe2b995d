//! Faults on purpose (`tests/misbehave`) stay out of the product: nothing depends on the package that has them or switches the feature
//! on, their code hangs at few named places, and the package is otherwise planed.

use super::rules::Violation;
use serde_json::Value;
use std::collections::BTreeSet;

/// The package that has the faults, and the one whose sources it is built from.
const FAULTY: &str = "ravelin-misbehave";
const ORIGINAL: &str = "ravelin-bin-planed";
const FEATURE: &str = "misbehave";

/// Where the feature may be asked for: a module, its start, the engine, iked's requests.
const PLACES: &[&str] = &[
    "appliance/bin/planed/src/main.rs",
    "appliance/bin/planed/src/nic.rs",
    "appliance/bin/planed/src/control/pairs.rs",
];

fn found(file: &str, line: usize, text: String) -> Violation {
    Violation {
        file: file.to_owned(),
        line,
        rule: "fault in the product",
        text,
    }
}

/// Breaches in `cargo metadata --no-deps`.
pub fn check(metadata: &Value) -> Vec<Violation> {
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut breaches = vec![];
    let mut requirements: Vec<BTreeSet<String>> = vec![];
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        let mut breach = |text: String| breaches.push(found(name, 0, text));
        let dependencies = package["dependencies"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for dependency in &dependencies {
            let used = dependency["name"].as_str().unwrap_or_default();
            let features = dependency["features"].to_string();
            if used == FAULTY || features.contains(FEATURE) {
                breach(format!("depends on {used} with features {features}"));
            }
        }
        if name == FAULTY || name == ORIGINAL {
            // The program with the faults has no unit tests, so it needs nothing for them.
            let built = dependencies.iter().filter(|d| d["kind"] != "dev");
            requirements.push(built.map(Value::to_string).collect());
        }
        let features = package["features"].as_object().cloned().unwrap_or_default();
        let enables = |(_, parts): &(&String, &Value)| parts.to_string().contains(FEATURE);
        for (feature, parts) in features.iter().filter(enables) {
            if name != FAULTY {
                breach(format!("feature {feature} switches on {parts}"));
            }
        }
    }
    match requirements.as_slice() {
        [one, other] if one == other => {}
        _ => breaches.push(found(
            FAULTY,
            0,
            format!("its dependencies must be those of {ORIGINAL}"),
        )),
    }
    breaches
}

/// Mentions of the feature in source outside of the named places.
pub fn places(path: &str, text: &str) -> Vec<Violation> {
    if PLACES.contains(&path) {
        return vec![];
    }
    let asked = concat!("feature = \"mis", "behave\"");
    let lines = text.lines().enumerate().filter(|(_, l)| l.contains(asked));
    lines
        .map(|(index, line)| found(path, index + 1, line.to_owned()))
        .collect()
}
