//! What operators ask of planed: interfaces, routes, discards, sums over all SAs.

use std::collections::BTreeMap;

use ravelin_ctl::instance::RoutingInstance;
use ravelin_ctl::operator::{
    DaemonQuery, DaemonReply, Drop, Interface, IpsecStatistics, MAX_SHOWN_ROUTES, NextHop, Route,
    RouteList, TableSummary,
};
use ravelin_ctl::plane::UnitConfig;
use ravelin_ctl::sa::PairCounters;
use ravelin_dataplane::DropReason;
use ravelin_dataplane::counters::WorkerCounters;
use ravelin_dataplane::tables::{IfIndex, InterfaceKind};
use ravelin_platform::clock::now;
use ravelin_routing::mirror::Route as KernelRoute;
use ravelin_routing::{RTPROT_KERNEL, RTPROT_STATIC, RouteTarget, vrf_of_table};
use ravelin_types::{Prefix, Time, UnitName, VrfId};

use super::Control;
use crate::nic::ports::{OpenPort, device_text};

/// Junos preferences of protocols by the kernel's number: name and preference.
const PROTOCOLS: &[(u8, &str, u32)] = &[
    (RTPROT_STATIC, "static", 5),
    (196, "static", 5),
    (186, "bgp", 170),
    (187, "isis", 15),
    (188, "ospf", 10),
    (189, "rip", 100),
];
/// Of routes that somebody else installed.
const KERNEL_PREFERENCE: u32 = 40;
/// Of traffic-selector routes.
const ARI_PREFERENCE: u32 = 5;

impl Control {
    /// The answer, or `None` to a question for another daemon.
    pub(super) fn answer(&mut self, query: &DaemonQuery) -> Option<DaemonReply> {
        Some(match query {
            DaemonQuery::Interfaces => DaemonReply::Interfaces(self.interfaces()),
            DaemonQuery::Routes => DaemonReply::Routes(self.routes()),
            DaemonQuery::RouteSummary => DaemonReply::RouteSummary(self.route_summary()),
            DaemonQuery::Drops => DaemonReply::Drops(self.drops(|_| true)),
            DaemonQuery::HighAvailability => {
                DaemonReply::HighAvailability(self.high_availability())
            }
            DaemonQuery::IpsecStatistics => DaemonReply::IpsecStatistics(self.ipsec_statistics()),
            DaemonQuery::Capture(order) => self.capture(order),
            DaemonQuery::Flight(order) => self.flight(*order),
            DaemonQuery::Buffers => DaemonReply::Buffers(self.buffers()),
            DaemonQuery::Cpu => DaemonReply::Cpu(self.worker_cpus()),
            DaemonQuery::Acceleration => DaemonReply::Acceleration(self.acceleration()),
            _ => return None,
        })
    }

    /// Counters of the workers and of the host path.
    fn counters(&self) -> impl Iterator<Item = &WorkerCounters> {
        let host = std::iter::once(self.parts.punt.counters.as_ref());
        self.parts.controller.workers().chain(host)
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters().map(|counters| counters.drops(reason)).sum()
    }

    fn drops(&self, which: impl Fn(DropReason) -> bool) -> Vec<Drop> {
        DropReason::ALL
            .iter()
            .filter(|reason| which(**reason))
            .map(|reason| Drop {
                reason: reason.name().to_owned(),
                meaning: reason.meaning().to_owned(),
                packets: self.dropped(*reason),
            })
            .filter(|row| row.packets > 0)
            .collect()
    }

    /// Sums since the start: those of the tunnels, which outlive their SAs.
    fn ipsec_statistics(&self) -> IpsecStatistics {
        let mut total = PairCounters::default();
        let tables = self.parts.controller.tables();
        for (at, interface) in (0..).zip(&tables.config.interfaces) {
            let tunnel = interface
                .as_ref()
                .is_some_and(|interface| interface.kind == InterfaceKind::Tunnel);
            if !tunnel {
                continue;
            }
            for counters in self.parts.controller.workers() {
                let counters = counters.interface(IfIndex(at));
                total.out_packets += counters.out_packets.get();
                total.out_octets += counters.out_octets.get();
                total.in_packets += counters.in_packets.get();
                total.in_octets += counters.in_octets.get();
            }
        }
        total.replay_drops =
            self.dropped(DropReason::ReplayOld) + self.dropped(DropReason::ReplayDuplicate);
        total.auth_drops = self.dropped(DropReason::AuthFailed);
        total.selector_drops = self.dropped(DropReason::SelectorMismatch);
        IpsecStatistics {
            total,
            pairs: self.parts.controller.list().len() as u64,
            drops: self.drops(DropReason::is_esp),
        }
    }

