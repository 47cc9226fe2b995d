//! planed's part and the kernel's: ports, tunnels, addresses, static routes.

use super::CompileError;
use super::instances::{Instances, route_path};
use crate::kernel::{DevicePlan, KernelPlan};
use ravelin_config::Config;
use ravelin_config::typed::{Interface, RouteHop, Unit};
use ravelin_ctl::acceleration::CryptoDevice;
use ravelin_ctl::host::DriverWish;
use ravelin_ctl::ike::IkeConfig;
use ravelin_ctl::plane::{Device, MssClamp, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_routing::{Hop, InterfaceAddress, StaticRoute, StaticTarget, table_of};
use ravelin_types::{Prefix, UnitName, VrfId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Inner MTU of a tunnel that states none: fits 1,500 octets with the largest overhead, IPv6 and UDP outside.
const DEFAULT_TUNNEL_MTU_OCTETS: u16 = 1400;
/// MTU of a port; the model's default always fills it in.
const DEFAULT_PORT_MTU_OCTETS: u16 = 1500;
/// Junos preference of static routes, as the kernel's metric.
const STATIC_PREFERENCE: u32 = 5;

pub(super) fn compile(
    config: &Config,
    instances: &Instances,
    ike: &IkeConfig,
    errors: &mut Vec<CompileError>,
    warnings: &mut Vec<String>,
) -> PlaneConfig {
    let mut plane = PlaneConfig {
        instances: instances.list.clone(),
        ..PlaneConfig::default()
    };
    let mut devices = HashMap::new();
    for interface in config.interfaces() {
        if let Some(device) = &interface.device {
            if let Some(other) = devices.insert(device.clone(), interface.name.clone()) {
                errors.push(CompileError {
                    path: format!("interfaces {} device", interface.name),
                    message: format!("`{other}` has the same device"),
                });
            }
            let port = Unplaced::new(interface, instances);
            plane.ports.push(port.at(parse_device(device)));
        } else if interface.name == "st0" {
            for unit in &interface.unit {
                let tunnel = tunnel(config, instances, interface, unit);
                if tunnel.protected.is_empty() {
                    warnings.push(format!(
                        "[interfaces st0 unit {}] no `protected-prefix`: traffic to peers of this tunnel that are not \
                         connected follows other routes, in clear",
                        unit.number
                    ));
                }
                plane.tunnels.push(tunnel);
            }
        }
    }
    same_addresses(config, instances, errors);
    for gateway in &ike.gateways {
        for address in &gateway.local_addresses {
            let entry = (gateway.vrf, *address);
            if !plane.ike_addresses.contains(&entry) {
                plane.ike_addresses.push(entry);
            }
        }
    }
    let clamp = &config.security.flow.tcp_mss.ipsec_vpn;
    plane.tcp_mss = clamp
        .as_ref()
        .map(|clamp| clamp.mss.map_or(MssClamp::Tunnel, MssClamp::Octets));
    let devices = config.security.ipsec.acceleration.device.iter();
    plane.acceleration = devices
        .map(|device| CryptoDevice {
            name: device.name.clone(),
            arguments: device.arguments.clone(),
        })
        .collect();
    plane
}

/// One address on two units of a routing instance is ambiguous.
fn same_addresses(config: &Config, instances: &Instances, errors: &mut Vec<CompileError>) {
    let mut seen: HashMap<(VrfId, IpAddr), UnitName> = HashMap::new();
    for interface in config.interfaces() {
        for unit in &interface.unit {
            let name = interface.unit_name(unit);
            for address in unit.addresses() {
                let key = (instances.vrf(&name), address.address);
                if let Some(other) = seen.insert(key, name.clone()) {
                    errors.push(CompileError {
                        path: format!("interfaces {} unit {}", interface.name, unit.number),
                        message: format!("`{address}` is also an address of `{other}`"),
                    });
                }
            }
        }
    }
}

/// A port whose device the configuration leaves to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    name: String,
    mtu_octets: u16,
    units: Vec<UnitConfig>,
}

impl Unplaced {
    fn new(interface: &Interface, instances: &Instances) -> Self {
        let unit = |unit: &Unit| UnitConfig {
            name: interface.unit_name(unit),
            vlan: unit.vlan_id.or(unit.vlan_tags.map(|tags| tags.outer)),
            inner_vlan: unit.vlan_tags.map(|tags| tags.inner),
            vrf: instances.vrf(&interface.unit_name(unit)),
            addresses: addresses(unit),
        };
        Self {
            name: interface.name.clone(),
            mtu_octets: interface.mtu.unwrap_or(DEFAULT_PORT_MTU_OCTETS),
            units: interface.unit.iter().map(unit).collect(),
        }
    }

    /// The port's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port at its device.
    pub fn at(self, device: Device) -> PortConfig {
        PortConfig {
            name: self.name,
            device,
            mtu_octets: self.mtu_octets,
            units: self.units,
        }
    }
}

/// All such ports.
pub(super) fn unplaced(config: &Config, instances: &Instances) -> Vec<Unplaced> {
    let ports = config.interfaces().iter();
    let ports = ports.filter(|i| is_port(&i.name) && i.device.is_none());
    ports.map(|port| Unplaced::new(port, instances)).collect()
}

/// Drivers that the operator chose.
pub(super) fn drivers(config: &Config) -> BTreeMap<String, DriverWish> {
    let wish = |i: &Interface| Some((i.name.clone(), DriverWish::from_name(i.driver.as_deref()?)?));
    config.interfaces().iter().filter_map(wish).collect()
}

/// Whether an interface is a port of the data plane.
pub(super) fn is_port(name: &str) -> bool {
    name.contains('/')
}

fn addresses(unit: &Unit) -> Vec<(IpAddr, u8)> {
    unit.addresses().map(|a| (a.address, a.length)).collect()
}

/// A PCI address (`0000:00:04.0`, or without its domain), or else a virtual device.
fn parse_device(text: &str) -> Device {
    let parts: Vec<&str> = text.split([':', '.']).collect();
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.chars().all(|c| c.is_ascii_hexdigit())
    };
    match parts.as_slice() {
        [domain, bus, slot, function]
            if hex(domain, 4) && hex(bus, 2) && hex(slot, 2) && hex(function, 1) =>
        {
            Device::Pci(text.to_ascii_lowercase())
        }
        [bus, slot, function] if hex(bus, 2) && hex(slot, 2) && hex(function, 1) => {
            Device::Pci(format!("0000:{}", text.to_ascii_lowercase()))
        }
        _ => Device::Vdev(text.to_owned()),
    }
}

