//! Nexthop objects and groups by id.

use crate::netlink::{NextHopKind, NextHopMessage};
use crate::record::{NextHop, RouteTarget};
use std::collections::{HashMap, HashSet};

#[derive(Debug)]
struct Object {
    kind: NextHopKind,
    epoch: u64,
}

/// The kernel's nexthop objects.
#[derive(Debug, Default)]
pub(super) struct NextHops {
    objects: HashMap<u32, Object>,
}

impl NextHops {
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.objects.contains_key(&id)
    }

    /// Adds or replaces an object; returns the ids whose meaning changed: itself and the groups that hold it.
    pub(super) fn insert(&mut self, message: &NextHopMessage, epoch: u64) -> HashSet<u32> {
        let object = Object {
            kind: message.kind.clone(),
            epoch,
        };
        let old = self.objects.insert(message.id, object);
        if old.is_some_and(|o| o.kind == message.kind) {
            return HashSet::new();
        }
        let mut changed = self.groups_with(message.id);
        changed.insert(message.id);
        changed
    }

    /// Removes objects and the groups that become empty. Returns (removed, groups that lost a member).
    pub(super) fn remove(&mut self, ids: Vec<u32>) -> (HashSet<u32>, HashSet<u32>) {
        let (mut removed, mut changed) = (HashSet::new(), HashSet::new());
        let mut pending = ids;
        while let Some(id) = pending.pop() {
            removed.insert(id);
            if self.objects.remove(&id).is_none() {
                continue;
            }
            for group in self.groups_with(id) {
                let Some(Object {
                    kind: NextHopKind::Group(members),
                    ..
                }) = self.objects.get_mut(&group)
                else {
                    continue;
                };
                members.retain(|(member, _)| *member != id);
                if members.is_empty() {
                    pending.push(group);
                } else {
                    changed.insert(group);
                }
            }
        }
        (removed, changed)
    }

    /// The single objects out of a link.
    pub(super) fn of_link(&self, link: u32) -> Vec<u32> {
        (self.objects.iter())
            .filter(
                |(_, o)| matches!(o.kind, NextHopKind::Single { ifindex, .. } if ifindex == link),
            )
            .map(|(id, _)| *id)
            .collect()
    }

    /// Forgets what was not heard of in `epoch`.
    pub(super) fn sweep(&mut self, epoch: u64) {
        self.objects.retain(|_, o| o.epoch == epoch);
    }

    /// What a route by object `id` does; `None` when the object is unknown.
    pub(super) fn resolve(&self, id: u32) -> Option<RouteTarget> {
        let hops = match &self.objects.get(&id)?.kind {
            NextHopKind::Blackhole => return Some(RouteTarget::Blackhole),
            NextHopKind::Single { .. } => vec![self.hop(id, 1)?],
            NextHopKind::Group(members) => {
                let hops: Vec<_> = members
                    .iter()
                    .filter_map(|(member, weight)| self.hop(*member, *weight))
                    .collect();
                if hops.is_empty() && !members.is_empty() {
                    return Some(RouteTarget::Blackhole);
                }
                hops
            }
        };
        Some(RouteTarget::Forward(hops.into()))
    }

    fn hop(&self, id: u32, weight: u32) -> Option<NextHop> {
        match self.objects.get(&id)?.kind {
            NextHopKind::Single { gateway, ifindex } => Some(NextHop {
                gateway,
                ifindex,
                weight,
            }),
            _ => None,
        }
    }

    fn groups_with(&self, id: u32) -> HashSet<u32> {
        (self.objects.iter())
            .filter(|(_, o)| match &o.kind {
                NextHopKind::Group(members) => members.iter().any(|(member, _)| *member == id),
                _ => false,
            })
            .map(|(group, _)| *group)
            .collect()
    }
}