    fn interfaces(&self) -> Vec<Interface> {
        let mut rows = Vec::new();
        let running = &self.configuration.running;
        for config in &running.ports {
            let Some(open) = self.parts.ports.get(&config.name) else {
                continue;
            };
            rows.push(port_row(&config.name, open));
            for unit in &config.units {
                rows.push(self.unit_row(unit, open));
            }
        }
        for tunnel in &running.tunnels {
            let name = UnitName::new("st0", tunnel.unit);
            let mut row = self.row(&name, tunnel.vrf);
            row.link_up = true;
            row.mtu_octets = tunnel.mtu_octets.into();
            row.addresses.clone_from(&tunnel.addresses);
            rows.push(row);
        }
        rows
    }

    fn unit_row(&self, unit: &UnitConfig, open: &OpenPort) -> Interface {
        let mut row = self.row(&unit.name, unit.vrf);
        row.link_up = open.link_up;
        row.mac = Some(open.mac);
        row.mtu_octets = open.mtu_octets.into();
        row.addresses.clone_from(&unit.addresses);
        row
    }

    /// A unit's row with its counters.
    fn row(&self, name: &UnitName, vrf: VrfId) -> Interface {
        let mut row = empty(name.to_string());
        row.instance = instance_name(&self.configuration.running.instances, vrf).map(str::to_owned);
        let Some(index) = self.parts.controller.index_of(name) else {
            return row;
        };
        for counters in self.counters() {
            let counters = counters.interface(index);
            row.in_packets += counters.in_packets.get();
            row.in_octets += counters.in_octets.get();
            row.out_packets += counters.out_packets.get();
            row.out_octets += counters.out_octets.get();
            row.errors += counters.errors.get();
        }
        row
    }

    fn routes(&self) -> RouteList {
        let now = now();
        // The first by prefix, without a row for each of a million.
        let mut first: BTreeMap<(bool, Prefix, u32), KernelRoute> = BTreeMap::new();
        let mut left_out = 0;
        let shown = |route: &KernelRoute| self.is_shown(route);
        for route in self.kernel.mirror().routes().filter(shown) {
            let key = (route.prefix.addr().is_ipv6(), route.prefix, route.table);
            first.insert(key, route);
            if first.len() > MAX_SHOWN_ROUTES {
                first.pop_last();
                left_out += 1;
            }
        }
        let row = |route: &KernelRoute| self.kernel_row(route, now);
        let mut rows: Vec<Route> = first.values().filter_map(row).collect();
        for ((vrf, prefix, tunnel), route) in self.selector_routes.iter() {
            rows.push(Route {
                table: self.table_name(*vrf, prefix),
                prefix: *prefix,
                protocol: "ari-ts".to_owned(),
                preference: ARI_PREFERENCE,
                metric: 0,
                age_s: now.since(route.since).as_secs(),
                active: true,
                next_hops: vec![NextHop::Unit {
                    gateway: None,
                    unit: UnitName::new("st0", *tunnel),
                }],
            });
        }
        rows.sort_by(|a, b| {
            (&a.table, a.prefix, a.preference).cmp(&(&b.table, b.prefix, b.preference))
        });
        left_out += rows.len().saturating_sub(MAX_SHOWN_ROUTES) as u64;
        rows.truncate(MAX_SHOWN_ROUTES);
        RouteList {
            routes: rows,
            left_out,
        }
    }

    fn table_name(&self, vrf: VrfId, prefix: &Prefix) -> String {
        table_name(&self.configuration.running.instances, vrf, prefix)
    }

    /// Routes by table and protocol.
    fn route_summary(&self) -> Vec<TableSummary> {
        let mut tables: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        let mut count = |vrf: VrfId, prefix: &Prefix, protocol: String| {
            let table = tables.entry(self.table_name(vrf, prefix)).or_default();
            *table.entry(protocol).or_default() += 1;
        };
        let shown = |route: &KernelRoute| self.is_shown(route);
        for route in self.kernel.mirror().routes().filter(shown) {
            if let Some(vrf) = vrf_of_table(route.table) {
                count(vrf, &route.prefix, protocol(&route).0);
            }
        }
        for ((vrf, prefix, _), _) in self.selector_routes.iter() {
            count(*vrf, prefix, "ari-ts".to_owned());
        }
        let summary = |(table, protocols): (String, BTreeMap<String, u64>)| TableSummary {
            table,
            protocols: protocols.into_iter().collect(),
        };
        tables.into_iter().map(summary).collect()
    }

