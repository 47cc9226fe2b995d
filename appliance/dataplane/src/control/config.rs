//! The configuration: interfaces keep their index for the life of the process, addresses become local routes, protected sets become
//! tunnel routes.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ravelin_ctl::plane::{MssClamp, PlaneConfig, UnitConfig};
use ravelin_types::{Generation, Prefix, UnitName, VrfId};
use ravelin_wire::ethernet::{Mac, Tags};
use thiserror::Error;

use super::Controller;
use super::routes::RouteBook;
use crate::platform::Platform;
use crate::tables::{
    Config, IfIndex, Interface, InterfaceKind, MAX_INTERFACES, MAX_PORTS, MAX_VRFS, PortIndex,
    PortTable, Vrf,
};

/// A configuration that the data plane cannot run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The port was not opened, so its MAC is not known.
    #[error("port {0} is not open")]
    PortMissing(String),
    /// Two units of a port carry the same tag.
    #[error("units {0} and {1} carry the same VLAN tags")]
    TagTwice(UnitName, UnitName),
    /// A name appears twice.
    #[error("interface {0} appears twice")]
    NameTwice(UnitName),
    /// More than the tables hold.
    #[error("more than {MAX_INTERFACES} interfaces")]
    TooManyInterfaces,
    /// More than the tables hold.
    #[error("more than {MAX_PORTS} ports")]
    TooManyPorts,
    /// An instance beyond the table.
    #[error("routing instance {0} of {1} is beyond {MAX_VRFS}")]
    VrfRange(u16, UnitName),
}

/// A configuration that was checked and can be applied without failing.
#[derive(Clone, Debug)]
pub struct PreparedConfig {
    generation: Generation,
    interfaces: Vec<Interface>,
    ports: Vec<String>,
    ike_addresses: Vec<(VrfId, IpAddr)>,
    tcp_mss: Option<MssClamp>,
}

impl<P: Platform> Controller<P> {
    /// Checks a configuration against the ports that are open, with their MAC addresses.
    ///
    /// # Errors
    /// Names the statement's object.
    pub fn prepare_config(
        &self,
        generation: Generation,
        config: &PlaneConfig,
        macs: &HashMap<String, Mac>,
    ) -> Result<PreparedConfig, ConfigError> {
        let mut ports = self.port_names.clone();
        let mut interfaces = Vec::new();
        for port in &config.ports {
            let mac = *macs
                .get(&port.name)
                .ok_or_else(|| ConfigError::PortMissing(port.name.clone()))?;
            let index = ports
                .iter()
                .position(|name| *name == port.name)
                .unwrap_or_else(|| {
                    ports.push(port.name.clone());
                    ports.len() - 1
                });
            let port_index =
                PortIndex(u16::try_from(index).map_err(|_| ConfigError::TooManyPorts)?);
            for (at, unit) in port.units.iter().enumerate() {
                if let Some(other) = port.units[..at]
                    .iter()
                    .find(|other| (other.vlan, other.inner_vlan) == (unit.vlan, unit.inner_vlan))
                {
                    return Err(ConfigError::TagTwice(other.name.clone(), unit.name.clone()));
                }
                interfaces.push(unit_interface(unit, port_index, mac, port.mtu_octets));
            }
        }
        for tunnel in &config.tunnels {
            interfaces.push(Interface {
                name: UnitName::new("st0", tunnel.unit),
                kind: InterfaceKind::Tunnel,
                vrf: tunnel.vrf,
                mtu_octets: tunnel.mtu_octets,
                addresses: tunnel.addresses.clone(),
                protected: tunnel.protected.clone(),
            });
        }
        if ports.len() > MAX_PORTS {
            return Err(ConfigError::TooManyPorts);
        }
        let mut names = BTreeSet::new();
        for interface in &interfaces {
            if !names.insert(&interface.name) {
                return Err(ConfigError::NameTwice(interface.name.clone()));
            }
            if usize::from(interface.vrf.0) >= MAX_VRFS {
                return Err(ConfigError::VrfRange(
                    interface.vrf.0,
                    interface.name.clone(),
                ));
            }
        }
        let new = names
            .iter()
            .filter(|name| !self.names.contains_key(**name))
            .count();
        if self.names.len() + new + 1 > MAX_INTERFACES {
            return Err(ConfigError::TooManyInterfaces);
        }
        Ok(PreparedConfig {
            generation,
            interfaces,
            ports,
            ike_addresses: config.ike_addresses.clone(),
            tcp_mss: config.tcp_mss,
        })
    }

