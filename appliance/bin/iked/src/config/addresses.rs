//! Where a peer is, by the addresses of the configuration and what is known of its host names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ravelin_ctl::ike::{GatewayConfig, PeerAddress};
use ravelin_ctl::operator::{IkeGateway, PeerPlace};

use super::Compiled;
use crate::names::list;

impl Compiled {
    /// The addresses of a gateway's one peer, for which there is an address of ours, in order; what names lack is noted.
    pub(super) fn addresses_of(&mut self, gateway: &GatewayConfig) -> Option<Vec<IpAddr>> {
        let fits = |theirs: &&IpAddr| {
            let ours = &mut gateway.local_addresses.iter();
            ours.any(|ours| ours.is_ipv4() == theirs.is_ipv4())
        };
        let mut all = Vec::new();
        for place in gateway.remote_addresses.as_ref()? {
            let name = match place {
                PeerAddress::Address(address) => {
                    all.push(*address);
                    continue;
                }
                PeerAddress::Name(name) => name,
            };
            self.hosts.insert(name.clone());
            // Not asked yet, which is no fault.
            let Some(answer) = self.answers.get(name) else {
                continue;
            };
            let known: Vec<IpAddr> = answer.addresses.iter().filter(fits).copied().collect();
            let outcome = if known.is_empty() {
                "it has no address".to_owned()
            } else {
                format!("it stays at {}", list(&known))
            };
            let fault = match &answer.error {
                Some(error) => Some(format!("{error}; {outcome}")),
                None if known.is_empty() => {
                    let found = list(&answer.addresses);
                    Some(format!("no address of ours is of the family of {found}"))
                }
                None => None,
            };
            if let Some(fault) = fault {
                let gateway = &gateway.name;
                self.unresolved
                    .push(format!("gateway {gateway}: host {name}: {fault}"));
            }
            all.extend(known);
        }
        let mut seen = BTreeSet::new();
        all.retain(|address| seen.insert(*address));
        Some(all)
    }

    /// Gateways with one peer, and where that is.
    pub fn gateways(&self) -> Vec<IkeGateway> {
        let place = |place: &PeerAddress| {
            let answer = match place {
                PeerAddress::Name(name) => self.answers.get(name).cloned(),
                PeerAddress::Address(_) => None,
            };
            let answer = answer.unwrap_or_default();
            PeerPlace {
                address: place.to_string(),
                known: answer.addresses,
                error: answer.error,
            }
        };
        let gateways = self.source.gateways.iter();
        let with_peer = gateways.filter_map(|gateway| {
            Some(IkeGateway {
                name: gateway.name.clone(),
                peer: gateway
                    .remote_addresses
                    .as_ref()?
                    .iter()
                    .map(place)
                    .collect(),
            })
        });
        with_peer.collect()
    }

    /// The host names among the addresses of this gateway's peer.
    pub fn hosts_of(&self, gateway: &str) -> impl Iterator<Item = &str> {
        let gateways = self.source.gateways.iter();
        let found = gateways.filter(move |found| found.name == gateway);
        let places = found.flat_map(|found| found.remote_addresses.iter().flatten());
        places.filter_map(|place| match place {
            PeerAddress::Name(name) => Some(name.as_str()),
            PeerAddress::Address(_) => None,
        })
    }
}
