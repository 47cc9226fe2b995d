//! Signal routes (`active-signal-route`): `blackhole ADDRESS proto 201`, host routes that exist only to be redistributed.
//!
//! BGP's `if-route-exists` conditions look at them; no packet of the data plane follows them, and the mirror ignores them. This is
//! the kernel's side: it adds, removes and lists, and decides nothing.

use crate::netlink::Requester;
use crate::record::{RouteRecord, RouteTarget};
use crate::{RTPROT_SIGNAL, RoutingError, TABLE_MAIN};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use ravelin_types::Prefix;
use std::io;
use std::net::IpAddr;

/// Metric of our routes: no other protocol of ours uses it, so that an addition that finds one finds our own.
const SIGNAL_METRIC: u32 = 3;

/// The signal routes of the kernel's main table.
#[derive(Debug)]
pub struct SignalRoutes {
    requester: Requester,
}

impl SignalRoutes {
    /// Opens the socket; the kernel is left as it is.
    ///
    /// # Errors
    /// The socket's.
    pub fn open() -> Result<Self, RoutingError> {
        Ok(Self {
            requester: Requester::open()?,
        })
    }

    /// Addresses of the routes that are there.
    ///
    /// # Errors
    /// The dump's.
    pub fn list(&mut self) -> Result<Vec<IpAddr>, RoutingError> {
        let records = crate::kernel::dump_routes(&mut self.requester)?;
        let ours = |record: &RouteRecord| {
            record.protocol == RTPROT_SIGNAL
                && record.table == TABLE_MAIN
                && record.prefix == host(record.prefix.addr())
        };
        let ours = records.into_iter().filter(ours);
        Ok(ours.map(|record| record.prefix.addr()).collect())
    }

    /// Makes the route stand; false when it did already, and then nobody is notified.
    ///
    /// # Errors
    /// The kernel's refusal, or the socket's.
    pub fn add(&mut self, address: IpAddr) -> Result<bool, RoutingError> {
        let message = RouteNetlinkMessage::NewRoute(record(address).encode());
        self.unless(Errno::EEXIST, NLM_F_CREATE | NLM_F_EXCL, message, || {
            format!("add signal route {address}")
        })
    }

    /// Makes the route go; false when there was none.
    ///
    /// # Errors
    /// The kernel's refusal, or the socket's.
    pub fn remove(&mut self, address: IpAddr) -> Result<bool, RoutingError> {
        let message = RouteNetlinkMessage::DelRoute(record(address).encode());
        self.unless(Errno::ESRCH, 0, message, || {
            format!("delete signal route {address}")
        })
    }

    fn unless(
        &mut self,
        done: Errno,
        flags: u16,
        message: RouteNetlinkMessage,
        subject: impl FnOnce() -> String,
    ) -> Result<bool, RoutingError> {
        let already = |source: &io::Error| source.raw_os_error() == Some(done as i32);
        match self.requester.request(flags, message, subject) {
            Err(RoutingError::Refused { source, .. }) if already(&source) => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }
}

fn host(address: IpAddr) -> Prefix {
    Prefix::host(address)
}

fn record(address: IpAddr) -> RouteRecord {
    let target = RouteTarget::Blackhole;
    RouteRecord::new(
        TABLE_MAIN,
        host(address),
        RTPROT_SIGNAL,
        SIGNAL_METRIC,
        target,
    )
}
