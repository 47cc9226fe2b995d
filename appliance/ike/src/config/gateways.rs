//! The gateways of a configuration, found without a look at all of them: there may be as many as peers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use ravelin_types::VrfId;

use super::{Gateway, RemotePeer};

/// Gateways in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    list: Vec<Arc<Gateway>>,
    by_name: HashMap<String, usize>,
    /// Those of one peer, by its address.
    by_address: HashMap<IpAddr, Vec<usize>>,
    /// Those of peers at any address.
    dynamic: Vec<usize>,
    /// Those of anyone at any address.
    anyone: Vec<usize>,
}

impl Gateways {
    /// Adds one behind the others. Of two with the same name the first is found.
    pub fn push(&mut self, gateway: Arc<Gateway>) {
        let at = self.list.len();
        self.by_name.entry(gateway.name.clone()).or_insert(at);
        match (&gateway.remote_addresses, &gateway.remote) {
            (Some(addresses), _) => addresses.iter().for_each(|address| {
                self.by_address.entry(*address).or_default().push(at);
            }),
            (None, RemotePeer::Anyone) => self.anyone.push(at),
            (None, _) => self.dynamic.push(at),
        }
        self.list.push(gateway);
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Gateway>> {
        self.by_name.get(name).and_then(|at| self.list.get(*at))
    }

    /// Those for a peer at these addresses: of this very address, then of any, then of any address and identity, each in order.
    pub fn candidates(&self, vrf: VrfId, local: IpAddr, remote: IpAddr) -> Vec<&Arc<Gateway>> {
        let exact = self.by_address.get(&remote).into_iter().flatten();
        let gateways = exact
            .chain(&self.dynamic)
            .chain(&self.anyone)
            .filter_map(|at| self.list.get(*at));
        gateways
            .filter(|gateway| gateway.fits_addresses(vrf, local, remote))
            .collect()
    }
}

impl Deref for Gateways {
    type Target = [Arc<Gateway>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl FromIterator<Arc<Gateway>> for Gateways {
    fn from_iter<T: IntoIterator<Item = Arc<Gateway>>>(all: T) -> Self {
        let mut out = Gateways::default();
        all.into_iter().for_each(|gateway| out.push(gateway));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::gateway;

    fn named(name: &str, addresses: Option<&[&str]>, remote: RemotePeer) -> Arc<Gateway> {
        let addresses = addresses.map(|all| all.iter().map(|a| a.parse().unwrap()));
        Arc::new(Gateway {
            name: name.to_owned(),
            remote_addresses: addresses.map(Iterator::collect),
            remote,
            local_addresses: Vec::new(),
            ..gateway()
        })
    }

    fn only(name: &str, addresses: &[&str]) -> Arc<Gateway> {
        named(name, Some(addresses), RemotePeer::Anyone)
    }

    #[test]
    fn exact_addresses_come_before_dynamic_gateways_and_others_not_at_all() {
        let gateways: Gateways = [
            named("anyone", None, RemotePeer::Anyone),
            named("dynamic", None, RemotePeer::HostnameSuffix("x".into())),
            only("another", &["198.51.100.8"]),
            only("first", &["198.51.100.7"]),
            only("second", &["198.51.100.9", "198.51.100.7"]),
            only("unknown", &[]),
        ]
        .into_iter()
        .collect();
        let names = |vrf, remote: &str| {
            let local = "192.0.2.1".parse().unwrap();
            let found = gateways.candidates(vrf, local, remote.parse().unwrap());
            found.iter().map(|g| g.name.clone()).collect::<Vec<_>>()
        };
        let exact = names(VrfId::DEFAULT, "198.51.100.7");
        assert_eq!(exact, ["first", "second", "dynamic", "anyone"]);
        let others = names(VrfId::DEFAULT, "203.0.113.1");
        assert_eq!(others, ["dynamic", "anyone"]);
        assert!(names(VrfId(1), "198.51.100.7").is_empty());
        assert_eq!(gateways.named("second").unwrap().name, "second");
        assert!(gateways.named("third").is_none());
        let backup = names(VrfId::DEFAULT, "198.51.100.9");
        assert_eq!(backup, ["second", "dynamic", "anyone"]);
        assert_eq!(gateways.len(), 6);
    }
}
