//! What is wrong with the node, as far as this process and the steps of the boot know, planed of its crypto devices, and iked of its
//! certificates.

use super::Manager;
use crate::hardware;
use crate::link::Gathering;
use nix::sys::statvfs::statvfs;
use ravelin_ctl::Role;
use ravelin_ctl::acceleration::Acceleration;
use ravelin_ctl::host::wanted::Applied;
use ravelin_ctl::host::{APPLIED_FILE, Alarm, Severity};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, Reply};
use std::fs;
use std::path::Path;
use std::sync::mpsc::Sender;

/// Of what share of the data partition must be left: a twentieth. Logs are bounded far below the rest.
const LEAST_SHARE: u64 = 20;
const MIB: u64 = 1 << 20;

impl Manager {
    /// Answers with the alarms of this process and of the daemons that have some to tell; one that is away tells none.
    pub(super) fn show_alarms(&mut self, answer: Sender<Reply>) {
        self.ask_for_alarms(Gathering {
            answer,
            found: Vec::new(),
            left: vec![Role::Planed, Role::Iked],
        });
    }

    fn ask_for_alarms(&mut self, mut gathering: Gathering) {
        let devices = !self.running.compiled.plane.acceleration.is_empty();
        while let Some(role) = gathering.left.pop() {
            let query = match role {
                Role::Iked => DaemonQuery::Alarms,
                Role::Planed if devices => DaemonQuery::Acceleration,
                _ => continue,
            };
            if let Some(link) = self.links.values_mut().find(|l| l.hello.role == role) {
                match link.ask_alarms(query, gathering) {
                    Ok(()) => return,
                    Err(back) => gathering = back,
                }
            }
        }
        let mut all = self.alarms();
        all.append(&mut gathering.found);
        all.sort_by_key(|alarm| alarm.severity);
        // The operator may have hung up.
        let _ = gathering.answer.send(Reply::Alarms(all));
    }

    /// Takes in what a daemon has told, and asks the next.
    pub(super) fn alarms_came(&mut self, mut gathering: Gathering, reply: DaemonReply) {
        match reply {
            DaemonReply::Alarms(alarms) => gathering.found.extend(alarms),
            DaemonReply::Acceleration(all) => gathering.found.extend(self.idle_devices(&all)),
            _ => {}
        }
        self.ask_for_alarms(gathering);
    }

    /// Alarms of the crypto devices that are configured and take no packets.
    fn idle_devices(&self, acceleration: &Acceleration) -> Vec<Alarm> {
        let configured = &self.running.compiled.plane.acceleration;
        let idle = acceleration.devices.iter().filter(|device| {
            let is_wanted = configured.iter().any(|wanted| wanted.name == device.name);
            is_wanted && !device.serves
        });
        idle.map(|device| {
            let why = device.remark.as_deref().unwrap_or("it is not open yet");
            let name = &device.name;
            let text =
                format!("crypto device {name} takes no packets, the CPU does its ciphers: {why}");
            hardware::major(name, text)
        })
        .collect()
    }

    /// The alarms, the gravest first.
    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let run_dir = self.store.run_dir();
        let mut all = hardware::alarms(run_dir);
        let start = self.start_error.clone().map(|e| ("configuration", e));
        let host = self.host_error.clone().map(|e| ("host", e));
        let start = start.into_iter();
        let faults = self.kernel.faults().into_iter();
        let instances = faults.map(|fault| ("routing-instances", fault));
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
        let major = start
            .chain(host)
            .chain(instances)
            .map(alarm(Severity::Major));
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
