//! iked's requests (`ravelin_ctl::sa`), and the selector routes they stand for, which `show route` lists.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ravelin_ctl::sa::{InstallError, Reply, Request, SaPair};
use ravelin_platform::clock::now;
use ravelin_types::{PairId, Prefix, Time, TrafficSelector, VrfId};

use super::Control;
use crate::clients::ClientId;

/// A route that stands for remote selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorRoute {
    /// Since when.
    pub since: Time,
    /// Pairs that carry it.
    pub pairs: u32,
}

/// Key of a selector route: instance, prefix, N of st0.N.
pub type SelectorKey = (VrfId, Prefix, u32);

/// The selector routes of the installed pairs.
#[derive(Debug, Default)]
pub struct SelectorRoutes {
    routes: BTreeMap<SelectorKey, SelectorRoute>,
    pairs: HashMap<PairId, Vec<SelectorKey>>,
}

impl SelectorRoutes {
    /// A pair was installed.
    pub fn add(&mut self, pair: &SaPair, now: Time) {
        self.remove(pair.pair);
        let mut prefixes: Vec<Prefix> = pair
            .remote_ts
            .iter()
            .flat_map(TrafficSelector::prefixes)
            .collect();
        prefixes.sort();
        prefixes.dedup();
        let key = |prefix| (pair.inner_vrf, prefix, pair.tunnel_unit);
        let keys: Vec<SelectorKey> = prefixes.into_iter().map(key).collect();
        for key in &keys {
            let fresh = SelectorRoute {
                since: now,
                pairs: 0,
            };
            self.routes.entry(*key).or_insert(fresh).pairs += 1;
        }
        self.pairs.insert(pair.pair, keys);
    }

    /// A pair encrypts no more.
    pub fn remove(&mut self, pair: PairId) {
        for key in self.pairs.remove(&pair).unwrap_or_default() {
            if let Some(route) = self.routes.get_mut(&key) {
                route.pairs -= 1;
                if route.pairs == 0 {
                    self.routes.remove(&key);
                }
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&SelectorKey, &SelectorRoute)> {
        self.routes.iter()
    }
}

impl Control {
    pub(super) fn serve_pairs(&mut self, client: ClientId, request: Request) -> Reply {
        #[cfg(feature = "misbehave")]
        let Some(request) = crate::misbehave::request(request) else {
            return Reply::Done;
        };
        let controller = &mut self.parts.controller;
        match request {
            // Without a configuration no tunnel interface is there, which says nothing about the pairs.
            Request::Install(batch) if !self.startup.is_configured() => {
                let refused = |pair: &SaPair| (pair.pair, Err(InstallError::NotConfigured));
                return Reply::Installed(batch.iter().map(refused).collect());
            }
            Request::Install(batch) => {
                let results = controller.install(&batch);
                for (pair, (id, outcome)) in batch.iter().zip(&results) {
                    match outcome {
                        Ok(()) => self.selector_routes.add(pair, now()),
                        Err(reason) => log::warn!("pair {} is refused: {reason}", id.0),
                    }
                }
                return Reply::Installed(results);
            }
            Request::Activate(pair) => controller.activate(pair),
            Request::Remove { pair, linger_ms } => {
                let linger = Duration::from_millis(linger_ms.into());
                controller.remove(pair, linger, now());
                self.selector_routes.remove(pair);
            }
            Request::Move { pair, outer } => controller.relocate(pair, outer),
            Request::List => return Reply::Pairs(controller.list()),
            Request::SyncDone => {
                log::info!("iked: {} pairs in step", controller.list().len());
                self.startup.in_step(client);
                controller.ask_again();
                for moved in controller.moved() {
                    self.clients.event(&moved);
                }
            }
            Request::Grant(grants) => {
                for (pair, ceilings) in grants {
                    controller.grant(pair, ceilings);
                }
            }
            Request::Counters(pairs) => return Reply::Counters(controller.pair_counters(&pairs)),
        }
        self.parts.controller.publish();
        Reply::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ravelin_ctl::sa::{DfBit, Outbound, Outer, SaHalf};
    use ravelin_types::{EspTransform, Numbers, SecretBytes, Spi};

    fn pair(id: u64, prefix: &str) -> SaPair {
        let half = || SaHalf {
            spi: Spi(0x1000),
            key: SecretBytes::default(),
        };
        let prefix: Prefix = prefix.parse().unwrap();
        SaPair {
            pair: PairId(id),
            epoch: 1,
            outer: Outer {
                vrf: VrfId::DEFAULT,
                local: prefix.addr(),
                remote: prefix.addr(),
                udp: None,
            },
            transform: EspTransform::AES_128_GCM,
            protocol: ravelin_types::IpsecProtocol::Esp,
            mode: ravelin_types::IpsecMode::Tunnel,
            extended_sequence: false,
            inbound: half(),
            outbound: half(),
            state: Outbound::Active,
            life: ravelin_types::VolumeLife::default(),
            ceilings: Numbers::FIRST,
            inner_vrf: VrfId::DEFAULT,
            tunnel_unit: 0,
            local_ts: vec![],
            remote_ts: vec![TrafficSelector::from_prefix(prefix)],
            replay_window: 0,
            df_bit: DfBit::Clear,
            outer_dscp: None,
            copy_outer_dscp: false,
            tfc_padding: None,
            tunnel_mtu_octets: None,
        }
    }

    #[test]
    fn a_rekeyed_pair_keeps_the_route_and_its_age() {
        let mut routes = SelectorRoutes::default();
        routes.add(&pair(1, "10.0.0.0/24"), Time(5));
        routes.add(&pair(2, "10.0.0.0/24"), Time(9));
        routes.remove(PairId(1));
        let left: Vec<_> = routes.iter().map(|(_, route)| *route).collect();
        assert_eq!(
            left,
            [SelectorRoute {
                since: Time(5),
                pairs: 1
            }]
        );
        routes.remove(PairId(2));
        routes.remove(PairId(2));
        assert_eq!(routes.iter().count(), 0);
    }

    #[test]
    fn installing_again_counts_once() {
        let mut routes = SelectorRoutes::default();
        routes.add(&pair(1, "10.0.0.0/24"), Time(5));
        routes.add(&pair(1, "10.0.0.0/24"), Time(6));
        routes.remove(PairId(1));
        assert_eq!(routes.iter().count(), 0);
    }
}
