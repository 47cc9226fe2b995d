//! Coverage of RFC 7296: `appliance/ike/rfc7296.md` quotes each of its sentences with MUST, SHALL or REQUIRED, and names the code that
//! meets it and tests that show it, or says why none does.
//!
//! ```text
//! ## 2.6
//!
//! > The sentence, word for word, on as many lines as it takes.
//!
//! * code: `sa/init.rs::again`
//! * tests: `sim/order.rs::a_wrong_cookie_is_as_good_as_none`, `tests/interop/rekey.rs::rekeys_every_two_seconds_lose_nothing`
//!
//! > Another one.
//!
//! * other role: Why it does not bind us.
//! ```
//!
//! Paths are below `appliance/ike/src` or begin at the checkout.

use super::rules::Violation;
use std::collections::{BTreeMap, BTreeSet};

/// The file.
pub const FILE: &str = "appliance/ike/rfc7296.md";

const BASE: &str = "appliance/ike/src";
const RULE: &str = "requirements";

/// Why a sentence may have no code: it asks for nothing or asks authors of documents, it binds a role that we do not have, what it is
/// about may be left out and is, the project does without it, we do otherwise on purpose, or it is still to do.
pub const KINDS: [&str; 6] = [
    "not a requirement",
    "other role",
    "optional",
    "out of scope",
    "otherwise",
    "not yet",
];

/// Sentences of each section of the RFC.
const SECTIONS: &[(&str, usize)] = &[
    ("1", 1),
    ("1.2", 5),
    ("1.3", 3),
    ("1.3.1", 2),
    ("1.3.2", 1),
    ("1.3.3", 1),
    ("1.4", 4),
    ("1.4.1", 6),
    ("1.5", 1),
    ("1.6", 1),
    ("1.7", 7),
    ("2", 2),
    ("2.1", 7),
    ("2.2", 2),
    ("2.3", 9),
    ("2.4", 8),
    ("2.5", 11),
    ("2.6", 4),
    ("2.6.1", 1),
    ("2.7", 5),
    ("2.8", 4),
    ("2.8.1", 1),
    ("2.8.2", 1),
    ("2.9", 1),
    ("2.9.2", 2),
    ("2.10", 1),
    ("2.11", 2),
    ("2.12", 1),
    ("2.13", 4),
    ("2.14", 1),
    ("2.15", 2),
    ("2.16", 8),
    ("2.17", 2),
    ("2.18", 3),
    ("2.19", 6),
    ("2.20", 1),
    ("2.21.2", 3),
    ("2.21.3", 1),
    ("2.21.4", 5),
    ("2.22", 2),
    ("2.23", 10),
    ("2.23.1", 3),
    ("2.24", 1),
    ("2.25", 1),
    ("3.1", 13),
    ("3.2", 6),
    ("3.3", 7),
    ("3.3.1", 4),
    ("3.3.2", 1),
    ("3.3.3", 1),
    ("3.3.4", 5),
    ("3.3.5", 5),
    ("3.3.6", 8),
    ("3.4", 4),
    ("3.5", 5),
    ("3.6", 3),
    ("3.8", 1),
    ("3.9", 2),
    ("3.10", 3),
    ("3.10.1", 4),
    ("3.11", 3),
    ("3.12", 3),
    ("3.13", 1),
    ("3.13.1", 4),
    ("3.14", 6),
    ("3.15", 1),
    ("3.15.1", 8),
    ("3.16", 4),
    ("4", 10),
    ("5", 3),
];

/// A sentence of the RFC.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    pub line: usize,
    pub section: String,
    pub quote: String,
    pub code: Vec<String>,
    pub tests: Vec<String>,
    /// Kind and reason.
    pub exception: Option<(String, String)>,
}

