//! A new configuration, and what follows from it for sessions that are up (see [`Endpoint::set_config`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ravelin_types::{ChildId, Time};

use super::{Endpoint, Wanted, gives_tokens};
use crate::config::{Config, Gateway};
use crate::environment::Environment;
use crate::event::{DownReason, SessionId};
use crate::sa::forbidden::{self, Forbidden};
use crate::sa::{mobike, tasks};
use crate::session::{ChildState, Session};
use crate::timers::RECONNECT_FIRST;

impl<E: Environment> Endpoint<E> {
    /// Replaces the configuration. Sessions of gateways that are gone are closed, those of addresses that are gone end, and
    /// child SAs of VPNs that are gone are deleted, as are those whose selectors their VPN does not allow any more; others keep what was
    /// negotiated until their next exchange.
    pub fn set_config(&mut self, config: Arc<Config>, now: Time) {
        let before = std::mem::replace(&mut self.config, config);
        self.gives_tokens = gives_tokens(&self.config);
        let pools = self.config.gateways.iter().filter_map(|g| g.pool.as_ref());
        let prefixes = pools.flat_map(|p| [p.inet, p.inet6].map(|f| Some((p.name.as_str(), f?))));
        let prefixes: Vec<_> = prefixes.flatten().collect();
        self.out.leases.keep(&prefixes);
        self.want_static(now);
        let orphans: Vec<u64> = self
            .sessions
            .values()
            .filter(|s| {
                s.gateway
                    .as_ref()
                    .is_some_and(|g| self.config.gateways.named(g).is_none())
            })
            .map(|s| s.id)
            .collect();
        for id in orphans {
            self.close(SessionId(id), now);
        }
        self.readdress(&before, now);
        self.reprobe(&before, now);
        for id in self.sessions_without_address() {
            // The peer hears of it if the deletion still gets out; its answer would not reach us.
            self.close(SessionId(id), now);
            self.with_session(now, id, |_, session| {
                session.end(DownReason::Closed);
                Ok(())
            });
        }
        for child in self.children_without_vpn() {
            self.close_child(child, now);
        }
        self.forbid_selectors(now);
        self.take_over_all(now);
        let missing: Vec<u64> = self.initiated.values().copied().collect();
        for id in missing {
            self.with_session(now, id, |ctx, session| {
                tasks::want_missing_children(ctx, session, now);
                Ok(())
            });
        }
    }

    /// Probes begin and end with the configuration of their gateway, spread as after a restart.
    fn reprobe(&mut self, before: &Config, now: Time) {
        let changed = |s: &Session| {
            let dpd = |c: &Config| Some(c.gateways.named(s.gateway.as_ref()?)?.dpd);
            dpd(before) != dpd(&self.config)
        };
        let changed: Vec<u64> =
            (self.sessions.values().filter(|s| changed(s)).map(|s| s.id)).collect();
        for id in changed {
            let heard = now - self.liveness_spread();
            self.with_session(now, id, |_, session| {
                session.last_inbound = session.last_inbound.max(heard);
                Ok(())
            });
        }
    }

    /// Sessions that move (RFC 4555) follow the addresses of their gateways.
    fn readdress(&mut self, before: &Config, now: Time) {
        let changed = |s: &Session| {
            let name = s.gateway.as_ref().filter(|_| s.mobility.is_some());
            let addresses = |c: &Config| Some(c.gateways.named(name?)?.local_addresses.clone());
            addresses(before) != addresses(&self.config)
        };
        let mobile: Vec<u64> =
            (self.sessions.values().filter(|s| changed(s)).map(|s| s.id)).collect();
        for id in mobile {
            self.with_session(now, id, mobike::readdress);
        }
    }

    /// Sessions whose own address, or routing instance, their gateway does not have any more.
    fn sessions_without_address(&self) -> Vec<u64> {
        let moved = |s: &Session| {
            let gateway = s
                .gateway
                .as_ref()
                .and_then(|g| self.config.gateways.named(g));
            gateway.is_some_and(|g| {
                let ours = &g.local_addresses;
                let elsewhere = !ours.is_empty() && !ours.contains(&s.path.local.ip());
                elsewhere || g.vrf != s.path.vrf
            })
        };
        let sessions = self.sessions.values().filter(|s| moved(s));
        sessions.map(|s| s.id).collect()
    }

    fn children_without_vpn(&self) -> Vec<ChildId> {
        let sessions = self.sessions.values().filter(|s| s.closing.is_none());
        let found = sessions.flat_map(|s| {
            let gateway = s
                .gateway
                .as_ref()
                .and_then(|g| self.config.gateways.named(g));
            let live = s.children.iter().filter(|c| c.state == ChildState::Live);
            live.filter(move |c| gateway.is_some_and(|g| g.vpn(&c.vpn).is_none()))
        });
        found.map(|c| c.id).collect()
    }

    /// Ends children whose selectors their VPN does not allow any more: a rekey could not narrow them (RFC 7296 section 2.9.2), and
    /// they would live on.
    fn forbid_selectors(&mut self, now: Time) {
        let sessions = self.sessions.values().filter(|s| s.closing.is_none());
        let found = sessions.filter_map(|s| {
            let gateway = self.config.gateways.named(s.gateway.as_ref()?)?;
            let children = forbidden::children(s, gateway);
            (!children.is_empty()).then_some((s.id, children))
        });
        let mut told: BTreeMap<(String, String), Forbidden> = BTreeMap::new();
        for (id, children) in found.collect::<Vec<_>>() {
            self.with_session(now, id, |ctx, session| {
                for child in children {
                    if let Some(one) = forbidden::withdraw(ctx, session, child) {
                        let key = (one.gateway.clone(), one.vpn.clone());
                        told.entry(key)
                            .and_modify(|all| all.children += 1)
                            .or_insert(one);
                    }
                }
                Ok(())
            });
        }
        for (_, forbidden) in told {
            self.out.stage(forbidden.into());
        }
        self.out.commit();
    }

    /// Notes which static gateways are to be up by us.
    pub(super) fn want_static(&mut self, now: Time) {
        let up = |g: &&Arc<Gateway>| {
            g.static_paths().next().is_some() && g.vpns.iter().any(|v| v.establish_immediately)
        };
        let names: BTreeSet<&String> = self
            .config
            .gateways
            .iter()
            .filter(up)
            .map(|g| &g.name)
            .collect();
        self.wanted.retain(|name, _| names.contains(name));
        let gateways = &self.config.gateways;
        self.failed.retain(|name, _| gateways.named(name).is_some());
        for name in names {
            let fresh = || Wanted {
                next_at: now,
                delay: RECONNECT_FIRST,
            };
            self.wanted.entry(name.clone()).or_insert_with(fresh);
        }
    }
}
