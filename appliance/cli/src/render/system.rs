//! `show version`, `show system uptime`, `show system processes` and `show security drops`.

use super::{duration, wrapped};
use ravelin_ctl::operator::{Drop, Node, ProcessStatus};
use std::fmt::Write;

/// Name and versions.
pub(super) fn version(node: &Node) -> String {
    format!(
        "Hostname: {}\nModel: Ravelin\nRavelin: {}\nKernel: Linux {}\n",
        node.host_name.as_deref().unwrap_or("-"),
        node.software,
        node.kernel
    )
}

/// Since when.
pub(super) fn uptime(node: &Node) -> String {
    format!(
        "System booted:     {} ago\nProcesses started: {} ago\nLast configured:   {} ago\n",
        duration(node.uptime_s),
        duration(node.running_s),
        duration(node.configured_s)
    )
}

/// One line per process, and one more for its error.
pub(super) fn processes(list: &[ProcessStatus]) -> String {
    let mut out = format!(
        "{:<17}{:<14}{:>8}{:>12}  {:<17}{}\n",
        "Process", "State", "PID", "Generation", "Uptime", "Version"
    );
    for process in list {
        let state = if process.connected {
            "connected"
        } else {
            "not connected"
        };
        let pid = match process.pid {
            0 => "-".to_owned(),
            pid => pid.to_string(),
        };
        let row = format!(
            "{:<17}{:<14}{:>8}{:>12}  {:<17}{}",
            process.name,
            state,
            pid,
            process.generation.0,
            duration(process.uptime_s),
            process.software
        );
        out.push_str(row.trim_end());
        out.push('\n');
        if let Some(error) = &process.error {
            out.push_str(&wrapped("  error: ", error, 9));
        }
    }
    out
}

/// Reasons that occurred first, then the others, by name.
pub(super) fn drops(list: &[Drop]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:<28}{:>14}  Meaning", "Reason", "Packets");
    let mut sorted: Vec<&Drop> = list.iter().collect();
    sorted.sort_by_key(|d| (d.packets == 0, &d.reason));
    for drop in sorted {
        let head = format!("{:<28}{:>14}  ", drop.reason, drop.packets);
        out.push_str(&wrapped(&head, &drop.meaning, 44));
    }
    out
}