/// Lines with their numbers; one that begins with spaces goes on with the one before.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = vec![];
    for (line, content) in (1..).zip(text.lines()) {
        match (content.strip_prefix("  "), out.last_mut()) {
            (Some(more), Some((_, last))) => *last = format!("{last} {}", more.trim()),
            _ => out.push((line, content.trim_end().to_owned())),
        }
    }
    out
}

/// The entries of the file, in order.
pub fn parse(text: &str) -> Result<Vec<Requirement>, Violation> {
    let mut out: Vec<Requirement> = vec![];
    let (mut section, mut quoting) = (String::new(), false);
    for (line, content) in joined(text) {
        if let Some(number) = content.strip_prefix("## ") {
            section = number.to_owned();
        } else if let Some(words) = content.strip_prefix("> ") {
            match out.last_mut().filter(|_| quoting) {
                Some(last) => last.quote = format!("{} {words}", last.quote),
                None => out.push(Requirement {
                    line,
                    section: section.clone(),
                    quote: words.to_owned(),
                    ..Requirement::default()
                }),
            }
        } else if let Some(item) = content.strip_prefix("* ") {
            let entry = out.last_mut().zip(item.split_once(": "));
            let (last, (key, value)) =
                entry.ok_or_else(|| breach(line, "no entry has it", item))?;
            let names = value.split('`').skip(1).step_by(2).map(str::to_owned);
            match key {
                "code" => last.code.extend(names),
                "tests" => last.tests.extend(names),
                kind => last.exception = Some((kind.to_owned(), value.to_owned())),
            }
        }
        quoting = content.starts_with("> ");
    }
    Ok(out)
}

fn breach(line: usize, what: &str, about: &str) -> Violation {
    Violation {
        file: FILE.to_owned(),
        line,
        rule: RULE,
        text: format!("{what}: {about}"),
    }
}

/// What does not hold: names that are not there, entries without what they need, sentences twice or missing.
pub fn check(entries: &[Requirement], files: &[(String, String)]) -> Vec<Violation> {
    let mut found = vec![];
    let mut quotes = BTreeSet::new();
    for entry in entries {
        let mut wrong = |what: &str| found.push(breach(entry.line, what, &entry.quote));
        if !quotes.insert((&entry.section, &entry.quote)) {
            wrong("quoted twice");
        }
        let keyword = ["MUST", "SHALL", "REQUIRED"];
        if !keyword.iter().any(|word| entry.quote.contains(word)) {
            wrong("no requirement");
        }
        match &entry.exception {
            Some((kind, reason)) => {
                if !KINDS.contains(&kind.as_str()) {
                    wrong(&format!("no kind of exception is {kind:?}"));
                }
                if reason.is_empty() || !entry.code.is_empty() || !entry.tests.is_empty() {
                    wrong("an exception has a reason, and neither code nor tests");
                }
            }
            None if entry.code.is_empty() || entry.tests.is_empty() => {
                wrong("neither code with tests nor an exception");
            }
            None => {}
        }
        for name in entry.code.iter().filter(|n| !defines(files, n, is_item)) {
            wrong(&format!("{name} is gone"));
        }
        for name in entry.tests.iter().filter(|n| !defines(files, n, is_test)) {
            wrong(&format!("{name} is no test"));
        }
    }
    found
}

/// Sections whose number of sentences is not the RFC's.
pub fn missing(entries: &[Requirement]) -> Vec<Violation> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *counts.entry(&entry.section).or_default() += 1;
    }
    let all = SECTIONS.iter().map(|(section, _)| *section);
    let all: BTreeSet<&str> = all.chain(counts.keys().copied()).collect();
    let wanted = |section| {
        SECTIONS
            .iter()
            .find(|(s, _)| *s == section)
            .map_or(0, |s| s.1)
    };
    let wrong = all.into_iter().filter_map(|section| {
        let (count, wanted) = (counts.get(section).copied().unwrap_or(0), wanted(section));
        let text = format!("{count} sentences instead of {wanted}");
        (count != wanted).then(|| breach(0, &text, &format!("section {section}")))
    });
    wrong.collect()
}

