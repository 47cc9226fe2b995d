//! `ravelin-host prepare`: the machine is looked at once per boot, before the daemons start.
//!
//! ```text
//!   machine, processor -> hugepages -> NICs: found, named by their pins, driver decided, bound -> crypto devices likewise
//!     -> /run/ravelin/host/platform.json  for `show` and for mgmtd, which finds the device of a port there
//!     -> /run/ravelin/host/planed.env     for planed's unit
//!     -> /data/platform/nics.json         the pins
//! ```
//! Nothing that is wrong with the machine stops it: that becomes an alarm in platform.json and a line on the consoles. It does *not*
//! start daemons or read the configuration's text; an operator's wishes come from the file that mgmtd derives from it.

mod crypto;
mod drivers;
mod families;
mod inventory;
mod machine;
mod nics;
mod pages;
mod pins;
mod policy;
mod rights;
mod size;

use std::collections::BTreeMap;

use ravelin_ctl::RUN_DIR;
use ravelin_ctl::host::{Alarm, DriverWish, PLATFORM_FILE, Plan, Platform, Severity};
use serde::Deserialize;

use crate::error::Error;
use crate::root::Root;
use crate::{consoles, files};

/// What mgmtd derives from the configuration.
const HOST_FILE: &str = "/data/config/host.json";
/// The environment of planed's unit, beside the other.
const PLANED_ENV: &str = "host/planed.env";
/// What every login prompt of a console shows; boot messages scroll away.
const ISSUE_FILE: &str = "/run/issue.d/40-ravelin-platform.issue";
/// Everybody on the machine may read what it is made of.
const PUBLIC_MODE: u32 = 0o644;

/// Does it.
///
/// # Errors
/// When the result cannot be written; everything else becomes an alarm in it.
pub fn run(root: &Root, arguments: &[String]) -> Result<(), Error> {
    if let Some(argument) = arguments.first() {
        return Err(Error::Unexpected(argument.clone()));
    }
    if root.is_live() {
        drivers::load_modules();
    }
    let platform = look(root);
    let run_dir = root.path(RUN_DIR);
    files::replace(
        &run_dir.join(PLANED_ENV),
        environment(&platform.plan).as_bytes(),
        PUBLIC_MODE,
    )?;
    files::replace_json(&run_dir.join(PLATFORM_FILE), &platform, PUBLIC_MODE)?;
    for nic in &platform.nics {
        log::info!("{}: {}: {}", nic.name, nic.binding, nic.reason);
    }
    for device in &platform.crypto {
        log::info!("{}: {}: {}", device.pci, device.binding, device.reason);
    }
    let lines: Vec<String> = platform
        .alarms
        .iter()
        .map(|alarm| format!("{}: {}", alarm.subject, alarm.text))
        .collect();
    if !lines.is_empty() {
        consoles::report(root, &lines);
        let issue: String = lines
            .iter()
            .map(|line| format!("{}\n", escaped(line)))
            .collect();
        files::replace(&root.path(ISSUE_FILE), issue.as_bytes(), PUBLIC_MODE)?;
    }
    Ok(())
}

/// The line as agetty shows it: a backslash begins an escape there.
fn escaped(line: &str) -> String {
    line.replace('\\', "\\\\")
}

/// Looks at everything and binds NICs and crypto devices.
fn look(root: &Root) -> Platform {
    let mut alarms: Vec<Alarm> = machine::lacking(root).into_iter().collect();
    let machine = machine::look(root);
    let lacks = size::too_small(machine.processors, machine.memory_mib);
    alarms.extend(lacks.into_iter().map(|(subject, text)| Alarm {
        severity: Severity::Minor,
        subject: subject.to_owned(),
        text,
    }));
    let plan = plan(root, &machine, &mut alarms);
    let wishes = wishes(root, &mut alarms);
    let hugepages = !plan.ordinary_pages;
    let nics = nics::settle(root, hugepages, &wishes, &mut alarms);
    let crypto = crypto::settle(root, hugepages, &nics);
    alarms.sort_by_key(|alarm| alarm.severity);
    Platform {
        machine,
        plan,
        nics,
        crypto,
        alarms,
    }
}

/// planed's share of the machine, its hugepages reserved.
fn plan(root: &Root, machine: &ravelin_ctl::host::Machine, alarms: &mut Vec<Alarm>) -> Plan {
    let share = size::share(
        machine.processors,
        machine.memory_mib,
        pages::has_large(root),
    );
    let reserved = pages::reserve(root, &share);
    let ordinary_pages = reserved.packets_mib == 0;
    let share = if ordinary_pages {
        size::without_pages(share)
    } else {
        share
    };
    if let Some(shortage) = &reserved.shortage {
        let (severity, rest) = if ordinary_pages {
            (
                Severity::Major,
                "packets are in ordinary pages, which only NICs behind an IOMMU and kernel drivers can use",
            )
        } else {
            (
                Severity::Minor,
                "there is less room for packets than this machine should have",
            )
        };
        alarms.push(Alarm {
            severity,
            subject: "hugepages".to_owned(),
            text: format!("{shortage}: {rest}"),
        });
    }
    Plan {
        workers: share.workers,
        packet_memory_mib: if ordinary_pages {
            share.packets_mib
        } else {
            reserved.packets_mib
        },
        ordinary_pages,
        reason: format!(
            "{} processors and {} MiB of memory",
            machine.processors, machine.memory_mib
        ),
        pages: reserved.pages,
    }
}

/// Lines for systemd's `EnvironmentFile`.
fn environment(plan: &Plan) -> String {
    format!(
        "RAVELIN_PLANED_ARGS=\"--workers {} --memory-mib {}\"\nRAVELIN_NO_HUGE={}\n",
        plan.workers,
        plan.packet_memory_mib,
        u8::from(plan.ordinary_pages)
    )
}

/// What we need of mgmtd's file; there is more in it.
#[derive(Debug, Default, Deserialize)]
struct Wishes {
    #[serde(default)]
    drivers: BTreeMap<String, DriverWish>,
}

/// `interfaces ge-0/0/N driver`, by port.
fn wishes(root: &Root, alarms: &mut Vec<Alarm>) -> BTreeMap<String, DriverWish> {
    match files::read_json::<Wishes>(&root.path(HOST_FILE)) {
        Ok(wishes) => wishes.unwrap_or_default().drivers,
        Err(error) => {
            alarms.push(Alarm {
                severity: Severity::Minor,
                subject: "interfaces".to_owned(),
                text: format!("configured drivers are not known: {error}"),
            });
            BTreeMap::new()
        }
    }
}

#[cfg(test)]
mod tests;
