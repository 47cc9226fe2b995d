//! Addresses, link settings, VRF devices and static routes of the kernel, brought to what the configuration wants (mgmtd).
//!
//! Reconciling is exact for what is ours and leaves the rest alone: addresses of a device except the link-local ones that
//! the kernel makes and `127.0.0.0/8`, `::1` of `lo`; VRF devices and routes with protocol `static` of the tables of routing
//! instances. It creates no other devices, and does not watch: the kernel drops IPv4 routes silently when a link goes down, so static routes are reconciled again when it comes up.

mod address;
mod link;
mod route;
mod vrf;
mod watch;

pub use address::InterfaceAddress;
pub use link::{LinkInfo, LinkSettings};
pub use route::{Hop, StaticRoute, StaticTarget};
pub use vrf::VrfDevice;
pub use watch::LinkWatch;

pub(crate) use address::decode_address;
pub(crate) use link::{decode_link, device_names};
pub(crate) use route::{dump_routes, route_dump};
pub(crate) use vrf::END_METRIC;

use crate::RoutingError;
use crate::netlink::Requester;

/// A connection to the kernel of the network namespace that the opening thread is in.
#[derive(Debug)]
pub struct Kernel {
    requester: Requester,
}

/// What a reconciliation changed.
#[derive(Debug)]
pub struct Reconciled<T> {
    /// Now present.
    pub added: Vec<T>,
    /// Now absent.
    pub removed: Vec<T>,
    /// Refused by the kernel, each with its reason; all others were still treated.
    pub failed: Vec<(T, RoutingError)>,
}

impl<T> Reconciled<T> {
    fn new() -> Self {
        Self {
            added: Vec::new(),
            removed: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Whether nothing had to be done.
    pub fn is_unchanged(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.failed.is_empty()
    }
}

impl Kernel {
    /// Opens the connection.
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> Result<Self, RoutingError> {
        Ok(Self {
            requester: Requester::open()?,
        })
    }
}