fn defines(files: &[(String, String)], name: &str, is: fn(&[&str], usize, &str) -> bool) -> bool {
    let Some((path, item)) = name.split_once("::") else {
        return false;
    };
    let below = format!("{BASE}/{path}");
    let file = files
        .iter()
        .find(|(file, _)| *file == path || *file == below);
    file.is_some_and(|(_, text)| {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        (0..lines.len()).any(|at| is(&lines, at, item))
    })
}

/// Whether a line defines an item of this name.
fn is_item(lines: &[&str], at: usize, name: &str) -> bool {
    ["fn", "const", "struct", "enum", "mod"]
        .iter()
        .any(|keyword| {
            let rest = lines[at].split_once(&format!("{keyword} {name}"));
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            rest.is_some_and(|(_, rest)| ends(rest))
        })
}

/// Whether a line begins a test of this name.
fn is_test(lines: &[&str], at: usize, name: &str) -> bool {
    let function = [format!("fn {name}("), format!("async fn {name}(")];
    let above = lines[..at].iter().rev();
    let attributes = above.take_while(|l| l.starts_with("#[") || l.starts_with("//"));
    function.iter().any(|f| lines[at].starts_with(f))
        && attributes
            .into_iter()
            .any(|l| l.starts_with("#[test]") || l.starts_with("#[tokio::test"))
}

/// `RFC 7296: 3 sentences, 2 met and tested, 1 exception: ...`
pub fn report(entries: &[Requirement]) -> String {
    let exceptions = entries.iter().filter_map(|e| e.exception.as_ref());
    let count = |kind: &str| exceptions.clone().filter(|(k, _)| k == kind).count();
    let kinds = KINDS.iter().map(|kind| (count(kind), kind));
    let kinds: Vec<String> = (kinds.filter(|(n, _)| *n > 0))
        .map(|(n, kind)| format!("{n} {kind}"))
        .collect();
    let (all, without) = (entries.len(), exceptions.count());
    let met = all - without;
    format!(
        "RFC 7296: {all} sentences, {met} met and tested, {without} exceptions ({})",
        kinds.join(", ")
    )
}

/// The running text of the RFC without its page breaks.
fn running(rfc: &str) -> String {
    let pages = |l: &&str| !l.starts_with("Kaufman, et al.") && !l.starts_with("RFC 7296  ");
    let lines = rfc
        .lines()
        .map(|l| l.trim_matches(['\x0c', ' ']))
        .filter(pages);
    let mut out = String::new();
    for word in lines.flat_map(|l| l.split_whitespace().map(move |w| (w, l.ends_with(w)))) {
        out.push_str(word.0);
        let broken = word.1 && word.0.len() > 1 && word.0.ends_with('-');
        out.push_str(if broken { "" } else { " " });
    }
    out
}

/// What the RFC's text has and the file has not, or the other way round: the quotes stand in its order, and between them no requirement.
pub fn compare(entries: &[Requirement], rfc: &str) -> Vec<Violation> {
    let text = running(rfc);
    // What comes before is the table of contents.
    let mut at = text.rfind("1. Introduction IP Security").unwrap_or(0);
    let mut found = vec![];
    let mut between = |line: usize, gap: &str| {
        let words = gap.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let missed = words
            .filter(|w| ["MUST", "SHALL", "REQUIRED"].contains(w))
            .count();
        if missed > 0 {
            found.push(breach(line, "not quoted before this", gap));
        }
    };
    let mut strange = vec![];
    for entry in entries {
        match text[at..].find(&entry.quote) {
            Some(further) => {
                between(entry.line, &text[at..at + further]);
                at += further + entry.quote.len();
            }
            None => strange.push(breach(entry.line, "not in the RFC here", &entry.quote)),
        }
    }
    between(0, &text[at..]);
    found.extend(strange);
    found
}
