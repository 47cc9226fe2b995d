//! What is wrong with the node, as far as this process and the steps of the boot know.

use super::Manager;
use ravelin_ctl::host::wanted::Applied;
use ravelin_ctl::host::{APPLIED_FILE, Alarm, Severity};
use std::fs;

/// Where the step of the boot that mounts the data partition says what is wrong with it, below the folder of the sockets.
const DATA_FAULT_FILE: &str = "host/data-fault";

impl Manager {
    /// The alarms, the gravest first.
    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let run_dir = self.store.run_dir();
        let faults = fs::read_to_string(run_dir.join(DATA_FAULT_FILE)).unwrap_or_default();
        let data = faults
            .lines()
            .map(|line| ("data partition", line.to_owned()));
        let start = self.start_error.clone().map(|e| ("configuration", e));
        let host = self.host_error.clone().map(|e| ("host", e));
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
        let major = data.chain(start).chain(host).map(alarm(Severity::Major));
        major.chain(minor.map(alarm(Severity::Minor))).collect()
    }
}