    /// Applies what was prepared; the caller publishes.
    pub fn apply_config(&mut self, prepared: PreparedConfig) {
        let old = Arc::clone(&self.working.config);
        for interface in old.interfaces.iter().flatten() {
            self.withdraw(interface);
        }
        for (vrf, address) in &old.ike_addresses {
            self.local_address(*vrf, *address, false);
        }
        self.port_names = prepared.ports;
        let mut config = Config {
            generation: prepared.generation,
            interfaces: vec![None; old.interfaces.len().max(1)],
            ports: self
                .port_names
                .iter()
                .map(|name| PortTable {
                    name: name.clone(),
                    units: Vec::new(),
                })
                .collect(),
            ike_addresses: prepared.ike_addresses,
            tcp_mss: prepared.tcp_mss,
        };
        for interface in prepared.interfaces {
            let next = IfIndex(self.names.len() as u16 + 1);
            let index = *self.names.entry(interface.name.clone()).or_insert(next);
            let at = usize::from(index.0);
            if config.interfaces.len() <= at {
                config.interfaces.resize(at + 1, None);
            }
            if let InterfaceKind::Unit { port, tags, .. } = interface.kind
                && let Some(table) = config.ports.get_mut(usize::from(port.0))
            {
                table.units.push((tags, index));
                table
                    .units
                    .sort_by_key(|(tags, _)| (tags.outer, tags.inner));
            }
            config.interfaces[at] = Some(interface);
        }
        self.working.config = Arc::new(config);
        let new = Arc::clone(&self.working.config);
        for (at, gone) in (0..).zip(&old.interfaces) {
            let stays = |now: &Interface, was: &Interface| now.vrf == was.vrf;
            if let Some(was) = gone
                && !new
                    .interface(IfIndex(at))
                    .is_some_and(|now| stays(now, was))
            {
                self.forget_neighbours(IfIndex(at), was.vrf);
            }
        }
        for (at, interface) in new.interfaces.iter().enumerate() {
            if let Some(interface) = interface {
                self.announce(IfIndex(at as u16), interface);
            }
        }
        for (vrf, address) in &new.ike_addresses {
            self.local_address(*vrf, *address, true);
        }
        self.dirty = true;
    }

    fn withdraw(&mut self, interface: &Interface) {
        for (address, _) in &interface.addresses {
            self.local_address(interface.vrf, *address, false);
        }
        if let Some(index) = self.names.get(&interface.name).copied() {
            self.protect(interface.vrf, index, &interface.protected, false);
        }
    }

    fn announce(&mut self, index: IfIndex, interface: &Interface) {
        for (address, _) in &interface.addresses {
            self.local_address(interface.vrf, *address, true);
        }
        self.protect(interface.vrf, index, &interface.protected, true);
    }

    /// The book and the published table of an instance, made when first used.
    pub(super) fn book(&mut self, vrf: VrfId) -> Option<(&mut RouteBook, &mut Vrf)> {
        let at = usize::from(vrf.0);
        if at >= MAX_VRFS {
            return None;
        }
        if self.working.vrfs.len() <= at {
            self.working.vrfs.resize(at + 1, Vrf::default());
        }
        self.dirty = true;
        Some((
            self.books.entry(vrf).or_default(),
            self.working.vrfs.get_mut(at)?,
        ))
    }

    /// Adds or removes one of our addresses. Counted: the configuration and the kernel may both name it.
    pub fn local_address(&mut self, vrf: VrfId, address: IpAddr, present: bool) {
        if let Some((book, table)) = self.book(vrf) {
            book.local(table, Prefix::host(address), present);
        }
    }

    fn protect(&mut self, vrf: VrfId, tunnel: IfIndex, prefixes: &[Prefix], present: bool) {
        if let Some((book, table)) = self.book(vrf) {
            for prefix in prefixes {
                book.protected(table, *prefix, tunnel, present);
            }
        }
    }
}

fn unit_interface(unit: &UnitConfig, port: PortIndex, mac: Mac, mtu_octets: u16) -> Interface {
    Interface {
        name: unit.name.clone(),
        kind: InterfaceKind::Unit {
            port,
            tags: Tags {
                outer: unit.vlan.unwrap_or(0),
                inner: unit.inner_vlan.unwrap_or(0),
            },
            mac,
        },
        vrf: unit.vrf,
        mtu_octets,
        addresses: unit.addresses.clone(),
        protected: Vec::new(),
    }
}
