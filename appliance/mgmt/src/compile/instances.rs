//! Virtual routers: which units are in which, and what the processes call them.

use super::CompileError;
use crate::instances::VrfIds;
use ravelin_config::Config;
use ravelin_config::typed::{RouteHop, RoutingInstance as Stated, StaticRoute};
use ravelin_ctl::instance::RoutingInstance;
use ravelin_routing::table_of;
use ravelin_types::{MAX_INSTANCES, UnitName, VrfId, instance_device};
use std::collections::{HashMap, HashSet};

/// Names that the kernel, FRR or we have for something else.
const RESERVED: &[&str] = &[
    "all", "default", "local", "main", "master", "mgmt", "unspec",
];
/// How the kernel's names of units and of the management interface begin; only digits and `-` follow.
const UNIT_PREFIXES: &[&str] = &["ge-", "xe-", "et-", "st", "fxp", "lo"];

/// The virtual routers of a configuration.
#[derive(Debug, Default)]
pub(super) struct Instances {
    /// They, in the order of their names.
    pub list: Vec<RoutingInstance>,
    /// Their numbers.
    pub ids: VrfIds,
    units: HashMap<UnitName, VrfId>,
}

impl Instances {
    /// The instance of a unit.
    pub fn vrf(&self, unit: &UnitName) -> VrfId {
        self.units.get(unit).copied().unwrap_or_default()
    }

    /// An instance by its number; none for the default one.
    pub fn get(&self, vrf: VrfId) -> Option<&RoutingInstance> {
        self.list.iter().find(|instance| instance.vrf == vrf)
    }

    /// All static routes, each with the instance it is in.
    pub fn static_routes<'a>(
        &'a self,
        config: &'a Config,
    ) -> impl Iterator<Item = (VrfId, &'a StaticRoute)> {
        let own = config.routing_instances().flat_map(|stated| {
            let vrf = self.ids.get(&stated.name).unwrap_or_default();
            stated.static_routes().map(move |route| (vrf, route))
        });
        let default = config.static_routes();
        default.map(|route| (VrfId::DEFAULT, route)).chain(own)
    }

    /// What an instance is called in messages.
    fn called(&self, vrf: VrfId) -> String {
        match self.get(vrf) {
            Some(instance) => format!("routing instance `{}`", instance.name),
            None => "the default routing instance".to_owned(),
        }
    }
}

/// Compiles them, with the numbers of `known` where it has some.
pub(super) fn compile(
    config: &Config,
    known: &VrfIds,
    errors: &mut Vec<CompileError>,
) -> Instances {
    let names = config
        .routing_instances()
        .map(|stated| stated.name.as_str());
    let names: Vec<&str> = names.collect();
    let mut made = Instances {
        ids: known.renew(&names),
        ..Instances::default()
    };
    let interfaces = config.interfaces().iter();
    let units: HashSet<UnitName> = interfaces
        .flat_map(|interface| interface.unit.iter().map(|unit| interface.unit_name(unit)))
        .collect();
    for stated in config.routing_instances() {
        let path = format!("routing-instances {}", stated.name);
        let mut wrong = |path: String, message: String| errors.push(CompileError { path, message });
        if is_reserved(&stated.name) {
            wrong(path, format!("`{}` is a reserved name", stated.name));
            continue;
        }
        let Some(vrf) = made.ids.get(&stated.name) else {
            let message = format!(
                "there are {MAX_INSTANCES} routing instances at most, those that a commit removes included"
            );
            wrong(path, message);
            continue;
        };
        made.list.push(RoutingInstance {
            vrf,
            name: stated.name.clone(),
            device: instance_device(&stated.name),
            table: table_of(vrf),
        });
        for unit in &stated.interface {
            let path = format!("{path} interface {unit}");
            if !units.contains(unit) {
                wrong(path, "no such unit under `interfaces`".to_owned());
            } else if let Some(other) = made.units.insert(unit.clone(), vrf) {
                let other = made.called(other);
                wrong(path, format!("`{unit}` is also in {other}"));
            }
        }
    }
    for stated in config.routing_instances() {
        foreign_hops(&made, Some(stated), stated.static_routes(), errors);
    }
    foreign_hops(&made, None, config.static_routes(), errors);
    made
}

/// A route leads into tunnels of its own instance only.
fn foreign_hops<'a>(
    made: &Instances,
    stated: Option<&Stated>,
    routes: impl Iterator<Item = &'a StaticRoute>,
    errors: &mut Vec<CompileError>,
) {
    let name = stated.map(|stated| stated.name.as_str());
    let vrf = name.map_or(Some(VrfId::DEFAULT), |name| made.ids.get(name));
    for route in routes {
        for hop in &route.next_hop {
            let RouteHop::Tunnel(unit) = hop else {
                continue;
            };
            if Some(made.vrf(unit)) != vrf {
                errors.push(CompileError {
                    path: route_path(name, route),
                    message: format!("`{unit}` is in {}", made.called(made.vrf(unit))),
                });
            }
        }
    }
}

/// The statement path of a static route.
pub(super) fn route_path(instance: Option<&str>, route: &StaticRoute) -> String {
    let rib = match (instance, route.prefix.addr().is_ipv6()) {
        (_, false) => String::new(),
        (None, true) => "rib inet6.0 ".to_owned(),
        (Some(name), true) => format!("rib {name}.inet6.0 "),
    };
    let within = instance.map_or(String::new(), |name| format!("routing-instances {name} "));
    let prefix = route.prefix;
    format!("{within}routing-options {rib}static route {prefix}")
}

fn is_reserved(name: &str) -> bool {
    let of_unit = |prefix: &&str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '-'))
    };
    RESERVED.contains(&name) || UNIT_PREFIXES.iter().any(of_unit)
}

#[cfg(test)]
mod tests;
