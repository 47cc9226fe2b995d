//! The limits table of ARCHITECTURE.md names constants; each must exist in the crate that the row names.

use super::rules::Violation;

/// What a row of the table names: its line, the constants, the crate's folder name.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub line: usize,
    pub constants: Vec<String>,
    pub krate: String,
}

/// The rows of the section `## Limits`. A cell may name several crates, each after its constants: `` `A`, `B` (ike), `C` (esp) ``.
pub fn rows(document: &str) -> Vec<Row> {
    let mut inside = false;
    let mut rows = vec![];
    for (number, line) in document.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line == "## Limits";
        }
        let cells: Vec<&str> = line.split('|').collect();
        let [_, _, _, cell, _] = cells.as_slice() else {
            continue;
        };
        if !inside || !cell.contains('`') {
            continue;
        }
        for part in cell.split(')') {
            let Some((names, krate)) = part.rsplit_once('(') else {
                continue;
            };
            let words = names.split('`').skip(1).step_by(2);
            let constants = words.filter(|w| w.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            rows.push(Row {
                line: number + 1,
                constants: constants.map(str::to_owned).collect(),
                krate: krate.to_owned(),
            });
        }
    }
    rows
}

/// Constants of the table that no source of their crate declares. `sources` are paths and texts.
pub fn check(document: &str, sources: &[(String, String)]) -> Vec<Violation> {
    let mut found = vec![];
    for row in rows(document) {
        let bases = ["", "appliance/", "appliance/bin/"];
        let folders = bases.map(|base| format!("{base}{}/", row.krate));
        let declared = |constant: &str| {
            let declaration = format!("const {constant}:");
            let of_crate = |path: &str| folders.iter().any(|folder| path.starts_with(folder));
            sources
                .iter()
                .any(|(path, text)| of_crate(path) && text.contains(&declaration))
        };
        for constant in row.constants.iter().filter(|constant| !declared(constant)) {
            found.push(Violation {
                file: "ARCHITECTURE.md".to_owned(),
                line: row.line,
                rule: "limits",
                text: format!("{constant} is not declared in crate {}", row.krate),
            });
        }
    }
    found
}
