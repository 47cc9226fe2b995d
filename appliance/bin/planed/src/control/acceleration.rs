//! Crypto devices of the configuration: opened, retired, given up, and what is told of them.
//!
//! A device that cannot be opened fails no commit: its SAs are the CPU's, and it is tried again. One that failed is not tried again before it
//! has been taken out of the configuration. An SA stays with the engine that it was installed for, until it is rekeyed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::time::Duration;

use dpdk_rs::Eal;
use dpdk_rs::cryptodev::{self, CryptoConfig};
use ravelin_ctl::acceleration::{Acceleration, CryptoDevice, DeviceState, Served};
use ravelin_ctl::host::is_userspace;
use ravelin_dataplane::engine::accelerator::UnitStatus;
use ravelin_dataplane::engine::{Accelerator, cpu_code};
use ravelin_esp::engine::{Service, WhyCpu};
use ravelin_types::{PciAddress, Time};

use super::Control;
use crate::nic::environment::PCI_BUS;

/// Pause between attempts to open a device: DPDK says much about each.
const RETRY: Duration = Duration::from_secs(60);
/// Keys that a device holds at most, by MiB of planed's memory: a sixteenth of it, at 2 KiB each.
const KEYS_PER_MIB: u32 = 32;
/// How the class of NICs and other network controllers begins in sysfs.
const NETWORK_CLASS: &str = "0x02";

/// Why a wanted device does not serve.
enum Trouble {
    /// Not opened; to be tried again then.
    Closed(String, Time),
    /// It failed.
    Failed(&'static str),
}

/// What is known of devices beside the data plane's own view.
#[derive(Default)]
pub struct Devices {
    troubles: HashMap<String, Trouble>,
}

impl Control {
    /// Brings the devices to what the configuration wants, and says what failed.
    pub(super) fn follow_devices(&mut self, now: Time) {
        let wanted = &self.configuration.running.acceleration;
        let names: Vec<String> = wanted.iter().map(|device| device.name.clone()).collect();
        let maker = self.parts.controller.maker();
        let troubles = &mut self.devices.troubles;
        troubles.retain(|name, _| names.contains(name));
        maker.want(&names);
        for unit in maker.status() {
            let Some(failure) = unit.failure else {
                continue;
            };
            if names.contains(&unit.name) && !troubles.contains_key(&unit.name) {
                log::error!(
                    "crypto device `{}` is given up: {}; {} packets are lost, its SAs go on by the CPU",
                    unit.name,
                    failure.text(),
                    unit.lost
                );
                troubles.insert(unit.name, Trouble::Failed(failure.text()));
            }
        }
        maker.close_idle();
        for device in wanted {
            let due = match troubles.get(&device.name) {
                None => true,
                Some(Trouble::Closed(_, again)) => now >= *again,
                Some(Trouble::Failed(_)) => false,
            };
            if !due || maker.has(&device.name) {
                continue;
            }
            let memory_mib = self.parts.environment.memory_mib;
            match add(
                maker,
                self.parts.environment.eal,
                memory_mib,
                device,
                self.parts.workers,
            ) {
                Ok(()) => {
                    troubles.remove(&device.name);
                    log::info!("crypto device `{}` serves", device.name);
                }
                Err(why) => {
                    let name = &device.name;
                    let is_known =
                        matches!(troubles.get(name), Some(Trouble::Closed(old, _)) if *old == why);
                    if !is_known {
                        log::error!("crypto device `{name}`: {why}; its SAs are done by the CPU");
                    }
                    troubles.insert(name.clone(), Trouble::Closed(why, now + RETRY));
                }
            }
        }
    }

    /// Who does the ciphers of the SAs.
    pub(super) fn acceleration(&mut self) -> Acceleration {
        let units = self.parts.controller.maker().status();
        let mut devices: Vec<DeviceState> = units.iter().map(|unit| self.state(unit)).collect();
        for (name, trouble) in &self.devices.troubles {
            if !devices.iter().any(|device| device.name == *name) {
                devices.push(DeviceState {
                    name: name.clone(),
                    remark: Some(trouble.text()),
                    ..DeviceState::default()
                });
            }
        }
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        Acceleration {
            cpu: cpu_code().to_owned(),
            devices,
            engines: served(self.parts.controller.services().map(|pair| pair.1), &units),
        }
    }

