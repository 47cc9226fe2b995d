//! What stands above the login prompt of the consoles.

use super::{change, note, tool};
use crate::root::Root;
use ravelin_ctl::host::wanted::{HostConfig, Password};

/// Read by agetty after /etc/issue, in the order of names; the steps of the boot have theirs behind it.
const FILE: &str = "/run/issue.d/10-ravelin.issue";

pub(super) fn apply(root: &Root, config: &HostConfig, faults: &mut Vec<String>) {
    let mut text = format!("Ravelin {}\n", env!("CARGO_PKG_VERSION"));
    for user in &config.users {
        if user.password == Password::Unset {
            let name = &user.name;
            text.push_str(&format!(
                "User {name} has no password yet: log in as {name} on a console to set it.\n"
            ));
        }
    }
    match change(root, FILE, &text) {
        // Prompts that stand already are printed again; before the first one there is nobody to tell.
        Ok(true) => drop(tool(root, "agetty", &["--reload"])),
        other => note(other.map(drop), faults),
    }
}
