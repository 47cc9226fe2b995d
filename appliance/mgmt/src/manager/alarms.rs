//! What is wrong with the node, as far as this process and the steps of the boot know.

use super::Manager;
use crate::hardware;
use nix::sys::statvfs::statvfs;
use ravelin_ctl::host::wanted::Applied;
use ravelin_ctl::host::{APPLIED_FILE, Alarm, Severity};
use std::fs;
use std::path::Path;

/// Of what share of the data partition must be left: a twentieth. Logs are bounded far below the rest.
const LEAST_SHARE: u64 = 20;
const MIB: u64 = 1 << 20;

impl Manager {
    /// The alarms, the gravest first.
    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let run_dir = self.store.run_dir();
        let mut all = hardware::alarms(run_dir);
        let start = self.start_error.clone().map(|e| ("configuration", e));
        let host = self.host_error.clone().map(|e| ("host", e));
        let start = start.into_iter();
        let applied = fs::read(run_dir.join(APPLIED_FILE)).unwrap_or_default();
        let applied: Applied = serde_json::from_slice(&applied).unwrap_or_default();
        let minor = applied.faults.into_iter().map(|fault| ("host", fault));
        let alarm = |severity| {
            move |(subject, text): (&str, String)| Alarm {
                severity,
                subject: subject.to_owned(),
                text,
            }
        };
        let major = start.chain(host).map(alarm(Severity::Major));
        all.extend(space(self.store.file()));
        all.extend(major.chain(minor.map(alarm(Severity::Minor))));
        for missing in &self.running.compiled.missing {
            // The host side has said it already when the NIC is known and gone.
            if !all.iter().any(|alarm| alarm.subject == missing.name) {
                all.push(hardware::major(&missing.name, missing.why.clone()));
            }
        }
        all.sort_by_key(|alarm| alarm.severity);
        all
    }
}

/// Whether the disk of the configuration is nearly full, now: an operator who makes room sees the alarm go.
fn space(file: &Path) -> Option<Alarm> {
    let disk = statvfs(file.parent()?).ok()?;
    let octets = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
    // Not counting what is kept for root: this process is not root.
    let text = nearly_full(octets(disk.blocks_available()), octets(disk.blocks()))?;
    Some(hardware::major("data", text))
}

fn nearly_full(left_octets: u64, all_octets: u64) -> Option<String> {
    (left_octets < all_octets / LEAST_SHARE).then(|| {
        format!(
            "the data partition is nearly full: {} of {} MiB are left, changes and logs may not be kept",
            left_octets / MIB,
            all_octets / MIB
        )
    })
}

#[cfg(test)]
mod tests;