fn tunnel(
    config: &Config,
    instances: &Instances,
    interface: &Interface,
    unit: &Unit,
) -> TunnelConfig {
    let name = interface.unit_name(unit);
    TunnelConfig {
        unit: unit.number,
        vrf: instances.vrf(&name),
        mtu_octets: unit.mtu().unwrap_or(DEFAULT_TUNNEL_MTU_OCTETS),
        addresses: addresses(unit),
        protected: protected(config, instances, &name, unit),
    }
}

/// What only peers of a tunnel own: what the operator says, where static routes lead into it, and selectors that are not
/// everything.
fn protected(config: &Config, instances: &Instances, name: &UnitName, unit: &Unit) -> Vec<Prefix> {
    let routes = instances.static_routes(config).map(|(_, route)| route);
    let routes = routes.filter(|route| {
        let mut hops = route.next_hop.iter();
        hops.any(|hop| matches!(hop, RouteHop::Tunnel(tunnel) if tunnel == name))
    });
    let vpns = config.security.ipsec.vpn.iter();
    let selectors = vpns
        .filter(|vpn| vpn.bind_interface == *name)
        .flat_map(|vpn| vpn.traffic_selector.iter().map(|ts| ts.remote_ip));
    let clients = config.access.profile.iter().flat_map(|p| &p.client);
    let clients = clients.filter(|client| client.ike.interface_id == *name);
    let selectors = selectors.chain(
        clients.flat_map(|client| client.ike.traffic_selector.iter().map(|ts| ts.remote_ip)),
    );
    let stated = unit.protected_prefix.iter().copied();
    let all = stated.chain(routes.map(|r| r.prefix)).chain(selectors);
    let mut all: Vec<Prefix> = all.filter(|p| !p.is_default()).collect();
    all.sort();
    all.dedup();
    all
}

