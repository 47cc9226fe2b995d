//! Which route wins. Of one prefix: our own address, then a tunnel (protected set or an SA's selectors), then the kernel's route,
//! then a resolved neighbour. Between prefixes the longest wins, with one exception: within a protected prefix nothing but our own
//! addresses and tunnels is installed, so that its traffic leaves encrypted or not at all. A protected default (length 0) only
//! takes what no other route takes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ravelin_types::{Prefix, VrfId};

use super::Controller;
use crate::few::Few;
use crate::platform::Platform;
use crate::selector::Child;
use crate::tables::{AdjIndex, IfIndex, NextHop, Vrf};

/// Members of all multipath groups of one instance.
const MAX_GROUP_MEMBERS: usize = u16::MAX as usize;

/// What the kernel's route says, in our terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTarget {
    /// Through one or more units, each with a gateway or attached.
    Units(Vec<(IfIndex, Option<IpAddr>)>),
    /// Into a tunnel.
    Tunnel(IfIndex),
    /// Ours (the kernel's local table).
    Local,
    /// Discarded silently.
    Blackhole,
    /// Discarded with an error.
    Reject,
}

#[derive(Clone, Debug, Default)]
struct Sources {
    local: u32,
    tunnels: Few<(IfIndex, u32)>,
    kernel: Option<NextHop>,
    neighbour: Option<AdjIndex>,
}

impl Sources {
    fn is_empty(&self) -> bool {
        self.local == 0
            && self.tunnels.as_slice().is_empty()
            && self.kernel.is_none()
            && self.neighbour.is_none()
    }
}

/// All candidates of one instance.
#[derive(Debug, Default)]
pub(super) struct RouteBook {
    entries: BTreeMap<Prefix, Sources>,
    protected: Vec<(Prefix, IfIndex)>,
}

impl RouteBook {
    fn is_protected(&self, prefix: &Prefix) -> bool {
        self.protected
            .iter()
            .any(|(wide, _)| !wide.is_default() && wide.covers(prefix))
    }

    /// What the table says at a prefix, and the clear route that is hidden by it.
    fn judge(&self, prefix: &Prefix, sources: &Sources) -> (Option<NextHop>, Option<NextHop>) {
        let neighbour = sources.neighbour.map(NextHop::Adjacency);
        let kernel = match sources.kernel {
            // An attached host route is the neighbour itself.
            Some(NextHop::Glean(_)) | None => neighbour.or(sources.kernel),
            other => other,
        };
        let is_clear = !matches!(kernel, None | Some(NextHop::Tunnel(_) | NextHop::Local));
        if sources.local > 0 {
            return (Some(NextHop::Local), None);
        }
        let hidden = kernel.filter(|_| is_clear);
        match sources.tunnels.as_slice().first() {
            Some((tunnel, _)) => (Some(NextHop::Tunnel(*tunnel)), hidden),
            None if is_clear && self.is_protected(prefix) => (None, hidden),
            None => (kernel, None),
        }
    }

    fn change(&mut self, table: &mut Vrf, prefix: Prefix, f: impl FnOnce(&mut Sources)) {
        let mut sources = self.entries.remove(&prefix).unwrap_or_default();
        f(&mut sources);
        let (next_hop, hidden) = self.judge(&prefix, &sources);
        match next_hop {
            Some(next_hop) => table.set(prefix, next_hop),
            None => table.clear(prefix),
        }
        table.hide(prefix, hidden);
        if !sources.is_empty() {
            self.entries.insert(prefix, sources);
        }
    }

    pub(super) fn local(&mut self, table: &mut Vrf, prefix: Prefix, present: bool) {
        self.change(table, prefix, |sources| {
            sources.local = if present {
                sources.local + 1
            } else {
                sources.local.saturating_sub(1)
            };
        });
    }

    pub(super) fn tunnel(
        &mut self,
        table: &mut Vrf,
        prefix: Prefix,
        tunnel: IfIndex,
        present: bool,
    ) {
        self.change(table, prefix, |sources| {
            let mut known = sources.tunnels.as_mut_slice().iter_mut();
            match (known.find(|(index, _)| *index == tunnel), present) {
                (Some((_, count)), true) => *count += 1,
                (None, true) => sources.tunnels.push((tunnel, 1)),
                (Some((_, count)), false) if *count > 1 => *count -= 1,
                (_, false) => sources.tunnels.retain(|(index, _)| *index != tunnel),
            }
        });
    }

