//! The control thread: it alone owns configuration, ports, twins and the control side of the data plane.
//!
//! ```text
//!   +--> inputs (iked, mgmtd, signals) -> rtnetlink (sleeps here) -> workers' events -> chores --+
//!   +---------------------------------------------------------------------------------------------+
//! ```
//! One round takes a few milliseconds at most when idle. What other daemons ask is answered in order; nothing here waits for a
//! packet.

mod acceleration;
mod buffers;
mod captures;
mod configuration;
mod cpu;
mod flight;
mod kernel;
mod pairs;
mod queries;
mod signals;
mod startup;
mod view;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use ravelin_ctl::sa;
use ravelin_dataplane::Controller;
use ravelin_dataplane::control::Notice;
use ravelin_platform::clock::now;
use ravelin_platform::notify::Notifier;
use ravelin_types::Time;

use crate::clients::{Client, ClientId, Clients};
use crate::error::Error;
use crate::health::Health;
use crate::mgmtd::Question;
use crate::nic::Dpdk;
use crate::nic::environment::Environment;
use crate::nic::ports::Ports;
use crate::punt::Punt;
use crate::twins::Twins;
use acceleration::Devices;
use captures::Captures;
use configuration::Configuration;
use cpu::CpuHistory;
use flight::FlightRecorder;
use kernel::Kernel;
use pairs::SelectorRoutes;
use startup::Startup;

/// Sleep of a quiet round: what a request or a new neighbour waits at most.
const PACE: Duration = Duration::from_millis(2);
/// Requests answered before the workers are looked at again.
const INPUTS_PER_ROUND: usize = 32;
/// How often links, netd and unsettled twins are looked at.
const CHORES: Duration = Duration::from_millis(200);

/// What reaches the control thread.
pub enum Input {
    /// A client has connected.
    Client(Client),
    /// A client has left.
    ClientGone(ClientId),
    /// A request of a client, with its number.
    Sa(ClientId, u32, sa::Request),
    /// A request of mgmtd.
    Mgmtd(Question),
    /// End in order.
    Stop,
}

/// What the control thread works with.
pub struct Parts {
    /// Control side of the data plane.
    pub controller: Controller<Dpdk>,
    /// Ports.
    pub ports: Ports,
    /// Twins.
    pub twins: Twins,
    /// Host path.
    pub punt: Punt,
    /// Where the monitor looks.
    pub health: Arc<Health>,
    /// DPDK.
    pub environment: Environment,
    /// How many workers.
    pub workers: usize,
    /// Requests.
    pub inputs: Receiver<Input>,
    /// Service manager.
    pub notifier: Notifier,
}

/// The control thread's state.
pub struct Control {
    parts: Parts,
    kernel: Kernel,
    clients: Clients,
    configuration: Configuration,
    startup: Startup,
    selector_routes: SelectorRoutes,
    captures: Captures,
    flight: FlightRecorder,
    cpu: CpuHistory,
    devices: Devices,
    complaint: String,
    next_chores: Time,
    next_state: Time,
    next_alive: Option<Time>,
    heartbeats: Vec<u64>,
}

impl Control {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When rtnetlink does not answer.
    pub fn new(mut parts: Parts) -> Result<Self, Error> {
        parts.controller.hold_transit(true);
        parts.controller.publish();
        Ok(Self {
            kernel: Kernel::open()?,
            clients: Clients::default(),
            configuration: Configuration::default(),
            startup: Startup::default(),
            selector_routes: SelectorRoutes::default(),
            captures: Captures::default(),
            flight: FlightRecorder::default(),
            cpu: CpuHistory::default(),
            devices: Devices::default(),
            complaint: String::new(),
            next_chores: Time::default(),
            next_state: Time::default(),
            next_alive: parts.notifier.interval().map(|_| Time::default()),
            heartbeats: Vec::new(),
            parts,
        })
    }

    /// Runs until [`Input::Stop`].
    pub fn run(&mut self) {
        self.parts.notifier.ready();
        while self.take_inputs() {
            self.parts.health.beat();
            self.kernel.poll(PACE, &mut self.parts.controller);
            for notice in self.parts.controller.poll(now()) {
                self.take_notice(notice);
            }
            let now = now();
            self.follow_startup(now);
            if now >= self.next_chores {
                self.next_chores = now + CHORES;
                self.chores(now);
            }
            self.watch(now);
        }
        self.parts.notifier.stopping();
    }

