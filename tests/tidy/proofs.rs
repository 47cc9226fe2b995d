//! The table "What proves it" of ARCHITECTURE.md names every file of `tests/interop`, and no file that is not there; each is built.

use super::rules::Violation;
use std::collections::BTreeSet;

/// Names of files of `tests/interop` in the section `## What proves it`, with their lines. `` `interop/{a,b}.rs` `` names two.
pub fn named(document: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut names = vec![];
    for (index, line) in document.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line == "## What proves it";
        }
        if !inside || !line.starts_with('|') {
            continue;
        }
        for word in line.split('`').skip(1).step_by(2) {
            let Some(file) = word.strip_prefix("interop/") else {
                continue;
            };
            let several = file
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix("}.rs"));
            match several {
                Some(list) => {
                    names.extend(
                        list.split(',')
                            .map(|name| (index + 1, format!("{name}.rs"))),
                    );
                }
                None => names.push((index + 1, file.to_owned())),
            }
        }
    }
    names
}

/// What the table, the folder and the manifest do not agree on.
pub fn check(document: &str, files: &[String], built: &[&str]) -> Vec<Violation> {
    let named = named(document);
    let breach = |line: usize, text: String| Violation {
        file: "ARCHITECTURE.md".to_owned(),
        line,
        rule: "what proves it",
        text,
    };
    let gone = named.iter().filter(|(_, name)| !files.contains(name));
    let mut found: Vec<Violation> = gone
        .map(|(line, name)| breach(*line, format!("tests/interop/{name} does not exist")))
        .collect();
    let names: BTreeSet<&str> = named.iter().map(|(_, name)| name.as_str()).collect();
    for file in files {
        if !names.contains(file.as_str()) {
            found.push(breach(0, format!("no row names interop/{file}")));
        }
        if !built.contains(&file.as_str()) {
            found.push(breach(0, format!("interop/{file} is no [[test]]")));
        }
    }
    found
}
