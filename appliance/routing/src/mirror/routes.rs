//! Candidate routes per prefix and the one that is published.
//!
//! Within a prefix the kernel keeps IPv4 routes in an ordered list in which several may have the same metric, and IPv6
//! routes such that those with a gateway and the same metric are one multipath route (net/ipv6/ip6_fib.c).

use super::event::{MirrorEvent, Route};
use super::nexthops::NextHops;
use super::{MAX_PREFIXES, Marked};
use crate::TABLE_LOCAL;
use crate::kernel::LinkInfo;
use crate::record::{NextHop, RouteRecord, RouteTarget};
use netlink_packet_core::NLM_F_REPLACE;
use ravelin_types::Prefix;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

pub(super) type Key = (u32, Prefix);

/// What selection depends on besides the candidates.
pub(super) struct Context<'a> {
    pub(super) links: &'a HashMap<u32, Marked<LinkInfo>>,
    pub(super) nexthops: &'a NextHops,
}

impl Context<'_> {
    fn usable(&self, ifindex: u32) -> bool {
        (self.links.get(&ifindex)).is_some_and(|l| l.value.admin_up && l.value.carrier)
    }
}

/// A route of the kernel.
#[derive(Debug)]
pub(super) struct Entry {
    record: RouteRecord,
    epoch: u64,
}

impl Entry {
    /// Whether the route leads out of `link` by its own attributes.
    pub(super) fn uses(&self, link: u32) -> bool {
        match &self.record.target {
            RouteTarget::Forward(hops) => hops.iter().any(|h| h.ifindex == link),
            RouteTarget::Local { ifindex } | RouteTarget::Broadcast { ifindex } => *ifindex == link,
            _ => false,
        }
    }

    /// The nexthop object it uses.
    pub(super) fn object(&self) -> Option<u32> {
        self.record.nexthop_id
    }

    /// The local table is consulted first, then the metric decides.
    fn rank(&self) -> (bool, u32) {
        (self.record.table != TABLE_LOCAL, self.record.metric)
    }

    fn target(&self, context: &Context<'_>) -> Option<RouteTarget> {
        let resolved = (self.record.nexthop_id).and_then(|id| context.nexthops.resolve(id));
        let RouteTarget::Forward(hops) = resolved.as_ref().unwrap_or(&self.record.target) else {
            return Some(resolved.unwrap_or_else(|| self.record.target.clone()));
        };
        if hops.len() > 1 && hops.iter().all(|h| context.usable(h.ifindex)) {
            return Some(RouteTarget::Forward(hops.clone()));
        }
        let mut up: Vec<NextHop> = (hops.iter())
            .filter(|h| context.usable(h.ifindex))
            .copied()
            .collect();
        if let [only] = up.as_mut_slice() {
            only.weight = 1;
        }
        (!up.is_empty()).then(|| RouteTarget::Forward(up.into()))
    }
}

/// Why routes of a link vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Administratively down; local addresses stay.
    Down,
    /// The device is gone.
    Gone,
    /// It lost its last IPv4 address, which ends IPv4 on it (fib_disable_ip).
    Unnumbered,
}

#[derive(Debug, Default)]
struct Slot {
    entries: Vec<Entry>,
    published: Option<Published>,
    /// An entry was flushed and the slot not yet published again.
    dirty: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Published {
    target: RouteTarget,
    protocol: u8,
    metric: u32,
}

/// All routes.
#[derive(Debug, Default)]
pub(super) struct Routes {
    slots: HashMap<Key, Slot>,
    /// How many entries use each nexthop object.
    object_users: HashMap<u32, usize>,
}

impl Routes {
    /// Takes an RTM_NEWROUTE; false when the table is full.
    pub(super) fn insert(
        &mut self,
        flags: u16,
        record: RouteRecord,
        epoch: u64,
        context: &Context<'_>,
        out: &mut Vec<MirrorEvent>,
    ) -> bool {
        let key = (record.shown_table(), record.prefix);
        if self.slots.len() >= MAX_PREFIXES && !self.slots.contains_key(&key) {
            return false;
        }
        let slot = self.slots.entry(key).or_default();
        if let Some(same) = slot.entries.iter_mut().find(|e| e.record == record) {
            same.epoch = epoch;
            return true;
        }
        let object = record.nexthop_id;
        let place = place_of(&slot.entries, &record, flags & NLM_F_REPLACE != 0);
        let entry = Entry { record, epoch };
        let old = match place.and_then(|p| slot.entries.get_mut(p)) {
            Some(old) => Some(std::mem::replace(old, entry)),
            None => {
                // One is usual; the room for four that a vector begins with would take a quarter more memory for a full table.
                slot.entries.reserve_exact(1);
                slot.entries.push(entry);
                None
            }
        };
        if let Some(id) = object {
            *self.object_users.entry(id).or_default() += 1;
        }
        if let Some(id) = old.and_then(|o| o.object()) {
            self.forget_object(id);
        }
        self.publish(key, context, out);
        true
    }

