//! Static routes: protocol `static` in the kernel.

use super::link::{device_names, index_of};
use super::{Kernel, Reconciled};
use crate::netlink::{Requester, RtMessage};
use crate::record::{NextHop, RouteRecord, RouteTarget};
use crate::{RTPROT_STATIC, RoutingError, vrf_of_table};
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::route::{RouteHeader, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use ravelin_types::Prefix;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// A next hop as the configuration names it: a gateway, a device, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hop {
    /// The neighbour; `None` for a route out of a device.
    pub gateway: Option<IpAddr>,
    /// The kernel's device name; `None` lets the kernel find it by the gateway.
    pub device: Option<String>,
}

/// What a static route does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StaticTarget {
    /// Forward by these with equal shares; not empty.
    Via(Vec<Hop>),
    /// Junos `discard`: drop silently.
    Discard,
    /// Junos `reject`: drop with ICMP unreachable.
    Reject,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StaticRoute {
    /// The kernel's table ([`crate::table_of`]).
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// What it does.
    pub target: StaticTarget,
    /// The kernel's metric, at least 1: use the preference (Junos: 5).
    pub metric: u32,
}

type Key = (u32, Prefix, u32);

impl Kernel {
    /// The static routes in the kernel's tables of routing instances.
    ///
    /// # Errors
    /// The dump's.
    pub fn static_routes(&mut self) -> Result<Vec<StaticRoute>, RoutingError> {
        let names = device_names(&mut self.requester)?;
        let records = self.static_records()?;
        Ok(records.iter().map(|r| describe(r, &names)).collect())
    }

    /// Makes `wanted` the static routes of the kernel, over the tables of all routing instances. A route that differs is replaced in the order
    /// delete, add.
    ///
    /// # Errors
    /// The socket's; a route that the kernel refuses (its gateway is not reachable yet) is in the result.
    pub fn reconcile_static_routes(
        &mut self,
        wanted: &[StaticRoute],
    ) -> Result<Reconciled<StaticRoute>, RoutingError> {
        let names = device_names(&mut self.requester)?;
        let mut missing: BTreeMap<Key, &StaticRoute> = wanted
            .iter()
            .map(|r| ((r.table, r.prefix, r.metric), r))
            .collect();
        let mut result = Reconciled::new();
        for record in self.static_records()? {
            let present = describe(&record, &names);
            let key = (present.table, present.prefix, present.metric);
            if missing.get(&key).is_some_and(|w| satisfies(&present, w)) {
                missing.remove(&key);
                continue;
            }
            let message = RouteNetlinkMessage::DelRoute(record.encode());
            let subject = || format!("delete static route {}", present.prefix);
            match self.requester.request(0, message, subject) {
                Ok(()) => result.removed.push(present),
                Err(e @ RoutingError::Refused { .. }) => result.failed.push((present, e)),
                Err(e) => return Err(e),
            }
        }
        for route in missing.into_values() {
            match self.add_static(route) {
                Ok(()) => result.added.push(route.clone()),
                Err(e @ RoutingError::Socket { .. }) => return Err(e),
                Err(e) => result.failed.push((route.clone(), e)),
            }
        }
        Ok(result)
    }

    fn add_static(&mut self, route: &StaticRoute) -> Result<(), RoutingError> {
        let target = match &route.target {
            StaticTarget::Discard => RouteTarget::Blackhole,
            StaticTarget::Reject => RouteTarget::Unreachable,
            StaticTarget::Via(hops) => {
                let hops: Result<Vec<_>, _> = hops.iter().map(resolve).collect();
                RouteTarget::Forward(hops?.into())
            }
        };
        let record = RouteRecord::new(
            route.table,
            route.prefix,
            RTPROT_STATIC,
            route.metric,
            target,
        );
        let message = RouteNetlinkMessage::NewRoute(record.encode());
        self.requester.request(NLM_F_CREATE, message, || {
            format!("add static route {}", route.prefix)
        })
    }

    fn static_records(&mut self) -> Result<Vec<RouteRecord>, RoutingError> {
        let mut records = dump_routes(&mut self.requester)?;
        records.retain(|r| r.protocol == RTPROT_STATIC && vrf_of_table(r.table).is_some());
        Ok(records)
    }
}

/// All routes of both families and all tables.
pub(crate) fn dump_routes(requester: &mut Requester) -> Result<Vec<RouteRecord>, RoutingError> {
    let mut records = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let request = RouteNetlinkMessage::GetRoute(route_dump(family));
        records.extend(requester.dump(request)?.iter().filter_map(|m| match m {
            RtMessage::Route(RouteNetlinkMessage::NewRoute(route)) => RouteRecord::decode(route),
            _ => None,
        }));
    }
    Ok(records)
}

/// The request for all routes of one family.
pub(crate) fn route_dump(family: AddressFamily) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family,
        ..RouteHeader::default()
    };
    message
}

fn resolve(hop: &Hop) -> Result<NextHop, RoutingError> {
    Ok(NextHop {
        gateway: hop.gateway,
        ifindex: match &hop.device {
            Some(device) => index_of(device)?,
            None => 0,
        },
        weight: 1,
    })
}

fn describe(record: &RouteRecord, names: &HashMap<u32, String>) -> StaticRoute {
    let target = match &record.target {
        RouteTarget::Forward(hops) => StaticTarget::Via(
            hops.iter()
                .map(|h| Hop {
                    gateway: h.gateway,
                    device: names.get(&h.ifindex).cloned(),
                })
                .collect(),
        ),
        RouteTarget::Blackhole => StaticTarget::Discard,
        _ => StaticTarget::Reject,
    };
    StaticRoute {
        table: record.table,
        prefix: record.prefix,
        target,
        metric: record.metric,
    }
}

/// Whether the kernel's route does what is wanted; the kernel always names a device, the configuration may not.
fn satisfies(present: &StaticRoute, wanted: &StaticRoute) -> bool {
    let (StaticTarget::Via(have), StaticTarget::Via(want)) = (&present.target, &wanted.target)
    else {
        return present.target == wanted.target;
    };
    let fits = |have: &Hop, want: &Hop| {
        have.gateway == want.gateway && (want.device.is_none() || have.device == want.device)
    };
    have.len() == want.len()
        && want.iter().all(|w| have.iter().any(|h| fits(h, w)))
        && have.iter().all(|h| want.iter().any(|w| fits(h, w)))
}
