//! What the endpoint's events do, each when its records are durable.

use ravelin_ctl::sa::{Outbound, Outer, SaHalf, SaPair};
use ravelin_ike::{ChildInstall, ChildSummary, EventKind, Failure, Half, Reason};
use ravelin_types::{SecretBytes, Time, TrafficSelector};

use super::Daemon;
use crate::config::TunnelParameters;
use crate::routes::RouteKernel;
use crate::sockets::Transport;

/// Why the pair of a VPN is not installed that a commit took away meanwhile.
pub(super) const NOT_CONFIGURED: &str = "the VPN is not configured any more";

impl<T: Transport, K: RouteKernel> Daemon<T, K> {
    pub(super) fn act_on_events(&mut self, now: Time) -> bool {
        let mut moved = false;
        while self
            .events
            .front()
            .is_some_and(|event| event.after <= self.journal.durable())
        {
            let Some(event) = self.events.pop_front() else {
                break;
            };
            moved = true;
            self.act(event.kind, now);
        }
        moved
    }

    pub(super) fn act(&mut self, kind: EventKind, now: Time) {
        match kind {
            EventKind::IkeUp(up) => {
                log::info!(
                    "gateway {}: {} is up from {}",
                    up.gateway,
                    up.peer,
                    up.remote
                );
            }
            EventKind::IkeRekeyed { session, .. } => {
                log::debug!("session {} is rekeyed", session.0)
            }
            EventKind::IkeDown {
                gateway,
                peer,
                vrf,
                remote,
                reason,
                ..
            } => {
                let Some(suppressed) = self.rate.admit((vrf, remote.ip()), now) else {
                    return;
                };
                let gateway = gateway.as_deref().unwrap_or("-");
                let peer = peer.map_or_else(|| "unauthenticated".to_owned(), |p| p.to_string());
                log::info!(
                    "gateway {gateway}: {peer} at {remote} is down: {reason}{}",
                    also(suppressed)
                );
            }
            EventKind::ChildInstall(install) => self.install(&install, now),
            EventKind::ChildGrant { child, ceilings } => self.plane.grant(child, ceilings),
            EventKind::ChildActivateOutbound(child) => self.plane.activate(child),
            EventKind::ChildRemove { child, linger_ms } => self.routes.down(child, linger_ms, now),
            EventKind::ChildrenForbidden {
                gateway,
                vpn,
                children,
                local_ts,
                remote_ts,
            } => log::info!(
                "gateway {gateway}: child SAs of vpn {vpn} are deleted, {children} in all: its traffic selectors do not allow {} === {} any more",
                list(&local_ts),
                list(&remote_ts)
            ),
            EventKind::PeerMoved { children, outer } => {
                for child in children {
                    self.plane.move_outer(child, outer_to(outer));
                }
            }
            EventKind::NatKeepalive { vrf, local, remote } => {
                // The transport counts what the kernel refuses; the next keepalive comes soon.
                let _ = self.transport.keep_alive(vrf, local, remote);
            }
            EventKind::Failure(failure) => {
                let running = self.config.running();
                let instance = running.and_then(|c| c.instances.name(failure.vrf));
                let waits = self.unresolved(&failure);
                let peer = (failure.vrf, failure.remote.ip());
                if let Some(suppressed) = self.rate.admit(peer, now) {
                    let at = (instance.as_ref())
                        .map(|name| format!("routing instance {name}: "))
                        .unwrap_or_default();
                    let why = (waits.as_ref())
                        .map(|waits| format!(" ({waits})"))
                        .unwrap_or_default();
                    log::warn!("{at}{failure}{why}{}", also(suppressed));
                }
                self.failures.note(&failure, instance, waits, now);
            }
        }
    }

    /// For a peer without a gateway: the host name which may be its, and others of which no address is known.
    fn unresolved(&self, failure: &Failure) -> Option<String> {
        if !matches!(failure.reason, Reason::NoGateway(_)) {
            return None;
        }
        let (first, rest) = self.config.running()?.unresolved.split_first()?;
        Some(match rest.len() {
            0 => first.clone(),
            further => format!("{first}; {further} further names"),
        })
    }

