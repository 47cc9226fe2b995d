//! Signal routes and the hold time.

use super::CompileError;
use super::plane::is_port;
use ravelin_config::Config;
use ravelin_config::typed::RedundancyGroup;
use ravelin_ctl::ike::DEFAULT_HOLD_S;
use ravelin_ctl::plane::SignalGroup;
use std::collections::HashMap;
use std::net::IpAddr;

/// planed's part.
pub(super) fn signals(config: &Config, errors: &mut Vec<CompileError>) -> Vec<SignalGroup> {
    let mut owners: HashMap<IpAddr, u8> = HashMap::new();
    let mut made = Vec::new();
    for group in &config.chassis.high_availability.services_redundancy_group {
        let path = format!(
            "chassis high-availability services-redundancy-group {}",
            group.number
        );
        for address in &group.active_signal_route {
            let other = owners.insert(*address, group.number);
            if let Some(message) = unusable(*address, other) {
                errors.push(CompileError {
                    path: format!("{path} active-signal-route {address}"),
                    message,
                });
            }
        }
        for name in &group.monitor.interface {
            let mut ports = config.interfaces().iter();
            if !ports.any(|i| is_port(&i.name) && i.name == *name) {
                errors.push(CompileError {
                    path: format!("{path} monitor interface {name}"),
                    message: format!("there is no port `{name}`"),
                });
            }
        }
        made.push(compiled(group));
    }
    made.retain(|group| !group.addresses.is_empty());
    made
}

/// Why an address cannot be that of a signal route.
fn unusable(address: IpAddr, other: Option<u8>) -> Option<String> {
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return Some(format!("`{address}` is no address that a host can have"));
    }
    other.map(|number| format!("`{address}` also belongs to group {number}"))
}

fn compiled(group: &RedundancyGroup) -> SignalGroup {
    let mut addresses = group.active_signal_route.clone();
    addresses.sort_unstable();
    SignalGroup {
        group: group.number.into(),
        addresses,
        monitored: group.monitor.interface.clone(),
    }
}

/// iked's part.
pub(super) fn hold_s(config: &Config) -> u32 {
    let configured = config.chassis.high_availability.hold_time;
    configured.map_or(DEFAULT_HOLD_S, u32::from)
}
