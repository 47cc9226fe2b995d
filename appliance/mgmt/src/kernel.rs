//! The kernel's addresses and static routes, kept as the configuration wants them while devices come and go.
//!
//! A thread of its own reconciles when the plan changes, when a link changes, and again after a while when something was
//! refused: a gateway that is not reachable yet, a twin that planed has not made yet.

use crate::error::MgmtError;
use ravelin_routing::{
    InterfaceAddress, Kernel, LinkInfo, LinkSettings, LinkWatch, RoutingError, StaticRoute,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// First pause before a retry; doubled up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// Longest pause before a retry, and between checks when all is well (somebody may have used `ip` by hand).
const LAST_RETRY: Duration = Duration::from_secs(10);
/// How long to gather link changes that come in a burst, as when planed starts.
const SETTLE: Duration = Duration::from_millis(20);

/// What the kernel shall have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KernelPlan {
    /// Addresses by the kernel's device name. A device with none is still put up.
    pub devices: BTreeMap<String, Vec<InterfaceAddress>>,
    /// Static routes.
    pub routes: Vec<StaticRoute>,
}

/// What the thread is told.
#[derive(Debug)]
pub enum Order {
    /// A new plan.
    Plan(KernelPlan),
    /// Links changed.
    Links,
}

/// Starts the threads in the caller's network namespace. Plans go to the returned sender.
///
/// # Errors
/// When the kernel gives no sockets or threads.
pub fn start() -> Result<Sender<Order>, MgmtError> {
    let kernel = Kernel::open()?;
    let mut watch = LinkWatch::open()?;
    let (orders, inbox) = channel();
    let links = orders.clone();
    let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
    let watching =
        spawn("links").spawn(
            move || {
                while watch.wait().is_ok() && links.send(Order::Links).is_ok() {}
            },
        );
    watching.map_err(MgmtError::Thread)?;
    let working = spawn("kernel").spawn(move || run(kernel, &inbox));
    working.map_err(MgmtError::Thread)?;
    Ok(orders)
}

fn run(kernel: Kernel, inbox: &Receiver<Order>) {
    let mut keeper = Keeper {
        kernel,
        complaints: Vec::new(),
    };
    let mut plan: Option<KernelPlan> = None;
    let mut pause = LAST_RETRY;
    loop {
        let mut next = inbox.recv_timeout(pause);
        loop {
            match next {
                Ok(order) => {
                    pause = FIRST_RETRY;
                    if let Order::Plan(fresh) = order {
                        plan = Some(fresh);
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            next = inbox.recv_timeout(SETTLE);
        }
        if let Some(plan) = &plan {
            let holds = keeper.reconcile(plan);
            pause = if holds {
                LAST_RETRY
            } else {
                (pause * 2).min(LAST_RETRY)
            };
        }
    }
}

struct Keeper {
    kernel: Kernel,
    /// What was wrong at the last pass, to log changes only.
    complaints: Vec<String>,
}

impl Keeper {
    /// Brings the kernel to `plan`; whether all of it holds now.
    fn reconcile(&mut self, plan: &KernelPlan) -> bool {
        let mut complaints = Vec::new();
        if let Err(error) = self.devices(plan, &mut complaints) {
            complaints.push(error.to_string());
        }
        match self.kernel.reconcile_static_routes(&plan.routes) {
            Ok(done) => complaints.extend(done.failed.iter().map(|(_, e)| e.to_string())),
            Err(error) => complaints.push(error.to_string()),
        }
        for complaint in complaints.iter().filter(|c| !self.complaints.contains(c)) {
            log::info!("kernel: {complaint}");
        }
        self.complaints = complaints;
        self.complaints.is_empty()
    }

    fn devices(
        &mut self,
        plan: &KernelPlan,
        complaints: &mut Vec<String>,
    ) -> Result<(), RoutingError> {
        let links = self.kernel.links()?;
        let links: HashMap<&str, &LinkInfo> = links.iter().map(|l| (l.name.as_str(), l)).collect();
        for (device, addresses) in &plan.devices {
            let Some(link) = links.get(device.as_str()) else {
                complaints.push(RoutingError::NoSuchDevice(device.clone()).to_string());
                continue;
            };
            if let Err(error) = self.device(device, link, addresses, complaints) {
                complaints.push(error.to_string());
            }
        }
        Ok(())
    }

    fn device(
        &mut self,
        device: &str,
        link: &LinkInfo,
        addresses: &[InterfaceAddress],
        complaints: &mut Vec<String>,
    ) -> Result<(), RoutingError> {
        if !link.admin_up {
            let up = LinkSettings {
                up: Some(true),
                ..LinkSettings::default()
            };
            self.kernel.set_link(device, up)?;
        }
        let done = self.kernel.reconcile_addresses(device, addresses)?;
        complaints.extend(done.failed.iter().map(|(_, e)| e.to_string()));
        Ok(())
    }
}
