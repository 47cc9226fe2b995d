//! The lists in `image/packages`: everything in them is explained, named once, and locked.

use super::rules::Violation;
use std::collections::BTreeSet;

/// Names of a list with their lines, without comments.
pub fn names(text: &str) -> Vec<(usize, &str)> {
    let mut found = vec![];
    for (index, line) in text.lines().enumerate() {
        let before = line.split('#').next().unwrap_or_default();
        found.extend(
            before
                .split_whitespace()
                .next()
                .map(|name| (index + 1, name)),
        );
    }
    found
}

/// A name has a comment of its own or stands in a paragraph that opens with one.
pub fn explained(file: &str, text: &str) -> Vec<Violation> {
    let mut found = vec![];
    let mut headed = false;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        match (trimmed.is_empty(), trimmed.starts_with('#')) {
            (true, _) => headed = false,
            (false, true) => headed = true,
            (false, false) if headed || trimmed.contains('#') => {}
            (false, false) => found.push(Violation {
                file: file.to_owned(),
                line: index + 1,
                rule: "packages",
                text: format!("nothing says why `{trimmed}` is there"),
            }),
        }
    }
    found
}

/// No name twice.
pub fn unique(file: &str, text: &str) -> Vec<Violation> {
    let mut seen = BTreeSet::new();
    names(text)
        .into_iter()
        .filter(|(_, name)| !seen.insert(*name))
        .map(|(line, name)| Violation {
            file: file.to_owned(),
            line,
            rule: "packages",
            text: format!("`{name}` is there twice"),
        })
        .collect()
}

/// Every line of the lock is `name version sha256 path`, and every name of the list is locked.
pub fn locked(list: &str, lock: &str) -> Vec<Violation> {
    let breach = |file: &str, line: usize, text: String| Violation {
        file: format!("image/packages/{file}"),
        line,
        rule: "packages",
        text,
    };
    let mut found = vec![];
    let mut known = BTreeSet::new();
    for (index, line) in lock.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        match line.split(' ').collect::<Vec<_>>()[..] {
            [name, _, digest, path]
                if digest.len() == 64
                    && digest.bytes().all(|octet| octet.is_ascii_hexdigit())
                    && path.starts_with("pool/") =>
            {
                known.insert(name);
            }
            _ => found.push(breach(
                "appliance.lock",
                index + 1,
                format!("`{line}` is not name, version, SHA-256 and path"),
            )),
        }
    }
    for (line, name) in names(list) {
        if !known.contains(name) {
            let text = format!("`{name}` is not locked: ./x image --update-lock");
            found.push(breach("appliance.list", line, text));
        }
    }
    found
}
