//! What Ravelin and the Linux kernel tell each other about links, addresses, neighbours and routes, by rtnetlink.
//!
//! * [`mirror`]: the kernel's state as a pure state machine and the socket that feeds it (planed);
//! * [`NeighbourKeeper`]: asks the kernel to keep the next hops of the fast path resolved (planed);
//! * [`AriRoutes`]: the routes of traffic selectors that FRR redistributes (iked);
//! * [`SignalRoutes`]: host routes by which routers learn that this node serves (netd);
//! * [`Kernel`]: VRF devices, addresses, link settings and static routes, reconciled with what is wanted (mgmtd).
//!
//! It does *not* render or drive FRR, forward packets, or decide which route is wanted. Sockets block or poll; there are
//! no threads here. RFC 3549 describes netlink; the messages are those of rtnetlink(7).
#![forbid(unsafe_code)]

mod ari;
mod error;
mod kernel;
pub mod mirror;
mod neighbour;
pub mod netlink;
mod record;
mod signal;

pub use ari::{AriOwner, AriProgress, AriRoute, AriRoutes};
pub use error::RoutingError;
pub use kernel::{
    Hop, InterfaceAddress, Kernel, LinkInfo, LinkSettings, LinkWatch, Reconciled, StaticRoute,
    StaticTarget, VrfDevice,
};
pub use neighbour::{GcThresholds, NeighbourKeeper, set_gc_thresholds, set_reprobes};
pub use record::{NextHop, RouteRecord, RouteTarget};
pub use signal::SignalRoutes;

use ravelin_types::{MAX_INSTANCES, VrfId};

/// The kernel's main table, which is the default routing instance's.
pub const TABLE_MAIN: u32 = 254;
/// The kernel's table of local addresses; the mirror shows it as part of [`TABLE_MAIN`].
pub const TABLE_LOCAL: u32 = 255;

/// The table of routing instance 1; the management instance's (6010) and those of routing suites are far.
const FIRST_INSTANCE_TABLE: u32 = 6101;

/// The kernel's table of a routing instance.
pub fn table_of(vrf: VrfId) -> u32 {
    match u32::from(vrf.0).checked_sub(1) {
        None => TABLE_MAIN,
        Some(index) => FIRST_INSTANCE_TABLE + index,
    }
}

/// The routing instance of a kernel's table; none for those of others.
pub fn vrf_of_table(table: u32) -> Option<VrfId> {
    if table == TABLE_MAIN {
        return Some(VrfId::DEFAULT);
    }
    let index = table.checked_sub(FIRST_INSTANCE_TABLE)?;
    let number = u16::try_from(index + 1).ok()?;
    (usize::from(number) <= MAX_INSTANCES).then_some(VrfId(number))
}

/// Routes that the kernel makes for addresses.
pub const RTPROT_KERNEL: u8 = 2;
/// Static routes, ours by mgmtd.
pub const RTPROT_STATIC: u8 = 4;
/// Traffic-selector routes (auto route insertion), ours by iked; `ari-ts` in /etc/iproute2/rt_protos.
pub const RTPROT_ARI_TS: u8 = 200;
/// Signal routes, ours by netd: `active-signal-route`.
pub const RTPROT_SIGNAL: u8 = 201;
