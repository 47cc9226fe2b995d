//! `establish-tunnels on-traffic`: planed tells of packets for a tunnel that is down, and who is to establish it does.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ravelin_types::Time;

use super::Daemon;
use crate::routes::RouteKernel;
use crate::sockets::Transport;

/// Pause between attempts for one VPN: a peer that refuses hears no more of us however much traffic there is.
const PAUSE: Duration = Duration::from_secs(5);

/// When VPNs were last tried, by their place in the configuration.
#[derive(Default)]
pub(super) struct Attempts(HashMap<usize, Time>);

impl Attempts {
    /// Whether the VPN at this place may be tried now; if so, it is.
    fn take(&mut self, at: usize, now: Time) -> bool {
        let due = self.0.get(&at).is_none_or(|last| now >= *last + PAUSE);
        if due {
            self.0.insert(at, now);
        }
        due
    }

    /// There is another configuration.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl<T: Transport, K: RouteKernel> Daemon<T, K> {
    /// A packet waits for a tunnel of this unit. VPNs that are not established on traffic have no part in it.
    pub(super) fn traffic_waits(&mut self, unit: u32, ends: (IpAddr, IpAddr), now: Time) {
        let Some(config) = self.config.running() else {
            return;
        };
        let mut all = config.on_traffic.iter().enumerate();
        let Some((at, vpn)) = all.find(|(_, vpn)| vpn.serves(unit, ends)) else {
            return;
        };
        if !self.attempts.take(at, now) {
            return;
        }
        let (gateway, vpn) = (vpn.gateway.clone(), vpn.vpn.clone());
        log::debug!("gateway {gateway}: traffic for vpn {vpn}");
        if !self.endpoint.initiate(&gateway, Some(&vpn), now) {
            log::warn!("gateway {gateway}: no address of ours leads to the peer of vpn {vpn}");
            if let Some(config) = self.config.running() {
                let hosts = config.hosts_of(&gateway);
                hosts.for_each(|host| self.names.hurry(host, now));
            }
        }
    }
}
