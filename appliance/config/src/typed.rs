//! The configuration as Rust values, read from libyang's JSON with all defaults filled in.
//!
//! One struct per container or list of the model that something acts on; a statement without a field here is legal but
//! without effect, so a field is added together with what acts on it. Names are those of the model.

mod access;
mod chassis;
mod interfaces;
mod key_manager;
mod pki;
mod read;
mod routing;
mod security;
mod system;

pub use access::{Access, AccessClient, AccessProfile, ClientIke};
pub use chassis::{Chassis, HighAvailability, Monitor, RedundancyGroup};
pub use interfaces::{Family, Interface, InterfaceAddress, Unit};
pub use key_manager::{KeyId, KeyManager, KeyProfile, StaticKey, StaticSecret};
pub use pki::{CaProfile, CrlSource, OcspSource, Pki, RevocationCheck};
pub use read::SecretText;
pub use routing::{RouteHop, RoutingInstance, StaticRoute};
pub use security::{
    DeadPeerDetection, Dynamic, Gateway, GatewayFilter, IdentityChoice, Ike, IkePolicy,
    IkeProposal, Ipsec, IpsecPolicy, IpsecProposal, LocalIdentity, PathMtu, PolicyCertificate,
    PreSharedKey, RemoteIdentity, Security, Subject, TfcPadding, TraceFile, TraceOptions,
    TrafficSelector, Vpn, VpnIke,
};
pub use system::{Authentication, Login, System, User};

use serde::Deserialize;

/// The whole configuration. `Config::default()` is the factory-empty one.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Config {
    /// `system`.
    #[serde(default, rename = "ravelin-system:system")]
    pub system: System,
    /// `chassis`.
    #[serde(default, rename = "ravelin-chassis:chassis")]
    pub chassis: Chassis,
    #[serde(default, rename = "ravelin-interfaces:interfaces")]
    interfaces: interfaces::Interfaces,
    #[serde(default, rename = "ravelin-routing:routing-options")]
    routing: routing::RoutingOptions,
    #[serde(default, rename = "ravelin-routing-instances:routing-instances")]
    instances: routing::RoutingInstances,
    /// `security`.
    #[serde(default, rename = "ravelin-security:security")]
    pub security: Security,
    /// `access`.
    #[serde(default, rename = "ravelin-access:access")]
    pub access: Access,
}

impl Config {
    /// Reads libyang's JSON.
    pub(crate) fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// `interfaces`, in the order of their names.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces.interface
    }

    /// Static routes of the default instance, of both families.
    pub fn static_routes(&self) -> impl Iterator<Item = &StaticRoute> {
        self.routing.all()
    }

    /// The routing instances of the data plane beside the default one, in the order of their names.
    pub fn routing_instances(&self) -> impl Iterator<Item = &RoutingInstance> {
        let all = self.instances.instance.iter();
        all.filter(|instance| !instance.is_management())
    }

    /// Static routes of the management instance.
    pub fn management_routes(&self) -> impl Iterator<Item = &StaticRoute> {
        let all = self.instances.instance.iter();
        all.filter(|instance| instance.is_management())
            .flat_map(RoutingInstance::static_routes)
    }
}
