//! The machine as `ravelin-host prepare` described it at boot: where the device of a port is found, which crypto devices there are, and
//! what is wrong with the machine. It is read when it is asked for; a machine that nobody described (not the appliance) has none, and ports state their
//! devices.

use crate::compile::Compiled;
use crate::error::MgmtError;
use ravelin_ctl::host::{Alarm, Binding, DriverWish, Nic, PLATFORM_FILE, Platform, Severity, Told};
use ravelin_ctl::plane::Device;
use ravelin_types::PciAddress;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Largest description of a machine: hundreds of NICs, and small enough for every machine.
const MAX_DESCRIPTION_OCTETS: u64 = 1 << 20;
/// The folder of what the host side writes, below the run folder.
const FOLDER: &str = "host";
/// End of the names of files that hold one alarm as a line of text.
const FAULT: &str = "-fault";

/// A port of the configuration whose NIC is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The port.
    pub name: String,
    /// Why not.
    pub why: String,
}

/// The description; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub fn platform(run_dir: &Path) -> Result<Option<Platform>, MgmtError> {
    read(&run_dir.join(PLATFORM_FILE))
}

/// Gives every port that states no device the one of its name. Ports without are left out of planed's part and told: as warnings,
/// and as what is missing. Crypto devices that are not to be had are warnings only: the CPU does their work, and planed says so.
pub fn place(compiled: &mut Compiled, run_dir: &Path) {
    let unplaced = std::mem::take(&mut compiled.unplaced);
    if unplaced.is_empty() && compiled.plane.acceleration.is_empty() {
        return;
    }
    let platform = platform(run_dir);
    if let Ok(Some(platform)) = &platform {
        let devices = compiled.plane.acceleration.iter();
        let warnings = devices.filter_map(|device| not_had(&device.name, platform));
        compiled.warnings.extend(warnings);
    }
    for port in unplaced {
        let name = port.name().to_owned();
        let device = match &platform {
            Ok(platform) => {
                let nic = platform.as_ref().and_then(|platform| platform.nic(&name));
                let wish = compiled.host.drivers.get(&name);
                compiled.warnings.extend(not_yet(&name, nic, wish));
                device(platform.as_ref(), &name)
            }
            Err(error) => Err(error.to_string()),
        };
        let placed = device.and_then(|device| {
            let port = port.at(device);
            match compiled
                .plane
                .ports
                .iter()
                .find(|p| p.device == port.device)
            {
                None => Ok(port),
                Some(other) => Err(format!("`{}` has its NIC", other.name)),
            }
        });
        match placed {
            Ok(port) => compiled.plane.ports.push(port),
            Err(why) => {
                let warning = format!("[interfaces {name}] {why}; the rest works without it");
                compiled.warnings.push(warning);
                compiled.missing.push(Missing { name, why });
            }
        }
    }
    compiled.plane.ports.sort_by(|a, b| a.name.cmp(&b.name));
}

/// A warning when there is no crypto device at a PCI address, or planed did not get it.
fn not_had(name: &str, platform: &Platform) -> Option<String> {
    let pci: PciAddress = name.parse().ok()?;
    let device = platform.crypto.iter().find(|device| device.pci == pci);
    let nic = platform.nics.iter().find(|nic| nic.pci == Some(pci));
    let why = match (device, nic) {
        (Some(device), _) if device.binding == Binding::VfioPci => return None,
        (Some(device), _) => format!("it cannot be used: {}", device.reason),
        (None, Some(nic)) => format!("it is a NIC, `{}`", nic.name),
        (None, None) => {
            let there: Vec<String> = platform.crypto.iter().map(|d| d.pci.to_string()).collect();
            let there = match there.as_slice() {
                [] => "none".to_owned(),
                places => places.join(", "),
            };
            format!("there is no crypto device at this address: this machine has {there}")
        }
    };
    Some(format!(
        "[security ipsec acceleration device {name}] {why}; the CPU does its ciphers"
    ))
}

/// A warning when the NIC has another driver than the operator chose.
fn not_yet(name: &str, nic: Option<&Nic>, wish: Option<&DriverWish>) -> Option<String> {
    let (nic, wish) = (nic?, wish?);
    let now = nic.binding;
    (!wish.bindings().contains(&now)).then(|| {
        format!("[interfaces {name} driver] the NIC is driven by {now} until the next start of the system")
    })
}

/// The device of a port.
fn device(platform: Option<&Platform>, name: &str) -> Result<Device, String> {
    let Some(platform) = platform else {
        return Err(
            "its `device` is not stated, and nobody has looked for NICs on this machine".to_owned(),
        );
    };
    let Some(nic) = platform.nic(name) else {
        let mut ports: Vec<&str> = platform.nics.iter().map(|nic| nic.name.as_str()).collect();
        ports.retain(|name| name.contains('/'));
        let there = match ports.as_slice() {
            [] => "this machine has no NIC but the management interface's".to_owned(),
            ports => format!("this machine has {}", ports.join(", ")),
        };
        return Err(format!("there is no NIC of this name: {there}"));
    };
    let text = nic.plane_device();
    let text = text.ok_or_else(|| match nic.binding {
        Binding::Absent => format!("its NIC is gone: {}", nic.reason),
        _ => nic.reason.clone(),
    })?;
    Ok(match nic.binding {
        Binding::AfPacket => Device::Vdev(text),
        _ => Device::Pci(text),
    })
}

/// All alarms of the host side: those in its JSON files, and a line of text in each file that is called a fault.
pub fn alarms(run_dir: &Path) -> Vec<Alarm> {
    let folder = run_dir.join(FOLDER);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let mut alarms = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".json") {
            match read::<Told>(&path) {
                Ok(told) => alarms.extend(told.unwrap_or_default().alarms),
                Err(error) => alarms.push(major("system", error.to_string())),
            }
        } else if let Some(subject) = name.strip_suffix(FAULT) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            alarms.extend(
                text.lines()
                    .map(|line| major(subject, line.trim().to_owned())),
            );
        }
    }
    alarms
}

/// An alarm for what does not work.
pub fn major(subject: &str, text: String) -> Alarm {
    Alarm {
        severity: Severity::Major,
        subject: subject.to_owned(),
        text,
    }
}

/// Reads JSON; `None` when there is no such file.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, MgmtError> {
    let bad = |error| MgmtError::file("read", path, error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(error)),
    };
    let mut text = String::new();
    file.take(MAX_DESCRIPTION_OCTETS)
        .read_to_string(&mut text)
        .map_err(bad)?;
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .map_err(|error| bad(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
