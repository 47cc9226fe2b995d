//! Parsed packets from ports: ours, a group's, or transit.

use crate::address::{Address, Scope};
use crate::drop::DropReason;
use crate::packet::{Header, Origin};
use crate::platform::Platform;
use crate::stages::forward::Fate;
use crate::stages::policy;
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// What becomes of a packet that came from a port.
#[inline(always)]
pub(crate) fn decide<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    header: Header<'_, A>,
) -> Fate {
    let destination = worker.destination(tables, header.vrf, header.ends.destination);
    if destination.scope != Scope::Routed {
        return unrouted(destination.scope);
    }
    if tables.transit_held && destination.next_hop != NextHop::Local {
        return Fate::Drop(DropReason::NotSynchronised);
    }
    policy::decide(worker, tables, header, (Origin::Port, destination))
}

/// What becomes of a packet whose destination the routing table is not asked about.
#[cold]
fn unrouted(scope: Scope) -> Fate {
    match scope {
        // The host stack knows which groups and link-local addresses of this link are ours.
        Scope::Link => Fate::Link,
        Scope::Group => Fate::Drop(DropReason::Multicast),
        Scope::Routed | Scope::Nowhere => Fate::Drop(DropReason::Martian),
    }
}
