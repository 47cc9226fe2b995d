//! The kernel's VRF devices, addresses and static routes, kept as the configuration wants them while devices come and go.
//!
//! A thread of its own reconciles when the plan changes, when a link changes, and again after a while when something was
//! refused: a gateway that is not reachable yet, a twin that planed has not made yet. A twin of a routing instance gets its addresses
//! when it is enslaved to the instance's VRF device and not before: in the default instance they would be wrong.

use crate::error::MgmtError;
use ravelin_ctl::instance::RoutingInstance;
use ravelin_routing::{
    InterfaceAddress, Kernel, LinkInfo, LinkSettings, LinkWatch, RoutingError, StaticRoute,
    VrfDevice, vrf_of_table,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
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
    /// Routing instances, each with its VRF device.
    pub instances: Vec<RoutingInstance>,
    /// What devices shall have, by the kernel's name. One without addresses is still put up.
    pub devices: BTreeMap<String, DevicePlan>,
    /// Static routes.
    pub routes: Vec<StaticRoute>,
}

/// What a device shall have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DevicePlan {
    /// The VRF device that it is enslaved to.
    pub vrf: Option<String>,
    /// Its addresses.
    pub addresses: Vec<InterfaceAddress>,
}

/// What the thread is told.
#[derive(Debug)]
pub enum Order {
    /// A new plan.
    Plan(KernelPlan),
    /// Links changed.
    Links,
}

/// The threads as others see them.
#[derive(Debug, Clone)]
pub struct Handle {
    orders: Sender<Order>,
    faults: Arc<Mutex<Vec<String>>>,
}

impl Handle {
    /// A handle of whoever takes the orders.
    pub fn new(orders: Sender<Order>) -> Self {
        Self {
            orders,
            faults: Arc::default(),
        }
    }

    /// Gives the threads a new plan; false when they are gone.
    pub fn plan(&self, plan: KernelPlan) -> bool {
        self.orders.send(Order::Plan(plan)).is_ok()
    }

    /// Routing instances that the kernel does not have, with the reason.
    pub fn faults(&self) -> Vec<String> {
        self.faults
            .lock()
            .map_or_else(|e| e.into_inner().clone(), |f| f.clone())
    }
}

/// Starts the threads in the caller's network namespace.
///
/// # Errors
/// When the kernel gives no sockets or threads.
pub fn start() -> Result<Handle, MgmtError> {
    let kernel = Kernel::open()?;
    let mut watch = LinkWatch::open()?;
    let (orders, inbox) = channel();
    let links = orders.clone();
    let handle = Handle::new(orders);
    let mut keeper = Keeper {
        kernel,
        complaints: Vec::new(),
        faults: Arc::clone(&handle.faults),
    };
    let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
    let watching =
        spawn("links").spawn(
            move || {
                while watch.wait().is_ok() && links.send(Order::Links).is_ok() {}
            },
        );
    watching.map_err(MgmtError::Thread)?;
    let working = spawn("kernel").spawn(move || run(&mut keeper, &inbox));
    working.map_err(MgmtError::Thread)?;
    Ok(handle)
}

fn run(keeper: &mut Keeper, inbox: &Receiver<Order>) {
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
    /// Those of them about routing instances, for the alarms.
    faults: Arc<Mutex<Vec<String>>>,
}

impl Keeper {
    /// Brings the kernel to `plan`; whether all of it holds now.
    fn reconcile(&mut self, plan: &KernelPlan) -> bool {
        let mut complaints = Vec::new();
        if let Err(error) = self.instances(plan, &mut complaints) {
            complaints.push(error.to_string());
        }
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

    fn instances(
        &mut self,
        plan: &KernelPlan,
        complaints: &mut Vec<String>,
    ) -> Result<(), RoutingError> {
        let wanted = plan.instances.iter().map(|instance| VrfDevice {
            name: instance.device.clone(),
            table: instance.table,
        });
        let wanted: Vec<VrfDevice> = wanted.collect();
        let failed = self.kernel.reconcile_vrfs(&wanted)?.failed;
        let faults = failed.iter().map(|(vrf, error)| {
            let mut instances = plan.instances.iter();
            match instances.find(|instance| instance.device == vrf.name) {
                Some(instance) => format!("routing instance `{}`: {error}", instance.name),
                None => error.to_string(),
            }
        });
        let faults: Vec<String> = faults.collect();
        complaints.extend_from_slice(&faults);
        if let Ok(mut told) = self.faults.lock() {
            *told = faults;
        }
        Ok(())
    }

    fn devices(
        &mut self,
        plan: &KernelPlan,
        complaints: &mut Vec<String>,
    ) -> Result<(), RoutingError> {
        let links = self.kernel.links()?;
        let by_index: HashMap<u32, &LinkInfo> = links.iter().map(|l| (l.ifindex, l)).collect();
        let links: HashMap<&str, &LinkInfo> = links.iter().map(|l| (l.name.as_str(), l)).collect();
        let vrfs = plan
            .instances
            .iter()
            .map(|instance| instance.device.as_str());
        let vrfs: HashSet<&str> = vrfs.collect();
        for (device, wanted) in &plan.devices {
            let Some(link) = links.get(device.as_str()) else {
                complaints.push(RoutingError::NoSuchDevice(device.clone()).to_string());
                continue;
            };
            // Somebody else's device that is in the way of ours; that is told already.
            if vrfs.contains(device.as_str()) && !is_ours(link) {
                continue;
            }
            let vrf = wanted.vrf.as_deref();
            let missing = vrf.filter(|vrf| !links.get(vrf).is_some_and(|l| is_ours(l)));
            let held = by_index.get(&link.controller).copied();
            let placed = match missing {
                Some(vrf) => Err(RoutingError::NoSuchDevice(vrf.to_owned())),
                None => self.place(device, vrf, held),
            };
            // In the wrong instance its addresses are nobody's.
            let addresses: &[_] = if placed.is_ok() {
                &wanted.addresses
            } else {
                &[]
            };
            complaints.extend(placed.err().map(|error| error.to_string()));
            if let Err(error) = self.device(device, link, addresses, complaints) {
                complaints.push(error.to_string());
            }
        }
        Ok(())
    }

    /// Enslaves a device to the VRF device of its instance; one of the default instance leaves those of others.
    fn place(
        &mut self,
        device: &str,
        wanted: Option<&str>,
        held: Option<&LinkInfo>,
    ) -> Result<(), RoutingError> {
        match wanted {
            Some(vrf) if held.is_some_and(|held| held.name == vrf) => Ok(()),
            None if !held.is_some_and(is_ours) => Ok(()),
            wanted => self.kernel.set_vrf(device, wanted),
        }
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

/// Whether a device is the VRF device of a routing instance.
fn is_ours(link: &LinkInfo) -> bool {
    link.vrf_table.and_then(vrf_of_table).is_some()
}
