//! mgmtd's two phases: prepare opens ports and checks, apply cannot fail but for netd, abort closes what was opened.
//!
//! A port that a configuration leaves out is first taken from every worker, and closed when the last queue pair has come back.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ravelin_ctl::daemon::{Part, Reply, Request};
use ravelin_ctl::netd;
use ravelin_ctl::operator::DaemonReply;
use ravelin_ctl::plane::PlaneConfig;
use ravelin_dataplane::control::PreparedConfig;
use ravelin_platform::clock::now;
use ravelin_types::{Generation, Time, UnitName};

use super::Control;
use super::view::Unit;
use crate::error::Error;
use crate::mgmtd::Question;
use crate::nic::ports::Ports;
use crate::twins::Wanted;

/// How long a worker may take to give back a queue pair: many rounds of its longest sleep.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Pause between looks meanwhile.
const CLOSE_RETRY: Duration = Duration::from_millis(1);

struct Prepared {
    generation: Generation,
    config: PlaneConfig,
    checked: PreparedConfig,
    opened: Vec<String>,
}

/// What runs, what is prepared, and which ports are on their way out.
#[derive(Default)]
pub struct Configuration {
    /// The configuration that runs.
    pub running: PlaneConfig,
    prepared: Option<Prepared>,
    /// Ports that workers still hold, by index: name and queue pairs to come.
    closing: HashMap<u16, (String, usize)>,
}

impl Control {
    pub(super) fn serve_mgmtd(&mut self, question: Question) {
        let reply = match question.request.clone() {
            Request::Prepare { generation, part } => {
                let verdict = match part {
                    Part::Plane(config) => self.prepare(generation, config),
                    Part::Ike(_) => Err("this part is not planed's".to_owned()),
                };
                if let Err(reason) = &verdict {
                    log::warn!("generation {generation} is refused: {reason}");
                }
                Some(Reply::Prepared(verdict))
            }
            Request::Apply(generation) => {
                let outcome = self.apply(generation);
                match &outcome {
                    Ok(_) => log::info!("generation {generation} runs"),
                    Err(reason) => log::warn!("generation {generation}: {reason}"),
                }
                Some(Reply::Applied(outcome))
            }
            Request::Abort(generation) => {
                self.abort(generation);
                None
            }
            Request::Operator(query) => {
                let answer = self
                    .answer(&query)
                    .unwrap_or_else(|| DaemonReply::Failed("planed does not know that".to_owned()));
                Some(Reply::Operator(answer))
            }
        };
        question.answer(reply);
    }

    fn prepare(&mut self, generation: Generation, config: PlaneConfig) -> Result<(), String> {
        self.drop_prepared();
        self.finish_closing();
        let opened = self
            .parts
            .ports
            .open_missing(&config)
            .map_err(|error| error.to_string())?;
        let checked =
            self.parts
                .controller
                .prepare_config(generation, &config, &self.parts.ports.macs());
        match checked {
            Ok(checked) => {
                self.configuration.prepared = Some(Prepared {
                    generation,
                    config,
                    checked,
                    opened,
                });
                Ok(())
            }
            Err(error) => {
                for name in opened {
                    self.parts.ports.close(&name);
                }
                Err(error.to_string())
            }
        }
    }

    fn abort(&mut self, generation: Generation) {
        let same = |prepared: &Prepared| prepared.generation == generation;
        if self.configuration.prepared.as_ref().is_some_and(same) {
            self.drop_prepared();
        }
    }

    fn drop_prepared(&mut self) {
        let Some(prepared) = self.configuration.prepared.take() else {
            return;
        };
        for name in prepared.opened {
            self.parts.ports.close(&name);
        }
    }

    fn apply(&mut self, generation: Generation) -> Result<Generation, String> {
        let same = |prepared: &mut Prepared| prepared.generation == generation;
        let Some(prepared) = self.configuration.prepared.take_if(same) else {
            return Err(Error::NotPrepared(generation.0).to_string());
        };
        let old = std::mem::replace(&mut self.configuration.running, prepared.config);
        self.parts.controller.apply_config(prepared.checked);
        self.parts.controller.publish();
        for port in &self.configuration.running.ports {
            self.parts.ports.set_mtu(&port.name, port.mtu_octets);
            let vlans = port.units.iter().filter_map(|unit| unit.vlan);
            self.parts.ports.set_vlans(&port.name, &vlans.collect());
        }
        for name in &prepared.opened {
            self.attach_port(name);
        }
        for name in missing_ports(&old, &self.configuration.running) {
            self.detach_port(&name);
        }
        let index_of = |name: &UnitName| self.parts.controller.index_of(name);
        let running = &self.configuration.running;
        self.parts
            .twins
            .want(twins(running, &self.parts.ports, index_of));
        self.kernel.set_units(units(running, index_of));
        let made = self.make_twins();
        self.kernel.rebuild(&mut self.parts.controller);
        // Before SAs come: one is put where it is put when it is installed.
        self.follow_devices(now());
        let gateways = !self.configuration.running.ike_addresses.is_empty();
        self.startup.configured(gateways, now());
        self.next_state = Time::default();
        self.follow_signals();
        made.map(|()| generation)
    }

