//! What is wrong with the node, as far as this process and the steps of the boot know.

use super::Manager;
use crate::hardware;
use ravelin_ctl::host::wanted::Applied;
use ravelin_ctl::host::{APPLIED_FILE, Alarm, Severity};
use std::fs;

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
