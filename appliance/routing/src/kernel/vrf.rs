//! VRF devices: the kernel's form of routing instances (Documentation/networking/vrf.rst).
//!
//! A VRF device has a table, and what is enslaved to it is looked up there. The kernel asks its table of local addresses first and goes
//! on in the main table when an instance knows no route, so two things are ours beside the devices: the rule of local addresses goes
//! behind that of the instances, and each instance ends in an unreachable default route ([`StaticRoute::end_of`]).

use super::link::{LinkInfo, index_of};
use super::{Kernel, Reconciled, StaticRoute, StaticTarget};
use crate::{RoutingError, TABLE_LOCAL, vrf_of_table};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVrf, LinkAttribute, LinkFlags, LinkInfo as Info, LinkMessage,
};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use ravelin_types::Prefix;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Priority of the rule of local addresses once it is behind that of the VRF devices (1000) and before the main table's (32766).
const LOCAL_RULE_PRIORITY: u32 = 32_765;
/// Metric of the end of an instance's table: the largest that routing suites leave alone, by the kernel's documentation.
pub(crate) const END_METRIC: u32 = 4_278_198_272;

/// A VRF device of a routing instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrfDevice {
    /// The kernel's name.
    pub name: String,
    /// Its table, of [`crate::table_of`].
    pub table: u32,
}

impl fmt::Display for VrfDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VRF device {} with table {}", self.name, self.table)
    }
}

impl StaticRoute {
    /// The routes that end the table of an instance: what it has no route to is unreachable, whatever the main table knows.
    pub fn end_of(table: u32) -> impl Iterator<Item = StaticRoute> {
        let any = [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ];
        let prefixes = any.into_iter().filter_map(|any| Prefix::new(any, 0));
        prefixes.map(move |prefix| StaticRoute {
            table,
            prefix,
            target: StaticTarget::Reject,
            metric: END_METRIC,
        })
    }
}

impl Kernel {
    /// Makes `wanted` the VRF devices of routing instances, and puts the rules in order when there are any. Devices whose table is no
    /// instance's are left alone; so is one that has a wanted name, which is a failure.
    ///
    /// # Errors
    /// The socket's; single refusals are in the result, [`RoutingError::NoVrf`] among them.
    pub fn reconcile_vrfs(
        &mut self,
        wanted: &[VrfDevice],
    ) -> Result<Reconciled<VrfDevice>, RoutingError> {
        let mut result = Reconciled::new();
        let mut present = Vec::new();
        for link in self.links()? {
            let Some(found) = of_instance(&link) else {
                continue;
            };
            if wanted.contains(&found) {
                present.push(found);
                continue;
            }
            let mut message = LinkMessage::default();
            message.header.index = link.ifindex;
            let message = RouteNetlinkMessage::DelLink(message);
            let subject = || format!("remove {found}");
            match self.requester.request(0, message, subject) {
                Ok(()) => result.removed.push(found),
                Err(e @ RoutingError::Refused { .. }) => result.failed.push((found, e)),
                Err(e) => return Err(e),
            }
        }
        for vrf in wanted.iter().filter(|vrf| !present.contains(vrf)) {
            match self.make_vrf(vrf) {
                Ok(()) => result.added.push(vrf.clone()),
                Err(e @ RoutingError::Socket { .. }) => return Err(e),
                Err(e) => result.failed.push((vrf.clone(), e)),
            }
        }
        if !wanted.is_empty() {
            self.order_rules()?;
        }
        Ok(result)
    }

    fn make_vrf(&mut self, vrf: &VrfDevice) -> Result<(), RoutingError> {
        let message = RouteNetlinkMessage::NewLink(encode(vrf));
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        let made = self
            .requester
            .request(flags, message, || format!("make {vrf}"));
        made.map_err(|error| match error {
            RoutingError::Refused { source, .. }
                if source.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) =>
            {
                RoutingError::NoVrf
            }
            other => other,
        })
    }

    /// Enslaves a device to a VRF device, or sets it free.
    ///
    /// # Errors
    /// [`RoutingError::NoSuchDevice`], or the kernel's refusal.
    pub fn set_vrf(&mut self, device: &str, vrf: Option<&str>) -> Result<(), RoutingError> {
        let mut message = LinkMessage::default();
        message.header.index = index_of(device)?;
        let controller = vrf.map_or(Ok(0), index_of)?;
        message
            .attributes
            .push(LinkAttribute::Controller(controller));
        let message = RouteNetlinkMessage::SetLink(message);
        self.requester.request(0, message, || match vrf {
            Some(vrf) => format!("enslave {device} to {vrf}"),
            None => format!("set {device} free"),
        })
    }

    /// Puts the rule of local addresses behind that of VRF devices: an address that another instance has is nobody's here.
    fn order_rules(&mut self) -> Result<(), RoutingError> {
        let mut requests = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let behind = RouteNetlinkMessage::NewRule(local_rule(family, LOCAL_RULE_PRIORITY));
            requests.push((NLM_F_CREATE | NLM_F_EXCL, behind));
            requests.push((0, RouteNetlinkMessage::DelRule(local_rule(family, 0))));
        }
        for verdict in self.requester.transact(requests)? {
            let done = [Errno::EEXIST as i32, Errno::ENOENT as i32];
            match verdict {
                Err(e) if !e.raw_os_error().is_some_and(|e| done.contains(&e)) => {
                    return Err(RoutingError::Refused {
                        subject: "put the rule of local addresses behind those of VRF devices"
                            .to_owned(),
                        source: e,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A link as the VRF device of a routing instance, if it is one.
fn of_instance(link: &LinkInfo) -> Option<VrfDevice> {
    let table = link
        .vrf_table
        .filter(|table| vrf_of_table(*table).is_some())?;
    Some(VrfDevice {
        name: link.name.clone(),
        table,
    })
}

fn encode(vrf: &VrfDevice) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = vec![
        LinkAttribute::IfName(vrf.name.clone()),
        LinkAttribute::LinkInfo(vec![
            Info::Kind(InfoKind::Vrf),
            Info::Data(InfoData::Vrf(vec![InfoVrf::TableId(vrf.table)])),
        ]),
    ];
    message
}

/// `from all lookup local`, as if the kernel had made it: systemd-networkd takes away rules of others that it does not know.
fn local_rule(family: AddressFamily, priority: u32) -> RuleMessage {
    let mut rule = RuleMessage::default();
    rule.header.family = family;
    rule.header.action = RuleAction::ToTable;
    rule.header.table = TABLE_LOCAL as u8;
    rule.attributes.push(RuleAttribute::Table(TABLE_LOCAL));
    rule.attributes.push(RuleAttribute::Priority(priority));
    let protocol = RuleAttribute::Protocol(RouteProtocol::Kernel);
    rule.attributes.push(protocol);
    rule
}

#[cfg(test)]
mod tests;
