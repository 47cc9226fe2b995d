//! Routes of traffic selectors (ARI) in the kernel: `prefix dev st0-N proto ari-ts`.
//!
//! They exist for FRR to redistribute and for traffic of the host itself; the data plane has its own selector table and
//! ignores them. [`AriRoutes`] holds what is wanted, by owner (a child SA pair), and brings the kernel there in paced
//! batches. Adding and removing are idempotent. Several owners may want one prefix (a rekey, or two peers that claim it):
//! the newest wins, and its removal brings back the one before. It does not order routes against SAs and announcements:
//! the caller adds after the SA is in the data plane and removes the SA after [`AriProgress::changed`] says that the
//! route is gone.

use crate::kernel::LinkWatch;
use crate::netlink::Requester;
use crate::record::{NextHop, RouteRecord, RouteTarget};
use crate::{RTPROT_ARI_TS, RoutingError};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::RouteMessage;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use ravelin_types::{PairId, Prefix, Time};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::time::Duration;

/// Who wants a route.
pub type AriOwner = PairId;

/// Metric of our routes: behind connected routes (0), before everything that FRR (20) or mgmtd (5) installs.
pub(crate) const ARI_METRIC: u32 = 2;
/// Routes wanted at most: two selectors for each of 131,072 child SA pairs.
const MAX_ROUTES: usize = 262_144;
/// Requests per step: one send to the kernel.
const ROUTES_PER_STEP: usize = 128;
/// Pause between steps; with the above 20,000 routes per second, half of what zebra was seen to follow (10,000 in 0.25 s).
const STEP_INTERVAL: Duration = Duration::from_micros(6_400);
/// Attempts at one route before it waits for the next [`AriRoutes::reconcile`].
const ATTEMPTS: u8 = 3;

/// A route to a tunnel device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AriRoute {
    /// The kernel's table ([`crate::table_of`]).
    pub table: u32,
    /// The peer's traffic selector.
    pub prefix: Prefix,
    /// The kernel's name of the tunnel device: `st0-0`.
    pub device: String,
}

/// What a step did.
#[derive(Debug, Default)]
pub struct AriProgress {
    /// Routes that are now in the kernel (true) or gone from it (false).
    pub changed: Vec<(AriRoute, bool)>,
    /// Routes that the kernel refused; they stay wanted.
    pub failed: Vec<(AriRoute, RoutingError)>,
    /// When to call again; `None` when nothing is left to do.
    pub next: Option<Time>,
}

type Key = (u32, Prefix);

/// Wanted and installed traffic-selector routes.
#[derive(Debug)]
pub struct AriRoutes {
    requester: Requester,
    links: LinkWatch,
    /// Newest owner last.
    wanted: HashMap<Key, Vec<(AriOwner, String)>>,
    installed: HashMap<Key, String>,
    queue: VecDeque<Key>,
    queued: HashSet<Key>,
    attempts: HashMap<Key, u8>,
    not_before: Time,
}