    /// Takes an RTM_DELROUTE.
    pub(super) fn delete(
        &mut self,
        record: &RouteRecord,
        context: &Context<'_>,
        out: &mut Vec<MirrorEvent>,
    ) {
        let key = (record.shown_table(), record.prefix);
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        let same = slot.entries.iter().position(|e| e.record == *record);
        let alike = |e: &Entry| {
            if record.prefix.addr().is_ipv6() {
                same_v6(&e.record, record)
            } else {
                (e.record.table, e.record.metric) == (record.table, record.metric)
                    && e.record.protocol == record.protocol
            }
        };
        let Some(place) = same.or_else(|| slot.entries.iter().position(alike)) else {
            return;
        };
        let shrunk = slot
            .entries
            .get_mut(place)
            .is_some_and(|e| same.is_none() && remove_hops(&mut e.record, record));
        if !shrunk {
            let gone = slot.entries.remove(place);
            if let Some(id) = gone.object() {
                self.forget_object(id);
            }
        }
        self.publish(key, context, out);
    }

    /// Drops the routes that the kernel drops silently for `cause` at link `ifindex`: those with no hop left on a link that
    /// is up. The slots wait for `publish_touched`.
    pub(super) fn flush_link(
        &mut self,
        ifindex: u32,
        cause: Cause,
        links: &HashMap<u32, Marked<LinkInfo>>,
    ) {
        let alive = |i: u32| i != ifindex && links.get(&i).is_some_and(|l| l.value.admin_up);
        self.flush(|entry| match &entry.record.target {
            _ if !entry.uses(ifindex) => false,
            _ if cause == Cause::Unnumbered && entry.record.prefix.addr().is_ipv6() => false,
            RouteTarget::Forward(hops) => !hops.iter().any(|h| alive(h.ifindex)),
            RouteTarget::Local { .. } => cause != Cause::Down,
            _ => true,
        });
    }

    /// Drops the routes that use any of the nexthop objects. The slots wait for `publish_touched`.
    pub(super) fn flush_objects(&mut self, ids: &HashSet<u32>) {
        self.flush(|entry| entry.object().is_some_and(|id| ids.contains(&id)));
    }

    /// Drops the routes of a table with this preferred source. The slots wait for `publish_touched`.
    pub(super) fn flush_source(&mut self, table: u32, source: IpAddr) {
        self.flush(|entry| {
            entry.record.pref_source == Some(source) && entry.record.shown_table() == table
        });
    }

    fn flush(&mut self, gone: impl Fn(&Entry) -> bool) {
        let mut objects = Vec::new();
        for slot in self.slots.values_mut() {
            let before = slot.entries.len();
            slot.entries.retain(|entry| {
                let gone = gone(entry);
                if gone {
                    objects.extend(entry.object());
                }
                !gone
            });
            slot.dirty |= slot.entries.len() != before;
        }
        for id in objects {
            self.forget_object(id);
        }
    }

    /// Publishes every slot that was flushed or holds a touched entry.
    pub(super) fn publish_touched(
        &mut self,
        touched: impl Fn(&Entry) -> bool,
        context: &Context<'_>,
        out: &mut Vec<MirrorEvent>,
    ) {
        let keys: Vec<Key> = (self.slots.iter())
            .filter(|(_, slot)| slot.dirty || slot.entries.iter().any(&touched))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.publish(key, context, out);
        }
    }

