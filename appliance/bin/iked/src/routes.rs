//! Traffic-selector routes (`ari-ts`) of the installed pairs, and the order of taking down: route first, then SA.
//!
//! Design decision D4: the routes exist for FRR to redistribute and for traffic of the host itself. A selector that covers
//! everything gives no route: it would take over the default route, and a tunnel for everything is routed by the operator's
//! own routes to `st0.N`. The kernel's side is behind [`RouteKernel`].

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ravelin_ctl::sa::SaPair;
use ravelin_routing::{AriProgress, AriRoute, AriRoutes, RoutingError};
use ravelin_types::{IpsecMode, PairId, Time, UnitName};

/// An SA waits at most this long for its route to go: the kernel that does not answer must not keep SAs alive.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Routes that a single pair may bring: a selector may be a range that needs many prefixes.
const MAX_ROUTES_PER_PAIR: usize = 64;
/// How often it is asked whether devices changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After a change of devices, or a failure, the kernel's routes are compared with what is wanted. For what nobody tells of they
/// are compared now and then: reading tens of thousands takes a tenth of a second.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(600);
/// What failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// What the kernel's side must do; [`AriRoutes`] does it.
pub trait RouteKernel {
    /// Wants a route for a pair.
    ///
    /// # Errors
    /// At the bound.
    fn add(&mut self, owner: PairId, route: &AriRoute) -> Result<(), RoutingError>;
    /// Drops the pair's wish.
    fn remove(&mut self, owner: PairId, route: &AriRoute);
    /// Whether devices came, went or changed since the last call.
    ///
    /// # Errors
    /// The socket's.
    fn devices_changed(&mut self) -> Result<bool, RoutingError>;
    /// Compares the kernel with what is wanted.
    ///
    /// # Errors
    /// The socket's.
    fn reconcile(&mut self) -> Result<(), RoutingError>;
    /// Applies at most one batch.
    ///
    /// # Errors
    /// The socket's.
    fn step(&mut self, now: Time) -> Result<AriProgress, RoutingError>;
}

impl RouteKernel for AriRoutes {
    fn add(&mut self, owner: PairId, route: &AriRoute) -> Result<(), RoutingError> {
        AriRoutes::add(self, owner, route)
    }

    fn remove(&mut self, owner: PairId, route: &AriRoute) {
        AriRoutes::remove(self, owner, route);
    }

    fn devices_changed(&mut self) -> Result<bool, RoutingError> {
        AriRoutes::devices_changed(self)
    }

    fn reconcile(&mut self) -> Result<(), RoutingError> {
        AriRoutes::reconcile(self)
    }

    fn step(&mut self, now: Time) -> Result<AriProgress, RoutingError> {
        AriRoutes::step(self, now)
    }
}

/// Routes of the pairs.
pub struct Routes<K> {
    kernel: K,
    by_pair: HashMap<PairId, Vec<AriRoute>>,
    /// Whether the kernel has what the pairs want: not before the first comparison, nor while planed is lost for too long.
    live: bool,
    /// SAs that wait for their routes to go: pair, linger, since when.
    leaving: VecDeque<(PairId, u32, Time)>,
    next_step: Option<Time>,
    next_reconcile: Time,
    next_look: Time,
    failures: u64,
}

impl<K: RouteKernel> Routes<K> {
    /// No pairs yet. The kernel is left as it is until [`Routes::restore`] or [`Routes::withdraw`]: after a restart it has the routes
    /// of the former life, which may all be wanted.
    pub fn new(kernel: K) -> Self {
        Self {
            kernel,
            by_pair: HashMap::new(),
            live: false,
            leaving: VecDeque::new(),
            next_step: None,
            next_reconcile: Time::MAX,
            next_look: Time::MAX,
            failures: 0,
        }
    }

    /// Refusals by the kernel so far.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The pair is in planed: its routes may appear in this table, unless planed is lost or not known yet.
    pub fn up(&mut self, pair: &SaPair, table: u32, now: Time) {
        let routes = routes_of(pair, table);
        if routes.is_empty() {
            return;
        }
        if self.live {
            self.add(pair.pair, &routes);
            self.next_step = Some(now);
        }
        self.by_pair.insert(pair.pair, routes);
    }

    fn add(&mut self, pair: PairId, routes: &[AriRoute]) {
        for route in routes {
            if let Err(error) = self.kernel.add(pair, route) {
                self.failures += 1;
                log::warn!("route {} of pair {}: {error}", route.prefix, pair.0);
            }
        }
    }

