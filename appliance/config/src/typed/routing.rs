//! `routing-options` and `routing-instances`.

use super::read::{present, text, texts};
use ravelin_types::{ParseError, Prefix, UnitName};
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(super) struct RoutingOptions {
    #[serde(default, rename = "static")]
    inet: Static,
    #[serde(default)]
    rib: Vec<Rib>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct Static {
    #[serde(default)]
    route: Vec<StaticRoute>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct Rib {
    #[serde(default, rename = "static")]
    routes: Static,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StaticRoute {
    /// Destination.
    #[serde(rename = "name", deserialize_with = "text")]
    pub prefix: Prefix,
    /// Next hops; none if `discard`.
    #[serde(default, deserialize_with = "texts")]
    pub next_hop: Vec<RouteHop>,
    /// Whether the packets are dropped.
    #[serde(default, deserialize_with = "present")]
    pub discard: bool,
}

/// A next hop of a static route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RouteHop {
    /// A neighbour.
    Address(IpAddr),
    /// A tunnel interface.
    Tunnel(UnitName),
}

impl FromStr for RouteHop {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse() {
            Ok(address) => Ok(RouteHop::Address(address)),
            Err(_) => text.parse().map(RouteHop::Tunnel),
        }
    }
}

impl fmt::Display for RouteHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteHop::Address(address) => address.fmt(f),
            RouteHop::Tunnel(unit) => unit.fmt(f),
        }
    }
}

impl RoutingOptions {
    pub fn all(&self) -> impl Iterator<Item = &StaticRoute> {
        let ribs = self.rib.iter().flat_map(|rib| &rib.routes.route);
        self.inet.route.iter().chain(ribs)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(super) struct RoutingInstances {
    #[serde(default)]
    instance: Vec<Instance>,
}

/// The management instance: there is no other.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Instance {
    #[serde(default)]
    routing_options: ManagementOptions,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct ManagementOptions {
    #[serde(default, rename = "static")]
    inet: ManagementStatic,
    #[serde(default)]
    rib: Vec<ManagementRib>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct ManagementStatic {
    #[serde(default)]
    route: Vec<ManagementRoute>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct ManagementRib {
    #[serde(default, rename = "static")]
    routes: ManagementStatic,
}

/// A static route of the management instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ManagementRoute {
    /// Destination.
    #[serde(rename = "name", deserialize_with = "text")]
    pub prefix: Prefix,
    /// Next hop.
    #[serde(deserialize_with = "text")]
    pub next_hop: IpAddr,
}

impl RoutingInstances {
    pub fn management_routes(&self) -> impl Iterator<Item = &ManagementRoute> {
        self.instance.iter().flat_map(|instance| {
            let options = &instance.routing_options;
            let ribs = options.rib.iter().flat_map(|rib| &rib.routes.route);
            options.inet.route.iter().chain(ribs)
        })
    }
}