    fn install(&mut self, install: &ChildInstall, now: Time) {
        let key = (install.gateway.to_string(), install.vpn.to_string());
        let parameters = self
            .config
            .running()
            .and_then(|config| config.tunnels.get(&key));
        let Some(pair) = parameters.map(|parameters| pair_of(install, parameters)) else {
            self.endpoint
                .install_failed(install.child, NOT_CONFIGURED, now);
            return;
        };
        self.plane.want(pair, false);
    }
}

/// The message to planed.
pub(super) fn pair_of(install: &ChildInstall, parameters: &TunnelParameters) -> SaPair {
    SaPair {
        pair: install.child,
        epoch: install.epoch,
        outer: outer_to(install.outer),
        transform: install.transform,
        protocol: install.protocol,
        mode: install.mode,
        extended_sequence: install.extended_sequence,
        inbound: half(&install.inbound),
        outbound: half(&install.outbound),
        state: if install.outbound_active {
            Outbound::Active
        } else {
            Outbound::Standby
        },
        life: install.life,
        ceilings: install.ceilings,
        inner_vrf: parameters.inner_vrf,
        tunnel_unit: parameters.tunnel_unit,
        local_ts: install.local_ts.clone(),
        remote_ts: install.remote_ts.clone(),
        replay_window: parameters.replay_window,
        df_bit: parameters.df_bit,
        outer_dscp: parameters.outer_dscp,
        copy_outer_dscp: parameters.copy_outer_dscp,
        tfc_padding: parameters.tfc_padding.filter(|_| !install.tfc_refused),
        tunnel_mtu_octets: parameters.tunnel_mtu_octets,
    }
}

/// A pair that planed should hold already. It has no keys: they are not needed unless the endpoint makes it anew.
pub(super) fn held_pair(child: &ChildSummary, parameters: &TunnelParameters) -> SaPair {
    let keyless = |spi| SaHalf {
        spi,
        key: SecretBytes::default(),
    };
    SaPair {
        pair: child.child,
        epoch: child.epoch,
        outer: outer_to(child.outer),
        transform: child.suite.transform,
        protocol: child.suite.protocol,
        mode: child.mode,
        extended_sequence: child.suite.extended_sequence,
        inbound: keyless(child.spi_in),
        outbound: keyless(child.spi_out),
        state: if child.active {
            Outbound::Active
        } else {
            Outbound::Standby
        },
        life: child.life,
        ceilings: child.ceilings,
        inner_vrf: parameters.inner_vrf,
        tunnel_unit: parameters.tunnel_unit,
        local_ts: child.local_ts.clone(),
        remote_ts: child.remote_ts.clone(),
        replay_window: parameters.replay_window,
        df_bit: parameters.df_bit,
        outer_dscp: parameters.outer_dscp,
        copy_outer_dscp: parameters.copy_outer_dscp,
        tfc_padding: parameters.tfc_padding,
        tunnel_mtu_octets: parameters.tunnel_mtu_octets,
    }
}

fn half(half: &Half) -> SaHalf {
    SaHalf {
        spi: half.spi,
        key: SecretBytes::new([half.encr_key.as_bytes(), half.integ_key.as_bytes()].concat()),
    }
}

fn outer_to(outer: ravelin_ike::Outer) -> Outer {
    Outer {
        vrf: outer.vrf,
        local: outer.local,
        remote: outer.remote,
        udp: outer.udp,
    }
}

/// planed's outer addresses in the endpoint's type.
pub(super) fn outer_of(outer: Outer) -> ravelin_ike::Outer {
    ravelin_ike::Outer {
        vrf: outer.vrf,
        local: outer.local,
        remote: outer.remote,
        udp: outer.udp,
    }
}

fn list(selectors: &[TrafficSelector]) -> String {
    let texts: Vec<_> = selectors.iter().map(TrafficSelector::to_string).collect();
    texts.join(", ")
}

fn also(suppressed: u64) -> String {
    if suppressed == 0 {
        String::new()
    } else {
        format!(" ({suppressed} lines suppressed before)")
    }
}
