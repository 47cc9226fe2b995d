//! Signal routes: which of them the state of the start and the links of the ports allow, and what `show chassis high-availability
//! information` says.

use ravelin_ctl::operator::{HighAvailability, Signal};
use ravelin_ctl::plane::SignalGroup;
use ravelin_platform::clock::now;

use super::Control;

impl Control {
    /// Tells the monitor what may be announced.
    pub(super) fn follow_signals(&mut self) {
        let allowed = self.startup.may_announce();
        let groups = &self.configuration.running.signals;
        let well = groups
            .iter()
            .filter(|group| allowed && self.missing_link(group).is_none());
        let addresses = well.flat_map(|group| &group.addresses).copied().collect();
        self.parts.health.want(addresses);
    }

    /// Which link a group misses.
    fn missing_link(&self, group: &SignalGroup) -> Option<String> {
        let ports = &self.configuration.running.ports;
        missing_link(group, ports.iter().map(|port| port.name.as_str()), |name| {
            self.parts.ports.get(name).is_some_and(|port| port.link_up)
        })
    }

    pub(super) fn high_availability(&self) -> HighAvailability {
        let now = now();
        let (phase, since) = self.startup.phase();
        let report = self.parts.health.report();
        let mut signals = Vec::new();
        for group in &self.configuration.running.signals {
            let reason = if self.startup.may_announce() {
                self.missing_link(group)
            } else {
                Some(format!("the data plane is {}", phase.name()))
            };
            let fault = report.fault.map(|fault| fault.to_string());
            for address in &group.addresses {
                let known = report.signals.get(address);
                let (up, changed) = known.copied().unwrap_or((false, since));
                let cause = fault.clone().or_else(|| reason.clone());
                let cause =
                    cause.unwrap_or_else(|| "the device holder was not told yet".to_owned());
                signals.push(Signal {
                    group: group.group,
                    address: *address,
                    up,
                    since_s: now.since(changed).as_secs(),
                    reason: (!up).then_some(cause),
                });
            }
        }
        HighAvailability {
            state: phase.name().to_owned(),
            state_s: now.since(since).as_secs(),
            waiting: self
                .startup
                .waiting()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            fault: report.fault.map(|fault| fault.to_string()),
            pairs: self.parts.controller.list().len() as u64,
            signals,
        }
    }
}

/// Which link `group` misses: one of those it monitors, or else all of them.
fn missing_link<'a>(
    group: &SignalGroup,
    mut ports: impl Iterator<Item = &'a str>,
    has_link: impl Fn(&str) -> bool,
) -> Option<String> {
    if group.monitored.is_empty() {
        return (!ports.any(has_link)).then(|| "no port has a link".to_owned());
    }
    let missing = group.monitored.iter().find(|name| !has_link(name));
    missing.map(|name| format!("{name} has no link"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_needs_what_it_monitors_or_any_port() {
        let group = |monitored: &[&str]| SignalGroup {
            group: 1,
            addresses: vec![],
            monitored: monitored.iter().map(|name| (*name).to_owned()).collect(),
        };
        let missing = |monitored: &[&str], up: &[&str]| {
            missing_link(&group(monitored), ["a", "b"].into_iter(), |name| {
                up.contains(&name)
            })
        };
        assert_eq!(missing(&[], &["b"]), None);
        assert_eq!(missing(&[], &[]).unwrap(), "no port has a link");
        assert_eq!(missing(&["a", "b"], &["a", "b"]), None);
        assert_eq!(missing(&["a", "b"], &["a"]).unwrap(), "b has no link");
        assert_eq!(missing(&["c"], &["a"]).unwrap(), "c has no link");
    }
}