    /// planed forwards and has our pairs: the kernel gets what they want, and loses what nobody wants.
    pub fn restore(&mut self, now: Time) {
        self.live = true;
        self.next_look = now;
        let by_pair = std::mem::take(&mut self.by_pair);
        for (pair, routes) in &by_pair {
            self.add(*pair, routes);
        }
        self.by_pair = by_pair;
        self.suspect(now);
    }

    /// planed is lost for too long: all routes go, those of a former life too. The pairs' wishes are kept.
    pub fn withdraw(&mut self, now: Time) {
        self.live = false;
        self.next_look = Time::MAX;
        for (pair, routes) in &self.by_pair {
            for route in routes {
                self.kernel.remove(*pair, route);
            }
        }
        self.suspect(now);
    }

    /// Withdraws the pair's routes; [`Routes::step`] hands the pair out when they are gone.
    pub fn down(&mut self, pair: PairId, linger_ms: u32, now: Time) {
        for route in self.by_pair.remove(&pair).unwrap_or_default() {
            self.kernel.remove(pair, &route);
        }
        self.leaving.push_back((pair, linger_ms, now));
        self.next_step = Some(now);
    }

    /// When [`Routes::step`] wants to be called.
    pub fn next(&self) -> Time {
        let step = self.next_step.unwrap_or(Time::MAX);
        step.min(self.next_reconcile).min(self.next_look)
    }

    /// A tunnel device may have come or gone: what the kernel has is compared soon, if it has been before.
    pub fn devices_may_have_changed(&mut self, now: Time) {
        if self.live {
            self.suspect(now);
        }
    }

    fn suspect(&mut self, now: Time) {
        self.next_reconcile = now;
    }

    /// Works on the routes; returns the pairs (with linger) that may leave planed now.
    pub fn step(&mut self, now: Time) -> Vec<(PairId, u32)> {
        self.look(now);
        if now >= self.next_reconcile {
            self.next_reconcile = now + RECONCILE_INTERVAL;
            match self.kernel.reconcile() {
                Ok(()) => self.next_step = Some(now),
                Err(error) => self.failed(&error, now),
            }
        }
        let mut drained = self.next_step.is_none();
        if self.next_step.is_some_and(|at| at <= now) {
            match self.kernel.step(now) {
                Ok(progress) => {
                    for (_, error) in &progress.failed {
                        self.failed(error, now);
                    }
                    drained = progress.next.is_none();
                    self.next_step = progress.next;
                }
                Err(error) => {
                    self.failed(&error, now);
                    self.next_step = Some(now + RETRY_INTERVAL);
                }
            }
        }
        let mut left = Vec::new();
        while let Some((pair, linger_ms, since)) = self.leaving.front().copied() {
            if !drained && now.since(since) < MAX_WAIT {
                break;
            }
            self.leaving.pop_front();
            left.push((pair, linger_ms));
        }
        left
    }

    fn look(&mut self, now: Time) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_INTERVAL;
        match self.kernel.devices_changed() {
            Ok(true) => self.suspect(now),
            Ok(false) => {}
            Err(error) => self.failed(&error, now),
        }
    }

    fn failed(&mut self, error: &RoutingError, now: Time) {
        // Not before it is known what is wanted.
        if self.next_reconcile < Time::MAX {
            self.next_reconcile = self.next_reconcile.min(now + RETRY_INTERVAL);
        }
        self.failures += 1;
        // The first of each burst; the counter has the rest.
        if self.failures.is_power_of_two() {
            log::warn!(
                "traffic-selector route: {error} ({} failures so far)",
                self.failures
            );
        }
    }
}

/// Of transport mode there are none: its packets go by the routes of the outer addresses.
fn routes_of(pair: &SaPair, table: u32) -> Vec<AriRoute> {
    if pair.mode == IpsecMode::Transport {
        return Vec::new();
    }
    let device = UnitName::new("st0", pair.tunnel_unit).kernel();
    let prefixes = pair.remote_ts.iter().flat_map(|ts| ts.prefixes());
    prefixes
        .filter(|prefix| matches!(prefix.len(), 1..))
        .take(MAX_ROUTES_PER_PAIR)
        .map(|prefix| AriRoute {
            table,
            prefix,
            device: device.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