impl AriRoutes {
    /// Opens the socket; nothing is wanted yet and the kernel is left as it is until the first [`Self::reconcile`].
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> Result<Self, RoutingError> {
        Ok(Self {
            requester: Requester::open()?,
            links: LinkWatch::open()?,
            wanted: HashMap::new(),
            installed: HashMap::new(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            attempts: HashMap::new(),
            not_before: Time::default(),
        })
    }

    /// Wants `route` for `owner`.
    ///
    /// # Errors
    /// [`RoutingError::Full`] at the bound.
    pub fn add(&mut self, owner: AriOwner, route: &AriRoute) -> Result<(), RoutingError> {
        let key = (route.table, route.prefix);
        if self.wanted.len() >= MAX_ROUTES && !self.wanted.contains_key(&key) {
            return Err(RoutingError::Full {
                table: "traffic-selector routes",
                bound: MAX_ROUTES,
            });
        }
        let owners = self.wanted.entry(key).or_default();
        if !owners
            .iter()
            .any(|(o, d)| *o == owner && *d == route.device)
        {
            owners.retain(|(o, _)| *o != owner);
            owners.push((owner, route.device.clone()));
        }
        self.enqueue(key);
        Ok(())
    }

    /// Drops `owner`'s wish for `route`; the kernel's route goes with the last owner.
    pub fn remove(&mut self, owner: AriOwner, route: &AriRoute) {
        let key = (route.table, route.prefix);
        if let Some(owners) = self.wanted.get_mut(&key) {
            owners.retain(|(o, _)| *o != owner);
            if owners.is_empty() {
                self.wanted.remove(&key);
            }
        }
        self.enqueue(key);
    }

    /// How many prefixes are wanted.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether no prefix is wanted.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The traffic-selector routes in the kernel now.
    ///
    /// # Errors
    /// The dump's.
    pub fn list(&mut self) -> Result<Vec<AriRoute>, RoutingError> {
        let names = crate::kernel::device_names(&mut self.requester)?;
        let found = self.dump()?;
        Ok(found
            .into_iter()
            .map(|(table, prefix, ifindex)| AriRoute {
                table,
                prefix,
                device: names.get(&ifindex).cloned().unwrap_or_default(),
            })
            .collect())
    }

    /// Whether a device came, went or changed since the last call: the kernel drops the routes of one that goes down, and says
    /// nothing of it.
    ///
    /// # Errors
    /// The socket's.
    pub fn devices_changed(&mut self) -> Result<bool, RoutingError> {
        self.links.changed()
    }

    /// Compares the kernel with what is wanted and queues the differences: after a restart once all owners are back, and
    /// after a tunnel device went down, because the kernel drops its routes silently.
    ///
    /// # Errors
    /// The dump's.
    pub fn reconcile(&mut self) -> Result<(), RoutingError> {
        self.installed = self
            .list()?
            .into_iter()
            .map(|r| ((r.table, r.prefix), r.device))
            .collect();
        self.attempts.clear();
        let keys: Vec<Key> = (self.wanted.keys())
            .chain(self.installed.keys())
            .copied()
            .collect();
        for key in keys {
            if self.desired(&key) != self.installed.get(&key) {
                self.enqueue(key);
            }
        }
        Ok(())
    }

    /// Applies at most one batch, unless it is too early.
    ///
    /// # Errors
    /// The socket's; refusals of single routes are in the result.
    pub fn step(&mut self, now: Time) -> Result<AriProgress, RoutingError> {
        let mut progress = AriProgress::default();
        if now < self.not_before {
            progress.next = (!self.queue.is_empty()).then_some(self.not_before);
            return Ok(progress);
        }
        let (keys, requests) = self.take_batch(&mut progress);
        if !requests.is_empty() {
            let verdicts = self.requester.transact(requests)?;
            for ((key, route, up), verdict) in keys.into_iter().zip(verdicts) {
                self.settle(key, route, up, verdict, &mut progress);
            }
            self.not_before = now + STEP_INTERVAL;
        }
        progress.next = (!self.queue.is_empty()).then_some(self.not_before);
        Ok(progress)
    }

    #[allow(clippy::type_complexity)]
    fn take_batch(
        &mut self,
        progress: &mut AriProgress,
    ) -> (Vec<(Key, AriRoute, bool)>, Vec<(u16, RouteNetlinkMessage)>) {
        let (mut keys, mut requests) = (Vec::new(), Vec::new());
        while keys.len() < ROUTES_PER_STEP {
            let Some(key) = self.queue.pop_front() else {
                break;
            };
            self.queued.remove(&key);
            let desired = self.desired(&key).cloned();
            if desired.as_ref() == self.installed.get(&key) {
                continue;
            }
            let up = desired.is_some();
            let Some(device) = desired.or_else(|| self.installed.get(&key).cloned()) else {
                continue;
            };
            let route = AriRoute {
                table: key.0,
                prefix: key.1,
                device,
            };
            match if_nametoindex(route.device.as_str()) {
                Ok(ifindex) => {
                    requests.push(request(&route, ifindex, up));
                    keys.push((key, route, up));
                }
                // A device that is gone has taken its routes along.
                Err(_) if !up => {
                    self.installed.remove(&key);
                    progress.changed.push((route, false));
                }
                Err(_) => {
                    let error = RoutingError::NoSuchDevice(route.device.clone());
                    progress.failed.push((route, error));
                }
            }
        }
        (keys, requests)
    }

    fn settle(
        &mut self,
        key: Key,
        route: AriRoute,
        up: bool,
        verdict: Result<(), io::Error>,
        progress: &mut AriProgress,
    ) {
        let gone = |e: &io::Error| e.raw_os_error() == Some(Errno::ESRCH as i32);
        match verdict {
            Ok(()) if up => {
                self.attempts.remove(&key);
                self.installed.insert(key, route.device.clone());
                progress.changed.push((route, true));
            }
            Err(e) if up || !gone(&e) => {
                let attempts = self.attempts.entry(key).or_default();
                *attempts += 1;
                if *attempts < ATTEMPTS {
                    self.enqueue(key);
                }
                let verb = if up { "add" } else { "delete" };
                let subject = format!("{verb} route {} dev {}", route.prefix, route.device);
                progress
                    .failed
                    .push((route, RoutingError::Refused { subject, source: e }));
            }
            _ => {
                self.attempts.remove(&key);
                self.installed.remove(&key);
                progress.changed.push((route, false));
            }
        }
    }

    fn desired(&self, key: &Key) -> Option<&String> {
        Some(&self.wanted.get(key)?.last()?.1)
    }

    fn enqueue(&mut self, key: Key) {
        if self.queued.insert(key) {
            self.queue.push_back(key);
        }
    }

    fn dump(&mut self) -> Result<Vec<(u32, Prefix, u32)>, RoutingError> {
        let mut found = Vec::new();
        for record in crate::kernel::dump_routes(&mut self.requester)? {
            if record.protocol != RTPROT_ARI_TS {
                continue;
            }
            if let RouteTarget::Forward(hops) = &record.target {
                found.extend(
                    hops.first()
                        .map(|hop| (record.table, record.prefix, hop.ifindex)),
                );
            }
        }
        Ok(found)
    }
}

fn request(route: &AriRoute, ifindex: u32, up: bool) -> (u16, RouteNetlinkMessage) {
    let hop = NextHop {
        gateway: None,
        ifindex,
        weight: 1,
    };
    let target = RouteTarget::Forward([hop].into());
    let message: RouteMessage =
        RouteRecord::new(route.table, route.prefix, RTPROT_ARI_TS, ARI_METRIC, target).encode();
    if up {
        (
            NLM_F_CREATE | NLM_F_REPLACE,
            RouteNetlinkMessage::NewRoute(message),
        )
    } else {
        (0, RouteNetlinkMessage::DelRoute(message))
    }
}
