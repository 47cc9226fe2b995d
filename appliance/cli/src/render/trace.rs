//! `show security ike trace`.

use super::wrapped;
use crate::monitor::time_of_day;
use ravelin_ctl::trace::{Trace, TraceEntry, TraceKind};

/// The state of the trace, then a paragraph per message, the oldest first.
pub(super) fn text(trace: Option<&Trace>) -> String {
    let Some(trace) = trace else {
        return "Nobody has been traced\n".to_owned();
    };
    let state = match trace.runs_s {
        Some(left) => format!("ends in {left} s"),
        None => "ended".to_owned(),
    };
    let mut out = format!("Trace of {}: {state}\n", trace.peer);
    if trace.forgotten > 0 {
        out.push_str(&format!(
            "{} older messages had to make room\n",
            trace.forgotten
        ));
    }
    for entry in &trace.entries {
        out.push_str(&paragraph(entry));
    }
    out
}

fn paragraph(entry: &TraceEntry) -> String {
    let time = time_of_day(entry.time_us);
    let local = entry.local.map_or(String::new(), |l| l.to_string());
    let head = match entry.kind {
        TraceKind::Received => format!("{time} received {} > {local}", entry.remote),
        TraceKind::Sent => format!("{time} sent {local} > {}", entry.remote),
        TraceKind::Note => time,
    };
    let mut out = String::new();
    let mut lines = entry.lines.iter();
    let first = lines.next().map_or("", String::as_str);
    if entry.kind == TraceKind::Note {
        out.push_str(&wrapped(&format!("{head} "), first, 2));
    } else {
        out.push_str(&wrapped("", &head, 4));
        out.push_str(&wrapped("  ", first, 4));
    }
    for line in lines {
        out.push_str(&wrapped("    ", line, 6));
    }
    out
}