pub(super) fn kernel_plan(
    config: &Config,
    instances: &Instances,
    warnings: &mut Vec<String>,
) -> KernelPlan {
    let mut devices: BTreeMap<String, DevicePlan> = BTreeMap::new();
    devices.insert("lo".to_owned(), DevicePlan::default());
    for instance in &instances.list {
        devices.insert(instance.device.clone(), DevicePlan::default());
    }
    // The management interface is the host side's.
    let ours = config.interfaces().iter();
    for interface in ours.filter(|i| i.name != super::host::MANAGEMENT) {
        for unit in &interface.unit {
            let name = interface.unit_name(unit);
            let instance = instances.get(instances.vrf(&name));
            let (device, vrf) = match instance {
                // There is one `lo`; what belongs to an instance alone is on its VRF device.
                Some(instance) if name.is_loopback() => (instance.device.clone(), None),
                instance => (name.kernel(), instance.map(|i| i.device.clone())),
            };
            let of_unit = unit.addresses().map(|a| InterfaceAddress {
                address: a.address,
                prefix_len: a.length,
            });
            let plan = devices.entry(device).or_default();
            plan.vrf = vrf;
            plan.addresses.extend(of_unit);
        }
    }
    let networks = networks(config, instances);
    let routes = instances.static_routes(config);
    let routes = routes.filter_map(|(vrf, route)| {
        Some(StaticRoute {
            table: table_of(vrf),
            prefix: route.prefix,
            target: if route.discard {
                StaticTarget::Discard
            } else {
                let hops = route.next_hop.iter().map(|to| hop(vrf, to, &networks));
                let hops: Vec<Hop> = hops.collect::<Option<_>>().or_else(|| {
                    let name = instances.get(vrf).map(|instance| instance.name.as_str());
                    warnings.push(format!(
                        "[{}] a next hop is on no network of the instance: the route is left out",
                        route_path(name, route)
                    ));
                    None
                })?;
                StaticTarget::Via(hops)
            },
            metric: STATIC_PREFERENCE,
        })
    });
    let mut routes: Vec<StaticRoute> = routes.collect();
    let tables = instances.list.iter().map(|instance| instance.table);
    routes.extend(tables.flat_map(StaticRoute::end_of));
    KernelPlan {
        instances: instances.list.clone(),
        routes,
        devices,
    }
}

/// The networks of the units of routing instances, with the kernel's names of the units.
fn networks(config: &Config, instances: &Instances) -> Vec<(VrfId, Prefix, String)> {
    let mut networks = Vec::new();
    for interface in config.interfaces() {
        for unit in &interface.unit {
            let name = interface.unit_name(unit);
            let vrf = instances.vrf(&name);
            if vrf != VrfId::DEFAULT && !name.is_loopback() {
                let own = unit
                    .addresses()
                    .filter_map(|a| Prefix::new(a.address, a.length));
                networks.extend(own.map(|prefix| (vrf, prefix, name.kernel())));
            }
        }
    }
    networks
}

/// A next hop for the kernel. It would look for one in the main table when the instance's does not know it, so that of an instance
/// comes with its device; none when the instance has no such network.
fn hop(vrf: VrfId, to: &RouteHop, networks: &[(VrfId, Prefix, String)]) -> Option<Hop> {
    Some(match to {
        RouteHop::Address(gateway) => {
            let on = |(of, prefix, _): &&(VrfId, Prefix, String)| {
                *of == vrf && prefix.contains(*gateway)
            };
            let device = networks.iter().find(on).map(|(.., device)| device.clone());
            if vrf != VrfId::DEFAULT && device.is_none() {
                return None;
            }
            Hop {
                gateway: Some(*gateway),
                device,
            }
        }
        RouteHop::Tunnel(unit) => Hop {
            gateway: None,
            device: Some(unit.kernel()),
        },
    })
}