    /// Forgets what was not heard of in `epoch`, and selects everything anew.
    pub(super) fn sweep(&mut self, epoch: u64, context: &Context<'_>, out: &mut Vec<MirrorEvent>) {
        self.flush(|entry| entry.epoch != epoch);
        self.publish_touched(|_| true, context, out);
    }

    /// Selects the best route of a prefix and reports it when it differs from the published one.
    pub(super) fn publish(&mut self, key: Key, context: &Context<'_>, out: &mut Vec<MirrorEvent>) {
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        slot.dirty = false;
        let mut best: Option<(&Entry, RouteTarget)> = None;
        for entry in &slot.entries {
            if best.as_ref().is_some_and(|(b, _)| b.rank() <= entry.rank()) {
                continue;
            }
            if let Some(target) = entry.target(context) {
                best = Some((entry, target));
            }
        }
        let best = best.map(|(entry, target)| Published {
            target,
            protocol: entry.record.protocol,
            metric: entry.record.metric,
        });
        let empty = slot.entries.is_empty();
        if best != slot.published {
            out.push(match &best {
                Some(published) => MirrorEvent::Route(route(key, published)),
                None => MirrorEvent::RouteGone {
                    table: key.0,
                    prefix: key.1,
                },
            });
            slot.published = best;
        }
        if empty {
            self.slots.remove(&key);
        }
    }

    pub(super) fn published(&self) -> impl Iterator<Item = Route> + '_ {
        (self.slots.iter()).filter_map(|(key, slot)| Some(route(*key, slot.published.as_ref()?)))
    }

    pub(super) fn uses_object(&self, id: u32) -> bool {
        self.object_users.contains_key(&id)
    }

    fn forget_object(&mut self, id: u32) {
        if let Some(users) = self.object_users.get_mut(&id) {
            *users -= 1;
            if *users == 0 {
                self.object_users.remove(&id);
            }
        }
    }
}

fn route(key: Key, published: &Published) -> Route {
    Route {
        table: key.0,
        prefix: key.1,
        target: published.target.clone(),
        protocol: published.protocol,
        metric: published.metric,
    }
}

/// Which entry a new route takes the place of; `None`: it joins at the end.
fn place_of(entries: &[Entry], record: &RouteRecord, replace: bool) -> Option<usize> {
    let same_metric =
        |e: &Entry| (e.record.table, e.record.metric) == (record.table, record.metric);
    let first_same_metric = || entries.iter().position(same_metric).filter(|_| replace);
    if record.prefix.addr().is_ipv4() {
        return first_same_metric();
    }
    // An IPv6 message always holds all hops of its multipath route.
    let same = entries.iter().position(|e| same_v6(&e.record, record));
    same.or_else(first_same_metric)
}

/// Whether two IPv6 routes of one prefix are the same multipath route, or the same single one.
fn same_v6(a: &RouteRecord, b: &RouteRecord) -> bool {
    (a.table, a.metric) == (b.table, b.metric) && identity(&a.target) == identity(&b.target)
}

/// The device of a route without gateway; `None` for routes that can be siblings.
fn identity(target: &RouteTarget) -> Option<u32> {
    match target {
        RouteTarget::Forward(hops) => match hops.as_ref() {
            [only] if only.gateway.is_none() => Some(only.ifindex),
            _ => None,
        },
        RouteTarget::Local { ifindex } | RouteTarget::Broadcast { ifindex } => Some(*ifindex),
        _ => Some(0),
    }
}

/// Takes the hops of `gone` out of an IPv6 multipath route; false when nothing would be left.
fn remove_hops(record: &mut RouteRecord, gone: &RouteRecord) -> bool {
    let (RouteTarget::Forward(hops), RouteTarget::Forward(gone)) = (&record.target, &gone.target)
    else {
        return false;
    };
    let leaves = |h: &NextHop| (h.gateway, h.ifindex);
    let left: Vec<NextHop> = (hops.iter())
        .filter(|h| !gone.iter().any(|g| leaves(g) == leaves(h)))
        .copied()
        .collect();
    if left.is_empty() || record.nexthop_id.is_some() {
        return false;
    }
    record.target = RouteTarget::Forward(left.into());
    true
}
