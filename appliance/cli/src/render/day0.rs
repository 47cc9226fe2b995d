//! `show system day-0`.

use super::wrapped;
use ravelin_ctl::day0::{Record, Source};

/// What the last boot found, what was applied, and what was told.
pub(super) fn text(record: Option<&Record>) -> String {
    let Some(record) = record else {
        return "No day 0 on this machine\n".to_owned();
    };
    let mut out = wrapped("Last boot: ", record.outcome.meaning(), 11);
    out.push_str(&source("Found", record.found.as_ref()));
    out.push_str(&source("Applied", record.applied.as_ref()));
    if !record.messages.is_empty() {
        out.push_str("Messages:\n");
    }
    for message in &record.messages {
        out.push_str(&wrapped("  ", message, 4));
    }
    out
}

fn source(what: &str, source: Option<&Source>) -> String {
    let Some(source) = source else {
        return format!("{what}: none\n");
    };
    let name = format!("{}, {}", source.name, source.kind.name());
    let mut out = wrapped(&format!("{what}: "), &name, 4);
    out.push_str(&format!("  SHA-256: {}\n", source.digest));
    out
}
