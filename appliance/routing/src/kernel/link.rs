//! Links: what they are, and up, MTU and MAC settings.

use super::Kernel;
use crate::RoutingError;
use crate::netlink::{Requester, RtMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVrf, LinkAttribute, LinkFlags, LinkInfo as Info, LinkMessage,
};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use std::collections::HashMap;

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// The kernel's index.
    pub ifindex: u32,
    /// The kernel's name.
    pub name: String,
    /// IFF_UP.
    pub admin_up: bool,
    /// Whether there is carrier (IFF_LOWER_UP and IFF_RUNNING).
    pub carrier: bool,
    /// Link-layer address, when it is an Ethernet one.
    pub mac: Option<[u8; 6]>,
    /// Largest packet in octets, without the link header.
    pub mtu_octets: u32,
    /// The device it is enslaved to, 0 when none.
    pub controller: u32,
    /// The table, when this is a VRF device.
    pub vrf_table: Option<u32>,
}

/// Settings to change; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// Administrative state.
    pub up: Option<bool>,
    /// Largest packet in octets.
    pub mtu_octets: Option<u32>,
    /// Link-layer address.
    pub mac: Option<[u8; 6]>,
}

impl Kernel {
    /// All links.
    ///
    /// # Errors
    /// The dump's.
    pub fn links(&mut self) -> Result<Vec<LinkInfo>, RoutingError> {
        dump_links(&mut self.requester)
    }

    /// One link by the kernel's name.
    ///
    /// # Errors
    /// [`RoutingError::NoSuchDevice`].
    pub fn link(&mut self, device: &str) -> Result<LinkInfo, RoutingError> {
        self.links()?
            .into_iter()
            .find(|l| l.name == device)
            .ok_or_else(|| RoutingError::NoSuchDevice(device.to_owned()))
    }

    /// Applies `settings` to a device.
    ///
    /// # Errors
    /// [`RoutingError::NoSuchDevice`], or the kernel's refusal.
    pub fn set_link(&mut self, device: &str, settings: LinkSettings) -> Result<(), RoutingError> {
        let mut message = LinkMessage::default();
        message.header.index = index_of(device)?;
        if let Some(up) = settings.up {
            message.header.change_mask = LinkFlags::Up;
            message.header.flags = if up {
                LinkFlags::Up
            } else {
                LinkFlags::empty()
            };
        }
        if let Some(mtu) = settings.mtu_octets {
            message.attributes.push(LinkAttribute::Mtu(mtu));
        }
        if let Some(mac) = settings.mac {
            message
                .attributes
                .push(LinkAttribute::Address(mac.to_vec()));
        }
        self.requester
            .request(0, RouteNetlinkMessage::SetLink(message), || {
                format!("set {settings:?} on {device}")
            })
    }
}

/// The index of a device by name.
pub(super) fn index_of(device: &str) -> Result<u32, RoutingError> {
    if_nametoindex(device).map_err(|e| match e {
        Errno::ENODEV => RoutingError::NoSuchDevice(device.to_owned()),
        _ => RoutingError::BadDeviceName(device.to_owned()),
    })
}

/// Names of all devices by index.
pub(crate) fn device_names(
    requester: &mut Requester,
) -> Result<HashMap<u32, String>, RoutingError> {
    Ok(dump_links(requester)?
        .into_iter()
        .map(|l| (l.ifindex, l.name))
        .collect())
}

fn dump_links(requester: &mut Requester) -> Result<Vec<LinkInfo>, RoutingError> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    Ok(requester
        .dump(request)?
        .iter()
        .filter_map(|m| match m {
            RtMessage::Route(RouteNetlinkMessage::NewLink(link)) => decode_link(link),
            _ => None,
        })
        .collect())
}

/// Decodes a link message; `None` when it names no device (bridge port notices).
pub(crate) fn decode_link(message: &LinkMessage) -> Option<LinkInfo> {
    let flags = message.header.flags;
    let (mut name, mut mac, mut mtu_octets, mut controller) = (None, None, 0, 0);
    let mut vrf_table = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(value) => name = Some(value.clone()),
            LinkAttribute::Address(octets) => mac = octets.as_slice().try_into().ok(),
            LinkAttribute::Mtu(value) => mtu_octets = *value,
            LinkAttribute::Controller(value) => controller = *value,
            LinkAttribute::LinkInfo(info) => vrf_table = table_of_vrf(info),
            _ => {}
        }
    }
    Some(LinkInfo {
        ifindex: message.header.index,
        name: name?,
        admin_up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp | LinkFlags::Running),
        mac,
        mtu_octets,
        controller,
        vrf_table,
    })
}

fn table_of_vrf(info: &[Info]) -> Option<u32> {
    if !info.contains(&Info::Kind(InfoKind::Vrf)) {
        return None;
    }
    info.iter().find_map(|i| match i {
        Info::Data(InfoData::Vrf(list)) => list.iter().find_map(|v| match v {
            InfoVrf::TableId(table) => Some(*table),
            _ => None,
        }),
        _ => None,
    })
}
