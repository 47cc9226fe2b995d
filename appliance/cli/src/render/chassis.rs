//! `show chassis high-availability information`.

use super::{duration, line, wrapped};
use ravelin_ctl::operator::{HighAvailability, Signal};

/// State and health, then one line per signal route and one more for what keeps it down.
pub(super) fn high_availability(all: &HighAvailability) -> String {
    let mut out = line(
        "Data plane: ",
        &format!("{}, for {}", all.state, duration(all.state_s)),
    );
    if !all.waiting.is_empty() {
        out.push_str(&wrapped("  Waits for: ", &all.waiting.join(", "), 13));
    }
    let fault = all.fault.as_deref().unwrap_or("all threads run");
    out.push_str(&wrapped("  Health: ", fault, 10));
    out.push_str(&format!("  Security association pairs: {}\n", all.pairs));
    let mut group = None;
    for signal in &all.signals {
        if group != Some(signal.group) {
            group = Some(signal.group);
            out.push_str(&format!("Services redundancy group: {}\n", signal.group));
        }
        out.push_str(&row(signal));
    }
    out
}

fn row(signal: &Signal) -> String {
    let state = if signal.up { "up" } else { "down" };
    let head = format!("  Signal route {}: ", signal.address);
    let mut out = line(&head, &format!("{state}, for {}", duration(signal.since_s)));
    if let Some(reason) = &signal.reason {
        out.push_str(&wrapped("    Reason: ", reason, 12));
    }
    out
}
