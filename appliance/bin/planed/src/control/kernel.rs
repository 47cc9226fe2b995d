//! The kernel's side of the control thread: the mirror's socket, the neighbours it shall keep, and the [`View`] between it and the
//! data plane.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ravelin_dataplane::Controller;
use ravelin_dataplane::tables::IfIndex;
use ravelin_platform::clock::now;
use ravelin_routing::mirror::{Mirror, MirrorEvent, MirrorSocket};
use ravelin_routing::{GcThresholds, NeighbourKeeper, RoutingError, set_gc_thresholds};
use ravelin_types::Time;

use super::view::{Unit, View};
use crate::error::Error;
use crate::nic::Dpdk;

/// How often used neighbours are noted.
const UPKEEP: Duration = Duration::from_secs(10);
/// A neighbour that no packet used for so long may age in the kernel.
const UNUSED: Duration = Duration::from_secs(600);
/// A neighbour that was asked for and did not answer is let go after so long; the packets that waited are gone by then. Each worker
/// asks for at most 256 in 3 s, so that a scan of attached subnets by 32 workers, looked at every 10 s, keeps 41,000 of the 65,536
/// places at most.
const UNANSWERED: Duration = Duration::from_secs(5);
/// Bound of the kernel's neighbour tables, that of ours.
const NEIGHBOURS: u32 = 65_536;

/// Mirror, keeper and view.
pub struct Kernel {
    socket: MirrorSocket,
    keeper: NeighbourKeeper,
    view: View,
    events: Vec<MirrorEvent>,
    /// Neighbours that the kernel keeps for us, and until when.
    kept: HashMap<(u32, IpAddr), Time>,
    next_upkeep: Time,
    stale: bool,
    complete: bool,
}

impl Kernel {
    /// Opens the sockets and asks for the first dump.
    ///
    /// # Errors
    /// rtnetlink's.
    pub fn open() -> Result<Self, Error> {
        // Refused where another owns the kernel (a container); then its own bounds hold.
        let raised = set_gc_thresholds(GcThresholds::for_table(NEIGHBOURS));
        raised.map_or_else(|error| log::info!("{error}"), drop);
        Ok(Self {
            socket: MirrorSocket::open()?,
            keeper: NeighbourKeeper::open()?,
            view: View::default(),
            events: Vec::new(),
            kept: HashMap::new(),
            next_upkeep: Time::default(),
            stale: false,
            complete: false,
        })
    }

    /// Waits at most `pace` for news and gives them to the controller.
    pub fn poll(&mut self, pace: Duration, controller: &mut Controller<Dpdk>) {
        if let Err(error) = self.socket.poll(pace, &mut self.events) {
            self.reopen(&error);
        }
        let now = now();
        for event in self.events.drain(..) {
            self.complete |= matches!(event, MirrorEvent::Synced);
            self.stale |= self.view.take(&event, controller, now);
        }
        if self.stale {
            self.rebuild(controller);
        }
    }

    /// Whether the first dump of the kernel's state has come to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// A socket that failed is replaced: its first dump repairs what was lost, except removals, which the rebuild sees to.
    fn reopen(&mut self, error: &RoutingError) {
        log::error!("{error}; opening rtnetlink anew");
        let mut gone: Vec<MirrorEvent> = self
            .socket
            .mirror()
            .routes()
            .map(|route| MirrorEvent::RouteGone {
                table: route.table,
                prefix: route.prefix,
            })
            .collect();
        match MirrorSocket::open() {
            Ok(socket) => {
                self.socket = socket;
                self.events.append(&mut gone);
            }
            Err(error) => log::error!("{error}"),
        }
    }

    /// Sets the units of the configuration; [`Kernel::rebuild`] must follow.
    pub fn set_units(&mut self, units: HashMap<String, Unit>) {
        self.view.set_units(units);
        self.stale = true;
    }

    /// Feeds everything that the mirror knows.
    pub fn rebuild(&mut self, controller: &mut Controller<Dpdk>) {
        self.stale = false;
        for link in self.socket.mirror().links() {
            self.view.bind(&link);
        }
        for route in self.socket.mirror().routes() {
            self.view.route(&route, controller);
        }
        for neighbour in self.socket.mirror().neighbours() {
            let mac = neighbour.mac.filter(|_| neighbour.usable);
            self.view
                .neighbour(controller, neighbour.ifindex, neighbour.address, mac);
        }
        controller.publish();
    }

    /// Asks the kernel to resolve a neighbour and to keep it resolved.
    pub fn resolve(&mut self, interface: IfIndex, address: IpAddr) {
        let Some(ifindex) = self.view.ifindex(interface) else {
            return;
        };
        match self.keeper.request(ifindex, address) {
            Ok(()) => {
                let until = now() + UNANSWERED;
                let kept = self.kept.entry((ifindex, address)).or_insert(until);
                *kept = until.max(*kept);
            }
            // A device that is just down; the packet that waits expires by itself.
            Err(error) => log::debug!("{error}"),
        }
    }

    /// Asks for all neighbours again, after a link came back.
    pub fn refresh(&mut self) {
        self.keeper
            .refresh()
            .unwrap_or_else(|error| log::warn!("{error}"));
    }

    /// Lets neighbours age that no packet used for long, or that never answered: those have not been used since they were asked for.
    pub fn upkeep(&mut self, now: Time, controller: &Controller<Dpdk>) {
        if now < self.next_upkeep {
            return;
        }
        self.next_upkeep = now + UPKEEP;
        for (interface, address) in controller.used_neighbours() {
            if let Some(ifindex) = self.view.ifindex(interface) {
                self.kept.insert((ifindex, address), now + UNUSED);
            }
        }
        let keeper = &mut self.keeper;
        self.kept.retain(|(ifindex, address), until| {
            let keep = *until >= now;
            if !keep {
                let released = keeper.release(*ifindex, *address);
                released.unwrap_or_else(|error| log::debug!("{error}"));
            }
            keep
        });
    }

    /// The mirrored state.
    pub fn mirror(&self) -> &Mirror {
        self.socket.mirror()
    }

    /// The translation.
    pub fn view(&self) -> &View {
        &self.view
    }
}
