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

/// The routing instance of the management interface.
const MANAGEMENT_INSTANCE: &str = "mgmt_junos";

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
    pub instance: Vec<RoutingInstance>,
}

/// A routing instance beside the default one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RoutingInstance {
    /// Name.
    pub name: String,
    /// Units that belong to it.
    #[serde(default, deserialize_with = "texts")]
    pub interface: Vec<UnitName>,
    #[serde(default)]
    routing_options: RoutingOptions,
}

impl RoutingInstance {
    /// Static routes of both families.
    pub fn static_routes(&self) -> impl Iterator<Item = &StaticRoute> {
        self.routing_options.all()
    }

    /// Whether it is that of the management interface.
    pub fn is_management(&self) -> bool {
        self.name == MANAGEMENT_INSTANCE
    }
}