    /// Makes the twins. A netd that is not there yet fails nothing: the configuration runs, the chores go on trying, and transit
    /// waits for them.
    fn make_twins(&mut self) -> Result<(), String> {
        match self.parts.twins.reconcile(&self.parts.punt) {
            Ok(()) | Err(Error::NetdSocket(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn port_index(&self, name: &str) -> Option<u16> {
        let tables = self.parts.controller.tables();
        let at = tables
            .config
            .ports
            .iter()
            .position(|port| port.name == name)?;
        u16::try_from(at).ok()
    }

    fn attach_port(&mut self, name: &str) {
        let Some(index) = self.port_index(name) else {
            return;
        };
        let Some(port) = self.parts.ports.get_mut(name) else {
            return;
        };
        for (worker, queues) in (0..).zip(port.take_queues()) {
            self.parts.controller.attach_port(worker, index, queues);
        }
    }

    fn detach_port(&mut self, name: &str) {
        let Some(index) = self.port_index(name) else {
            return;
        };
        let workers = self.parts.controller.shared().links.len();
        for worker in 0..workers {
            self.parts.controller.detach_port(worker as u8, index);
        }
        self.configuration
            .closing
            .insert(index, (name.to_owned(), workers));
    }

    /// Waits until the ports on their way out are closed, so that their devices can be opened again.
    fn finish_closing(&mut self) {
        let deadline = now() + CLOSE_WAIT;
        while !self.configuration.closing.is_empty() && now() < deadline {
            std::thread::sleep(CLOSE_RETRY);
            self.parts.health.beat();
            for notice in self.parts.controller.poll(now()) {
                self.take_notice(notice);
            }
        }
    }

    /// A worker gave back its queue pair; the last one closes the port.
    pub(super) fn port_detached(&mut self, index: u16) {
        let Some((name, left)) = self.configuration.closing.get_mut(&index) else {
            return;
        };
        *left -= 1;
        if *left == 0 {
            let name = std::mem::take(name);
            self.configuration.closing.remove(&index);
            self.parts.ports.close(&name);
        }
    }

    /// Carries the state of the links over to the twins, so that the kernel and FRR see it.
    pub(super) fn follow_links(&mut self) {
        for name in self.parts.ports.changed_links() {
            let up = self.parts.ports.get(&name).is_some_and(|port| port.link_up);
            let port = self
                .configuration
                .running
                .ports
                .iter()
                .find(|port| port.name == name);
            for unit in port.iter().flat_map(|port| &port.units) {
                self.parts.twins.set_carrier(&unit.name, up);
            }
            if up {
                self.kernel.refresh();
            }
        }
    }
}

/// Ports of `old` that `new` does not have.
fn missing_ports(old: &PlaneConfig, new: &PlaneConfig) -> Vec<String> {
    let kept: HashSet<&str> = new.ports.iter().map(|port| port.name.as_str()).collect();
    let names = old.ports.iter().map(|port| port.name.clone());
    names.filter(|name| !kept.contains(name.as_str())).collect()
}

/// The twins of a configuration.
fn twins(
    config: &PlaneConfig,
    ports: &Ports,
    index_of: impl Fn(&UnitName) -> Option<ravelin_dataplane::tables::IfIndex>,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for port in &config.ports {
        let Some(open) = ports.get(&port.name) else {
            continue;
        };
        for unit in &port.units {
            wanted.extend(index_of(&unit.name).map(|index| Wanted {
                index,
                device: netd::Device {
                    unit: unit.name.clone(),
                    mac: Some(open.mac),
                    mtu_octets: port.mtu_octets.into(),
                    carrier: open.link_up,
                },
            }));
        }
    }
    for tunnel in &config.tunnels {
        let unit = UnitName::new("st0", tunnel.unit);
        wanted.extend(index_of(&unit).map(|index| Wanted {
            index,
            device: netd::Device {
                unit: unit.clone(),
                mac: None,
                mtu_octets: tunnel.mtu_octets.into(),
                carrier: true,
            },
        }));
    }
    wanted
}

/// The units and tunnels of a configuration by the kernel's name of their twin.
fn units(
    config: &PlaneConfig,
    index_of: impl Fn(&UnitName) -> Option<ravelin_dataplane::tables::IfIndex>,
) -> HashMap<String, Unit> {
    let of_ports = config
        .ports
        .iter()
        .flat_map(|port| &port.units)
        .map(|unit| (unit.name.clone(), unit.vrf, false));
    let of_tunnels = config
        .tunnels
        .iter()
        .map(|tunnel| (UnitName::new("st0", tunnel.unit), tunnel.vrf, true));
    of_ports
        .chain(of_tunnels)
        .filter_map(|(name, vrf, tunnel)| {
            let index = index_of(&name)?;
            Some((
                name.kernel(),
                Unit {
                    name,
                    index,
                    vrf,
                    tunnel,
                },
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests;
