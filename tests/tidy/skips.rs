//! `tests/allowed-skips.txt` agrees with the tests: every test that is ignored has its line there, every line its test and a reason.
//! `./x test` would find the first only once it runs that suite.

use super::rules::Violation;
use std::collections::BTreeSet;

/// Path of the list.
pub const LIST: &str = "tests/allowed-skips.txt";

/// Names of the tests below an `#[ignore` of a source, with its lines.
fn ignored(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let marked = (0..lines.len()).filter(|at| lines[*at].trim_start().starts_with("#[ignore"));
    let function = |at: usize| lines[at..].iter().find_map(|line| name_of(line));
    marked
        .filter_map(|at| Some((at + 1, function(at)?)))
        .collect()
}

/// The function that begins on this line.
fn name_of(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("fn ")?;
    rest.split('(').next()
}

/// Where the list and the sources, as path and text, do not agree.
pub fn check(list: &str, sources: &[(String, String)]) -> Vec<Violation> {
    let breach = |file: &str, line: usize, text: String| Violation {
        file: file.to_owned(),
        line,
        rule: "allowed skips",
        text,
    };
    let entries = list
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.starts_with('#'));
    let entries: Vec<(usize, Vec<&str>)> = entries
        .map(|(at, line)| (at + 1, line.split_whitespace().collect()))
        .collect();
    let names: BTreeSet<&str> = entries
        .iter()
        .filter_map(|(_, e)| e.first().copied())
        .collect();
    let functions: BTreeSet<&str> = sources
        .iter()
        .flat_map(|(_, text)| text.lines().filter_map(name_of))
        .collect();
    let mut found = vec![];
    for (line, words) in &entries {
        match words.as_slice() {
            [name, _, ..] if functions.contains(name) => {}
            [name, _, ..] => found.push(breach(LIST, *line, format!("there is no test {name}"))),
            _ => found.push(breach(
                LIST,
                *line,
                format!("no reason: {}", words.concat()),
            )),
        }
    }
    for (path, text) in sources {
        for (line, name) in ignored(text) {
            if !names.contains(name) {
                found.push(breach(path, line, format!("{name} is not in {LIST}")));
            }
        }
    }
    found
}