    fn state(&self, unit: &UnitStatus) -> DeviceState {
        let remark = match (unit.failure, unit.serves) {
            (Some(failure), _) => Some(format!("failed, {}", failure.text())),
            (None, false) => Some("not configured any more".to_owned()),
            (None, true) => None,
        };
        DeviceState {
            name: unit.name.clone(),
            driver: Some(unit.driver.clone()),
            serves: unit.serves,
            remark,
            queues: unit.queues as u32,
            keys: unit.keys.0,
            max_keys: unit.keys.1,
            packets: unit.packets,
            errors: unit.errors,
            lost: unit.lost,
        }
    }
}

impl Trouble {
    fn text(&self) -> String {
        match self {
            Trouble::Closed(why, _) => why.clone(),
            Trouble::Failed(why) => format!("failed, {why}"),
        }
    }
}

fn add(
    maker: &mut Accelerator,
    eal: Eal,
    memory_mib: u32,
    device: &CryptoDevice,
    workers: usize,
) -> Result<(), String> {
    if let Some(why) = obstacle(Path::new(PCI_BUS), &device.name) {
        return Err(why);
    }
    let arguments = device.arguments.as_deref().unwrap_or_default();
    // Devices that a scheduler is made of must be there before it. One that cannot be had is the scheduler's to report.
    for part in arguments
        .split(',')
        .filter_map(|all| all.strip_prefix("worker="))
    {
        let _ = eal.probe_device(part);
    }
    let separator = if arguments.is_empty() { "" } else { "," };
    let config = CryptoConfig {
        queues: workers as u16,
        sessions: memory_mib.saturating_mul(KEYS_PER_MIB),
    };
    let text = format!("{}{separator}{arguments}", device.name);
    let opened = cryptodev::CryptoDevice::probe(eal, &text, config);
    let opened = opened.map_err(|error| error.to_string())?;
    if maker.add(opened, workers) {
        Ok(())
    } else {
        Err(format!("device `{}` is one too many", device.name))
    }
}

/// What stands against opening a PCI function as a crypto device, as far as sysfs tells; of other devices DPDK knows.
fn obstacle(bus: &Path, name: &str) -> Option<String> {
    let address: PciAddress = name.parse().ok()?;
    let function = bus.join(address.to_string());
    if !function.is_dir() {
        return Some("there is no such PCI function".to_owned());
    }
    let class = fs::read_to_string(function.join("class")).unwrap_or_default();
    if class.starts_with(NETWORK_CLASS) {
        return Some("it is a NIC".to_owned());
    }
    let link = fs::read_link(function.join("driver")).unwrap_or_default();
    let driver = link.file_name().unwrap_or_default().to_string_lossy();
    if is_userspace(&driver) {
        return None;
    }
    let now = match &*driver {
        "" => "it has no driver",
        driver => &format!("{driver} drives it"),
    };
    Some(format!(
        "{now}, and vfio-pci should (`show chassis hardware` tells why)"
    ))
}

/// How many SAs each engine serves, and why.
fn served(services: impl Iterator<Item = [Service; 2]>, units: &[UnitStatus]) -> Vec<Served> {
    let mut counts: BTreeMap<(Option<String>, Option<String>), [u64; 2]> = BTreeMap::new();
    for pair in services {
        for (at, service) in pair.iter().enumerate() {
            counts.entry(engine(*service, units)).or_default()[at] += 1;
        }
    }
    // Devices before the CPU.
    let rows = counts.into_iter().rev();
    rows.map(|((device, why), [inbound, outbound])| Served {
        device,
        why,
        inbound,
        outbound,
    })
    .collect()
}

/// Device, or why there is none.
fn engine(service: Service, units: &[UnitStatus]) -> (Option<String>, Option<String>) {
    let why = match service {
        Service::Device(number) => {
            let unit = units.iter().find(|unit| unit.number == number);
            match unit {
                Some(unit) if unit.serves => return (Some(unit.name.clone()), None),
                Some(unit) if unit.failure.is_some() => format!("{} failed", unit.name),
                Some(unit) => format!("{} is not configured any more", unit.name),
                None => "its device is closed".to_owned(),
            }
        }
        Service::Cpu(WhyCpu::NoDevice) => "no device when installed".to_owned(),
        Service::Cpu(WhyCpu::Algorithm) => "no device has the algorithms".to_owned(),
        Service::Cpu(WhyCpu::Sessions) => "devices hold all keys they can".to_owned(),
        Service::Cpu(WhyCpu::Queues) => "no queue left for the worker".to_owned(),
    };
    (None, Some(why))
}

#[cfg(test)]
mod tests;