    /// Lets go of everything; the workers have ended before, so that the ports close here.
    pub fn end(self) {
        self.parts.punt.join();
    }

    /// False when it is time to end.
    fn take_inputs(&mut self) -> bool {
        for _ in 0..INPUTS_PER_ROUND {
            match self.parts.inputs.try_recv() {
                Ok(Input::Client(client)) => {
                    let iked = client.is_iked().then_some(client.id());
                    self.clients.add(client);
                    if let Some(iked) = iked {
                        self.startup.iked_joined(iked);
                        // It hears where we stand before any answer.
                        self.tell_state();
                    }
                }
                Ok(Input::ClientGone(client)) => {
                    self.startup.left(client);
                    self.clients.remove(client);
                }
                Ok(Input::Sa(client, number, request)) => {
                    self.startup.heard(client, now());
                    let reply = self.serve_pairs(client, request);
                    self.clients.reply(client, number, reply);
                }
                Ok(Input::Mgmtd(question)) => self.serve_mgmtd(question),
                Ok(Input::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
        true
    }

    fn take_notice(&mut self, notice: Notice<Dpdk>) {
        match notice {
            Notice::Sa(event) => {
                if let sa::Event::InstallFailed { pair, .. } = &event {
                    self.selector_routes.remove(*pair);
                }
                self.clients.event(&event);
            }
            Notice::NeighbourWanted(interface, address) => self.kernel.resolve(interface, address),
            Notice::PortDetached(port, queues) => {
                drop(queues);
                self.port_detached(port);
            }
        }
    }

    fn chores(&mut self, now: Time) {
        self.follow_links();
        self.follow_signals();
        self.parts.twins.check();
        if !self.parts.twins.is_settled() {
            self.settle_twins();
        }
        self.kernel.upkeep(now, &self.parts.controller);
        self.forget_captures(now);
        self.follow_cpu(now);
        self.follow_devices(now);
    }

    /// Lets transit flow when the start is complete, and tells iked and the monitor.
    fn follow_startup(&mut self, now: Time) {
        let flows = self.startup.phase().0.forwards();
        // They cannot be taken back, and comparing all twins in every round costs.
        let settled = flows || self.parts.twins.is_settled();
        let changed = self
            .startup
            .advance(self.kernel.is_complete(), settled, now);
        if changed {
            let held = !self.startup.phase().0.forwards();
            self.parts.controller.hold_transit(held);
            self.parts.controller.publish();
            self.follow_signals();
        }
        if changed || now >= self.next_state {
            self.next_state = now + sa::STATE_BEAT;
            self.tell_state();
        }
    }

    fn tell_state(&mut self) {
        let forwarding = self.startup.phase().0.forwards();
        self.clients.event(&sa::Event::State { forwarding });
    }

    /// Brings the twins to what is wanted; failures are logged once and tried again.
    fn settle_twins(&mut self) {
        match self.parts.twins.reconcile(&self.parts.punt) {
            Ok(()) => self.complaint.clear(),
            Err(error) => {
                let text = error.to_string();
                if text != self.complaint {
                    log::warn!("{text}; trying again");
                    self.complaint = text;
                }
            }
        }
    }

    /// Tells the service manager that we live, while every worker and the host path do.
    fn watch(&mut self, now: Time) {
        let (Some(due), Some(interval)) = (self.next_alive, self.parts.notifier.interval()) else {
            return;
        };
        if now < due {
            return;
        }
        self.next_alive = Some(now + interval);
        let beats: Vec<u64> = (self.parts.controller.workers())
            .map(|worker| worker.heartbeat.get())
            .collect();
        let beating = |(at, beat): (usize, &u64)| self.heartbeats.get(at) != Some(beat);
        if beats.iter().enumerate().all(beating) && self.parts.punt.is_alive() {
            self.parts.notifier.alive();
        }
        self.heartbeats = beats;
    }
}
