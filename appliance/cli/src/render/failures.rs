//! `show security ike failures`.

use super::{duration, line, wrapped};
use ravelin_ctl::failure::{FailureEntry, Failures};

/// A paragraph per entry.
pub(super) fn text(all: &Failures) -> String {
    let mut out = String::new();
    for entry in &all.entries {
        paragraph(&mut out, entry);
        out.push('\n');
    }
    out.push_str(&match all.forgotten {
        0 => format!("{} failures\n", all.entries.len()),
        more => format!(
            "{} failures; {more} older ones had to make room\n",
            all.entries.len()
        ),
    });
    out
}

fn paragraph(out: &mut String, entry: &FailureEntry) {
    let identity = entry.identity.as_ref();
    let identity = identity.map_or_else(|| "-".to_owned(), ToString::to_string);
    let gateway = entry.gateway.as_deref().unwrap_or("-");
    let times = match entry.times {
        1 => "once".to_owned(),
        times => format!("{times} times, first {} ago", duration(entry.first_s)),
    };
    out.push_str(&line(
        &format!("Peer {}, ", entry.remote),
        &format!("Identity: {identity}"),
    ));
    if let Some(instance) = &entry.instance {
        out.push_str(&line("  Routing instance: ", instance));
    }
    out.push_str(&line(
        &format!("  Exchange: {}, ", entry.stage),
        &format!("Gateway Name: {gateway}"),
    ));
    out.push_str(&line(
        &format!("  Last: {} ago, ", duration(entry.last_s)),
        &format!("Happened: {times}"),
    ));
    let rows = [
        ("  Reason  : ", Some(&entry.what)),
        ("  Offered : ", entry.offered.as_ref()),
        ("  Accepted: ", entry.accepted.as_ref()),
    ];
    for (head, text) in rows {
        if let Some(text) = text {
            out.push_str(&wrapped(head, text, head.len()));
        }
    }
}