    /// Whether a route is the gateway's, by a device that is ours, and not one that the kernel needs for itself.
    fn is_shown(&self, route: &KernelRoute) -> bool {
        let view = self.kernel.view();
        let ours = match &route.target {
            RouteTarget::Forward(hops) => hops.iter().any(|hop| view.unit(hop.ifindex).is_some()),
            _ => true,
        };
        ours && !is_internal(route)
    }

    fn kernel_row(&self, route: &KernelRoute, now: Time) -> Option<Route> {
        let view = self.kernel.view();
        let vrf = vrf_of_table(route.table)?;
        let next_hops = match &route.target {
            RouteTarget::Local { .. } | RouteTarget::Broadcast { .. } => vec![NextHop::Local],
            RouteTarget::Blackhole => vec![NextHop::Discard],
            RouteTarget::Unreachable | RouteTarget::Prohibit => vec![NextHop::Reject],
            RouteTarget::Forward(hops) => {
                let hops = hops.iter().filter_map(|hop| {
                    let unit = view.unit(hop.ifindex)?.name.clone();
                    Some(NextHop::Unit {
                        gateway: hop.gateway,
                        unit,
                    })
                });
                hops.collect()
            }
        };
        let (protocol, preference) = protocol(route);
        let appeared = view.appeared(route.table, route.prefix).unwrap_or(now);
        Some(Route {
            table: self.table_name(vrf, &route.prefix),
            prefix: route.prefix,
            protocol,
            preference,
            metric: route.metric,
            age_s: now.since(appeared).as_secs(),
            active: true,
            next_hops,
        })
    }
}

/// Routes that the kernel needs for itself and no operator looks for.
fn is_internal(route: &KernelRoute) -> bool {
    matches!(route.target, RouteTarget::Broadcast { .. }) || route.prefix.addr().is_loopback()
}

fn protocol(route: &KernelRoute) -> (String, u32) {
    match &route.target {
        RouteTarget::Local { .. } | RouteTarget::Broadcast { .. } => ("local".to_owned(), 0),
        _ if route.protocol == RTPROT_KERNEL => ("direct".to_owned(), 0),
        _ => {
            let known = PROTOCOLS
                .iter()
                .find(|(number, ..)| *number == route.protocol);
            match known {
                Some((_, name, preference)) => ((*name).to_owned(), *preference),
                None => ("kernel".to_owned(), KERNEL_PREFERENCE),
            }
        }
    }
}

/// `inet.0`, `inet6.0`, `NAME.inet.0`; an instance that the configuration does not have any more has its number.
fn table_name(instances: &[RoutingInstance], vrf: VrfId, prefix: &Prefix) -> String {
    let family = if prefix.addr().is_ipv4() {
        "inet.0"
    } else {
        "inet6.0"
    };
    match instance_name(instances, vrf) {
        Some(name) => format!("{name}.{family}"),
        None if vrf == VrfId::DEFAULT => family.to_owned(),
        None => format!("{}.{family}", vrf.0),
    }
}

fn instance_name(instances: &[RoutingInstance], vrf: VrfId) -> Option<&str> {
    let found = instances.iter().find(|instance| instance.vrf == vrf);
    found.map(|instance| instance.name.as_str())
}

fn port_row(name: &str, open: &OpenPort) -> Interface {
    let stats = open.stats();
    let mut row = empty(name.to_owned());
    row.link_up = open.link_up;
    row.mac = Some(open.mac);
    row.mtu_octets = open.mtu_octets.into();
    row.device = Some(device_text(&open.device).to_owned());
    row.in_packets = stats.rx_packets;
    row.in_octets = stats.rx_octets;
    row.out_packets = stats.tx_packets;
    row.out_octets = stats.tx_octets;
    row.errors = stats.rx_missed + stats.rx_errors + stats.tx_errors + stats.rx_no_buffer;
    row
}

fn empty(name: String) -> Interface {
    Interface {
        name,
        admin_up: true,
        link_up: false,
        mac: None,
        mtu_octets: 0,
        device: None,
        instance: None,
        addresses: Vec::new(),
        in_packets: 0,
        in_octets: 0,
        out_packets: 0,
        out_octets: 0,
        errors: 0,
    }
}

#[cfg(test)]
mod tests;
