//! The twins that netd holds. It knows what was asked for; addresses and routes are others' business.

use std::collections::BTreeMap;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ravelin_ctl::netd;
use ravelin_tuntap::{self as tuntap, Device, DeviceName, Kind};
use ravelin_types::UnitName;

use crate::error::Error;
use crate::sysctl::Tree;

/// Most twins: 4,096 logical units (a full VLAN range on one port, or its like). Each costs one descriptor and one
/// kernel device.
pub const TWINS_MAX: usize = 4096;
/// Descriptors for everything else.
const OTHER_DESCRIPTORS: u64 = 64;

/// All twins by unit.
pub struct Registry {
    twins: BTreeMap<UnitName, Device>,
    settings: Tree,
}

impl Registry {
    /// None yet.
    pub fn new(settings: Tree) -> Self {
        Registry {
            twins: BTreeMap::new(),
            settings,
        }
    }

    /// Answers one request.
    pub fn answer(&mut self, request: &netd::Request) -> netd::Reply {
        let outcome = match request {
            netd::Request::Ensure(wanted) => self.ensure(wanted),
            netd::Request::Remove(unit) => self.remove(unit),
            netd::Request::List => self.list(),
            netd::Request::Signal(_) => Err(Error::NoDevice),
        };
        outcome.unwrap_or_else(|error| {
            log::warn!("{error}");
            netd::Reply::Failed(error.to_string())
        })
    }

    fn ensure(&mut self, wanted: &netd::Device) -> Result<netd::Reply, Error> {
        let unit = &wanted.unit;
        let kind = if wanted.mac.is_some() {
            Kind::Tap
        } else {
            Kind::Tun
        };
        let failed = |source| Error::Twin {
            unit: unit.clone(),
            source,
        };
        let name = self.name(unit)?;
        match self.twins.get(unit) {
            Some(device) if device.kind() == kind => self.shape(device, wanted)?,
            Some(_) => return Err(Error::OtherKind(unit.clone())),
            None => {
                if self.twins.len() >= TWINS_MAX {
                    return Err(Error::Full(unit.clone()));
                }
                let existed = tuntap::index(&name).is_ok();
                let device = Device::hold(&name, kind).map_err(failed)?;
                if let Err(error) = self.shape(&device, wanted) {
                    // What we did not make, we do not take away.
                    if !existed {
                        let gone = device.remove();
                        gone.unwrap_or_else(|more| log::warn!("{unit}: {more}"));
                    }
                    return Err(error);
                }
                log::info!(
                    "{unit}: holding {name}{}",
                    if existed { ", adopted" } else { "" }
                );
                self.twins.insert(unit.clone(), device);
            }
        }
        let ifindex = tuntap::index(&name).map_err(failed)?;
        Ok(netd::Reply::Device {
            name: name.to_string(),
            ifindex,
        })
    }

    /// Kernel settings before the device is up, carrier last.
    fn shape(&self, device: &Device, wanted: &netd::Device) -> Result<(), Error> {
        let name = device.name();
        self.settings.secure_interface(name.as_str())?;
        let apply = || {
            match wanted.mac {
                Some(mac) if device.mac()? != Some(mac) => tuntap::set_mac(name, mac)?,
                _ => {}
            }
            if device.mtu()? != wanted.mtu_octets {
                tuntap::set_mtu(name, wanted.mtu_octets)?;
            }
            tuntap::set_up(name, true)?;
            if device.carrier()? != wanted.carrier {
                device.set_carrier(wanted.carrier)?;
            }
            Ok(())
        };
        apply().map_err(|source| Error::Twin {
            unit: wanted.unit.clone(),
            source,
        })
    }

    fn name(&self, unit: &UnitName) -> Result<DeviceName, Error> {
        if unit.is_loopback() {
            return Err(Error::Loopback(unit.clone()));
        }
        let name: DeviceName = unit.kernel().parse().map_err(|source| Error::Twin {
            unit: unit.clone(),
            source,
        })?;
        let mut others = self.twins.iter().filter(|(owner, _)| *owner != unit);
        match others.find(|(_, device)| *device.name() == name) {
            None => Ok(name),
            Some((owner, _)) => Err(Error::NameTaken {
                unit: unit.clone(),
                name: name.to_string(),
                owner: owner.clone(),
            }),
        }
    }

    fn remove(&mut self, unit: &UnitName) -> Result<netd::Reply, Error> {
        let device = self
            .twins
            .remove(unit)
            .ok_or_else(|| Error::Absent(unit.clone()))?;
        device.remove().map_err(|source| Error::Twin {
            unit: unit.clone(),
            source,
        })?;
        log::info!("{unit}: let go");
        Ok(netd::Reply::Done)
    }

    fn list(&self) -> Result<netd::Reply, Error> {
        let describe = |(unit, device): (&UnitName, &Device)| {
            let read = || {
                Ok(netd::Device {
                    unit: unit.clone(),
                    mac: device.mac()?,
                    mtu_octets: device.mtu()?,
                    carrier: device.carrier()?,
                })
            };
            read().map_err(|source| Error::Twin {
                unit: unit.clone(),
                source,
            })
        };
        self.twins
            .iter()
            .map(describe)
            .collect::<Result<_, _>>()
            .map(netd::Reply::Devices)
    }
}

/// Allows one descriptor per twin.
///
/// # Errors
/// [`Error::Descriptors`] when the hard limit forbids it.
pub fn raise_descriptor_limit() -> Result<(), Error> {
    let needed = TWINS_MAX as u64 + OTHER_DESCRIPTORS;
    let failed = |limit| move |errno| Error::Descriptors { limit, errno };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed(0))?;
    if soft >= needed {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).map_err(failed(soft))
}