    pub(super) fn kernel(&mut self, table: &mut Vrf, prefix: Prefix, next_hop: Option<NextHop>) {
        self.change(table, prefix, |sources| sources.kernel = next_hop);
    }

    pub(super) fn neighbour(
        &mut self,
        table: &mut Vrf,
        prefix: Prefix,
        adjacency: Option<AdjIndex>,
    ) {
        self.change(table, prefix, |sources| sources.neighbour = adjacency);
    }

    /// Forgets a neighbour, unless another adjacency has taken its place.
    pub(super) fn forget_neighbour(
        &mut self,
        table: &mut Vrf,
        prefix: Prefix,
        adjacency: AdjIndex,
    ) {
        let current = self.entries.get(&prefix).and_then(|of| of.neighbour);
        if current == Some(adjacency) {
            self.neighbour(table, prefix, None);
        }
    }

    /// A protected prefix appears or goes: all routes within it are judged again.
    pub(super) fn protected(
        &mut self,
        table: &mut Vrf,
        prefix: Prefix,
        tunnel: IfIndex,
        present: bool,
    ) {
        if present {
            self.protected.push((prefix, tunnel));
        } else if let Some(at) = self
            .protected
            .iter()
            .position(|entry| *entry == (prefix, tunnel))
        {
            self.protected.swap_remove(at);
        }
        self.tunnel(table, prefix, tunnel, present);
        if prefix.is_default() {
            return; // takes only what is left: no other route is concerned
        }
        let last = prefix.last();
        let from_here = self.entries.range(prefix..);
        let within: Vec<Prefix> = from_here
            .map(|(other, _)| *other)
            .take_while(|other| other.addr() <= last)
            .collect();
        for other in within {
            self.change(table, other, |_| {});
        }
    }
}

impl<P: Platform> Controller<P> {
    /// Adds, replaces or (with `None`) removes the kernel's route to `prefix`. The caller leaves out our own `ari-ts` routes.
    pub fn set_route(&mut self, vrf: VrfId, prefix: Prefix, target: Option<RouteTarget>) {
        let next_hop = target.and_then(|target| self.resolve(vrf, target));
        if let Some((book, table)) = self.book(vrf) {
            book.kernel(table, prefix, next_hop);
        }
    }

    fn resolve(&mut self, vrf: VrfId, target: RouteTarget) -> Option<NextHop> {
        match target {
            RouteTarget::Local => Some(NextHop::Local),
            RouteTarget::Tunnel(tunnel) => Some(NextHop::Tunnel(tunnel)),
            RouteTarget::Blackhole => Some(NextHop::Blackhole),
            RouteTarget::Reject => Some(NextHop::Reject),
            RouteTarget::Units(hops) => match hops.as_slice() {
                [] => None,
                [(interface, None), ..] => Some(NextHop::Glean(*interface)),
                [(interface, Some(gateway))] => {
                    self.gateway(*interface, *gateway).map(NextHop::Adjacency)
                }
                hops => {
                    let members: Vec<AdjIndex> = hops
                        .iter()
                        .filter_map(|(interface, gateway)| self.gateway(*interface, (*gateway)?))
                        .collect();
                    self.group(vrf, &members)
                }
            },
        }
    }

    /// The group of these members; equal groups are shared, and a group once made stays.
    fn group(&mut self, vrf: VrfId, members: &[AdjIndex]) -> Option<NextHop> {
        let (_, table) = self.book(vrf)?;
        let count = u16::try_from(members.len())
            .ok()
            .filter(|count| *count > 0)?;
        let present = table
            .groups
            .windows(members.len())
            .position(|window| window == members);
        let first = match present {
            Some(first) => first,
            None if table.groups.len() + members.len() > MAX_GROUP_MEMBERS => {
                return members.first().copied().map(NextHop::Adjacency);
            }
            None => {
                let groups = Arc::make_mut(&mut table.groups);
                groups.extend_from_slice(members);
                groups.len() - members.len()
            }
        };
        Some(NextHop::Group {
            first: first as u16,
            count,
        })
    }

    /// Adds or removes the tunnel routes of a child's remote selectors.
    pub(super) fn selector_routes(&mut self, vrf: VrfId, child: &Child, present: bool) {
        if let Some((book, table)) = self.book(vrf) {
            for prefix in child.prefixes() {
                book.tunnel(table, prefix, child.tunnel, present);
            }
        }
    }
}
